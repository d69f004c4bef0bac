/* error.h - the three kinds of things that go wrong, never mixed.
 *
 * A refusal is a business answer (bus/module/module.h). A failure is the world
 * misbehaving: a bus_code is returned and a bus_error filled. A bug is a broken
 * BUS_INVARIANT: inside bus_guarded() it unwinds to the guard, elsewhere it
 * aborts the process.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_ERROR_H
#define BUS_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define BUS_CHECKED __attribute__((warn_unused_result))
#define BUS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define BUS_NORETURN __attribute__((noreturn))

/* Result of every call that can fail. 0 is success, everywhere. */
typedef enum {
    BUS_OK = 0,
    BUS_INVALID,     /* bad input or bad configuration; the same call fails again */
    BUS_NOT_FOUND,   /* the thing named does not exist */
    BUS_CONFLICT,    /* the stream has moved on; reload and decide again */
    BUS_DUPLICATE,   /* a command id of the batch is in the log already */
    BUS_CLAIMED,     /* a unique value of the batch is held by another stream */
    BUS_FENCED,      /* the epoch has moved on: we are not the owner any more */
    BUS_NOT_OWNER,   /* the partition belongs to another process */
    BUS_UNKNOWN,     /* the connection broke during commit: it may or may not have happened */
    BUS_UNAVAILABLE, /* server or peer out of reach; may succeed later */
    BUS_FULL,        /* queue full, disk full or read only; may succeed later */
    BUS_TIMEOUT,     /* not done in time */
    BUS_DENIED,      /* not allowed */
    BUS_CLOSED,      /* the thing is being closed */
    BUS_FAULT        /* a broken invariant was caught by bus_guarded() */
} bus_code;

/* Details of a failure, in the caller's memory. `err` is always the last
 * parameter and is never NULL. */
typedef struct {
    bus_code code;      /* for programs */
    bool     retryable; /* the same call may succeed later */
    char     text[256]; /* for people; never holds a secret */
} bus_error;

/* Fills err and returns code, so that `return bus_fail(...)` reads well.
 * retryable is derived from code (UNAVAILABLE, FULL, TIMEOUT, CONFLICT, UNKNOWN). */
bus_code bus_fail(bus_error *err, bus_code code, const char *fmt, ...) BUS_PRINTF(3, 4);

/* Stable upper-case name of a code, such as "CONFLICT". */
const char *bus_code_name(bus_code code);

/* A broken invariant: unwinds to the innermost bus_guarded() of this thread,
 * or prints the place to stderr and aborts. */
BUS_NORETURN void bus_invariant_failed(const char *file, int line, const char *expression);

#define BUS_INVARIANT(expression)                                  \
    do {                                                           \
        if (!(expression))                                         \
            bus_invariant_failed(__FILE__, __LINE__, #expression); \
    } while (0)
#define BUS_UNREACHABLE() bus_invariant_failed(__FILE__, __LINE__, "unreachable")

/* Calls fn(context); a broken invariant inside ends the call and gives BUS_FAULT
 * with its place in err. fn must hold no lock and own no heap memory, because
 * nothing of it is cleaned up: pure module code only. Guards may nest. */
BUS_CHECKED bus_code bus_guarded(void (*fn)(void *context), void *context, bus_error *err);

#endif
