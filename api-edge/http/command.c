/* command.c - commands from HTTP to the bus and their answers back.
 *
 * A command keeps its id and is sent again until its answer comes or its deadline passes; the
 * log carries it out once. A refusal leaves nothing in the log, so that a copy which is still under
 * way may be carried out after it. Therefore each copy is asked for a moment longer than the one
 * before, a writer that has refused a copy lets earlier ones expire, and only the newest copy's
 * refusal is the answer. A request in flight has a slot; ticket = generation of the slot, number of
 * the copy, number of the slot, so a late answer finds nobody.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/command.h"
#include "api-edge/audit/audit.h"
#include "api-edge/http/metrics.h"
#include "api-edge/http/owners.h"
#include "api-edge/http/problem.h"
#include "bus/base/failpoint.h"
#include "bus/envelope/command.h"
#include "bus/log/log.h"
#include "bus/personal/secret.h"

#include <stdlib.h>
#include <string.h>

#define TICK_MS 50
#define RESEND_FIRST_US INT64_C(1000000) /* no answer so long: sent again; doubles */
#define RESEND_MAX_US INT64_C(4000000)
#define RETRY_US INT64_C(100000) /* nobody to send to, or pushed back */
#define REPLIES_MAX 64           /* taken at once */
#define SLOT_BITS 20             /* of a ticket */
#define SLOTS_MAX (UINT32_C(1) << SLOT_BITS)
#define COPIES (UINT32_C(1) << (32 - SLOT_BITS)) /* told apart */

typedef struct {
    edge_command *command; /* NULL: free */
    uint32_t      generation;
    uint32_t      next_free;
    int           sends;  /* how often the transport took it */
    uint32_t      copies; /* numbers that were given out: one for each try to send */
    int64_t       send_at_us, pause_us, deadline_us;
    uint64_t      sent_to; /* of the address that took it last */
} slot;

struct edge_commands {
    edge_loop   *loop;
    bus_client  *client;
    edge_owners *owners;
    uv_timer_t   tick;
    slot        *slots;
    uint32_t     room, free_slot; /* free_slot == room: none */
    int          in_flight;
    edge_later  *later;
    bool         abandoned;
};

static void on_tick(uv_timer_t *tick);

/* --- slots --------------------------------------------------------------- */

static slot *
take_slot(edge_commands *commands, edge_command *command)
{
    slot *s;

    if (commands->free_slot == commands->room)
        return NULL;
    command->slot = commands->free_slot;
    s = &commands->slots[commands->free_slot];
    commands->free_slot = s->next_free;
    s->command = command;
    s->sends = 0;
    s->copies = 0;
    s->pause_us = RESEND_FIRST_US;
    if (commands->in_flight++ == 0)
        (void)uv_timer_start(&commands->tick, on_tick, TICK_MS, TICK_MS);
    edge_metrics_commands(1);
    return s;
}

static edge_command *
free_slot(edge_commands *commands, slot *s)
{
    edge_command *command = s->command;

    s->command = NULL;
    s->generation++;
    s->next_free = commands->free_slot;
    commands->free_slot = (uint32_t)(s - commands->slots);
    if (--commands->in_flight == 0)
        (void)uv_timer_stop(&commands->tick);
    edge_metrics_commands(-1);
    return command;
}

static void
end_with_problem(edge_commands *commands, slot *s, edge_problem_kind kind)
{
    edge_command *command = free_slot(commands, s);

    command->done(command, &(edge_command_end){.problem = kind});
}

static void
end_with_reply(edge_commands *commands, slot *s, const bus_reply *reply)
{
    edge_command *command = free_slot(commands, s);

    command->done(command, &(edge_command_end){.reply = reply});
}

/* Of the newest copy. */
static uint64_t
ticket_of(const edge_commands *commands, const slot *s)
{
    return (uint64_t)s->generation << 32 | (uint64_t)(s->copies % COPIES) << SLOT_BITS |
           (uint64_t)(s - commands->slots);
}

static slot *
slot_of(edge_commands *commands, uint64_t ticket)
{
    uint32_t number = (uint32_t)ticket % SLOTS_MAX;
    slot    *s = number < commands->room ? &commands->slots[number] : NULL;

    return s != NULL && s->command != NULL && s->generation == (uint32_t)(ticket >> 32) ? s : NULL;
}

/* --- sending ------------------------------------------------------------- */

static int64_t
mono_us(const edge_commands *commands)
{
    return bus_mono_us(commands->loop->e->options.clock);
}

/* Sends, or sees to it that it is tried again. */
static void
send_slot(edge_commands *commands, slot *s, int64_t now_us)
{
    const edge_options *o = &commands->loop->e->options;
    bus_command        *command = &s->command->value;
    const char         *address;
    bus_envelope       *env;
    bus_error           err;

    s->send_at_us = now_us + RETRY_US;
    if (!edge_owners_find(commands->owners, s->command->route->command->aggregate->contract,
                          command->stream, &command->partition, &address)) {
        edge_owners_refresh(commands->owners);
        return;
    }
    if (s->copies++ > 0)
        command->expires_at_ms++; /* the newest, if a refusal is remembered */
    env = bus_envelope_of_command(command);
    switch (o->transport_ops->send(commands->client, address, env, ticket_of(commands, s), &err)) {
    case BUS_OK:
        BUS_FAIL_POINT("edge.command_sent");
        if (s->sends++ > 0)
            edge_metrics_resent();
        s->sent_to = bus_fnv1a64(address, strlen(address));
        s->send_at_us = now_us + s->pause_us;
        s->pause_us = s->pause_us * 2 > RESEND_MAX_US ? RESEND_MAX_US : s->pause_us * 2;
        return;
    case BUS_FULL:
        bus_envelope_release(env);
        if (s->sends == 0)
            end_with_problem(commands, s, EDGE_OVERLOADED);
        return;
    default: /* all other codes mean that nobody took it */
        bus_envelope_release(env);
        edge_owners_refresh(commands->owners);
        return;
    }
}

/* What was never sent was surely not carried out; else nobody knows yet. */
static void
give_up(edge_commands *commands, slot *s)
{
    end_with_problem(commands, s, s->sends > 0 ? EDGE_TIMEOUT : EDGE_UNAVAILABLE);
}

static void
on_tick(uv_timer_t *tick)
{
    edge_commands *commands = tick->data;
    int64_t        now_us = mono_us(commands);

    for (uint32_t i = 0; i < commands->room && commands->in_flight > 0; i++) {
        slot *s = &commands->slots[i];

        if (s->command == NULL)
            continue;
        if (now_us >= s->deadline_us)
            give_up(commands, s);
        else if (now_us >= s->send_at_us) {
            if (s->sends > 0) /* who does not answer may own it no more, and cannot say so */
                edge_owners_refresh(commands->owners);
            send_slot(commands, s, now_us);
        }
    }
}

static bool
has_moved(const edge_commands *commands, const slot *s)
{
    uint16_t    partition;
    const char *address;

    return edge_owners_find(commands->owners, s->command->route->command->aggregate->contract,
                            s->command->value.stream, &partition, &address) &&
           bus_fnv1a64(address, strlen(address)) != s->sent_to;
}

/* The owners were read anew: what nobody has taken, or one that is not the owner, goes at once. */
static void
on_fresh_owners(void *context)
{
    edge_commands *commands = context;
    int64_t        now_us = mono_us(commands);

    for (uint32_t i = 0; i < commands->room && commands->in_flight > 0; i++)
        if (commands->slots[i].command != NULL &&
            (commands->slots[i].sends == 0 || has_moved(commands, &commands->slots[i])))
            send_slot(commands, &commands->slots[i], now_us);
}

/* --- answers ------------------------------------------------------------- */

/* Not carried out this time. If it was sent before, that one may have been: ask on. */
static void
retry_or_answer(edge_commands *commands, slot *s, edge_problem_kind kind)
{
    if (s->sends > 1)
        s->send_at_us = mono_us(commands) + RETRY_US;
    else
        end_with_problem(commands, s, kind);
}

static void
take_reply(edge_commands *commands, slot *s, const bus_reply *reply, bool newest)
{
    BUS_FAIL_POINT("edge.answer_received");
    switch (reply->status) {
    case BUS_ANSWER_REFUSED:
        if (newest)
            end_with_reply(commands, s, reply);
        return;
    case BUS_ANSWER_DONE:
    case BUS_ANSWER_INVALID: end_with_reply(commands, s, reply); return;
    case BUS_ANSWER_EXPIRED:
        if (newest)
            end_with_problem(commands, s, EDGE_TIMEOUT);
        return;
    case BUS_ANSWER_BUSY: retry_or_answer(commands, s, EDGE_OVERLOADED); return;
    case BUS_ANSWER_FAILED: retry_or_answer(commands, s, EDGE_UNAVAILABLE); return;
    case BUS_ANSWER_NOT_OWNER: /* now; it may have been, when it carried the command out */
        s->pause_us = RESEND_FIRST_US;
        s->send_at_us = mono_us(commands) + RETRY_US;
        edge_owners_refresh(commands->owners);
        return;
    }
    BUS_UNREACHABLE();
}

/* Those that wait for this turn; what they leave for later is for the next one. */
static void
take_turns(edge_commands *commands)
{
    edge_later *later = commands->later, *next;

    commands->later = NULL;
    for (; later != NULL; later = next) {
        next = later->next;
        later->turn(later);
    }
}

void
edge_commands_later(edge_commands *commands, edge_later *later)
{
    later->next = commands->later;
    commands->later = later;
    (void)uv_async_send(&commands->loop->wake);
}

void
edge_commands_replies(edge_commands *commands)
{
    const edge_options *o = &commands->loop->e->options;
    bus_envelope       *replies[REPLIES_MAX];
    uint32_t            count;

    do {
        count = o->transport_ops->replies(commands->client, replies, REPLIES_MAX, 0);
        for (uint32_t i = 0; i < count; i++) {
            slot *s = slot_of(commands, replies[i]->ticket);

            if (s != NULL && replies[i]->kind == BUS_ENVELOPE_REPLY &&
                bus_id_equal(replies[i]->reply.command_id, s->command->value.command_id))
                take_reply(commands, s, &replies[i]->reply,
                           replies[i]->ticket == ticket_of(commands, s));
            bus_envelope_release(replies[i]);
        }
    } while (count == REPLIES_MAX);
    take_turns(commands);
}

/* --- from HTTP ----------------------------------------------------------- */

bus_id
edge_command_id_of_key(bus_id tenant, bus_id actor, bus_str key)
{
    /* Part of the log's format: never changes. */
    static const bus_id name_space = {{0x6e, 0x1f, 0x5c, 0x0a, 0x9b, 0x1d, 0x5e, 0x0f, 0x8d, 0x27,
                                       0x73, 0x68, 0x69, 0x6e, 0x61, 0x01}};
    uint8_t             name[32 + EDGE_IDEMPOTENCY_KEY_MAX];
    bus_id              id, v7;

    BUS_INVARIANT(key.len <= EDGE_IDEMPOTENCY_KEY_MAX);
    memcpy(name, tenant.bytes, 16);
    memcpy(name + 16, actor.bytes, 16);
    memcpy(name + 32, key.at, key.len);
    id = bus_id_v5(name_space, name, 32 + key.len);
    return bus_id_parse(key, &v7) && bus_id_is_v7(v7) ? bus_id_with_time_of(id, v7) : id;
}

bus_id
edge_command_id_of_line(bus_id batch, int line)
{
    uint8_t name[4] = {(uint8_t)(line >> 24), (uint8_t)(line >> 16), (uint8_t)(line >> 8),
                       (uint8_t)line};
    bus_id  id = bus_id_v5(batch, name, sizeof(name)); /* of the log's format: never changes */

    return bus_id_is_v7(batch) ? bus_id_with_time_of(id, batch) : id;
}

/* --- the steps ----------------------------------------------------------- */

bool
edge_command_allowed(const edge_request *r, const bus_message *message)
{
    return (r->caller.actor.roles & (message->roles | message->roles_own)) != 0;
}

bus_id
edge_command_new_id(edge_loop *loop)
{
    uint8_t random[10];

    edge_loop_random(loop, random, sizeof(random));
    return bus_id_v7(loop->now_ms, random);
}

bool
edge_command_begin(edge_command *command, const edge_request *r, const edge_route *route,
                   bus_id command_id, bus_str stream)
{
    command->route = route;
    command->is_new = route->command->on == BUS_ON_NEW;
    command->masters = r->loop->e->options.master_keys;
    command->made = (bus_str){NULL, 0};
    command->value = (bus_command){
        .command_id = command_id,
        .type = bus_str_of(route->command->type),
        .tenant = r->caller.tenant,
        .origin = BUS_ORIGIN_CLIENT,
        .actor = r->caller.actor,
        .correlation_id = r->trace.trace_id,
        .expected_version = -1,
    };
    if (!command->is_new)
        return bus_id_parse(stream, &command->value.stream);
    command->value.stream = bus_stream_of_new(command_id);
    return true;
}

/* One that was left out is made, and told in the answer. */
static void
make_secret(edge_command *command, const bus_field *field, const char *label, bus_str *secret,
            bus_arena *arena)
{
    const bus_command *value = &command->value;

    *secret = command->made =
        field->hashed
            ? bus_secret_make_code(command->masters, value->tenant, value->command_id, label, arena)
            : bus_secret_make(command->masters, value->tenant, value->command_id, label, arena);
}

/* A secret that came, or one made in its place, is sealed or hashed before anybody else sees it. A
 * code that may be left out must be: its hash alone guards it, and what a person chooses is guessed
 * from that. */
static bool
seal_secret(edge_command *command, const bus_field *field, char *data, bus_arena *arena,
            bus_problems *problems)
{
    const bus_command     *value = &command->value;
    const bus_master_keys *masters = command->masters;
    const char            *module = command->route->command->aggregate->contract->module;
    const char            *pointer = bus_arena_printf(arena, "/%s", field->name).at;
    const char            *label = bus_arena_printf(arena, "%s.%s", module, field->name).at;
    bus_str               *secret = (bus_str *)(void *)(data + field->offset);

    if (masters == NULL) {
        bus_problem_add(problems, pointer, "no secret can be kept here: there is no master key");
        return false;
    }
    if (field->has_offset != BUS_NO_OFFSET) {
        if (*(bool *)(data + field->has_offset) && field->hashed) {
            bus_problem_add(problems, pointer, "is made here: leave it out");
            return false;
        }
        if (!*(bool *)(data + field->has_offset))
            make_secret(command, field, label, secret, arena);
        *(bool *)(data + field->has_offset) = true;
    }
    if (secret->len < BUS_SECRET_MIN || secret->len > BUS_SECRET_MAX) {
        bus_problem_add(problems, pointer, "must be %d to %d bytes long", BUS_SECRET_MIN,
                        BUS_SECRET_MAX);
        return false;
    }
    *secret = field->hashed
                  ? bus_secret_hash(*secret, arena)
                  : bus_secret_seal(masters, value->tenant, value->stream, label, *secret, arena);
    return true;
}

static bus_code
keep_data(edge_command *command, void *data, bus_arena *arena, bus_problems *problems)
{
    const bus_shape *shape = command->route->command->shape;
    bus_buf          out = {0};

    for (uint32_t i = 0; i < shape->fields_count; i++)
        if (shape->fields[i].secret &&
            !seal_secret(command, &shape->fields[i], data, arena, problems))
            return BUS_INVALID;
    bus_encode(shape, data, &out);
    command->value.data = bus_arena_copy(arena, out.at, out.len);
    bus_buf_fini(&out);
    return BUS_OK;
}

bus_code
edge_command_data(edge_command *command, bus_str text, bus_arena *arena, bus_problems *problems)
{
    const bus_shape *shape = command->route->command->shape;
    void            *data = bus_arena_alloc(arena, shape->size);
    bus_code         rc = bus_decode(shape, text, arena, data, problems);

    return rc == BUS_OK ? keep_data(command, data, arena, problems) : rc;
}

bus_code
edge_command_data_json(edge_command *command, const json_t *value, bus_arena *arena,
                       bus_problems *problems)
{
    const bus_shape *shape = command->route->command->shape;
    void            *data = bus_arena_alloc(arena, shape->size);
    bus_code         rc = bus_decode_json(shape, value, arena, data, problems);

    return rc == BUS_OK ? keep_data(command, data, arena, problems) : rc;
}

void
edge_command_send(edge_commands *commands, edge_command *command)
{
    int     deadline_ms = commands->loop->e->options.command_deadline_ms;
    int64_t now_us = mono_us(commands);
    slot   *s = commands->abandoned ? NULL : take_slot(commands, command);

    if (s == NULL) {
        command->done(command, &(edge_command_end){.problem = EDGE_OVERLOADED});
        return;
    }
    command->value.expires_at_ms = commands->loop->now_ms + deadline_ms;
    s->deadline_us = now_us + (int64_t)deadline_ms * 1000;
    send_slot(commands, s, now_us);
}

/* --- what came of it ----------------------------------------------------- */

/* The item's address in the view of the aggregate, or below the command's own path. */
static const char *
location_of(const edge_command *command, bus_id stream, bus_arena *arena)
{
    char id[BUS_ID_TEXT_BYTES];

    return bus_arena_printf(arena, "%s/%s", command->route->collection, bus_id_format(stream, id))
        .at;
}

static edge_trouble
trouble_of(const edge_command *command, const bus_reply *reply, bus_arena *arena)
{
    bus_problems *problems;

    if (reply->status == BUS_ANSWER_REFUSED) {
        const bus_refusal *refusal =
            bus_contract_refusal(command->route->command->aggregate->contract, reply->code);

        return refusal != NULL
                   ? (edge_trouble){.refusal = refusal, .params = reply->params}
                   : (edge_trouble){.status = 409, .code = reply->code, .text = reply->detail};
    }
    problems = BUS_ARENA_NEW(arena, bus_problems);
    bus_problem_add(problems, "", "%.*s", BUS_STR_ARG(reply->detail));
    return (edge_trouble){.problems = problems};
}

edge_verdict
edge_command_verdict(const edge_command *command, const edge_command_end *end, bus_arena *arena)
{
    const bus_reply *reply = end->reply;

    if (reply == NULL)
        return (edge_verdict){.trouble = {.kind = end->problem}};
    if (reply->status != BUS_ANSWER_DONE)
        return (edge_verdict){.trouble = trouble_of(command, reply, arena)};
    return (edge_verdict){
        .done = true,
        .status = command->is_new ? 201 : 200,
        .version = reply->version,
        .repeated = reply->repeated,
        .location = command->is_new ? location_of(command, reply->stream, arena) : NULL,
    };
}

void
edge_command_write(const edge_command *command, const bus_reply *reply, bus_buf *out)
{
    char id[BUS_ID_TEXT_BYTES];

    bus_buf_add_text(out, "\"id\":\"");
    bus_buf_add(out, bus_id_format(reply->stream, id), 36);
    bus_buf_add_text(out, "\",\"version\":");
    bus_buf_add_int(out, reply->version);
    bus_buf_add_text(out, ",\"position\":\"");
    bus_buf_add_text(out, command->route->command->aggregate->contract->module);
    bus_buf_add_char(out, ':');
    bus_buf_add_int(out, reply->partition);
    bus_buf_add_char(out, ':');
    bus_buf_add_int(out, reply->offset);
    bus_buf_add_char(out, '"');
    if (command->made.len > 0) {
        bus_buf_add_text(out, ",\"secret\":");
        bus_buf_add_json(out, command->made);
    }
}

/* --- a route ------------------------------------------------------------- */

static void
answer_command(edge_command *command, const edge_command_end *end)
{
    edge_request *r = command->context;
    edge_verdict  verdict = edge_command_verdict(command, end, &r->arena);

    edge_audit_command(r, command, &verdict, end->reply);
    r->audit.done = true;
    if (!verdict.done) {
        edge_trouble_answer(r, &verdict.trouble);
        return;
    }
    bus_buf_reset(&r->out);
    bus_buf_add_char(&r->out, '{');
    edge_command_write(command, end->reply, &r->out);
    bus_buf_add_char(&r->out, '}');
    edge_answer(r, &(edge_reply){
                       .status = verdict.status,
                       .body = bus_buf_str(&r->out),
                       .version = verdict.version,
                       .has_version = true,
                       .repeated = verdict.repeated,
                       .location = verdict.location,
                   });
}

/* The command's id, the stream, If-Match and X-Device-At. False: answered. */
static bool
read_headers(edge_request *r)
{
    edge_command *command = &r->command;
    const char   *key_text = edge_request_header(r, "Idempotency-Key");
    const char   *device_at = edge_request_header(r, "X-Device-At");
    bus_str       key;
    bus_id        id;

    if (key_text != NULL && !edge_idempotency_key_parse(key_text, &key)) {
        edge_problem(r, EDGE_BAD_REQUEST, EDGE_KEY_RULE);
        return false;
    }
    id = key_text == NULL ? edge_command_new_id(r->loop)
                          : edge_command_id_of_key(r->caller.tenant, r->caller.actor.id, key);
    if (!edge_command_begin(command, r, r->route, id, r->parameter)) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return false;
    }
    if (!edge_if_match_parse(edge_request_header(r, "If-Match"),
                             &command->value.expected_version)) {
        edge_problem(r, EDGE_BAD_REQUEST, "If-Match must be one strong ETag of ours, or *.");
        return false;
    }
    if (device_at != NULL &&
        !edge_device_time_parse(bus_str_of(device_at), &command->value.device_at_ms)) {
        edge_problem(r, EDGE_BAD_REQUEST, "X-Device-At " EDGE_DEVICE_TIME_RULE ".");
        return false;
    }
    return true;
}

/* False: answered. */
static bool
read_body(edge_request *r)
{
    bus_str       text = bus_buf_str(&r->body);
    bus_problems *problems;

    if (text.len == 0)
        text = BUS_STR("{}");
    else if (!edge_is_json(edge_request_header(r, "Content-Type"))) {
        edge_problem(r, EDGE_UNSUPPORTED_MEDIA_TYPE, NULL);
        return false;
    }
    problems = BUS_ARENA_NEW(&r->arena, bus_problems);
    if (edge_command_data(&r->command, text, &r->arena, problems) == BUS_OK)
        return true;
    edge_problem_invalid(r, problems);
    return false;
}

void
edge_command_handle(edge_request *r)
{
    if (!edge_command_allowed(r, r->route->command)) {
        edge_problem(r, EDGE_FORBIDDEN, NULL);
        return;
    }
    if (!read_headers(r) || !read_body(r))
        return;
    r->command.done = answer_command;
    r->command.context = r;
    edge_request_suspend(r);
    edge_command_send(r->loop->commands, &r->command);
}

/* --- the part ------------------------------------------------------------ */

static void
on_replies(void *context)
{
    edge_loop *loop = context;

    (void)uv_async_send(&loop->wake);
}

bus_code
edge_commands_open(edge_commands **out, edge_loop *loop, bus_error *err)
{
    const edge_options *o = &loop->e->options;
    edge_commands      *commands = calloc(1, sizeof(*commands));
    bus_code            rc;

    if (commands == NULL)
        abort();
    commands->loop = loop;
    if ((rc = o->transport_ops->connect(o->transport, on_replies, loop, &commands->client, err)) !=
        BUS_OK) {
        free(commands);
        return rc;
    }
    BUS_INVARIANT(o->commands_max > 0 && (uint32_t)o->commands_max < SLOTS_MAX);
    commands->room = (uint32_t)o->commands_max;
    commands->slots = calloc(commands->room, sizeof(*commands->slots));
    if (commands->slots == NULL)
        abort();
    for (uint32_t i = 0; i < commands->room; i++)
        commands->slots[i].next_free = i + 1;
    BUS_INVARIANT(uv_timer_init(&loop->uv, &commands->tick) == 0);
    commands->tick.data = commands;
    commands->owners = edge_owners_open(loop, on_fresh_owners, commands);
    *out = commands;
    return BUS_OK;
}

void
edge_commands_abandon(edge_commands *commands)
{
    if (commands == NULL)
        return;
    commands->abandoned = true;
    for (uint32_t i = 0; i < commands->room && commands->in_flight > 0; i++)
        if (commands->slots[i].command != NULL)
            give_up(commands, &commands->slots[i]);
    while (commands->later != NULL)
        take_turns(commands);
}

void
edge_commands_close(edge_commands *commands)
{
    if (commands == NULL)
        return;
    commands->loop->e->options.transport_ops->disconnect(commands->client);
    edge_owners_close(commands->owners);
    uv_close((uv_handle_t *)&commands->tick, NULL);
}

void
edge_commands_free(edge_commands *commands)
{
    if (commands == NULL)
        return;
    edge_owners_free(commands->owners);
    free(commands->slots);
    free(commands);
}

int
edge_commands_in_flight(const edge_commands *commands)
{
    return commands->in_flight;
}

int
edge_commands_partitions(edge_commands *commands, const bus_contract *contract)
{
    int partitions = edge_owners_partitions(commands->owners, contract);

    if (partitions == 0)
        edge_owners_refresh(commands->owners);
    return partitions;
}
