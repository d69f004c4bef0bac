/* run.c - `shina run`: servers, services, projections and the edge in one process.
 * Started in the order in which one needs the other, stopped in reverse.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/edge.h"
#include "bus/log/log.h"
#include "bus/runtime/runtime.h"
#include "compose/shina/registry.h"
#include "compose/shina/servers.h"
#include "compose/shina/verbs.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PARTS_MAX 64
#define BATCHES_MAX 4096
#define WATCH_MS 500

typedef struct {
    const bus_config   *config;
    shina_home          home;
    shina_servers       servers;
    char               *jwt_keys;
    char                process[64];
    bus_transport      *transport;
    bus_runtime_options options;
    bus_service        *services[PARTS_MAX];
    bus_projector      *projectors[PARTS_MAX];
    int                 services_count, projectors_count;
    edge               *http;
} system_parts;

static void
say(const char *what)
{
    (void)printf("shina: %s\n", what);
    (void)fflush(stdout);
}

/* --- the log --------------------------------------------------------------------------------- */

static bus_log_level
level_of(const char *name)
{
    switch (name[0]) {
    case 'd': return BUS_LOG_DEBUG;
    case 'w': return BUS_LOG_WARN;
    case 'e': return BUS_LOG_ERROR;
    default: return BUS_LOG_INFO;
    }
}

/* On a terminal the log goes to a file, so that the screen stays readable. */
static void
start_log(const system_parts *s)
{
    bus_log_level level = level_of(bus_config_text(s->config, "SHINA_LOG"));
    char          path[HOME_PATH_BYTES + 32];
    int           fd = STDERR_FILENO;

    if (isatty(STDERR_FILENO)) {
        (void)snprintf(path, sizeof(path), "%s/log/shina.log", s->home.dir);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            fd = STDERR_FILENO;
        else
            (void)printf("shina: the log is %s\n", path);
    }
    bus_log_start(level, fd);
}

/* --- the bus and what hangs on it ----------------------------------------------------------------
 */

static const char *
url_of(void *context, const char *domain)
{
    const system_parts *s = context;

    return bus_config_text_of(s->config, "SHINA_DATABASE_URL", domain);
}

static bus_code
open_bus(system_parts *s, bus_error *err)
{
    const bus_transport_options options = {
        .url = "",
        .queue_max = (uint32_t)bus_config_int(s->config, "SHINA_QUEUE"),
        .batches_max = BATCHES_MAX,
    };
    unsigned unique;

    /* A process id alone is not unique where several machines share a database. */
    bus_clock_system()->random(bus_clock_system()->context, &unique, sizeof(unique));
    (void)snprintf(s->process, sizeof(s->process), "run:%ld:%08x", (long)getpid(), unique);
    s->options = (bus_runtime_options){
        .store = &bus_store_postgres,
        .store_options = {.url = s->servers.database_url,
                          .application = "shina",
                          .clock = bus_clock_system()},
        .url_of = url_of,
        .url_context = s,
        .transport_ops = &bus_transport_inproc,
        .clock = bus_clock_system(),
        .contracts = shina_contracts(),
        .contracts_count = shina_modules_count,
        .partitions = (int)bus_config_int(s->config, "SHINA_PARTITIONS"),
        .process = s->process,
        .sole = s->servers.postgres, /* the flock of SHINA_HOME proves it */
        .states_bytes_max = (size_t)bus_config_int(s->config, "SHINA_STATES_BYTES"),
        .batch_max = (int)bus_config_int(s->config, "SHINA_BATCH"),
        .snapshot_events = (int)bus_config_int(s->config, "SHINA_SNAPSHOT_EVENTS"),
    };
    if (bus_transport_inproc.open(&s->transport, &options, err) != BUS_OK)
        return err->code;
    s->options.transport = s->transport;
    return BUS_OK;
}

static bus_code
start_services(system_parts *s, bus_error *err)
{
    for (int i = 0; i < shina_modules_count; i++) {
        bus_code rc;

        BUS_INVARIANT(s->services_count < PARTS_MAX);
        rc = bus_service_start(&s->services[s->services_count], shina_modules[i], &s->options, err);
        if (rc != BUS_OK)
            return rc;
        s->services_count++;
    }
    return BUS_OK;
}

static bus_code
start_projectors(system_parts *s, bus_error *err)
{
    const bus_view **views = calloc((size_t)shina_views_count + 1, sizeof(*views));
    bus_code         rc = BUS_OK;

    if (views == NULL)
        abort();
    for (int i = 0; rc == BUS_OK && i < shina_modules_count; i++) {
        int count = shina_views_of(shina_modules[i]->contract, views);

        if (count == 0)
            continue;
        BUS_INVARIANT(s->projectors_count < PARTS_MAX);
        rc = bus_projector_start(&s->projectors[s->projectors_count], shina_modules[i]->contract,
                                 views, count, &s->options, err);
        if (rc == BUS_OK)
            s->projectors_count++;
    }
    free(views);
    return rc;
}

static int
health(void *context, bus_health *out, int max)
{
    const system_parts *s = context;
    bus_health          some[BUS_HEALTH_MAX];
    int                 count = 0;

    for (int i = 0; i < s->services_count + s->projectors_count; i++) {
        int n = i < s->services_count
                    ? bus_service_health(s->services[i], some)
                    : bus_projector_health(s->projectors[i - s->services_count], some);

        for (int k = 0; k < n && count < max; k++)
            out[count++] = some[k];
    }
    return count;
}

static bus_code
start_edge(system_parts *s, bus_error *err)
{
    const char  *documents = bus_config_text(s->config, "SHINA_DOCUMENTS");
    const char  *viewer = bus_config_text(s->config, "SHINA_DOCS_VIEWER");
    edge_options options = {
        .transport_ops = s->options.transport_ops,
        .transport = s->transport,
        .store = s->options.store,
        .store_options = s->options.store_options,
        .url_of = url_of,
        .url_context = s,
        .clock = s->options.clock,
        .contracts = s->options.contracts,
        .contracts_count = s->options.contracts_count,
        .views = shina_views,
        .views_count = shina_views_count,
        .partitions = s->options.partitions,
        .database_url = s->servers.database_url,
        .redis_url = s->servers.redis_url,
        .listen = bus_config_text(s->config, "SHINA_HTTP"),
        .jwt_keys = s->jwt_keys,
        .documents_dir = documents != NULL ? documents : SHINA_BUILD_DIR "/documents",
        .viewer_dir =
            viewer != NULL ? viewer : SHINA_SOURCE_DIR "/.tools/node/node_modules/swagger-ui-dist",
        .health = health,
        .health_context = s,
        .connections_max = (int)bus_config_int(s->config, "SHINA_CONNECTIONS"),
        .commands_max = (int)bus_config_int(s->config, "SHINA_INFLIGHT"),
        .queries_max = (int)bus_config_int(s->config, "SHINA_INFLIGHT"),
        .body_bytes_max = (int)bus_config_int(s->config, "SHINA_BODY_BYTES"),
    };

    return edge_start(&s->http, &options, err);
}

static void
stop_all(system_parts *s)
{
    edge_stop(s->http);
    for (int i = s->projectors_count; i > 0; i--)
        bus_projector_stop(s->projectors[i - 1]);
    /* Couriers ask writers of other services, so every service may need the others to finish;
     * what does not arrive any more is carried on after the next start. */
    for (int i = s->services_count; i > 0; i--)
        bus_service_stop(s->services[i - 1]);
    if (s->transport != NULL)
        bus_transport_inproc.close(s->transport);
    shina_servers_stop(&s->servers);
    free(s->jwt_keys);
    shina_home_close(&s->home);
}

static bus_code
start_all(system_parts *s, bus_error *err)
{
    bus_code rc;

    if ((rc = shina_home_open(&s->home, s->config, true, err)) != BUS_OK ||
        (rc = shina_home_lock(&s->home, err)) != BUS_OK)
        return rc;
    start_log(s);
    shina_servers_urls(&s->servers, &s->home, s->config);
    if ((rc = shina_home_jwt_keys(&s->home, s->config, &s->jwt_keys, err)) != BUS_OK ||
        (rc = shina_servers_start(&s->servers, say, err)) != BUS_OK)
        return rc;
    say("applying the migrations");
    if ((rc = shina_migrate(s->servers.database_url, s->config, err)) != BUS_OK)
        return rc;
    say("starting services, projections and the edge");
    if ((rc = open_bus(s, err)) != BUS_OK || (rc = start_services(s, err)) != BUS_OK ||
        (rc = start_projectors(s, err)) != BUS_OK)
        return rc;
    return start_edge(s, err);
}

static void
print_welcome(const system_parts *s)
{
    const char *at = edge_address(s->http);

    (void)printf(
        "\nshina is running.\n"
        "  open    %s/docs    every command and view, to try out\n"
        "  token   shina token --tenant 00000000-0000-4000-8000-000000000001 --role ADMIN\n"
        "  ready?  %s/readyz\n"
        "  stop    Ctrl-C\n\n",
        at, at);
    (void)fflush(stdout);
}

/* Sleeps until a signal to stop comes, and looks after the servers meanwhile. */
static void
wait_for_signal(system_parts *s, const sigset_t *signals)
{
    const struct timespec pause = {.tv_nsec = WATCH_MS * 1000000L};

    while (sigtimedwait(signals, NULL, &pause) < 0)
        shina_servers_watch(&s->servers);
}

int
verb_run(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {NULL};
    system_parts            *s;
    bus_error                err = {0};
    sigset_t                 signals;
    bus_code                 rc;

    if (!options_known(argc, argv, known, 0))
        return 2;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by all threads */
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    s->config = config;
    s->home.lock = -1;
    rc = start_all(s, &err);
    if (rc == BUS_OK) {
        print_welcome(s);
        wait_for_signal(s, &signals);
        say("stopping");
    } else {
        (void)failed(&err);
    }
    stop_all(s);
    free(s);
    if (rc == BUS_OK)
        say("stopped");
    return rc == BUS_OK ? 0 : 1;
}
