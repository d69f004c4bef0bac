/* cuts.c - the network between clients, edge, PostgreSQL and Redis is bad: connections are reset in
 * the middle of whatever passes, nothing passes for a while, or a few bytes at a time; after
 * silence they are sometimes reset, so that nobody knows what arrived; and they die without a word.
 *
 *   CUTS=8 SEED=123 chaos cut_postgres
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/proxy.h"
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/servers.h"

#include <stdio.h>
#include <string.h>

#define CUTS 8
#define THREADS 6
#define PATIENCE_S 60
#define SETTLE_S 120
#define TRICKLE_MS 4000
#define HOLE_MS 1500

typedef struct {
    scene   *s;
    proxy   *p;
    uint64_t random;
    int      silence_max_ms;
    bool     goes_on; /* commands are acknowledged all the while */
} bad_network;

static void
reset(bad_network *net)
{
    long before = proxy_cut(net->p);

    for (int i = 1 + (int)chaos_random(&net->random, 5); i > 0; i--) {
        proxy_reset(net->p);
        chaos_pause_ms((long)chaos_random(&net->random, 300));
    }
    scene_fault(net->s, "%ld connections were reset", proxy_cut(net->p) - before);
}

static void
silence(bad_network *net)
{
    long ms = 1000 + (long)chaos_random(&net->random, (uint64_t)net->silence_max_ms - 1000);
    bool cut = chaos_random(&net->random, 2) == 0;

    scene_fault(net->s, "silence for %ld ms%s", ms, cut ? ", then reset" : "");
    proxy_set(net->p, PROXY_SILENCE);
    if (net->goes_on)
        scene_wait_acknowledged(net->s, 20, PATIENCE_S);
    chaos_pause_ms(ms);
    if (cut) {
        proxy_reset(net->p);
        chaos_pause_ms(50); /* it does so while nothing passes */
    }
    proxy_set(net->p, PROXY_PASS);
}

static void
trickle(bad_network *net)
{
    scene_fault(net->s, "a trickle for %d ms", TRICKLE_MS);
    proxy_set(net->p, PROXY_TRICKLE);
    chaos_pause_ms(TRICKLE_MS);
    proxy_set(net->p, PROXY_PASS);
}

/* Connections that were open are dead for ever, and no end of them is told of: as when a firewall
 * has forgotten them. Who holds one must find out by himself. */
static void
hole(bad_network *net)
{
    scene_fault(net->s, "a hole for %d ms: what was connected is dead", HOLE_MS);
    proxy_set(net->p, PROXY_HOLE);
    chaos_pause_ms(HOLE_MS);
    proxy_set(net->p, PROXY_PASS);
}

static void
make_faults(bad_network *net)
{
    void (*const kinds[])(bad_network *) = {reset, silence, trickle, hole};
    uint64_t cuts = chaos_number("CUTS", CUTS);

    uint64_t only = chaos_number("KIND", 4); /* of them, else in turn */

    scene_wait_acknowledged(net->s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < cuts; i++) {
        chaos_pause_ms((long)chaos_random(&net->random, 1500));
        kinds[only < 4 ? only : i % 4](net);
        scene_over(net->s, PATIENCE_S);
    }
    if (proxy_taken(net->p) == 0 || proxy_cut(net->p) == 0)
        chaos_die("nobody came through the proxy");
    chaos_say("the proxy took %ld connections and cut %ld", proxy_taken(net->p), proxy_cut(net->p));
}

int
play_cut_clients(void)
{
    scene       s;
    bad_network net = {.s = &s, .random = chaos_seed(), .silence_max_ms = 4000};
    char        url[64];
    int         wrong;

    scene_start(&s, NULL, NULL);
    net.p = proxy_start(tests_shina_url(s.shina) + strlen("http://"));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", proxy_port(net.p));
    scene_load(&s, url, net.random, (int)chaos_number("THREADS", THREADS));
    make_faults(&net);
    wrong = scene_close(&s, SETTLE_S);
    proxy_stop(net.p);
    return wrong == 0 ? 0 : 1;
}

/* A shina over servers of the test's own, one of them behind the proxy. */
static int
play_before_server(bad_network *net, bool postgres)
{
    chaos_servers servers;
    char          url[CHAOS_URL_BYTES];
    int           wrong;

    chaos_servers_start(&servers);
    net->p = proxy_start(postgres ? servers.postgres_socket : servers.redis_socket);
    if (postgres)
        chaos_servers_database_by(&servers, "127.0.0.1", proxy_port(net->p), url);
    else
        (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%d", proxy_port(net->p));
    scene_start(net->s, postgres ? url : servers.database_url, postgres ? servers.redis_url : url);
    scene_load(net->s, NULL, net->random, (int)chaos_number("THREADS", THREADS));
    make_faults(net);
    wrong = scene_close(net->s, SETTLE_S);
    proxy_stop(net->p);
    chaos_servers_stop(&servers);
    return wrong == 0 ? 0 : 1;
}

/* Silence also past leases, which last 5 s. */
int
play_cut_postgres(void)
{
    scene s;

    return play_before_server(
        &(bad_network){.s = &s, .random = chaos_seed(), .silence_max_ms = 12000}, true);
}

int
play_cut_redis(void)
{
    scene s;

    return play_before_server(
        &(bad_network){.s = &s, .random = chaos_seed(), .silence_max_ms = 5000, .goes_on = true},
        false);
}
