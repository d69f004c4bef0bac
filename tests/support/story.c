/* story.c - given, when, then over a module's pure functions, in JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include "bus/base/arena.h"
#include "bus/contract/upcast.h"
#include "bus/module/decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORY_START_MS INT64_C(1795420800000) /* 2026-11-23T08:00:00Z */
#define ROWS_MAX 64

/* The one story that is told at a time. */
static struct {
    bus_arena            arena; /* of the whole story: states and rows borrow from it */
    const bus_module    *module;
    const bus_aggregate *aggregate;
    void                *state;
    bus_meta             meta;
    unsigned             commands; /* decided so far: gives each its id */

    void        *before;   /* the state before the last when() */
    bus_decision decision; /* of the last when() */
    bus_verdict  verdict;
    bus_problems problems;
    bool         decided;   /* false: the command's data was invalid */
    int          next;      /* event that then_event() looks at */
    int          next_send; /* send that then_sent() looks at */

    bus_reaction_out reaction;
    int              next_command;

    const bus_view *view;
    struct {
        bus_id id;
        bool   there;
        void  *row;
    } rows[ROWS_MAX];
    int     rows_count;
    int32_t versions; /* of projected events */
} told;

static void
fail_at(const char *file, int line, const char *fmt, ...)
{
    char    text[2048];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    print_error("%s:%d: %s\n", file, line, text);
    _fail(file, line);
    abort(); /* _fail does not return */
}

/* JSON with single quotes to JSON. */
static bus_str
quoted(const char *json)
{
    bus_str text = bus_arena_copy(&told.arena, json, strlen(json));
    char   *copy = bus_arena_alloc(&told.arena, text.len + 1);

    for (uint32_t i = 0; i < text.len; i++)
        copy[i] = json[i] == '\'' ? '"' : json[i];
    return (bus_str){copy, text.len};
}

static bus_id
id_of(const char *file, int line, const char *text)
{
    bus_id id;

    if (!bus_id_parse(bus_str_of(text), &id))
        fail_at(file, line, "\"%s\" is not a UUID", text);
    return id;
}

static void *
decoded(const char *file, int line, const bus_shape *shape, const char *json)
{
    bus_problems problems = {0};
    void        *out = bus_arena_alloc(&told.arena, shape->size);

    if (bus_decode_as(BUS_PERSONAL_OPENED, shape, quoted(json), &told.arena, out, &problems) !=
        BUS_OK)
        fail_at(file, line, "breaks the contract at \"%s\": %s", problems.items[0].pointer,
                problems.items[0].message);
    return out;
}

/* An event's struct in its newest version, which *type is then. */
static const void *
read_event(const char *file, int line, const bus_message **type, const char *json)
{
    bus_error err;
    void     *data;

    if (bus_event_decode(type, quoted(json), &told.arena, &data, &err) != BUS_OK)
        fail_at(file, line, "%s", err.text);
    return data;
}

static json_t *
parsed(const char *file, int line, bus_str text)
{
    json_error_t error;
    json_t *value = json_loadb(text.at, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

    if (value == NULL)
        fail_at(file, line, "not JSON: %s", error.text);
    return value;
}

/* Is every member of part equal in whole? Objects are compared by the members part names. */
static bool
contains(const json_t *whole, const json_t *part)
{
    const char *key;
    json_t     *value;
    size_t      i;

    if (json_is_object(part) && json_is_object(whole)) {
        json_object_foreach((json_t *)(uintptr_t)part, key, value)
        {
            const json_t *there = json_object_get(whole, key);

            if (json_is_null(value) && there == NULL)
                continue;
            if (there == NULL || !contains(there, value))
                return false;
        }
        return true;
    }
    if (json_is_array(part) && json_is_array(whole)) {
        if (json_array_size(part) != json_array_size(whole))
            return false;
        json_array_foreach(part, i,
                           value) if (!contains(json_array_get(whole, i), value)) return false;
        return true;
    }
    return json_equal(whole, part);
}

static void
compare(const char *file, int line, const char *what, bus_str got, const char *expected, bool exact)
{
    json_t *whole = parsed(file, line, got), *part = parsed(file, line, quoted(expected));
    bool    same = exact ? json_equal(whole, part) : contains(whole, part);

    json_decref(whole);
    json_decref(part);
    if (!same)
        fail_at(file, line, "%s is %.*s, expected %s", what, BUS_STR_ARG(got), expected);
}

static bus_str
encoded(const bus_shape *shape, const void *value)
{
    bus_buf buf = {0};
    bus_str copy;

    bus_encode(shape, value, &buf);
    copy = bus_arena_copy(&told.arena, buf.at, buf.len);
    bus_buf_fini(&buf);
    return copy;
}

static void
forget(void)
{
    bus_arena_fini(&told.arena);
    memset(&told, 0, sizeof(told));
}

void
story(const bus_module *module, const char *aggregate)
{
    forget();
    told.module = module;
    for (int i = 0; i < module->aggregates_count; i++)
        if (strcmp(module->aggregates[i].of->name, aggregate) == 0)
            told.aggregate = &module->aggregates[i];
    assert_non_null(told.aggregate);
    told.state = bus_arena_alloc(&told.arena, told.aggregate->state_size);
    told.meta.tenant = id_of(__FILE__, __LINE__, STORY_TENANT);
    told.meta.stream = id_of(__FILE__, __LINE__, STORY_STREAM);
    told.meta.actor_id = id_of(__FILE__, __LINE__, STORY_ACTOR);
    told.meta.roles = BUS_ROLE_ADMIN;
    told.meta.at_ms = STORY_START_MS;
    with_setting("{}");
}

void
at_time(int64_t utc_ms)
{
    told.meta.at_ms = utc_ms;
}

void
at_date(const char *rfc3339)
{
    int year, month, day, hour, minute, second;

    assert_int_equal(
        sscanf(rfc3339, "%d-%d-%dT%d:%d:%dZ", &year, &month, &day, &hour, &minute, &second), 6);
    told.meta.at_ms = (int64_t)bus_days_from_civil(year, month, day) * BUS_DAY_MS +
                      ((int64_t)hour * 3600 + minute * 60 + second) * 1000;
}

void
later_ms(int64_t ms)
{
    told.meta.at_ms += ms;
}

void
as_role(const char *role)
{
    told.meta.roles =
        strcmp(role, "SERVICE") == 0 ? BUS_ROLE_SERVICE : bus_role_parse(bus_str_of(role));
    assert_int_not_equal(told.meta.roles, 0);
    told.meta.driver_id = BUS_ID_NIL;
    told.meta.grants = 0;
}

void
as_driver(const char *driver_uuid)
{
    told.meta.roles = BUS_ROLE_DRIVER;
    told.meta.driver_id = id_of(__FILE__, __LINE__, driver_uuid);
    told.meta.grants = 0;
}

void
as_user(const char *user_uuid)
{
    told.meta.actor_id = id_of(__FILE__, __LINE__, user_uuid);
}

void
with_grant(const char *grant)
{
    told.meta.grants |= bus_grant_parse(bus_str_of(grant));
}

void
device_at(int64_t utc_ms)
{
    told.meta.device_at_ms = utc_ms;
}

void
with_setting(const char *settings_json)
{
    if (told.module->contract->settings != NULL)
        told.meta.settings =
            decoded(__FILE__, __LINE__, told.module->contract->settings, settings_json);
}

static void
apply(const bus_message *type, const void *data)
{
    told.aggregate->apply(told.state, bus_tagged(&told.arena, type, data));
    told.meta.version++;
}

static const bus_message *
event_of(const char *file, int line, const bus_aggregate_contract *of, const char *name)
{
    const bus_message *type = bus_contract_event(of->contract, bus_str_of(name));

    if (type == NULL || type->aggregate != of)
        fail_at(file, line, "%s is no event of %s", name, of->name);
    return type;
}

static const bus_message *
command_of(const char *file, int line, const char *name)
{
    const bus_message *type = bus_contract_command(told.module->contract, bus_str_of(name));

    if (type == NULL || type->aggregate != told.aggregate->of)
        fail_at(file, line, "%s is no command of %s", name, told.aggregate->of->name);
    return type;
}

void
story_given(const char *file, int line, const char *event, const char *json)
{
    const bus_message *type = event_of(file, line, told.aggregate->of, event);
    const void        *data = read_event(file, line, &type, json);

    apply(type, data);
}

static void
decide(const bus_message *type, const void *data)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "command:%u", told.commands++);
    told.meta.command_id = bus_id_v5_text(told.meta.tenant, name);
    told.next = told.next_send = 0;
    told.decided = true;
    told.before = bus_arena_alloc(&told.arena, told.aggregate->state_size);
    memcpy(told.before, told.state, told.aggregate->state_size);
    bus_decision_begin(&told.decision, &told.arena);
    told.verdict = told.aggregate->decide(told.state, bus_tagged(&told.arena, type, data),
                                          &told.meta, &told.decision);
    if (told.verdict != BUS_ACCEPTED)
        return;
    for (int i = 0; i < told.decision.events_count; i++) {
        const bus_decided_event *e = &told.decision.events[i];
        bus_problems             problems = {0};
        void                    *again = bus_arena_alloc(&told.arena, e->type->shape->size);

        /* What is emitted must read back: the log is JSON. */
        if (bus_decode_as(BUS_PERSONAL_OPENED, e->type->shape, encoded(e->type->shape, e->data),
                          &told.arena, again, &problems) != BUS_OK)
            fail_at(__FILE__, __LINE__, "%s emitted %.*s, which breaks its contract at \"%s\": %s",
                    e->type->type, BUS_STR_ARG(encoded(e->type->shape, e->data)),
                    problems.items[0].pointer, problems.items[0].message);
        apply(e->type, again);
    }
}

void
story_when(const char *file, int line, const char *command, const char *json)
{
    const bus_message *type = command_of(file, line, command);
    void              *data;

    if (type->by == BUS_BY_ANSWER)
        fail_at(file, line, "%s is an answer: use when_answer", command);
    data = bus_arena_alloc(&told.arena, type->shape->size);
    memset(&told.problems, 0, sizeof(told.problems));
    if (bus_decode(type->shape, quoted(json), &told.arena, data, &told.problems) != BUS_OK) {
        told.decided = false;
        return;
    }
    decide(type, data);
}

/* The message `of`, sent by this module: among the commands it declares to send. */
static const bus_message *
sent_type(const char *file, int line, const char *of)
{
    const bus_contract *contract = told.module->contract;

    for (int i = 0; i < contract->sends_count; i++)
        if (strcmp(contract->sends[i]->type, of) == 0)
            return contract->sends[i];
    fail_at(file, line, "%s sends no %s", contract->module, of);
    return NULL;
}

void
story_when_answer(const char *file, int line, const char *command, const char *of, bool accepted,
                  const char *code)
{
    const bus_message *type = command_of(file, line, command);
    bus_answer         answer = {
                .command = sent_type(file, line, of),
                .accepted = accepted,
                .code = bus_str_of(code),
                .detail = bus_str_of(code),
                .version = 1,
    };

    assert_int_equal(type->by, BUS_BY_ANSWER);
    decide(type, &answer);
}

void
story_when_answer_from(const char *file, int line, const char *stream, const char *command,
                       const char *of, const char *code, const char *event, const char *json)
{
    const bus_message *type = command_of(file, line, command), *sent = sent_type(file, line, of);
    bus_answer_event   happened = {0};
    bus_answer         answer = {
                .command = sent,
                .stream = id_of(file, line, stream),
                .accepted = code == NULL,
                .code = bus_str_of(code),
                .detail = bus_str_of(code),
                .version = 1,
                .events = &happened,
    };

    assert_int_equal(type->by, BUS_BY_ANSWER);
    if (event != NULL) {
        happened.type = event_of(file, line, sent->aggregate, event);
        happened.data = decoded(file, line, happened.type->shape, json);
        answer.events_count = 1;
    }
    decide(type, &answer);
}

static void
expect_accepted(const char *file, int line)
{
    if (!told.decided)
        fail_at(file, line, "the command breaks its contract at \"%s\": %s",
                told.problems.items[0].pointer, told.problems.items[0].message);
    if (told.verdict != BUS_ACCEPTED)
        fail_at(file, line, "refused with %s %.*s", told.decision.refusal->code,
                BUS_STR_ARG(told.decision.params));
}

void
story_then_event(const char *file, int line, const char *event, const char *json, bool exact)
{
    const bus_decided_event *e;

    expect_accepted(file, line);
    if (told.next >= told.decision.events_count)
        fail_at(file, line, "no %s: only %d events", event, told.decision.events_count);
    e = &told.decision.events[told.next++];
    if (strcmp(e->type->type, event) != 0)
        fail_at(file, line, "event %d is %s, expected %s", told.next, e->type->type, event);
    compare(file, line, event, encoded(e->type->shape, e->data), json, exact);
}

void
story_what_if(const char *file, int line, const char *event, const char *rules)
{
    const bus_contract *contract = told.module->contract;
    bus_event           was = {.type = event_of(file, line, told.aggregate->of, event)};
    bus_decision        again;

    expect_accepted(file, line);
    for (int i = 0; i < told.decision.events_count && was.data == NULL; i++)
        if (told.decision.events[i].type == was.type)
            was.data = told.decision.events[i].data;
    if (was.data == NULL || contract->what_if == NULL)
        fail_at(file, line, "no %s has happened, or there are no rules", event);
    was.tagged = bus_tagged(&told.arena, was.type, was.data);
    bus_decision_begin(&again, &told.arena);
    for (int i = 0; i < told.module->what_ifs_count; i++)
        if (told.module->what_ifs[i].on == was.type)
            told.module->what_ifs[i].compute(decoded(file, line, contract->what_if, rules),
                                             told.before, &was, &again);
    if (again.events_count != 1)
        fail_at(file, line, "%d events came of it", again.events_count);
    for (int i = 0; i < told.decision.events_count; i++)
        if (told.decision.events[i].type == was.type) {
            told.decision.events[i] = again.events[0];
            told.next = i;
        }
}

void
story_then_nothing_more(const char *file, int line)
{
    expect_accepted(file, line);
    if (told.next < told.decision.events_count)
        fail_at(file, line, "one more event: %s", told.decision.events[told.next].type->type);
}

void
story_then_refused(const char *file, int line, const char *code, const char *params)
{
    if (!told.decided)
        fail_at(file, line, "the command breaks its contract at \"%s\": %s",
                told.problems.items[0].pointer, told.problems.items[0].message);
    if (told.verdict == BUS_ACCEPTED)
        fail_at(file, line, "accepted, expected %s", code);
    if (strcmp(told.decision.refusal->code, code) != 0)
        fail_at(file, line, "refused with %s, expected %s", told.decision.refusal->code, code);
    if (params != NULL)
        compare(file, line, code, told.decision.params, params, false);
}

void
story_then_invalid(const char *file, int line, const char *pointer)
{
    if (told.decided)
        fail_at(file, line, "the data keeps its contract");
    for (int i = 0; i < told.problems.count; i++)
        if (strcmp(told.problems.items[i].pointer, pointer) == 0)
            return;
    fail_at(file, line, "broken at \"%s\": %s", told.problems.items[0].pointer,
            told.problems.items[0].message);
}

void
story_then_sent(const char *file, int line, const char *command, const char *stream,
                const char *json)
{
    const bus_decided_send *s;

    expect_accepted(file, line);
    if (told.next_send >= told.decision.sends_count)
        fail_at(file, line, "no send of %s: only %d", command, told.decision.sends_count);
    s = &told.decision.sends[told.next_send++];
    if (strcmp(s->command->type, command) != 0)
        fail_at(file, line, "send %d is %s, expected %s", told.next_send, s->command->type,
                command);
    if (stream != NULL && !bus_id_equal(s->stream, id_of(file, line, stream)))
        fail_at(file, line, "%s goes to another stream than %s", command, stream);
    if (json != NULL)
        compare(file, line, command, s->data, json, false);
}

void
story_then_claim(const char *file, int line, const char *kind, const char *value, const char *code)
{
    expect_accepted(file, line);
    for (int i = 0; i < told.decision.claims_count; i++) {
        const bus_decided_claim *c = &told.decision.claims[i];

        if (strcmp(c->kind, kind) != 0 || !bus_str_is(c->value, value) ||
            (c->taken == NULL) != (code == NULL))
            continue;
        if (code != NULL && strcmp(c->taken->code, code) != 0)
            fail_at(file, line, "the claim of %s \"%s\" is refused with %s, expected %s", kind,
                    value, c->taken->code, code);
        return;
    }
    fail_at(file, line, "no %s of %s \"%s\"", code == NULL ? "release" : "claim", kind, value);
}

void
story_then_wake(const char *file, int line, const char *command, int64_t utc_ms)
{
    expect_accepted(file, line);
    for (int i = 0; i < told.decision.wakes_count; i++) {
        const bus_decided_wake *w = &told.decision.wakes[i];

        if (strcmp(w->command->type, command) == 0 && w->at_ms == utc_ms)
            return;
    }
    fail_at(file, line, "no wake %s at %lld", command, (long long)utc_ms);
}

void
story_then_owned(const char *file, int line, const char *driver, bool yes)
{
    bool owned = told.aggregate->owned_by != NULL &&
                 told.aggregate->owned_by(told.state, id_of(file, line, driver));

    if (owned != yes)
        fail_at(file, line, "the stream is%s of driver %s", owned ? "" : " not", driver);
}

/* --- reactions ---------------------------------------------------------- */

static bus_event
event_around(const bus_message *type, const void *data, bus_id stream, int32_t version)
{
    return (bus_event){
        .type = type,
        .data = data,
        .tagged = bus_tagged(&told.arena, type, data),
        .stream = stream,
        .tenant = id_of(__FILE__, __LINE__, STORY_TENANT),
        .version = version,
        .at_ms = told.meta.at_ms != 0 ? told.meta.at_ms : STORY_START_MS,
        .device_at_ms = told.meta.device_at_ms,
        .actor_id = told.meta.actor_id,
    };
}

void
story_reacts(const char *file, int line, const bus_module *module, const char *event,
             const char *json)
{
    told.reaction = (bus_reaction_out){.arena = &told.arena};
    told.next_command = 0;
    for (int i = 0; i < module->reactions_count; i++) {
        const bus_message *on = module->reactions[i].on;
        bus_event          e;

        if (strcmp(on->type, event) != 0)
            continue;
        e = event_around(on, decoded(file, line, on->shape, json), id_of(file, line, STORY_STREAM),
                         1);
        module->reactions[i].react(&e, &told.reaction);
        return;
    }
    fail_at(file, line, "%s has no reaction to %s", module->contract->module, event);
}

void
story_then_command(const char *file, int line, const char *command, const char *stream,
                   const char *json)
{
    const bus_reacted_command *c;

    if (told.next_command >= told.reaction.commands_count)
        fail_at(file, line, "no command %s: only %d", command, told.reaction.commands_count);
    c = &told.reaction.commands[told.next_command++];
    if (strcmp(c->command->type, command) != 0)
        fail_at(file, line, "the command is %s, expected %s", c->command->type, command);
    if (stream != NULL && !bus_id_equal(c->stream, id_of(file, line, stream)))
        fail_at(file, line, "%s goes to another stream than %s", command, stream);
    if (json != NULL)
        compare(file, line, command, c->data, json, false);
}

/* --- views --------------------------------------------------------------- */

void
view_story(const bus_view *view)
{
    forget();
    told.view = view;
    told.meta.at_ms = STORY_START_MS;
}

/* Place of the row, made when new; always there (rows_count is bounded). */
static int
row_of(bus_id id)
{
    for (int i = 0; i < told.rows_count; i++)
        if (bus_id_equal(told.rows[i].id, id))
            return i;
    assert_true(told.rows_count < ROWS_MAX);
    told.rows[told.rows_count].id = id;
    told.rows[told.rows_count].row = bus_arena_alloc(&told.arena, told.view->of->row->size);
    return told.rows_count++;
}

static void
fold(const bus_event *event, bus_id id)
{
    const bus_shape *shape = told.view->of->row;
    bus_projection   out = {.arena = &told.arena, .row = id};
    int              i = row_of(id);
    bus_problems     problems = {0};
    void            *again;
    bus_str          body;

    told.view->project(told.rows[i].row, event, &out);
    told.rows[i].there = !out.removed;
    if (out.removed) {
        memset(told.rows[i].row, 0, shape->size);
        return;
    }
    /* What is kept must read back: rows are JSON between batches. */
    body = encoded(shape, told.rows[i].row);
    again = bus_arena_alloc(&told.arena, shape->size);
    if (bus_decode_as(BUS_PERSONAL_OPENED, shape, body, &told.arena, again, &problems) != BUS_OK)
        fail_at(__FILE__, __LINE__, "%s made the row %.*s, which breaks its contract at \"%s\": %s",
                event->type->type, BUS_STR_ARG(body), problems.items[0].pointer,
                problems.items[0].message);
    told.rows[i].row = again;
}

void
story_project(const char *file, int line, const char *event, const char *stream, const char *json)
{
    const bus_view_contract *of = told.view->of;

    for (int i = 0; i < of->follows_count; i++) {
        bus_projection keys = {.arena = &told.arena};
        bus_event      e;

        if (strcmp(of->follows[i]->type, event) != 0)
            continue;
        e = event_around(of->follows[i], decoded(file, line, of->follows[i]->shape, json),
                         id_of(file, line, stream), ++told.versions);
        if (told.view->keys != NULL)
            told.view->keys(&e, &keys);
        else
            bus_row_key(&keys, e.stream);
        for (int k = 0; k < keys.keys_count; k++)
            fold(&e, keys.keys[k]);
        return;
    }
    fail_at(file, line, "%s does not follow %s", of->name, event);
}

void
story_then_row(const char *file, int line, const char *id, const char *json)
{
    bus_id wanted = id_of(file, line, id);

    for (int i = 0; i < told.rows_count; i++) {
        if (!bus_id_equal(told.rows[i].id, wanted) || !told.rows[i].there)
            continue;
        if (json == NULL)
            fail_at(file, line, "row %s is there", id);
        compare(file, line, "the row", encoded(told.view->of->row, told.rows[i].row), json, false);
        return;
    }
    if (json != NULL)
        fail_at(file, line, "no row %s", id);
}
