/* receiver.h - somebody who is told by webhooks, for tests: an HTTP server whose paths answer as
 * they are told to, and which remembers what came.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SYSTEM_RECEIVER_H
#define TESTS_SYSTEM_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#define RECEIVER_PATHS 16
#define RECEIVER_EVENTS_MAX 20000

typedef enum {
    RECEIVER_TAKES,     /* 200 */
    RECEIVER_FAILS,     /* 500 */
    RECEIVER_HANGS,     /* answers after a second and a half */
    RECEIVER_IS_GONE,   /* 410 */
    RECEIVER_REDIRECTS, /* 302 to /trap */
    RECEIVER_CHATS,     /* 200 and a body without end */
    RECEIVER_IS_SLOW    /* 200, after 100 ms */
} receiver_mood;

/* One attempt; until it is forgotten. */
typedef struct {
    char  id[64], type[96], subject[40];
    int   version, partition;
    long  offset;
    bool  signed_right, taken;
    char *body;
} receiver_event;

/* Listens on a port of its own; secret of a path is set when it is known. */
int  receiver_start(void); /* the port */
void receiver_stop(void);
void receiver_set(const char *path, receiver_mood mood);
void receiver_secret(const char *path, const char *secret);
int  receiver_attempts(const char *path); /* so far */
int  receiver_taken(const char *path);    /* answered 200 */
/* The nth attempt. */
const receiver_event *receiver_at(const char *path, int nth);
/* Waits until so many were taken; false: not within the seconds. */
bool receiver_wait(const char *path, int taken, int seconds);
void receiver_forget(const char *path); /* what came */

#endif
