/* process.h - what every process of shina is put together from: a home, the servers or their
 * addresses, a bus, a place among the members, and then services and projections.
 *
 * `shina run` has all of it; `shina servers`, `shina service`, `shina projection`, `shina edge` and
 * the shina-<domain> programs a part each. A verb calls open, then what it needs in the order
 * below, then wait, and in any case close, which undoes what was done, in reverse. Threads: the
 * main one. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_PROCESS_H
#define COMPOSE_PROCESS_PROCESS_H

#include "bus/runtime/members.h"
#include "bus/runtime/relay.h"
#include "bus/runtime/runtime.h"
#include "bus/transport/kafka/client.h"
#include "compose/process/registry.h"
#include "compose/process/servers.h"

#define SHINA_PARTS_MAX 128 /* services, projections and edges of one process */

typedef struct {
    const bus_config   *config;
    shina_home          home;
    shina_servers       servers;
    bool                runs_servers;
    char                name[SHINA_NAME_BYTES]; /* of this process: unique, also in its leases */
    char                bus_url[BUS_URL_BYTES];
    bus_kafka_settings  kafka; /* from open_bus on, if SHINA_KAFKA is set */
    bus_transport_cover cover; /* from open_bus on: of what brokers keep */
    const char         *kafka_domains[SHINA_PARTS_MAX];
    bus_master_keys    *master_keys; /* from migrate on */
    bus_runtime_options options;
    const char         *parts[SHINA_PARTS_MAX]; /* names, for the members; owned */
    int                 parts_count;
    bus_members        *members;
    bus_service        *services[SHINA_PARTS_MAX];
    bus_projector      *projectors[SHINA_PARTS_MAX];
    int                 services_count, projectors_count;
    struct {
        const bus_worker *of;
        void             *worker;
    } workers[SHINA_PARTS_MAX];
    int        workers_count;
    bus_relay *relay;
} shina_process;

/* Prints a line about what goes on. */
void shina_say(const char *what);

/* Blocks the signals that stop a process, in all its threads, until shina_process_wait; opens the
 * home; takes a name (`what` is "run", "edge", "service-vehicles"); starts the log. */
BUS_CHECKED bus_code shina_process_open(shina_process **out, const bus_config *config,
                                        const char *what, bus_error *err);

/* Runs the embedded servers from here on, those that are not configured elsewhere. */
BUS_CHECKED bus_code shina_process_start_servers(shina_process *p, bus_error *err);
/* Waits until the database answers: the configured one, or that of a `shina servers` of the same
 * home. BUS_UNAVAILABLE after a while, BUS_CLOSED when asked to stop meanwhile. */
BUS_CHECKED bus_code shina_process_find_servers(shina_process *p, bus_error *err);
/* Every process applies the migrations when it starts: the first one does it. Then the master keys
 * are proven to be those of this database (BUS_DENIED), and the process is sealed (sandbox.h). */
BUS_CHECKED bus_code shina_process_migrate(shina_process *p, bus_error *err);

/* What the configuration says of Kafka: the transport, the relay and verify go by it. domains: room
 * for what out points to. */
void shina_kafka_settings(const bus_config *config, const char *process,
                          const char *domains[SHINA_PARTS_MAX], bus_kafka_settings *out);

/* Opens the bus, after migrate; `alone`: all is in this process unless SHINA_BUS says otherwise.
 * BUS_INVALID: it says inproc to one that is not alone, or what is said of Kafka is wrong, or a
 * topic is. */
BUS_CHECKED bus_code shina_process_open_bus(shina_process *p, bool alone, bus_error *err);

/* Names a part that will be started; then join tells the others of all that were named. */
void                 shina_process_add_part(shina_process *p, const char *kind, const char *name);
BUS_CHECKED bus_code shina_process_join(shina_process *p, bus_error *err);

/* With the worker of its domain, if it has one. */
BUS_CHECKED bus_code shina_process_start_service(shina_process *p, const bus_module *module,
                                                 bus_error *err);
/* All views of the module's contract; nothing if it has none. */
BUS_CHECKED bus_code shina_process_start_projection(shina_process *p, const bus_module *module,
                                                    bus_error *err);

/* Is there somewhere to relay events to? From open_bus on. */
bool shina_process_relays(const shina_process *p);
/* Copies the events of these modules to Kafka. BUS_INVALID: SHINA_KAFKA names no brokers. */
BUS_CHECKED bus_code shina_process_start_relay(shina_process *p, const bus_module *const *modules,
                                               int count, bus_error *err);

/* As edge_options.health: of the services, projections and the relay of this
 * process. */
int shina_process_health(void *process, bus_health *out, int max);
/* As bus_runtime_options.url_of; context is the process. */
const char *shina_process_url_of(void *process, const char *domain);

/* Sleeps until a signal to stop comes, and looks after the servers meanwhile. */
void shina_process_wait(shina_process *p);
/* Stops everything. Accepts NULL. */
void shina_process_close(shina_process *p);

/* --- processes of services or projections alone ---------------------------- */

/* Runs the services and the projections of these modules until it is told to stop: the whole of
 * `shina service` and of shina-<domain>. Returns the exit code. */
int shina_process_run(const bus_config *config, const char *what, const bus_module *const *services,
                      int services_count, const bus_module *const *projections,
                      int projections_count);
/* The same of a relay: the whole of `shina relay`. */
int shina_process_run_relay(const bus_config *config, const bus_module *const *modules, int count);

#endif
