/* grants.c - who may read whose log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/grants.h"
#include "bus/log/log.h"
#include "bus/runtime/owners.h"

/* reads: the log; else only who owns which partition. */
static void
grant(const bus_runtime_options *options, const char *reader, const bus_message *of, bool reads)
{
    const bus_store_ops *store = options->store;
    const char          *domain = of->aggregate->contract->module;
    bus_store           *st = NULL;
    bus_error            err = {0};
    bus_code             rc;

    rc = bus_runtime_store(options, domain, "shina grants", &st, &err);
    if (rc == BUS_OK)
        rc = store->create_domain(st, domain, options->partitions, &err);
    if (rc == BUS_OK)
        rc = reads ? store->follow_domain(st, reader, domain, &err)
                   : store->reach_domain(st, reader, domain, &err);
    if (rc != BUS_OK)
        bus_log_info("runtime.not_granted", BUS_KV("to", reader), BUS_KV("of", domain),
                     BUS_KV_ERR(&err));
    store->close(st);
}

/* Was the domain of the nth met before? */
static bool
met_before(const bus_message *const *messages, int nth)
{
    for (int i = 0; i < nth; i++)
        if (messages[i]->aggregate->contract == messages[nth]->aggregate->contract)
            return true;
    return false;
}

void
bus_runtime_grant(const bus_runtime_options *options, const bus_contract *contract)
{
    for (int i = 0; i < contract->follows_count; i++)
        if (contract->follows[i]->aggregate->contract != contract &&
            !met_before(contract->follows, i))
            grant(options, contract->module, contract->follows[i], true);
    for (int i = 0; i < contract->sends_count; i++)
        if (contract->sends[i]->aggregate->contract != contract && !met_before(contract->sends, i))
            grant(options, contract->module, contract->sends[i], false);
}
