/* peer.c - one connection to another process, and the frames that go over it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/nng/peer.h"

#include "bus/base/clock.h"

#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 1000
#define REDIAL_US 3000000 /* without a connection, while nng tries once a second at least */
#define SEND_LOOK_MS 500  /* how often a frame that does not go is looked at */
#define WAITING_BYTES_MAX ((size_t)16 << 20)      /* one larger envelope still goes alone */
#define BATCHES_BYTES_MAX (WAITING_BYTES_MAX / 2) /* batches leave room for answers */
#define KEEP_BYTES ((size_t)1 << 20)              /* of a buffer that was larger once */

static int64_t
now_us(void)
{
    return bus_mono_us(bus_clock_system());
}

/* --- frames -------------------------------------------------------------- */

/* All that waits, as one frame. Under the lock. */
static nng_msg *
take_frame(peer *p)
{
    const frame_head head = {
        .from = p->self->incarnation, .to = p->incarnation, .url = bus_str_of(p->self->url)};
    bus_buf  text = {0};
    nng_msg *msg;

    bus_frame_put_head(&text, &head);
    if (nng_msg_alloc(&msg, text.len + p->waiting.len) != 0)
        abort(); /* as everywhere: without memory there is no going on */
    memcpy(nng_msg_body(msg), text.at, text.len);
    memcpy((char *)nng_msg_body(msg) + text.len, p->waiting.at, p->waiting.len);
    bus_buf_fini(&text);
    if (p->waiting.capacity > KEEP_BYTES)
        bus_buf_fini(&p->waiting);
    else
        bus_buf_reset(&p->waiting);
    p->commands = p->answers = p->batches = 0;
    return msg;
}

/* The frame of p->sending. False: the connection has ended. */
static bool
send_frame(peer *p)
{
    bool sent;

    (void)pthread_mutex_lock(&p->gate);
    sent = !atomic_load(&p->ended);
    if (sent)
        nng_send_aio(p->socket, p->sending);
    (void)pthread_mutex_unlock(&p->gate);
    return sent;
}

/* Gone, or lost: whoever asked will ask again. */
static void
end_frame(peer *p, bool lost)
{
    if (lost) {
        nng_msg_free(nng_aio_get_msg(p->sending));
        nng_aio_set_msg(p->sending, NULL);
    }
    (void)pthread_mutex_lock(&p->lock);
    p->in_flight = false;
    (void)pthread_mutex_unlock(&p->lock);
}

/* Sends what waits, unless a frame is on its way. */
static void
pump(peer *p)
{
    nng_msg *msg = NULL;

    (void)pthread_mutex_lock(&p->lock);
    if (!p->in_flight && p->waiting.len > 0 && !atomic_load(&p->ended)) {
        msg = take_frame(p);
        p->in_flight = true;
    }
    (void)pthread_mutex_unlock(&p->lock);
    if (msg == NULL)
        return;
    nng_aio_set_msg(p->sending, msg);
    if (!send_frame(p))
        end_frame(p, true);
}

/* nng's callback: the frame has gone, or not. */
static void
on_sent(void *context)
{
    peer *p = context;
    int   result = nng_aio_result(p->sending);

    if (result == NNG_ETIMEDOUT && !bus_peer_unreachable(p) && send_frame(p))
        return; /* the other side is slow: the same frame again */
    end_frame(p, result != 0);
    if (result == NNG_ETIMEDOUT && bus_peer_unreachable(p))
        bus_peer_forget_waiting(p); /* there is nobody */
    else if (result == 0)
        pump(p);
}

/* nng's callback, under locks of its own: only flags.
 *
 * A PUSH socket of nng 1.5 has a race: a connection that ends while something was sent over it, or
 * in its first moment, may stay in the socket's list of those that can be sent over when its memory
 * has been given back (protocol/pipeline0/push.c: push0_pipe_ready after push0_pipe_close). So a
 * socket has one connection and no other, and when that has ended, before its memory goes, the
 * gate is shut. */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    peer *p = context;

    if (event == NNG_PIPE_EV_ADD_PRE) {
        if (atomic_exchange(&p->had_one, true))
            (void)nng_pipe_close(pipe);
        return;
    }
    atomic_store(&p->changed_us, now_us());
    (void)pthread_mutex_lock(&p->gate);
    if (event == NNG_PIPE_EV_REM_POST) {
        atomic_store(&p->ended, true);
        atomic_store(&p->connected, false);
    } else if (!atomic_load(&p->ended)) { /* it may have ended before it has begun */
        atomic_store(&p->told, !atomic_load(&p->wanted));
        atomic_store(&p->connected, true);
    }
    (void)pthread_mutex_unlock(&p->gate);
    p->self->poke(p->self->context);
}

/* --- coming and going ---------------------------------------------------- */

static int
dial(peer *p)
{
    int rv;

    if ((rv = nng_dialer_create(&p->dialer, p->socket, p->url)) != 0)
        return rv;
    if ((rv = nng_dialer_set_ms(p->dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (rv = nng_dialer_set_ms(p->dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0)
        return rv;
    return nng_dialer_start(p->dialer, NNG_FLAG_NONBLOCK);
}

/* Another socket, which is p's from now on, and dials. Only what is not nng's is done under the
 * gate: nng calls us under locks of its own. */
static int
open_socket(peer *p)
{
    nng_socket socket;
    int        rv;

    if ((rv = nng_push0_open(&socket)) != 0)
        return rv;
    if ((rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, p)) != 0 ||
        (rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, p)) != 0 ||
        (rv = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, p)) != 0) {
        (void)nng_close(socket);
        return rv;
    }
    (void)pthread_mutex_lock(&p->gate);
    p->socket = socket;
    atomic_store(&p->had_one, false);
    atomic_store(&p->ended, false);
    (void)pthread_mutex_unlock(&p->gate);
    return dial(p);
}

static void
close_socket(nng_socket socket)
{
    if (nng_socket_id(socket) <= 0)
        return;
    (void)nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, NULL, NULL);
    (void)nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, NULL, NULL);
    (void)nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
    (void)nng_close(socket);
}

/* The old one stops dialling and is closed when it has been quiet for long: closing one that is
 * just connecting may take for ever (nanomsg/nng issue 1813). */
void
bus_peer_renew(peer *p)
{
    nng_socket *oldest = &p->spent[p->spent_count % PEER_SPENT], old = p->socket;

    if (!atomic_load(&p->ended))
        return;
    close_socket(*oldest);
    (void)nng_dialer_close(p->dialer);
    if (open_socket(p) != 0) { /* without a socket: the next time; without a dialer: soon */
        *oldest = (nng_socket)NNG_SOCKET_INITIALIZER;
        if (atomic_load(&p->ended))
            return;
    }
    *oldest = old;
    p->spent_count++;
    pump(p);
}

/* Where a process is killed before it has greeted, nng 1.5 fails to send its own greeting with
 * EPIPE, which it takes for NNG_ECLOSED: it thinks that the dialer is closed and never dials again
 * (core/dialer.c, dialer_connect_cb). */
void
bus_peer_look(peer *p)
{
    int64_t now = now_us();

    if (atomic_load(&p->ended) || bus_peer_connected(p) ||
        now - atomic_load(&p->changed_us) < REDIAL_US || now - p->dialled_us < REDIAL_US)
        return;
    p->dialled_us = now;
    (void)nng_dialer_close(p->dialer);
    (void)dial(p); /* if it fails: the next time */
}

bus_code
bus_peer_create(peer **out, const peer_self *self, const char *url, uint16_t slot, bus_error *err)
{
    peer *p;
    int   rv;

    if (strlen(url) >= sizeof(p->url))
        return bus_fail(err, BUS_INVALID, "nng: the url %s is too long", url);
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        abort();
    p->self = self;
    p->slot = slot;
    (void)snprintf(p->url, sizeof(p->url), "%s", url);
    atomic_init(&p->had_one, false);
    atomic_init(&p->ended, false);
    atomic_init(&p->connected, false);
    atomic_init(&p->wanted, false);
    atomic_init(&p->told, true);
    atomic_init(&p->changed_us, now_us());
    BUS_INVARIANT(pthread_mutex_init(&p->lock, NULL) == 0);
    BUS_INVARIANT(pthread_mutex_init(&p->gate, NULL) == 0);
    if ((rv = nng_aio_alloc(&p->sending, on_sent, p)) == 0) {
        nng_aio_set_timeout(p->sending, SEND_LOOK_MS);
        rv = open_socket(p);
    }
    if (rv == 0) {
        *out = p;
        return BUS_OK;
    }
    bus_peer_destroy(p);
    return bus_fail(err, rv == NNG_EINVAL || rv == NNG_EADDRINVAL ? BUS_INVALID : BUS_UNAVAILABLE,
                    "nng: %s cannot be dialled: %s", url, nng_strerror(rv));
}

void
bus_peer_destroy(peer *p)
{
    if (p == NULL)
        return;
    close_socket(p->socket);
    for (int i = 0; i < PEER_SPENT; i++)
        close_socket(p->spent[i]);
    if (p->sending != NULL) {
        nng_aio_stop(p->sending);
        nng_aio_free(p->sending);
    }
    bus_buf_fini(&p->waiting);
    free(p->topics);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_mutex_destroy(&p->gate);
    free(p);
}

bool
bus_peer_connected(const peer *p)
{
    return atomic_load(&p->connected);
}

bool
bus_peer_unreachable(const peer *p)
{
    return !bus_peer_connected(p) && now_us() - atomic_load(&p->changed_us) > PEER_GRACE_US;
}

void
bus_peer_forget_waiting(peer *p)
{
    (void)pthread_mutex_lock(&p->lock);
    bus_buf_reset(&p->waiting);
    p->commands = p->answers = p->batches = 0;
    (void)pthread_mutex_unlock(&p->lock);
}

bool
bus_peer_idle(peer *p)
{
    bool idle;

    (void)pthread_mutex_lock(&p->lock);
    idle = !p->in_flight && p->waiting.len == 0;
    (void)pthread_mutex_unlock(&p->lock);
    return idle;
}

/* --- what is put --------------------------------------------------------- */

/* Takes back what was added behind length. */
static void
cut(bus_buf *buf, size_t length)
{
    buf->len = length;
    buf->at[length] = '\0';
}

/* Under the lock. */
static bus_code
add_envelope(peer *p, bus_str target, const bus_envelope *env, bus_error *err)
{
    bool     command = env->kind == BUS_ENVELOPE_COMMAND;
    uint32_t count = command ? p->commands : p->answers;
    size_t   before = p->waiting.len, place;

    if (count >= p->self->queue_max)
        return bus_fail(err, BUS_FULL, "%u messages wait for %s", count, p->url);
    place = bus_frame_begin(&p->waiting, command ? FRAME_COMMAND : FRAME_REPLY);
    if (command)
        bus_wire_put_str(&p->waiting, target);
    bus_envelope_encode(env, &p->waiting);
    bus_frame_end(&p->waiting, place);
    if (p->waiting.len - before > FRAME_ENTRY_BYTES_MAX) {
        cut(&p->waiting, before);
        return bus_fail(err, BUS_INVALID, "nng: a message of more than %zu bytes",
                        FRAME_ENTRY_BYTES_MAX);
    }
    if (before > 0 && p->waiting.len > WAITING_BYTES_MAX) {
        cut(&p->waiting, before);
        return bus_fail(err, BUS_FULL, "%zu bytes wait for %s", before, p->url);
    }
    if (command)
        p->commands++;
    else
        p->answers++;
    return BUS_OK;
}

bus_code
bus_peer_put(peer *p, bus_str target, const bus_envelope *env, bus_error *err)
{
    bus_code rc;

    if (bus_peer_unreachable(p))
        return bus_fail(err, BUS_UNAVAILABLE, "nobody listens at %s", p->url);
    (void)pthread_mutex_lock(&p->lock);
    rc = add_envelope(p, target, env, err);
    (void)pthread_mutex_unlock(&p->lock);
    pump(p);
    return rc;
}

/* Under the lock. */
static void
add_entry(peer *p, frame_kind kind, bus_str body)
{
    size_t place = bus_frame_begin(&p->waiting, kind);

    bus_buf_add_str(&p->waiting, body);
    bus_frame_end(&p->waiting, place);
}

void
bus_peer_put_batch(peer *p, bus_str encoded)
{
    if (bus_peer_unreachable(p))
        return;
    (void)pthread_mutex_lock(&p->lock);
    if (p->batches < p->self->batches_max &&
        (p->waiting.len == 0 || p->waiting.len + encoded.len <= BATCHES_BYTES_MAX)) {
        add_entry(p, FRAME_BATCH, encoded);
        p->batches++;
    }
    (void)pthread_mutex_unlock(&p->lock);
    pump(p);
}

bool
bus_peer_put_topics(peer *p, bus_str body)
{
    bool fits;

    (void)pthread_mutex_lock(&p->lock);
    fits = p->waiting.len + body.len <= WAITING_BYTES_MAX;
    if (fits)
        add_entry(p, FRAME_TOPICS, body);
    (void)pthread_mutex_unlock(&p->lock);
    pump(p);
    return fits;
}

/* --- what was heard ------------------------------------------------------ */

uint16_t
bus_peer_heard(peer *p, uint64_t incarnation)
{
    uint16_t generation;

    (void)pthread_mutex_lock(&p->lock);
    if (p->incarnation != incarnation) {
        p->incarnation = incarnation;
        p->generation++;
        p->topics_count = 0; /* another process: it will say what it takes */
    }
    generation = p->generation;
    (void)pthread_mutex_unlock(&p->lock);
    return generation;
}

uint16_t
bus_peer_generation(peer *p)
{
    uint16_t generation;

    (void)pthread_mutex_lock(&p->lock);
    generation = p->generation;
    (void)pthread_mutex_unlock(&p->lock);
    return generation;
}

bus_code
bus_peer_set_topics(peer *p, bus_str body, bus_error *err)
{
    bus_wire in = {.at = body.at, .left = body.len};
    uint16_t count = bus_wire_u16(&in, "topics");
    char(*topics)[BUS_TOPIC_BYTES];

    if (count > FRAME_TOPICS_MAX)
        return bus_fail(err, BUS_INVALID, "nng: %d topics, more than %d", count, FRAME_TOPICS_MAX);
    topics = calloc((size_t)count + 1, sizeof(*topics));
    if (topics == NULL)
        abort();
    for (uint16_t i = 0; i < count; i++) {
        bus_str topic = bus_wire_str(&in, "topic");

        if (topic.len >= BUS_TOPIC_BYTES && in.wrong == NULL)
            in.wrong = "topic";
        if (in.wrong != NULL)
            break;
        bus_str_store(topics[i], BUS_TOPIC_BYTES, topic);
    }
    if (in.wrong != NULL || in.left > 0) {
        free(topics);
        return bus_fail(err, BUS_INVALID, "nng: /topics is cut off or wrong");
    }
    (void)pthread_mutex_lock(&p->lock);
    free(p->topics);
    p->topics = topics;
    p->topics_count = count;
    (void)pthread_mutex_unlock(&p->lock);
    return BUS_OK;
}

bool
bus_peer_takes(peer *p, bus_str topic)
{
    bool found = false;

    (void)pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->topics_count && !found; i++)
        found = bus_str_is(topic, p->topics[i]);
    (void)pthread_mutex_unlock(&p->lock);
    return found;
}
