/* postgres.c - the conformance of the postgres store, on a private server.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/postgres.h"
#include "bus/store/conformance/conformance.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* Leases run out by the database's clock; the test moves their ends into the past. */
static void
expire(void *context, const char *domain)
{
    const tests_postgres *pg = context;
    PGconn               *conn = PQconnectdb(tests_postgres_url(pg));
    char                  sql[256];
    PGresult             *res;

    (void)snprintf(sql, sizeof(sql),
                   "update %s.partitions set lease_until = '-infinity';"
                   "update %s.checkpoints set lease_until = '-infinity';"
                   "update shina.members set lease_until = clock_timestamp()",
                   domain, domain);
    res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        (void)fprintf(stderr, "expire: %s", PQerrorMessage(conn));
        exit(1);
    }
    PQclear(res);
    PQfinish(conn);
}

int
main(void)
{
    char                archive[] = "/tmp/shina_conformance_XXXXXX", command[64];
    tests_postgres     *pg = tests_postgres_start(false);
    conformance_subject subject = {.ops = &bus_store_postgres,
                                   .options = {.url = tests_postgres_url(pg),
                                               .application = "conformance",
                                               .archive = archive},
                                   .expire = expire,
                                   .context = pg};
    int                 failed;

    if (mkdtemp(archive) == NULL) {
        perror(archive);
        return 1;
    }
    failed = conformance_run("store postgres", &subject);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", archive);
    if (system(command) != 0) /* NOLINT(cert-env33-c): a fixed command */
        perror(command);
    tests_postgres_stop(pg);
    return failed;
}
