/* servers.h - the embedded PostgreSQL and Redis of $SHINA_HOME.
 *
 * They are processes of their own that outlive a crash of shina: the next start adopts them. A
 * clean stop ends them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_SERVERS_H
#define COMPOSE_PROCESS_SERVERS_H

#include "compose/process/home.h"

#define SERVER_URL_BYTES 2048

/* One of them, started by us or by a shina before us. */
typedef struct {
    pid_t pid; /* 0: not running */
    int   fd;  /* readable when it has ended, whoever is its parent; -1: there is no such thing */
} shina_server;

typedef struct {
    const shina_home *home;
    bool              postgres, redis; /* ours to run */
    shina_server      postgres_server, redis_server;
    char              database_url[SERVER_URL_BYTES], redis_url[SERVER_URL_BYTES];
} shina_servers;

/* Where the database is, whether or not it runs: the configured one or the embedded. */
void shina_servers_urls(shina_servers *servers, const shina_home *home, const bus_config *config);

/* Starts (or adopts) what is not configured elsewhere. `say` is called before slow steps. */
BUS_CHECKED bus_code shina_servers_start(shina_servers *servers, void (*say)(const char *what),
                                         bus_error     *err);
/* Starts again what has died. Call now and then. */
void shina_servers_watch(shina_servers *servers);
void shina_servers_stop(shina_servers *servers);

/* In a child between fork and exec: no signal is blocked or ignored because we do so. */
void shina_fresh_signals(void);
/* Likewise: programs of others get none of our keys (SHINA_...), which may be secrets. */
void shina_forget_environment(void);

#endif
