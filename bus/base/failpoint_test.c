/* failpoint_test.c - a spec is read as it is documented, and the armed place kills, once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bus_code
arm(const char *spec)
{
    bus_error err = {0};
    bus_code  rc = bus_fail_points_arm(spec, &err);

    if (rc != BUS_OK)
        assert_non_null(strstr(err.text, "SHINA_TEST_FAIL_POINT"));
    return rc;
}

static void
test_specs(void **state)
{
    static const char *const good[] = {"append.committed", "append.committed:3",
                                       "append.committed,kill", "lease.renew:2,stop",
                                       "edge.command_sent:1,sleep:250"};
    static const char *const bad[] = {"nowhere",
                                      "append.committed:",
                                      "append.committed:0",
                                      "append.committed:x",
                                      "append.committed,",
                                      "append.committed,die",
                                      "append.committed,sleep:",
                                      "append.committed,sleep:-1",
                                      ":1",
                                      ",kill"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(arm(good[i]), BUS_OK);
        assert_true(bus_fail_points_armed);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(arm(bad[i]), BUS_INVALID);
        assert_false(bus_fail_points_armed);
    }
    assert_int_equal(arm(NULL), BUS_OK);
    assert_false(bus_fail_points_armed);
    assert_int_equal(arm(""), BUS_OK);
    assert_false(bus_fail_points_armed);
}

/* The signal that ended or stopped a child that passes two places three times each. */
static int
signal_of_child(const char *spec, int *passes)
{
    int   pipes[2], status, got = 0;
    char  mark;
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        if (arm(spec) != BUS_OK)
            _exit(2);
        for (int i = 0; i < 3; i++) {
            BUS_FAIL_POINT("append.begin");
            BUS_FAIL_POINT("append.committed");
            if (write(pipes[1], "x", 1) != 1)
                _exit(3);
        }
        _exit(0);
    }
    assert_int_equal(close(pipes[1]), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        int ended;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &ended, 0), pid);
    }
    while (read(pipes[0], &mark, 1) == 1)
        got++;
    assert_int_equal(close(pipes[0]), 0);
    *passes = got;
    return WIFSIGNALED(status) ? WTERMSIG(status) : WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static void
test_the_armed_place(void **state)
{
    int passes;

    (void)state;
    assert_int_equal(signal_of_child("append.committed", &passes), SIGKILL);
    assert_int_equal(passes, 0);
    assert_int_equal(signal_of_child("append.committed:3", &passes), SIGKILL);
    assert_int_equal(passes, 2);
    assert_int_equal(signal_of_child("append.committed:2,stop", &passes), SIGSTOP);
    assert_int_equal(passes, 1);
    assert_int_equal(signal_of_child("append.committed:4", &passes), 0);
    assert_int_equal(passes, 3);
    assert_int_equal(signal_of_child("lease.take", &passes), 0);
    assert_int_equal(passes, 3);
}

static void
test_sleeping(void **state)
{
    struct timespec before, after;

    (void)state;
    assert_int_equal(arm("append.begin,sleep:60"), BUS_OK);
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    BUS_FAIL_POINT("append.begin");
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(
        (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 60);
}

static void
count(void *context, const char *name)
{
    if (strcmp(name, "lease.take") == 0)
        ++*(int *)context;
}

static void
test_hook(void **state)
{
    int seen = 0;

    (void)state;
    bus_fail_points_hook(count, &seen);
    BUS_FAIL_POINT("lease.take");
    BUS_FAIL_POINT("lease.taken");
    BUS_FAIL_POINT("lease.take");
    bus_fail_points_hook(NULL, NULL);
    BUS_FAIL_POINT("lease.take");
    assert_int_equal(seen, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_the_armed_place),
        cmocka_unit_test(test_sleeping),
        cmocka_unit_test(test_hook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
