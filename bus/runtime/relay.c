/* relay.c - one thread copies the logs of all its domains.
 *
 * A place, a partition of a log, is taken by its lease, opened when it is known what is in the
 * topic already, and then events go through it: read in order, put into the sink, and when the sink
 * says that they are delivered, the checkpoint moves. The one rule: the checkpoint never passes an
 * event that is not in the topic. SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/relay.h"
#include "bus/base/failpoint.h"
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "bus/runtime/owners.h"
#include "bus/runtime/relay_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MAX 8192     /* events in the sink that are not delivered */
#define READ_MAX 512        /* ... read at once, of one domain */
#define COMMIT_US 250000    /* checkpoints are written so often */
#define RENEW_US 1500000    /* ... and renewed */
#define STOPPED_US 30000000 /* what is stopped is tried again */
#define TELL_AGAIN_US 30000000
#define SHARE_US (BUS_MEMBERS_SHARE_MS * 1000)
#define ASK_MS 1000           /* the sink is waited for, at most, in one round of all logs */
#define ASK_LEAST_MS 200      /* less is not worth a question */
#define PAUSE_FIRST_US 100000 /* after trouble with the sink, doubled up to */
#define PAUSE_LAST_US 5000000
#define DRAIN_US 3000000 /* a clean stop waits so long for what is under way */

int64_t
relay_now_us(const bus_relay *relay)
{
    return bus_mono_us(relay->options->clock);
}

void
relay_store_trouble(relay_log *log, const char *what, const bus_error *err)
{
    if (!log->store_down)
        bus_log_warn("relay.store_failed", BUS_KV("domain", log->domain), BUS_KV("doing", what),
                     BUS_KV_ERR(err));
    log->store_down = true;
}

/* Logs it once, and then now and then, until the sink works again for this log. */
static void
sink_trouble(const bus_relay *relay, relay_log *log, const char *what, const bus_error *err)
{
    const int64_t now = relay_now_us(relay);

    if (!log->sink_trouble || now - log->told_us >= TELL_AGAIN_US) {
        log->told_us = now;
        bus_log_warn("relay.sink_failed", BUS_KV("domain", log->domain), BUS_KV("doing", what),
                     BUS_KV_ERR(err));
    }
    log->sink_trouble = true;
    (void)snprintf(log->why, sizeof(log->why), "%.127s", err->text);
}

int64_t
relay_in_flight(const bus_relay *relay)
{
    int64_t count = 0;

    for (int i = 0; i < relay->logs_count; i++)
        for (int p = 0; p < relay->partitions; p++)
            if (relay->logs[i].place[p].state == PLACE_OPEN)
                count += relay->logs[i].place[p].sent - relay->logs[i].place[p].delivered;
    return count;
}

/* --- questions to the sink ---------------------------------------------------------------------
 */

/* How long one may take now; 0: the next round. However many logs there are, and whatever does not
 * answer, their leases are renewed in time. */
static int
ask_ms(const bus_relay *relay)
{
    const int64_t left = (relay->ask_until_us - relay_now_us(relay)) / 1000;

    return left >= ASK_LEAST_MS ? (int)left : 0;
}

static void
note_answer(bus_relay *relay, const bus_error *err)
{
    if (err->code == BUS_TIMEOUT || err->code == BUS_UNAVAILABLE)
        relay->ask_until_us = 0; /* the next one would wait as well */
}

/* --- places ------------------------------------------------------------------------------------
 */

static void
stop_place(bus_relay *relay, relay_log *log, int partition, int64_t offset, const bus_error *why)
{
    relay_place *place = &log->place[partition];

    bus_log_error("relay.stopped", BUS_KV("domain", log->domain),
                  BUS_KV_INT("partition", partition), BUS_KV_INT("offset", offset),
                  BUS_KV_ERR(why));
    (void)snprintf(log->why, sizeof(log->why), "stands at %d:%lld: %.90s", partition,
                   (long long)offset, why->text);
    bus_follow_drop(log->follow, partition);
    place->state = PLACE_STOPPED;
    place->retry_us = relay_now_us(relay) + STOPPED_US;
}

static bus_code
note_record(void *context, const bus_record *record, bus_error *err)
{
    bus_sink_last *in_log = context;

    (void)err;
    in_log->offset = record->offset;
    in_log->command_id = record->command_id;
    in_log->nth = record->nth;
    return BUS_OK;
}

/* Is the topic's last event the log's own? BUS_INVALID: the topic is of another log. */
static bus_code
compare(const bus_relay *relay, const relay_log *log, int partition, const bus_sink_last *last,
        bus_error *err)
{
    bus_sink_last in_log = {0};
    bus_code      rc = relay->options->store->read(log->store, log->domain, (uint16_t)partition,
                                                   last->offset - 1, 1, note_record, &in_log, err);

    if (rc != BUS_OK)
        return rc;
    if (in_log.offset != last->offset)
        return bus_fail(err, BUS_INVALID,
                        "the topic is ahead of the log: its last event has offset %lld",
                        (long long)last->offset);
    if (!bus_id_equal(in_log.command_id, last->command_id) || in_log.nth != last->nth)
        return bus_fail(err, BUS_INVALID, "the topic has the events of another log: offset %lld",
                        (long long)last->offset);
    return BUS_OK;
}

/* All up to the last event of a topic is in it, as nothing goes there with a hole; so copying goes
 * on behind that, whatever the checkpoint says. A topic that nothing was ever put into, because it
 * is new, is filled from the log's beginning. */
static int64_t
start_of(const relay_log *log, int partition, const bus_sink_last *last)
{
    const int64_t checkpoint = log->place[partition].checkpoint.offset;

    if (last->untouched)
        return 0;
    return last->readable ? last->offset : checkpoint; /* aged out, or not ours */
}

static void
open_place(bus_relay *relay, relay_log *log, int partition)
{
    relay_place  *place = &log->place[partition];
    bus_sink_last last = {0};
    bus_error     err = {0};
    int64_t       start;
    bus_code      rc =
        relay->ops->last(relay->sink, log->topic, (uint16_t)partition, ask_ms(relay), &last, &err);

    note_answer(relay, &err);
    place->retry_us = relay_now_us(relay) + relay->pause_us;
    if (rc == BUS_NOT_FOUND)
        log->topic = -1;
    if (rc != BUS_OK) {
        sink_trouble(relay, log, "looking at what is there", &err);
        return;
    }
    if (last.readable && (rc = compare(relay, log, partition, &last, &err)) != BUS_OK) {
        if (rc == BUS_INVALID)
            stop_place(relay, log, partition, last.offset, &err);
        else
            relay_store_trouble(log, "comparing topic and log", &err);
        return;
    }
    start = start_of(log, partition, &last);
    if (start != place->checkpoint.offset)
        bus_log_info("relay.goes_on", BUS_KV("domain", log->domain),
                     BUS_KV_INT("partition", partition), BUS_KV_INT("after", start),
                     BUS_KV_INT("checkpoint", place->checkpoint.offset));
    relay->ops->begin(relay->sink, log->topic, (uint16_t)partition, start);
    bus_follow_partition(log->follow, partition, start);
    place->sent = place->delivered = start;
    place->state = PLACE_OPEN;
    log->sink_trouble = false;
}

/* At most one each turn, as the sink is waited for. */
static bool
open_next(bus_relay *relay, relay_log *log)
{
    int64_t now = relay_now_us(relay);

    for (int i = 0; i < relay->partitions; i++) {
        const int    p = (log->opened_next + i) % relay->partitions;
        relay_place *place = &log->place[p];

        if ((place->state != PLACE_TAKEN && place->state != PLACE_STOPPED) || place->retry_us > now)
            continue;
        if (ask_ms(relay) == 0)
            return false;
        log->opened_next = (p + 1) % relay->partitions;
        open_place(relay, log, p);
        return place->state == PLACE_OPEN;
    }
    return false;
}

static void
prepare(bus_relay *relay, relay_log *log)
{
    bus_error err = {0};

    if (log->topic >= 0 || relay_now_us(relay) < log->prepare_us || ask_ms(relay) == 0)
        return;
    if (relay->ops->prepare(relay->sink, log->domain, ask_ms(relay), &log->topic, &err) == BUS_OK) {
        log->sink_trouble = false;
        return;
    }
    note_answer(relay, &err);
    log->topic = -1;
    log->prepare_us = relay_now_us(relay) + PAUSE_LAST_US;
    sink_trouble(relay, log, "preparing the topic", &err);
}

/* --- copying ------------------------------------------------------------------------------------
 */

/* True: there may be more at once. */
static bool
copy(bus_relay *relay, relay_log *log)
{
    int64_t    room = WINDOW_MAX - relay_in_flight(relay);
    bool       held_up[BUS_PARTITIONS_MAX] = {false}, waits = false;
    bus_record records[READ_MAX];
    bus_error  err = {0};
    int        count;
    bus_code   rc;

    if (room <= 0)
        return false;
    rc = bus_follow_next(log->follow, &relay->arena, records,
                         room < READ_MAX ? (int)room : READ_MAX, &count, &err);
    if (rc != BUS_OK)
        relay_store_trouble(log, "reading the log", &err);
    for (int i = 0; i < count; i++) {
        const bus_record *r = &records[i];
        relay_place      *place = &log->place[r->partition];

        if (held_up[r->partition] || place->state != PLACE_OPEN)
            continue;
        switch (relay->ops->put(relay->sink, log->topic, r, &err)) {
        case BUS_OK: place->sent = r->offset; break;
        case BUS_INVALID: stop_place(relay, log, r->partition, r->offset, &err); break;
        default: /* full, or trouble that is looked at next */
            held_up[r->partition] = waits = true;
            bus_follow_partition(log->follow, r->partition, r->offset - 1);
        }
    }
    if (count > 0)
        BUS_FAIL_POINT("relay.sent");
    return rc == BUS_OK && count > 0 && !waits;
}

static void
note_delivered(bus_relay *relay, relay_log *log)
{
    for (int p = 0; log->topic >= 0 && p < relay->partitions; p++) {
        relay_place *place = &log->place[p];
        int64_t      delivered;

        if (place->state != PLACE_OPEN && place->state != PLACE_STOPPED)
            continue;
        delivered = relay->ops->delivered(relay->sink, log->topic, (uint16_t)p);
        if (delivered <= place->delivered || delivered > place->sent)
            continue; /* nothing new; or of a time when the place was ours before */
        bus_metric_add(&log->metrics[RELAY_METRIC_EVENTS], delivered - place->delivered);
        place->delivered = delivered;
        relay->pause_us = PAUSE_FIRST_US;
        log->sink_trouble = false;
    }
}

/* --- trouble with the sink
 * ------------------------------------------------------------------------ */

static void
blame(bus_relay *relay, const bus_sink_trouble *trouble)
{
    for (int i = 0; i < relay->logs_count; i++) {
        relay_log *log = &relay->logs[i];

        if (trouble->topic < 0 || log->topic == trouble->topic)
            sink_trouble(relay, log, "delivering", &trouble->err);
        if (log->topic != trouble->topic)
            continue;
        if ((trouble->err.code == BUS_INVALID || trouble->err.code == BUS_DENIED) &&
            trouble->offset > 0 && log->place[trouble->partition].state == PLACE_OPEN)
            stop_place(relay, log, trouble->partition, trouble->offset, &trouble->err);
        else if (trouble->err.code == BUS_NOT_FOUND)
            log->topic = -1;
    }
}

/* What was not delivered goes again, from the log. */
static void
go_back(bus_relay *relay, relay_log *log)
{
    for (int p = 0; p < relay->partitions; p++) {
        relay_place *place = &log->place[p];

        if (place->state != PLACE_OPEN)
            continue;
        if (log->topic < 0) {
            bus_follow_drop(log->follow, p);
            place->state = PLACE_TAKEN;
            continue;
        }
        if (BUS_PLANTED("relay.hole_after_trouble"))
            place->delivered = place->sent;
        relay->ops->begin(relay->sink, log->topic, (uint16_t)p, place->delivered);
        bus_follow_partition(log->follow, p, place->delivered);
        place->sent = place->delivered;
    }
}

/* False: nothing can be put now. */
static bool
mind_sink(bus_relay *relay)
{
    bus_sink_trouble trouble;
    bus_error        err = {0};

    relay->ops->poll(relay->sink);
    for (int i = 0; i < relay->logs_count; i++)
        note_delivered(relay, &relay->logs[i]);
    if (!relay->troubled && !relay->ops->trouble(relay->sink, &trouble))
        return true;
    if (!relay->troubled) {
        blame(relay, &trouble);
        relay->troubled = true;
        relay->resume_us = relay_now_us(relay) + relay->pause_us;
        relay->pause_us = relay->pause_us * 2 > PAUSE_LAST_US ? PAUSE_LAST_US : relay->pause_us * 2;
    }
    if (relay_now_us(relay) < relay->resume_us)
        return false;
    if (relay->ops->reset(relay->sink, &err) != BUS_OK) {
        bus_log_warn("relay.sink_not_reset", BUS_KV_ERR(&err));
        relay->resume_us = relay_now_us(relay) + PAUSE_LAST_US;
        return false;
    }
    relay->troubled = false;
    for (int i = 0; i < relay->logs_count; i++) {
        go_back(relay, &relay->logs[i]);
        relay->logs[i].sink_trouble = relay->logs[i].topic < 0;
    }
    return true;
}

/* --- what is shown
 * ---------------------------------------------------------------------------------
 */

/* What of a held partition is not in the topic. */
static int64_t
lag_of(const relay_log *log, int partition)
{
    const relay_place *place = &log->place[partition];
    int64_t            head = bus_follow_head(log->follow, partition);
    int64_t at = place->state == PLACE_TAKEN ? place->checkpoint.offset : place->delivered;

    return head > at ? head - at : 0;
}

static void
show(bus_relay *relay, relay_log *log)
{
    bus_health now = {.part = log->part, .of = relay->partitions, .aside = true};
    bool       away = relay->ops->away(relay->sink);

    for (int p = 0; p < relay->partitions; p++) {
        if (!log->place[p].checkpoint.held)
            continue;
        now.partitions++;
        now.parked += log->place[p].state == PLACE_STOPPED;
        now.behind += lag_of(log, p);
    }
    now.ready = !log->store_down && !log->sink_trouble && !away && log->topic >= 0;
    if (log->store_down)
        (void)snprintf(now.detail, sizeof(now.detail), "the store is out of reach");
    else if (away)
        (void)snprintf(now.detail, sizeof(now.detail), "no broker is in reach");
    else if (!now.ready || now.parked > 0)
        (void)snprintf(now.detail, sizeof(now.detail), "%s", log->why);
    bus_metric_set(&log->metrics[RELAY_METRIC_LAG], now.behind);
    bus_metric_set(&log->metrics[RELAY_METRIC_STOPPED], now.parked);
    (void)pthread_mutex_lock(relay->lock);
    log->shown = now;
    (void)pthread_mutex_unlock(relay->lock);
}

int
bus_relay_health(const bus_relay *relay, bus_health *out, int max)
{
    int count = 0;

    (void)pthread_mutex_lock(relay->lock);
    for (; count < relay->logs_count && count < max; count++)
        out[count] = relay->logs[count].shown;
    (void)pthread_mutex_unlock(relay->lock);
    return count;
}

/* --- the thread
 * --------------------------------------------------------------------------------------
 */

/* Leases are only taken for a topic that is there, as one that is waited for keeps from renewing.
 */
static bool
turn(bus_relay *relay, relay_log *log, bool sink_works)
{
    int64_t now = relay_now_us(relay);
    bool    more = false;

    if (sink_works)
        prepare(relay, log);
    if (log->topic >= 0 && now - log->shared_us >= SHARE_US)
        relay_share(relay, log);
    if (now - log->renewed_us >= RENEW_US)
        relay_renew(relay, log);
    if (sink_works && log->topic >= 0) {
        more = open_next(relay, log);
        more = copy(relay, log) || more;
    }
    if (now - log->committed_us >= COMMIT_US)
        (void)relay_commit(relay, log);
    show(relay, log);
    return more;
}

static void
drain(bus_relay *relay)
{
    int64_t until_us = relay_now_us(relay) + DRAIN_US;

    while (mind_sink(relay) && relay_in_flight(relay) > 0 && relay_now_us(relay) < until_us)
        bus_bell_wait(&relay->bell, 20);
}

static void *
relay_main(void *context)
{
    bus_relay *relay = context;

    bus_thread_name("relay", NULL);
    while (!atomic_load(&relay->stopping)) {
        bool works, more = false;

        bus_arena_reset(&relay->arena);
        works = mind_sink(relay);
        relay->ask_until_us = relay_now_us(relay) + ASK_MS * INT64_C(1000);
        for (int i = 0; i < relay->logs_count && !atomic_load(&relay->stopping); i++)
            more = turn(relay, &relay->logs[(relay->first + i) % relay->logs_count], works) || more;
        relay->first = (relay->first + 1) % relay->logs_count;
        if (!more)
            bus_bell_wait(&relay->bell, relay_in_flight(relay) > 0 ? 50 : BUS_MEMBERS_SHARE_MS);
    }
    drain(relay);
    for (int i = 0; i < relay->logs_count; i++)
        relay_give_back(relay, &relay->logs[i]);
    return NULL;
}

/* --- starting and stopping
 * ----------------------------------------------------------------------------
 */

static void
init_log(bus_relay *relay, relay_log *log, const bus_contract *contract)
{
    static const bus_metric metrics[RELAY_METRICS] = {
        [RELAY_METRIC_LAG] = {.name = "bus_relay_lag_events",
                              .help = "Events of the log that are not in the topic yet.",
                              .kind = BUS_METRIC_GAUGE},
        [RELAY_METRIC_EVENTS] = {.name = "bus_relay_events_total",
                                 .help = "Events delivered to the topic.",
                                 .kind = BUS_METRIC_COUNTER},
        [RELAY_METRIC_STOPPED] = {.name = "bus_relay_stopped_partitions",
                                  .help = "Partitions at an event that the topic does not take.",
                                  .kind = BUS_METRIC_GAUGE}};

    log->domain = contract->module;
    log->topic = -1;
    (void)snprintf(log->part, sizeof(log->part), "relay %.80s", log->domain);
    (void)snprintf(log->label, sizeof(log->label), "domain=\"%.64s\"", log->domain);
    log->shown = (bus_health){.part = log->part, .of = relay->partitions, .aside = true};
    (void)snprintf(log->shown.detail, sizeof(log->shown.detail), "starts");
    for (int i = 0; i < RELAY_METRICS; i++) {
        log->metrics[i].name = metrics[i].name;
        log->metrics[i].help = metrics[i].help;
        log->metrics[i].kind = metrics[i].kind;
        log->metrics[i].labels = log->label;
    }
    bus_metrics_register(log->metrics, RELAY_METRICS);
}

/* Logs in the default database share a connection. */
static bus_code
open_log(bus_relay *relay, relay_log *log, bus_error *err)
{
    const bus_runtime_options *o = relay->options;
    bus_code                   rc = BUS_OK;

    log->owns_store = o->url_of != NULL && o->url_of(o->url_context, log->domain) != NULL;
    if (log->owns_store)
        rc = bus_runtime_store(o, NULL, log->domain, "shina relay", &log->store, err);
    else
        log->store = relay->store;
    if (rc != BUS_OK ||
        (rc = o->store->create_domain(log->store, log->domain, relay->partitions, err)) != BUS_OK)
        return rc;
    return bus_follow_open_log(&log->follow, o, log->store, log->domain, &relay->bell, err);
}

static void
free_relay(bus_relay *relay)
{
    relay->ops->close(relay->sink);
    for (int i = 0; i < relay->logs_count; i++) {
        relay_log *log = &relay->logs[i];

        bus_metrics_unregister(log->metrics);
        bus_follow_close(log->follow);
        if (log->owns_store && log->store != NULL)
            relay->options->store->close(log->store);
    }
    if (relay->store != NULL)
        relay->options->store->close(relay->store);
    (void)pthread_mutex_destroy(relay->lock);
    free(relay->lock);
    bus_bell_fini(&relay->bell);
    bus_arena_fini(&relay->arena);
    free(relay->logs);
    free(relay);
}

static bus_relay *
new_relay(const bus_contract *const *domains, int count, const bus_runtime_options *options,
          const bus_sink_ops *sink_ops)
{
    bus_relay *relay = calloc(1, sizeof(*relay));

    if (relay == NULL)
        abort();
    relay->options = options;
    relay->ops = sink_ops;
    relay->partitions = options->partitions;
    relay->pause_us = PAUSE_FIRST_US;
    relay->logs = calloc((size_t)count + 1, sizeof(*relay->logs));
    relay->lock = calloc(1, sizeof(*relay->lock));
    if (relay->logs == NULL || relay->lock == NULL || pthread_mutex_init(relay->lock, NULL) != 0)
        abort();
    bus_bell_init(&relay->bell, relay->options->threads);
    for (; relay->logs_count < count; relay->logs_count++)
        init_log(relay, &relay->logs[relay->logs_count], domains[relay->logs_count]);
    return relay;
}

bus_code
bus_relay_start(bus_relay **out, const bus_contract *const *domains, int count,
                const bus_runtime_options *options, const bus_sink_ops *sink_ops,
                const void *sink_settings, bus_error *err)
{
    bus_relay *relay;
    bus_code   rc;

    if (count < 1 || count > BUS_SINK_TOPICS_MAX)
        return bus_fail(err, BUS_INVALID, "a relay has 1 to %d domains, not %d",
                        BUS_SINK_TOPICS_MAX, count);
    relay = new_relay(domains, count, options, sink_ops);
    rc = bus_runtime_views_store(options, NULL, "shina relay", &relay->store, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        rc = open_log(relay, &relay->logs[i], err);
    if (rc == BUS_OK)
        rc = sink_ops->open(&relay->sink, sink_settings, bus_bell_ring, &relay->bell, err);
    if (rc == BUS_OK &&
        !bus_thread_start(&relay->thread, relay->options->threads, relay_main, relay))
        rc = bus_fail(err, BUS_UNAVAILABLE, "no thread for the relay");
    if (rc != BUS_OK) {
        free_relay(relay);
        return rc;
    }
    *out = relay;
    return BUS_OK;
}

void
bus_relay_stop(bus_relay *relay)
{
    if (relay == NULL)
        return;
    atomic_store(&relay->stopping, true);
    bus_bell_ring(&relay->bell);
    bus_thread_join(&relay->thread);
    free_relay(relay);
}
