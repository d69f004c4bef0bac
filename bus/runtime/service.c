/* service.c - a domain's service: its writer, the courier of its sends, a courier for each domain
 * that it reacts to, and one that forgets people.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/courier.h"
#include "bus/runtime/grants.h"
#include "bus/runtime/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLLOWED_MAX 6 /* domains that one module reacts to */

struct bus_service {
    bus_writer  *writer;
    bus_courier *sends, *forgets; /* NULL: it has none to send, nobody to forget */
    bus_courier *reactions[FOLLOWED_MAX];
    int          reactions_count;
    char         parts[3 + FOLLOWED_MAX][96]; /* names for health */
};

_Static_assert(BUS_HEALTH_MAX >= 3 + FOLLOWED_MAX, "room for the health of all parts");

static bool
forgets_anybody(const bus_contract *contract)
{
    for (int a = 0; a < contract->aggregates_count; a++) {
        const bus_aggregate_contract *aggregate = contract->aggregates[a];

        for (int i = 0; i < aggregate->events_count; i++)
            if (aggregate->events[i]->forgets)
                return true;
        for (int i = 0; i < aggregate->superseded_count; i++)
            if (aggregate->superseded[i]->forgets)
                return true;
    }
    return false;
}

static bool
followed_before(const bus_module *module, int nth)
{
    for (int i = 0; i < nth; i++)
        if (module->reactions[i].on->aggregate->contract ==
            module->reactions[nth].on->aggregate->contract)
            return true;
    return false;
}

static bus_code
start_reactions(bus_service *service, const bus_module *module, const bus_runtime_options *options,
                bus_error *err)
{
    for (int i = 0; i < module->reactions_count; i++) {
        const char *domain = module->reactions[i].on->aggregate->contract->module;
        bus_code    rc;

        if (followed_before(module, i))
            continue;
        if (service->reactions_count == FOLLOWED_MAX)
            return bus_fail(err, BUS_INVALID, "%s reacts to more than %d domains",
                            module->contract->module, FOLLOWED_MAX);
        rc = bus_courier_start_reactions(&service->reactions[service->reactions_count], module,
                                         domain, options, err);
        if (rc != BUS_OK)
            return rc;
        (void)snprintf(service->parts[3 + service->reactions_count++], sizeof(service->parts[0]),
                       "reactions %.40s to %.40s", module->contract->module, domain);
    }
    return BUS_OK;
}

bus_code
bus_service_start(bus_service **out, const bus_module *module, const bus_runtime_options *options,
                  bus_error *err)
{
    bus_service *service = calloc(1, sizeof(*service));
    bus_code     rc;

    if (service == NULL)
        abort();
    (void)snprintf(service->parts[0], sizeof(service->parts[0]), "service %.80s",
                   module->contract->module);
    (void)snprintf(service->parts[1], sizeof(service->parts[1]), "sends %.80s",
                   module->contract->module);
    (void)snprintf(service->parts[2], sizeof(service->parts[2]), "forgetting %.80s",
                   module->contract->module);
    bus_runtime_grant_keys(options, module->contract);
    if ((rc = bus_writer_start(&service->writer, module, options, err)) != BUS_OK)
        goto failed;
    bus_runtime_grant(options, module->contract);
    if (module->contract->sends_count > 0 &&
        (rc = bus_courier_start_sends(&service->sends, module, options, err)) != BUS_OK)
        goto failed;
    if (forgets_anybody(module->contract) &&
        (rc = bus_courier_start_forgetting(&service->forgets, module, options, err)) != BUS_OK)
        goto failed;
    if ((rc = start_reactions(service, module, options, err)) != BUS_OK)
        goto failed;
    *out = service;
    return BUS_OK;

failed:
    bus_service_stop(service);
    return rc;
}

void
bus_service_stop(bus_service *service)
{
    if (service == NULL)
        return;
    for (int i = 0; i < service->reactions_count; i++)
        bus_courier_stop(service->reactions[i]);
    bus_courier_stop(service->forgets);
    bus_courier_stop(service->sends);
    bus_writer_stop(service->writer);
    free(service);
}

int
bus_service_health(const bus_service *service, bus_health *out)
{
    int count = 0;

    bus_writer_health(service->writer, &out[count]);
    out[count++].part = service->parts[0];
    if (service->sends != NULL) {
        bus_courier_health(service->sends, &out[count]);
        out[count++].part = service->parts[1];
    }
    if (service->forgets != NULL) {
        bus_courier_health(service->forgets, &out[count]);
        out[count++].part = service->parts[2];
    }
    for (int i = 0; i < service->reactions_count; i++) {
        bus_courier_health(service->reactions[i], &out[count]);
        out[count++].part = service->parts[3 + i];
    }
    return count;
}
