/* receive.c - frames that arrive, and where each of their entries goes.
 * One frame at a time, so that the order of each sender is kept. Nothing here waits: what finds no
 * room is answered BUSY, what nobody here serves NOT_OWNER, a batch is dropped.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/nng/internal.h"

#include <stdlib.h>

#define COMPLAINT_US 1000000

typedef struct {
    bus_transport *transport;
    peer          *from;
    uint16_t       generation; /* of ways back to it */
    bool           for_us;     /* sent to this incarnation */
} arrival;

static bus_code
take_command(const arrival *a, bus_str body, bus_error *err)
{
    bus_wire      in = {.at = body.at, .left = body.len};
    bus_str       target = bus_wire_str(&in, "target");
    bus_delivery  result;
    bus_envelope *env, *answer;
    uint64_t      client;
    bus_code      rc;

    if (in.wrong != NULL)
        return bus_fail(err, BUS_INVALID, "frame: /target is cut off");
    if ((rc = bus_envelope_decode((bus_str){in.at, in.left}, &env, err)) != BUS_OK)
        return rc;
    client = env->route;
    if (env->kind != BUS_ENVELOPE_COMMAND || client > UINT32_MAX) {
        bus_envelope_release(env);
        return bus_fail(err, BUS_INVALID, "frame: no command, or no way back");
    }
    env->route = bus_nng_route_of(a->from, a->generation, (uint32_t)client);
    result = bus_local_deliver(&a->transport->local, target, env);
    if (result == BUS_DELIVERED)
        return BUS_OK;
    answer = bus_local_answer(env, result == BUS_NO_ROOM ? BUS_ANSWER_BUSY : BUS_ANSWER_NOT_OWNER);
    answer->route = client;
    bus_envelope_release(env);
    rc = bus_peer_put(a->from, (bus_str){NULL, 0}, answer, err);
    bus_envelope_release(answer);
    return rc == BUS_INVALID ? rc : BUS_OK; /* without room: the asker repeats */
}

static bus_code
take_answer(const arrival *a, bus_str body, bus_error *err)
{
    bus_envelope *env;
    bus_code      rc = bus_envelope_decode(body, &env, err);

    if (rc != BUS_OK)
        return rc;
    if (env->kind != BUS_ENVELOPE_REPLY || env->route > UINT32_MAX) {
        bus_envelope_release(env);
        return bus_fail(err, BUS_INVALID, "frame: no answer, or for nobody");
    }
    if (a->for_us)
        bus_local_reply(&a->transport->local, (uint32_t)env->route, env);
    else
        bus_envelope_release(env); /* for the process that was here before us */
    return BUS_OK;
}

static bus_code
take_batch(const arrival *a, bus_str body, bus_error *err)
{
    bus_batch *batch;
    bus_code   rc = bus_batch_decode(body, &batch, err);

    if (rc != BUS_OK)
        return rc;
    bus_local_publish(&a->transport->local, batch);
    bus_batch_release(batch);
    return BUS_OK;
}

static bus_code
take_entry(const arrival *a, frame_kind kind, bus_str body, bus_error *err)
{
    switch (kind) {
    case FRAME_COMMAND: return take_command(a, body, err);
    case FRAME_REPLY: return take_answer(a, body, err);
    case FRAME_BATCH: return take_batch(a, body, err);
    case FRAME_TOPICS: return bus_peer_set_topics(a->from, body, err);
    }
    BUS_UNREACHABLE();
}

static bus_code
take_entries(const arrival *a, bus_wire *in, bus_error *err)
{
    frame_kind kind;
    bus_str    body;
    bus_code   rc;

    while ((rc = bus_frame_read_entry(in, &kind, &body, err)) == BUS_OK && kind != 0)
        if ((rc = take_entry(a, kind, body, err)) != BUS_OK)
            return rc;
    return rc;
}

bus_code
bus_nng_frame_take(bus_transport *t, bus_str frame, bus_error *err)
{
    bus_wire   in = {.at = frame.at, .left = frame.len};
    arrival    a = {.transport = t};
    frame_head head;
    bus_code   rc;

    if ((rc = bus_frame_read_head(&in, &head, err)) != BUS_OK)
        return rc;
    if (bus_str_is(head.url, t->self.url))
        return bus_fail(err, BUS_INVALID, "frame: from ourselves");
    if ((rc = bus_nng_peers_hold(t, head.url, &a.from, err)) != BUS_OK)
        return rc;
    a.generation = bus_peer_heard(a.from, head.from);
    a.for_us = head.to == t->self.incarnation;
    rc = take_entries(&a, &in, err);
    bus_nng_peers_release(t);
    return rc;
}

static void
complain(bus_transport *t, const bus_error *err)
{
    int64_t now_us = bus_mono_us(bus_clock_system());

    if (now_us - t->complained_us < COMPLAINT_US)
        return;
    t->complained_us = now_us;
    bus_log_warn("nng.frame_broken", BUS_KV_ERR(err));
}

/* nng's callback. */
static void
on_frame(void *context)
{
    bus_transport *t = context;
    int            result = nng_aio_result(t->receiving);
    nng_msg       *msg;
    bus_error      err;

    if (result == NNG_ECLOSED || result == NNG_ECANCELED)
        return;
    if (result == 0) {
        msg = nng_aio_get_msg(t->receiving);
        if (bus_nng_frame_take(t, (bus_str){nng_msg_body(msg), (uint32_t)nng_msg_len(msg)}, &err) !=
            BUS_OK)
            complain(t, &err);
        nng_msg_free(msg);
    }
    nng_recv_aio(t->inbox, t->receiving);
}

bus_code
bus_nng_receiving_start(bus_transport *t, bus_error *err)
{
    int rv = nng_aio_alloc(&t->receiving, on_frame, t);

    if (rv != 0)
        return bus_fail(err, BUS_UNAVAILABLE, "nng: %s", nng_strerror(rv));
    nng_recv_aio(t->inbox, t->receiving);
    return BUS_OK;
}

void
bus_nng_receiving_stop(bus_transport *t)
{
    if (nng_socket_id(t->inbox) > 0) {
        (void)nng_pipe_notify(t->inbox, NNG_PIPE_EV_ADD_POST, NULL, NULL);
        (void)nng_pipe_notify(t->inbox, NNG_PIPE_EV_REM_POST, NULL, NULL);
        (void)nng_close(t->inbox);
    }
    if (t->receiving != NULL) {
        nng_aio_stop(t->receiving);
        nng_aio_free(t->receiving);
    }
}
