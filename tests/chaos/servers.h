/* servers.h - a PostgreSQL and a Redis of the test's own, which no fault of a shina's process
 * reaches, and to which a shina may be led through a proxy. Threads: one. Whatever fails ends the
 * program. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_SERVERS_H
#define TESTS_CHAOS_SERVERS_H

#include "tests/support/postgres.h"

#include <sys/types.h>

#define CHAOS_URL_BYTES 512

typedef struct {
    tests_postgres *postgres;
    pid_t           redis;
    char            database_url[CHAOS_URL_BYTES], redis_url[CHAOS_URL_BYTES];
    char            postgres_socket[CHAOS_URL_BYTES]; /* path of its socket */
    char            database[64];                     /* its name */
    char            dir[CHAOS_URL_BYTES];             /* Redis's folder */
    char            redis_socket[CHAOS_URL_BYTES];
} chaos_servers;

/* PostgreSQL with fsync, migrated, and Redis, each over a socket in a folder. */
void chaos_servers_start(chaos_servers *servers);
/* With PostgreSQL's write-ahead log in a folder, and a library preloaded; either may be NULL. */
void chaos_servers_start_with(chaos_servers *servers, const char *wal, const char *preload);
/* Ends them and removes what they kept. */
void chaos_servers_stop(chaos_servers *servers);

/* URLs of the same by a port of this machine. */
void chaos_servers_database_by(const chaos_servers *servers, const char *host, int port,
                               char out[CHAOS_URL_BYTES]);

#endif
