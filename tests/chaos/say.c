/* say.c - words, time and chance.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void (*at_death)(void);

int64_t
chaos_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
print_line(FILE *to, const char *fmt, va_list args)
{
    static int64_t began;
    char           line[1024];

    if (began == 0)
        began = chaos_now_ms();
    (void)vsnprintf(line, sizeof(line), fmt, args);
    (void)fprintf(to, "%7.1f  %s\n", (double)(chaos_now_ms() - began) / 1000, line);
    (void)fflush(to);
}

void
chaos_say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_line(stdout, fmt, args);
    va_end(args);
}

void
chaos_die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_line(stdout, fmt, args);
    va_end(args);
    if (at_death != NULL)
        at_death();
    _exit(1);
}

void
chaos_at_death(void (*end_all)(void))
{
    at_death = end_all;
}

void
chaos_pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

uint64_t
chaos_random(uint64_t *state, uint64_t n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545F4914F6CDD1D) >> 33) % n;
}

uint64_t
chaos_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char       *end;
    uint64_t    n;

    if (text == NULL || *text == '\0')
        return otherwise;
    n = strtoull(text, &end, 10);
    if (*end != '\0')
        chaos_die("%s must be a number", name);
    return n;
}

uint64_t
chaos_seed(void)
{
    uint64_t seed = chaos_number("SEED", (uint64_t)time(NULL) % 1000000 + 1);

    chaos_say("SEED=%llu", (unsigned long long)seed);
    return seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
}
