/* thread.c - the system's threads, or those that somebody simulates.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/thread.h"

#include <stdio.h>
#include <time.h>

bool
bus_thread_start(bus_thread *out, const bus_threads *threads, void *(*main)(void *argument),
                 void *argument)
{
    out->threads = threads;
    if (threads == NULL)
        return pthread_create(&out->system, NULL, main, argument) == 0;
    out->simulated = threads->start(threads->context, main, argument);
    return out->simulated != NULL;
}

void
bus_thread_join(bus_thread *thread)
{
    if (thread->threads == NULL)
        (void)pthread_join(thread->system, NULL);
    else
        thread->threads->join(thread->threads->context, thread->simulated);
}

void
bus_thread_sleep(const bus_threads *threads, int ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    if (threads == NULL)
        (void)nanosleep(&pause, NULL);
    else
        threads->sleep(threads->context, ms);
}

void
bus_thread_name(const char *kind, const char *of)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%s%s%s", kind, of == NULL ? "" : " ", of == NULL ? "" : of);
    (void)pthread_setname_np(pthread_self(), name);
}
