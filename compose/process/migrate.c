/* migrate.c - running sql-migrate.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/migrate.h"
#include "compose/process/registry.h"
#include "compose/process/servers.h"

#include <ctype.h>
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
        shina_forget_environment();
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

/* --- a log stays where it is --------------------------------------------------------------- */

/* A role of one domain may not look at others' logs. */
static bool
may_not_look(const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    return state != NULL && strcmp(state, "42501") == 0;
}

/* Events that a database has of a domain; -1: it has no log of it, or we may not look. */
static bus_code
count_events(const char *database_url, const char *domain, long long *out, bus_error *err)
{
    PGconn     *conn = PQconnectdb(database_url);
    char       *schema = PQescapeIdentifier(conn, domain, strlen(domain));
    char        sql[256];
    PGresult   *res = NULL;
    bus_code    rc = BUS_UNAVAILABLE;
    const char *there[] = {domain};

    *out = -1;
    if (schema == NULL || PQstatus(conn) != CONNECTION_OK)
        goto done;
    res = PQexecParams(conn, "select 1 from shina.domains where name = $1", 1, NULL, there, NULL,
                       NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK && !may_not_look(res))
        goto done;
    if (PQntuples(res) > 0) {
        PQclear(res);
        (void)snprintf(sql, sizeof(sql), "select coalesce(sum(head), 0) from %s.partitions",
                       schema);
        res = PQexec(conn, sql);
        if (PQresultStatus(res) == PGRES_TUPLES_OK)
            *out = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
        else if (!may_not_look(res))
            goto done;
    }
    rc = BUS_OK;

done:
    if (rc != BUS_OK)
        (void)bus_fail(err, rc, "the log of %s cannot be looked for: %.180s", domain,
                       PQerrorMessage(conn));
    PQfreemem(schema);
    PQclear(res);
    PQfinish(conn);
    return rc;
}

/* Who gives a domain a database of its own after it has a log elsewhere would go on with an empty
 * one, and nobody would see why everything is gone. */
static bus_code
check_log_place(const char *database_url, const char *own, const char *domain, bus_error *err)
{
    long long in_own, in_common;
    char      key[64] = "SHINA_DATABASE_URL_";
    bus_code  rc;

    if ((rc = count_events(own, domain, &in_own, err)) != BUS_OK || in_own > 0 ||
        (rc = count_events(database_url, domain, &in_common, err)) != BUS_OK || in_common <= 0)
        return rc;
    for (size_t i = 0, at = strlen(key); domain[i] != '\0' && at < sizeof(key) - 1; i++, at++)
        key[at] = (char)toupper((unsigned char)domain[i]);
    return bus_fail(err, BUS_INVALID,
                    "%s names a database without a log of %s, which has %lld events in the one of "
                    "SHINA_DATABASE_URL: move the schema %s there first",
                    key, domain, in_common, domain);
}

bus_code
shina_migrate(const char *database_url, const bus_config *config, bus_error *err)
{
    bus_code rc = migrate_one(database_url, config, err);

    for (int i = 0; rc == BUS_OK && i < shina_contracts_count; i++) {
        const char *own =
            bus_config_text_of(config, "SHINA_DATABASE_URL", shina_contracts[i]->module);

        if (own == NULL || strcmp(own, database_url) == 0)
            continue;
        if ((rc = migrate_one(own, config, err)) == BUS_OK)
            rc = check_log_place(database_url, own, shina_contracts[i]->module, err);
    }
    return rc;
}
