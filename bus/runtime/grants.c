/* grants.c - who may read whose log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/grants.h"
#include "bus/log/log.h"
#include "bus/runtime/owners.h"

typedef enum {
    NOTHING,
    READ,  /* the log */
    REACH, /* who owns which partition */
    FORGET /* persons; of itself */
} leave;

static void
not_granted(const char *to, const char *of, const bus_error *err)
{
    if (err->code == BUS_DENIED) /* to who logs in as the domain: the owner has done it before */
        bus_log_info("runtime.not_granted", BUS_KV("to", to), BUS_KV("of", of), BUS_KV_ERR(err));
    else
        bus_log_warn("runtime.not_granted", BUS_KV("to", to), BUS_KV("of", of), BUS_KV_ERR(err));
}

static void
grant_in(const bus_runtime_options *options, bus_store *st, const char *to, const char *domain,
         leave what)
{
    const bus_store_ops *store = options->store;
    bus_error            err = {0};
    bus_code             rc = store->create_domain(st, domain, options->partitions, &err);

    if (rc == BUS_OK && what != NOTHING)
        rc = what == READ    ? store->follow_domain(st, to, domain, &err)
             : what == REACH ? store->reach_domain(st, to, domain, &err)
                             : store->let_forget(st, domain, &err);
    if (rc != BUS_OK)
        not_granted(to, domain, &err);
}

static void
grant(const bus_runtime_options *options, const char *to, const char *domain, leave what)
{
    bus_store *st = NULL;
    bus_error  err = {0};

    if (bus_runtime_store(options, NULL, domain, "shina grants", &st, &err) != BUS_OK) {
        not_granted(to, domain, &err);
        return;
    }
    grant_in(options, st, to, domain, what);
    options->store->close(st);
}

void
bus_runtime_grant_reach(const bus_runtime_options *options, const char *as, const char *domain)
{
    grant(options, as, domain, REACH);
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

static bool
forgets(const bus_contract *contract)
{
    for (int i = 0; i < contract->aggregates_count; i++)
        for (int k = 0; k < contract->aggregates[i]->events_count; k++)
            if (contract->aggregates[i]->events[k]->forgets)
                return true;
    return false;
}

void
bus_runtime_grant(const bus_runtime_options *options, const bus_contract *contract)
{
    for (int i = 0; i < contract->follows_count; i++)
        if (contract->follows[i]->aggregate->contract != contract &&
            !met_before(contract->follows, i))
            grant(options, contract->module, contract->follows[i]->aggregate->contract->module,
                  READ);
    for (int i = 0; i < contract->sends_count; i++)
        if (contract->sends[i]->aggregate->contract != contract && !met_before(contract->sends, i))
            grant(options, contract->module, contract->sends[i]->aggregate->contract->module,
                  REACH);
    if (forgets(contract))
        grant(options, contract->module, contract->module, FORGET);
}

void
bus_runtime_grant_keys(const bus_runtime_options *options, const bus_contract *contract)
{
    const char *domain = contract->module;
    bus_store  *st = NULL;
    bus_error   err = {0};

    if (options->key_store == NULL || options->url_of == NULL ||
        options->url_of(options->url_context, domain) == NULL)
        return;
    if (bus_runtime_views_store(options, NULL, "shina grants", &st, &err) != BUS_OK) {
        not_granted(domain, "keys", &err);
        return;
    }
    grant_in(options, st, domain, domain, forgets(contract) ? FORGET : NOTHING);
    options->store->close(st);
}
