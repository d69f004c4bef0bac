/* socket.c - a feed over a WebSocket (RFC 6455): libmicrohttpd gives the connection away after the
 * handshake, wslay frames, the loop polls. Each event is one text message
 * {"cursor":"...","event":{...}}; messages of the client's are not expected.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/problem.h"
#include "api-edge/live/feed_internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#define MESSAGE_BYTES_MAX 1024 /* of the client's */
#define TURN_BYTES 16384       /* read from one client, then the others have their turn */
#define QUEUED_MAX 1024        /* messages waiting to be sent: no more pings are read */
#define ACCEPT_BYTES 32
#define PROTOCOL "shina.events.v1"
#define BEARER "bearer."

/* Closes by itself, hence apart from the feed. */
typedef struct edge_socket {
    edge_feed                        *feed;
    struct MHD_UpgradeResponseHandle *handle;
    wslay_event_context_ptr           ws;
    uv_poll_t                         poll;
    int                               fd, events;
    uint8_t                          *early; /* came right behind the handshake */
    size_t                            early_at, early_len, turn_left;
    bool                              broken, pinged;
    size_t                            pending_at, pending_len;
    uint8_t                           pending[16 * 1024]; /* framed, to be sent */
} edge_socket;

/* --- the handshake ------------------------------------------------------- */

/* Is the word among those of a comma separated header? */
static bool
has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    while (list != NULL && *list != '\0') {
        size_t item;

        list += strspn(list, " \t,");
        item = strcspn(list, ", \t");
        if (item == len && strncasecmp(list, word, len) == 0)
            return true;
        list += item;
    }
    return false;
}

bool
edge_feed_is_socket(const edge_request *r)
{
    return has_word(edge_request_header(r, "Upgrade"), "websocket");
}

const char *
edge_feed_bearer(edge_request *r)
{
    const char *list = edge_request_header(r, "Sec-WebSocket-Protocol");

    if (!edge_feed_is_socket(r))
        return NULL;
    while (list != NULL && *list != '\0') {
        size_t item;

        list += strspn(list, " \t,");
        item = strcspn(list, ", \t");
        if (item > strlen(BEARER) && strncmp(list, BEARER, strlen(BEARER)) == 0)
            return bus_arena_copy(&r->arena, list + strlen(BEARER), item - strlen(BEARER)).at;
        list += item;
    }
    return NULL;
}

bool
edge_feed_check_socket(edge_request *r)
{
    const char *key = edge_request_header(r, "Sec-WebSocket-Key");
    const char *version = edge_request_header(r, "Sec-WebSocket-Version");

    if (!has_word(edge_request_header(r, "Connection"), "upgrade") || key == NULL ||
        strlen(key) != 24) {
        edge_problem(r, EDGE_BAD_REQUEST, "This is not the handshake of a WebSocket.");
        return false;
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        edge_problem_code(r, 426, BUS_STR("UPGRADE_REQUIRED"),
                          BUS_STR("The version of the WebSocket must be 13."));
        return false;
    }
    return true;
}

/* Sec-WebSocket-Accept of a key (RFC 6455, 4.2.2). */
static void
accept_of(const char *key, char out[ACCEPT_BYTES])
{
    char          text[64];
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned      len = 0;

    (void)snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    BUS_INVARIANT(EVP_Digest(text, strlen(text), hash, &len, EVP_sha1(), NULL) == 1 && len == 20);
    (void)EVP_EncodeBlock((unsigned char *)out, hash, (int)len);
}

/* Browsers want one of the protocols that they offered; the token's own where there is no other. */
static const char *
protocol_of(edge_request *r)
{
    const char *token;

    if (has_word(edge_request_header(r, "Sec-WebSocket-Protocol"), PROTOCOL))
        return PROTOCOL;
    token = edge_feed_bearer(r);
    return token == NULL ? NULL : bus_arena_printf(&r->arena, BEARER "%s", token).at;
}

/* --- frames -------------------------------------------------------------- */

static ssize_t
on_receive(wslay_event_context_ptr ws, uint8_t *bytes, size_t len, int flags, void *context)
{
    edge_socket *s = context;
    ssize_t      got;

    (void)flags;
    if (s->early_at < s->early_len) {
        size_t left = s->early_len - s->early_at, take = left < len ? left : len;

        memcpy(bytes, s->early + s->early_at, take);
        s->early_at += take;
        return (ssize_t)take;
    }
    len = len < s->turn_left ? len : s->turn_left;
    do
        got = len == 0 ? -1 : recv(s->fd, bytes, len, 0);
    while (got < 0 && len > 0 && errno == EINTR);
    if (got < 0 && (len == 0 || errno == EAGAIN || errno == EWOULDBLOCK)) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (got <= 0) {
        s->broken = true;
        wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    s->turn_left -= (size_t)got;
    return got;
}

/* As much as the socket takes. */
static void
flush(edge_socket *s)
{
    while (s->pending_at < s->pending_len) {
        ssize_t sent =
            send(s->fd, s->pending + s->pending_at, s->pending_len - s->pending_at, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            s->broken = s->broken || (errno != EAGAIN && errno != EWOULDBLOCK);
            return;
        }
        s->pending_at += (size_t)sent;
        s->feed->sent_bytes += (uint64_t)sent;
    }
    s->pending_at = s->pending_len = 0;
}

/* wslay gives a frame's head and body apart: they are gathered, and sent in few large pieces. */
static ssize_t
on_send(wslay_event_context_ptr ws, const uint8_t *bytes, size_t len, int flags, void *context)
{
    edge_socket *s = context;
    size_t       room;

    (void)flags;
    if (s->pending_len == sizeof(s->pending))
        flush(s);
    room = sizeof(s->pending) - s->pending_len;
    if (room == 0 || s->broken) {
        wslay_event_set_error(ws, s->broken ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < room ? len : room;
    memcpy(s->pending + s->pending_len, bytes, len);
    s->pending_len += len;
    return (ssize_t)len;
}

/* wslay answers pings and closes by itself. */
static void
on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *message,
           void *context)
{
    edge_socket      *s = context;
    static const char reason[] = "A feed takes no messages.";

    if (message->opcode == WSLAY_PONG)
        s->pinged = false;
    else if (message->opcode == WSLAY_PING)
        s->feed->put_bytes += 2 + message->msg_length; /* its pong, which counts when it is sent */
    else if (!wslay_is_ctrl_frame(message->opcode))
        (void)wslay_event_queue_close(ws, WSLAY_CODE_UNSUPPORTED_DATA, (const uint8_t *)reason,
                                      sizeof(reason) - 1);
}

static void
on_closed(uv_handle_t *handle)
{
    edge_socket *s = handle->data;

    wslay_event_context_free(s->ws);
    free(s->early);
    free(s);
}

/* Gives the connection back, to be closed; the request is completed then. */
static void
drop(edge_socket *s)
{
    if (s->feed->socket == NULL)
        return;
    s->feed->socket = NULL;
    edge_feed_leave_tail(s->feed);
    s->feed->state = EDGE_FEED_ENDED;
    (void)MHD_upgrade_action(s->handle, MHD_UPGRADE_ACTION_CLOSE);
    s->feed->loop->http_due = true;
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

static void on_socket(uv_poll_t *poll, int status, int events);

/* Every ping read is a pong that waits for the client to take it. */
static bool
wants_to_read(const edge_socket *s)
{
    return wslay_event_want_read(s->ws) && wslay_event_get_queued_msg_count(s->ws) < QUEUED_MAX;
}

/* Sends what it can, and polls for what is left. The socket may be gone after it. */
static void
work(edge_socket *s, bool readable)
{
    int events;

    s->turn_left = TURN_BYTES;
    if (readable && wants_to_read(s) && wslay_event_recv(s->ws) != 0)
        s->broken = true;
    if (!s->broken && wslay_event_want_write(s->ws) && wslay_event_send(s->ws) != 0)
        s->broken = true;
    flush(s);
    events = (wants_to_read(s) ? UV_READABLE : 0) |
             (wslay_event_want_write(s->ws) || s->pending_len > 0 ? UV_WRITABLE : 0);
    if (s->broken || events == 0) {
        drop(s);
        return;
    }
    if (events != s->events && uv_poll_start(&s->poll, events, on_socket) == 0)
        s->events = events;
}

static size_t
waiting(const edge_socket *s)
{
    return wslay_event_get_queued_msg_length(s->ws);
}

static bool
has_room_again(edge_feed *feed)
{
    if (feed->socket == NULL || !feed->full || waiting(feed->socket) >= EDGE_FEED_LOW_BYTES)
        return false;
    feed->full = false;
    return true;
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
    edge_socket *s = poll->data;
    edge_feed   *feed = s->feed;

    if (status < 0)
        s->broken = true;
    work(s, (events & UV_READABLE) != 0);
    if (has_room_again(feed))
        edge_feed_pump(feed);
}

static bool
queue(edge_socket *s, uint8_t opcode, bus_str text)
{
    const struct wslay_event_msg message = {
        .opcode = opcode, .msg = (const uint8_t *)text.at, .msg_length = text.len};

    if (wslay_event_queue_msg(s->ws, &message) != 0)
        return false; /* it is closing already */
    s->feed->put_bytes += text.len + 2 + (text.len > 125 ? 2 : 0) + (text.len > 65535 ? 6 : 0);
    return true;
}

/* --- the way out --------------------------------------------------------- */

/* libmicrohttpd is done with the handshake: the socket is ours. */
static void
on_upgrade(void *context, struct MHD_Connection *connection, void *slot, const char *extra,
           size_t extra_bytes, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_receive,
        .send_callback = on_send,
        .on_msg_recv_callback = on_message,
    };
    edge_feed   *feed = context;
    edge_socket *s = calloc(1, sizeof(*s));

    (void)connection;
    (void)slot;
    if (s == NULL || wslay_event_context_server_init(&s->ws, &callbacks, s) != 0)
        abort();
    wslay_event_config_set_max_recv_msg_length(s->ws, MESSAGE_BYTES_MAX);
    s->feed = feed;
    s->handle = handle;
    s->fd = fd;
    if (extra_bytes > 0) {
        s->early = malloc(extra_bytes);
        if (s->early == NULL)
            abort();
        memcpy(s->early, extra, extra_bytes);
        s->early_len = extra_bytes;
    }
    edge_feed_bound_socket(fd);
    BUS_INVARIANT(uv_poll_init(&feed->loop->uv, &s->poll, fd) == 0);
    s->poll.data = s;
    feed->socket = s;
    if (feed->state == EDGE_FEED_ENDED) { /* meanwhile */
        feed->way->end(feed, feed->reason);
        if (feed->socket != NULL)
            drop(s);
        return;
    }
    work(s, true);
    edge_feed_pump(feed);
}

static void
socket_open(edge_feed *feed)
{
    edge_request        *r = feed->r;
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, feed);
    char                *accept = bus_arena_alloc(&r->arena, ACCEPT_BYTES);

    accept_of(edge_request_header(r, "Sec-WebSocket-Key"), accept);
    edge_answer(r, &(edge_reply){.status = 101,
                                 .response = response,
                                 .socket_accept = accept,
                                 .socket_protocol = protocol_of(r)});
}

static bool
socket_room(edge_feed *feed)
{
    return feed->socket != NULL && !feed->full;
}

static void
socket_put(edge_feed *feed, bus_str event)
{
    bus_buf *out = &feed->out;

    bus_buf_reset(out);
    bus_buf_add_text(out, "{\"cursor\":\"");
    bus_buf_add_str(out, edge_feed_cursor(feed));
    bus_buf_add_text(out, "\",\"event\":");
    bus_buf_add_str(out, event);
    bus_buf_add_char(out, '}');
    if (queue(feed->socket, WSLAY_TEXT_FRAME, bus_buf_str(out)))
        feed->moved = false;
    feed->full = waiting(feed->socket) >= EDGE_FEED_HIGH_BYTES;
}

static void
socket_settle(edge_feed *feed, bool caught_up)
{
    (void)caught_up;
    if (feed->socket != NULL)
        work(feed->socket, false);
    feed->again = has_room_again(feed);
}

/* A ping, which the client must have answered before the next; where the place has moved past
 * what the client may not see, the cursor alone. */
static void
socket_beat(edge_feed *feed)
{
    edge_socket *s = feed->socket;
    bus_buf     *out = &feed->out;

    if (s == NULL)
        return;
    if (s->pinged) {
        edge_feed_end(feed, EDGE_FEED_SLOW);
        return;
    }
    if (feed->moved) {
        bus_buf_reset(out);
        bus_buf_printf(out, "{\"cursor\":\"%s\"}", edge_feed_cursor(feed).at);
        (void)queue(s, WSLAY_TEXT_FRAME, bus_buf_str(out));
        feed->moved = false;
    }
    s->pinged = queue(s, WSLAY_PING, BUS_STR(""));
    work(s, false);
}

static void
socket_tick(edge_feed *feed, int64_t now_us)
{
    if (feed->state == EDGE_FEED_OPEN && feed->socket != NULL &&
        !wslay_event_get_write_enabled(feed->socket->ws)) {
        feed->state = EDGE_FEED_ENDED; /* a close is on its way that is not of our making */
        feed->ended_us = now_us;
        edge_feed_leave_tail(feed);
    }
    if (feed->state == EDGE_FEED_ENDED && feed->socket != NULL &&
        (now_us == INT64_MAX || now_us - feed->ended_us >= EDGE_FEED_LINGER_US))
        drop(feed->socket);
}

static void
socket_end(edge_feed *feed, edge_feed_reason reason)
{
    const edge_feed_end_text *text = &edge_feed_ends[reason];
    char                      words[124]; /* a control frame has room for 125 bytes */
    int                       len;

    feed->reason = reason;
    if (feed->socket == NULL)
        return; /* after the handshake */
    len = snprintf(words, sizeof(words), "%s: %s", text->code, text->detail);
    if (len >= (int)sizeof(words))
        len = (int)sizeof(words) - 1;
    (void)wslay_event_queue_close(feed->socket->ws, (uint16_t)text->close_code,
                                  (const uint8_t *)words, (size_t)len);
    work(feed->socket, false);
}

static void
socket_fini(edge_feed *feed)
{
    BUS_INVARIANT(feed->socket == NULL); /* its connection completes after it was dropped */
}

const edge_feed_way edge_feed_socket = {
    .open = socket_open,
    .room = socket_room,
    .put = socket_put,
    .settle = socket_settle,
    .beat = socket_beat,
    .tick = socket_tick,
    .end = socket_end,
    .fini = socket_fini,
};
