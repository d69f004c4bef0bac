/* key_store.c - keys in memory: for tests, and to show what the store must do. Stores of one name
 * share their keys, as processes do a database; they last as long as one of them is open.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/key_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bus/personal/memory/memory.h"

#define MASTERS_MAX 32

typedef struct shared {
    char          *name;
    int            opened;
    bus_key_row   *rows;
    int            count, room;
    bus_master_row masters[MASTERS_MAX];
    int            masters_count;
    bool           down;
    struct shared *next;
} shared;

struct bus_key_store {
    shared *in;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over all of them */
static shared         *all;

static shared *
named(const char *name)
{
    shared *s = all;

    while (s != NULL && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

static bus_code
open_keys(bus_key_store **out, const char *url, const char *application, const char *role,
          bus_error *err)
{
    shared  *s;
    bus_code rc = BUS_OK;

    (void)application;
    (void)role;
    (void)pthread_mutex_lock(&lock);
    s = named(url);
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL || (s->name = strdup(url)) == NULL)
            abort();
        s->next = all;
        all = s;
    }
    if (s->down) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys are out of reach");
    } else {
        *out = calloc(1, sizeof(**out));
        if (*out == NULL)
            abort();
        (*out)->in = s;
        s->opened++;
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static void
free_shared(shared *s)
{
    shared **at = &all;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    free(s->rows);
    free(s->name);
    free(s);
}

static void
close_keys(bus_key_store *ks)
{
    if (ks == NULL)
        return;
    (void)pthread_mutex_lock(&lock);
    if (--ks->in->opened == 0)
        free_shared(ks->in);
    (void)pthread_mutex_unlock(&lock);
    free(ks);
}

static bus_key_row *
find(const shared *s, const bus_key_row *wanted)
{
    for (int i = 0; i < s->count; i++)
        if (bus_id_equal(s->rows[i].tenant, wanted->tenant) &&
            bus_id_equal(s->rows[i].subject, wanted->subject))
            return &s->rows[i];
    return NULL;
}

static void
fill(const shared *s, bus_key_row *rows, int count)
{
    for (int i = 0; i < count; i++) {
        const bus_key_row *there = find(s, &rows[i]);

        rows[i].found = rows[i].forgotten = false;
        if (there == NULL)
            continue;
        rows[i] = *there;
        rows[i].found = !there->forgotten;
    }
}

static bus_code
get(bus_key_store *ks, bus_key_row *rows, int count, bus_error *err)
{
    bus_code rc = BUS_OK;

    (void)pthread_mutex_lock(&lock);
    if (ks->in->down)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys are out of reach");
    else
        fill(ks->in, rows, count);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static void
add(shared *s, const bus_key_row *row)
{
    if (s->count == s->room) {
        s->room = s->room == 0 ? 64 : s->room * 2;
        s->rows = realloc(s->rows, (size_t)s->room * sizeof(*s->rows));
        if (s->rows == NULL)
            abort();
    }
    s->rows[s->count++] = *row;
}

static bus_code
put(bus_key_store *ks, bus_key_row *rows, int count, bus_error *err)
{
    bus_code rc = BUS_OK;

    (void)pthread_mutex_lock(&lock);
    if (ks->in->down)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys are out of reach");
    for (int i = 0; rc == BUS_OK && i < count; i++)
        if (find(ks->in, &rows[i]) == NULL)
            add(ks->in, &rows[i]);
    if (rc == BUS_OK)
        fill(ks->in, rows, count);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static bus_code
forget(bus_key_store *ks, bus_id tenant, bus_id subject, bus_error *err)
{
    const bus_key_row gone = {.tenant = tenant, .subject = subject, .forgotten = true};
    bus_key_row      *there;
    bus_code          rc = BUS_OK;

    BUS_INVARIANT(!bus_id_is_nil(subject));
    (void)pthread_mutex_lock(&lock);
    if (ks->in->down) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys are out of reach");
    } else {
        there = find(ks->in, &gone);
        if (there != NULL)
            *there = gone;
        else
            add(ks->in, &gone);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* --- rotation --------------------------------------------------------------------------- */

static bus_code
wrapped_by_others(bus_key_store *ks, const char *kid, bus_key_row *rows, int *count, bus_error *err)
{
    const int room = *count;
    bus_code  rc = BUS_OK;

    *count = 0;
    (void)pthread_mutex_lock(&lock);
    if (ks->in->down)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys are out of reach");
    for (int i = 0; rc == BUS_OK && i < ks->in->count && *count < room; i++) {
        const bus_key_row *row = &ks->in->rows[i];

        if (row->forgotten || strcmp(row->kid, kid) == 0)
            continue;
        rows[*count] = *row;
        rows[(*count)++].found = true;
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static bus_code
rewrap(bus_key_store *ks, const bus_key_row *was, bus_key_row *rows, int count, bus_error *err)
{
    bus_code rc = BUS_OK;

    (void)pthread_mutex_lock(&lock);
    if (ks->in->down)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys are out of reach");
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        bus_key_row *there = find(ks->in, &was[i]);

        rows[i].found = there != NULL && !there->forgotten && strcmp(there->kid, was[i].kid) == 0 &&
                        memcmp(there->wrapped, was[i].wrapped, BUS_WRAPPED_BYTES) == 0;
        if (!rows[i].found)
            continue;
        memcpy(there->kid, rows[i].kid, sizeof(there->kid));
        memcpy(there->wrapped, rows[i].wrapped, sizeof(there->wrapped));
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* --- masters ---------------------------------------------------------------------------- */

static int64_t
keys_of(const shared *s, const char *kid)
{
    int64_t count = 0;

    for (int i = 0; i < s->count; i++)
        count += !s->rows[i].forgotten && strcmp(s->rows[i].kid, kid) == 0;
    return count;
}

static bus_code
put_master(bus_key_store *ks, bus_master_row *row, bus_error *err)
{
    shared  *s = ks->in;
    int      nth = 0;
    bus_code rc = BUS_OK;

    (void)pthread_mutex_lock(&lock);
    while (nth < s->masters_count && strcmp(s->masters[nth].kid, row->kid) != 0)
        nth++;
    if (nth == MASTERS_MAX)
        rc = bus_fail(err, BUS_FULL, "no room for another master key");
    else if (nth == s->masters_count)
        s->masters[s->masters_count++] = *row;
    else
        memcpy(row->wrapped, s->masters[nth].wrapped, sizeof(row->wrapped));
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int
compare_masters(const void *a, const void *b)
{
    return strcmp(((const bus_master_row *)a)->kid, ((const bus_master_row *)b)->kid);
}

static bus_code
masters(bus_key_store *ks, bool counted, bus_arena *arena, bus_master_row **out, int *count,
        bus_error *err)
{
    const shared *s = ks->in;

    (void)err;
    (void)counted;
    (void)pthread_mutex_lock(&lock);
    *count = s->masters_count;
    *out = BUS_ARENA_ARRAY(arena, bus_master_row, (size_t)s->masters_count + 1);
    for (int i = 0; i < s->masters_count; i++) {
        (*out)[i] = s->masters[i];
        (*out)[i].keys = keys_of(s, s->masters[i].kid);
        (*out)[i].used = (*out)[i].keys > 0;
    }
    (void)pthread_mutex_unlock(&lock);
    qsort(*out, (size_t)*count, sizeof(**out), compare_masters);
    return BUS_OK;
}

static bus_code
drop_master(bus_key_store *ks, const char *kid, bus_error *err)
{
    shared  *s = ks->in;
    int      nth = 0;
    bus_code rc = BUS_OK;

    (void)pthread_mutex_lock(&lock);
    while (nth < s->masters_count && strcmp(s->masters[nth].kid, kid) != 0)
        nth++;
    if (keys_of(s, kid) > 0)
        rc = bus_fail(err, BUS_CONFLICT, "there are keys that %s has wrapped", kid);
    else if (nth < s->masters_count)
        s->masters[nth] = s->masters[--s->masters_count];
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* --- for tests ---------------------------------------------------------------------------- */

void
key_store_memory_down(const char *url, bool down)
{
    shared *s;

    (void)pthread_mutex_lock(&lock);
    s = named(url);
    if (s != NULL)
        s->down = down;
    (void)pthread_mutex_unlock(&lock);
}

const bus_key_store_ops bus_key_store_memory = {
    .name = "memory",
    .open = open_keys,
    .close = close_keys,
    .get = get,
    .put = put,
    .forget = forget,
    .wrapped_by_others = wrapped_by_others,
    .rewrap = rewrap,
    .put_master = put_master,
    .masters = masters,
    .drop_master = drop_master,
};
