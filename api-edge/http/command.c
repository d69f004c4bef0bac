/* command.c - commands from HTTP to the bus and their answers back.
 *
 * A command keeps its id and is sent again until its answer comes or its deadline passes; the
 * log carries it out once. A request in flight has a slot; ticket = generation of the slot and
 * its number, so a late answer finds nobody.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/command.h"
#include "api-edge/http/metrics.h"
#include "api-edge/http/owners.h"
#include "api-edge/http/problem.h"
#include "bus/base/failpoint.h"
#include "bus/envelope/command.h"
#include "bus/log/log.h"

#include <stdlib.h>
#include <string.h>

#define TICK_MS 50
#define RESEND_FIRST_US INT64_C(1000000) /* no answer so long: sent again; doubles */
#define RESEND_MAX_US INT64_C(4000000)
#define RETRY_US INT64_C(100000) /* nobody to send to, or pushed back */
#define REPLIES_MAX 64           /* taken at once */

typedef struct {
    edge_request *r; /* NULL: free */
    uint32_t      generation;
    uint32_t      next_free;
    int           sends; /* how often the transport took it */
    int64_t       send_at_us, pause_us, deadline_us;
} slot;

struct edge_commands {
    edge_loop   *loop;
    bus_client  *client;
    edge_owners *owners;
    uv_timer_t   tick;
    slot        *slots;
    uint32_t     room, free_slot; /* free_slot == room: none */
    int          in_flight;
};

static void on_tick(uv_timer_t *tick);

/* --- slots --------------------------------------------------------------- */

static slot *
take_slot(edge_commands *commands, edge_request *r)
{
    slot *s;

    if (commands->free_slot == commands->room)
        return NULL;
    r->command.slot = commands->free_slot;
    s = &commands->slots[commands->free_slot];
    commands->free_slot = s->next_free;
    s->r = r;
    s->sends = 0;
    s->pause_us = RESEND_FIRST_US;
    if (commands->in_flight++ == 0)
        (void)uv_timer_start(&commands->tick, on_tick, TICK_MS, TICK_MS);
    edge_metrics_commands(1);
    return s;
}

/* The request is about to be answered. */
static edge_request *
free_slot(edge_commands *commands, slot *s)
{
    edge_request *r = s->r;

    s->r = NULL;
    s->generation++;
    s->next_free = commands->free_slot;
    commands->free_slot = (uint32_t)(s - commands->slots);
    if (--commands->in_flight == 0)
        (void)uv_timer_stop(&commands->tick);
    edge_metrics_commands(-1);
    return r;
}

static uint64_t
ticket_of(const edge_commands *commands, const slot *s)
{
    return (uint64_t)s->generation << 32 | (uint64_t)(s - commands->slots);
}

static slot *
slot_of(edge_commands *commands, uint64_t ticket)
{
    uint32_t number = (uint32_t)ticket;
    slot    *s = number < commands->room ? &commands->slots[number] : NULL;

    return s != NULL && s->r != NULL && s->generation == (uint32_t)(ticket >> 32) ? s : NULL;
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
    edge_request       *r = s->r;
    bus_command        *command = &r->command.value;
    const char         *address;
    bus_envelope       *env;
    bus_error           err;

    s->send_at_us = now_us + RETRY_US;
    if (!edge_owners_find(commands->owners, r->route->command->aggregate->contract, command->stream,
                          &command->partition, &address)) {
        edge_owners_refresh(commands->owners);
        return;
    }
    env = bus_envelope_of_command(command);
    switch (o->transport_ops->send(commands->client, address, env, ticket_of(commands, s), &err)) {
    case BUS_OK:
        BUS_FAIL_POINT("edge.command_sent");
        if (s->sends++ > 0)
            edge_metrics_resent();
        s->send_at_us = now_us + s->pause_us;
        s->pause_us = s->pause_us * 2 > RESEND_MAX_US ? RESEND_MAX_US : s->pause_us * 2;
        return;
    case BUS_FULL:
        bus_envelope_release(env);
        if (s->sends == 0)
            edge_problem(free_slot(commands, s), EDGE_OVERLOADED, NULL);
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
    bool sent = s->sends > 0;

    edge_problem(free_slot(commands, s), sent ? EDGE_TIMEOUT : EDGE_UNAVAILABLE, NULL);
}

static void
on_tick(uv_timer_t *tick)
{
    edge_commands *commands = tick->data;
    int64_t        now_us = mono_us(commands);

    for (uint32_t i = 0; i < commands->room && commands->in_flight > 0; i++) {
        slot *s = &commands->slots[i];

        if (s->r == NULL)
            continue;
        if (now_us >= s->deadline_us)
            give_up(commands, s);
        else if (now_us >= s->send_at_us)
            send_slot(commands, s, now_us);
    }
}

/* The owners were read anew: what nobody has taken goes at once. */
static void
on_fresh_owners(void *context)
{
    edge_commands *commands = context;
    int64_t        now_us = mono_us(commands);

    for (uint32_t i = 0; i < commands->room && commands->in_flight > 0; i++)
        if (commands->slots[i].r != NULL && commands->slots[i].sends == 0)
            send_slot(commands, &commands->slots[i], now_us);
}

/* --- answers ------------------------------------------------------------- */

/* The item's address in the view of the aggregate, or below the command's own path. */
static const char *
location_of(edge_request *r, bus_id stream)
{
    char id[BUS_ID_TEXT_BYTES];

    return bus_arena_printf(&r->arena, "%s/%s", r->route->collection, bus_id_format(stream, id)).at;
}

static void
answer_done(edge_request *r, const bus_reply *reply)
{
    char     id[BUS_ID_TEXT_BYTES];
    bus_buf *out = &r->out;

    bus_buf_reset(out);
    bus_buf_add_text(out, "{\"id\":\"");
    bus_buf_add(out, bus_id_format(reply->stream, id), 36);
    bus_buf_add_text(out, "\",\"version\":");
    bus_buf_add_int(out, reply->version);
    bus_buf_add_text(out, ",\"position\":\"");
    bus_buf_add_text(out, r->route->command->aggregate->contract->module);
    bus_buf_add_char(out, ':');
    bus_buf_add_int(out, reply->partition);
    bus_buf_add_char(out, ':');
    bus_buf_add_int(out, reply->offset);
    bus_buf_add_text(out, "\"}");
    edge_answer(r, &(edge_reply){
                       .status = r->command.is_new ? 201 : 200,
                       .body = bus_buf_str(out),
                       .version = reply->version,
                       .has_version = true,
                       .repeated = reply->repeated,
                       .location = r->command.is_new ? location_of(r, reply->stream) : NULL,
                   });
}

static void
answer_refused(edge_request *r, const bus_reply *reply)
{
    const bus_refusal *refusal =
        bus_contract_refusal(r->route->command->aggregate->contract, reply->code);

    if (refusal != NULL)
        edge_problem_refusal(r, refusal, reply->params);
    else
        edge_problem_code(r, 409, reply->code, reply->detail);
}

static void
answer_invalid(edge_request *r, const bus_reply *reply)
{
    bus_problems *problems = BUS_ARENA_NEW(&r->arena, bus_problems);

    bus_problem_add(problems, "", "%.*s", BUS_STR_ARG(reply->detail));
    edge_problem_invalid(r, problems);
}

/* Not carried out this time. If it was sent before, that one may have been: ask on. */
static void
retry_or_answer(edge_commands *commands, slot *s, edge_problem_kind kind)
{
    if (s->sends > 1)
        s->send_at_us = mono_us(commands) + RETRY_US;
    else
        edge_problem(free_slot(commands, s), kind, NULL);
}

static void
take_reply(edge_commands *commands, slot *s, const bus_reply *reply)
{
    BUS_FAIL_POINT("edge.answer_received");
    switch (reply->status) {
    case BUS_ANSWER_DONE: answer_done(free_slot(commands, s), reply); return;
    case BUS_ANSWER_REFUSED: answer_refused(free_slot(commands, s), reply); return;
    case BUS_ANSWER_INVALID: answer_invalid(free_slot(commands, s), reply); return;
    case BUS_ANSWER_EXPIRED: edge_problem(free_slot(commands, s), EDGE_TIMEOUT, NULL); return;
    case BUS_ANSWER_BUSY: retry_or_answer(commands, s, EDGE_OVERLOADED); return;
    case BUS_ANSWER_FAILED: retry_or_answer(commands, s, EDGE_UNAVAILABLE); return;
    case BUS_ANSWER_NOT_OWNER:
        if (s->sends == 1)
            s->sends = 0; /* surely not carried out */
        s->pause_us = RESEND_FIRST_US;
        s->send_at_us = mono_us(commands) + RETRY_US;
        edge_owners_refresh(commands->owners);
        return;
    }
    BUS_UNREACHABLE();
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
                bus_id_equal(replies[i]->reply.command_id, s->r->command.value.command_id))
                take_reply(commands, s, &replies[i]->reply);
            bus_envelope_release(replies[i]);
        }
    } while (count == REPLIES_MAX);
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

/* The command's id, the stream, If-Match and X-Device-At. False: answered. */
static bool
read_headers(edge_request *r)
{
    const bus_message *message = r->route->command;
    bus_command       *command = &r->command.value;
    const char        *key_text = edge_request_header(r, "Idempotency-Key");
    const char        *device_at = edge_request_header(r, "X-Device-At");
    bus_str            key;

    if (key_text != NULL && !edge_idempotency_key_parse(key_text, &key)) {
        edge_problem(r, EDGE_BAD_REQUEST,
                     "Idempotency-Key must be 1 to 255 printable ASCII characters.");
        return false;
    }
    if (key_text != NULL) {
        command->command_id = edge_command_id_of_key(command->tenant, command->actor.id, key);
    } else {
        uint8_t random[10];

        edge_loop_random(r->loop, random, sizeof(random));
        command->command_id = bus_id_v7(r->loop->now_ms, random);
    }
    r->command.is_new = message->on == BUS_ON_NEW;
    if (r->command.is_new) {
        command->stream = bus_stream_of_new(command->command_id);
    } else if (!bus_id_parse(r->parameter, &command->stream)) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return false;
    }
    if (!edge_if_match_parse(edge_request_header(r, "If-Match"), &command->expected_version)) {
        edge_problem(r, EDGE_BAD_REQUEST, "If-Match must be one strong ETag of ours, or *.");
        return false;
    }
    if (device_at != NULL && !edge_time_parse(bus_str_of(device_at), &command->device_at_ms)) {
        edge_problem(r, EDGE_BAD_REQUEST, "X-Device-At must be RFC 3339, or UTC milliseconds.");
        return false;
    }
    return true;
}

/* The body, checked against the contract, in its canonical form. False: answered. */
static bool
read_body(edge_request *r)
{
    const bus_shape *shape = r->route->command->shape;
    bus_str          text = bus_buf_str(&r->body);
    bus_problems    *problems;
    void            *data;

    if (text.len == 0)
        text = BUS_STR("{}");
    else if (!edge_is_json(edge_request_header(r, "Content-Type"))) {
        edge_problem(r, EDGE_UNSUPPORTED_MEDIA_TYPE, NULL);
        return false;
    }
    problems = BUS_ARENA_NEW(&r->arena, bus_problems);
    data = bus_arena_alloc(&r->arena, shape->size);
    if (bus_decode(shape, text, &r->arena, data, problems) != BUS_OK) {
        edge_problem_invalid(r, problems);
        return false;
    }
    bus_buf_reset(&r->out);
    bus_encode(shape, data, &r->out);
    r->command.value.data = bus_arena_copy(&r->arena, r->out.at, r->out.len);
    return true;
}

void
edge_command_handle(edge_request *r)
{
    const bus_message *message = r->route->command;
    edge_commands     *commands = r->loop->commands;
    int                deadline_ms = r->loop->e->options.command_deadline_ms;
    int64_t            now_us;
    slot              *s;

    if ((r->caller.actor.roles & (message->roles | message->roles_own)) == 0) {
        edge_problem(r, EDGE_FORBIDDEN, NULL);
        return;
    }
    r->command.value = (bus_command){
        .type = bus_str_of(message->type),
        .tenant = r->caller.tenant,
        .origin = BUS_ORIGIN_CLIENT,
        .actor = r->caller.actor,
        .correlation_id = r->trace.trace_id,
        .expires_at_ms = r->loop->now_ms + deadline_ms,
    };
    if (!read_headers(r) || !read_body(r))
        return;
    s = take_slot(commands, r);
    if (s == NULL) {
        edge_problem(r, EDGE_OVERLOADED, NULL);
        return;
    }
    now_us = mono_us(commands);
    s->deadline_us = now_us + (int64_t)deadline_ms * 1000;
    edge_request_suspend(r);
    send_slot(commands, s, now_us);
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
    for (uint32_t i = 0; i < commands->room && commands->in_flight > 0; i++)
        if (commands->slots[i].r != NULL)
            give_up(commands, &commands->slots[i]);
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
