/* interrupt.c - a signal noted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t noted;

static void
on_signal(int number)
{
    (void)number;
    noted = 1;
}

void
interrupt_note(void)
{
    static const int       signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction note = {.sa_handler = on_signal};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaction(signals[i], &note, NULL);
}

bool
interrupted(void)
{
    return noted != 0;
}

bool
until_interrupted(void *context)
{
    (void)context;
    return !interrupted();
}
