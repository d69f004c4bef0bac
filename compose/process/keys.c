/* keys.c - from the configuration to proven master keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/keys.h"

#include <stdlib.h>
#include <string.h>

static bus_code
from_text(const char *text, const char *path, const char *database_url, bool begin,
          bus_master_keys **out, bus_error *err)
{
    bus_master_keys *masters = NULL;
    bus_code         rc = bus_master_keys_parse(&masters, text, err);

    if (rc != BUS_OK)
        return rc;
    if (path[0] != '\0')
        bus_master_keys_watch(masters, path);
    rc = bus_master_keys_check(masters, &bus_key_store_postgres, database_url, begin, err);
    if (rc != BUS_OK) {
        bus_master_keys_destroy(masters);
        return rc;
    }
    *out = masters;
    return BUS_OK;
}

bus_code
shina_master_keys(const shina_home *home, const bus_config *config, const char *database_url,
                  bool begin, bus_master_keys **out, bus_error *err)
{
    char     path[HOME_PATH_BYTES + 16], *text = NULL;
    bus_code rc = shina_home_master_file(home, config, begin, path, err);

    if (rc != BUS_OK)
        return rc;
    if (path[0] == '\0')
        return from_text(bus_config_text(config, "SHINA_MASTER_KEYS"), "", database_url, begin, out,
                         err);
    if ((rc = bus_master_keys_read(path, &text, err)) != BUS_OK)
        return rc;
    shina_home_check_secret(path);
    rc = from_text(text, path, database_url, begin, out, err);
    explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}
