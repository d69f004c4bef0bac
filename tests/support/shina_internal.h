/* shina_internal.h - what the parts of tests_shina share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_SHINA_INTERNAL_H
#define TESTS_SUPPORT_SHINA_INTERNAL_H

#include "tests/support/shina.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define TESTS_CHILDREN_MAX 64
#define TESTS_EDGES_MAX 4

typedef struct {
    char        name[64]; /* "run", "servers", "service vehicles", "edge 1" */
    char        program[1024];
    const char *args[4]; /* behind the program's name; ends with NULL */
    char        arg[64]; /* room for one of them */
    char        http[128];
    char        home[1100]; /* its own SHINA_HOME, a host's; empty: the common one, with servers */
    pid_t       pid;        /* 0: not running */
    int         kills;
    int         status; /* of waitpid, when it has ended by itself */
} tests_child;

struct tests_shina {
    char            home[1024], database_url[2048], redis_url[1100];
    tests_kafka    *kafka; /* NULL: another bus */
    char            urls[TESTS_EDGES_MAX][160];
    int             edges;
    tests_child     children[TESTS_CHILDREN_MAX];
    int             children_count;
    pthread_mutex_t lock; /* of the children */
    pthread_t       killer;
    bool            kills;
};

void tests_shina_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void tests_shina_pause_ms(long ms);

#endif
