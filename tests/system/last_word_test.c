/* last_word_test.c - a process that is ended by abort() says why.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/last_word.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child says that aborts with this errno. */
static void
abort_with(int number, char *out, size_t room)
{
    const struct rlimit no_core = {0};
    int                 pipes[2], status;
    size_t              len = 0;
    ssize_t             got;
    pid_t               pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(pipes[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka's own */
        shina_last_word();
        errno = number;
        abort();
    }
    (void)close(pipes[1]);
    while (len + 1 < room && (got = read(pipes[0], out + len, room - len - 1)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
test_no_memory_is_named(void **state)
{
    char said[8192];

    (void)state;
    abort_with(ENOMEM, said, sizeof(said));
    assert_non_null(strstr(said, "shina: out of memory"));
    assert_non_null(strchr(strchr(said, '\n') + 1, '\n')); /* and where */
}

static void
test_other_ends_are_named_too(void **state)
{
    char said[8192];

    (void)state;
    abort_with(0, said, sizeof(said));
    assert_null(strstr(said, "memory"));
    assert_non_null(strstr(said, "shina: the process ends by abort()"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_is_named),
        cmocka_unit_test(test_other_ends_are_named_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
