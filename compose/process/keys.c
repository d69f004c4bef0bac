/* keys.c - from the configuration to proven master keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/keys.h"

#include <stdlib.h>
#include <string.h>

bus_code
shina_master_keys(const shina_home *home, const bus_config *config, const char *database_url,
                  bool begin, bus_master_keys **out, bus_error *err)
{
    bus_master_keys *masters = NULL;
    char            *text = NULL;
    bus_code         rc = shina_home_master_keys(home, config, begin, &text, err);

    if (rc != BUS_OK)
        return rc;
    rc = bus_master_keys_parse(&masters, text, err);
    explicit_bzero(text, strlen(text));
    free(text);
    if (rc == BUS_OK)
        rc = bus_master_keys_check(masters, &bus_key_store_postgres, database_url, begin, err);
    if (rc != BUS_OK) {
        bus_master_keys_destroy(masters);
        return rc;
    }
    *out = masters;
    return BUS_OK;
}
