/* history.c - the journal against the log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/history.h"
#include "tests/chaos/journal.h"
#include "tests/chaos/left_over.h"
#include "tests/chaos/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_OF_COMMAND_MAX 128
#define TOPICS_MS 150000 /* after the end of the load */

static const char *const domains[] = {"vehicles", "drivers", "deliveries", "trips", "assignment"};
#define DOMAINS ((int)(sizeof(domains) / sizeof(domains[0])))

/* One command of the log, of whatever domain: what its events have in common. */
typedef struct {
    bus_id         command_id;
    int            domain, partition, version, events;
    long long      first, last; /* offsets */
    char           stream[40];
    bool           of_client, of_timer; /* neither: of an event */
    bool           seen[EVENTS_OF_COMMAND_MAX];
    UT_hash_handle hh;
} command;

/* How far a stream has come. */
typedef struct {
    char           id[40];
    int            version;
    UT_hash_handle hh;
} stream;

typedef struct {
    command *commands;
    stream  *streams;
    long     events, reads;
    int      faults;
} history;

__attribute__((format(printf, 2, 3))) static void
fault(history *h, const char *fmt, ...)
{
    char    text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    chaos_say("FAULT %s", text);
    h->faults++;
}

/* --- the log ------------------------------------------------------------------------------- */

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static bool
by_shina(const json_t *event)
{
    const json_t *roles = json_object_get(json_object_get(event, "actor"), "roles");

    return json_array_size(roles) == 1 &&
           strcmp(json_string_value(json_array_get(roles, 0)), "SERVICE") == 0;
}

static void
note_stream(history *h, const char *id, int version)
{
    stream *s;

    HASH_FIND_STR(h->streams, id, s);
    if (s == NULL) {
        if ((s = calloc(1, sizeof(*s))) == NULL)
            abort();
        (void)snprintf(s->id, sizeof(s->id), "%s", id);
        HASH_ADD_STR(h->streams, id, s);
    }
    if (version > s->version)
        s->version = version;
}

static command *
new_command(history *h, bus_id id, int domain, const json_t *event)
{
    command *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->command_id = id;
    c->domain = domain;
    c->partition = (int)json_integer_value(json_object_get(event, "partition"));
    c->first = c->last = json_integer_value(json_object_get(event, "offset"));
    c->of_client = !by_shina(event);
    c->of_timer = !c->of_client && json_object_get(event, "causation") == NULL;
    (void)snprintf(c->stream, sizeof(c->stream), "%s", text_of(event, "subject"));
    HASH_ADD(hh, h->commands, command_id, sizeof(bus_id), c);
    return c;
}

static void
take_event(history *h, int domain, const json_t *event)
{
    const char *id_text = text_of(event, "id");
    long long   offset = json_integer_value(json_object_get(event, "offset"));
    long        nth = strlen(id_text) > 37 ? strtol(id_text + 37, NULL, 10) : -1;
    command    *c;
    bus_id      id;

    if (nth < 0 || nth >= EVENTS_OF_COMMAND_MAX || !bus_id_parse((bus_str){id_text, 36}, &id)) {
        fault(h, "%s: not an event's id: %s", domains[domain], id_text);
        return;
    }
    HASH_FIND(hh, h->commands, &id, sizeof(id), c);
    if (c == NULL)
        c = new_command(h, id, domain, event);
    if (c->domain != domain || strcmp(c->stream, text_of(event, "subject")) != 0)
        fault(h, "command %.36s is in two streams: %s, %s", id_text, c->stream,
              text_of(event, "subject"));
    if (c->seen[nth])
        fault(h, "event %s is in the log twice", id_text);
    c->seen[nth] = true;
    c->events++;
    if (offset > c->last)
        c->last = offset;
    if (offset < c->first)
        c->first = offset;
    if (json_integer_value(json_object_get(event, "streamversion")) > c->version)
        c->version = (int)json_integer_value(json_object_get(event, "streamversion"));
    note_stream(h, c->stream, c->version);
    h->events++;
}

static void
read_log(history *h, const tests_shina *shina, int domain)
{
    const char *args[] = {"events", domains[domain], NULL};
    char       *text = tests_shina_verb(shina, args, NULL), *line, *rest = text;

    while ((line = strsep(&rest, "\n")) != NULL) {
        json_t *event;

        if (*line == '\0')
            continue;
        event = json_loads(line, 0, NULL);
        if (event == NULL)
            fault(h, "%s: not JSON: %.100s", domains[domain], line);
        else
            take_event(h, domain, event);
        json_decref(event);
    }
    free(text);
}

static void
check_whole(history *h, const command *c)
{
    char text[BUS_ID_TEXT_BYTES];

    for (int nth = 0; nth < c->events; nth++)
        if (!c->seen[nth]) {
            fault(h, "%s: command %s has %d events, but none is number %d", domains[c->domain],
                  bus_id_format(c->command_id, text), c->events, nth);
            return;
        }
    if (c->last - c->first != c->events - 1)
        fault(h, "%s: events of command %s do not stand side by side", domains[c->domain],
              bus_id_format(c->command_id, text));
}

/* --- the journal against it ------------------------------------------------------------------ */

static void
check_acknowledged(history *h, const journal_entry *e, const command *c)
{
    if (c == NULL)
        fault(h, "call %ld %s was acknowledged at %s:%d:%lld and is not in the log", e->call,
              e->path, e->domain, e->partition, e->offset);
    else if (strcmp(domains[c->domain], e->domain) != 0 || c->partition != e->partition ||
             c->last != e->offset || c->version != e->version || strcmp(c->stream, e->id) != 0)
        fault(h, "call %ld %s was told %s:%d:%lld %s version %d; the log says %s:%d:%lld %s %d",
              e->call, e->path, e->domain, e->partition, e->offset, e->id, e->version,
              domains[c->domain], c->partition, c->last, c->stream, c->version);
}

/* A read with X-After shows the command, and no version that the log has not. */
static void
check_read(history *h, const journal_entry *e)
{
    const stream *s;

    if (e->read_status == 0)
        return;
    h->reads++;
    HASH_FIND_STR(h->streams, e->id, s);
    if (e->read_status != 200 || e->read_version < e->version)
        fault(h, "call %ld %s made version %d of %s; a read after it was answered %ld, version %d",
              e->call, e->path, e->version, e->id, e->read_status, e->read_version);
    else if (s == NULL || e->read_version > s->version)
        fault(h, "call %ld: version %d of %s was read, which the log has not", e->call,
              e->read_version, e->id);
}

static void
check_calls(history *h, journal_entry *calls, long *unknown_done, long *unknown)
{
    const journal_entry *e, *next;

    for (e = calls; e != NULL; e = next) {
        command *c;

        next = e->hh.next;
        HASH_FIND(hh, h->commands, &e->command_id, sizeof(bus_id), c);
        if (e->status == 200 || e->status == 201) {
            check_acknowledged(h, e, c);
            check_read(h, e);
        } else if (e->status == 0) {
            ++*unknown;
            *unknown_done += c != NULL;
        } else if (c != NULL) {
            fault(h,
                  "call %ld %s was refused (%ld %s, sent %d times) and is in the log at %s:%d:%lld",
                  e->call, e->path, e->status, e->code, e->sent, domains[c->domain], c->partition,
                  c->last);
        }
    }
}

static void
check_log(history *h, journal_entry *calls)
{
    char text[BUS_ID_TEXT_BYTES];

    for (const command *c = h->commands; c != NULL; c = c->hh.next) {
        const journal_entry *e;

        check_whole(h, c);
        HASH_FIND(hh, calls, &c->command_id, sizeof(bus_id), e);
        if (c->of_client && e == NULL)
            fault(h, "%s:%d:%lld: nobody asked for command %s", domains[c->domain], c->partition,
                  c->last, bus_id_format(c->command_id, text));
        if (c->of_timer && c->version <= c->events)
            fault(h, "%s:%d:%lld: no event of its stream set the timer of command %s",
                  domains[c->domain], c->partition, c->last, bus_id_format(c->command_id, text));
        if (!c->of_client && e != NULL)
            fault(h, "%s:%d:%lld: a client's command is by shina", domains[c->domain], c->partition,
                  c->last);
    }
}

/* Topics follow the logs, so what is not in them yet is waited for. */
static void
verify(history *h, const tests_shina *shina)
{
    const char *args[] = {"verify", tests_shina_kafka(shina) != NULL ? "--topics" : NULL, NULL};
    int64_t     until = chaos_now_ms() + TOPICS_MS;
    int         exit_code;
    char       *out = tests_shina_verb(shina, args, &exit_code);

    while (exit_code == 0 && strstr(out, "BEHIND TOPIC") != NULL && chaos_now_ms() < until) {
        free(out);
        out = tests_shina_verb(shina, args, &exit_code);
    }
    if (exit_code != 0 || strstr(out, " 0 faults") == NULL || strstr(out, "BEHIND TOPIC") != NULL)
        fault(h, "shina verify ended with %d: %s", exit_code, out);
    else
        chaos_say("verify: %s", strrchr(out, '\n') == NULL ? out : strrchr(out, '\n') + 1);
    free(out);
}

static void
forget(history *h)
{
    command *c, *next;
    stream  *s, *next_stream;

    HASH_ITER(hh, h->commands, c, next)
    {
        HASH_DELETE(hh, h->commands, c);
        free(c);
    }
    HASH_ITER(hh, h->streams, s, next_stream)
    {
        HASH_DELETE(hh, h->streams, s);
        free(s);
    }
}

int
history_check(const tests_shina *shina, const char *token, const char *journal_path)
{
    history        h = {0};
    journal_entry *calls = journal_read(journal_path);
    long           unknown = 0, unknown_done = 0;

    for (int d = 0; d < DOMAINS; d++)
        read_log(&h, shina, d);
    check_calls(&h, calls, &unknown_done, &unknown);
    check_log(&h, calls);
    h.faults += left_over_reservations(shina, token, true);
    h.faults += left_over_claims(shina);
    verify(&h, shina);
    chaos_say(
        "history: %u calls against %u commands with %ld events, %ld reads behind them; of %ld "
        "unknown %ld happened; %d faults",
        HASH_COUNT(calls), HASH_COUNT(h.commands), h.events, h.reads, unknown, unknown_done,
        h.faults);
    forget(&h);
    journal_forget(calls);
    return h.faults;
}

int
history_settle(const tests_shina *shina, const char *token, int patience_s)
{
    int64_t began = chaos_now_ms();

    while (left_over_reservations(shina, token, false) != 0 ||
           left_over_errands(shina, false) != 0) {
        if (chaos_now_ms() - began > (int64_t)patience_s * 1000) {
            tests_shina_print_logs(shina);
            (void)left_over_reservations(shina, token, true);
            (void)left_over_errands(shina, true);
            chaos_die("processes hang, streams stay parked, or reservations leak: after %d s",
                      patience_s);
        }
        chaos_pause_ms(500);
    }
    return (int)((chaos_now_ms() - began) / 1000);
}
