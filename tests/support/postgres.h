/* postgres.h - a private PostgreSQL for tests, with the migrations applied.
 *
 * If SHINA_TEST_DATABASE_URL names a running server, a fresh database is made there instead and
 * dropped at the end. The server of our own dies with the process that started it. Whatever
 * fails here prints why and ends the program: a test cannot go on without.
 * Threads: one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_POSTGRES_H
#define TESTS_SUPPORT_POSTGRES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tests_postgres tests_postgres;

typedef struct {
    bool        durable; /* with fsync, for crash tests and benches; else quick */
    const char *wal;     /* an empty folder for its write-ahead log; NULL: with its data */
    const char *preload; /* a library that its processes are started with; NULL: none */
} tests_postgres_options;

tests_postgres *tests_postgres_start(bool durable);
/* Options are borrowed until it is stopped. A server that SHINA_TEST_DATABASE_URL names takes none.
 */
tests_postgres *tests_postgres_start_with(const tests_postgres_options *options);
/* Drops the database, or stops the server and removes its folder. Accepts NULL. */
void tests_postgres_stop(tests_postgres *pg);

/* A URL that libpq and sql-migrate take; lives as long as pg. */
const char *tests_postgres_url(const tests_postgres *pg);

/* Makes one more empty database with the migrations applied; the caller frees the URL. */
char *tests_postgres_database(tests_postgres *pg, const char *name);

/* Of our own server only: kills it as a crash would, and starts it again. False when the server
 * is not ours. */
bool tests_postgres_crash(tests_postgres *pg);
bool tests_postgres_revive(tests_postgres *pg);
/* Of our own server: has it ended by itself? Then it may be revived. */
bool tests_postgres_has_ended(tests_postgres *pg);

/* The CPU time, in microseconds, that the server and its backends have used since it was started
 * (those that have ended too). It must run on this machine. */
int64_t tests_postgres_cpu_us(const tests_postgres *pg);

#endif
