/* postgres.c - the conformance of keys in PostgreSQL, on a private server.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/postgres.h"
#include "bus/personal/conformance/conformance.h"

int
main(void)
{
    tests_postgres *pg = tests_postgres_start(false);
    int             failed =
        keys_conformance_run("keys postgres", &bus_key_store_postgres, tests_postgres_url(pg));

    tests_postgres_stop(pg);
    return failed;
}
