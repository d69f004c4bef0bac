/* token.c - `shina token`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/token.h"
#include "bus/base/clock.h"
#include "compose/process/home.h"
#include "compose/shina/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MAX_S (366 * 86400) /* nobody can revoke it */

/* False: said on stderr. */
static bool
id_option(int argc, char **argv, const char *name, bus_id *out)
{
    const char *text = option_of(argc, argv, name);

    if (text == NULL || bus_id_parse(bus_str_of(text), out))
        return true;
    (void)fprintf(stderr, "shina token: %s must be a UUID\n", name);
    return false;
}

int
verb_token(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {
        "--tenant=", "--role=", "--user=", "--driver=", "--grant=", "--ttl=", NULL};
    edge_token_request request = {.now_s = bus_now_ms(bus_clock_system()) / 1000,
                                  .ttl_s = 3600,
                                  .user = bus_new_v7(bus_clock_system())};
    const char        *ttl = option_of(argc, argv, "--ttl");
    shina_home         home;
    char              *keys = NULL, *token = NULL, *end = NULL;
    bus_error          err = {0};
    int                rc = 1;

    if (!options_known(argc, argv, known, 0) ||
        !id_option(argc, argv, "--tenant", &request.tenant) ||
        !id_option(argc, argv, "--user", &request.user) ||
        !id_option(argc, argv, "--driver", &request.driver_id))
        return 2;
    request.roles = option_of(argc, argv, "--role");
    request.grants = option_of(argc, argv, "--grant");
    if (bus_id_is_nil(request.tenant) || request.roles == NULL) {
        (void)fputs("shina token: --tenant and --role are needed. See shina help token\n", stderr);
        return 2;
    }
    if (bus_id_is_nil(request.driver_id) && strstr(request.roles, "DRIVER") != NULL) {
        (void)fputs("shina token: --role DRIVER needs --driver, or it would see nothing\n", stderr);
        return 2;
    }
    errno = 0;
    if (ttl != NULL && ((request.ttl_s = strtoll(ttl, &end, 10)) < 1 || request.ttl_s > TTL_MAX_S ||
                        *end != '\0' || errno != 0)) {
        (void)fputs("shina token: --ttl must be a number of seconds, at most a year\n", stderr);
        return 2;
    }
    if (shina_home_open(&home, config, false, &err) != BUS_OK ||
        shina_home_jwt_keys(&home, config, &keys, &err) != BUS_OK ||
        edge_token_make(&token, keys, &request, &err) != BUS_OK) {
        rc = failed(&err);
    } else {
        (void)puts(token);
        rc = 0;
    }
    free(token);
    free(keys);
    return rc;
}
