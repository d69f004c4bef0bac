/* sched.c - who goes on next: the one whose time comes first; of several, the one that was first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sched.h"
#include "bus/base/error.h"
#include "tests/support/dice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SWITCHES_ARE_TOLD 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SWITCHES_ARE_TOLD 1
#endif
#ifdef SWITCHES_ARE_TOLD
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES (1 << 20) /* of a fiber; pages that are not touched cost nothing */
#define NAME_BYTES 48

struct sim_fiber {
    sim_sched *of;
    ucontext_t place;
    void      *stack;
    char       name[NAME_BYTES];
    int        group;
    uint64_t   number;
    void *(*main)(void *argument);
    void   *argument;
    bool    done;
    int64_t wake_us;                    /* when it goes on at the latest */
    int64_t stalled_us;                 /* ... and not before this */
    bool (*ready)(const void *context); /* goes on as soon as this; NULL: sleeps */
    const void *context;
    void       *fake_stack; /* the address sanitizer's */
};

typedef struct event {
    int64_t  at_us;
    uint64_t number;
    void (*happen)(void *context);
    void *context;
} event;

struct sim_sched {
    uint64_t    dice;
    int64_t     now_us;
    sim_fiber  *fibers[SIM_FIBERS_MAX];
    int         fibers_count;
    uint64_t    last_number;
    event      *events; /* a heap, the next first */
    int         events_count, events_room;
    sim_fiber  *running;
    ucontext_t  home;
    const void *home_stack; /* for the address sanitizer */
    size_t      home_bytes;
    uint64_t    digest, steps;
    char        lines[SIM_LINES][SIM_LINE_BYTES];
    uint64_t    lines_count;
    FILE       *trace;
    char        failure[1024];
};

sim_sched *
sim_sched_create(uint64_t seed)
{
    sim_sched *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ TESTS_DICE;
    if (s->dice == 0)
        s->dice = TESTS_DICE;
    for (int i = 0; i < 16; i++) /* seeds beside each other begin alike */
        (void)sim_roll(s, 2);
    s->digest = UINT64_C(0xcbf29ce484222325);
    return s;
}

static void
free_fiber(sim_fiber *f)
{
    if (f->stack != NULL)
        (void)munmap(f->stack, STACK_BYTES);
    free(f);
}

void
sim_sched_destroy(sim_sched *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < s->fibers_count; i++)
        free_fiber(s->fibers[i]);
    free(s->events);
    free(s);
}

/* --- chance ------------------------------------------------------------------ */

uint64_t
sim_roll(sim_sched *s, uint64_t below)
{
    return (tests_roll(&s->dice, UINT64_MAX) >> 16) % below;
}

int64_t
sim_between(sim_sched *s, int64_t least, int64_t most)
{
    return least + (int64_t)sim_roll(s, (uint64_t)(most - least + 1));
}

bool
sim_chance(sim_sched *s, int per_10000)
{
    return per_10000 > 0 && (int)sim_roll(s, 10000) < per_10000;
}

/* --- time -------------------------------------------------------------------- */

int64_t
sim_now_us(const sim_sched *s)
{
    return s->now_us;
}

static bool
before(const event *a, const event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void
sim_at(sim_sched *s, int64_t at_us, void (*happen)(void *context), void *context)
{
    event new = {at_us, ++s->last_number, happen, context};
    int at = s->events_count++;

    if (s->events_count > s->events_room) {
        s->events_room = s->events_room == 0 ? 256 : s->events_room * 2;
        s->events = realloc(s->events, sizeof(*s->events) * (size_t)s->events_room);
        if (s->events == NULL)
            abort();
    }
    for (; at > 0 && before(&new, &s->events[(at - 1) / 2]); at = (at - 1) / 2)
        s->events[at] = s->events[(at - 1) / 2];
    s->events[at] = new;
}

static event
take_event(sim_sched *s)
{
    event first = s->events[0], last = s->events[--s->events_count];
    int   at = 0;

    for (int child; (child = 2 * at + 1) < s->events_count; at = child) {
        if (child + 1 < s->events_count && before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!before(&s->events[child], &last))
            break;
        s->events[at] = s->events[child];
    }
    s->events[at] = last;
    return first;
}

/* --- fibers ------------------------------------------------------------------ */

static void
begin_fiber(unsigned high, unsigned low)
{
    sim_fiber *f = (sim_fiber *)((uintptr_t)high << 32 | low); /* makecontext passes only ints */
    sim_sched *s = f->of;

#ifdef SWITCHES_ARE_TOLD
    __sanitizer_finish_switch_fiber(NULL, &s->home_stack, &s->home_bytes);
#endif
    (void)f->main(f->argument);
    f->done = true;
    for (;;) /* the scheduler takes it away */
        sim_sleep(s, 0);
}

sim_fiber *
sim_spawn(sim_sched *s, int group, const char *name, void *(*main)(void *argument), void *argument)
{
    sim_fiber *f = calloc(1, sizeof(*f));

    if (f == NULL)
        abort();
    BUS_INVARIANT(s->fibers_count < SIM_FIBERS_MAX);
    f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    BUS_INVARIANT(f->stack != MAP_FAILED);
    f->of = s;
    (void)snprintf(f->name, sizeof(f->name), "%s", name);
    f->group = group;
    f->number = ++s->last_number;
    f->main = main;
    f->argument = argument;
    f->wake_us = s->now_us;
    BUS_INVARIANT(getcontext(&f->place) == 0);
    f->place.uc_stack.ss_sp = f->stack;
    f->place.uc_stack.ss_size = STACK_BYTES;
    f->place.uc_link = NULL;
    makecontext(&f->place, (void (*)(void))(void *)begin_fiber, 2, (unsigned)((uintptr_t)f >> 32),
                (unsigned)(uintptr_t)f);
    s->fibers[s->fibers_count++] = f;
    return f;
}

bool
sim_done(const sim_fiber *fiber)
{
    return fiber->done;
}

void
sim_kill_group(sim_sched *s, int group)
{
    int left = 0;

    BUS_INVARIANT(s->running == NULL || s->running->group != group);
    for (int i = 0; i < s->fibers_count; i++)
        if (s->fibers[i]->group == group)
            free_fiber(s->fibers[i]);
        else
            s->fibers[left++] = s->fibers[i];
    s->fibers_count = left;
}

void
sim_stall_group(sim_sched *s, int group, int64_t until_us)
{
    for (int i = 0; i < s->fibers_count; i++)
        if (s->fibers[i]->group == group)
            s->fibers[i]->stalled_us = until_us;
}

void
sim_stall_one(sim_sched *s, int group, int64_t until_us)
{
    int count = 0, chosen;

    for (int i = 0; i < s->fibers_count; i++)
        count += s->fibers[i]->group == group;
    if (count == 0)
        return;
    chosen = (int)sim_roll(s, (uint64_t)count);
    for (int i = 0; i < s->fibers_count; i++)
        if (s->fibers[i]->group == group && chosen-- == 0) {
            s->fibers[i]->stalled_us = until_us;
            sim_note(s, "%s stalls until %" PRId64, s->fibers[i]->name, until_us);
        }
}

int
sim_group(const sim_sched *s)
{
    return s->running == NULL ? -1 : s->running->group;
}

/* Back to the scheduler, until it is our turn again. */
static void
give_way(sim_sched *s)
{
    sim_fiber *f = s->running;

    BUS_INVARIANT(f != NULL);
#ifdef SWITCHES_ARE_TOLD
    __sanitizer_start_switch_fiber(&f->fake_stack, s->home_stack, s->home_bytes);
#endif
    BUS_INVARIANT(swapcontext(&f->place, &s->home) == 0);
#ifdef SWITCHES_ARE_TOLD
    __sanitizer_finish_switch_fiber(f->fake_stack, NULL, NULL);
#endif
}

void
sim_sleep(sim_sched *s, int64_t us)
{
    s->running->wake_us = s->now_us + us;
    s->running->ready = NULL;
    give_way(s);
}

bool
sim_await(sim_sched *s, bool (*ready)(const void *context), const void *context, int64_t timeout_us)
{
    if (!ready(context)) {
        s->running->wake_us = s->now_us + timeout_us;
        s->running->ready = ready;
        s->running->context = context;
        give_way(s);
    }
    return ready(context);
}

static void
resume(sim_sched *s, sim_fiber *f)
{
#ifdef SWITCHES_ARE_TOLD
    void *fake_stack;
#endif

    s->running = f;
#ifdef SWITCHES_ARE_TOLD
    __sanitizer_start_switch_fiber(&fake_stack, f->stack, STACK_BYTES);
#endif
    BUS_INVARIANT(swapcontext(&s->home, &f->place) == 0);
#ifdef SWITCHES_ARE_TOLD
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
    s->running = NULL;
}

/* When it goes on: at once if what it waits for is there. */
static int64_t
due_us(const sim_sched *s, const sim_fiber *f)
{
    int64_t due = f->ready != NULL && f->ready(f->context) ? s->now_us : f->wake_us;

    return due > f->stalled_us ? due : f->stalled_us;
}

static void
drop_done(sim_sched *s)
{
    int left = 0;

    for (int i = 0; i < s->fibers_count; i++) {
        sim_fiber *f = s->fibers[i];

        if (!f->done) {
            s->fibers[left++] = f;
        } else if (f->stack != NULL) { /* its owner may ask once more whether it is done */
            (void)munmap(f->stack, STACK_BYTES);
            f->stack = NULL;
        }
    }
    s->fibers_count = left;
}

void
sim_run(sim_sched *s, int64_t until_us)
{
    while (s->failure[0] == '\0') {
        sim_fiber *next = NULL;
        int64_t    at = INT64_MAX;

        for (int i = 0; i < s->fibers_count; i++) {
            int64_t due = due_us(s, s->fibers[i]);

            if (due < at) {
                at = due;
                next = s->fibers[i];
            }
        }
        if (s->events_count > 0 && s->events[0].at_us <= at) {
            at = s->events[0].at_us;
            next = NULL;
        }
        if (at > until_us)
            break;
        if (at > s->now_us)
            s->now_us = at;
        s->steps++;
        if (next == NULL) {
            event e = take_event(s);

            e.happen(e.context);
            continue;
        }
        resume(s, next);
        if (next->done)
            drop_done(s);
    }
    if (s->now_us < until_us && s->failure[0] == '\0')
        s->now_us = until_us;
}

/* --- the history --------------------------------------------------------------- */

void
sim_note(sim_sched *s, const char *format, ...)
{
    char   *line = s->lines[s->lines_count++ % SIM_LINES];
    int     len;
    va_list args;

    len = snprintf(line, SIM_LINE_BYTES, "%10.3f ms %-26s ", (double)s->now_us / 1000,
                   s->running == NULL ? "-" : s->running->name);
    va_start(args, format);
    (void)vsnprintf(line + len, (size_t)(SIM_LINE_BYTES - len), format, args);
    va_end(args);
    for (const char *at = line; *at != '\0'; at++)
        s->digest = (s->digest ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    if (s->trace != NULL)
        (void)fprintf(s->trace, "%s\n", line);
}

uint64_t
sim_digest(const sim_sched *s)
{
    return s->digest;
}

uint64_t
sim_steps(const sim_sched *s)
{
    return s->steps;
}

void
sim_trace(sim_sched *s, FILE *to)
{
    s->trace = to;
}

void
sim_print_lines(const sim_sched *s, FILE *to)
{
    uint64_t first = s->lines_count > SIM_LINES ? s->lines_count - SIM_LINES : 0;

    for (uint64_t i = first; i < s->lines_count; i++)
        (void)fprintf(to, "  %s\n", s->lines[i % SIM_LINES]);
}

void
sim_fail(sim_sched *s, const char *format, ...)
{
    va_list args;

    if (s->failure[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(s->failure, sizeof(s->failure), format, args);
    va_end(args);
    sim_note(s, "VIOLATED: %s", s->failure);
}

const char *
sim_failed(const sim_sched *s)
{
    return s->failure[0] == '\0' ? NULL : s->failure;
}
