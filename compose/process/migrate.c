/* migrate.c - running sql-migrate.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/migrate.h"
#include "compose/process/registry.h"
#include "compose/process/servers.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES (HOME_PATH_BYTES + 64)
#define MIGRATION_LOCK "7311984022"

static bus_code
run_sql_migrate(const char *database_url, const char *folder, bus_error *err)
{
    char    config[PATH_BYTES], output[512] = "";
    int     pipes[2], status;
    ssize_t got, used = 0;
    pid_t   pid;

    (void)snprintf(config, sizeof(config), "-config=%s/dbconfig.yml", folder);
    if (pipe(pipes) != 0 || (pid = fork()) < 0)
        return bus_fail(err, BUS_UNAVAILABLE, "no process for sql-migrate: %s", strerror(errno));
    if (pid == 0) {
        char parent[PATH_BYTES];

        shina_fresh_signals();
        (void)snprintf(parent, sizeof(parent), "%s/..", folder);
        if (dup2(pipes[1], STDOUT_FILENO) < 0 || dup2(pipes[1], STDERR_FILENO) < 0 ||
            chdir(parent) != 0 || setenv("SHINA_DATABASE_URL", database_url, 1) != 0)
            _exit(125);
        (void)close(pipes[0]);
        (void)execlp("sql-migrate", "sql-migrate", "up", config, (char *)NULL);
        _exit(127);
    }
    (void)close(pipes[1]);
    while ((got = read(pipes[0], output + used, sizeof(output) - 1 - (size_t)used)) > 0) {
        used += got;
        if (used == (ssize_t)sizeof(output) - 1)
            used = 0; /* the end is what matters */
    }
    (void)close(pipes[0]);
    output[used] = '\0';
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return bus_fail(err, BUS_INVALID, "sql-migrate: %.200s",
                        WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "is not installed"
                                                                        : output);
    return BUS_OK;
}

/* False: another has to. */
static bool
may_migrate(PGconn *conn)
{
    PGresult *res = PQexec(conn, "select has_database_privilege(current_database(), 'create')");
    bool      may = PQresultStatus(res) == PGRES_TUPLES_OK && PQgetvalue(res, 0, 0)[0] == 't';

    PQclear(res);
    return may;
}

static bus_code
migrate_one(const char *database_url, const bus_config *config, bus_error *err)
{
    const char *folder = bus_config_text(config, "SHINA_MIGRATIONS");
    PGconn     *conn = PQconnectdb(database_url);
    PGresult   *res = NULL;
    bus_code    rc = BUS_OK;

    if (PQstatus(conn) != CONNECTION_OK) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "the database does not answer");
        goto done;
    }
    if (!may_migrate(conn))
        goto done;
    res = PQexec(conn, "select pg_advisory_lock(" MIGRATION_LOCK ")");
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "the migrations' lock: %.180s", PQerrorMessage(conn));
        goto done;
    }
    rc = run_sql_migrate(database_url, folder != NULL ? folder : SHINA_SOURCE_DIR "/migrations",
                         err);

done:
    PQclear(res);
    PQfinish(conn); /* gives the lock back */
    return rc;
}

bus_code
shina_migrate(const char *database_url, const bus_config *config, bus_error *err)
{
    bus_code rc = migrate_one(database_url, config, err);

    for (int i = 0; rc == BUS_OK && i < shina_contracts_count; i++) {
        const char *own =
            bus_config_text_of(config, "SHINA_DATABASE_URL", shina_contracts[i]->module);

        if (own != NULL && strcmp(own, database_url) != 0)
            rc = migrate_one(own, config, err);
    }
    return rc;
}
