/* last_word_test.c - a process that ends in the middle of its work says by what and where.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/last_word.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child says that ends by a signal, or by what comes to it from exit(), with this errno. */
static void
end_by(int signal_number, bool by_exit, int number, char *out, size_t room)
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
        shina_last_word(); /* instead of cmocka's own */
        errno = number;
        if (by_exit)
            exit(-1);
        if (signal_number == SIGABRT)
            abort();
        (void)raise(signal_number);
        _exit(0);
    }
    (void)close(pipes[1]);
    while (len + 1 < room && (got = read(pipes[0], out + len, room - len - 1)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal_number);
}

static void
test_no_memory_is_named(void **state)
{
    char said[8192];

    (void)state;
    end_by(SIGABRT, false, ENOMEM, said, sizeof(said));
    assert_non_null(strstr(said, "shina: the process ends by SIGABRT for want of memory, at:\n"));
    assert_non_null(strchr(strchr(said, '\n') + 1, '\n')); /* and where */
}

static void
test_other_ends_are_named_too(void **state)
{
    char said[8192];

    (void)state;
    end_by(SIGABRT, false, 0, said, sizeof(said));
    assert_non_null(strstr(said, "shina: the process ends by SIGABRT, at:\n"));
    end_by(SIGSEGV, false, 0, said, sizeof(said));
    assert_non_null(strstr(said, "shina: the process ends by SIGSEGV, at:\n"));
}

static void
test_a_library_that_leaves_is_named_too(void **state)
{
    char said[8192];

    (void)state;
    end_by(SIGABRT, true, ENOMEM, said, sizeof(said));
    assert_non_null(strstr(said, "shina: the process ends by SIGABRT"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_is_named),
        cmocka_unit_test(test_other_ends_are_named_too),
        cmocka_unit_test(test_a_library_that_leaves_is_named_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
