/* owners.c - a small table of addresses per domain.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/owners.h"
#include "bus/log/log.h"
#include "bus/runtime/grants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define READ_AGAIN_US 100000
#define GRANT_AGAIN_US 30000000
#define DOMAIN_BYTES 64
#define ROLE_BYTES 64

typedef struct table {
    char           domain[DOMAIN_BYTES];
    bus_store     *store; /* its own connection: asked rarely */
    char          *addresses[BUS_PARTITIONS_MAX];
    bool           stale;
    int64_t        read_us, granted_us;
    UT_hash_handle hh;
} table;

struct bus_owners {
    const bus_runtime_options *options;
    const char                *as;
    table                     *tables;
};

static const char *
role_of(const char *domain, char out[ROLE_BYTES])
{
    (void)snprintf(out, ROLE_BYTES, "shina_%s", domain);
    return out;
}

/* Its own database, or NULL. */
static const char *
own_url(const bus_runtime_options *options, const char *domain)
{
    return options->url_of == NULL ? NULL : options->url_of(options->url_context, domain);
}

bus_code
bus_runtime_store(const bus_runtime_options *options, const char *as, const char *domain,
                  const char *application, bus_store **out, bus_error *err)
{
    bus_store_options store_options = options->store_options;
    const char       *own = own_url(options, domain);
    char              role[ROLE_BYTES];

    if (own != NULL)
        store_options.url = own;
    if (as != NULL)
        store_options.role = role_of(as, role);
    store_options.application = application;
    return options->store->open(out, &store_options, err);
}

bus_code
bus_runtime_views_store(const bus_runtime_options *options, const char *as, const char *application,
                        bus_store **out, bus_error *err)
{
    bus_store_options store_options = options->store_options;
    char              role[ROLE_BYTES];

    if (as != NULL)
        store_options.role = role_of(as, role);
    store_options.application = application;
    return options->store->open(out, &store_options, err);
}

bus_personal *
bus_runtime_personal(const bus_runtime_options *options, const char *as, const char *application)
{
    char                       role[ROLE_BYTES];
    const bus_personal_options personal = {.store = options->key_store,
                                           .url = options->store_options.url,
                                           .application = application,
                                           .role = as != NULL ? role_of(as, role) : NULL,
                                           .masters = options->master_keys,
                                           .clock = options->clock != NULL ? options->clock
                                                                           : bus_clock_system()};

    return options->key_store == NULL ? NULL : bus_personal_create(&personal);
}

bus_owners *
bus_owners_create(const bus_runtime_options *options, const char *as)
{
    bus_owners *owners = calloc(1, sizeof(*owners));

    if (owners == NULL)
        abort();
    owners->options = options;
    owners->as = as;
    return owners;
}

static void
forget(table *t)
{
    for (int p = 0; p < BUS_PARTITIONS_MAX; p++) {
        free(t->addresses[p]);
        t->addresses[p] = NULL;
    }
}

void
bus_owners_destroy(bus_owners *owners)
{
    table *t, *next;

    if (owners == NULL)
        return;
    HASH_ITER(hh, owners->tables, t, next)
    {
        HASH_DELETE(hh, owners->tables, t);
        forget(t);
        if (t->store != NULL)
            owners->options->store->close(t->store);
        free(t);
    }
    free(owners);
}

static table *
table_of(bus_owners *owners, const char *domain)
{
    table *t;

    HASH_FIND_STR(owners->tables, domain, t);
    if (t != NULL)
        return t;
    BUS_INVARIANT(strlen(domain) < DOMAIN_BYTES);
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        abort();
    memcpy(t->domain, domain, strlen(domain));
    t->stale = true;
    t->read_us = INT64_MIN / 2;
    HASH_ADD_STR(owners->tables, domain, t);
    return t;
}

static void
read_again(bus_owners *owners, table *t)
{
    bus_partition_info *infos;
    bus_arena           arena = {0};
    bus_error           err = {0};
    int                 count;
    bus_code            rc = BUS_OK;

    t->read_us = bus_mono_us(owners->options->clock);
    if (t->store == NULL)
        rc = bus_runtime_store(owners->options, owners->as, t->domain, "shina owners", &t->store,
                               &err);
    if (rc == BUS_OK)
        rc = owners->options->store->partitions(t->store, t->domain, &arena, &infos, &count, &err);
    if (rc == BUS_DENIED && owners->as != NULL &&
        (t->granted_us == 0 || t->read_us - t->granted_us > GRANT_AGAIN_US)) {
        t->granted_us = t->read_us;
        bus_runtime_grant_reach(owners->options, owners->as, t->domain);
    }
    if (rc != BUS_OK) {
        bus_log_warn("owners.read_failed", BUS_KV("domain", t->domain), BUS_KV_ERR(&err));
        bus_arena_fini(&arena);
        return;
    }
    forget(t);
    for (int i = 0; i < count; i++) {
        if (!infos[i].live || infos[i].owner.len == 0)
            continue;
        t->addresses[infos[i].partition] = strndup(infos[i].owner.at, infos[i].owner.len);
        if (t->addresses[infos[i].partition] == NULL)
            abort();
    }
    t->stale = false;
    bus_arena_fini(&arena);
}

const char *
bus_owners_of(bus_owners *owners, const char *domain, int partition)
{
    table *t = table_of(owners, domain);

    BUS_INVARIANT(partition >= 0 && partition < BUS_PARTITIONS_MAX);
    if ((t->stale || t->addresses[partition] == NULL) &&
        bus_mono_us(owners->options->clock) - t->read_us >= READ_AGAIN_US)
        read_again(owners, t);
    return t->addresses[partition];
}

void
bus_owners_stale(bus_owners *owners, const char *domain)
{
    table_of(owners, domain)->stale = true;
}
