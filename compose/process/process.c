/* process.c - the parts of a process, started in the order in which one needs the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/process.h"
#include "bus/log/log.h"
#include "bus/personal/cover.h"
#include "bus/transport/kafka/publisher.h"
#include "compose/process/arguments.h"
#include "compose/process/keys.h"
#include "compose/process/migrate.h"
#include "compose/process/sandbox.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCHES_MAX 4096
#define WATCH_MS 500
#define FIND_SECONDS 60
#define CLOSE_SECONDS 3

void
shina_say(const char *what)
{
    (void)printf("shina: %s\n", what);
    (void)fflush(stdout);
}

/* --- signals ---------------------------------------------------------------------- */

static sigset_t
stop_signals(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    return signals;
}

/* Sleeps; true: a signal to stop came. */
static bool
told_to_stop_within(long ms)
{
    const sigset_t        signals = stop_signals();
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    return sigtimedwait(&signals, NULL, &pause) >= 0;
}

/* A signal to stop came and is not taken yet. */
static bool
is_told_to_stop(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
            sigismember(&pending, SIGHUP) == 1);
}

void
shina_process_wait(shina_process *p)
{
    while (!told_to_stop_within(WATCH_MS))
        if (p->runs_servers)
            shina_servers_watch(&p->servers);
}

/* --- the log ------------------------------------------------------------------------ */

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
start_log(const shina_process *p)
{
    bus_log_level level = level_of(bus_config_text(p->config, "SHINA_LOG"));
    char          path[HOME_PATH_BYTES + 32];
    int           fd = STDERR_FILENO;

    if (isatty(STDERR_FILENO)) {
        (void)snprintf(path, sizeof(path), "%s/log/shina.log", p->home.dir);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            fd = STDERR_FILENO;
        else
            (void)printf("shina: the log is %s\n", path);
    }
    bus_log_start(level, fd);
}

/* --- home and servers ---------------------------------------------------------------- */

bus_code
shina_process_open(shina_process **out, const bus_config *config, const char *what, bus_error *err)
{
    shina_process *p = calloc(1, sizeof(*p));
    sigset_t       signals = stop_signals();
    bus_code       rc;

    if (p == NULL)
        abort();
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by all threads */
    shina_sandbox_enter();
    p->config = config;
    if ((rc = shina_home_open(&p->home, config, true, err)) != BUS_OK ||
        (rc = shina_home_name(&p->home, what, p->name, err)) != BUS_OK) {
        shina_home_close(&p->home);
        free(p);
        return rc;
    }
    start_log(p);
    shina_servers_urls(&p->servers, &p->home, config);
    *out = p;
    return BUS_OK;
}

bus_code
shina_process_start_servers(shina_process *p, bus_error *err)
{
    bus_code rc = shina_home_lock(&p->home, err);

    if (rc != BUS_OK)
        return rc;
    p->runs_servers = true;
    return shina_servers_start(&p->servers, shina_say, err);
}

/* Does the database let us in? why: the first line of libpq's complaint, which holds no password.
 */
static bool
can_connect(const char *url, char why[160])
{
    PGconn     *conn = PQconnectdb(url);
    bool        connected = PQstatus(conn) == CONNECTION_OK;
    const char *message = PQerrorMessage(conn);

    (void)snprintf(why, 160, "%.*s", (int)strcspn(message, "\n"), message);
    PQfinish(conn);
    return connected;
}

bus_code
shina_process_find_servers(shina_process *p, bus_error *err)
{
    char why[160];

    for (int i = 0; i < FIND_SECONDS * 5; i++) {
        if (can_connect(p->servers.database_url, why))
            return BUS_OK;
        if (i == 0)
            shina_say("waiting for the database");
        if (told_to_stop_within(200))
            return bus_fail(err, BUS_CLOSED, "stopped while waiting for the database");
    }
    if (p->servers.postgres)
        return bus_fail(err, BUS_UNAVAILABLE,
                        "the PostgreSQL of %.120s does not answer: start it with `shina servers`, "
                        "or set SHINA_DATABASE_URL",
                        p->home.dir);
    return bus_fail(err, BUS_UNAVAILABLE, "the database of SHINA_DATABASE_URL: %s", why);
}

bus_code
shina_process_migrate(shina_process *p, bus_error *err)
{
    bus_code rc = shina_migrate(p->servers.database_url, p->config, err);

    if (rc == BUS_OK)
        rc = shina_master_keys(&p->home, p->config, p->servers.database_url, true, &p->master_keys,
                               err);
    if (rc == BUS_OK) {
        p->options.key_store = &bus_key_store_postgres;
        p->options.master_keys = p->master_keys;
        shina_sandbox_seal(p->runs_servers); /* sql-migrate was the last program of most */
    }
    return rc;
}

/* --- the bus ---------------------------------------------------------------------------- */

const char *
shina_process_url_of(void *process, const char *domain)
{
    const shina_process *p = process;

    return bus_config_text_of(p->config, "SHINA_DATABASE_URL", domain);
}

void
shina_kafka_settings(const bus_config *config, const char *process,
                     const char *domains[SHINA_PARTS_MAX], bus_kafka_settings *out)
{
    int count = 0;

    for (; count < shina_contracts_count; count++) {
        BUS_INVARIANT(count < SHINA_PARTS_MAX);
        domains[count] = shina_contracts[count]->module;
    }
    *out = (bus_kafka_settings){
        .servers = bus_config_text(config, "SHINA_KAFKA"),
        .properties = bus_config_text(config, "SHINA_KAFKA_PROPERTIES"),
        .prefix = bus_config_text(config, "SHINA_KAFKA_PREFIX"),
        .process = process,
        .partitions = (int)bus_config_int(config, "SHINA_PARTITIONS"),
        .answers = (int)bus_config_int(config, "SHINA_KAFKA_ANSWERS"),
        .edge = (int)bus_config_int(config, "SHINA_EDGE_ID"),
        .replication = (int)bus_config_int(config, "SHINA_KAFKA_REPLICATION"),
        .domains = domains,
        .domains_count = count,
    };
}

static const bus_transport_ops *
transport_named(const char *name)
{
    static const bus_transport_ops *const all[] = {&bus_transport_inproc, &bus_transport_nng,
                                                   &bus_transport_kafka};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    BUS_UNREACHABLE(); /* the configuration was checked */
}

static bus_code
choose_url(shina_process *p, bus_error *err)
{
    const bus_transport_ops *ops = p->options.transport_ops;
    const char              *url = bus_config_text(p->config, "SHINA_BUS_URL");

    if (ops == &bus_transport_inproc)
        (void)snprintf(p->bus_url, sizeof(p->bus_url), "%s", p->name);
    else if (ops == &bus_transport_kafka)
        (void)snprintf(p->bus_url, sizeof(p->bus_url), "kafka://%s", p->name);
    else if (url != NULL)
        (void)snprintf(p->bus_url, sizeof(p->bus_url), "%s", url);
    else if (snprintf(p->bus_url, sizeof(p->bus_url), "ipc://%.150s/%.*s.ipc", p->home.run,
                      (int)strcspn(p->name, "."), p->name) > (int)sizeof("ipc://") + 106)
        return bus_fail(err, BUS_INVALID, "the path %s is too long for a socket: set SHINA_BUS_URL",
                        p->bus_url);
    return BUS_OK;
}

static bus_code
choose_transport(shina_process *p, bool alone, bus_error *err)
{
    const char *bus = bus_config_text(p->config, "SHINA_BUS");

    if (bus == NULL || *bus == '\0')
        bus = alone ? "inproc" : "nng";
    p->options.transport_ops = transport_named(bus);
    if (!alone && p->options.transport_ops == &bus_transport_inproc)
        return bus_fail(err, BUS_INVALID,
                        "SHINA_BUS=inproc reaches nobody outside of this process; unset it or set "
                        "SHINA_BUS=nng or SHINA_BUS=kafka");
    shina_kafka_settings(p->config, p->name, p->kafka_domains, &p->kafka);
    if (p->options.transport_ops == &bus_transport_kafka && p->kafka.servers == NULL)
        return bus_fail(err, BUS_INVALID, "SHINA_BUS=kafka: SHINA_KAFKA must name the brokers");
    p->kafka.gives_up = is_told_to_stop;
    if (p->kafka.servers != NULL) {
        const bus_code rc = bus_kafka_settings_check(&p->kafka, err);

        if (rc != BUS_OK)
            return rc;
    }
    return choose_url(p, err);
}

bus_code
shina_process_open_bus(shina_process *p, bool alone, bus_error *err)
{
    bus_transport_options transport = {.queue_max =
                                           (uint32_t)bus_config_int(p->config, "SHINA_QUEUE"),
                                       .batches_max = BATCHES_MAX};
    bus_code              rc;

    p->options = (bus_runtime_options){
        .store = &bus_store_postgres,
        .store_options = {.url = p->servers.database_url,
                          .application = "shina",
                          .clock = bus_clock_system(),
                          .archive = p->home.archive},
        .url_of = shina_process_url_of,
        .url_context = p,
        .clock = bus_clock_system(),
        .key_store = p->master_keys == NULL ? NULL : &bus_key_store_postgres,
        .master_keys = p->master_keys,
        .contracts = shina_contracts,
        .contracts_count = shina_contracts_count,
        .partitions = (int)bus_config_int(p->config, "SHINA_PARTITIONS"),
        .process = p->name,
        .states_bytes_max = (size_t)bus_config_int(p->config, "SHINA_STATES_BYTES"),
        .batch_max = (int)bus_config_int(p->config, "SHINA_BATCH"),
        .rebuild_bytes = (size_t)bus_config_int(p->config, "SHINA_REBUILD_BYTES"),
        .view_grace_ms = 1000 * bus_config_int(p->config, "SHINA_VIEW_GRACE_S"),
        .snapshot_events = (int)bus_config_int(p->config, "SHINA_SNAPSHOT_EVENTS"),
    };
    if ((rc = choose_transport(p, alone, err)) != BUS_OK)
        return rc;
    /* Who runs the servers, uses them alone, and reaches nobody: every lease in them is ours. */
    if (p->servers.postgres) {
        p->options.sole = p->runs_servers && p->options.transport_ops == &bus_transport_inproc;
        if ((rc = shina_home_use(&p->home, p->options.sole, err)) != BUS_OK)
            return rc;
    }
    transport.url = p->bus_url;
    transport.kafka = &p->kafka;
    if (p->master_keys != NULL) {
        p->cover =
            (bus_transport_cover){.put = bus_cover_put,
                                  .take = bus_cover_take,
                                  .context = bus_cover_create(p->master_keys, bus_clock_system())};
        transport.cover = &p->cover;
    }
    return p->options.transport_ops->open(&p->options.transport, &transport, err);
}

void
shina_process_add_part(shina_process *p, const char *kind, const char *name)
{
    char *part = NULL;

    BUS_INVARIANT(p->parts_count < SHINA_PARTS_MAX);
    if (asprintf(&part, "%s %s", kind, name) < 0)
        abort();
    p->parts[p->parts_count++] = part;
}

bus_code
shina_process_join(shina_process *p, bus_error *err)
{
    bus_code rc = bus_members_start(&p->members, &p->options, p->parts, p->parts_count, err);

    if (rc == BUS_OK)
        p->options.members = p->members;
    return rc;
}

/* --- services and projections -------------------------------------------------------------- */

static bus_code
start_worker(shina_process *p, const char *domain, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; i < shina_workers_count && rc == BUS_OK; i++) {
        if (strcmp(shina_workers[i]->domain, domain) != 0)
            continue;
        BUS_INVARIANT(p->workers_count < SHINA_PARTS_MAX);
        p->workers[p->workers_count].of = shina_workers[i];
        rc = shina_workers[i]->start(&p->workers[p->workers_count].worker, &p->options, p->config,
                                     err);
        p->workers_count += rc == BUS_OK;
    }
    return rc;
}

bus_code
shina_process_start_service(shina_process *p, const bus_module *module, bus_error *err)
{
    bus_code rc;

    BUS_INVARIANT(p->services_count < SHINA_PARTS_MAX);
    rc = bus_service_start(&p->services[p->services_count], module, &p->options, err);
    p->services_count += rc == BUS_OK;
    return rc == BUS_OK ? start_worker(p, module->contract->module, err) : rc;
}

bus_code
shina_process_start_projection(shina_process *p, const bus_module *module, bus_error *err)
{
    const bus_view **views = calloc((size_t)shina_views_count + 1, sizeof(*views));
    int              count;
    bus_code         rc = BUS_OK;

    if (views == NULL)
        abort();
    BUS_INVARIANT(p->projectors_count < SHINA_PARTS_MAX);
    count = shina_views_of(module->contract, views);
    if (count > 0) {
        rc = bus_projector_start(&p->projectors[p->projectors_count], module->contract, views,
                                 count, &p->options, err);
        p->projectors_count += rc == BUS_OK;
    }
    free(views);
    return rc;
}

bool
shina_process_relays(const shina_process *p)
{
    return p->kafka.servers != NULL;
}

bus_code
shina_process_start_relay(shina_process *p, const bus_module *const *modules, int count,
                          bus_error *err)
{
    const bus_contract *contracts[SHINA_PARTS_MAX];

    if (!shina_process_relays(p))
        return bus_fail(err, BUS_INVALID, "a relay wants SHINA_KAFKA to name the brokers");
    BUS_INVARIANT(count <= SHINA_PARTS_MAX);
    for (int i = 0; i < count; i++)
        contracts[i] = modules[i]->contract;
    return bus_relay_start(&p->relay, contracts, count, &p->options, &bus_kafka_publisher,
                           &p->kafka, err);
}

int
shina_process_health(void *process, bus_health *out, int max)
{
    const shina_process *p = process;
    bus_health           some[BUS_HEALTH_MAX];
    int                  count = 0;

    for (int i = 0; i < p->services_count + p->projectors_count; i++) {
        int n = i < p->services_count
                    ? bus_service_health(p->services[i], some)
                    : bus_projector_health(p->projectors[i - p->services_count], some);

        for (int k = 0; k < n && count < max; k++)
            out[count++] = some[k];
    }
    for (int i = 0; i < p->workers_count && count < max; i++)
        p->workers[i].of->health(p->workers[i].worker, &out[count++]);
    if (p->relay != NULL)
        count += bus_relay_health(p->relay, out + count, max - count);
    return count;
}

/* --- the end --------------------------------------------------------------------------------- */

static void *
close_transport(void *process)
{
    shina_process           *p = process;
    const bus_transport_ops *ops = p->options.transport_ops;

    if (ops->leave != NULL)
        ops->leave(p->options.transport);
    else
        ops->close(p->options.transport);
    return NULL;
}

/* librdkafka may wait for brokers that are away. All that mattered is done by now: the process does
 * not wait for it. False: what the bus uses is still in use. */
static bool
close_bus(shina_process *p)
{
    struct timespec until;
    pthread_t       thread;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_SECONDS;
    if (pthread_create(&thread, NULL, close_transport, p) != 0)
        return false;
    if (pthread_timedjoin_np(thread, NULL, &until) == 0)
        return p->options.transport_ops->leave == NULL;
    bus_log_warn("process.bus_does_not_close", BUS_KV("process", p->name));
    return false;
}

void
shina_process_close(shina_process *p)
{
    bool closed;

    if (p == NULL)
        return;
    bus_members_leave(p->members); /* the others take over what is given back next */
    bus_relay_stop(p->relay);
    for (int i = p->projectors_count; i > 0; i--)
        bus_projector_stop(p->projectors[i - 1]);
    for (int i = p->workers_count; i > 0; i--)
        p->workers[i - 1].of->stop(p->workers[i - 1].worker);
    /* Couriers ask writers of other services, so every service may need the others to finish;
     * what does not arrive any more is carried on after the next start. */
    for (int i = p->services_count; i > 0; i--)
        bus_service_stop(p->services[i - 1]);
    bus_members_stop(p->members);
    closed = p->options.transport == NULL || close_bus(p);
    if (p->runs_servers)
        shina_servers_stop(&p->servers);
    if (!closed)
        return; /* what the bus still uses lives until the process ends */
    for (int i = 0; i < p->parts_count; i++)
        free((void *)(uintptr_t)p->parts[i]);
    bus_cover_destroy(p->cover.context);
    bus_master_keys_destroy(p->master_keys);
    shina_home_close(&p->home);
    free(p);
}

/* --- services or projections alone -------------------------------------------------------------
 */

static bus_code
start_parts(shina_process *p, const bus_module *const *services, int services_count,
            const bus_module *const *projections, int projections_count, bus_error *err)
{
    bus_code rc;

    if ((rc = shina_process_find_servers(p, err)) != BUS_OK ||
        (rc = shina_process_migrate(p, err)) != BUS_OK ||
        (rc = shina_process_open_bus(p, false, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < services_count; i++)
        shina_process_add_part(p, "service", services[i]->contract->module);
    for (int i = 0; i < projections_count; i++)
        shina_process_add_part(p, "projector", projections[i]->contract->module);
    if ((rc = shina_process_join(p, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < services_count && rc == BUS_OK; i++)
        rc = shina_process_start_service(p, services[i], err);
    for (int i = 0; i < projections_count && rc == BUS_OK; i++)
        rc = shina_process_start_projection(p, projections[i], err);
    return rc;
}

/* Waits until it is told to stop, if it has started, and closes it in any case. */
static int
run_until_told(shina_process *p, bus_code rc, const bus_error *err)
{
    if (rc == BUS_OK) {
        (void)printf("shina: %s works, at %s\n", p->name, p->bus_url);
        (void)fflush(stdout);
        shina_process_wait(p);
        shina_say("stopping");
    } else if (rc != BUS_CLOSED) {
        (void)failed(err);
    }
    shina_process_close(p);
    return rc == BUS_OK || rc == BUS_CLOSED ? 0 : 1;
}

int
shina_process_run(const bus_config *config, const char *what, const bus_module *const *services,
                  int services_count, const bus_module *const *projections, int projections_count)
{
    shina_process *p = NULL;
    bus_error      err = {0};
    bus_code       rc = shina_process_open(&p, config, what, &err);

    if (rc == BUS_OK)
        rc = start_parts(p, services, services_count, projections, projections_count, &err);
    return run_until_told(p, rc, &err);
}

static bus_code
start_relay(shina_process *p, const bus_module *const *modules, int count, bus_error *err)
{
    bus_code rc;

    if ((rc = shina_process_find_servers(p, err)) != BUS_OK ||
        (rc = shina_process_migrate(p, err)) != BUS_OK ||
        (rc = shina_process_open_bus(p, false, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < count; i++)
        shina_process_add_part(p, "relay", modules[i]->contract->module);
    if ((rc = shina_process_join(p, err)) != BUS_OK)
        return rc;
    return shina_process_start_relay(p, modules, count, err);
}

int
shina_process_run_relay(const bus_config *config, const bus_module *const *modules, int count)
{
    shina_process *p = NULL;
    bus_error      err = {0};
    bus_code       rc = shina_process_open(&p, config, "relay", &err);

    if (rc == BUS_OK)
        rc = start_relay(p, modules, count, &err);
    return run_until_told(p, rc, &err);
}
