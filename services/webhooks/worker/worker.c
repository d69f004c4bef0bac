/* worker.c - the thread that sends webhooks: one of all processes at a time, by a lease.
 *
 * Each turn: what came back is judged, cursors that a receiver has moved are saved, what was asked
 * for is done, what can be sent is sent. A crash in between repeats at most what was sent and not
 * saved.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/worker.h"
#include "bus/base/thread.h"
#include "bus/log/log.h"
#include "services/webhooks/worker/worker_internal.h"

#include <stdlib.h>
#include <string.h>

#define RENEW_US INT64_C(1500000)
#define SAVE_US INT64_C(1000000) /* cursors that only passed over others' events */
#define TURN_MS 100
#define TROUBLE_MS 500
#define WARN_US INT64_C(10000000)
#define TOPICS_MAX 16 /* of one subscriber; logs beyond are looked at once a second */

int64_t
worker_now_us(const worker *w)
{
    return bus_mono_us(w->options->clock);
}

void
worker_trouble(worker *w, const char *what, const bus_error *err)
{
    atomic_store(&w->trouble, true);
    if (w->warned_us != 0 && worker_now_us(w) - w->warned_us < WARN_US)
        return;
    w->warned_us = worker_now_us(w);
    bus_log_warn("webhooks.trouble", BUS_KV("what", what), BUS_KV_ERR(err));
}

/* --- the lease ---------------------------------------------------------------------------------
 */

static void
let_go(worker *w, bool release)
{
    bus_error err;

    subscriptions_forget(w);
    if (release && w->held &&
        w->options->store->checkpoint_release(w->store, HOME, HOME, HOME, w->control,
                                              w->options->partitions, &err) != BUS_OK)
        bus_log_debug("webhooks.release_failed", BUS_KV_ERR(&err));
    w->held = false;
    atomic_store(&w->leads, 0);
}

/* All partitions or none: one process leads, others stand by. */
static bus_code
take_lease(worker *w, bus_error *err)
{
    const bus_runtime_options *o = w->options;
    int                        held = 0;
    bus_code rc = o->store->checkpoint_take(w->store, HOME, HOME, HOME, o->process, o->sole,
                                            w->control, o->partitions, err);

    if (rc != BUS_OK)
        return rc;
    for (int p = 0; p < o->partitions; p++)
        held += w->control[p].held;
    if (held == o->partitions) {
        w->held = true;
        atomic_store(&w->leads, 1);
        bus_log_info("webhooks.leads", BUS_KV("process", o->process));
    } else if (held > 0) {
        bus_checkpoint some[BUS_PARTITIONS_MAX];
        int            count = 0;

        for (int p = 0; p < o->partitions; p++)
            if (w->control[p].held)
                some[count++] = w->control[p];
        return o->store->checkpoint_release(w->store, HOME, HOME, HOME, some, count, err);
    }
    return BUS_OK;
}

static bus_code
renew_lease(worker *w, bus_error *err)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX];
    bus_code       rc;

    memcpy(mine, w->control, sizeof(mine));
    rc = w->options->store->checkpoint_renew(w->store, HOME, HOME, HOME, mine,
                                             w->options->partitions, err);
    for (int p = 0; p < w->options->partitions && rc == BUS_OK; p++)
        if (!mine[p].held)
            rc = bus_fail(err, BUS_FENCED, "another process sends the webhooks");
    return rc;
}

bus_code
worker_renew(worker *w, bus_error *err)
{
    bus_code rc;

    if (w->renewed_us != 0 && worker_now_us(w) - w->renewed_us < RENEW_US)
        return BUS_OK;
    w->renewed_us = worker_now_us(w);
    rc = w->held ? renew_lease(w, err) : take_lease(w, err);
    w->lease_trouble = rc != BUS_OK && rc != BUS_FENCED;
    return rc;
}

/* --- turns ---------------------------------------------------------------------------------------
 */

static bus_code
save(worker *w, bus_error *err)
{
    bool all = worker_now_us(w) - w->saved_us >= SAVE_US;

    if (all)
        w->saved_us = worker_now_us(w);
    return cursors_save(w, all, err);
}

static bus_code
turn(worker *w, bus_error *err)
{
    bus_code rc;

    if ((rc = save(w, err)) != BUS_OK || (rc = logs_look(w, err)) != BUS_OK)
        return rc;
    if ((rc = subscriptions_follow(w, err)) != BUS_OK)
        return rc;
    atomic_store(&w->caught_up, true);
    ask_take_replies(w);
    ask_again(w);
    rc = sending_turn(w, err);
    sending_show(w);
    return rc;
}

static void
wait_a_moment(worker *w, int ms)
{
    CURLMcode rc = curl_multi_poll(w->multi, NULL, 0, ms, NULL);
    int       running;

    if (rc == CURLM_OK)
        rc = curl_multi_perform(w->multi, &running);
    if (rc != CURLM_OK) { /* the system refused it a wait, for want of memory, say */
        bus_log_warn("webhooks.wait_failed", BUS_KV("why", curl_multi_strerror(rc)));
        bus_thread_sleep(w->options->threads, TROUBLE_MS);
    }
    deliver_take_done(w);
}

static void *
worker_main(void *context)
{
    worker *w = context;

    bus_thread_name("webhooks", NULL);
    while (!atomic_load(&w->stopping)) {
        bus_error err = {0};
        bus_code  rc;

        w->more = false;
        bus_arena_reset(&w->scratch);
        logs_take_batches(w);
        rc = worker_renew(w, &err);
        if (rc == BUS_OK && w->held)
            rc = turn(w, &err);
        if (rc == BUS_FENCED || rc == BUS_UNKNOWN) { /* unknown: it could come late, after ours */
            bus_log_warn("webhooks.fenced", BUS_KV("process", w->options->process));
            let_go(w, false);
        } else if (rc != BUS_OK) {
            worker_trouble(w, "a turn", &err);
        } else {
            atomic_store(&w->trouble, w->lease_trouble || (w->held && logs_down(w) != NULL));
        }
        wait_a_moment(w, rc != BUS_OK ? TROUBLE_MS : w->more ? 0 : TURN_MS);
    }
    if (w->held) {
        bus_error err;

        if (cursors_save(w, true, &err) != BUS_OK)
            bus_log_warn("webhooks.not_saved", BUS_KV_ERR(&err));
    }
    let_go(w, true); /* one that stands by may go on at once */
    return NULL;
}

/* --- starting and stopping
 * ------------------------------------------------------------------------- */

static void
wake(void *context)
{
    worker *w = context;

    (void)curl_multi_wakeup(w->multi);
}

static void
init_curl(void)
{
    BUS_INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static bus_code
listen_to_logs(worker *w, bus_error *err)
{
    const bus_runtime_options *o = w->options;
    char                       names[TOPICS_MAX][96];
    const char                *topics[TOPICS_MAX];
    int                        count = 0;

    for (int i = 0; i < w->logs_count && count < TOPICS_MAX; i++) {
        (void)snprintf(names[count], sizeof(names[count]), "events.%.64s", w->logs[i].domain);
        topics[count] = names[count];
        count++;
    }
    return o->transport_ops->subscribe(o->transport, topics, count, wake, w, &w->subscriber, err);
}

static void
worker_destroy(worker *w)
{
    const bus_runtime_options *o = w->options;

    if (w->client != NULL)
        o->transport_ops->disconnect(w->client);
    if (w->subscriber != NULL)
        o->transport_ops->unsubscribe(w->subscriber);
    logs_fini(w);
    bus_owners_destroy(w->owners);
    bus_personal_destroy(w->personal);
    if (w->store != NULL)
        o->store->close(w->store);
    if (w->multi != NULL)
        (void)curl_multi_cleanup(w->multi);
    bus_arena_fini(&w->scratch);
    bus_arena_fini(&w->folding);
    free(w);
}

static bus_code
read_config(worker *w, const bus_config *config, bus_error *err)
{
    w->timeout_ms = bus_config_int(config, "SHINA_WEBHOOK_TIMEOUT_MS");
    w->private_allowed = bus_config_bool(config, "SHINA_WEBHOOK_PRIVATE");
    return webhook_schedule_parse(bus_config_text(config, "SHINA_WEBHOOK_RETRIES"), &w->schedule,
                                  err);
}

static bus_code
worker_start(void **out, const bus_runtime_options *options, const bus_config *config,
             bus_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    worker               *w = calloc(1, sizeof(*w));
    bus_code              rc;

    if (w == NULL)
        abort();
    BUS_INVARIANT(pthread_once(&once, init_curl) == 0);
    worker_metrics_start();
    w->options = options;
    w->multi = curl_multi_init();
    BUS_INVARIANT(w->multi != NULL);
    logs_init(w);
    w->owners = bus_owners_create(options, HOME);
    w->personal = bus_runtime_personal(options, HOME, "shina webhooks");
    if ((rc = read_config(w, config, err)) != BUS_OK ||
        (rc = bus_runtime_store(options, HOME, HOME, "shina webhooks", &w->store, err)) != BUS_OK ||
        (rc = options->transport_ops->connect(options->transport, wake, w, &w->client, err)) !=
            BUS_OK ||
        (rc = listen_to_logs(w, err)) != BUS_OK) {
        worker_destroy(w);
        return rc;
    }
    if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
        worker_destroy(w);
        return bus_fail(err, BUS_UNAVAILABLE, "the webhooks' thread does not start");
    }
    *out = w;
    return BUS_OK;
}

static void
worker_stop(void *context)
{
    worker *w = context;

    if (w == NULL)
        return;
    atomic_store(&w->stopping, true);
    wake(w);
    BUS_INVARIANT(pthread_join(w->thread, NULL) == 0);
    worker_destroy(w);
}

static void
worker_health(const void *context, bus_health *out)
{
    const worker *w = context;
    bool          leads = atomic_load(&w->leads) != 0, trouble = atomic_load(&w->trouble);
    int           parked = atomic_load(&w->parked), unserved = atomic_load(&w->unserved);

    *out = (bus_health){.part = "worker webhooks",
                        .partitions = leads ? w->options->partitions : 0,
                        .of = w->options->partitions,
                        .behind = leads ? atomic_load(&w->behind) : 0,
                        .parked = leads ? parked : 0,
                        .ready = !trouble,
                        .aside = true};
    if (trouble)
        (void)snprintf(out->detail, sizeof(out->detail), "the store is out of reach, or a log is");
    else if (leads && unserved > 0)
        (void)snprintf(out->detail, sizeof(out->detail),
                       "%d subscriptions are not served: more than %d of all, or %d of one tenant",
                       unserved, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_OF_TENANT_MAX);
    else if (!leads)
        (void)snprintf(out->detail, sizeof(out->detail), "stands by");
}

const bus_worker webhooks_worker = {
    .domain = HOME, .start = worker_start, .stop = worker_stop, .health = worker_health};
