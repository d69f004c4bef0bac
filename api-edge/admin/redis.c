/* redis.c - a PING every few seconds over a connection of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/admin/redis.h"
#include "api-edge/http/look_up.h"
#include "bus/base/error.h"
#include "bus/log/log.h"

#include <hiredis/adapters/libuv.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PING_MS 3000
#define PART_BYTES 256

struct edge_redis {
    uv_loop_t         *loop;
    redisAsyncContext *context; /* NULL: not connected */
    uv_timer_t         timer;
    char               host[PART_BYTES], password[PART_BYTES]; /* host: a path for unix: */
    int                port, number;                           /* number: of the database */
    bool               is_unix, closing;
    unsigned           attempts;
    bool               waits;   /* for the answer to a ping */
    edge_look_up      *look_up; /* NULL: none is under way */
    atomic_bool        fine;
};

static int
number_of(const char *text)
{
    long number = strtol(text, NULL, 10);

    return number > 0 && number < 65536 ? (int)number : 0;
}

/* Reads "[:password@]host[:port][/db]"; what is missing has its default. */
static void
read_authority(edge_redis *redis, const char *at)
{
    const char *sign = strrchr(at, '@'), *slash, *colon;
    const char *host = sign == NULL ? at : sign + 1;

    redis->port = 6379;
    if (sign != NULL) {
        const char *password = memchr(at, ':', (size_t)(sign - at));

        password = password == NULL ? at : password + 1;
        (void)snprintf(redis->password, PART_BYTES, "%.*s", (int)(sign - password), password);
    }
    slash = strchr(host, '/');
    colon = strchr(host, ':');
    if (slash == NULL)
        slash = host + strlen(host);
    else
        redis->number = number_of(slash + 1);
    if (colon != NULL && colon < slash) {
        long port = strtol(colon + 1, NULL, 10);

        redis->port = port > 0 && port < 65536 ? (int)port : redis->port;
        slash = colon;
    }
    (void)snprintf(redis->host, PART_BYTES, "%.*s", (int)(slash - host), host);
    if (redis->host[0] == '\0')
        (void)snprintf(redis->host, PART_BYTES, "127.0.0.1");
}

static void
set_fine(edge_redis *redis, bool fine)
{
    if (atomic_exchange(&redis->fine, fine) == fine)
        return;
    if (fine)
        bus_log_info("edge.redis_back", BUS_KV("host", redis->host));
    else
        bus_log_warn("edge.redis_gone", BUS_KV("host", redis->host));
}

/* hiredis frees the context after this. */
static void
on_disconnect(const redisAsyncContext *context, int status)
{
    edge_redis *redis = context->data;

    (void)status;
    if (redis == NULL || redis->context != context)
        return;
    redis->context = NULL;
    set_fine(redis, false);
}

static void
on_connect(const redisAsyncContext *context, int status)
{
    if (status != REDIS_OK)
        on_disconnect(context, status);
}

static void
on_pong(redisAsyncContext *context, void *answer, void *unused)
{
    const redisReply *reply = answer;
    edge_redis       *redis = context->data;

    (void)unused;
    if (redis == NULL || redis->context != context)
        return;
    redis->waits = false;
    set_fine(redis, reply != NULL && reply->type == REDIS_REPLY_STATUS);
}

static void
leave(edge_redis *redis)
{
    redisAsyncContext *context = redis->context;

    redis->context = NULL;
    redis->waits = false;
    if (context != NULL) {
        context->data = NULL;
        redisAsyncFree(context);
    }
}

/* host: a path, or a numeric address: hiredis would wait for the answer about a name. */
static void
connect_to(edge_redis *redis, const char *host)
{
    redisAsyncContext *context =
        redis->is_unix ? redisAsyncConnectUnix(host) : redisAsyncConnect(host, redis->port);

    if (context == NULL)
        return;
    redis->context = context;
    context->data = redis;
    if (context->err != 0 || redisLibuvAttach(context, redis->loop) != REDIS_OK ||
        redisAsyncSetDisconnectCallback(context, on_disconnect) != REDIS_OK ||
        redisAsyncSetConnectCallback(context, on_connect) != REDIS_OK ||
        (redis->password[0] != '\0' &&
         redisAsyncCommand(context, NULL, NULL, "AUTH %s", redis->password) != REDIS_OK) ||
        (redis->number > 0 &&
         redisAsyncCommand(context, NULL, NULL, "SELECT %d", redis->number) != REDIS_OK))
        leave(redis);
}

/* Another one with each attempt. */
static const char *
nth_address(const char *addresses, unsigned attempt, char out[PART_BYTES])
{
    unsigned count = 1;

    for (const char *at = addresses; *at != '\0'; at++)
        count += *at == ',';
    for (attempt %= count; attempt > 0; attempt--)
        addresses = strchr(addresses, ',') + 1;
    (void)snprintf(out, PART_BYTES, "%.*s", (int)strcspn(addresses, ","), addresses);
    return out;
}

static void
on_looked_up(void *context, const char *addresses, const char *why)
{
    edge_redis *redis = context;
    char        address[PART_BYTES];

    redis->look_up = NULL;
    if (addresses != NULL)
        connect_to(redis, nth_address(addresses, redis->attempts++, address));
    else
        bus_log_warn("edge.redis_unknown", BUS_KV("host", redis->host), BUS_KV("why", why));
}

static void
connect_now(edge_redis *redis)
{
    if (redis->is_unix || edge_is_numeric(redis->host))
        connect_to(redis, redis->host);
    else if (redis->look_up == NULL)
        redis->look_up = edge_look_up_begin(redis->loop, redis->host, on_looked_up, redis);
}

/* Every few seconds: an answer that did not come since the last time means it is gone. */
static void
on_timer(uv_timer_t *timer)
{
    edge_redis *redis = timer->data;

    if (redis->waits) {
        set_fine(redis, false);
        leave(redis);
    }
    if (redis->context == NULL && !redis->closing)
        connect_now(redis);
    if (redis->context != NULL) {
        redis->waits = true;
        if (redisAsyncCommand(redis->context, on_pong, NULL, "PING") != REDIS_OK)
            leave(redis);
    }
}

edge_redis *
edge_redis_open(uv_loop_t *loop, const char *url)
{
    edge_redis *redis;

    if (url == NULL || *url == '\0')
        return NULL;
    redis = calloc(1, sizeof(*redis));
    if (redis == NULL)
        abort();
    redis->loop = loop;
    redis->is_unix = strncmp(url, "unix:", 5) == 0;
    if (redis->is_unix) {
        const char *path = strncmp(url, "unix://", 7) == 0 ? url + 7 : url + 5;

        (void)snprintf(redis->host, PART_BYTES, "%.*s", (int)strcspn(path, "?"), path);
    } else {
        read_authority(redis, strncmp(url, "redis://", 8) == 0 ? url + 8 : url);
    }
    atomic_init(&redis->fine, false);
    BUS_INVARIANT(uv_timer_init(loop, &redis->timer) == 0 &&
                  uv_timer_start(&redis->timer, on_timer, 0, PING_MS) == 0);
    redis->timer.data = redis;
    return redis;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
edge_redis_abandon(edge_redis *redis)
{
    if (redis == NULL)
        return;
    redis->closing = true;
    leave(redis);
    if (redis->look_up != NULL)
        edge_look_up_cancel(redis->look_up);
    redis->look_up = NULL;
}

typedef struct {
    edge_redis_answer *done;
    void              *context;
} asked;

/* Called once for each command, with NULL when the connection goes. */
static void
on_answer(redisAsyncContext *context, void *answer, void *own)
{
    asked *a = own;
    (void)context;

    a->done(a->context, answer);
    free(a);
}

bool
edge_redis_send(edge_redis *redis, edge_redis_answer *done, void *context, int count,
                const char *const *words)
{
    const char *argv[EDGE_REDIS_WORDS_MAX];
    asked      *a;

    BUS_INVARIANT(count > 0 && count <= EDGE_REDIS_WORDS_MAX);
    if (redis == NULL || redis->context == NULL || !atomic_load(&redis->fine))
        return false;
    for (int i = 0; i < count; i++)
        argv[i] = words[i];
    if (done == NULL)
        return redisAsyncCommandArgv(redis->context, NULL, NULL, count, argv, NULL) == REDIS_OK;
    a = calloc(1, sizeof(*a));
    if (a == NULL)
        abort();
    *a = (asked){done, context};
    if (redisAsyncCommandArgv(redis->context, on_answer, a, count, argv, NULL) == REDIS_OK)
        return true;
    free(a);
    return false;
}

void
edge_redis_close(edge_redis *redis)
{
    if (redis == NULL)
        return;
    edge_redis_abandon(redis);
    uv_close((uv_handle_t *)&redis->timer, on_closed);
}

const char *
edge_redis_state(const edge_redis *redis)
{
    return redis == NULL ? "none" : atomic_load(&redis->fine) ? "ok" : "degraded";
}
