/* edge.c - starting and stopping: options, routes from the contracts, listeners, loops.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/edge.h"
#include "api-edge/admin/admin.h"
#include "api-edge/audit/audit.h"
#include "api-edge/http/batch.h"
#include "api-edge/http/command.h"
#include "api-edge/http/metrics.h"
#include "api-edge/http/peer.h"
#include "api-edge/http/rule.h"
#include "api-edge/ingest/ingest.h"
#include "api-edge/live/feed.h"
#include "api-edge/login/login.h"
#include "api-edge/login/password.h"
#include "api-edge/login/totp.h"
#include "api-edge/query/view.h"
#include "bus/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BASE "/api/v1"
#define PATH_BYTES 256
#define LOOPS_MAX 64
#define BACKLOG 1024

/* --- options ------------------------------------------------------------- */

static int
or_default(int value, int default_value)
{
    return value == 0 ? default_value : value;
}

static bus_code
take_options(edge *e, const edge_options *given, bus_error *err)
{
    edge_options *o = &e->options;

    *o = *given;
    o->loops = or_default(o->loops, 1);
    o->connections_max = or_default(o->connections_max, 4096);
    o->commands_max = or_default(o->commands_max, 4096);
    o->queries_max = or_default(o->queries_max, 4096);
    o->list_connections = or_default(o->list_connections, 4);
    o->list_timeout_ms = or_default(o->list_timeout_ms, 5000);
    o->body_bytes_max = or_default(o->body_bytes_max, 1024 * 1024);
    o->batch_lines_max = or_default(o->batch_lines_max, 1000);
    o->ingest_bytes_max = or_default(o->ingest_bytes_max, 256 * 1024);
    o->ingest_rate = or_default(o->ingest_rate, 200);
    o->login_rate = or_default(o->login_rate, 5);
    o->access_token_s = or_default(o->access_token_s, 900);
    o->bcrypt_cost = or_default(o->bcrypt_cost, 12);
    o->password_chars_min = or_default(o->password_chars_min, 10);
    o->idle_timeout_s = or_default(o->idle_timeout_s, 30);
    o->command_deadline_ms = or_default(o->command_deadline_ms, 10000);
    o->after_deadline_ms = or_default(o->after_deadline_ms, 2000);
    o->stop_deadline_ms = or_default(o->stop_deadline_ms, 5000);
    o->streams_max = or_default(o->streams_max, 512);
    o->heartbeat_ms = or_default(o->heartbeat_ms, 15000);
    o->slow_ms = or_default(o->slow_ms, 10000);
    if (o->loops < 1 || o->loops > LOOPS_MAX || o->connections_max < 1 || o->commands_max < 1 ||
        o->queries_max < 1 || o->list_connections < 1 || o->list_connections > 64 ||
        o->list_timeout_ms < 1 || o->body_bytes_max < 1 || o->batch_lines_max < 1 ||
        o->ingest_bytes_max < 1 || o->ingest_rate < 1 || o->login_rate < 1 ||
        o->idle_timeout_s < 1 || o->command_deadline_ms < 1 || o->after_deadline_ms < 1 ||
        o->stop_deadline_ms < 1 || o->streams_max < 1 || o->heartbeat_ms < 1 || o->slow_ms < 1 ||
        o->access_token_s < 1 || o->access_token_s > 3600 || o->bcrypt_cost < 4 ||
        o->bcrypt_cost > 31 || o->password_chars_min < 1 ||
        o->password_chars_min > EDGE_PASSWORD_BYTES_MAX)
        return bus_fail(err, BUS_INVALID, "a bound of the edge is out of range");
    if (o->transport_ops == NULL || o->transport == NULL || o->store == NULL || o->clock == NULL ||
        o->database_url == NULL || o->listen == NULL)
        return bus_fail(err, BUS_INVALID, "the edge lacks a part, a database or an address");
    return edge_keys_parse(&e->keys, o->jwt_keys, err);
}

/* --- routes -------------------------------------------------------------- */

static bus_code
add_route(edge *e, const char *method_name, const char *path, const edge_route *route,
          bus_error *err)
{
    edge_route *added = &e->routes[e->routes_count];
    edge_method method;
    bus_code    rc = edge_rule_check(route, method_name, path, err);

    if (rc != BUS_OK)
        return rc;
    if (!edge_method_parse(method_name, &method))
        return bus_fail(err, BUS_INVALID, "the method %s of %s is none of ours", method_name, path);
    *added = *route;
    e->routes_count++;
    return edge_router_add(e->router, method, path, added, err);
}

/* Where an item made by this command will be seen: "/api/v1/vehicles". Lives with the edge. */
static char *
collection_of(const edge *e, const bus_message *command)
{
    const char *path = command->http_path;
    size_t      len = strlen(path);
    char        out[PATH_BYTES];

    for (int i = 0; i < e->views_count; i++) {
        const char *item = e->views[i].of->http_item;
        size_t      item_len = item == NULL ? 0 : strlen(item);

        if (e->views[i].of->of == command->aggregate && item_len > 5 &&
            strcmp(item + item_len - 5, "/{id}") == 0) {
            path = item;
            len = item_len - 5;
            break;
        }
    }
    (void)snprintf(out, sizeof(out), BASE "%.*s", (int)len, path);
    return strdup(out);
}

static bus_code
add_command(edge *e, const bus_message *command, bus_error *err)
{
    edge_route route = {.class = EDGE_CLASS_COMMAND,
                        .rule = EDGE_RULE_ROLES,
                        .writes = true,
                        .handle = edge_command_handle,
                        .command = command};
    bool       has_id = strstr(command->http_path, "{id}") != NULL;
    char       path[PATH_BYTES];

    if (has_id == (command->on == BUS_ON_NEW) || command->shape == NULL)
        return bus_fail(err, BUS_INVALID, "%s: the route %s does not fit what it is on",
                        command->type, command->http_path);
    if (snprintf(path, sizeof(path), BASE "%s", command->http_path) >= (int)sizeof(path))
        return bus_fail(err, BUS_INVALID, "%s: the route is too long", command->type);
    if (command->on == BUS_ON_NEW && (route.collection = collection_of(e, command)) == NULL)
        abort();
    return add_route(e, command->http_method, path, &route, err);
}

static bus_code
add_commands(edge *e, bus_error *err)
{
    for (int c = 0; c < e->options.contracts_count; c++) {
        const bus_contract *contract = e->options.contracts[c];

        for (int a = 0; a < contract->aggregates_count; a++)
            for (int k = 0; k < contract->aggregates[a]->commands_count; k++) {
                const bus_message *command = contract->aggregates[a]->commands[k];
                bus_code           rc;

                if (command->by == BUS_BY_CLIENT && command->http_path != NULL &&
                    (rc = add_command(e, command, err)) != BUS_OK)
                    return rc;
            }
    }
    return BUS_OK;
}

static bus_code
add_view(edge *e, const edge_view *view, bus_error *err)
{
    const edge_route item = {.class = EDGE_CLASS_ITEM,
                             .rule = EDGE_RULE_ROLES,
                             .handle = edge_item_handle,
                             .view = view};
    const edge_route list = {.class = EDGE_CLASS_LIST,
                             .rule = EDGE_RULE_ROLES,
                             .handle = edge_list_handle,
                             .view = view};
    char             path[PATH_BYTES];
    bus_code         rc;

    if (view->of->http_item != NULL) {
        (void)snprintf(path, sizeof(path), BASE "%s", view->of->http_item);
        if ((rc = add_route(e, "GET", path, &item, err)) != BUS_OK)
            return rc;
    }
    if (view->of->http_list == NULL)
        return BUS_OK;
    (void)snprintf(path, sizeof(path), BASE "%s", view->of->http_list);
    return add_route(e, "GET", path, &list, err);
}

/* clang-format off */
const edge_own_route edge_own_routes[] = {
    {"GET",  "/healthz",                 EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_healthz_handle},
    {"GET",  "/readyz",                  EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_readyz_handle},
    {"GET",  "/metrics",                 EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_metrics_handle},
    {"GET",  "/openapi.json",            EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_openapi_handle},
    {"GET",  "/asyncapi.json",           EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_asyncapi_handle},
    {"GET",  "/schemas/{name}",          EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_schema_handle},
    {"GET",  "/docs",                    EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_docs_handle},
    {"GET",  "/docs/{name}",             EDGE_CLASS_ADMIN,   EDGE_RULE_OPEN,   false, edge_docs_file_handle},
    {"POST", BASE "/batch",              EDGE_CLASS_COMMAND, EDGE_RULE_TOKEN,  true,  edge_batch_handle},
    {"POST", BASE "/ingest/{source}",    EDGE_CLASS_INGEST,  EDGE_RULE_SIGNED, true,  edge_ingest_handle},
    {"GET",  BASE "/events/{domain}",    EDGE_CLASS_FEED,    EDGE_RULE_TOKEN,  false, edge_feed_handle},
    {"GET",  BASE "/audit",              EDGE_CLASS_LIST,    EDGE_RULE_OFFICE, false, edge_audit_list_handle},
    {"GET",  BASE "/audit/{seq}",        EDGE_CLASS_ITEM,    EDGE_RULE_OFFICE, false, edge_audit_item_handle},
};
/* clang-format on */
const int edge_own_routes_count = BUS_COUNT(edge_own_routes);

static bus_code
add_own(edge *e, const edge_own_route *own, bus_error *err)
{
    const edge_route route = {
        .class = own->class, .rule = own->rule, .writes = own->writes, .handle = own->handle};

    return add_route(e, own->method, own->path, &route, err);
}

static bus_code
add_owns(edge *e, bus_error *err)
{
    bool     ingests = edge_ingest_open(e);
    bus_code rc = BUS_OK;

    for (int i = 0; i < edge_own_routes_count && rc == BUS_OK; i++)
        if (edge_own_routes[i].class != EDGE_CLASS_INGEST || ingests)
            rc = add_own(e, &edge_own_routes[i], err);
    return rc;
}

static int
by_command(const void *a, const void *b)
{
    const edge_route *const *x = a, *const *y = b;

    return strcmp((*x)->command->type, (*y)->command->type);
}

static void
index_commands(edge *e)
{
    e->commands = calloc((size_t)e->routes_count, sizeof(*e->commands));
    if (e->commands == NULL)
        abort();
    for (int i = 0; i < e->routes_count; i++)
        if (e->routes[i].command != NULL)
            e->commands[e->commands_count++] = &e->routes[i];
    qsort(e->commands, (size_t)e->commands_count, sizeof(*e->commands), by_command);
}

static int
compare_type(const void *type, const void *entry)
{
    const bus_str           *wanted = type;
    const edge_route *const *route = entry;
    const char              *have = (*route)->command->type;
    int                      order = strncmp(wanted->at, have, wanted->len);

    return order != 0 ? order : have[wanted->len] == '\0' ? 0 : -1;
}

const edge_route *
edge_find_command(const edge *e, bus_str type)
{
    const edge_route *const *found =
        bsearch(&type, e->commands, (size_t)e->commands_count, sizeof(*e->commands), compare_type);

    return type.len == 0 || found == NULL ? NULL : *found;
}

static int
count_routes(const edge *e)
{
    int count = 32 + 2 * e->views_count; /* 32: more than the edge's own */

    for (int c = 0; c < e->options.contracts_count; c++)
        for (int a = 0; a < e->options.contracts[c]->aggregates_count; a++)
            count += e->options.contracts[c]->aggregates[a]->commands_count;
    return count;
}

static bus_code
add_logins(edge *e, bus_error *err)
{
    bus_code rc = BUS_OK;

    if ((rc = edge_totp_start(err)) != BUS_OK)
        return rc;
    e->login.ready = edge_logins_ready(e);
    for (int i = 0; e->login.ready && i < edge_login_routes_count && rc == BUS_OK; i++)
        rc = add_own(e, &edge_login_routes[i], err);
    return rc;
}

static bus_code
make_routes(edge *e, bus_error *err)
{
    bus_code rc;

    e->router = edge_router_create();
    e->routes = calloc((size_t)count_routes(e), sizeof(*e->routes));
    if (e->routes == NULL)
        abort();
    if ((rc = add_owns(e, err)) != BUS_OK || (rc = add_commands(e, err)) != BUS_OK ||
        (rc = add_logins(e, err)) != BUS_OK)
        return rc;
    index_commands(e);
    for (int i = 0; i < e->views_count; i++)
        if ((rc = add_view(e, &e->views[i], err)) != BUS_OK)
            return rc;
    return BUS_OK;
}

/* --- listening ----------------------------------------------------------- */

/* "host:port", "[v6]:port", ":port" to its parts. */
static bool
split_address(const char *listen_at, char host[64], char port[8])
{
    const char *colon = strrchr(listen_at, ':');
    size_t      len = colon == NULL ? 0 : (size_t)(colon - listen_at);

    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (len >= 2 && listen_at[0] == '[' && listen_at[len - 1] == ']') {
        listen_at++;
        len -= 2;
    }
    if (len >= 64)
        return false;
    (void)snprintf(host, 64, "%.*s", (int)len, listen_at);
    (void)snprintf(port, 8, "%s", colon + 1);
    return true;
}

static bool
bind_listener(int fd, const struct addrinfo *info)
{
    const int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
           bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
}

/* Is somebody there already? SO_REUSEPORT would share the port with them silently. */
static bool
is_taken(const struct addrinfo *info)
{
    int       fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    bool      taken = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                 bind(fd, info->ai_addr, info->ai_addrlen) != 0;

    if (fd >= 0)
        (void)close(fd);
    return taken;
}

static bus_code
resolve(const char *listen_at, struct addrinfo **out, bus_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char                  host[64], port[8];
    int                   rc;

    if (!split_address(listen_at, host, port))
        return bus_fail(err, BUS_INVALID, "\"%s\" is not host:port", listen_at);
    rc = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, out);
    if (rc != 0)
        return bus_fail(err, BUS_INVALID, "\"%s\": %s", listen_at, gai_strerror(rc));
    return BUS_OK;
}

/* After the first listener: the port it got, for the others and for people. */
static void
note_address(edge *e, int fd, struct sockaddr_storage *address, socklen_t *bytes)
{
    char host[64], port[8];

    *bytes = sizeof(*address);
    BUS_INVARIANT(getsockname(fd, (struct sockaddr *)address, bytes) == 0 &&
                  getnameinfo((struct sockaddr *)address, *bytes, host, sizeof(host), port,
                              sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0);
    e->port = (int)strtol(port, NULL, 10);
    (void)snprintf(e->address, sizeof(e->address),
                   address->ss_family == AF_INET6 ? "%s://[%s]:%d" : "%s://%s:%d",
                   e->options.tls_certificate == NULL ? "http" : "https", host, e->port);
}

/* One listening socket per loop, all on one port. */
static bus_code
open_listeners(edge *e, int fds[LOOPS_MAX], bus_error *err)
{
    struct sockaddr_storage address;
    struct addrinfo        *info = NULL, one;
    bus_code                rc = resolve(e->options.listen, &info, err);

    if (rc != BUS_OK)
        return rc;
    one = *info;
    if (is_taken(&one))
        rc = bus_fail(err, BUS_UNAVAILABLE, "%s is in use: %s", e->options.listen,
                      strerror(EADDRINUSE));
    for (int i = 0; i < e->options.loops && rc == BUS_OK; i++) {
        fds[i] = socket(one.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fds[i] < 0 || !bind_listener(fds[i], &one)) {
            rc = bus_fail(err, BUS_UNAVAILABLE, "cannot listen on %s: %s", e->options.listen,
                          strerror(errno));
        } else if (i == 0) {
            note_address(e, fds[0], &address, &one.ai_addrlen);
            one.ai_addr = (struct sockaddr *)&address;
        }
    }
    freeaddrinfo(info);
    return rc;
}

static bus_code
start_loops(edge *e, bus_error *err)
{
    int      fds[LOOPS_MAX];
    bus_code rc;

    for (int i = 0; i < LOOPS_MAX; i++)
        fds[i] = -1;
    e->loops = calloc((size_t)e->options.loops, sizeof(edge_loop *));
    if (e->loops == NULL)
        abort();
    rc = open_listeners(e, fds, err);
    for (int i = 0; i < e->options.loops && rc == BUS_OK; i++) {
        rc = edge_loop_start(&e->loops[i], e, i, fds[i], err);
        fds[i] = -1; /* the loop's, or closed by it */
        e->loops_count += rc == BUS_OK;
    }
    for (int i = 0; i < e->options.loops; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    return rc;
}

/* --- the whole ----------------------------------------------------------- */

static int
open_folder(const char *path)
{
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (path != NULL && fd < 0)
        bus_log_warn("edge.folder_missing", BUS_KV("path", path));
    return fd;
}

bus_code
edge_start(edge **out, const edge_options *options, bus_error *err)
{
    edge    *e = calloc(1, sizeof(*e));
    bus_code rc;

    if (e == NULL)
        abort();
    atomic_init(&e->stopping, false);
    e->documents_fd = open_folder(options->documents_dir);
    e->viewer_fd = open_folder(options->viewer_dir);
    edge_metrics_start();
    if ((rc = take_options(e, options, err)) != BUS_OK ||
        (rc = edge_proxies_parse(options->trusted_proxies, e->proxies, &e->proxies_count, err)) !=
            BUS_OK ||
        (rc = edge_views_open(e, err)) != BUS_OK || (rc = make_routes(e, err)) != BUS_OK ||
        (rc = start_loops(e, err)) != BUS_OK) {
        edge_stop(e);
        return rc;
    }
    bus_log_info("edge.listening", BUS_KV("address", e->address));
    *out = e;
    return BUS_OK;
}

void
edge_stop(edge *e)
{
    if (e == NULL)
        return;
    atomic_store(&e->stopping, true);
    for (int i = 0; i < e->loops_count; i++)
        (void)uv_async_send(&e->loops[i]->wake);
    for (int i = 0; i < e->loops_count; i++)
        edge_loop_stop(e->loops[i]);
    free(e->loops);
    for (int i = 0; i < e->routes_count; i++)
        free(e->routes[i].collection);
    free(e->routes);
    free(e->commands);
    edge_router_destroy(e->router);
    edge_views_close(e);
    if (e->documents_fd >= 0)
        (void)close(e->documents_fd);
    if (e->viewer_fd >= 0)
        (void)close(e->viewer_fd);
    OPENSSL_cleanse(&e->keys, sizeof(e->keys));
    free(e);
}

int
edge_port(const edge *e)
{
    return e->port;
}

const char *
edge_address(const edge *e)
{
    return e->address;
}
