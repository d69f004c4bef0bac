/* home.h - the folder of the embedded default: $SHINA_HOME.
 *
 *   lock  jwt.key  log/  run/ (sockets)  postgres/ (data)
 *
 * PostgreSQL does not run as root: then run/ and postgres/ belong to an unprivileged user, and
 * lie under /var/lib/shina/<hash> when that user cannot reach $SHINA_HOME.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_HOME_H
#define COMPOSE_SHINA_HOME_H

#include "bus/base/error.h"
#include "bus/config/config.h"

#include <sys/types.h>

#define HOME_PATH_BYTES 1024

typedef struct {
    char  dir[HOME_PATH_BYTES];  /* absolute */
    char  data[HOME_PATH_BYTES]; /* where the servers may write */
    char  run[HOME_PATH_BYTES];  /* sockets: a short path */
    int   lock;                  /* file descriptor, or -1 */
    uid_t uid;                   /* whom the servers run as */
    gid_t gid;
} shina_home;

/* Names the folders; makes them when `make`. */
BUS_CHECKED bus_code shina_home_open(shina_home *home, const bus_config *config, bool make,
                                     bus_error *err);
/* Proves sole use of the folder until the process ends. BUS_DENIED: another shina runs there. */
BUS_CHECKED bus_code shina_home_lock(shina_home *home, bus_error *err);
void                 shina_home_close(shina_home *home);

/* The configured JWT keys, or those of jwt.key, made at the first time. Freed by the caller. */
BUS_CHECKED bus_code shina_home_jwt_keys(const shina_home *home, const bus_config *config,
                                         char **out, bus_error *err);

/* In a child between fork and exec: gives up root for the unprivileged user. */
void shina_home_drop_root(const shina_home *home);

#endif
