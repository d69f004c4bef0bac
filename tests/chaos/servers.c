/* servers.c - starting them, and their URLs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/servers.h"
#include "tests/chaos/say.h"

#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TRIES 500 /* of 20 ms */

static void
read_database_url(chaos_servers *servers)
{
    PQconninfoOption *options;

    (void)snprintf(servers->database_url, CHAOS_URL_BYTES, "%s",
                   tests_postgres_url(servers->postgres));
    options = PQconninfoParse(servers->database_url, NULL);
    if (options == NULL)
        chaos_die("not a URL: %s", servers->database_url);
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (o->val == NULL)
            continue;
        if (strcmp(o->keyword, "host") == 0)
            (void)snprintf(servers->postgres_socket, CHAOS_URL_BYTES, "%.400s/.s.PGSQL.5432",
                           o->val);
        else if (strcmp(o->keyword, "dbname") == 0)
            (void)snprintf(servers->database, sizeof(servers->database), "%s", o->val);
    }
    PQconninfoFree(options);
}

static void
start_redis(chaos_servers *servers)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(servers->dir, sizeof(servers->dir), "%.64s/shina-redis-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(servers->dir) == NULL)
        chaos_die("%s: %s", servers->dir, strerror(errno));
    (void)snprintf(servers->redis_socket, CHAOS_URL_BYTES, "%.400s/redis.sock", servers->dir);
    (void)snprintf(servers->redis_url, CHAOS_URL_BYTES, "unix:%.400s", servers->redis_socket);
    servers->redis = fork();
    if (servers->redis < 0)
        chaos_die("fork: %s", strerror(errno));
    if (servers->redis == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
                     servers->redis_socket, "--save", "", "--logfile", "/dev/null", "--dir",
                     servers->dir, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; access(servers->redis_socket, F_OK) != 0; i++) {
        if (i == START_TRIES || waitpid(servers->redis, NULL, WNOHANG) != 0)
            chaos_die("Redis does not start");
        chaos_pause_ms(20);
    }
}

void
chaos_servers_start(chaos_servers *servers)
{
    chaos_servers_start_with(servers, NULL, NULL);
}

void
chaos_servers_start_with(chaos_servers *servers, const char *wal, const char *preload)
{
    const tests_postgres_options options = {.durable = true, .wal = wal, .preload = preload};

    *servers = (chaos_servers){.postgres = tests_postgres_start_with(&options)};
    read_database_url(servers);
    start_redis(servers);
}

void
chaos_servers_stop(chaos_servers *servers)
{
    (void)kill(servers->redis, SIGKILL);
    (void)waitpid(servers->redis, NULL, 0);
    (void)unlink(servers->redis_socket);
    if (rmdir(servers->dir) != 0)
        chaos_say("%s is left: %s", servers->dir, strerror(errno));
    tests_postgres_stop(servers->postgres);
}

void
chaos_servers_database_by(const chaos_servers *servers, const char *host, int port,
                          char out[CHAOS_URL_BYTES])
{
    (void)snprintf(out, CHAOS_URL_BYTES, "postgres://shina@%s:%d/%s?sslmode=disable", host, port,
                   servers->database);
}
