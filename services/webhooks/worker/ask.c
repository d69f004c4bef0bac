/* ask.c - a word to the domain: a subscription is stuck, or its receiver is gone.
 *
 * Only such changes are events; that something was delivered is no more than a cursor. The command
 * is sent until it is answered. Its id follows from the subscription's version, so saying it twice
 * is harmless, also by another process.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/log/log.h"
#include "services/webhooks/worker/worker_internal.h"

#include <string.h>

#define AGAIN_US INT64_C(1000000)
#define EXPIRES_MS 10000
#define REPLIES_MAX 64

static void
send_ask(worker *w, subscription *s)
{
    bus_command   command = s->ask->command;
    const char   *address = bus_owners_of(w->owners, HOME, command.partition);
    bus_envelope *env;
    bus_error     err;

    s->ask_at_us = worker_now_us(w) + AGAIN_US;
    if (address == NULL)
        return;
    command.expires_at_ms = bus_now_ms(w->options->clock) + EXPIRES_MS;
    env = bus_envelope_of_command(&command);
    if (w->options->transport_ops->send(w->client, address, env, 0, &err) != BUS_OK) {
        bus_envelope_release(env);
        bus_owners_stale(w->owners, HOME);
    }
}

static bus_str
data_of(worker *w, const bus_message *message, const char *reason, const struct webhooks_place *at)
{
    const struct webhooks_park    park = {.reason = bus_str_of(reason), .at = *at};
    const struct webhooks_disable disable = {.reason = bus_str_of(reason), .at = *at};
    bus_buf                       out = {0};
    bus_str                       data;

    bus_encode(message->shape,
               message == &webhooks_park_command ? (const void *)&park : (const void *)&disable,
               &out);
    data = bus_arena_copy(&w->scratch, out.at, out.len);
    bus_buf_fini(&out);
    return data;
}

void
ask_to_stop(worker *w, subscription *s, bool disable, const char *reason, int log, int partition,
            int64_t offset)
{
    const bus_message *message = disable ? &webhooks_disable_command : &webhooks_park_command;
    const struct webhooks_place at = {
        .domain = bus_str_of(w->logs[log].domain), .partition = partition, .offset = offset};
    bus_command command = {.type = bus_str_of(message->type),
                           .tenant = s->tenant,
                           .stream = s->id,
                           .origin = BUS_ORIGIN_CLIENT,
                           .actor = {.roles = BUS_ROLE_SERVICE},
                           .expected_version = -1};
    char        name[64], said[160];

    /* Whatever libcurl or a name server said, as text of a contract. */
    (void)snprintf(said, sizeof(said), "%s", reason);
    for (char *c = said; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    if (s->asking)
        return;
    command.partition = (uint16_t)bus_id_partition(s->id, w->options->partitions);
    command.data = data_of(w, message, said, &at);
    (void)snprintf(name, sizeof(name), "%s %d", message->name, (int)s->version);
    command.command_id = bus_id_v5_text(s->id, name);
    s->ask = bus_envelope_of_command(&command);
    s->asking = true;
    bus_log_warn(disable ? "webhooks.gone" : "webhooks.parked", BUS_KV_ID("subscription", s->id),
                 BUS_KV("domain", w->logs[log].domain), BUS_KV("reason", said));
    send_ask(w, s);
}

void
ask_forget(subscription *s)
{
    bus_envelope_release(s->ask);
    s->ask = NULL;
    s->asking = false;
}

void
ask_again(worker *w)
{
    subscription *s, *next;

    HASH_ITER(hh, w->subscriptions, s, next)
    {
        if (s->asking && worker_now_us(w) >= s->ask_at_us)
            send_ask(w, s);
    }
}

/* Done: the event that follows says what the subscription is now; until it is read nothing flies.
 * Refused or not understood: it cannot be said, so it is tried again like any other failure. */
static void
take_reply(worker *w, subscription *s, const bus_reply *reply)
{
    switch (reply->status) {
    case BUS_ANSWER_DONE:
        ask_forget(s);
        s->not_before_us = worker_now_us(w) + 10 * AGAIN_US;
        return;
    case BUS_ANSWER_REFUSED:
    case BUS_ANSWER_INVALID:
        bus_log_error("webhooks.ask_refused", BUS_KV_ID("subscription", s->id),
                      BUS_KV_STR("code", reply->code), BUS_KV_STR("why", reply->detail));
        ask_forget(s);
        s->not_before_us = worker_now_us(w) + 60 * AGAIN_US;
        return;
    case BUS_ANSWER_NOT_OWNER: bus_owners_stale(w->owners, HOME); return;
    case BUS_ANSWER_EXPIRED:
    case BUS_ANSWER_BUSY:
    case BUS_ANSWER_FAILED: return; /* again, in a moment */
    }
    BUS_UNREACHABLE();
}

void
ask_take_replies(worker *w)
{
    bus_envelope *replies[REPLIES_MAX];
    uint32_t      count;

    do {
        count = w->options->transport_ops->replies(w->client, replies, REPLIES_MAX, 0);
        for (uint32_t i = 0; i < count; i++) {
            subscription *s = NULL;

            if (replies[i]->kind == BUS_ENVELOPE_REPLY)
                HASH_FIND(hh, w->subscriptions, &replies[i]->reply.stream, sizeof(bus_id), s);
            if (s != NULL && s->asking &&
                bus_id_equal(s->ask->command.command_id, replies[i]->reply.command_id))
                take_reply(w, s, &replies[i]->reply);
            bus_envelope_release(replies[i]);
        }
    } while (count == REPLIES_MAX);
}
