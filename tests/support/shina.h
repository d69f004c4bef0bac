/* shina.h - a whole shina for a test: its own home, its own ports, its own servers; in one process
 * or in many.
 *
 * Layout. By default it is one process, `shina run`. With SHINA_TEST_LAYOUT=processes in the
 * environment it is many, over nng: `shina servers`, each service (`shina service X`), each
 * projection (`shina-X --projection`), and two edges. Tests are the same for both: requests go to
 * the edges in turn, and one whose edge does not answer or cannot now (503, 504) is repeated at the
 * other, under the same Idempotency-Key. With SHINA_TEST_LAYOUT=kafka it is three hosts over Kafka:
 * each a `shina run` with a home and an address of its own (127.0.0.1 to 127.0.0.3), and one
 * `shina servers`; SHINA_TEST_KAFKA_NODES says how many brokers there are, by default one.
 * With SHINA_TEST_KILLS=each as well, every process is killed (SIGKILL) once and started again
 * while the test runs; a test that ends before that fails.
 *
 * Crash tests kill, stop and start processes themselves: by number, 0 to tests_shina_processes - 1,
 * in the order in which they were started; tests_shina_process_name tells which is which ("run";
 * "servers", "service trips", "projection trips", "edge 1"; "servers", "host 1"). Each writes its
 * log to <home>.<name>.log.
 *
 * Whatever fails here prints why and ends the program: a test cannot go on without.
 * Threads: start and stop from one; the rest from any (each thread its own connections).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_SHINA_H
#define TESTS_SUPPORT_SHINA_H

#include "tests/kafka/broker.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct tests_shina tests_shina;

/* Starts it and waits until /readyz says so. */
tests_shina *tests_shina_start(void);
/* The same over servers of the test's own, each a URL as shina takes it; NULL: the embedded one. In
 * one process or many, not over Kafka. */
tests_shina *tests_shina_start_on(const char *database_url, const char *redis_url);
/* The same as processes, whatever the environment says, on a PostgreSQL of the test's own; NULL: on
 * an embedded one. SHINA_DATABASE_URL_<DOMAIN> in the environment goes to all of them. */
tests_shina *tests_shina_start_processes(const char *database_url);
/* One that runs already at a URL, with its SHINA_HOME for the verbs; stopping only forgets it. */
tests_shina *tests_shina_attach(const char *url, const char *home);
/* Stops it cleanly (the exit codes must be 0) and removes the home. */
void tests_shina_stop(tests_shina *shina);

/* Of the layout kafka: the brokers, to kill some; else NULL. */
tests_kafka *tests_shina_kafka(const tests_shina *shina);

const char *tests_shina_url(const tests_shina *shina); /* "http://127.0.0.1:40123", of edge 1 */
const char *tests_shina_home(const tests_shina *shina);
/* Of the database, as libpq takes it. */
void tests_shina_database_url(const tests_shina *shina, char out[2048]);

/* What a verb prints on stdout, trimmed; the caller frees it. *exit_code may be NULL: then it
 * must be 0. args ends with NULL. */
char *tests_shina_verb(const tests_shina *shina, const char *const *args, int *exit_code);

/* A bearer token; the caller frees it. roles: "ADMIN". driver may be NULL. */
char *tests_shina_token(const tests_shina *shina, const char *tenant, const char *roles,
                        const char *driver);

/* --- processes ------------------------------------------------------------- */

/* Of a layout of many: one more `shina service` of a domain, which shares its partitions; the
 * number of the process, "service trips 2". */
int tests_shina_add_service(tests_shina *shina, const char *domain);
/* One more: `shina VERB WORD`, as "VERB WORD 2"; its number. Does not wait until it works. */
int         tests_shina_add(tests_shina *shina, const char *verb, const char *word);
int         tests_shina_processes(const tests_shina *shina);
const char *tests_shina_process_name(const tests_shina *shina, int nth);
/* The number of a name; ends the program if there is none. */
int   tests_shina_process_named(const tests_shina *shina, const char *name);
pid_t tests_shina_process_pid(tests_shina *shina, int nth); /* 0: it was killed or has ended */
/* SIGKILL, and waits for its end. The embedded servers, whose parent it may be, run on. */
void tests_shina_kill(tests_shina *shina, int nth);
/* Starts one that was killed; does not wait until it works. */
void tests_shina_restart(tests_shina *shina, int nth);
/* ... with one more variable in its environment this time, "NAME=VALUE". */
void tests_shina_restart_with(tests_shina *shina, int nth, const char *variable);
/* ... with several, ending with NULL. */
void tests_shina_restart_in(tests_shina *shina, int nth, const char *const *variables);
/* Has it ended by itself, as at a fail point? Then it counts as killed. */
bool tests_shina_has_ended(tests_shina *shina, int nth);
/* Of one that has ended by itself: its status as waitpid tells it. */
int tests_shina_end_status(const tests_shina *shina, int nth);
/* With SHINA_TEST_KILLS: returns when each process has been killed and all are ready again; for
 * stories that count what only a process that lives on counts right. */
void tests_shina_await_kills(tests_shina *shina);
/* SIGSTOP, SIGCONT and others. */
void tests_shina_signal(tests_shina *shina, int nth, int signal_number);
/* False: some edge does not say within so many seconds that it is ready. */
bool tests_shina_wait_ready(const tests_shina *shina, int seconds);
/* Where a process writes its log. */
void tests_shina_log_path(const tests_shina *shina, int nth, char out[1200]);
/* The logs of all processes so far, on stderr. */
void tests_shina_print_logs(const tests_shina *shina);

/* --- requests -------------------------------------------------------------- */

/* One request. headers: lines such as "If-Match: \"1\"", ending with NULL; may be NULL. */
typedef struct {
    const char        *method, *path; /* path with its query, from the root */
    const char        *token;         /* NULL: none */
    const char        *body;          /* NULL: none */
    size_t             body_bytes;    /* 0: strlen */
    const char *const *headers;
    bool               raw_content_type; /* headers say it; else application/json */
} tests_request;

typedef struct {
    long    status;
    json_t *json; /* the body, or NULL: empty or not JSON */
    char    content_type[96], etag[64], location[160];
} tests_response;

/* status 0: no answer. The caller decrefs json. */
tests_response tests_shina_ask(const tests_shina *shina, const tests_request *request);
int            tests_shina_edges(const tests_shina *shina);
/* The same at one edge, from 0 on, and once only. */
tests_response tests_shina_ask_edge(const tests_shina *shina, int edge,
                                    const tests_request *request);
/* POST of a JSON text (single quotes stand for double ones). */
tests_response tests_shina_post(const tests_shina *shina, const char *token, const char *path,
                                const char *body);
tests_response tests_shina_get(const tests_shina *shina, const char *token, const char *path);

#endif
