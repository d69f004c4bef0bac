/* sandbox_test.c - every thread of every process of shina that runs has given up what it does not
 * need, as the kernel tells it (proc(5), status).
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* chown, dac_override, fowner, kill, setgid, setuid, net_bind_service */
#define CAPABILITIES 0x4ebULL

static tests_shina *shina;

static void
look_at_thread(const char *process, long pid, const char *tid)
{
    char     path[600], line[256];
    FILE    *status;
    uint64_t rights = UINT64_MAX, bounds = UINT64_MAX;
    long     no_new = -1, seccomp = -1;

    (void)snprintf(path, sizeof(path), "/proc/%ld/task/%.32s/status", pid, tid);
    if ((status = fopen(path, "re")) == NULL)
        return; /* it has ended meanwhile */
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "CapPrm:", 7) == 0)
            rights = strtoull(line + 7, NULL, 16);
        else if (strncmp(line, "CapBnd:", 7) == 0)
            bounds = strtoull(line + 7, NULL, 16);
        else if (strncmp(line, "NoNewPrivs:", 11) == 0)
            no_new = strtol(line + 11, NULL, 10);
        else if (strncmp(line, "Seccomp:", 8) == 0)
            seccomp = strtol(line + 8, NULL, 10);
    }
    (void)fclose(status);
    if (no_new == 1 && seccomp == 2 && (rights & ~CAPABILITIES) == 0 &&
        (rights == 0 || (bounds & ~CAPABILITIES) == 0))
        return;
    fail_msg("%s, thread %s: no_new_privs %ld, seccomp %ld, capabilities %llx of %llx", process,
             tid, no_new, seccomp, (unsigned long long)rights, (unsigned long long)bounds);
}

static void
test_every_thread_is_sealed(void **state)
{
    (void)state;
    for (int i = 0; i < tests_shina_processes(shina); i++) {
        const long           pid = (long)tests_shina_process_pid(shina, i);
        char                 path[64];
        DIR                 *tasks;
        const struct dirent *task;
        int                  threads = 0;

        assert_true(pid > 0);
        (void)snprintf(path, sizeof(path), "/proc/%ld/task", pid);
        tasks = opendir(path);
        assert_non_null(tasks);
        while ((task = readdir(tasks)) != NULL) {
            if (task->d_name[0] == '.')
                continue;
            look_at_thread(tests_shina_process_name(shina, i), pid, task->d_name);
            threads++;
        }
        assert_int_equal(closedir(tasks), 0);
        assert_true(threads > 0);
    }
}

static int
start(void **state)
{
    (void)state;
    shina = tests_shina_start();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_thread_is_sealed)};

    return cmocka_run_group_tests(tests, start, stop);
}
