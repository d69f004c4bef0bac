/* last_word.c - a handler of the signals that end a process in the middle of its work. It may have
 * no memory, so it takes none. SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/last_word.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY_EXIT 255
#define FRAMES 24
#define OWN_FRAMES 2 /* this handler, and what called it */

static const struct {
    int         number;
    const char *name;
} ends[] = {
    {SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},
    {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},
};

static bool
say(const char *words)
{
    return write(STDERR_FILENO, words, strlen(words)) >= 0;
}

/* What ends the process for want of memory has just been told so. */
static void
on_end(int number)
{
    bool        no_memory = errno == ENOMEM, said = say("shina: the process ends by ");
    const char *name = "a signal";
    void       *frames[FRAMES];
    int         count;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends[i].number == number)
            name = ends[i].name;
    said = said && say(name) && say(no_memory ? " for want of memory, at:\n" : ", at:\n");
    count = said ? backtrace(frames, FRAMES) : 0; /* nobody reads it otherwise */
    if (count > OWN_FRAMES)
        backtrace_symbols_fd(frames + OWN_FRAMES, count - OWN_FRAMES, STDERR_FILENO);
    (void)raise(number); /* as it would have, when this returns */
}

/* uthash ends the process by exit(-1) when it has no memory. Nothing else ends it with this code.
 */
static void
on_leave(int status, void *unused)
{
    (void)unused;
    if ((status & 0xff) == LIBRARY_EXIT)
        abort();
}

void
shina_last_word(void)
{
    const struct sigaction action = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
    void                  *frame;

    (void)backtrace(&frame, 1); /* loads what it needs, with memory, now */
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        (void)sigaction(ends[i].number, &action, NULL);
    (void)on_exit(on_leave, NULL);
}
