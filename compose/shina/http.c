/* http.c - the options of the edge.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/http.h"
#include "compose/shina/tls.h"

#include <stdlib.h>

static int
watch_health(void *context, bus_health *out, int max)
{
    return bus_watch_health(context, out, max);
}

static bus_code
start_edge(shina_http *h, shina_process *p, bus_error *err)
{
    const bus_config          *config = p->config;
    const bus_runtime_options *o = &p->options;
    const char                *documents = bus_config_text(config, "SHINA_DOCUMENTS");
    const char                *viewer = bus_config_text(config, "SHINA_DOCS_VIEWER");
    const edge_options         options = {
                .transport_ops = o->transport_ops,
                .transport = o->transport,
                .store = o->store,
                .store_options = o->store_options,
                .url_of = o->url_of,
                .url_context = o->url_context,
                .clock = o->clock,
                .contracts = o->contracts,
                .contracts_count = o->contracts_count,
                .views = shina_views,
                .views_count = shina_views_count,
                .partitions = o->partitions,
                .database_url = p->servers.database_url,
                .key_store = o->key_store,
                .master_keys = o->master_keys,
                .redis_url = p->servers.redis_url,
                .listen = bus_config_text(config, "SHINA_HTTP"),
                .jwt_keys = h->jwt_keys,
                .tls_certificate = h->certificate,
                .tls_key = h->key,
                .cors_origins = bus_config_text(config, "SHINA_CORS_ORIGINS"),
                .documents_dir = documents != NULL ? documents : SHINA_BUILD_DIR "/documents",
                .viewer_dir =
            viewer != NULL ? viewer : SHINA_SOURCE_DIR "/.tools/node/node_modules/swagger-ui-dist",
                .health = h->watch != NULL ? watch_health : shina_process_health,
                .health_context = h->watch != NULL ? (void *)h->watch : (void *)p,
                .connections_max = (int)bus_config_int(config, "SHINA_CONNECTIONS"),
                .idle_timeout_s = (int)bus_config_int(config, "SHINA_IDLE_S"),
                .commands_max = (int)bus_config_int(config, "SHINA_INFLIGHT"),
                .queries_max = (int)bus_config_int(config, "SHINA_INFLIGHT"),
                .streams_max = (int)bus_config_int(config, "SHINA_STREAMS"),
                .body_bytes_max = (int)bus_config_int(config, "SHINA_BODY_BYTES"),
                .ingest_bytes_max = (int)bus_config_int(config, "SHINA_INGEST_BYTES"),
                .ingest_rate = (int)bus_config_int(config, "SHINA_INGEST_RATE"),
                .login_rate = (int)bus_config_int(config, "SHINA_LOGIN_RATE"),
                .access_token_s = (int)bus_config_int(config, "SHINA_ACCESS_TOKEN_S"),
                .operator_tokens_refused = !bus_config_bool(config, "SHINA_OPERATOR_TOKENS"),
                .bcrypt_cost = (int)bus_config_int(config, "SHINA_BCRYPT_COST"),
                .password_chars_min = (int)bus_config_int(config, "SHINA_PASSWORD_CHARS"),
                .limits_per_min = {[EDGE_LIMIT_QUERIES] = (int)bus_config_int(config, "SHINA_RATE_QUERIES"),
                                   [EDGE_LIMIT_COMMANDS] =
                                       (int)bus_config_int(config, "SHINA_RATE_COMMANDS"),
                                   [EDGE_LIMIT_STREAMS] = (int)bus_config_int(config, "SHINA_RATE_STREAMS"),
                                   [EDGE_LIMIT_TENANT] = (int)bus_config_int(config, "SHINA_RATE_TENANT"),
                                   [EDGE_LIMIT_ADDRESS] = (int)bus_config_int(config, "SHINA_RATE_ADDRESS"),
                                   [EDGE_LIMIT_REFRESH] = (int)bus_config_int(config, "SHINA_RATE_REFRESH"),
                                   [EDGE_LIMIT_ANONYMOUS] =
                                       (int)bus_config_int(config, "SHINA_RATE_ANONYMOUS")},
                .trusted_proxies = bus_config_text(config, "SHINA_TRUSTED_PROXIES"),
                .batch_lines_max = (int)bus_config_int(config, "SHINA_BATCH_LINES"),
    };

    return edge_start(&h->http, &options, err);
}

bus_code
shina_http_start(shina_http *h, shina_process *p, bool others, bus_error *err)
{
    bus_code rc = shina_home_jwt_keys(&p->home, p->config, &h->jwt_keys, err);

    if (rc == BUS_OK)
        rc = shina_tls_load(p->config, &h->certificate, &h->key, err);
    if (rc == BUS_OK && others)
        rc = bus_watch_start(&h->watch, &p->options, shina_views, shina_views_count, err);
    if (rc == BUS_OK)
        rc = start_edge(h, p, err);
    return rc;
}

void
shina_http_stop(shina_http *h)
{
    edge_stop(h->http);
    bus_watch_stop(h->watch);
    free(h->jwt_keys);
    shina_tls_free(h->certificate, h->key);
    *h = (shina_http){0};
}
