/* health.c - /healthz, /readyz, /metrics.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/admin/admin.h"
#include "api-edge/admin/redis.h"
#include "bus/metrics/metrics.h"

#define PARTS_MAX 128

void
edge_healthz_handle(edge_request *r)
{
    edge_answer(r, &(edge_reply){.status = 200, .body = BUS_STR("{\"status\":\"ok\"}")});
}

static void
add_part(bus_buf *out, const bus_health *part)
{
    bus_buf_add_text(out, "{\"part\":");
    bus_buf_add_json(out, bus_str_of(part->part));
    bus_buf_printf(out,
                   ",\"ready\":%s,\"partitions\":%d,\"of\":%d,\"behind\":%lld,\"parked\":%d,"
                   "\"quarantined\":%d",
                   part->ready ? "true" : "false", part->partitions, part->of,
                   (long long)part->behind, part->parked, part->quarantined);
    if (part->detail[0] != '\0') {
        bus_buf_add_text(out, ",\"detail\":");
        bus_buf_add_json(out, bus_str_of(part->detail));
    }
    bus_buf_add_char(out, '}');
}

void
edge_readyz_handle(edge_request *r)
{
    const edge_options *o = &r->loop->e->options;
    bool                database = edge_db_ready(r->loop->items) && edge_db_ready(r->loop->lists);
    bool                away = o->transport_ops->away(o->transport);
    bool                ready = database && !away && !r->loop->stopping;
    bus_health         *parts = BUS_ARENA_ARRAY(&r->arena, bus_health, PARTS_MAX);
    int     count = o->health == NULL ? 0 : o->health(o->health_context, parts, PARTS_MAX);
    bus_buf list = {0};

    for (int i = 0; i < count; i++) {
        ready = ready && (parts[i].ready || parts[i].aside);
        if (i > 0)
            bus_buf_add_char(&list, ',');
        add_part(&list, &parts[i]);
    }
    bus_buf_reset(&r->out);
    /* Without Redis the edge goes on: it is told, and is no reason to get no requests. */
    bus_buf_printf(&r->out,
                   "{\"status\":\"%s\",\"database\":\"%s\",\"bus\":\"%s\",\"redis\":\"%s\","
                   "\"parts\":[%s]}",
                   ready ? "ready" : "not_ready", database ? "ok" : "down", away ? "down" : "ok",
                   edge_redis_state(r->loop->e->loops[0]->redis), list.at == NULL ? "" : list.at);
    bus_buf_fini(&list);
    edge_answer(r, &(edge_reply){.status = ready ? 200 : 503,
                                 .body = bus_buf_str(&r->out),
                                 .retry_after_s = ready ? 0 : 1});
}

void
edge_metrics_handle(edge_request *r)
{
    bus_buf_reset(&r->out);
    bus_metrics_render(&r->out);
    edge_answer(r, &(edge_reply){.status = 200,
                                 .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                 .body = bus_buf_str(&r->out)});
}
