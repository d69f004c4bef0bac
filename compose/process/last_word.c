/* last_word.c - a handler of SIGABRT. It may have no memory, so it takes none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/last_word.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define FRAMES 24
#define OWN_FRAMES 2 /* this handler, and what called it */

/* What calls abort() for want of memory has just been told so. */
static void
on_abort(int number)
{
    static const char no_memory[] = "shina: out of memory, the process ends at:\n";
    static const char other[] = "shina: the process ends by abort() at:\n";
    const char       *words = errno == ENOMEM ? no_memory : other;
    void             *frames[FRAMES];
    int               count;

    (void)number; /* SIGABRT ends the process when this returns */
    if (write(STDERR_FILENO, words, strlen(words)) < 0)
        return;
    count = backtrace(frames, FRAMES);
    if (count > OWN_FRAMES)
        backtrace_symbols_fd(frames + OWN_FRAMES, count - OWN_FRAMES, STDERR_FILENO);
}

void
shina_last_word(void)
{
    const struct sigaction action = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};
    void                  *frame;

    (void)backtrace(&frame, 1); /* loads what it needs, with memory, now */
    (void)sigaction(SIGABRT, &action, NULL);
}
