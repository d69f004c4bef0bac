/* commands.c - commands to who owns their partition, and the answers back.
 *
 * A command lies in its topic until its owner has answered it: who takes a partition over reads on
 * from the lowest that is not answered. So nothing is answered for a partition that was just lost,
 * the next owner will. A repeat does no harm, commands are known by their ids.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAINT_US 1000000

/* --- the way back, in 64 bits ------------------------------------------------- */

/* Partition of answers + 1: 12 bits, incarnation: 32, client: 20. Ways within the process have no
 * partition. */
static uint64_t
route_of(int partition, uint32_t incarnation, uint32_t client)
{
    return (uint64_t)(partition + 1) << 52 | (uint64_t)incarnation << 20 | client;
}

static int
route_partition(uint64_t route)
{
    return (int)(route >> 52) - 1;
}

static uint32_t
route_incarnation(uint64_t route)
{
    return (uint32_t)(route >> 20);
}

static uint32_t
route_client(uint64_t route)
{
    return (uint32_t)(route & (CLIENTS_MAX - 1));
}

/* --- covered ---------------------------------------------------------------------- */

static void
put_envelope(const bus_transport *t, const bus_envelope *env, bus_buf *out)
{
    bus_buf plain = {0};

    if (t->cover == NULL) {
        bus_envelope_encode(env, out);
        return;
    }
    bus_envelope_encode(env, &plain);
    t->cover->put(t->cover->context, bus_buf_str(&plain), out);
    bus_buf_fini(&plain);
}

static bus_code
take_envelope(const bus_transport *t, const bus_wire *in, bus_envelope **out, bus_error *err)
{
    bus_buf  plain = {0};
    bus_code rc;

    if (t->cover == NULL)
        return bus_envelope_decode((bus_str){in->at, in->left}, out, err);
    if (t->cover->take(t->cover->context, (bus_str){in->at, in->left}, &plain))
        rc = bus_envelope_decode(bus_buf_str(&plain), out, err);
    else
        rc = bus_fail(err, BUS_INVALID, "kafka: a message covered by other keys");
    bus_buf_fini(&plain);
    return rc;
}

/* --- the asker's side ----------------------------------------------------------- */

bus_code
bus_kafka_command_send(bus_client *client, bus_str target, bus_envelope *env, bus_error *err)
{
    bus_transport *t = client->transport;
    const char    *slash = target.len > 0 ? memchr(target.at, '/', target.len) : NULL;
    bus_str        name = {target.at, slash != NULL ? (uint32_t)(slash - target.at) : 0};
    const domain  *d = bus_kafka_domain(t, name);
    bus_buf        value = {0};

    if (d == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "kafka: there is no domain %.*s", BUS_STR_ARG(name));
    if (env->command.partition >= t->settings.partitions)
        return bus_fail(err, BUS_INVALID, "kafka: %s has no partition %d", d->commands,
                        env->command.partition);
    env->route = client->number;
    bus_kafka_value_begin(&value, KIND_COMMAND, t->incarnation);
    bus_wire_put_u16(&value, (uint16_t)t->answers_partition);
    put_envelope(t, env, &value);
    /* On its way it is kept: who asks is told if it does not arrive. */
    return bus_kafka_value_send(t, d->commands, env->command.partition, &value,
                                &t->waiting.commands, t->local.queue_max, env, err);
}

/* The command surely did not arrive: the asker need not wait for its time to be up. */
static void
tell_asker(bus_transport *t, const bus_envelope *env, const rd_kafka_message_t *message)
{
    char            detail[160];
    const bus_reply reply = {
        .command_id = env->command.command_id,
        .status = BUS_ANSWER_FAILED,
        .stream = env->command.stream,
        .partition = env->command.partition,
        .detail = {detail, (uint32_t)snprintf(detail, sizeof(detail),
                                              "the command did not reach its service: %.100s",
                                              rd_kafka_err2str(message->err))}};
    bus_envelope *answer = bus_envelope_of_reply(&reply);

    answer->ticket = env->ticket;
    bus_local_reply(&t->local, (uint32_t)env->route, answer);
}

void
bus_kafka_delivery(void *transport, const rd_kafka_message_t *message)
{
    bus_transport *t = transport;
    bus_envelope  *env;

    if (message->_private == &t->waiting.answers || message->_private == &t->waiting.progress) {
        atomic_fetch_sub((atomic_uint *)message->_private, 1);
        return; /* the asker repeats; the log shows the gap */
    }
    env = message->_private;
    atomic_fetch_sub(&t->waiting.commands, 1);
    /* What may have arrived will be answered, or asked again. */
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
        rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
        tell_asker(t, env, message);
    bus_envelope_release(env);
}

static bus_code
take_answer(bus_transport *t, bus_str value, bus_error *err)
{
    bus_wire      in = {.at = value.at, .left = value.len};
    bus_envelope *env;
    uint32_t      incarnation;
    bus_code      rc;

    if ((rc = bus_kafka_value_read(&in, KIND_ANSWER, &incarnation, err)) != BUS_OK)
        return rc;
    if (incarnation != t->incarnation)
        return BUS_OK; /* for another process, or for the one before us */
    if ((rc = take_envelope(t, &in, &env, err)) != BUS_OK)
        return rc;
    if (env->kind != BUS_ENVELOPE_REPLY || env->route >= CLIENTS_MAX) {
        bus_envelope_release(env);
        return bus_fail(err, BUS_INVALID, "kafka: no answer, or for nobody");
    }
    bus_local_reply(&t->local, (uint32_t)env->route, env);
    return BUS_OK;
}

/* --- the service's side ---------------------------------------------------------- */

void
bus_kafka_own(bus_server *server, const uint16_t *partitions, int count)
{
    bus_transport *t = server->transport;
    domain        *d = bus_kafka_domain(t, bus_str_of(server->domain));
    bool           changed = false;

    BUS_INVARIANT(d != NULL); /* serve() has seen to it */
    (void)pthread_mutex_lock(&t->lock);
    for (int p = 0; p < t->settings.partitions; p++) {
        place *at = &d->places[p];
        bool   owned = false;

        for (int i = 0; i < count && !owned; i++)
            owned = partitions[i] == p;
        if (owned ? at->server == server : at->server != server)
            continue;
        at->server = owned ? server : NULL;
        changed = true;
    }
    (void)pthread_mutex_unlock(&t->lock);
    if (changed)
        bus_kafka_reader_poke(t->road);
}

static void
send_answer(bus_transport *t, uint64_t route, bus_envelope *reply)
{
    bus_buf   value = {0};
    bus_error err;

    reply->route = route_client(route);
    bus_kafka_value_begin(&value, KIND_ANSWER, route_incarnation(route));
    put_envelope(t, reply, &value);
    if (bus_kafka_value_send(t, t->answers, route_partition(route), &value, &t->waiting.answers,
                             t->local.queue_max, &t->waiting.answers, &err) != BUS_OK) {
        /* counted by the client; the asker repeats */
    }
    bus_envelope_release(reply);
}

static void
mark_answered(bus_transport *t, const char *domain_name, const bus_envelope *request)
{
    domain *d = bus_kafka_domain(t, bus_str_of(domain_name));

    (void)pthread_mutex_lock(&t->lock);
    bus_kafka_window_answer(&d->places[request->command.partition].window, request->place);
    (void)pthread_mutex_unlock(&t->lock);
}

void
bus_kafka_answer_send(bus_server *server, const bus_envelope *request, bus_envelope *reply)
{
    reply->ticket = request->ticket;
    if (route_partition(request->route) < 0) {
        bus_local_reply(server->local, (uint32_t)request->route, reply);
        return;
    }
    send_answer(server->transport, request->route, reply);
    mark_answered(server->transport, server->domain, request);
}

/* Decodes; the envelope's way back and place are set. */
static bus_code
read_command(const bus_transport *t, const rd_kafka_message_t *message, bus_envelope **out,
             bus_error *err)
{
    bus_wire      in = {.at = message->payload, .left = (uint32_t)message->len};
    bus_envelope *env;
    uint32_t      incarnation;
    uint16_t      answers;
    bus_code      rc;

    if ((rc = bus_kafka_value_read(&in, KIND_COMMAND, &incarnation, err)) != BUS_OK)
        return rc;
    answers = bus_wire_u16(&in, "answers");
    if (in.wrong != NULL || answers >= ANSWERS_MAX)
        return bus_fail(err, BUS_INVALID, "kafka: /answers is cut off or wrong");
    if ((rc = take_envelope(t, &in, &env, err)) != BUS_OK)
        return rc;
    if (env->kind != BUS_ENVELOPE_COMMAND || env->route >= CLIENTS_MAX ||
        env->command.partition != message->partition) {
        bus_envelope_release(env);
        return bus_fail(err, BUS_INVALID, "kafka: no command, or in another's partition");
    }
    env->route = route_of(answers, incarnation, (uint32_t)env->route);
    env->place = message->offset;
    *out = env;
    return BUS_OK;
}

/* Gives env to the partition's owner. Under the lock; false: env must be answered BUSY. */
static bool
deliver(bus_transport *t, place *at, bus_envelope *env)
{
    if (!bus_kafka_window_take(&at->window, env->place, 4 * t->local.queue_max))
        return false;
    return bus_local_deliver(&t->local, bus_str_of(at->server->target), env) == BUS_DELIVERED;
}

static bus_code
take_command(bus_transport *t, domain *d, const rd_kafka_message_t *message, bus_error *err)
{
    place        *at = &d->places[message->partition];
    bus_envelope *env = NULL;
    bool          owned, delivered = false;
    bus_code      rc;

    if ((rc = read_command(t, message, &env, err)) != BUS_OK)
        return rc; /* passed over, for ever: the next one that is taken is behind it */
    (void)pthread_mutex_lock(&t->lock);
    owned = at->server != NULL && !at->missed;
    if (owned)
        delivered = deliver(t, at, env);
    else
        at->missed = true; /* the next owner finds it there */
    (void)pthread_mutex_unlock(&t->lock);
    if (delivered)
        return BUS_OK;
    if (owned) {
        send_answer(t, env->route, bus_local_answer(env, BUS_ANSWER_BUSY));
        mark_answered(t, d->name, env);
    }
    bus_envelope_release(env);
    return BUS_OK;
}

/* --- what the reader does ----------------------------------------------------------- */

static domain *
domain_of_commands(bus_transport *t, const char *topic)
{
    for (int i = 0; i < t->settings.domains_count; i++)
        if (strcmp(t->domains[i].commands, topic) == 0)
            return &t->domains[i];
    return NULL;
}

void
bus_kafka_road_message(void *transport, rd_kafka_message_t *message)
{
    bus_transport *t = transport;
    const char    *topic = rd_kafka_topic_name(message->rkt);
    domain        *d = domain_of_commands(t, topic);
    bus_error      err = {0};
    bus_code       rc;

    if (d != NULL)
        rc = take_command(t, d, message, &err);
    else
        rc = take_answer(t, (bus_str){message->payload, (uint32_t)message->len}, &err);
    if (rc != BUS_OK)
        bus_kafka_complain(t, topic, &err);
    rd_kafka_message_destroy(message);
}

void
bus_kafka_road_rest(void *transport)
{
    (void)transport; /* every message went where it belongs at once */
}

/* Before the first command is sent we must hear the answer to it. */
static void
listen_for_answers(bus_transport *t, bus_kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list;
    int64_t                          end;

    if (t->answers_read || atomic_load(&t->closing) ||
        !bus_kafka_reader_end(reader, t->answers, t->answers_partition, &end))
        return;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, t->answers, t->answers_partition)->offset = end;
    bus_kafka_reader_add(reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    t->answers_read = true;
    atomic_store(&t->hears, true);
}

typedef void (*place_visitor)(void *context, const domain *d, int partition, place *at);

static void
each_place(bus_transport *t, place_visitor visit, void *context)
{
    (void)pthread_mutex_lock(&t->lock);
    for (int i = 0; i < t->settings.domains_count; i++)
        for (int p = 0; p < t->settings.partitions; p++)
            visit(context, &t->domains[i], p, &t->domains[i].places[p]);
    (void)pthread_mutex_unlock(&t->lock);
}

static rd_kafka_topic_partition_t *
add_to(rd_kafka_topic_partition_list_t *list, const domain *d, int partition)
{
    return rd_kafka_topic_partition_list_add(list, d->commands, partition);
}

/* Where a successor would have to begin, if it is not kept yet. */
static void
gather_fronts(void *context, const domain *d, int partition, place *at)
{
    int64_t front = bus_kafka_window_front(&at->window);

    if (!at->read || front < 0 || front == at->kept)
        return; /* or nothing has come yet, since the beginning */
    add_to(context, d, partition)->offset = front;
    at->kept = front;
}

static void
gather_lost(void *context, const domain *d, int partition, place *at)
{
    if (!at->read || (at->server != NULL && !at->missed))
        return;
    (void)add_to(context, d, partition);
    at->read = false;
}

static void
gather_new(void *context, const domain *d, int partition, place *at)
{
    if (at->server != NULL && !at->read)
        (void)add_to(context, d, partition);
}

/* These are read from now on, from where list says. */
static void
begin(bus_transport *t, bus_kafka_reader *reader, rd_kafka_topic_partition_list_t *list)
{
    (void)pthread_mutex_lock(&t->lock);
    for (int i = 0; i < list->cnt; i++) {
        place *at = &domain_of_commands(t, list->elems[i].topic)->places[list->elems[i].partition];

        at->read = true;
        at->missed = false;
        at->kept = -1;
        bus_kafka_window_start(&at->window, list->elems[i].offset);
    }
    (void)pthread_mutex_unlock(&t->lock);
    bus_kafka_reader_add(reader, list);
}

void
bus_kafka_road_turn(void *transport, bus_kafka_reader *reader)
{
    bus_transport                   *t = transport;
    rd_kafka_topic_partition_list_t *fronts = rd_kafka_topic_partition_list_new(8);
    rd_kafka_topic_partition_list_t *lost = rd_kafka_topic_partition_list_new(8);
    rd_kafka_topic_partition_list_t *new = rd_kafka_topic_partition_list_new(8);
    int64_t since_ms = bus_now_ms(bus_clock_system()) - COMMANDS_LIFE_MS;

    listen_for_answers(t, reader);
    each_place(t, gather_fronts, fronts);
    bus_kafka_reader_commit(reader, fronts, atomic_load(&t->closing));
    each_place(t, gather_lost, lost);
    bus_kafka_reader_drop(reader, lost);
    each_place(t, gather_new, new);
    if (new->cnt > 0 && bus_kafka_reader_find(reader, new, since_ms))
        begin(t, reader, new);
    rd_kafka_topic_partition_list_destroy(fronts);
    rd_kafka_topic_partition_list_destroy(lost);
    rd_kafka_topic_partition_list_destroy(new);
}

void
bus_kafka_road_lost(void *transport, bus_kafka_reader *reader, const char *topic, int partition)
{
    bus_transport                   *t = transport;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    /* What is kept is gone, so all that is left is younger. */
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    bus_kafka_reader_drop(reader, list);
    if (domain_of_commands(t, topic) == NULL)
        t->answers_read = false; /* the next turn listens from the end on */
    else
        begin(t, reader, list);
    rd_kafka_topic_partition_list_destroy(list);
}
