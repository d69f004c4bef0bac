/* sandbox_test.c - in children, as it cannot be undone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/sandbox.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The exit code of a child that does this. */
static int
in_child(int (*act)(void))
{
    pid_t child = fork();
    int   status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(act());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
refused_all(void)
{
    const struct timespec now = {.tv_sec = 1};

    if (mount("none", "/tmp", "tmpfs", 0, NULL) == 0 || errno != EPERM)
        return 1;
    if (umount2("/nowhere", 0) == 0 || errno != EPERM)
        return 2;
    if (clock_settime(CLOCK_REALTIME, &now) == 0 || errno != EPERM)
        return 3;
    if (chroot("/") == 0 || errno != EPERM)
        return 4;
    return 0;
}

static int
seal_with_programs(void)
{
    pid_t child;
    int   status;

    shina_sandbox_enter();
    shina_sandbox_seal(true);
    if (refused_all() != 0)
        return refused_all();
    child = fork();
    if (child == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 10;
}

static int
seal_without_programs(void)
{
    shina_sandbox_enter();
    shina_sandbox_seal(false);
    if (refused_all() != 0)
        return refused_all();
    (void)execl("/bin/true", "true", (char *)NULL);
    return errno == EPERM ? 0 : 11;
}

static void *
try_in_thread(void *go)
{
    while (__atomic_load_n((int *)go, __ATOMIC_ACQUIRE) == 0)
        (void)usleep(1000);
    return (void *)(intptr_t)refused_all();
}

/* Threads that were there before are sealed as well. */
static int
seal_threads(void)
{
    pthread_t thread;
    void     *result;
    int       go = 0;

    if (pthread_create(&thread, NULL, try_in_thread, &go) != 0)
        return 12;
    shina_sandbox_seal(false);
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    return pthread_join(thread, &result) == 0 ? (int)(intptr_t)result : 13;
}

static int
enter_only(void)
{
    char  line[256];
    FILE *status;
    int   rc = 20;

    shina_sandbox_enter();
    if (prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1 || prctl(PR_GET_DUMPABLE) != 0)
        return 21;
    if ((status = fopen("/proc/self/status", "re")) == NULL)
        return 22;
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "CapEff:", 7) == 0) /* chown, dac_override, fowner, kill, setgid, setuid,
                                               * net_bind_service: bits 0, 1, 3, 5, 6, 7, 10 */
            rc = (strtoull(line + 7, NULL, 16) & ~0x4ebULL) == 0 ? 0 : 23;
    (void)fclose(status);
    return rc;
}

static void
test_calls_are_refused(void **state)
{
    (void)state;
    assert_int_equal(in_child(seal_with_programs), 0);
    assert_int_equal(in_child(seal_without_programs), 0);
    assert_int_equal(in_child(seal_threads), 0);
}

static void
test_rights_are_given_up(void **state)
{
    (void)state;
    assert_int_equal(in_child(enter_only), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_refused),
        cmocka_unit_test(test_rights_are_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
