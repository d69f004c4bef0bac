/* shina.h - a whole `shina run` for a test: its own home, its own port, its own servers.
 *
 * Whatever fails here prints why and ends the program: a test cannot go on without.
 * Threads: start and stop from one; requests from any (each thread its own connection).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_SHINA_H
#define TESTS_SUPPORT_SHINA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct tests_shina tests_shina;

/* Starts the program at SHINA_PROGRAM and waits until /readyz says so. */
tests_shina *tests_shina_start(void);
/* One that runs already at a URL, with its SHINA_HOME for the verbs; stopping only forgets it. */
tests_shina *tests_shina_attach(const char *url, const char *home);
/* Stops it cleanly (its exit code must be 0) and removes the home. */
void tests_shina_stop(tests_shina *shina);

const char *tests_shina_url(const tests_shina *shina); /* "http://127.0.0.1:40123" */

/* What a verb prints on stdout, trimmed; the caller frees it. *exit_code may be NULL: then it
 * must be 0. args ends with NULL. */
char *tests_shina_verb(const tests_shina *shina, const char *const *args, int *exit_code);

/* A bearer token; the caller frees it. roles: "ADMIN". driver may be NULL. */
char *tests_shina_token(const tests_shina *shina, const char *tenant, const char *roles,
                        const char *driver);

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
/* POST of a JSON text (single quotes stand for double ones). */
tests_response tests_shina_post(const tests_shina *shina, const char *token, const char *path,
                                const char *body);
tests_response tests_shina_get(const tests_shina *shina, const char *token, const char *path);

#endif
