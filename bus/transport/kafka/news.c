/* news.c - what was committed and how far views are, to who wants to know.
 *
 * Records of events do not go out from here: the relay writes them to the topics of events, from
 * the log. What goes out is a doorbell, "heads.<domain>": in this partition there are records up to
 * there. Who takes "events.<domain>" gets them from the topic, or at once if they were committed in
 * this process.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/cloudevent.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS "events."
#define HEADS "heads."
#define GATHER_MAX 256 /* records of one batch */

/* A topic that is read, or was. */
typedef struct {
    char          topic[BUS_KAFKA_TOPIC_BYTES];
    const domain *of; /* whose events; NULL: the topic of progress */
    int           partitions;
    struct {
        bool    wanted, read;
        int64_t last; /* the log's offset that was last handed on */
    } * at;
} feed;

struct bus_kafka_news {
    bus_transport    *transport;
    bus_kafka_reader *reader;
    feed             *feeds; /* the reader's; all but the last are of the domains in their order */
    int               feeds_count;
    /* A batch in the making: one partition, without gaps. */
    const feed         *gathering;
    int                 partition;
    uint32_t            count;
    rd_kafka_message_t *messages[GATHER_MAX]; /* what the records borrow from */
    bus_record          records[GATHER_MAX];
};

static int
progress_partition(bus_str topic)
{
    return (int)(bus_fnv1a64(topic.at, topic.len) % BUS_KAFKA_PROGRESS_PARTITIONS);
}

/* What is behind a prefix of a topic; no bytes: it has another. */
static bus_str
behind(bus_str topic, const char *prefix)
{
    uint32_t len = (uint32_t)strlen(prefix);

    if (topic.len <= len || memcmp(topic.at, prefix, len) != 0)
        return (bus_str){NULL, 0};
    return (bus_str){topic.at + len, topic.len - len};
}

/* --- publishing ---------------------------------------------------------------- */

static void
tell_others(bus_transport *t, const bus_batch *batch)
{
    bus_buf   value = {0};
    bus_error err;

    bus_kafka_value_begin(&value, KIND_PROGRESS, t->incarnation);
    bus_batch_encode(batch, &value);
    if (bus_kafka_value_send(t, t->progress, progress_partition(batch->topic), &value,
                             &t->waiting.progress, t->local.batches_max, &t->waiting.progress,
                             &err) != BUS_OK) {
        /* counted by the client; the log, the heads of which are looked at, shows it */
    }
}

static void
ring(bus_transport *t, const domain *d, const bus_batch *batch)
{
    char      topic[BUS_TOPIC_BYTES];
    bus_batch bell = {
        .partition = batch->partition, .first_offset = batch->first_offset, .count = batch->count};
    bus_batch *owned;

    (void)snprintf(topic, sizeof(topic), HEADS "%s", d->name);
    bell.topic = bus_str_of(topic);
    owned = bus_batch_of(&bell);
    bus_local_publish(&t->local, owned);
    tell_others(t, owned);
    bus_batch_release(owned);
}

void
bus_kafka_news_publish(bus_transport *t, bus_batch *batch)
{
    domain *d = bus_kafka_domain(t, behind(batch->topic, EVENTS));

    bus_local_publish(&t->local, batch);
    if (d == NULL) {
        tell_others(t, batch);
    } else if (batch->partition < t->settings.partitions) {
        /* What comes from the topic up to there is known here already. */
        atomic_store(&d->places[batch->partition].told, batch->first_offset + batch->count - 1);
        ring(t, d, batch);
    }
}

/* --- gathering events ------------------------------------------------------------- */

static void
hand_on(bus_kafka_news *news)
{
    char       topic[BUS_TOPIC_BYTES];
    bus_batch  batch = {.partition = (uint16_t)news->partition,
                        .count = news->count,
                        .lean = true,
                        .records = news->records};
    bus_batch *owned;

    if (news->count == 0)
        return;
    (void)snprintf(topic, sizeof(topic), EVENTS "%s", news->gathering->of->name);
    batch.topic = bus_str_of(topic);
    batch.first_offset = news->records[0].offset;
    owned = bus_batch_of(&batch);
    bus_local_publish(&news->transport->local, owned);
    bus_batch_release(owned);
    for (uint32_t i = 0; i < news->count; i++)
        rd_kafka_message_destroy(news->messages[i]);
    news->count = 0;
}

static bus_code
read_event(const domain *d, const rd_kafka_message_t *message, bus_record *out, bus_error *err)
{
    const bus_str       data = {message->payload, (uint32_t)message->len};
    bus_cloudevent      event = {0};
    rd_kafka_headers_t *headers;
    const char         *name;
    const void         *value;
    size_t              bytes;
    bus_code            rc = BUS_OK;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return bus_fail(err, BUS_INVALID, "kafka: a message without headers");
    for (size_t i = 0; rc == BUS_OK && rd_kafka_header_get_all(headers, i, &name, &value, &bytes) ==
                                           RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        rc = bus_cloudevent_take(&event, name, (bus_str){value, (uint32_t)bytes}, err);
    if (rc == BUS_OK)
        rc = bus_cloudevent_record(&event, d->name, data, out, err);
    if (rc == BUS_OK && out->partition != message->partition)
        rc = bus_fail(err, BUS_INVALID, "kafka: an event of partition %d in another",
                      out->partition);
    return rc;
}

/* True: message is kept until the batch has been handed on. */
static bool
take_event(bus_kafka_news *news, feed *f, rd_kafka_message_t *message)
{
    int64_t   *last = &f->at[message->partition].last;
    int64_t    told = atomic_load(&f->of->places[message->partition].told);
    bus_record record;
    bus_error  err = {0};

    if (read_event(f->of, message, &record, &err) != BUS_OK) {
        bus_kafka_complain(news->transport, f->topic, &err);
        return false;
    }
    if (record.offset <= *last || record.offset <= told)
        return false; /* a repeat: the relay may have begun anew */
    if (news->count > 0 &&
        (news->gathering != f || news->partition != message->partition ||
         news->records[news->count - 1].offset + 1 != record.offset || news->count == GATHER_MAX))
        hand_on(news);
    news->gathering = f;
    news->partition = message->partition;
    news->messages[news->count] = message;
    news->records[news->count++] = record;
    *last = record.offset;
    return true;
}

static void
take_progress(bus_transport *t, const rd_kafka_message_t *message)
{
    bus_wire   in = {.at = message->payload, .left = (uint32_t)message->len};
    bus_batch *batch;
    uint32_t   from;
    bus_error  err = {0};

    if (bus_kafka_value_read(&in, KIND_PROGRESS, &from, &err) == BUS_OK && from == t->incarnation)
        return; /* told here already */
    if (err.code == BUS_OK && bus_batch_decode((bus_str){in.at, in.left}, &batch, &err) == BUS_OK) {
        bus_local_publish(&t->local, batch);
        bus_batch_release(batch);
    }
    if (err.code != BUS_OK)
        bus_kafka_complain(t, t->progress, &err);
}

/* --- what the reader does ------------------------------------------------------------- */

static feed *
find_feed(bus_kafka_news *news, const char *topic)
{
    for (int i = 0; i < news->feeds_count; i++)
        if (strcmp(news->feeds[i].topic, topic) == 0)
            return &news->feeds[i];
    return NULL;
}

static void
on_message(void *context, rd_kafka_message_t *message)
{
    bus_kafka_news *news = context;
    feed           *f = find_feed(news, rd_kafka_topic_name(message->rkt));

    if (f != NULL && f->of != NULL && take_event(news, f, message))
        return;
    if (f != NULL && f->of == NULL)
        take_progress(news->transport, message);
    rd_kafka_message_destroy(message);
}

static void
on_rest(void *context)
{
    hand_on(context);
}

/* Somebody here takes this topic. */
static void
want(void *context, bus_str topic)
{
    bus_kafka_news *news = context;
    const domain   *d = bus_kafka_domain(news->transport, behind(topic, EVENTS));
    feed           *progress = &news->feeds[news->feeds_count - 1];
    feed           *f = d == NULL ? progress : find_feed(news, d->events);

    if (d == NULL)
        progress->at[progress_partition(topic)].wanted = true;
    for (int p = 0; d != NULL && p < f->partitions; p++)
        f->at[p].wanted = true;
}

static void
on_turn(void *context, bus_kafka_reader *reader)
{
    bus_kafka_news                  *news = context;
    rd_kafka_topic_partition_list_t *more = rd_kafka_topic_partition_list_new(8);
    rd_kafka_topic_partition_list_t *less = rd_kafka_topic_partition_list_new(8);

    bus_local_topics(&news->transport->local, want, news);
    for (int i = 0; i < news->feeds_count; i++) {
        feed *f = &news->feeds[i];

        for (int p = 0; p < f->partitions; p++) {
            if (f->at[p].wanted != f->at[p].read)
                rd_kafka_topic_partition_list_add(f->at[p].wanted ? more : less, f->topic, p)
                    ->offset = RD_KAFKA_OFFSET_END;
            f->at[p].read = f->at[p].wanted;
            f->at[p].wanted = false;
        }
    }
    bus_kafka_reader_drop(reader, less);
    bus_kafka_reader_add(reader, more);
    rd_kafka_topic_partition_list_destroy(more);
    rd_kafka_topic_partition_list_destroy(less);
}

/* Too slow for the topic: it goes on at the end, and who misses records reads the log. */
static void
on_lost(void *context, bus_kafka_reader *reader, const char *topic, int partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    (void)context;
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_END;
    bus_kafka_reader_drop(reader, list);
    bus_kafka_reader_add(reader, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* --- its life --------------------------------------------------------------------------- */

static void
init_feed(feed *f, const char *topic, const domain *of, int partitions)
{
    (void)snprintf(f->topic, sizeof(f->topic), "%s", topic);
    f->of = of;
    f->partitions = partitions;
    f->at = calloc((size_t)partitions, sizeof(*f->at));
    if (f->at == NULL)
        abort();
}

static bus_kafka_news *
make_news(bus_transport *t)
{
    bus_kafka_news *news = calloc(1, sizeof(*news));

    if (news == NULL)
        abort();
    news->transport = t;
    news->feeds_count = t->settings.domains_count + 1;
    news->feeds = calloc((size_t)news->feeds_count, sizeof(*news->feeds));
    if (news->feeds == NULL)
        abort();
    for (int i = 0; i < t->settings.domains_count; i++)
        init_feed(&news->feeds[i], t->domains[i].events, &t->domains[i], t->settings.partitions);
    init_feed(&news->feeds[news->feeds_count - 1], t->progress, NULL,
              BUS_KAFKA_PROGRESS_PARTITIONS);
    return news;
}

static void
free_news(bus_kafka_news *news)
{
    for (int i = 0; i < news->feeds_count; i++)
        free(news->feeds[i].at);
    free(news->feeds);
    free(news);
}

bus_code
bus_kafka_news_changed(bus_transport *t, bus_error *err)
{
    char                     group[BUS_KAFKA_TOPIC_BYTES];
    bus_kafka_news          *news = NULL;
    bus_kafka_reader_options options = {.role = "bus-news",
                                        .group = group,
                                        .turn = on_turn,
                                        .message = on_message,
                                        .rest = on_rest,
                                        .lost = on_lost};
    bus_code                 rc = BUS_OK;

    (void)snprintf(group, sizeof(group), "%.100s." NEWS_GROUP, t->settings.prefix);
    (void)pthread_mutex_lock(&t->news_lock);
    if (t->news != NULL) {
        bus_kafka_reader_poke(t->news->reader);
    } else {
        options.context = news = make_news(t);
        rc = bus_kafka_reader_create(&news->reader, &t->settings, &options, err);
        if (rc == BUS_OK)
            t->news = news;
        else
            free_news(news);
    }
    (void)pthread_mutex_unlock(&t->news_lock);
    return rc;
}

void
bus_kafka_news_close(bus_transport *t)
{
    if (t->news == NULL)
        return;
    bus_kafka_reader_destroy(t->news->reader);
    hand_on(t->news);
    free_news(t->news);
    t->news = NULL;
}
