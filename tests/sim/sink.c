/* sink.c - the topics that the relays fill: brokers that are slow, break, and take what was sent
 * before they broke, or before the sender died.
 *
 * A sink sends what it was given in order, some at a time; what it has sent lands in the topic,
 * whether or not the sink is still there. What landed of a sink that broke may come once more from
 * the next. SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sink.h"
#include "tests/sim/check.h"

#include <stdlib.h>
#include <string.h>

#define TOPICS SIM_DOMAINS
#define WAITING_MAX 64  /* events of one partition that a sink holds */
#define AT_ONCE_MAX 8   /* ... and sends at once */
#define WAY_US 5000     /* until they land, at most */
#define SLOW_US 8000000 /* ... when the brokers are slow */

typedef struct {
    int64_t offset;
    bus_id  command_id;
    int16_t nth;
} message;

typedef struct {
    message *messages;
    int      count, room;
} lane_topic;

/* What all processes share. */
struct sim_topics {
    char       domains[TOPICS][32];
    int        domains_count;
    lane_topic lanes[TOPICS][BUS_PARTITIONS_MAX];
    int64_t    landed;
};

typedef struct {
    message waiting[WAITING_MAX];
    int     count;   /* waiting */
    bool    sending; /* some of them are on their way */
    int64_t delivered;
} lane;

struct bus_sink {
    sim_process *process;
    void (*news)(void *context);
    void *context;
    int   life; /* of its producer: reset begins the next */
    bool  broken;
    lane  lanes[TOPICS][BUS_PARTITIONS_MAX];
};

/* Some events on their way. */
typedef struct {
    bus_sink  *sink;
    sim_world *world;
    int        process, process_life, life; /* of who sent them */
    int        topic, partition, count;
    message    messages[AT_ONCE_MAX];
} shipment;

sim_topics *
sim_topics_create(void)
{
    sim_topics *t = calloc(1, sizeof(*t));

    if (t == NULL)
        abort();
    return t;
}

void
sim_topics_destroy(sim_topics *t)
{
    if (t == NULL)
        return;
    for (int i = 0; i < TOPICS; i++)
        for (int p = 0; p < BUS_PARTITIONS_MAX; p++)
            free(t->lanes[i][p].messages);
    free(t);
}

/* --- on the way ------------------------------------------------------------------- */

static void
append_message(sim_topics *t, int topic, int partition, const message *m)
{
    lane_topic *to = &t->lanes[topic][partition];

    if (to->count == to->room) {
        to->room = to->room == 0 ? 64 : to->room * 2;
        to->messages = realloc(to->messages, sizeof(message) * (size_t)to->room);
        if (to->messages == NULL)
            abort();
    }
    to->messages[to->count++] = *m;
    t->landed++;
}

static void send_some(bus_sink *sink, int topic, int partition);

/* The sink is still there, and still wants to know. */
static bool
is_awaited(const shipment *s)
{
    const sim_process *p = &s->world->processes[s->process];

    return p->alive && p->life == s->process_life && p->sink == s->sink &&
           s->sink->life == s->life && !s->sink->broken;
}

static void
land(void *context)
{
    shipment *s = context;
    lane     *from;

    for (int i = 0; i < s->count; i++)
        append_message(s->world->topics, s->topic, s->partition, &s->messages[i]);
    sim_note(s->world->sched, "%d events land in topic %d:%d up to %lld", s->count, s->topic,
             s->partition, (long long)s->messages[s->count - 1].offset);
    if (is_awaited(s)) {
        from = &s->sink->lanes[s->topic][s->partition];
        memmove(from->waiting, from->waiting + s->count,
                sizeof(message) * (size_t)(from->count - s->count));
        from->count -= s->count;
        from->sending = false;
        from->delivered = s->messages[s->count - 1].offset;
        s->sink->news(s->sink->context);
        send_some(s->sink, s->topic, s->partition);
    }
    free(s);
}

static int64_t
way_us(const sim_world *w)
{
    bool slow = !w->calm && sim_chance(w->sched, w->faults.slow);

    return sim_between(w->sched, 100, slow ? SLOW_US : WAY_US);
}

static void
send_some(bus_sink *sink, int topic, int partition)
{
    lane      *from = &sink->lanes[topic][partition];
    sim_world *w = sink->process->world;
    shipment  *s;

    if (from->sending || from->count == 0 || sink->broken)
        return;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    *s = (shipment){.sink = sink,
                    .world = w,
                    .process = sink->process->index,
                    .process_life = sink->process->life,
                    .life = sink->life,
                    .topic = topic,
                    .partition = partition};
    s->count = from->count < AT_ONCE_MAX ? from->count : AT_ONCE_MAX;
    memcpy(s->messages, from->waiting, sizeof(message) * (size_t)s->count);
    from->sending = true;
    sim_at(w->sched, sim_now_us(w->sched) + way_us(w), land, s);
}

/* --- the ops ------------------------------------------------------------------------ */

static bus_code
sink_open(bus_sink **out, const void *settings, void (*news)(void *context), void *context,
          bus_error *err)
{
    bus_sink *sink = calloc(1, sizeof(*sink));

    (void)err;
    if (sink == NULL)
        abort();
    sink->process = ((const sim_sink_settings *)settings)->process;
    sink->process->sink = sink;
    sink->news = news;
    sink->context = context;
    *out = sink;
    return BUS_OK;
}

static void
sink_close(bus_sink *sink)
{
    if (sink == NULL)
        return;
    sink->process->sink = NULL; /* what is on its way asks that first */
    free(sink);
}

/* Brokers are out of reach as other processes are, and now and then for a moment. */
static bool
is_away(const bus_sink *sink)
{
    const sim_world *w = sink->process->world;

    return sink->process->cut_off || (!w->calm && sim_chance(w->sched, w->faults.unavailable));
}

static bus_code
ask(bus_sink *sink, int timeout_ms, bus_error *err)
{
    sim_sched *s = sink->process->world->sched;

    if (is_away(sink)) {
        sim_sleep(s, (int64_t)timeout_ms * 1000);
        return bus_fail(err, BUS_TIMEOUT, "no broker answers");
    }
    sim_sleep(s, sim_between(s, 100, WAY_US));
    return BUS_OK;
}

static bus_code
sink_prepare(bus_sink *sink, const char *domain, int timeout_ms, int *topic, bus_error *err)
{
    sim_topics *t = sink->process->world->topics;
    bus_code    rc = ask(sink, timeout_ms, err);
    int         i = 0;

    if (rc != BUS_OK)
        return rc;
    while (i < t->domains_count && strcmp(t->domains[i], domain) != 0)
        i++;
    if (i == t->domains_count) {
        BUS_INVARIANT(i < TOPICS);
        (void)snprintf(t->domains[t->domains_count++], sizeof(t->domains[0]), "%s", domain);
    }
    *topic = i;
    return BUS_OK;
}

static bus_code
sink_last(bus_sink *sink, int topic, uint16_t partition, int timeout_ms, bus_sink_last *out,
          bus_error *err)
{
    const lane_topic *to = &sink->process->world->topics->lanes[topic][partition];
    bus_code          rc = ask(sink, timeout_ms, err);

    *out = (bus_sink_last){.untouched = to->count == 0};
    if (rc == BUS_OK && to->count > 0) {
        const message *m = &to->messages[to->count - 1];

        *out = (bus_sink_last){
            .readable = true, .offset = m->offset, .command_id = m->command_id, .nth = m->nth};
    }
    return rc;
}

static void
sink_begin(bus_sink *sink, int topic, uint16_t partition, int64_t offset)
{
    lane *l = &sink->lanes[topic][partition];

    if (l->sending) /* what is on its way lands; nobody hears of it */
        sink->broken = true;
    *l = (lane){.delivered = offset};
}

static bus_code
sink_put(bus_sink *sink, int topic, const bus_record *record, bus_error *err)
{
    lane *l = &sink->lanes[topic][record->partition];

    if (sink->broken)
        return bus_fail(err, BUS_UNAVAILABLE, "the producer is broken");
    if (l->count == WAITING_MAX)
        return bus_fail(err, BUS_FULL, "the producer is full");
    l->waiting[l->count++] = (message){record->offset, record->command_id, record->nth};
    send_some(sink, topic, record->partition);
    return BUS_OK;
}

static void
sink_poll(bus_sink *sink)
{
    sim_world *w = sink->process->world;

    if (!sink->broken && !w->calm && sim_chance(w->sched, w->faults.unknown / 8)) {
        sim_note(w->sched, "the producer breaks");
        sink->broken = true;
    }
}

static int64_t
sink_delivered(const bus_sink *sink, int topic, uint16_t partition)
{
    return sink->lanes[topic][partition].delivered;
}

static bool
sink_trouble(const bus_sink *sink, bus_sink_trouble *out)
{
    *out = (bus_sink_trouble){.topic = -1};
    if (sink->broken)
        (void)bus_fail(&out->err, BUS_UNAVAILABLE, "the producer is broken");
    return sink->broken;
}

static bool
sink_away(const bus_sink *sink)
{
    return sink->process->cut_off;
}

static bus_code
sink_reset(bus_sink *sink, bus_error *err)
{
    if (is_away(sink))
        return bus_fail(err, BUS_UNAVAILABLE, "no broker answers");
    sink->life++;
    sink->broken = false;
    memset(sink->lanes, 0, sizeof(sink->lanes));
    return BUS_OK;
}

const bus_sink_ops sim_sink_ops = {
    .name = "sim",
    .open = sink_open,
    .close = sink_close,
    .prepare = sink_prepare,
    .last = sink_last,
    .begin = sink_begin,
    .put = sink_put,
    .poll = sink_poll,
    .delivered = sink_delivered,
    .trouble = sink_trouble,
    .away = sink_away,
    .reset = sink_reset,
};

/* --- what a consumer sees --------------------------------------------------------------- */

typedef struct {
    sim_world        *world;
    const char       *domain;
    const lane_topic *to;
    int               next; /* message to be looked at */
    int64_t           last; /* offset that was consumed */
} consuming;

/* It drops what is not above the last one, as README.md tells it to. */
static bus_code
consume(void *context, const bus_record *r, bus_error *err)
{
    consuming     *c = context;
    const message *m = NULL;

    (void)err;
    while (c->next < c->to->count && c->to->messages[c->next].offset <= c->last)
        c->next++;
    if (c->next < c->to->count)
        m = &c->to->messages[c->next];
    if (m == NULL || m->offset != r->offset || m->nth != r->nth ||
        !bus_id_equal(m->command_id, r->command_id))
        sim_fail(c->world->sched, "the topic of %s goes on from %u:%lld with %lld", c->domain,
                 r->partition, (long long)c->last, m == NULL ? -1LL : (long long)m->offset);
    c->last = r->offset;
    return BUS_OK;
}

void
sim_check_topics(sim_world *w)
{
    const sim_topics *t = w->topics;
    bus_error         err = {0};

    w->landed = t->landed;
    for (int i = 0; i < t->domains_count; i++)
        for (int p = 0; p < w->partitions && sim_failed(w->sched) == NULL; p++) {
            consuming c = {.world = w, .domain = t->domains[i], .to = &t->lanes[i][p]};

            if (bus_store_memory.read(w->store, t->domains[i], (uint16_t)p, 0, INT32_MAX, consume,
                                      &c, &err) != BUS_OK)
                sim_fail(w->sched, "%s: %s", t->domains[i], err.text);
        }
}
