/* runtime.h - runs modules and views: the generic part of every service and projection.
 *
 * A service is one writer thread per domain (commands to events) with its companions: the
 * sender (sends and answers), the reactor (events of others to commands). A projector is one
 * thread per domain that fills its views. All of them find their work in the store and the
 * transport, so any number of processes may run them; leases decide who does what.
 * Threads: start and stop from one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_RUNTIME_H
#define BUS_RUNTIME_RUNTIME_H

#include "bus/base/clock.h"
#include "bus/base/thread.h"
#include "bus/module/module.h"
#include "bus/personal/personal.h"
#include "bus/store/store.h"
#include "bus/transport/transport.h"

#include <string.h>

/* A reader with this before its name keeps a time in the place of an offset: the log has no such
 * place, and nothing waits for it. */
#define BUS_TIME_READER "replay "
static inline bool
bus_reader_keeps_time(bus_str reader)
{
    return reader.len >= sizeof(BUS_TIME_READER) - 1 &&
           memcmp(reader.at, BUS_TIME_READER, sizeof(BUS_TIME_READER) - 1) == 0;
}

typedef struct bus_service   bus_service;
typedef struct bus_projector bus_projector;
typedef struct bus_members   bus_members; /* bus/runtime/members.h */

/* What every part of a process shares. Borrowed until the last one is stopped. */
typedef struct {
    const bus_store_ops *store;
    bus_store_options    store_options; /* .url is the default database */
    /* URL of a domain's own database, or NULL for the default. May be NULL. */
    const char *(*url_of)(void *context, const char *domain);
    void *url_context;
    /* Keys of personal data, in the default database. key_store NULL: what is personal can be
     * neither read nor written; nothing else needs them. */
    const bus_key_store_ops   *key_store;
    const bus_master_keys     *master_keys;
    const bus_transport_ops   *transport_ops;
    bus_transport             *transport;
    const bus_clock           *clock;
    const bus_threads         *threads;   /* what all parts run on; NULL: the system's */
    const bus_contract *const *contracts; /* all domains known: who is sent to, who is followed */
    int                        contracts_count;
    int                        partitions; /* of a domain, when its schema is made */
    const char                *process;    /* unique name of this process, in leases of readers */
    bool                       sole;       /* nobody else can run (flock): take leases at once */
    const bus_members         *members;    /* how partitions are shared; NULL: all are ours */
    size_t                     states_bytes_max; /* bound of the LRU of states, per service */
    int                        batch_max;        /* commands per append, at most */
    int snapshot_events; /* a stream is snapshotted every so many events; 0: never, nor read */
    /* What is linked here, for verify to replay states; may be none. */
    const bus_module *const *modules;
    int                      modules_count;
    size_t  rebuild_bytes; /* rows of views held while their tables are built; 0: 64 MiB */
    int64_t view_grace_ms; /* tables of views unused for so long are dropped; 0: a day */
    /* Tenant settings: the module's struct for the tenant, or NULL for its defaults. May be NULL.
     */
    const void *(*settings_of)(void *context, const bus_contract *contract, bus_id tenant);
    void *settings_context;
} bus_runtime_options;

BUS_CHECKED bus_code bus_service_start(bus_service **out, const bus_module *module,
                                       const bus_runtime_options *options, bus_error *err);
/* Stops taking, finishes what was taken, gives the leases back. */
void bus_service_stop(bus_service *service);

BUS_CHECKED bus_code bus_projector_start(bus_projector **out, const bus_contract *contract,
                                         const bus_view *const *views, int views_count,
                                         const bus_runtime_options *options, bus_error *err);
void                 bus_projector_stop(bus_projector *projector);

/* How a part is, for /readyz and `shina status`. */
typedef struct {
    const char *part;        /* "service vehicles", "projector vehicles" */
    int         partitions;  /* held */
    int         of;          /* partitions of the domain */
    int64_t     behind;      /* events written but not yet read by it */
    int         parked;      /* streams that wait */
    int         quarantined; /* streams with a fault */
    bool        ready;       /* does its work; a projector also: has caught up once */
    bool        aside;       /* requests are served without it: /readyz does not wait for it */
    char        detail[128]; /* why not, for people */
} bus_health;

#define BUS_HEALTH_MAX 9
/* Fills up to BUS_HEALTH_MAX entries and returns how many. */
int bus_service_health(const bus_service *service, bus_health *out);
int bus_projector_health(const bus_projector *projector, bus_health *out);

#endif
