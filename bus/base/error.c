/* error.c - filling failures, and unwinding from bugs to the nearest guard.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

/* The innermost guard of this thread; NULL: a bug aborts. */
typedef struct guard {
    jmp_buf       place;
    struct guard *outer;
    char          text[200];
} guard;

static _Thread_local guard *innermost;

bus_code
bus_fail(bus_error *err, bus_code code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    err->code = code;
    err->retryable = code == BUS_UNAVAILABLE || code == BUS_FULL || code == BUS_TIMEOUT ||
                     code == BUS_CONFLICT || code == BUS_UNKNOWN;
    return code;
}

const char *
bus_code_name(bus_code code)
{
    switch (code) {
    case BUS_OK: return "OK";
    case BUS_INVALID: return "INVALID";
    case BUS_NOT_FOUND: return "NOT_FOUND";
    case BUS_CONFLICT: return "CONFLICT";
    case BUS_DUPLICATE: return "DUPLICATE";
    case BUS_CLAIMED: return "CLAIMED";
    case BUS_FENCED: return "FENCED";
    case BUS_NOT_OWNER: return "NOT_OWNER";
    case BUS_UNKNOWN: return "UNKNOWN";
    case BUS_UNAVAILABLE: return "UNAVAILABLE";
    case BUS_FULL: return "FULL";
    case BUS_TIMEOUT: return "TIMEOUT";
    case BUS_DENIED: return "DENIED";
    case BUS_CLOSED: return "CLOSED";
    case BUS_FAULT: return "FAULT";
    }
    return "?";
}

void
bus_invariant_failed(const char *file, int line, const char *expression)
{
    guard *g = innermost;

    if (g == NULL) {
        (void)fprintf(stderr, "shina: broken invariant at %s:%d: %s\n", file, line, expression);
        abort();
    }
    (void)snprintf(g->text, sizeof(g->text), "%s:%d: %s", file, line, expression);
    longjmp(g->place, 1);
}

bus_code
bus_guarded(void (*fn)(void *context), void *context, bus_error *err)
{
    guard here;

    here.outer = innermost;
    if (setjmp(here.place) != 0) {
        innermost = here.outer;
        return bus_fail(err, BUS_FAULT, "broken invariant at %s", here.text);
    }
    innermost = &here;
    fn(context);
    innermost = here.outer;
    return BUS_OK;
}
