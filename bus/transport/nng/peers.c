/* peers.c - the other processes that this one talks to, and the thread that looks after them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/base/thread.h"
#include "bus/transport/nng/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_MS 200
#define LOOK_US 1000000       /* for what nng has given up, and for what is gone for good */
#define TELL_AGAIN_US 5000000 /* our topics, in case they were lost */
#define GONE_US 30000000      /* without a connection, and wanted by nobody: forgotten */
#define LINGER_MS 500
#define SETTLED_US 50000
#define FLUSH_US 5000 /* nng has taken the last frame; the kernel takes it within this */

static int64_t
now_us(void)
{
    return bus_mono_us(bus_clock_system());
}

/* --- the table ----------------------------------------------------------- */

static peer *
find(const bus_transport *t, bus_str url)
{
    for (int i = 0; i < t->peers_end; i++)
        if (t->peers[i] != NULL && bus_str_is(url, t->peers[i]->url))
            return t->peers[i];
    return NULL;
}

/* Under the write lock. */
static bus_code
add(bus_transport *t, const char *url, bus_error *err)
{
    int      slot = 0;
    bus_code rc;

    while (slot < PEERS_MAX && t->peers[slot] != NULL)
        slot++;
    if (slot == PEERS_MAX)
        return bus_fail(err, BUS_FULL, "nng: more than %d processes", PEERS_MAX);
    if ((rc = bus_peer_create(&t->peers[slot], &t->self, url, (uint16_t)slot, err)) != BUS_OK)
        return rc;
    t->peers[slot]->generation = t->generations[slot];
    atomic_store(&t->changed_us, now_us());
    if (slot >= t->peers_end)
        t->peers_end = slot + 1;
    return BUS_OK;
}

static bus_code
dial(bus_transport *t, bus_str url, bus_error *err)
{
    char     text[BUS_URL_BYTES];
    bus_code rc = BUS_OK;

    if (url.len >= sizeof(text) ||
        (url.len < 7 || (memcmp(url.at, "ipc://", 6) != 0 && memcmp(url.at, "tcp://", 6) != 0)))
        return bus_fail(err, BUS_INVALID, "nng: %.*s is no url of a process",
                        (int)(url.len < 100 ? url.len : 100), url.len > 0 ? url.at : "");
    (void)snprintf(text, sizeof(text), "%.*s", BUS_STR_ARG(url));
    (void)pthread_rwlock_wrlock(&t->peers_lock);
    if (find(t, url) == NULL)
        rc = add(t, text, err);
    (void)pthread_rwlock_unlock(&t->peers_lock);
    return rc;
}

bus_code
bus_nng_peers_hold(bus_transport *t, bus_str url, peer **out, bus_error *err)
{
    bus_code rc;

    for (;;) {
        (void)pthread_rwlock_rdlock(&t->peers_lock);
        if ((*out = find(t, url)) != NULL)
            return BUS_OK;
        (void)pthread_rwlock_unlock(&t->peers_lock);
        if ((rc = dial(t, url, err)) != BUS_OK)
            return rc;
    }
}

void
bus_nng_peers_release(bus_transport *t)
{
    (void)pthread_rwlock_unlock(&t->peers_lock);
}

/* --- ways back ----------------------------------------------------------- */

uint64_t
bus_nng_route_of(const peer *p, uint16_t generation, uint32_t client)
{
    return (uint64_t)(p->slot + 1u) << 48 | (uint64_t)generation << 32 | client;
}

void
bus_nng_route_reply(bus_transport *t, uint64_t route, bus_envelope *reply)
{
    uint32_t  slot = (uint32_t)(route >> 48);
    uint16_t  generation = (uint16_t)(route >> 32);
    bus_error err;
    peer     *p;

    if (slot == 0) {
        bus_local_reply(&t->local, (uint32_t)route, reply);
        return;
    }
    reply->route = (uint32_t)route;
    (void)pthread_rwlock_rdlock(&t->peers_lock);
    p = slot <= PEERS_MAX ? t->peers[slot - 1] : NULL;
    if (p != NULL && bus_peer_generation(p) == generation &&
        bus_peer_put(p, (bus_str){NULL, 0}, reply, &err) != BUS_OK) {
        /* gone or too slow: the asker repeats */
    }
    (void)pthread_rwlock_unlock(&t->peers_lock);
    bus_envelope_release(reply);
}

/* --- whose batches we take ----------------------------------------------- */

static bool
listed(const char *url, const char *const *urls, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(urls[i], url) == 0)
            return true;
    return false;
}

void
bus_nng_peers_want(bus_transport *t, const char *const *urls, int count)
{
    bus_error err;

    for (int i = 0; i < count; i++)
        if (strcmp(urls[i], t->self.url) != 0 && dial(t, bus_str_of(urls[i]), &err) != BUS_OK) {
            /* such a process cannot be heard; its log can be read */
        }
    (void)pthread_rwlock_rdlock(&t->peers_lock);
    for (int i = 0; i < t->peers_end; i++) {
        peer *p = t->peers[i];
        bool  wanted = p != NULL && listed(p->url, urls, count);

        if (p != NULL && atomic_exchange(&p->wanted, wanted) != wanted)
            atomic_store(&p->told, false);
    }
    (void)pthread_rwlock_unlock(&t->peers_lock);
    bus_nng_keeper_poke(t);
}

void
bus_nng_peers_topics_changed(bus_transport *t)
{
    (void)pthread_rwlock_rdlock(&t->peers_lock);
    for (int i = 0; i < t->peers_end; i++)
        if (t->peers[i] != NULL && atomic_load(&t->peers[i]->wanted))
            atomic_store(&t->peers[i]->told, false);
    (void)pthread_rwlock_unlock(&t->peers_lock);
    bus_nng_keeper_poke(t);
}

typedef struct {
    bus_buf  text;
    uint16_t count;
} topics_list;

/* Each topic once. */
static void
add_topic(void *context, bus_str topic)
{
    topics_list *list = context;
    bus_wire     seen = {.at = list->text.at, .left = (uint32_t)list->text.len};

    for (uint16_t i = 0; i < list->count; i++)
        if (bus_str_equal(bus_wire_str(&seen, "topic"), topic))
            return;
    if (list->count == FRAME_TOPICS_MAX)
        return; /* the log is read instead */
    bus_wire_put_str(&list->text, topic);
    list->count++;
}

static void
tell_topics(bus_transport *t, peer *p)
{
    topics_list list = {.count = 0};
    bus_buf     body = {0};

    atomic_store(&p->told, true); /* first: what changes from now on is told again */
    if (atomic_load(&p->wanted))
        bus_local_topics(&t->local, add_topic, &list);
    bus_wire_put_u16(&body, list.count);
    bus_buf_add_str(&body, bus_buf_str(&list.text));
    if (!bus_peer_put_topics(p, bus_buf_str(&body)))
        atomic_store(&p->told, false);
    bus_buf_fini(&body);
    bus_buf_fini(&list.text);
}

/* --- the keeper ---------------------------------------------------------- */

static void
tell_all(bus_transport *t, bool again)
{
    (void)pthread_rwlock_rdlock(&t->peers_lock);
    for (int i = 0; i < t->peers_end; i++) {
        peer *p = t->peers[i];

        if (p == NULL)
            continue;
        bus_peer_renew(p);
        if (bus_peer_unreachable(p))
            bus_peer_forget_waiting(p);
        else if (bus_peer_connected(p) &&
                 (!atomic_load(&p->told) || (again && atomic_load(&p->wanted))))
            tell_topics(t, p);
    }
    (void)pthread_rwlock_unlock(&t->peers_lock);
}

/* Its dialer tries once a second, so that it is hardly connecting just now. */
static bool
gone(const peer *p)
{
    return p != NULL && !atomic_load(&p->wanted) && !bus_peer_connected(p) &&
           now_us() - atomic_load(&p->changed_us) > GONE_US;
}

/* Hanging up waits for nng, so it is done outside the lock. */
static void
forget_gone(bus_transport *t)
{
    for (int i = 0; i < PEERS_MAX; i++) {
        peer *left = NULL;

        (void)pthread_rwlock_wrlock(&t->peers_lock);
        if (gone(t->peers[i])) {
            left = t->peers[i];
            t->peers[i] = NULL;
            t->generations[i] = (uint16_t)(bus_peer_generation(left) + 1);
        }
        (void)pthread_rwlock_unlock(&t->peers_lock);
        bus_peer_destroy(left);
    }
}

static void
look_after_peers(bus_transport *t)
{
    (void)pthread_rwlock_rdlock(&t->peers_lock);
    for (int i = 0; i < t->peers_end; i++)
        if (t->peers[i] != NULL)
            bus_peer_look(t->peers[i]);
    (void)pthread_rwlock_unlock(&t->peers_lock);
}

void
bus_nng_keeper_poke(void *transport)
{
    bus_transport *t = transport;

    (void)pthread_mutex_lock(&t->keeper_lock);
    t->keeper_poked = true;
    (void)pthread_cond_signal(&t->keeper_called);
    (void)pthread_mutex_unlock(&t->keeper_lock);
}

void
bus_nng_changed(void *transport)
{
    bus_transport *t = transport;

    atomic_store(&t->changed_us, now_us());
    bus_nng_keeper_poke(t);
}

/* False: it is over. */
static bool
sleep_until_poked(bus_transport *t)
{
    struct timespec until;
    bool            goes_on;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += KEEPER_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_mutex_lock(&t->keeper_lock);
    while (!t->keeper_poked && !t->keeper_ends)
        if (pthread_cond_timedwait(&t->keeper_called, &t->keeper_lock, &until) != 0)
            break;
    t->keeper_poked = false;
    goes_on = !t->keeper_ends;
    (void)pthread_mutex_unlock(&t->keeper_lock);
    return goes_on;
}

static void *
keeper_main(void *context)
{
    bus_transport *t = context;
    int64_t        told_us = now_us(), looked_us = now_us();

    bus_thread_name("keeper", NULL);
    while (sleep_until_poked(t)) {
        bool again = now_us() - told_us > TELL_AGAIN_US;

        tell_all(t, again);
        if (again)
            told_us = now_us();
        if (now_us() - looked_us > LOOK_US) {
            looked_us = now_us();
            forget_gone(t);
            look_after_peers(t);
            bus_nng_inbox_look(t);
        }
    }
    return NULL;
}

void
bus_nng_keeper_start(bus_transport *t)
{
    BUS_INVARIANT(pthread_create(&t->keeper, NULL, keeper_main, t) == 0);
}

void
bus_nng_keeper_stop(bus_transport *t)
{
    (void)pthread_mutex_lock(&t->keeper_lock);
    t->keeper_ends = true;
    (void)pthread_cond_signal(&t->keeper_called);
    (void)pthread_mutex_unlock(&t->keeper_lock);
    (void)pthread_join(t->keeper, NULL);
    bus_nng_inbox_forget_probe(t);
}

static bool
all_idle(bus_transport *t)
{
    bool idle = true;

    (void)pthread_rwlock_rdlock(&t->peers_lock);
    for (int i = 0; i < t->peers_end && idle; i++)
        idle =
            t->peers[i] == NULL || !bus_peer_connected(t->peers[i]) || bus_peer_idle(t->peers[i]);
    (void)pthread_rwlock_unlock(&t->peers_lock);
    return idle;
}

/* nng 1.5 may wait for ever when a socket is closed in the moment in which a connection of it
 * begins (nanomsg/nng issue 1813): so not before they have been as they are for a while. */
static bool
settled(const bus_transport *t)
{
    return now_us() - atomic_load(&t->changed_us) > SETTLED_US;
}

void
bus_nng_linger(bus_transport *t)
{
    for (int i = 0; i < LINGER_MS && !(all_idle(t) && settled(t)); i++)
        (void)usleep(1000);
    (void)usleep(FLUSH_US);
}

void
bus_nng_peers_close(bus_transport *t)
{
    for (int i = 0; i < t->peers_end; i++)
        bus_peer_destroy(t->peers[i]);
}
