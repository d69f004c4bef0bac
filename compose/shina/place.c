/* place.c - the database of a system.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/place.h"
#include "compose/process/keys.h"

#include <stdio.h>
#include <string.h>

bus_code
shina_place_find(shina_place *place, const bus_config *config, bus_error *err)
{
    bus_code rc;

    *place = (shina_place){.config = config};
    if ((rc = shina_home_open(&place->home, config, false, err)) != BUS_OK)
        return rc;
    shina_servers_urls(&place->servers, &place->home, config);
    place->options = (bus_store_options){.url = place->servers.database_url,
                                         .application = "shina inspect",
                                         .clock = bus_clock_system(),
                                         .archive = place->home.archive};
    return BUS_OK;
}

static const char *
url_of(void *context, const char *domain)
{
    const shina_place *place = context;

    return bus_config_text_of(place->config, "SHINA_DATABASE_URL", domain);
}

bus_code
shina_place_keys(shina_place *place, bus_error *err)
{
    return shina_master_keys(&place->home, place->config, place->servers.database_url, false,
                             &place->master_keys, err);
}

void
shina_place_leave(shina_place *place)
{
    bus_master_keys_destroy(place->master_keys);
    place->master_keys = NULL;
}

bus_personal *
shina_place_personal(const shina_place *place)
{
    const bus_personal_options options = {.store = &bus_key_store_postgres,
                                          .url = place->servers.database_url,
                                          .application = "shina inspect",
                                          .masters = place->master_keys,
                                          .clock = bus_clock_system()};

    return bus_personal_create(&options);
}

bool
shina_place_has_own(shina_place *place, const char *domain)
{
    return url_of(place, domain) != NULL;
}

bus_code
shina_place_log(bus_store **out, shina_place *place, const char *domain, bus_error *err)
{
    bus_store_options options = place->options;
    const char       *own = url_of(place, domain);

    if (own != NULL)
        options.url = own;
    return bus_store_postgres.open(out, &options, err);
}

bus_runtime_options
shina_place_runtime(shina_place *place)
{
    return (bus_runtime_options){
        .store = &bus_store_postgres,
        .store_options = place->options,
        .key_store = &bus_key_store_postgres,
        .master_keys = place->master_keys,
        .url_of = url_of,
        .url_context = place,
        .clock = bus_clock_system(),
        .contracts = shina_contracts,
        .contracts_count = shina_modules_count,
        .modules = shina_modules,
        .modules_count = shina_modules_count,
        .partitions = (int)bus_config_int(place->config, "SHINA_PARTITIONS"),
        .rebuild_bytes = (size_t)bus_config_int(place->config, "SHINA_REBUILD_BYTES"),
    };
}

bool
shina_place_knows(const char *verb, const char *domain)
{
    for (int i = 0; i < shina_modules_count; i++)
        if (strcmp(shina_modules[i]->contract->module, domain) == 0)
            return true;
    (void)fprintf(stderr, "shina %s: there is no domain %s; there are", verb, domain);
    for (int i = 0; i < shina_modules_count; i++)
        (void)fprintf(stderr, " %s", shina_modules[i]->contract->module);
    (void)fputc('\n', stderr);
    return false;
}
