/* feed_internal.h - what the ways out of a feed share.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_FEED_INTERNAL_H
#define API_EDGE_LIVE_FEED_INTERNAL_H

#include "api-edge/live/feed.h"
#include "api-edge/live/tail.h"

#define EDGE_FEED_HIGH_BYTES ((size_t)64 * 1024) /* waiting to be sent: no more is taken */
#define EDGE_FEED_LOW_BYTES ((size_t)16 * 1024)  /* ... until it is below this */
#define EDGE_FEED_SOCKET_BYTES (128 * 1024)      /* the kernel's buffer of a stream */
#define EDGE_FEED_LINGER_US 10000000             /* for a client to read why it was ended */

/* Why a feed ends. */
typedef enum {
    EDGE_FEED_SLOW,    /* the reader does not take what is sent */
    EDGE_FEED_EXPIRED, /* the token has */
    EDGE_FEED_STOPPING,
    EDGE_FEED_GONE, /* the log does not go back to the cursor any more */
    EDGE_FEED_LEFT, /* the client has closed its side */
    EDGE_FEED_REASONS
} edge_feed_reason;

typedef struct {
    int         status, close_code; /* HTTP; WebSocket (RFC 6455 7.4) */
    const char *code, *detail;
} edge_feed_end_text;
extern const edge_feed_end_text edge_feed_ends[EDGE_FEED_REASONS];

/* A way out. */
typedef struct {
    /* The place is known: answers the request, or will. */
    void (*open)(edge_feed *feed);
    bool (*room)(edge_feed *feed); /* may another event be put? */
    void (*put)(edge_feed *feed, bus_str event);
    /* After a round of puts. caught_up: there is nothing more now. */
    void (*settle)(edge_feed *feed, bool caught_up);
    void (*beat)(edge_feed *feed); /* nothing was put for a while */
    void (*tick)(edge_feed *feed, int64_t now_us);
    /* Says why and lets go, as far as the client takes it. */
    void (*end)(edge_feed *feed, edge_feed_reason reason);
    void (*fini)(edge_feed *feed);
} edge_feed_way;
extern const edge_feed_way edge_feed_poll, edge_feed_sse, edge_feed_socket;

typedef enum {
    EDGE_FEED_WAITING, /* for the log's end, to know what the cursor means */
    EDGE_FEED_OPEN,
    EDGE_FEED_ENDED
} edge_feed_state;

struct edge_feed {
    edge_listener        listener; /* first: the tail knows us by it */
    edge_feeds          *feeds;
    edge_loop           *loop;
    edge_feed           *newer, *older;
    edge_feed_state      state;
    const edge_feed_way *way;
    edge_request        *r; /* NULL: completed, only a page is still on its way */
    edge_tail           *tail;
    edge_feed_scope      scope;
    bus_id               tenant, user;  /* who has opened it */
    bus_str              after;         /* as given */
    const char          *after_pointer; /* where it was given */
    uint64_t             look_round;    /* waits for the log's end after this round */
    bool                 looked;

    int64_t  *offsets; /* by partition: the last one that was considered */
    int       turn;    /* the partition that is looked at first */
    bool      reading, pumping;
    edge_page page;
    int       page_at, page_count; /* events of it that are left */

    int64_t  opened_us, put_us, ended_us;
    uint64_t put_bytes, sent_bytes, mark_bytes; /* ever; the mark is to be sent in time */
    int64_t  mark_us, looked_us;                /* looked: for the client */
    bool     again;                             /* settle() made room */
    bool     full, moved; /* moved: the place is further than the client was told */
    bus_buf  cursor;

    /* of the ways */
    bus_buf             out; /* SSE: from out_at on it waits; POLL: the answer */
    size_t              out_at;
    int                 limit, count; /* POLL */
    int                 wait_s;
    bool                parked; /* SSE: libmicrohttpd sleeps until there is more */
    bool                half;   /* SSE: what was taken last ends within an event */
    struct edge_socket *socket; /* SOCKET: NULL before the upgrade and after its end */
    edge_feed_reason    reason; /* SOCKET: why it ended */
};

int64_t edge_feed_now_us(const edge_feed *feed);
/* Where it is, as a cursor; borrowed until the next call. */
bus_str edge_feed_cursor(edge_feed *feed);
/* Takes what there is and there is room for. */
void edge_feed_pump(edge_feed *feed);
void edge_feed_end(edge_feed *feed, edge_feed_reason reason);
/* Hears of no more events. */
void edge_feed_leave_tail(edge_feed *feed);
/* A problem document (RFC 9457) of why it ends. */
void edge_feed_problem(const edge_feed *feed, edge_feed_reason reason, bus_buf *out);
/* Bounds the kernel's buffer, so that a stopped reader is seen as one. */
void edge_feed_bound_socket(int fd);

/* live/socket.c: is it a WebSocket's handshake? */
bool edge_feed_is_socket(const edge_request *r);
/* False: answered, the handshake is not one that we can take. */
bool edge_feed_check_socket(edge_request *r);

#endif
