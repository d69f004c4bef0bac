/* nng_fuzz.c - any bytes as a frame that came over a connection of the bus.
 *
 * A transport is open, with a server, a client and a subscriber; the input is given to it as nng's
 * callback gives frames. A peer of any name would be dialled, so of urls only PEER_URL is let
 * through, and those that are none. What must hold: a broken frame is refused with words; what came
 * through is whole: a command has its way back, an answer finds its client only if it was sent to
 * this incarnation, a batch is of the topic.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/transport/nng/internal.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEER_URL "ipc:///nowhere/peer"
#define QUEUE_MAX 16

static bus_transport  *transport;
static bus_server     *server;
static bus_client     *client;
static bus_subscriber *subscriber;

static void
stop(void)
{
    bus_transport_nng.unsubscribe(subscriber);
    bus_transport_nng.disconnect(client);
    bus_transport_nng.stop(server);
    bus_transport_nng.close(transport);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const topics[] = {"events.vehicles"};
    bus_transport_options    options = {.queue_max = QUEUE_MAX, .batches_max = QUEUE_MAX};
    char                     url[64];
    bus_error                err;

    (void)argc;
    (void)argv;
    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    (void)snprintf(url, sizeof(url), "ipc:///tmp/shina-fuzz-%d", (int)getpid());
    options.url = url;
    BUS_INVARIANT(bus_transport_nng.open(&transport, &options, &err) == BUS_OK);
    BUS_INVARIANT(bus_transport_nng.serve(transport, "vehicles", &server, &err) == BUS_OK);
    BUS_INVARIANT(bus_transport_nng.connect(transport, NULL, NULL, &client, &err) == BUS_OK);
    BUS_INVARIANT(
        bus_transport_nng.subscribe(transport, topics, 1, NULL, NULL, &subscriber, &err) == BUS_OK);
    BUS_INVARIANT(atexit(stop) == 0);
    return 0;
}

static bool
dials_somebody(bus_str frame)
{
    bus_wire   in = {.at = frame.at, .left = frame.len};
    frame_head head;
    bus_error  err;

    return bus_frame_read_head(&in, &head, &err) == BUS_OK && head.url.len > 6 &&
           (memcmp(head.url.at, "ipc://", 6) == 0 || memcmp(head.url.at, "tcp://", 6) == 0) &&
           !bus_str_is(head.url, PEER_URL);
}

static uint64_t
sent_to(bus_str frame)
{
    bus_wire   in = {.at = frame.at, .left = frame.len};
    frame_head head = {0};
    bus_error  err;

    return bus_frame_read_head(&in, &head, &err) == BUS_OK ? head.to : 0;
}

/* Answers every second command, so that the way back is gone as well. */
static void
drain(bool for_us)
{
    bus_envelope *env;
    bus_batch    *batch;

    while (bus_transport_nng.take(server, &env, 1, 0) == 1) {
        BUS_INVARIANT(env->kind == BUS_ENVELOPE_COMMAND && env->route > UINT32_MAX);
        if (env->ticket % 2 == 0)
            bus_transport_nng.reply(
                server, env,
                bus_envelope_of_reply(&(bus_reply){.command_id = env->command.command_id}));
        bus_envelope_release(env);
    }
    while (bus_transport_nng.replies(client, &env, 1, 0) == 1) {
        BUS_INVARIANT(for_us && env->kind == BUS_ENVELOPE_REPLY);
        bus_envelope_release(env);
    }
    while ((batch = bus_transport_nng.next(subscriber, 0)) != NULL) {
        BUS_INVARIANT(bus_str_is(batch->topic, "events.vehicles"));
        bus_batch_release(batch);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str   frame = fuzz_input(data, size);
    char     *exact = fuzz_exact(frame);
    bus_error err = {0};
    bus_code  rc;

    /* Seeds cannot know the incarnation: "to us!!!" stands for it. */
    if (frame.len >= 20 && memcmp(frame.at + 12, "to us!!!", 8) == 0) {
        bus_buf to = {0};

        bus_wire_put_u64(&to, transport->self.incarnation);
        memcpy(exact + 12, to.at, 8);
        bus_buf_fini(&to);
    }
    frame.at = exact;
    if (!dials_somebody(frame)) {
        rc = bus_nng_frame_take(transport, frame, &err);
        if (rc != BUS_OK)
            fuzz_check_failure(rc, &err);
        drain(sent_to(frame) == transport->self.incarnation);
    }
    free(exact);
    return 0;
}
