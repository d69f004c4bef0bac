/* batch.c - many commands in one request.
 *
 * A line being worked on has a place; when all are taken no more is read. In its place it is sent,
 * or waits for the line of the same stream before it. Its answer is kept until all are there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/batch.h"
#include "api-edge/audit/audit.h"
#include "api-edge/http/command.h"
#include "api-edge/limits/limits.h"
#include "bus/contract/pointer.h"

#include <stdlib.h>
#include <string.h>

#define POINTER_BYTES 160
#define PLACES 64         /* lines of one batch at work at once */
#define BATCHES_MAX 32    /* of one loop at once; beyond: 503 */
#define TURN_STEPS 256    /* then others get their turn */
#define ERRORS_MAX 8      /* told of one line */
#define DEADLINE_FACTOR 3 /* a batch has so many times the time of a command */

typedef struct edge_batch edge_batch;

typedef struct batch_line {
    edge_command       command;
    edge_batch        *batch;
    bool               taken;
    int                number; /* in the body, from 1 */
    int                answer; /* index of its answer */
    struct batch_line *same;   /* the next one of its stream */
    struct batch_line *ready;  /* the next one to be sent */
    bus_arena          arena;
} batch_line;

struct edge_batch {
    edge_request *r;
    edge_later    later;
    bool          has_key, working, waiting; /* waiting: for the next turn */
    bus_id        id;                        /* with has_key: what keys of lines come of */
    bus_str       rest;                      /* not yet read */
    int           number;                    /* of the last line read */
    bus_str      *answers;
    int           answers_count, open;
    int64_t       deadline_us;
    batch_line   *first_ready, *last_ready;
    batch_line    places[PLACES];
};

/* --- answers ------------------------------------------------------------- */

static void
begin_answer(const batch_line *line, bus_buf *out)
{
    bus_buf_add_text(out, "{\"line\":");
    bus_buf_add_int(out, line->number);
    bus_buf_add_char(out, ',');
}

static void
keep_answer(batch_line *line, bus_buf *out)
{
    edge_batch *b = line->batch;

    bus_buf_add_text(out, "}\n");
    b->answers[line->answer] = bus_arena_copy(&b->r->arena, out->at, out->len);
    bus_buf_fini(out);
    bus_arena_reset(&line->arena);
    line->taken = false;
    b->open--;
}

static void
answer_trouble(batch_line *line, const edge_trouble *trouble)
{
    bus_buf out = {0};

    begin_answer(line, &out);
    (void)edge_trouble_write(line->batch->r, trouble, &out);
    keep_answer(line, &out);
}

static void
answer_done(batch_line *line, const edge_verdict *verdict, const bus_reply *reply)
{
    bus_buf out = {0};

    begin_answer(line, &out);
    bus_buf_printf(&out, "\"status\":%d,", verdict->status);
    edge_command_write(&line->command, reply, &out);
    if (verdict->location != NULL)
        bus_buf_printf(&out, ",\"location\":\"%s\"", verdict->location);
    if (verdict->repeated)
        bus_buf_add_text(&out, ",\"repeated\":true");
    keep_answer(line, &out);
}

static void
finish(edge_batch *b)
{
    edge_request *r = b->r;

    bus_buf_reset(&r->out);
    for (int i = 0; i < b->answers_count; i++)
        bus_buf_add_str(&r->out, b->answers[i]);
    for (int i = 0; i < PLACES; i++)
        bus_arena_fini(&b->places[i].arena);
    free(b->answers);
    free(b);
    r->batch = NULL;
    r->loop->batches--;
    edge_answer(r, &(edge_reply){.status = 200,
                                 .content_type = "application/x-ndjson",
                                 .body = bus_buf_str(&r->out)});
}

/* --- one line ------------------------------------------------------------ */

static void
make_ready(edge_batch *b, batch_line *line)
{
    line->ready = NULL;
    if (b->first_ready == NULL)
        b->first_ready = line;
    else
        b->last_ready->ready = line;
    b->last_ready = line;
}

static void work(edge_batch *b);

/* done() of its command. */
static void
end_line(edge_command *command, const edge_command_end *end)
{
    batch_line  *line = command->context;
    edge_batch  *b = line->batch;
    edge_verdict verdict = edge_command_verdict(command, end, &line->arena);

    edge_audit_command(b->r, command, &verdict, end->reply);
    verdict.trouble.below = bus_arena_printf(&line->arena, "/%d/data", line->number).at;
    if (line->same != NULL)
        make_ready(b, line->same);
    if (verdict.done)
        answer_done(line, &verdict, end->reply);
    else
        answer_trouble(line, &verdict.trouble);
    work(b);
}

static bool
is_known(const char *name)
{
    static const char *const names[] = {"command",  "id",        "idempotency_key",
                                        "if_match", "device_at", "data"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bus_str
text_of(const json_t *value)
{
    return (bus_str){json_string_value(value), (uint32_t)json_string_length(value)};
}

static const char *
pointer_of(const char *name, char pointer[POINTER_BYTES])
{
    pointer[0] = '\0';
    (void)bus_pointer_add_name(pointer, POINTER_BYTES, name); /* cut off: "" is good enough */
    return pointer;
}

static bool
check_members(json_t *json, bus_problems *problems)
{
    char        pointer[POINTER_BYTES];
    const char *name;
    json_t     *value;

    if (!json_is_object(json)) {
        bus_problem_add(problems, "", "a line must be an object");
        return false;
    }
    json_object_foreach(json, name, value)
    {
        if (!is_known(name))
            bus_problem_add(problems, pointer_of(name, pointer), "unknown member");
    }
    return problems->count == 0;
}

static const edge_route *
read_route(const edge_batch *b, const json_t *json, bus_problems *problems)
{
    const json_t     *name = json_object_get(json, "command");
    const edge_route *route = NULL;

    if (!json_is_string(name))
        bus_problem_add(problems, "/command", "must be the name of a command");
    else if ((route = edge_find_command(b->r->loop->e, text_of(name))) == NULL)
        bus_problem_add(problems, "/command", "there is no such command for clients");
    return route;
}

/* False: problems tells. */
static bool
read_id(const batch_line *line, const json_t *json, bus_id *out, bus_problems *problems)
{
    const edge_batch   *b = line->batch;
    const edge_request *r = b->r;
    const json_t       *value = json_object_get(json, "idempotency_key");
    bus_str             key;

    if (value == NULL) {
        *out = b->has_key ? edge_command_id_of_line(b->id, line->number)
                          : edge_command_new_id(r->loop);
        return true;
    }
    if (!json_is_string(value) || !edge_idempotency_key_parse(json_string_value(value), &key)) {
        bus_problem_add(problems, "/idempotency_key", EDGE_KEY_RULE);
        return false;
    }
    *out = edge_command_id_of_key(r->caller.tenant, r->caller.actor.id, key);
    return true;
}

static bool
read_version(const json_t *value, int32_t *out)
{
    if (value == NULL)
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= INT32_MAX) {
        *out = (int32_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) && edge_if_match_parse(json_string_value(value), out);
}

static bool
read_device_time(const json_t *value, int64_t *out)
{
    char text[24];

    if (value == NULL)
        return true;
    if (json_is_string(value))
        return edge_device_time_parse(text_of(value), out);
    if (!json_is_integer(value))
        return false;
    (void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    return edge_device_time_parse(bus_str_of(text), out);
}

static void
read_conditions(batch_line *line, const json_t *json, bus_problems *problems)
{
    bus_command *command = &line->command.value;

    if (!read_version(json_object_get(json, "if_match"), &command->expected_version))
        bus_problem_add(problems, "/if_match", "must be a version, or an ETag of ours");
    if (!read_device_time(json_object_get(json, "device_at"), &command->device_at_ms))
        bus_problem_add(problems, "/device_at", EDGE_DEVICE_TIME_RULE);
}

/* problems lie below "data". */
static bus_code
read_data(batch_line *line, const json_t *json, bus_problems *problems)
{
    const json_t *data = json_object_get(json, "data");

    return data == NULL ? edge_command_data(&line->command, BUS_STR("{}"), &line->arena, problems)
                        : edge_command_data_json(&line->command, data, &line->arena, problems);
}

/* The line as its command. False: *trouble says why not. */
static bool
read_command(batch_line *line, json_t *json, bus_problems *problems, edge_trouble *trouble)
{
    const edge_route *route;
    const json_t     *stream = json_object_get(json, "id");
    bus_id            id;

    trouble->problems = problems;
    trouble->below = bus_arena_printf(&line->arena, "/%d", line->number).at;
    if (!check_members(json, problems) || (route = read_route(line->batch, json, problems)) == NULL)
        return false;
    if (!edge_command_allowed(line->batch->r, route->command)) {
        *trouble = (edge_trouble){.kind = EDGE_FORBIDDEN};
        return false;
    }
    if ((stream == NULL) != (route->command->on == BUS_ON_NEW) ||
        (stream != NULL && !json_is_string(stream)))
        bus_problem_add(problems, "/id",
                        stream == NULL ? "is needed"
                                       : "must be a string, and only where "
                                         "something exists");
    if (!read_id(line, json, &id, problems) || problems->count > 0)
        return false;
    if (!edge_command_begin(&line->command, line->batch->r, route, id, text_of(stream))) {
        *trouble = (edge_trouble){.kind = EDGE_NOT_FOUND};
        return false;
    }
    read_conditions(line, json, problems);
    if (problems->count > 0)
        return false;
    trouble->below = bus_arena_printf(&line->arena, "/%d/data", line->number).at;
    return read_data(line, json, problems) == BUS_OK;
}

/* The line goes, behind those of its stream. */
static void
put_in_line(edge_batch *b, batch_line *line)
{
    for (int i = 0; i < PLACES; i++) {
        batch_line *other = &b->places[i];

        if (other != line && other->taken && other->same == NULL &&
            bus_id_equal(other->command.value.stream, line->command.value.stream)) {
            other->same = line;
            return;
        }
    }
    make_ready(b, line);
}

/* To the audit; json may be anything, or NULL. */
static void
note_refused(const batch_line *line, const json_t *json, const edge_trouble *trouble)
{
    edge_request     *r = line->batch->r;
    const json_t     *name = json_object_get(json, "command");
    const edge_route *route =
        json_is_string(name) ? edge_find_command(r->loop->e, text_of(name)) : NULL;

    edge_audit_refused(r, route == NULL ? NULL : route->command, edge_trouble_code(trouble));
}

static void
begin_line(batch_line *line, bus_str text)
{
    bus_problems *problems = BUS_ARENA_NEW(&line->arena, bus_problems);
    json_t       *json = bus_json_parse(text, problems);
    edge_trouble  trouble = {.problems = problems};
    bool          good = false;

    if (json == NULL)
        trouble.below = bus_arena_printf(&line->arena, "/%d", line->number).at;
    else
        good = read_command(line, json, problems, &trouble);
    if (!good)
        note_refused(line, json, &trouble);
    json_decref(json);
    if (problems->count > ERRORS_MAX)
        problems->count = ERRORS_MAX;
    if (!good) {
        answer_trouble(line, &trouble);
        return;
    }
    line->command.done = end_line;
    line->command.context = line;
    put_in_line(line->batch, line);
}

/* --- all lines ----------------------------------------------------------- */

static bool
is_late(const edge_batch *b)
{
    return bus_mono_us(b->r->loop->e->options.clock) >= b->deadline_us;
}

static void
send_line(edge_batch *b, batch_line *line)
{
    batch_line *same = line->same;

    if (!is_late(b)) {
        edge_command_send(b->r->loop->commands, &line->command);
        return;
    }
    if (same != NULL)
        make_ready(b, same);
    edge_audit_refused(b->r, line->command.route->command, BUS_STR("OVERLOADED"));
    answer_trouble(line, &(edge_trouble){.kind = EDGE_OVERLOADED});
}

/* The next line that is not empty; false: there is none. */
static bool
next_line(edge_batch *b, bus_str *out)
{
    while (b->rest.len > 0) {
        const char *end = memchr(b->rest.at, '\n', b->rest.len);
        uint32_t    len = end == NULL ? b->rest.len : (uint32_t)(end - b->rest.at);
        uint32_t    step = end == NULL ? len : len + 1;

        *out = (bus_str){b->rest.at, len};
        b->rest = (bus_str){b->rest.at + step, b->rest.len - step};
        b->number++;
        for (uint32_t i = 0; i < len; i++)
            if (strchr(" \t\r", out->at[i]) == NULL || out->at[i] == '\0')
                return true;
    }
    return false;
}

static batch_line *
free_place(edge_batch *b)
{
    for (int i = 0; i < PLACES; i++)
        if (!b->places[i].taken)
            return &b->places[i];
    return NULL;
}

/* One line further. False: nothing can be done now. */
static bool
step(edge_batch *b)
{
    batch_line *line = b->first_ready;
    bus_str     text;

    if (line != NULL) {
        b->first_ready = line->ready;
        send_line(b, line);
        return true;
    }
    line = b->open < PLACES ? free_place(b) : NULL;
    if (line == NULL || !next_line(b, &text))
        return false;
    line->taken = true;
    line->batch = b;
    line->number = b->number;
    line->answer = b->answers_count++;
    line->same = NULL;
    line->command = (edge_command){0};
    b->open++;
    begin_line(line, text);
    return true;
}

/* Goes on until everything waits for the bus, or others should have their turn. A line that ends
 * while it is sent comes back here and only leaves its mark. */
static void
work(edge_batch *b)
{
    int steps = 0;

    if (b->working || b->waiting)
        return;
    b->working = true;
    while (steps < TURN_STEPS && step(b))
        steps++;
    b->working = false;
    if (steps == TURN_STEPS) {
        b->waiting = true;
        edge_commands_later(b->r->loop->commands, &b->later);
    } else if (b->open == 0) {
        finish(b);
    }
}

static void
next_turn(edge_later *later)
{
    edge_batch *b = (edge_batch *)((char *)later - offsetof(edge_batch, later));

    b->waiting = false;
    work(b);
}

/* --- the request --------------------------------------------------------- */

static int
count_lines(bus_str text)
{
    int count = 1;

    for (uint32_t i = 0; i < text.len; i++)
        count += text.at[i] == '\n' && i + 1 < text.len;
    return count;
}

/* False: answered. */
static bool
check_request(edge_request *r)
{
    const char *type = edge_request_header(r, "Content-Type");
    int         max = r->loop->e->options.batch_lines_max, quota = edge_limits_commands(r);

    if (quota > 0 && quota < max)
        max = quota;
    if (!edge_is_media_type(type, "application/x-ndjson") &&
        !edge_is_media_type(type, "application/ndjson")) {
        edge_problem(r, EDGE_UNSUPPORTED_MEDIA_TYPE, "The body must be application/x-ndjson.");
        return false;
    }
    if (r->body.len == 0) {
        edge_problem(r, EDGE_BAD_REQUEST, "A batch has at least one line.");
        return false;
    }
    if (count_lines(bus_buf_str(&r->body)) > max) {
        edge_problem(r, EDGE_BODY_TOO_LARGE,
                     bus_arena_printf(&r->arena, "A batch has at most %d lines.", max).at);
        return false;
    }
    if (r->loop->batches >= BATCHES_MAX) {
        edge_problem(r, EDGE_OVERLOADED, NULL);
        return false;
    }
    return edge_limits_add(r, count_lines(bus_buf_str(&r->body)) - 1);
}

/* The batch's own key. False: answered. */
static bool
read_key(edge_request *r, bool *has_key, bus_id *id)
{
    const char *text = edge_request_header(r, "Idempotency-Key");
    bus_str     key;

    *has_key = text != NULL;
    if (text == NULL)
        return true;
    if (!edge_idempotency_key_parse(text, &key)) {
        edge_problem(r, EDGE_BAD_REQUEST, EDGE_KEY_RULE);
        return false;
    }
    *id = edge_command_id_of_key(r->caller.tenant, r->caller.actor.id, key);
    return true;
}

void
edge_batch_handle(edge_request *r)
{
    const edge_options *o = &r->loop->e->options;
    edge_batch         *b;
    bool                has_key;
    bus_id              id = BUS_ID_NIL;

    if (!read_key(r, &has_key, &id) || !check_request(r))
        return;
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        abort();
    b->r = r;
    b->later.turn = next_turn;
    b->has_key = has_key;
    b->id = id;
    b->rest = bus_buf_str(&r->body);
    b->answers = calloc((size_t)count_lines(b->rest), sizeof(*b->answers));
    if (b->answers == NULL)
        abort();
    b->deadline_us =
        bus_mono_us(o->clock) + (int64_t)o->command_deadline_ms * 1000 * DEADLINE_FACTOR;
    r->batch = b;
    r->loop->batches++;
    edge_request_suspend(r);
    work(b);
}
