/* feed_client.c - a consumer of feeds. A test cannot go on when what comes is not as it must be, so
 * that ends the program.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/feed_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define BYTES_MAX ((size_t)4 * 1024 * 1024)
#define HEAD_SECONDS 20
/* The example of RFC 6455, 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

typedef struct {
    char  *at;
    size_t len, room;
} bytes;

typedef struct message {
    tests_feed_kind kind;
    tests_feed_item item;
    struct message *next;
} message;

struct tests_feed {
    tests_feed_way way;
    int            fd;
    bool           closed; /* by the other side */
    bytes          raw;    /* as it came */
    /* SSE */
    size_t chunk; /* bytes of it that are still to come */
    bool   last_chunk;
    bytes  text; /* without the chunks' frames */
    /* SOCKET */
    wslay_event_context_ptr ws;
    struct message         *first, **last; /* received, not yet given out */
};

__attribute__((noreturn)) static void
die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "tests/support/feed_client: %s: %s\n", what, detail);
    exit(1);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
add(bytes *to, const char *at, size_t len)
{
    if (to->len + len + 1 > to->room) {
        to->room = (to->len + len + 1) * 2;
        to->at = realloc(to->at, to->room);
        if (to->at == NULL || to->room > BYTES_MAX)
            die("too much", "memory");
    }
    memcpy(to->at + to->len, at, len);
    to->len += len;
    to->at[to->len] = '\0';
}

static void
drop(bytes *of, size_t len)
{
    memmove(of->at, of->at + len, of->len - len + 1);
    of->len -= len;
}

/* --- the connection ------------------------------------------------------ */

static int
connect_to(const char *url, int receive_bytes)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo      *info;
    char                  host[64], port[8];
    int                   fd = -1;

    if (sscanf(url, "http://%63[^:]:%7s", host, port) != 2 ||
        getaddrinfo(host, port, &hints, &info) != 0)
        die("not an address", url);
    fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && receive_bytes > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    if (fd >= 0 && connect(fd, info->ai_addr, info->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(info);
    return fd;
}

/* Takes some of what has come; false: nothing came in time. */
static bool
receive(tests_feed *feed, int timeout_ms)
{
    struct pollfd p = {.fd = feed->fd, .events = POLLIN};
    char          some[65536];
    ssize_t       got;

    if (feed->closed || poll(&p, 1, timeout_ms) != 1)
        return false;
    got = recv(feed->fd, some, sizeof(some), 0);
    if (got <= 0)
        feed->closed = true;
    else
        add(&feed->raw, some, (size_t)got);
    return got > 0;
}

static void
send_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return; /* seen when reading */
        at += sent < 0 ? 0 : sent;
        len -= sent < 0 ? 0 : (size_t)sent;
    }
}

/* --- the handshakes ------------------------------------------------------ */

static void
send_request(const tests_feed *feed, const tests_feed_options *o)
{
    char request[8192];
    int  len =
        snprintf(request, sizeof(request), "GET /api/v1/events/%s%s%s HTTP/1.1\r\nHost: test\r\n",
                 o->domain, o->cursor != NULL ? "?after=" : "", o->cursor != NULL ? o->cursor : "");

    if (o->way == TESTS_FEED_SSE) {
        len +=
            snprintf(request + len, sizeof(request) - (size_t)len, "Accept: text/event-stream\r\n");
        if (o->cursor != NULL && o->cursor[0] == '~')
            len += snprintf(request + len, sizeof(request) - (size_t)len, "Last-Event-ID: %s\r\n",
                            o->cursor);
    } else {
        len += snprintf(request + len, sizeof(request) - (size_t)len,
                        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " KEY "\r\n");
    }
    len += snprintf(request + len, sizeof(request) - (size_t)len,
                    o->way == TESTS_FEED_BROWSER_SOCKET
                        ? "Sec-WebSocket-Protocol: shina.events.v1, bearer.%s\r\n\r\n"
                        : "Authorization: Bearer %s\r\n\r\n",
                    o->token);
    send_all(feed->fd, request, (size_t)len);
}

static long
read_head(tests_feed *feed)
{
    int64_t deadline = now_ms() + HEAD_SECONDS * 1000;
    char   *end;
    long    status;
    bool    right;

    while (feed->raw.len == 0 || (end = strstr(feed->raw.at, "\r\n\r\n")) == NULL)
        if (!receive(feed, 1000) && (feed->closed || now_ms() > deadline))
            return 0;
    if (strncmp(feed->raw.at, "HTTP/1.1 ", 9) != 0)
        die("not an answer", feed->raw.at);
    status = strtol(feed->raw.at + 9, NULL, 10);
    *end = '\0';
    right = status == 101 ? strstr(feed->raw.at, "Sec-WebSocket-Accept: " ACCEPT) != NULL
                          : status != 200 || strstr(feed->raw.at, "text/event-stream") != NULL;
    if (right && status == 101 && feed->way == TESTS_FEED_BROWSER_SOCKET)
        right = strstr(feed->raw.at, "Sec-WebSocket-Protocol: shina.events.v1") != NULL;
    if (!right)
        die("not the headers of a feed", feed->raw.at);
    drop(&feed->raw, (size_t)(end + 4 - feed->raw.at));
    return status;
}

/* --- SSE ----------------------------------------------------------------- */

/* Out of their chunks (RFC 9112, 7.1), as far as they are there. */
static void
unwrap_chunks(tests_feed *feed)
{
    while (feed->raw.len > 0 && !feed->last_chunk) {
        size_t take = feed->chunk < feed->raw.len ? feed->chunk : feed->raw.len;
        char  *end;

        if (feed->chunk > 2) { /* the chunk and its CRLF */
            size_t data = feed->chunk - 2 < take ? feed->chunk - 2 : take;

            add(&feed->text, feed->raw.at, data);
            drop(&feed->raw, data);
            feed->chunk -= data;
        } else if (feed->chunk > 0) {
            drop(&feed->raw, take);
            feed->chunk -= take;
        } else if ((end = strstr(feed->raw.at, "\r\n")) != NULL) {
            feed->chunk = strtoul(feed->raw.at, NULL, 16) + 2;
            feed->last_chunk = feed->chunk == 2;
            drop(&feed->raw, (size_t)(end + 2 - feed->raw.at));
        } else {
            return;
        }
    }
}

static const char *
field_of(char *block, const char *name)
{
    size_t len = strlen(name);

    for (char *line = block, *end; line != NULL; line = end == NULL ? NULL : end + 1) {
        if (strncmp(line, name, len) == 0) {
            line += len;
            return strndup(line, strcspn(line, "\n"));
        }
        end = strchr(line, '\n');
    }
    return NULL;
}

static json_t *
parsed(const char *text, size_t len)
{
    json_t *value = json_loadb(text, len, 0, NULL);

    if (!json_is_object(value))
        die("not JSON", text);
    return value;
}

static tests_feed_kind
read_block(char *block, tests_feed_item *out)
{
    char           *id = (char *)(uintptr_t)field_of(block, "id: ");
    char           *data = (char *)(uintptr_t)field_of(block, "data: ");
    char           *event = (char *)(uintptr_t)field_of(block, "event: ");
    tests_feed_kind kind = TESTS_FEED_BEAT;

    if (id != NULL)
        (void)snprintf(out->cursor, sizeof(out->cursor), "%s", id);
    if (event != NULL && data != NULL) {
        json_t *problem = parsed(data, strlen(data));

        kind = TESTS_FEED_LAST;
        out->code = (int)json_integer_value(json_object_get(problem, "status"));
        (void)snprintf(out->reason, sizeof(out->reason), "%s",
                       json_string_value(json_object_get(problem, "code")));
        json_decref(problem);
    } else if (data != NULL) {
        kind = TESTS_FEED_EVENT;
        if (id == NULL)
            die("an event without an id", data);
        out->event = parsed(data, strlen(data));
    } else if (id != NULL) {
        kind = TESTS_FEED_CURSOR;
    }
    free(id);
    free(data);
    free(event);
    return kind;
}

/* NOTHING: the block is not whole yet. */
static tests_feed_kind
next_block(tests_feed *feed, tests_feed_item *out)
{
    tests_feed_kind kind;
    char           *end;

    unwrap_chunks(feed);
    end = feed->text.len == 0 ? NULL : strstr(feed->text.at, "\n\n");
    if (end == NULL)
        return feed->last_chunk ? TESTS_FEED_ENDED : TESTS_FEED_NOTHING;
    *end = '\0';
    kind = read_block(feed->text.at, out);
    drop(&feed->text, (size_t)(end + 2 - feed->text.at));
    return kind;
}

/* --- WebSocket ----------------------------------------------------------- */

static ssize_t
on_receive(wslay_event_context_ptr ws, uint8_t *to, size_t len, int flags, void *context)
{
    tests_feed *feed = context;
    size_t      take = feed->raw.len < len ? feed->raw.len : len;

    (void)flags;
    if (take == 0) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, feed->raw.at, take);
    drop(&feed->raw, take);
    return (ssize_t)take;
}

static ssize_t
on_send(wslay_event_context_ptr ws, const uint8_t *at, size_t len, int flags, void *context)
{
    tests_feed *feed = context;

    (void)ws;
    (void)flags;
    send_all(feed->fd, (const char *)at, len);
    return (ssize_t)len;
}

static int
on_mask(wslay_event_context_ptr ws, uint8_t *to, size_t len, void *context)
{
    (void)ws;
    (void)context;
    memset(to, 0x5a, len);
    return 0;
}

static void
read_text(const char *at, size_t len, message *m)
{
    json_t *value = parsed(at, len);

    m->item.event = json_incref(json_object_get(value, "event"));
    m->kind = m->item.event == NULL ? TESTS_FEED_CURSOR : TESTS_FEED_EVENT;
    (void)snprintf(m->item.cursor, sizeof(m->item.cursor), "%s",
                   json_string_value(json_object_get(value, "cursor")));
    json_decref(value);
}

static void
on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *received,
           void *context)
{
    tests_feed *feed = context;
    const char *at = (const char *)received->msg;
    message    *m = calloc(1, sizeof(*m));

    (void)ws;
    if (m == NULL)
        abort();
    m->kind = TESTS_FEED_BEAT;
    if (received->opcode == WSLAY_CONNECTION_CLOSE) {
        m->kind = TESTS_FEED_LAST;
        m->item.code = received->status_code;
        if (received->msg_length > 2)
            (void)snprintf(m->item.reason, sizeof(m->item.reason), "%.*s",
                           (int)received->msg_length - 2, at + 2);
    } else if (received->opcode == WSLAY_TEXT_FRAME) {
        read_text(at, received->msg_length, m);
    }
    *feed->last = m;
    feed->last = &m->next;
}

static void
begin_socket(tests_feed *feed)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};

    if (wslay_event_context_client_init(&feed->ws, &callbacks, feed) != 0)
        die("wslay", "memory");
    feed->last = &feed->first;
}

static tests_feed_kind
next_message(tests_feed *feed, tests_feed_item *out)
{
    message        *m;
    tests_feed_kind kind;

    if (feed->first == NULL && wslay_event_want_read(feed->ws) && wslay_event_recv(feed->ws) != 0)
        die("wslay", "a broken frame");
    if (wslay_event_want_write(feed->ws))
        (void)wslay_event_send(feed->ws);
    if ((m = feed->first) == NULL)
        return TESTS_FEED_NOTHING;
    feed->first = m->next;
    if (feed->first == NULL)
        feed->last = &feed->first;
    *out = m->item;
    kind = m->kind;
    free(m);
    return kind;
}

size_t
tests_feed_flood(tests_feed *feed, size_t at_most, int stall_ms)
{
    static const char ping[] = {'\x89', '\x80', 0, 0, 0, 0}; /* empty, and its mask */
    struct pollfd     p = {.fd = feed->fd, .events = POLLOUT};
    char              many[sizeof(ping) * 1024];
    size_t            total = 0, at = 0;

    for (size_t i = 0; i < sizeof(many); i += sizeof(ping))
        memcpy(many + i, ping, sizeof(ping));
    while (total < at_most && poll(&p, 1, stall_ms) == 1) {
        ssize_t sent = send(feed->fd, many + at, sizeof(many) - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno != EINTR && errno != EAGAIN)
            break;
        total += sent < 0 ? 0 : (size_t)sent;
        at = sent < 0 ? at : (at + (size_t)sent) % sizeof(many);
    }
    return total;
}

/* --- the whole ----------------------------------------------------------- */

tests_feed *
tests_feed_open(const tests_feed_options *options, long *status)
{
    tests_feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        abort();
    *status = 0;
    feed->way = options->way;
    feed->fd = connect_to(options->url, options->receive_bytes);
    if (feed->fd >= 0) {
        send_request(feed, options);
        *status = read_head(feed);
    }
    if (*status != (options->way == TESTS_FEED_SSE ? 200 : 101)) {
        tests_feed_close(feed);
        return NULL;
    }
    if (options->way != TESTS_FEED_SSE)
        begin_socket(feed);
    return feed;
}

void
tests_feed_close(tests_feed *feed)
{
    message *m;

    if (feed == NULL)
        return;
    if (feed->fd >= 0)
        (void)close(feed->fd);
    while ((m = feed->first) != NULL) {
        feed->first = m->next;
        json_decref(m->item.event);
        free(m);
    }
    if (feed->ws != NULL)
        wslay_event_context_free(feed->ws);
    free(feed->raw.at);
    free(feed->text.at);
    free(feed);
}

tests_feed_kind
tests_feed_next(tests_feed *feed, int timeout_ms, tests_feed_item *out)
{
    int64_t deadline = now_ms() + timeout_ms, left;

    for (;;) {
        tests_feed_kind kind;

        out->event = NULL;
        out->cursor[0] = '\0';
        kind = feed->way == TESTS_FEED_SSE ? next_block(feed, out) : next_message(feed, out);
        if (kind != TESTS_FEED_NOTHING)
            return kind;
        left = deadline - now_ms();
        if (!receive(feed, left < 0 ? 0 : (int)left))
            return feed->closed ? TESTS_FEED_ENDED : TESTS_FEED_NOTHING;
    }
}
