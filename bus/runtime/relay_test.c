/* relay_test.c - the relay over the memory store and topics in memory, which tests can make fail as
 * brokers do: nothing is lost, nothing has a hole, what is repeated was there before. The real
 * topics are in bus/transport/kafka/publisher_test.c and tests/kafka.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/log/log.h"
#include "bus/runtime/archive.h"
#include "bus/runtime/members.h"
#include "bus/runtime/relay.h"
#include "bus/store/memory/faults.h"
#include "tests/support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE "relay_test"
#define OPS bus_store_memory
#define PARTITIONS 4
#define PATIENCE_MS 8000
#define MESSAGES_MAX 40000
#define IN_SINK_MAX 16384
#define LARGE_BYTES 1000
#define WINDOW 8192 /* of the relay, in events */

enum { THINGS = 5, OTHERS = 6 }; /* the topics, in the sink's words */

static const bus_contract        things = {.module = "things"}, others = {.module = "others"};
static const bus_contract *const contracts[] = {&things, &others};

/* --- a topic in memory, and what befalls it ------------------------------------------------------
 */

typedef struct {
    int64_t offset;
    bus_id  command_id;
    int16_t nth;
} message;

static struct {
    pthread_mutex_t lock;
    message        *messages[PARTITIONS];
    int             count[PARTITIONS];
    bool            touched[PARTITIONS], unreadable;
    /* what happens to what is put */
    bool    waits;        /* nothing is delivered */
    bool    silent;       /* it is delivered, and nobody is told */
    bool    breaks;       /* the next poll finds the handle broken */
    bool    out_of_reach; /* no prepare, no last, no reset */
    bool    mute;         /* last has no answer, and takes as long as it may */
    bool    brief;        /* ... or next to no time */
    int64_t asked_ms, most_asked_ms, asked, most_asked; /* ... in one round of the relay */
    bool    takes_large;
    bool    refuses_late; /* what is too large is only found out by the topic itself */
    int64_t broken_times, most_waiting;
} topic = {.lock = PTHREAD_MUTEX_INITIALIZER};

typedef struct {
    int     partition;
    message m;
    bool    large;
} waiting;

struct bus_sink {
    void (*news)(void *context);
    void            *context;
    waiting          queue[IN_SINK_MAX];
    int              count;
    int64_t          delivered[PARTITIONS];
    bool             broken;
    bus_sink_trouble trouble;
};

static bus_code
mem_open(bus_sink **out, const void *settings, void (*news)(void *context), void *context,
         bus_error *err)
{
    bus_sink *sink = calloc(1, sizeof(*sink));

    (void)settings;
    (void)err;
    assert_non_null(sink);
    sink->news = news;
    sink->context = context;
    *out = sink;
    return BUS_OK;
}

static void
mem_close(bus_sink *sink)
{
    free(sink);
}

static bus_code
reach(bus_error *err)
{
    bool away;

    (void)pthread_mutex_lock(&topic.lock);
    away = topic.out_of_reach;
    (void)pthread_mutex_unlock(&topic.lock);
    return away ? bus_fail(err, BUS_UNAVAILABLE, "out of reach") : BUS_OK;
}

/* The system's clock, whose monotonic time the tests can move on. */
static _Atomic int64_t ahead_us;

/* A question that nobody answers takes the time that it may. */
static bus_code
wait_in_vain(int timeout_ms, bus_error *err)
{
    bool mute;

    (void)pthread_mutex_lock(&topic.lock);
    mute = topic.mute;
    topic.asked_ms += timeout_ms;
    topic.asked++;
    if (mute && topic.asked_ms > topic.most_asked_ms)
        topic.most_asked_ms = topic.asked_ms;
    if (mute && topic.asked > topic.most_asked)
        topic.most_asked = topic.asked;
    if (mute && !topic.brief)
        ahead_us += timeout_ms * INT64_C(1000);
    (void)pthread_mutex_unlock(&topic.lock);
    if (!mute)
        return BUS_OK;
    return bus_fail(err, BUS_TIMEOUT, "no answer");
}

static bus_code
mem_prepare(bus_sink *sink, const char *domain, int timeout_ms, int *index, bus_error *err)
{
    (void)sink;
    (void)timeout_ms;
    *index = strcmp(domain, "things") == 0 ? THINGS : OTHERS;
    return reach(err);
}

static bus_code
mem_last(bus_sink *sink, int index, uint16_t partition, int timeout_ms, bus_sink_last *out,
         bus_error *err)
{
    (void)sink;
    *out = (bus_sink_last){.untouched = index == OTHERS};
    if (wait_in_vain(timeout_ms, err) != BUS_OK || reach(err) != BUS_OK)
        return err->code;
    if (index == OTHERS)
        return BUS_OK;
    (void)pthread_mutex_lock(&topic.lock);
    out->untouched = !topic.touched[partition];
    if (topic.count[partition] > 0 && !topic.unreadable) {
        const message *m = &topic.messages[partition][topic.count[partition] - 1];

        *out = (bus_sink_last){
            .readable = true, .offset = m->offset, .command_id = m->command_id, .nth = m->nth};
    }
    (void)pthread_mutex_unlock(&topic.lock);
    return BUS_OK;
}

static void
mem_begin(bus_sink *sink, int index, uint16_t partition, int64_t offset)
{
    if (index == THINGS)
        sink->delivered[partition] = offset;
}

static bus_code
mem_put(bus_sink *sink, int index, const bus_record *record, bus_error *err)
{
    bool large = record->data.len >= LARGE_BYTES;
    bool refused;

    assert_int_equal(index, THINGS); /* the others' log stays empty */
    (void)pthread_mutex_lock(&topic.lock);
    refused = large && !topic.takes_large && !topic.refuses_late;
    (void)pthread_mutex_unlock(&topic.lock);
    if (refused)
        return bus_fail(err, BUS_INVALID, "too large");
    if (sink->broken)
        return bus_fail(err, BUS_UNAVAILABLE, "broken");
    if (sink->count == IN_SINK_MAX)
        return bus_fail(err, BUS_FULL, "full");
    sink->queue[sink->count++] =
        (waiting){record->partition, {record->offset, record->command_id, record->nth}, large};
    return BUS_OK;
}

static void
break_at(bus_sink *sink, const waiting *culprit)
{
    sink->broken = true;
    sink->trouble = (bus_sink_trouble){.topic = culprit != NULL ? THINGS : -1};
    (void)bus_fail(&sink->trouble.err, culprit != NULL ? BUS_INVALID : BUS_UNAVAILABLE,
                   culprit != NULL ? "too large" : "broken");
    if (culprit != NULL) {
        sink->trouble.partition = (uint16_t)culprit->partition;
        sink->trouble.offset = culprit->m.offset;
    }
    topic.broken_times++;
}

/* Under the lock. */
static void
deliver(bus_sink *sink)
{
    for (int i = 0; i < sink->count && !sink->broken; i++) {
        const waiting *w = &sink->queue[i];

        if (w->large && !topic.takes_large) {
            break_at(sink, w);
            return;
        }
        assert_true(topic.count[w->partition] < MESSAGES_MAX);
        topic.messages[w->partition][topic.count[w->partition]++] = w->m;
        topic.touched[w->partition] = true;
        if (!topic.silent && w->m.offset == sink->delivered[w->partition] + 1)
            sink->delivered[w->partition]++;
    }
    sink->count = 0;
}

static void
mem_poll(bus_sink *sink)
{
    (void)pthread_mutex_lock(&topic.lock);
    topic.asked_ms = topic.asked = 0;
    if (sink->count > topic.most_waiting)
        topic.most_waiting = sink->count;
    if (!topic.waits && !sink->broken)
        deliver(sink);
    if (topic.breaks && !sink->broken) {
        topic.breaks = false;
        break_at(sink, NULL);
    }
    (void)pthread_mutex_unlock(&topic.lock);
}

static int64_t
mem_delivered(const bus_sink *sink, int index, uint16_t partition)
{
    return index == THINGS ? sink->delivered[partition] : 0;
}

static bool
mem_trouble(const bus_sink *sink, bus_sink_trouble *out)
{
    *out = sink->trouble;
    return sink->broken;
}

static bool
mem_away(const bus_sink *sink)
{
    bus_error err;

    (void)sink;
    return reach(&err) != BUS_OK;
}

static bus_code
mem_reset(bus_sink *sink, bus_error *err)
{
    if (reach(err) != BUS_OK)
        return err->code;
    sink->count = 0;
    sink->broken = false;
    return BUS_OK;
}

static const bus_sink_ops sink_ops = {.name = "memory",
                                      .open = mem_open,
                                      .close = mem_close,
                                      .prepare = mem_prepare,
                                      .last = mem_last,
                                      .begin = mem_begin,
                                      .put = mem_put,
                                      .poll = mem_poll,
                                      .delivered = mem_delivered,
                                      .trouble = mem_trouble,
                                      .away = mem_away,
                                      .reset = mem_reset};

#define SET(member, value)                       \
    do {                                         \
        (void)pthread_mutex_lock(&topic.lock);   \
        topic.member = (value);                  \
        (void)pthread_mutex_unlock(&topic.lock); \
    } while (0)

#define GET(member) get(&topic.member, sizeof(topic.member))

static int64_t
get(const void *member, size_t bytes)
{
    int64_t value = 0;

    (void)pthread_mutex_lock(&topic.lock);
    if (bytes == sizeof(bool))
        value = *(const bool *)member;
    else if (bytes == sizeof(int))
        value = *(const int *)member;
    else
        value = *(const int64_t *)member;
    (void)pthread_mutex_unlock(&topic.lock);
    return value;
}

/* --- the world
 * ------------------------------------------------------------------------------------- */

static int64_t
test_now_ms(void *context)
{
    (void)context;
    return bus_now_ms(bus_clock_system());
}

static int64_t
test_mono_us(void *context)
{
    (void)context;
    return bus_mono_us(bus_clock_system()) + ahead_us;
}

static void
test_random(void *context, void *out, size_t bytes)
{
    (void)context;
    bus_clock_system()->random(bus_clock_system()->context, out, bytes);
}

static const bus_clock test_clock = {NULL, test_now_ms, test_mono_us, test_random};

static bus_store          *st;
static bus_transport      *transport;
static bus_runtime_options options;
static bus_lease           leases[PARTITIONS];
static int64_t             heads[PARTITIONS];
static int                 last_number;
static bus_arena           arena;

static bus_id
numbered(int n)
{
    return bus_id_v5(BUS_ID_NIL, &n, sizeof(n));
}

/* Appends count events to a partition; the last one is so large. */
static void
append(int partition, int count, uint32_t bytes)
{
    static char          large[LARGE_BYTES * 2];
    bus_record          *events = calloc((size_t)count, sizeof(*events));
    bus_append_partition part = {.partition = (uint16_t)partition,
                                 .epoch = leases[partition].epoch};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = events, .events_count = count};
    bus_error err = {0};

    assert_non_null(events);
    memset(large, ' ', sizeof(large));
    for (int i = 0; i < count; i++)
        events[i] = (bus_record){.partition = (uint16_t)partition,
                                 .stream = numbered(last_number + i + 1),
                                 .version = 1,
                                 .command_id = numbered(1000001 + last_number + i),
                                 .at_ms = 1764000000000,
                                 .aggregate = BUS_STR("thing"),
                                 .type = BUS_STR("things.made.v1"),
                                 .actor = BUS_STR("{}"),
                                 .data = BUS_STR("{}")};
    if (bytes > 0)
        events[count - 1].data = (bus_str){large, bytes};
    if (OPS.append(st, "things", &batch, &err) != BUS_OK)
        fail_msg("%s", err.text);
    heads[partition] += count;
    last_number += count;
    free(events);
}

static int
start(void **state)
{
    const bus_transport_options t = {.queue_max = 64, .batches_max = 64};
    bus_error                   err = {0};

    (void)state;
    for (int p = 0; p < PARTITIONS; p++) {
        free(topic.messages[p]);
        topic.messages[p] = calloc(MESSAGES_MAX, sizeof(message));
        assert_non_null(topic.messages[p]);
        topic.count[p] = 0;
        topic.touched[p] = false;
        heads[p] = 0;
        leases[p] = (bus_lease){.partition = (uint16_t)p};
    }
    topic.unreadable = topic.waits = topic.silent = topic.breaks = topic.out_of_reach = false;
    topic.takes_large = topic.refuses_late = topic.mute = topic.brief = false;
    topic.most_asked = 0;
    topic.broken_times = topic.most_asked_ms = topic.most_waiting = 0;
    options = (bus_runtime_options){.store = &OPS,
                                    .store_options = {.url = STORE, .clock = bus_clock_system()},
                                    .transport_ops = &bus_transport_inproc,
                                    .clock = &test_clock,
                                    .contracts = contracts,
                                    .contracts_count = 2,
                                    .partitions = PARTITIONS,
                                    .process = "relay-1"};
    assert_int_equal(OPS.open(&st, &options.store_options, &err), BUS_OK);
    assert_int_equal(OPS.create_domain(st, "things", PARTITIONS, &err), BUS_OK);
    assert_int_equal(OPS.lease_take(st, "things", "writer", true, leases, PARTITIONS, &err),
                     BUS_OK);
    assert_int_equal(bus_transport_inproc.open(&transport, &t, &err), BUS_OK);
    options.transport = transport;
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    bus_transport_inproc.close(transport);
    OPS.close(st);
    bus_store_memory_forget(STORE);
    bus_arena_fini(&arena);
    return 0;
}

static bus_relay *
started_with(const bus_runtime_options *with, int logs)
{
    bus_relay *relay = NULL;
    bus_error  err = {0};

    if (bus_relay_start(&relay, contracts, logs, with, &sink_ops, NULL, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return relay;
}

static bus_relay *
started(const bus_runtime_options *with)
{
    return started_with(with, 1);
}

static bus_health
health(const bus_relay *relay)
{
    bus_health h[2];

    assert_int_equal(bus_relay_health(relay, h, 2), 1);
    return h[0];
}

/* All offsets of the checkpoints; -1: there are none. */
static int64_t
checkpoint(int partition)
{
    bus_checkpoint_info *list;
    bus_error            err = {0};
    int                  count;

    bus_arena_reset(&arena);
    assert_int_equal(OPS.checkpoints(st, "things", &arena, &list, &count, &err), BUS_OK);
    for (int i = 0; i < count; i++)
        if (list[i].partition == partition && bus_str_is(list[i].reader, "relay"))
            return list[i].offset;
    return -1;
}

/* Every event of the partition is there; none came before one before it; what repeats is the same.
 * Returns the highest offset. */
static int64_t
sound(int partition, int *repeats)
{
    int64_t highest = 0;

    (void)pthread_mutex_lock(&topic.lock);
    for (int i = 0; i < topic.count[partition]; i++) {
        const message *m = &topic.messages[partition][i];

        if (m->offset == highest + 1) {
            highest++;
        } else if (m->offset <= highest && m->offset > 0) {
            *repeats += 1;
        } else {
            (void)pthread_mutex_unlock(&topic.lock);
            fail_msg("partition %d goes from %lld to %lld", partition, (long long)highest,
                     (long long)m->offset);
        }
    }
    (void)pthread_mutex_unlock(&topic.lock);
    return highest;
}

static int
repeats_of_all(void)
{
    int repeats = 0;

    for (int p = 0; p < PARTITIONS; p++)
        (void)sound(p, &repeats);
    return repeats;
}

/* Waits until the topic has all there is, and the checkpoints say so. */
static void
wait_complete(void)
{
    for (int ms = 0;; ms += 10) {
        int  repeats = 0;
        bool complete = true;

        for (int p = 0; p < PARTITIONS; p++)
            complete = complete && sound(p, &repeats) == heads[p] &&
                       (heads[p] == 0 || checkpoint(p) == heads[p]);
        if (complete)
            return;
        if (ms > PATIENCE_MS)
            fail_msg("partition 0: %lld of %lld in the topic, checkpoint %lld",
                     (long long)sound(0, &repeats), (long long)heads[0], (long long)checkpoint(0));
        (void)usleep(10000);
    }
}

static void
append_everywhere(int count)
{
    for (int p = 0; p < PARTITIONS; p++)
        append(p, count, 0);
}

/* --- stories
 * ------------------------------------------------------------------------------------------
 */

static void
what_is_in_the_log_comes_to_the_topic(void **state)
{
    bus_relay *relay;

    (void)state;
    append_everywhere(700);
    relay = started(&options);
    wait_complete();
    append_everywhere(3); /* nobody tells of it: the look at the heads finds it */
    wait_complete();
    WAIT_UNTIL(health(relay).ready && health(relay).behind == 0);
    assert_int_equal(health(relay).partitions, PARTITIONS);
    assert_string_equal(health(relay).part, "relay things");
    bus_relay_stop(relay);
    assert_int_equal(repeats_of_all(), 0);
}

static void
the_checkpoint_waits_for_the_topic(void **state)
{
    bus_relay *relay;

    (void)state;
    append(0, 3 * WINDOW, 0);
    SET(waits, true);
    relay = started(&options);
    WAIT_UNTIL(GET(most_waiting) == WINDOW);
    (void)usleep(600000); /* longer than between two checkpoints */
    assert_int_equal(checkpoint(0), 0);
    assert_int_equal(GET(most_waiting), WINDOW); /* however much there is */
    WAIT_UNTIL(health(relay).behind == 3 * WINDOW);
    SET(waits, false);
    wait_complete();
    bus_relay_stop(relay);
    assert_int_equal(repeats_of_all(), 0);
}

static void
a_relay_goes_on_where_the_topic_ends(void **state)
{
    bus_relay *relay;

    (void)state;
    append_everywhere(50);
    bus_store_memory_fail(STORE, BUS_FAULT_EFFECT, BUS_UNAVAILABLE, true, 1000000);
    relay = started(&options);
    WAIT_UNTIL(GET(count[0]) == 50 && GET(count[3]) == 50);
    WAIT_UNTIL(!health(relay).ready);
    bus_relay_stop(relay); /* without a checkpoint: as if it had been killed */
    assert_int_equal(checkpoint(0), 0);
    bus_store_memory_fail(STORE, BUS_FAULT_EFFECT, BUS_OK, true, 0);
    bus_store_memory_expire(STORE);
    append_everywhere(5);
    relay = started(&options);
    wait_complete();
    bus_relay_stop(relay);
    assert_int_equal(repeats_of_all(), 0);
}

static void
what_cannot_be_looked_up_is_repeated(void **state)
{
    bus_relay *relay;

    (void)state;
    append_everywhere(50);
    bus_store_memory_fail(STORE, BUS_FAULT_EFFECT, BUS_UNAVAILABLE, true, 1000000);
    relay = started(&options);
    WAIT_UNTIL(GET(count[0]) == 50 && GET(count[3]) == 50);
    bus_relay_stop(relay);
    bus_store_memory_fail(STORE, BUS_FAULT_EFFECT, BUS_OK, true, 0);
    bus_store_memory_expire(STORE);
    SET(unreadable, true); /* the last message is somebody else's */
    relay = started(&options);
    WAIT_UNTIL(repeats_of_all() == 4 * 50);
    wait_complete();
    bus_relay_stop(relay);
}

static void
a_broken_sink_is_made_anew(void **state)
{
    bus_relay *relay;

    (void)state;
    relay = started(&options);
    for (int i = 0; i < 5; i++) {
        SET(silent, true);
        append_everywhere(20);
        WAIT_UNTIL(GET(count[0]) >= heads[0] && GET(count[3]) >= heads[3]);
        SET(breaks, true); /* delivered, and nobody knows */
        WAIT_UNTIL(!GET(breaks));
        SET(silent, false);
        wait_complete();
    }
    bus_relay_stop(relay);
    assert_int_equal(GET(broken_times), 5);
    assert_true(repeats_of_all() >= 4 * 20);
}

static void
brokers_that_are_away_are_waited_for(void **state)
{
    bus_relay *relay;

    (void)state;
    append_everywhere(10);
    SET(out_of_reach, true);
    relay = started(&options); /* which is no error */
    WAIT_UNTIL(strcmp(health(relay).detail, "no broker is in reach") == 0);
    assert_false(health(relay).ready);
    SET(out_of_reach, false);
    ahead_us += 5000000;
    wait_complete();
    SET(waits, true);
    SET(out_of_reach, true);
    append_everywhere(10);
    SET(breaks, true);
    WAIT_UNTIL(!health(relay).ready);
    assert_int_equal(checkpoint(0), 10);
    SET(out_of_reach, false);
    SET(waits, false);
    ahead_us += 6000000;
    wait_complete();
    WAIT_UNTIL(health(relay).ready);
    bus_relay_stop(relay);
}

/* late: only the topic itself finds it too large. */
static void
try_large(bool late)
{
    bus_relay *relay;

    SET(refuses_late, late);
    append(1, 5, LARGE_BYTES);
    append(1, 5, 0);
    append(2, 5, 0);
    relay = started(&options);
    WAIT_UNTIL(health(relay).parked == 1);
    append(2, 5, 0);
    WAIT_UNTIL(checkpoint(1) == 4 && checkpoint(2) == 10);
    assert_int_equal(GET(count[1]), 4); /* none behind it went */
    assert_true(health(relay).behind >= 1);
    assert_non_null(strstr(health(relay).detail, "stands at 1:5: "));
    ahead_us += 31000000; /* tried again, in vain */
    if (late)
        WAIT_UNTIL(GET(broken_times) == 2);
    else
        (void)usleep(300000);
    WAIT_UNTIL(health(relay).parked == 1);
    assert_int_equal(GET(count[1]), 4);
    SET(takes_large, true);
    ahead_us += 31000000;
    wait_complete();
    WAIT_UNTIL(health(relay).parked == 0 && health(relay).ready);
    bus_relay_stop(relay);
    assert_int_equal(repeats_of_all(), 0);
}

static void
an_event_that_never_passes_stops_its_partition(void **state)
{
    (void)state;
    try_large(false);
}

static void
an_event_that_the_topic_refuses_stops_its_partition(void **state)
{
    (void)state;
    try_large(true);
}

static bool
both_ready(const bus_relay *relay)
{
    bus_health h[2];

    assert_int_equal(bus_relay_health(relay, h, 2), 2);
    return h[0].ready && h[1].ready;
}

static bool
both_hold(const bus_relay *relay)
{
    bus_health h[2];

    assert_int_equal(bus_relay_health(relay, h, 2), 2);
    return h[0].partitions == PARTITIONS && h[1].partitions == PARTITIONS;
}

static void
what_one_topic_refuses_is_no_trouble_of_the_others(void **state)
{
    bus_health h[2] = {0};
    bus_relay *relay;

    (void)state;
    SET(refuses_late, true);
    relay = started_with(&options, 2);
    WAIT_UNTIL(both_ready(relay));
    append(1, 5, LARGE_BYTES);
    for (int ms = 0; ms < PATIENCE_MS && h[0].parked == 0; ms++) {
        (void)usleep(1000);
        assert_int_equal(bus_relay_health(relay, h, 2), 2);
        assert_string_equal(h[1].part, "relay others");
        assert_true(h[1].ready);
        assert_string_equal(h[1].detail, "");
    }
    assert_int_equal(h[0].parked, 1);
    bus_relay_stop(relay);
}

/* The leases of all logs are renewed between two rounds, and no round waits longer for having more
 * of them: not for a topic that takes its time, nor for many that fail at once. */
static void
brokers_that_say_nothing_hold_up_no_lease(void **state)
{
    bus_relay *relay;

    (void)state;
    append(0, 5, 0);
    SET(mute, true); /* the leases are taken; what is there is not told */
    relay = started_with(&options, 2);
    WAIT_UNTIL(GET(most_asked_ms) > 0 && both_hold(relay));
    assert_in_range(GET(most_asked_ms), 1, 1000);
    SET(brief, true);
    ahead_us += 6000000;                                    /* all are tried again */
    (void)usleep(2 * BUS_MEMBERS_SHARE_MS * 1000 + 300000); /* two rounds at least */
    assert_int_equal(GET(most_asked), 1);
    assert_true(both_hold(relay));
    SET(mute, false);
    ahead_us += 6000000;
    wait_complete();
    WAIT_UNTIL(both_ready(relay));
    bus_relay_stop(relay);
}

static void
a_new_topic_is_filled_from_the_beginning(void **state)
{
    bus_relay *relay;

    (void)state;
    append_everywhere(20);
    relay = started(&options);
    wait_complete();
    bus_relay_stop(relay);
    for (int p = 0; p < PARTITIONS; p++) {
        topic.count[p] = 0;
        topic.touched[p] = p == 3; /* there all has aged out: it is not new */
    }
    append_everywhere(1);
    relay = started(&options);
    WAIT_UNTIL(GET(count[0]) == 21 && GET(count[2]) == 21 && GET(count[3]) == 1);
    assert_int_equal(topic.messages[3][0].offset, 21);
    bus_relay_stop(relay);
}

static void
a_topic_of_another_log_is_not_written(void **state)
{
    bus_relay *relay;

    (void)state;
    append_everywhere(20);
    for (int p = 0; p < 2; p++)
        topic.touched[p] = true;
    topic.messages[0][0] =
        (message){.offset = 21}; /* this log has been put back to an older state */
    topic.messages[1][0] = (message){.offset = 20}; /* another event's place */
    topic.count[0] = topic.count[1] = 1;
    relay = started(&options);
    WAIT_UNTIL(health(relay).parked == 2 && checkpoint(2) == 20 && checkpoint(3) == 20);
    assert_int_equal(GET(count[0]), 1);
    assert_int_equal(GET(count[1]), 1);
    bus_relay_stop(relay);
}

/* --- several relays
 * ----------------------------------------------------------------------------------
 */

typedef struct {
    bus_runtime_options options;
    bus_members        *members;
    bus_relay          *relay;
} process;

static void
start_process(process *p, const char *name)
{
    static const char *const parts[] = {"relay things"};
    bus_error                err = {0};

    p->options = options;
    p->options.process = name;
    assert_int_equal(bus_members_start(&p->members, &p->options, parts, 1, &err), BUS_OK);
    p->options.members = p->members;
    p->relay = started(&p->options);
}

static void
stop_process(process *p)
{
    bus_members_leave(p->members);
    bus_relay_stop(p->relay);
    bus_members_stop(p->members);
}

static void
two_relays_share_the_partitions(void **state)
{
    process one, two;

    (void)state;
    append_everywhere(100);
    start_process(&one, "relay-1");
    wait_complete();
    start_process(&two, "relay-2");
    WAIT_UNTIL(health(one.relay).partitions == 2 && health(two.relay).partitions == 2);
    append_everywhere(100);
    wait_complete();
    stop_process(&one); /* the other takes over at once */
    append_everywhere(100);
    wait_complete();
    WAIT_UNTIL(health(two.relay).partitions == PARTITIONS);
    stop_process(&two);
    assert_int_equal(repeats_of_all(), 0);
}

/* The relay's thread is held where its events are delivered and the checkpoint is not written, for
 * longer than its lease; meanwhile another takes over. */
static atomic_bool pauses, paused;

static void
pause_here(void *context, const char *name)
{
    (void)context;
    if (strcmp(name, "relay.delivered") != 0 || !atomic_exchange(&pauses, false))
        return;
    atomic_store(&paused, true);
    while (atomic_load(&paused))
        (void)usleep(1000);
}

static void
one_that_slept_moves_no_checkpoint(void **state)
{
    bus_runtime_options other = options;
    bus_relay          *slept, *awake;
    int64_t             kept;

    (void)state;
    other.process = "relay-2";
    append_everywhere(30);
    atomic_store(&pauses, true);
    bus_fail_points_hook(pause_here, NULL);
    slept = started(&options);
    WAIT_UNTIL(atomic_load(&paused));
    bus_store_memory_expire(STORE);
    awake = started(&other);
    append_everywhere(30);
    wait_complete();
    kept = checkpoint(0);
    atomic_store(&paused, false); /* now it wants to write what it knows: 30 */
    WAIT_UNTIL(health(slept).partitions == 0);
    assert_int_equal(checkpoint(0), kept);
    append_everywhere(30);
    wait_complete();
    bus_fail_points_hook(NULL, NULL);
    bus_relay_stop(slept);
    bus_relay_stop(awake);
}

static void
an_archive_waits_for_the_relay(void **state)
{
    const bus_archive_wish wish = {.domain = &things, .dry_run = false};
    bus_error              err = {0};
    bus_relay             *relay;
    int64_t                events = -1;

    (void)state;
    append(0, 100, 0);
    relay = started(&options);
    wait_complete();
    SET(waits, true);
    append(0, 100, 0);
    WAIT_UNTIL(health(relay).behind == 100);
    if (bus_archive_run(&options, &wish, &events, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(events, 100); /* and not 199 */
    SET(waits, false);
    wait_complete();
    bus_relay_stop(relay);
}

int
main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(what_is_in_the_log_comes_to_the_topic),
        STORY(the_checkpoint_waits_for_the_topic),
        STORY(a_relay_goes_on_where_the_topic_ends),
        STORY(what_cannot_be_looked_up_is_repeated),
        STORY(a_broken_sink_is_made_anew),
        STORY(brokers_that_are_away_are_waited_for),
        STORY(an_event_that_never_passes_stops_its_partition),
        STORY(an_event_that_the_topic_refuses_stops_its_partition),
        STORY(what_one_topic_refuses_is_no_trouble_of_the_others),
        STORY(brokers_that_say_nothing_hold_up_no_lease),
        STORY(a_new_topic_is_filled_from_the_beginning),
        STORY(a_topic_of_another_log_is_not_written),
        STORY(two_relays_share_the_partitions),
        STORY(one_that_slept_moves_no_checkpoint),
        STORY(an_archive_waits_for_the_relay),
    };
    int failed;

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    failed = cmocka_run_group_tests(stories, NULL, NULL);
    for (int p = 0; p < PARTITIONS; p++)
        free(topic.messages[p]);
    return failed;
}
