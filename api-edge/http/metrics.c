/* metrics.c - the edge's table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/metrics.h"

#include <pthread.h>

enum { STATUS_2XX, STATUS_3XX, STATUS_4XX, STATUS_5XX, STATUS_GROUPS };

/* clang-format off */
#define REQUESTS(class_name, group_name)                                                           \
    { .name = "bus_edge_requests_total", .help = "Requests answered.",                             \
      .kind = BUS_METRIC_COUNTER,                                                                  \
      .labels = "class=\"" class_name "\",status=\"" group_name "\"" }
#define REQUEST_ROW(class_name)                                                                    \
    { REQUESTS(class_name, "2xx"), REQUESTS(class_name, "3xx"), REQUESTS(class_name, "4xx"),       \
      REQUESTS(class_name, "5xx") }
#define DURATION(class_name)                                                                       \
    { .name = "bus_edge_request_duration_us", .help = "From the first byte to the answer.",        \
      .kind = BUS_METRIC_HISTOGRAM, .labels = "class=\"" class_name "\"" }

static bus_metric requests[EDGE_CLASSES][STATUS_GROUPS] = {
    [EDGE_CLASS_COMMAND] = REQUEST_ROW("command"),
    [EDGE_CLASS_ITEM]    = REQUEST_ROW("item"),
    [EDGE_CLASS_LIST]    = REQUEST_ROW("list"),
    [EDGE_CLASS_FEED]    = REQUEST_ROW("feed"),
    [EDGE_CLASS_INGEST]  = REQUEST_ROW("ingest"),
    [EDGE_CLASS_LOGIN]   = REQUEST_ROW("login"),
    [EDGE_CLASS_ADMIN]   = REQUEST_ROW("admin"),
    [EDGE_CLASS_NONE]    = REQUEST_ROW("none"),
};
static bus_metric durations[EDGE_CLASSES] = {
    [EDGE_CLASS_COMMAND] = DURATION("command"),
    [EDGE_CLASS_ITEM]    = DURATION("item"),
    [EDGE_CLASS_LIST]    = DURATION("list"),
    [EDGE_CLASS_FEED]    = DURATION("feed"),
    [EDGE_CLASS_INGEST]  = DURATION("ingest"),
    [EDGE_CLASS_LOGIN]   = DURATION("login"),
    [EDGE_CLASS_ADMIN]   = DURATION("admin"),
    [EDGE_CLASS_NONE]    = DURATION("none"),
};
#define INGEST(outcome)                                                                            \
    { .name = "bus_edge_ingest_total", .help = "What sources have pushed, by what came of it.",    \
      .kind = BUS_METRIC_COUNTER, .labels = "outcome=\"" outcome "\"" }
static bus_metric ingests[EDGE_INGEST_OUTCOMES] = {
    [EDGE_INGEST_ACCEPTED]      = INGEST("accepted"),
    [EDGE_INGEST_REPEATED]      = INGEST("repeated"),
    [EDGE_INGEST_UNKNOWN]       = INGEST("unknown_source"),
    [EDGE_INGEST_BAD_SIGNATURE] = INGEST("bad_signature"),
    [EDGE_INGEST_LIMITED]       = INGEST("limited"),
    [EDGE_INGEST_INVALID]       = INGEST("invalid"),
    [EDGE_INGEST_FAILED]        = INGEST("failed"),
};
enum { CONNECTIONS, COMMANDS, QUERIES, RESENT, FEEDS, FEED_EVENTS, FEED_CUTS, AUDIT_WRITTEN,
       AUDIT_WAITING, AUDIT_LOST, OTHERS };
static bus_metric others[OTHERS] = {
    [CONNECTIONS] = { .name = "bus_edge_connections_count", .help = "Open connections.",
                      .kind = BUS_METRIC_GAUGE },
    [COMMANDS]    = { .name = "bus_edge_commands_in_flight_count",
                      .help = "Commands that wait for their answer.", .kind = BUS_METRIC_GAUGE },
    [QUERIES]     = { .name = "bus_edge_pipeline_depth_count",
                      .help = "Queries waiting or in flight, sampled at a flush.",
                      .kind = BUS_METRIC_GAUGE },
    [RESENT]      = { .name = "bus_edge_commands_resent_total",
                      .help = "Commands sent again for want of an answer.",
                      .kind = BUS_METRIC_COUNTER },
    [FEEDS]       = { .name = "bus_edge_feeds_count", .help = "Open feeds of events.",
                      .kind = BUS_METRIC_GAUGE },
    [FEED_EVENTS] = { .name = "bus_edge_feed_events_total", .help = "Events given to feeds.",
                      .kind = BUS_METRIC_COUNTER },
    [FEED_CUTS]   = { .name = "bus_edge_feeds_cut_total",
                      .help = "Feeds ended because their reader was too slow.",
                      .kind = BUS_METRIC_COUNTER },
    [AUDIT_WRITTEN] = { .name = "bus_edge_audit_notes_total", .help = "Rows added to the audit.",
                        .kind = BUS_METRIC_COUNTER },
    [AUDIT_WAITING] = { .name = "bus_edge_audit_waiting_count",
                        .help = "Notes of the audit that wait, of the loop that spoke last.",
                        .kind = BUS_METRIC_GAUGE },
    [AUDIT_LOST]    = { .name = "bus_edge_audit_lost_total",
                        .help = "Notes of the audit that a stop could not write in its time.",
                        .kind = BUS_METRIC_COUNTER },
};
/* clang-format on */

static void
register_tables(void)
{
    bus_metrics_register(&requests[0][0], EDGE_CLASSES * STATUS_GROUPS);
    bus_metrics_register(durations, EDGE_CLASSES);
    bus_metrics_register(ingests, EDGE_INGEST_OUTCOMES);
    bus_metrics_register(others, OTHERS);
}

void
edge_metrics_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    BUS_INVARIANT(pthread_once(&once, register_tables) == 0);
}

void
edge_metrics_request(edge_class class, int status, int64_t us)
{
    int group = status < 300   ? STATUS_2XX
                : status < 400 ? STATUS_3XX
                : status < 500 ? STATUS_4XX
                               : STATUS_5XX;

    bus_metric_add(&requests[class][group], 1);
    bus_metric_observe_us(&durations[class], us);
}

void
edge_metrics_ingest(edge_ingest_outcome outcome, int count)
{
    bus_metric_add(&ingests[outcome], count);
}

void
edge_metrics_connections(int change)
{
    bus_metric_add(&others[CONNECTIONS], change);
}

void
edge_metrics_commands(int change)
{
    bus_metric_add(&others[COMMANDS], change);
}

void
edge_metrics_resent(void)
{
    bus_metric_add(&others[RESENT], 1);
}

void
edge_metrics_queries(int waiting)
{
    bus_metric_set(&others[QUERIES], waiting);
}

void
edge_metrics_feeds(int change)
{
    bus_metric_add(&others[FEEDS], change);
}

void
edge_metrics_feed_events(int count)
{
    bus_metric_add(&others[FEED_EVENTS], count);
}

void
edge_metrics_feed_cut(void)
{
    bus_metric_add(&others[FEED_CUTS], 1);
}

void
edge_metrics_audit_written(int notes)
{
    bus_metric_add(&others[AUDIT_WRITTEN], notes);
}

void
edge_metrics_audit_waiting(int notes)
{
    bus_metric_set(&others[AUDIT_WAITING], notes);
}

void
edge_metrics_audit_lost(int notes)
{
    bus_metric_add(&others[AUDIT_LOST], notes);
}
