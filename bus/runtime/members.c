/* members.c - the beat: say that we are there, see who else is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/members.h"
#include "bus/log/log.h"
#include "bus/runtime/bell.h"
#include "bus/runtime/owners.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char             name[BUS_MEMBERS_PART_BYTES];
    _Atomic uint32_t place; /* see place_of() */
} part;

struct bus_members {
    const bus_runtime_options *options;
    bus_store                 *store;
    bus_arena                  arena; /* of one beat */
    part                      *parts;
    int                        parts_count;
    int                        live; /* processes, as last seen: for the log */
    bool                       trouble;
    bus_bell                   bell;
    bus_thread                 thread;
    bool                       running;
    atomic_bool                stopping;
};

/* --- what the list of members says ---------------------------------------------- */

static bool
has_part(const bus_member *m, const char *name)
{
    for (int i = 0; i < m->parts_count; i++)
        if (bus_str_is(m->parts[i], name))
            return true;
    return false;
}

/* Which one of how many, in one word, so that it changes at once. */
static uint32_t
place_of(uint32_t rank, uint32_t live)
{
    return rank << 16 | live;
}

static void
count_shares(bus_members *m, const bus_member *list, int count)
{
    for (int p = 0; p < m->parts_count; p++) {
        uint32_t live = 1, rank = 0; /* we are there, whatever the list says */

        for (int i = 0; i < count; i++) {
            if (!list[i].live || bus_str_is(list[i].process, m->options->process) ||
                !has_part(&list[i], m->parts[p].name))
                continue;
            live++;
            rank += strcmp(list[i].process.at, m->options->process) < 0;
        }
        atomic_store(&m->parts[p].place, place_of(rank, live));
    }
}

static void
tell_transport(bus_members *m, const bus_member *list, int count)
{
    const char **urls = BUS_ARENA_ARRAY(&m->arena, const char *, (size_t)count + 1);
    int          urls_count = 0, live = 0;

    for (int i = 0; i < count; i++) {
        live += list[i].live;
        if (list[i].live && list[i].url.len > 0)
            urls[urls_count++] = list[i].url.at;
    }
    m->options->transport_ops->peers(m->options->transport, urls, urls_count);
    if (live != m->live)
        bus_log_info("members.live", BUS_KV("process", m->options->process),
                     BUS_KV_INT("processes", live));
    m->live = live;
}

/* --- the beat --------------------------------------------------------------------- */

static bus_code
beat(bus_members *m, bus_error *err)
{
    const char *url = m->options->transport_ops->url(m->options->transport);
    bus_str    *names = BUS_ARENA_ARRAY(&m->arena, bus_str, (size_t)m->parts_count + 1);
    bus_member  self = {.process = bus_str_of(m->options->process),
                        .url = bus_str_of(url),
                        .parts = names,
                        .parts_count = m->parts_count};
    bus_member *list;
    int         count;
    bus_code    rc;

    for (int i = 0; i < m->parts_count; i++)
        names[i] = bus_str_of(m->parts[i].name);
    rc = m->options->store->member_beat(m->store, &self, &m->arena, &list, &count, err);
    if (rc != BUS_OK)
        return rc;
    count_shares(m, list, count);
    tell_transport(m, list, count);
    return BUS_OK;
}

static void *
members_main(void *context)
{
    bus_members *m = context;

    bus_thread_name("members", NULL);
    while (!atomic_load(&m->stopping)) {
        bus_error err = {0};
        bool      failed;

        bus_bell_wait(&m->bell, BUS_MEMBERS_BEAT_MS);
        if (atomic_load(&m->stopping))
            break;
        bus_arena_reset(&m->arena);
        failed = beat(m, &err) != BUS_OK; /* what was last seen stays */
        if (failed && !m->trouble)
            bus_log_warn("members.beat_failed", BUS_KV_ERR(&err));
        m->trouble = failed;
    }
    return NULL;
}

/* --- starting and stopping ----------------------------------------------------------- */

static void
free_members(bus_members *m)
{
    if (m->store != NULL)
        m->options->store->close(m->store);
    bus_bell_fini(&m->bell);
    bus_arena_fini(&m->arena);
    free(m->parts);
    free(m);
}

bus_code
bus_members_start(bus_members **out, const bus_runtime_options *options, const char *const *parts,
                  int parts_count, bus_error *err)
{
    bus_store_options store_options = options->store_options;
    bus_members      *m = calloc(1, sizeof(*m));
    bus_code          rc = BUS_OK;

    if (m == NULL)
        abort();
    m->options = options;
    bus_bell_init(&m->bell, m->options->threads);
    m->parts = calloc((size_t)parts_count + 1, sizeof(*m->parts));
    if (m->parts == NULL)
        abort();
    if (parts_count > BUS_MEMBER_PARTS_MAX)
        rc = bus_fail(err, BUS_INVALID, "a process has at most %d parts", BUS_MEMBER_PARTS_MAX);
    for (int i = 0; rc == BUS_OK && i < parts_count; i++) {
        if (strlen(parts[i]) >= sizeof(m->parts[i].name))
            rc = bus_fail(err, BUS_INVALID, "the part %.80s has too long a name", parts[i]);
        else
            (void)snprintf(m->parts[i].name, sizeof(m->parts[i].name), "%s", parts[i]);
        atomic_init(&m->parts[i].place, place_of(0, 1));
        m->parts_count = i + 1;
    }
    store_options.application = "shina members";
    if (rc != BUS_OK || (rc = options->store->open(&m->store, &store_options, err)) != BUS_OK ||
        (rc = beat(m, err)) != BUS_OK)
        goto failed;
    if (!bus_thread_start(&m->thread, m->options->threads, members_main, m)) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "no thread for the members");
        goto failed;
    }
    m->running = true;
    *out = m;
    return BUS_OK;

failed:
    free_members(m);
    return rc;
}

void
bus_members_leave(bus_members *m)
{
    bus_error err = {0};

    if (m == NULL || !m->running)
        return;
    atomic_store(&m->stopping, true);
    bus_bell_ring(&m->bell);
    bus_thread_join(&m->thread);
    m->running = false;
    if (m->options->store->member_leave(m->store, m->options->process, &err) != BUS_OK)
        bus_log_warn("members.leave_failed", BUS_KV_ERR(&err)); /* its lease runs out */
}

void
bus_members_stop(bus_members *m)
{
    if (m == NULL)
        return;
    bus_members_leave(m);
    free_members(m);
}

/* --- shares --------------------------------------------------------------------------- */

int
bus_members_share(const bus_members *m, const char *name, int total)
{
    for (int p = 0; m != NULL && p < m->parts_count; p++)
        if (strcmp(m->parts[p].name, name) == 0) {
            uint32_t place = atomic_load(&m->parts[p].place);
            int      rank = (int)(place >> 16), live = (int)(place & 0xffff);

            return total / live + (rank < total % live);
        }
    return total;
}
