/* failpoint.c - the table of places, and what happens at the one that is armed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 64
#define SLEEP_MS_MAX 600000

/* clang-format off */
const bus_fail_point bus_fail_points[] = {
    { "batch.taken", "the writer took commands from its queue; nothing is decided" },
    { "append.begin", "a batch is decided; the store has not heard of it" },
    { "append.before_commit", "a large batch is copied into the log and not committed" },
    { "append.committed", "a batch is in the log; neither readers nor askers know" },
    { "append.published", "readers know of the batch; nobody is answered" },
    { "confirm.begin", "what appends nothing is decided; the epoch is not checked yet" },
    { "answer.begin", "all is settled; nobody is answered" },
    { "answer.sent", "the whole batch is answered" },
    { "lease.take", "before leases of partitions are taken" },
    { "lease.taken", "leases are taken in the store; the writer has not noted it" },
    { "lease.renew", "before leases are renewed" },
    { "lease.renewed", "leases are renewed in the store; the writer has not noted it" },
    { "timer.fire", "timers were found due; their wakes are not carried out" },
    { "courier.send", "before an errand leaves for its target" },
    { "courier.answer_received", "the target has answered; the asker has not been told" },
    { "courier.answer_sent", "the answer is on its way to the asker" },
    { "courier.forget", "somebody is to be forgotten; his key is there" },
    { "courier.forgotten", "his key is gone; the checkpoint stands before the event that asked for it" },
    { "courier.checkpoint", "errands are done; their checkpoint is not written" },
    { "courier.checkpointed", "the checkpoint is written; the courier has not noted it" },
    { "keys.made", "a new master key is in the file; nothing is wrapped by it" },
    { "keys.rewrapped", "some keys are wrapped by the new master key, the others are not" },
    { "keys.dropped", "the store knows a master key no more; the file has it yet" },
    { "projector.effect", "rows are folded; neither they nor the checkpoint are written" },
    { "projector.effected", "rows and checkpoint are committed; the edge does not know" },
    { "projector.published", "the edge knows how far the views are" },
    { "snapshot.write", "a batch is answered; the states that are due are not kept yet" },
    { "snapshot.written", "snapshots are kept" },
    { "rebuild.filled", "some rows of a new table of a view are written" },
    { "rebuild.swap", "the new table is whole; the old one is still read" },
    { "rebuild.swapped", "the new table has taken the place of the old one" },
    { "edge.loop_started", "a loop of the edge serves; the others are not there yet" },
    { "webhook.delivered", "a receiver took an event; the cursor is not saved" },
    { "relay.sent", "events are on their way to the topic; the brokers have not said that they are there" },
    { "relay.delivered", "events are in the topic; the checkpoint is not written" },
    { "relay.checkpointed", "the checkpoint is written; the relay has not noted it" },
    { "edge.command_sent", "a command left the edge; there is no answer" },
    { "edge.audit_noted", "a note of the audit waits in memory; it is not written" },
    { "edge.answer_received", "the answer is at the edge; the client has not got it" },
    { "archive.kept_name", "the database knows that a file is being written; there is none" },
    { "archive.written", "the file is durable under a name that nobody reads" },
    { "archive.named", "the file has its name; the database does not know that it is complete" },
    { "archive.recorded", "the file is read; the table still has its events as well" },
    { "archive.stripped", "some events of the file were stripped from the table" },
    { NULL, NULL },
};
/* clang-format on */

bool bus_fail_points_armed;

static struct {
    char       name[NAME_BYTES];
    atomic_int left; /* passes until it happens; below 1: it has */
    enum { KILL, STOP, SLEEP } action;
    int sleep_ms;
    void (*hook)(void *context, const char *name);
    void *context;
} armed;

static bool
is_known(const char *name)
{
    for (const bus_fail_point *p = bus_fail_points; p->name != NULL; p++)
        if (strcmp(p->name, name) == 0)
            return true;
    return false;
}

/* A number from 1 to max that fills text up to its end. */
static bool
parse_number(const char *text, int max, int *out)
{
    char *end;
    long  n = strtol(text, &end, 10);

    if (end == text || *end != '\0' || n < 1 || n > max)
        return false;
    *out = (int)n;
    return true;
}

static bool
parse_action(const char *text)
{
    armed.action = KILL;
    if (text == NULL || strcmp(text, "kill") == 0)
        return true;
    armed.action = STOP;
    if (strcmp(text, "stop") == 0)
        return true;
    armed.action = SLEEP;
    return strncmp(text, "sleep:", 6) == 0 && parse_number(text + 6, SLEEP_MS_MAX, &armed.sleep_ms);
}

bus_code
bus_fail_points_arm(const char *spec, bus_error *err)
{
    char  text[NAME_BYTES * 2];
    char *action, *nth;
    int   count = 1;

    bus_fail_points_armed = false;
    if (spec == NULL || *spec == '\0')
        return BUS_OK;
    (void)snprintf(text, sizeof(text), "%s", spec);
    action = strchr(text, ',');
    if (action != NULL)
        *action++ = '\0';
    nth = strchr(text, ':');
    if (nth != NULL)
        *nth++ = '\0';
    if (strlen(spec) >= sizeof(text) || !is_known(text) || strlen(text) >= sizeof(armed.name))
        return bus_fail(err, BUS_INVALID, "SHINA_TEST_FAIL_POINT: there is no place %.80s", text);
    if ((nth != NULL && !parse_number(nth, 1 << 30, &count)) || !parse_action(action))
        return bus_fail(err, BUS_INVALID,
                        "SHINA_TEST_FAIL_POINT must be name[:nth][,kill|stop|sleep:ms], not %.80s",
                        spec);
    memcpy(armed.name, text, strlen(text) + 1);
    armed.hook = NULL;
    atomic_store(&armed.left, count);
    bus_fail_points_armed = true;
    return BUS_OK;
}

void
bus_fail_points_hook(void (*hook)(void *context, const char *name), void *context)
{
    armed.hook = hook;
    armed.context = context;
    bus_fail_points_armed = hook != NULL;
}

/* By write(2): whatever happens next, these words stand in the log of the process. */
static void
say(const char *name)
{
    char line[NAME_BYTES + 32];
    int  len = snprintf(line, sizeof(line), "fail point: %s\n", name);

    if (write(STDERR_FILENO, line, (size_t)len) != len)
        return; /* nobody reads it */
}

void
bus_fail_point_pass(const char *name)
{
    if (armed.hook != NULL) {
        armed.hook(armed.context, name);
        return;
    }
    if (strcmp(name, armed.name) != 0 || atomic_fetch_sub(&armed.left, 1) != 1)
        return;
    say(name);
    switch (armed.action) {
    case KILL: (void)kill(getpid(), SIGKILL); break;
    case STOP: (void)kill(getpid(), SIGSTOP); break;
    case SLEEP:
        (void)nanosleep(&(struct timespec){.tv_sec = armed.sleep_ms / 1000,
                                           .tv_nsec = armed.sleep_ms % 1000 * 1000000L},
                        NULL);
        break;
    }
}
