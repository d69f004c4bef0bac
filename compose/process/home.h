/* home.h - the folder of the embedded default: $SHINA_HOME.
 *
 *   lock  id  jwt.key  master.key  log/  names/ (locks)  run/ (sockets)  postgres/ (data)
 *   archive/ (old events, unless SHINA_ARCHIVE is elsewhere)
 *
 * PostgreSQL does not run as root: then run/ and postgres/ belong to an unprivileged user, and
 * lie under /var/lib/shina/<hash> when that user cannot reach $SHINA_HOME.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_HOME_H
#define COMPOSE_PROCESS_HOME_H

#include "bus/base/error.h"
#include "bus/config/config.h"

#include <sys/types.h>

#define HOME_PATH_BYTES 1024

typedef struct {
    char  dir[HOME_PATH_BYTES];     /* absolute */
    char  data[HOME_PATH_BYTES];    /* where the servers may write */
    char  run[HOME_PATH_BYTES];     /* sockets: a short path */
    char  archive[HOME_PATH_BYTES]; /* old events, SHINA_ARCHIVE; made when there are some */
    int   lock;                     /* file descriptors, or -1: of the servers, */
    int   use, name;                /* ... of the processes' use of them, and of our name */
    uid_t uid;                      /* whom the servers run as */
    gid_t gid;
} shina_home;

/* Names the folders; makes them when `make`. */
BUS_CHECKED bus_code shina_home_open(shina_home *home, const bus_config *config, bool make,
                                     bus_error *err);
/* Until the process ends we alone run the servers of the folder. BUS_DENIED: another does. */
BUS_CHECKED bus_code shina_home_lock(shina_home *home, bus_error *err);
/* Until the process ends we use the servers: alone, which proves that no lease in them is
 * another's, or beside others. BUS_DENIED: others use them, or one that is alone. */
BUS_CHECKED bus_code shina_home_use(shina_home *home, bool alone, bus_error *err);
/* A name that no other process has as long as we live, and that the next one gets who is started
 * like us: "service-vehicles-1.3fa9c2d10b77", of `what`, the first free number, and the folder's
 * id. It comes back after a crash with all that was held under it. */
#define SHINA_NAME_BYTES 96
BUS_CHECKED bus_code shina_home_name(shina_home *home, const char *what, char out[SHINA_NAME_BYTES],
                                     bus_error *err);
void                 shina_home_close(shina_home *home);

/* The configured JWT keys, or those of jwt.key, made at the first time. Freed by the caller. */
BUS_CHECKED bus_code shina_home_jwt_keys(const shina_home *home, const bus_config *config,
                                         char **out, bus_error *err);

/* Where the master keys stand: the file that SHINA_MASTER_KEYS names (file:/path), or, where it is
 * not set, master.key, which is made at the first time if `make`; else *path is empty and the
 * configured text are the keys. */
BUS_CHECKED bus_code shina_home_master_file(const shina_home *home, const bus_config *config,
                                            bool make, char path[HOME_PATH_BYTES + 16],
                                            bus_error *err);
/* Puts another text into such a file: after a crash the old or the new one is there, whole. Its
 * owner and mode stay. */
BUS_CHECKED bus_code shina_home_replace(const char *path, const char *text, bus_error *err);
/* A new key "kid:base64" of 32 bytes of chance. The caller wipes it. */
#define SHINA_KEY_TEXT_BYTES 96
void shina_home_new_key(const char *kid, char out[SHINA_KEY_TEXT_BYTES]);

/* Warns in the log (keys.readable_by_all) where everybody on the host can read a file of secrets. A
 * warning, not a refusal: secrets of containers are files of mode 0444. */
void shina_home_check_secret(const char *path);

/* In a child between fork and exec: gives up root for the unprivileged user. */
void shina_home_drop_root(const shina_home *home);

#endif
