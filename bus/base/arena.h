/* arena.h - memory that dies together: one arena per batch or request.
 * Threads: one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_ARENA_H
#define BUS_BASE_ARENA_H

#include "bus/base/str.h"

#include <stddef.h>

typedef struct bus_arena_chunk bus_arena_chunk;

/* In the caller's memory; zero-initialised is a valid empty arena. */
typedef struct {
    bus_arena_chunk *chunk;      /* newest chunk */
    size_t           used_bytes; /* sum handed out since the last reset */
} bus_arena;

/* Returns zeroed memory aligned for any type, valid until reset or fini. Aborts
 * when the system has no memory: everything that gets here was bounded before. */
void *bus_arena_alloc(bus_arena *arena, size_t bytes);

/* Copies bytes and a terminating NUL (not counted in .len). */
bus_str bus_arena_copy(bus_arena *arena, const char *at, size_t len);
bus_str bus_arena_printf(bus_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets everything but keeps one chunk for the next round. */
void bus_arena_reset(bus_arena *arena);

/* Gives all memory back; the arena is empty and usable again. */
void bus_arena_fini(bus_arena *arena);

#define BUS_ARENA_NEW(arena, type) ((type *)bus_arena_alloc((arena), sizeof(type)))
#define BUS_ARENA_ARRAY(arena, type, n) ((type *)bus_arena_alloc((arena), sizeof(type) * (n)))

#endif
