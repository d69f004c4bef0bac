/* arena.c - a list of chunks, filled from the newest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/arena.h"
#include "bus/base/error.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)16 * 1024)
#define KEEP_BYTES ((size_t)1024 * 1024) /* a larger chunk is not kept over a reset */

struct bus_arena_chunk {
    bus_arena_chunk *older;
    size_t           size, used; /* bytes of room */
    alignas(max_align_t) char room[];
};

static bus_arena_chunk *
new_chunk(size_t room, bus_arena_chunk *older)
{
    bus_arena_chunk *chunk = malloc(sizeof(*chunk) + room);

    if (chunk == NULL)
        abort();
    chunk->older = older;
    chunk->size = room;
    chunk->used = 0;
    return chunk;
}

/* Room for bytes, aligned, not zeroed. */
static void *
take(bus_arena *arena, size_t bytes)
{
    const size_t     align = alignof(max_align_t);
    bus_arena_chunk *chunk = arena->chunk;
    void            *at;

    BUS_INVARIANT(bytes < SIZE_MAX / 4);
    bytes = (bytes + align - 1) / align * align;
    if (chunk == NULL || chunk->size - chunk->used < bytes) {
        size_t room = chunk == NULL ? CHUNK_BYTES : chunk->size * 2;

        if (room > KEEP_BYTES)
            room = KEEP_BYTES;
        if (room < bytes)
            room = bytes;
        chunk = arena->chunk = new_chunk(room, chunk);
    }
    at = chunk->room + chunk->used;
    chunk->used += bytes;
    arena->used_bytes += bytes;
    return at;
}

void *
bus_arena_alloc(bus_arena *arena, size_t bytes)
{
    void *at = take(arena, bytes);

    memset(at, 0, bytes);
    return at;
}

bus_str
bus_arena_copy(bus_arena *arena, const char *at, size_t len)
{
    char *copy;

    BUS_INVARIANT(len < UINT32_MAX);
    copy = take(arena, len + 1);
    if (len > 0)
        memcpy(copy, at, len);
    copy[len] = '\0';
    return (bus_str){copy, (uint32_t)len};
}

bus_str
bus_arena_printf(bus_arena *arena, const char *fmt, ...)
{
    va_list args;
    char   *text;
    int     len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    BUS_INVARIANT(len >= 0);
    text = take(arena, (size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return (bus_str){text, (uint32_t)len};
}

void
bus_arena_reset(bus_arena *arena)
{
    bus_arena_chunk *keep = arena->chunk;

    if (keep != NULL) {
        while (keep->older != NULL) {
            bus_arena_chunk *older = keep->older;

            keep->older = older->older;
            free(older);
        }
        if (keep->size > KEEP_BYTES) {
            free(keep);
            arena->chunk = NULL;
        } else {
            keep->used = 0;
        }
    }
    arena->used_bytes = 0;
}

void
bus_arena_fini(bus_arena *arena)
{
    while (arena->chunk != NULL) {
        bus_arena_chunk *older = arena->chunk->older;

        free(arena->chunk);
        arena->chunk = older;
    }
    arena->used_bytes = 0;
}
