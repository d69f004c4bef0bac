/* journal.c - lines of JSON, each one write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/journal.h"
#include "api-edge/http/command.h"
#include "tests/chaos/say.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct journal {
    int             fd;
    pthread_mutex_t lock;
    long            calls;
};

/* Takes the object. */
static void
write_line(journal *j, json_t *object)
{
    char  *text = json_dumps(object, JSON_COMPACT);
    size_t len;

    if (text == NULL || (text = realloc(text, (len = strlen(text)) + 2)) == NULL)
        abort();
    memcpy(text + len, "\n", 2);
    if (write(j->fd, text, len + 1) != (ssize_t)len + 1)
        chaos_die("the journal: %s", strerror(errno));
    free(text);
    json_decref(object);
}

journal *
journal_open(const char *path, bus_id tenant, bus_id actor)
{
    journal *j = calloc(1, sizeof(*j));
    char     tenant_text[BUS_ID_TEXT_BYTES], actor_text[BUS_ID_TEXT_BYTES];

    if (j == NULL || pthread_mutex_init(&j->lock, NULL) != 0)
        abort();
    j->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (j->fd < 0)
        chaos_die("%s: %s", path, strerror(errno));
    write_line(j, json_pack("{s:s, s:s}", "tenant", bus_id_format(tenant, tenant_text), "actor",
                            bus_id_format(actor, actor_text)));
    return j;
}

void
journal_close(journal *j)
{
    (void)close(j->fd);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

long
journal_call(journal *j, const char *key, const char *path, const char *body)
{
    long call;

    (void)pthread_mutex_lock(&j->lock);
    call = ++j->calls;
    (void)pthread_mutex_unlock(&j->lock);
    write_line(j, json_pack("{s:I, s:s, s:s, s:s}", "call", (json_int_t)call, "key", key, "path",
                            path, "body", body));
    return call;
}

void
journal_answer(journal *j, long call, long status, const char *id, int version,
               const char *position, const char *code, int sent)
{
    write_line(j, json_pack("{s:I, s:I, s:s?, s:i, s:s?, s:s?, s:i}", "answer", (json_int_t)call,
                            "status", (json_int_t)status, "id", id, "version", version, "position",
                            position, "code", code, "sent", sent));
}

void
journal_read_back(journal *j, long call, long status, int version)
{
    write_line(j, json_pack("{s:I, s:I, s:i}", "read", (json_int_t)call, "status",
                            (json_int_t)status, "version", version));
}

void
journal_give_up(journal *j, long call, int sent)
{
    write_line(j, json_pack("{s:I, s:i}", "gave_up", (json_int_t)call, "sent", sent));
}

/* --- reading ------------------------------------------------------------------------------ */

typedef struct {
    bus_id          tenant, actor;
    journal_entry  *entries;
    journal_entry **by_call;
    long            room;
} reading;

static bus_id
id_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    bus_id      id;

    if (text == NULL || !bus_id_parse(bus_str_of(text), &id))
        chaos_die("the journal has no %s", name);
    return id;
}

static void
copy_text(char *out, size_t room, const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    (void)snprintf(out, room, "%s", text == NULL ? "" : text);
}

static void
read_call(reading *r, long call, const json_t *line)
{
    journal_entry *e = calloc(1, sizeof(*e)), *there;
    const char    *key = json_string_value(json_object_get(line, "key"));

    if (e == NULL)
        abort();
    if (key == NULL)
        chaos_die("call %ld of the journal has no key", call);
    e->call = call;
    e->command_id = edge_command_id_of_key(r->tenant, r->actor, bus_str_of(key));
    copy_text(e->path, sizeof(e->path), line, "path");
    HASH_FIND(hh, r->entries, &e->command_id, sizeof(bus_id), there);
    if (there != NULL)
        chaos_die("calls %ld and %ld have one key", there->call, call);
    HASH_ADD(hh, r->entries, command_id, sizeof(bus_id), e);
    while (call >= r->room) {
        long room = r->room == 0 ? 1024 : r->room * 2;

        r->by_call = realloc(r->by_call, (size_t)room * sizeof(*r->by_call));
        if (r->by_call == NULL)
            abort();
        memset(r->by_call + r->room, 0, (size_t)(room - r->room) * sizeof(*r->by_call));
        r->room = room;
    }
    r->by_call[call] = e;
}

static void
read_position(journal_entry *e, const char *position)
{
    const char *colon = strchr(position, ':');
    char       *end;

    if (colon == NULL || (size_t)(colon - position) >= sizeof(e->domain))
        chaos_die("call %ld: not a position: %s", e->call, position);
    memcpy(e->domain, position, (size_t)(colon - position));
    e->partition = (int)strtol(colon + 1, &end, 10);
    if (*end != ':')
        chaos_die("call %ld: not a position: %s", e->call, position);
    e->offset = strtoll(end + 1, &end, 10);
}

static void
read_answer(reading *r, const json_t *line)
{
    long           call = (long)json_integer_value(json_object_get(line, "answer"));
    const char    *position = json_string_value(json_object_get(line, "position"));
    journal_entry *e = call > 0 && call < r->room ? r->by_call[call] : NULL;

    if (e == NULL || e->status != 0)
        chaos_die("the journal has an answer to nothing: %ld", call);
    e->status = (long)json_integer_value(json_object_get(line, "status"));
    e->version = (int)json_integer_value(json_object_get(line, "version"));
    e->sent = (int)json_integer_value(json_object_get(line, "sent"));
    copy_text(e->id, sizeof(e->id), line, "id");
    copy_text(e->code, sizeof(e->code), line, "code");
    if (position != NULL)
        read_position(e, position);
}

static void
read_read_back(reading *r, const json_t *line)
{
    long           call = (long)json_integer_value(json_object_get(line, "read"));
    journal_entry *e = call > 0 && call < r->room ? r->by_call[call] : NULL;

    if (e == NULL || e->status == 0)
        chaos_die("the journal has a read of nothing: %ld", call);
    e->read_status = (long)json_integer_value(json_object_get(line, "status"));
    e->read_version = (int)json_integer_value(json_object_get(line, "version"));
}

journal_entry *
journal_read(const char *path)
{
    FILE   *f = fopen(path, "re");
    reading r = {0};
    char   *text = NULL;
    size_t  room = 0;

    if (f == NULL)
        chaos_die("%s: %s", path, strerror(errno));
    for (int n = 1; getline(&text, &room, f) > 0; n++) {
        json_t *line = json_loads(text, 0, NULL);
        long    call = (long)json_integer_value(json_object_get(line, "call"));

        if (line == NULL)
            chaos_die("%s:%d is not JSON", path, n);
        if (n == 1) {
            r.tenant = id_of(line, "tenant");
            r.actor = id_of(line, "actor");
        } else if (call > 0) {
            read_call(&r, call, line);
        } else if (json_object_get(line, "answer") != NULL) {
            read_answer(&r, line);
        } else if (json_object_get(line, "read") != NULL) {
            read_read_back(&r, line);
        } else if (json_object_get(line, "gave_up") == NULL) {
            chaos_die("%s:%d is not of a journal", path, n);
        }
        json_decref(line);
    }
    free(text);
    free(r.by_call);
    (void)fclose(f);
    return r.entries;
}

void
journal_forget(journal_entry *entries)
{
    journal_entry *e, *next;

    HASH_ITER(hh, entries, e, next)
    {
        HASH_DELETE(hh, entries, e);
        free(e);
    }
}
