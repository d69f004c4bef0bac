/* feed_client.h - a consumer of a domain's events over server-sent events or a WebSocket.
 * Threads: each feed one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_FEED_CLIENT_H
#define TESTS_SUPPORT_FEED_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#define TESTS_CURSOR_BYTES 512

typedef struct tests_feed tests_feed;

typedef enum {
    TESTS_FEED_SSE,
    TESTS_FEED_SOCKET,        /* the token in a header */
    TESTS_FEED_BROWSER_SOCKET /* the token as a subprotocol */
} tests_feed_way;

typedef struct {
    const char    *url, *domain, *token;
    tests_feed_way way;
    const char    *cursor;        /* NULL: from the beginning */
    int            receive_bytes; /* of the kernel's buffer; 0: its default */
} tests_feed_options;

/* NULL: *status tells what was answered instead of a feed; 0: no connection. */
tests_feed *tests_feed_open(const tests_feed_options *options, long *status);
void        tests_feed_close(tests_feed *feed); /* without a word; accepts NULL */

typedef enum {
    TESTS_FEED_EVENT,
    TESTS_FEED_CURSOR, /* no event, but the place has moved */
    TESTS_FEED_BEAT,   /* a comment or a ping */
    TESTS_FEED_LAST,   /* the server's last word: code and reason */
    TESTS_FEED_ENDED,  /* the connection is gone */
    TESTS_FEED_NOTHING /* within the time */
} tests_feed_kind;

typedef struct {
    json_t *event;                      /* EVENT: a CloudEvent; the caller's */
    char    cursor[TESTS_CURSOR_BYTES]; /* EVENT, CURSOR */
    int     code;                       /* LAST: of a close frame; of the problem's status */
    char    reason[256];                /* LAST: of a close frame; the problem's code */
} tests_feed_item;

/* A WebSocket's: sends pings and reads nothing, until the server takes no more for stall_ms, or has
 * taken at_most bytes. How many it took. */
size_t tests_feed_flood(tests_feed *feed, size_t at_most, int stall_ms);

tests_feed_kind tests_feed_next(tests_feed *feed, int timeout_ms, tests_feed_item *out);

#endif
