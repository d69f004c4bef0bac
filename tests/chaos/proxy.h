/* proxy.h - a small TCP proxy that does what bad networks do, on a thread of its own.
 *
 * It listens on a free port of 127.0.0.1 and connects each client to the target.
 * Threads: any may call; what they ask for happens within a few milliseconds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_PROXY_H
#define TESTS_CHAOS_PROXY_H

typedef struct proxy proxy;

typedef enum {
    PROXY_PASS,    /* everything passes at once */
    PROXY_SILENCE, /* nothing passes: connections stay, new ones are taken, no byte gets through */
    PROXY_TRICKLE, /* a few bytes at a time, each direction by itself */
    PROXY_HOLE     /* packets of clients are dropped and not even acknowledged, those that would
                    * connect too; connections of this time stay dead when it is over; only the target's
                    * end of them is closed then */
} proxy_mode;

/* target: "127.0.0.1:5432", or the path of a socket. Ends the program when there is no port. */
proxy *proxy_start(const char *target);
/* Closes all connections and frees. Accepts NULL. */
void proxy_stop(proxy *p);

int  proxy_port(const proxy *p);
void proxy_set(proxy *p, proxy_mode mode);
/* Cuts all connections that there are now, with RST where it is TCP. */
void proxy_reset(proxy *p);

/* Connections taken so far, and those that a reset or a hole has cut. */
long proxy_taken(const proxy *p);
long proxy_cut(const proxy *p);

#endif
