/* limits.c - a table of buckets, and what Redis knows of them.
 * take() looks at all buckets of a request before it takes from any; on_tick() tells Redis.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/limits/limits.h"
#include "api-edge/admin/redis.h"
#include "api-edge/http/peer.h"
#include "api-edge/http/problem.h"
#include "api-edge/limits/bucket.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define TICK_MS 100
#define BUCKETS_MAX 16384 /* beyond, the one that was not used for longest goes */
#define TOLD_MAX 48       /* buckets in one call of the script */
#define CALLS_MAX 8       /* of the script in one turn; the rest waits for the next one */
#define OF_REQUEST_MAX 3
#define AGES_US INT64_C(1000000) /* a bucket moves to the end of its list so often at most */
#define KEY_BYTES 128
#define ARGUMENT_BYTES 48

/* KEYS: buckets; ARGV: of each "per_min:taken". Time is that of Redis. Answers what is left of
 * each, in thousandths. A bucket that would be full again is not kept. */
static const char script[] =
    "local now = redis.call('TIME')\n"
    "local us = now[1] * 1000000 + now[2]\n"
    "local left = {}\n"
    "for i, key in ipairs(KEYS) do\n"
    "  local per_min, taken = string.match(ARGV[i], '(%d+):(%d+)')\n"
    "  local full = per_min * 1000\n"
    "  local b = redis.call('HMGET', key, 't', 'at')\n"
    "  local t = full\n"
    "  if b[1] then t = math.min(full, b[1] + full * math.max(0, us - b[2]) / 60000000) end\n"
    "  t = math.max(-full, t - taken * 1000)\n"
    "  redis.call('HSET', key, 't', string.format('%.0f', t), 'at', string.format('%.0f', us))\n"
    "  redis.call('PEXPIRE', key, 121000)\n"
    "  left[i] = math.floor(t)\n"
    "end\n"
    "return left\n";

typedef struct {
    bus_id   tenant, id;
    uint64_t kind; /* edge_limit_kind; its width leaves no padding */
} bucket_key;

_Static_assert(sizeof(bucket_key) == 2 * sizeof(bus_id) + sizeof(uint64_t), "is hashed whole");

typedef struct bucket {
    bucket_key     key;
    edge_bucket    of;
    int64_t        used_us;
    int            taken; /* since Redis was told last */
    bool           waits; /* for an answer of Redis */
    struct bucket *next_told, **told_link;
    UT_hash_handle hh;
} bucket;

/* What one call of the script tells. */
typedef struct call {
    edge_limits *limits;
    int          count;
    bucket_key   keys[TOLD_MAX];
    int          taken[TOLD_MAX];
    struct call *next, **link;
} call;

struct edge_limits {
    edge_loop *loop;
    uv_timer_t tick;
    bucket    *buckets; /* uthash, in the order of their use */
    bucket    *told;    /* have something to tell */
    call      *calls;   /* of which Redis owes an answer */
    char       sha[41]; /* of the script; empty: Redis has to be given the whole */
};

static const struct {
    const char *name;
} kinds[EDGE_LIMIT_KINDS] = {
    [EDGE_LIMIT_QUERIES] = {"queries"}, [EDGE_LIMIT_COMMANDS] = {"commands"},
    [EDGE_LIMIT_STREAMS] = {"streams"}, [EDGE_LIMIT_TENANT] = {"tenant"},
    [EDGE_LIMIT_ADDRESS] = {"address"}, [EDGE_LIMIT_ANONYMOUS] = {"anonymous"},
    [EDGE_LIMIT_REFRESH] = {"refresh"},
};

static int64_t
mono_us(const edge_limits *limits)
{
    return bus_mono_us(limits->loop->e->options.clock);
}

static int
per_min(const edge_limits *limits, uint64_t kind)
{
    return limits->loop->e->options.limits_per_min[kind];
}

/* --- buckets ---------------------------------------------------------------------------------- */

static void
note_told(edge_limits *limits, bucket *b)
{
    if (b->told_link != NULL)
        return;
    b->next_told = limits->told;
    b->told_link = &limits->told;
    if (b->next_told != NULL)
        b->next_told->told_link = &b->next_told;
    limits->told = b;
}

static void
drop_told(bucket *b)
{
    if (b->told_link == NULL)
        return;
    *b->told_link = b->next_told;
    if (b->next_told != NULL)
        b->next_told->told_link = b->told_link;
    b->told_link = NULL;
}

static void
remove_bucket(edge_limits *limits, bucket *b)
{
    drop_told(b);
    HASH_DELETE(hh, limits->buckets, b);
    free(b);
}

static bucket *
find_bucket(edge_limits *limits, const bucket_key *key)
{
    bucket *b;

    HASH_FIND(hh, limits->buckets, key, sizeof(*key), b);
    return b;
}

static bucket *
bucket_of(edge_limits *limits, const bucket_key *key, int64_t now_us)
{
    bucket *b = find_bucket(limits, key);

    if (b != NULL) {
        edge_bucket_refill(&b->of, per_min(limits, key->kind), now_us);
        /* In a full table at once: what a request has found must not go for its next bucket. */
        if (now_us - b->used_us > AGES_US ||
            HASH_COUNT(limits->buckets) >= BUCKETS_MAX - OF_REQUEST_MAX) {
            b->used_us = now_us;
            HASH_DELETE(hh, limits->buckets, b);
            HASH_ADD(hh, limits->buckets, key, sizeof(b->key), b);
        }
        return b;
    }
    if (HASH_COUNT(limits->buckets) >= BUCKETS_MAX)
        remove_bucket(limits, limits->buckets);
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        abort();
    b->key = *key;
    b->used_us = now_us;
    edge_bucket_fill(&b->of, per_min(limits, key->kind), now_us);
    HASH_ADD(hh, limits->buckets, key, sizeof(b->key), b);
    return b;
}

static void
spend(edge_limits *limits, bucket *b, int tokens)
{
    const int64_t floor_m = -(int64_t)per_min(limits, b->key.kind) * 1000; /* as in the script */

    b->of.tokens_m -= (int64_t)tokens * 1000;
    if (b->of.tokens_m < floor_m)
        b->of.tokens_m = floor_m;
    b->taken += tokens;
    note_told(limits, b);
}

/* --- requests --------------------------------------------------------------------------------- */

static edge_limit_kind
kind_of(const edge_request *r)
{
    switch (r->class) {
    case EDGE_CLASS_COMMAND: return EDGE_LIMIT_COMMANDS;
    case EDGE_CLASS_FEED: return EDGE_LIMIT_STREAMS;
    case EDGE_CLASS_ITEM:
    case EDGE_CLASS_LIST:
    case EDGE_CLASS_INGEST:
    case EDGE_CLASS_LOGIN:
    case EDGE_CLASS_ADMIN:
    case EDGE_CLASS_NONE:
    case EDGE_CLASSES: return EDGE_LIMIT_QUERIES;
    }
    BUS_UNREACHABLE();
}

/* What the client is told of: the bucket that refuses, else the first one. */
static void
tell(edge_request *r, const edge_limits *limits, const bucket *b, bool refused)
{
    const int quota = per_min(limits, b->key.kind);

    r->limit = (edge_request_limit){
        .kind = (edge_limit_kind)b->key.kind,
        .quota = quota,
        .left = b->of.tokens_m < 1000 ? 0 : (int)(b->of.tokens_m / 1000),
        .reset_s = refused ? edge_bucket_wait_s(&b->of, quota) : edge_bucket_full_s(&b->of, quota),
        .refused = refused};
}

/* Those that have a limit, each with at least so much in it: how many. -1: answered 429. */
static int
find_all(edge_request *r, const bucket_key *keys, int count, int64_t least_m,
         bucket *of[OF_REQUEST_MAX])
{
    edge_limits  *limits = r->loop->limits;
    const int64_t now_us = mono_us(limits);
    int           found = 0;

    for (int i = 0; i < count; i++) {
        if (per_min(limits, keys[i].kind) == 0)
            continue; /* no limit */
        of[found] = bucket_of(limits, &keys[i], now_us);
        if (of[found]->of.tokens_m < least_m) {
            tell(r, limits, of[found], true);
            edge_problem(r, EDGE_RATE_LIMITED, NULL);
            return -1;
        }
        found++;
    }
    return found;
}

static bool
take(edge_request *r, const bucket_key *keys, int count)
{
    edge_limits *limits = r->loop->limits;
    bucket      *of[OF_REQUEST_MAX];
    int          found = find_all(r, keys, count, 1000, of);

    if (found < 0)
        return false;
    for (int i = 0; i < found; i++)
        spend(limits, of[i], 1);
    if (found > 0)
        tell(r, limits, of[0], false);
    return true;
}

static int
keys_of(const edge_request *r, bucket_key keys[OF_REQUEST_MAX])
{
    int count = 0;

    keys[count++] =
        (bucket_key){.kind = kind_of(r), .tenant = r->caller.tenant, .id = r->caller.actor.id};
    keys[count++] = (bucket_key){.kind = EDGE_LIMIT_TENANT, .tenant = r->caller.tenant};
    keys[count] = (bucket_key){.kind = EDGE_LIMIT_ADDRESS};
    if (edge_peer_network(r, &keys[count].id))
        count++;
    return count;
}

static bool
is_limited(const edge_request *r)
{
    return !bus_id_is_nil(r->caller.session);
}

bool
edge_limits_take(edge_request *r)
{
    bucket_key keys[OF_REQUEST_MAX];

    return !is_limited(r) || take(r, keys, keys_of(r, keys));
}

bool
edge_limits_take_anonymous(edge_request *r)
{
    bucket_key key = {.kind = EDGE_LIMIT_ANONYMOUS};

    return !edge_peer_network(r, &key.id) || take(r, &key, 1);
}

bool
edge_limits_has_anonymous(edge_request *r)
{
    bucket_key key = {.kind = EDGE_LIMIT_ANONYMOUS};
    bucket    *of[OF_REQUEST_MAX];

    return !edge_peer_network(r, &key.id) || find_all(r, &key, 1, 1000, of) >= 0;
}

bool
edge_limits_take_refresh(edge_request *r)
{
    bucket_key key = {.kind = EDGE_LIMIT_REFRESH};

    return !edge_peer_network(r, &key.id) || take(r, &key, 1);
}

/* The request has taken one already, maybe long ago: others may have spent the rest since. */
bool
edge_limits_add(edge_request *r, int more)
{
    edge_limits *limits = r->loop->limits;
    bucket_key   keys[OF_REQUEST_MAX];
    bucket      *of[OF_REQUEST_MAX];
    int          found;

    if (!is_limited(r) || more <= 0)
        return true;
    found = find_all(r, keys, keys_of(r, keys), 0, of);
    for (int i = 0; i < found; i++)
        spend(limits, of[i], more);
    if (found > 0)
        tell(r, limits, of[0], false);
    return found >= 0;
}

int
edge_limits_commands(const edge_request *r)
{
    return is_limited(r) ? per_min(r->loop->limits, EDGE_LIMIT_COMMANDS) : 0;
}

void
edge_limits_refuse(edge_request *r, const char *detail)
{
    r->limit = (edge_request_limit){.quota = 0};
    edge_problem(r, EDGE_RATE_LIMITED, detail);
}

bool
edge_limits_headers(const edge_request *r, char policy[64], char limit[64])
{
    const edge_request_limit *l = &r->limit;

    if (l->quota == 0)
        return false;
    (void)snprintf(policy, 64, "\"%s\";q=%d;w=60", kinds[l->kind].name, l->quota);
    (void)snprintf(limit, 64, "\"%s\";r=%d;t=%d", kinds[l->kind].name, l->left, l->reset_s);
    return true;
}

/* --- Redis ------------------------------------------------------------------------------------ */

static void
free_call(call *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    free(c);
}

/* What was taken meanwhile is not in the answer yet. Without one, what was told is told again, or,
 * as Redis is gone, forgotten: our own bucket knows it. */
static void
learn(edge_limits *limits, const call *c, const redisReply *answer, bool again)
{
    for (int i = 0; i < c->count; i++) {
        bucket *b = find_bucket(limits, &c->keys[i]);

        if (b == NULL || !b->waits)
            continue; /* it went, and perhaps came anew */
        b->waits = false;
        if (answer == NULL && again) {
            b->taken += c->taken[i];
            note_told(limits, b);
        } else if (answer != NULL && answer->element[i]->type == REDIS_REPLY_INTEGER) {
            b->of.tokens_m = answer->element[i]->integer - (int64_t)b->taken * 1000;
            b->of.at_us = mono_us(limits);
        }
    }
}

static void
on_answer(void *context, const redisReply *answer)
{
    call        *c = context;
    edge_limits *limits = c->limits;
    bool         fits =
        answer != NULL && answer->type == REDIS_REPLY_ARRAY && answer->elements == (size_t)c->count;
    bool again = answer != NULL && answer->type == REDIS_REPLY_ERROR &&
                 strncmp(answer->str, "NOSCRIPT", 8) == 0;

    if (again)
        limits->sha[0] = '\0'; /* Redis was started anew */
    learn(limits, c, fits ? answer : NULL, again);
    free_call(c);
}

static void
on_sha(void *context, const redisReply *answer)
{
    edge_limits *limits = context;

    if (answer != NULL && answer->type == REDIS_REPLY_STRING &&
        answer->len + 1 == sizeof(limits->sha))
        memcpy(limits->sha, answer->str, sizeof(limits->sha));
}

static bool
load_script(edge_limits *limits)
{
    const char *const words[] = {"SCRIPT", "LOAD", script};

    return edge_redis_send(limits->loop->redis, on_sha, limits, 3, words);
}

/* Gathers buckets that have something to tell and are not waiting; how many. */
static int
gather(edge_limits *limits, call *c)
{
    for (bucket *b = limits->told, *next; b != NULL && c->count < TOLD_MAX; b = next) {
        next = b->next_told;
        if (b->waits)
            continue;
        c->keys[c->count] = b->key;
        c->taken[c->count++] = b->taken;
        b->taken = 0;
        b->waits = true;
        drop_told(b);
    }
    return c->count;
}

static void
write_key(const bucket_key *key, char out[KEY_BYTES])
{
    char tenant[BUS_ID_TEXT_BYTES], id[BUS_ID_TEXT_BYTES];

    (void)snprintf(out, KEY_BYTES, "shina:limit:%s:%s:%s", kinds[key->kind].name,
                   bus_id_format(key->tenant, tenant), bus_id_format(key->id, id));
}

/* False: nothing to tell, or nobody to tell it to. */
static bool
tell_redis(edge_limits *limits)
{
    char        keys[TOLD_MAX][KEY_BYTES], arguments[TOLD_MAX][ARGUMENT_BYTES], count[16];
    const char *words[3 + 2 * TOLD_MAX] = {"EVALSHA", limits->sha, count};
    call       *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->limits = limits;
    c->next = limits->calls;
    c->link = &limits->calls;
    if (c->next != NULL)
        c->next->link = &c->next;
    limits->calls = c;
    if (gather(limits, c) > 0) {
        (void)snprintf(count, sizeof(count), "%d", c->count);
        for (int i = 0; i < c->count; i++) {
            write_key(&c->keys[i], keys[i]);
            (void)snprintf(arguments[i], ARGUMENT_BYTES, "%d:%d", per_min(limits, c->keys[i].kind),
                           c->taken[i]);
            words[3 + i] = keys[i];
            words[3 + c->count + i] = arguments[i];
        }
        if (edge_redis_send(limits->loop->redis, on_answer, c, 3 + 2 * c->count, words))
            return c->count == TOLD_MAX;
        learn(limits, c, NULL, false);
    }
    free_call(c);
    return false;
}

/* Redis is gone: what happens meanwhile is nobody's debt when it is back. */
static void
forget_told(edge_limits *limits)
{
    while (limits->told != NULL) {
        limits->told->taken = 0;
        drop_told(limits->told);
    }
}

static void
on_tick(uv_timer_t *tick)
{
    edge_limits *limits = tick->data;

    if (limits->told == NULL)
        return;
    if (limits->sha[0] != '\0')
        for (int i = 0; i < CALLS_MAX && tell_redis(limits); i++)
            ;
    else if (!load_script(limits)) /* else they are told with the next tick */
        forget_told(limits);
}

/* --- opening and closing ---------------------------------------------------------------------- */

edge_limits *
edge_limits_open(edge_loop *loop)
{
    edge_limits *limits = calloc(1, sizeof(*limits));

    if (limits == NULL)
        abort();
    limits->loop = loop;
    BUS_INVARIANT(uv_timer_init(&loop->uv, &limits->tick) == 0);
    limits->tick.data = limits;
    BUS_INVARIANT(uv_timer_start(&limits->tick, on_tick, TICK_MS, TICK_MS) == 0);
    return limits;
}

static void
on_closed(uv_handle_t *tick)
{
    free(tick->data);
}

/* After edge_redis_abandon: Redis owes nothing any more. */
void
edge_limits_close(edge_limits *limits)
{
    bucket *b, *next;

    BUS_INVARIANT(limits->calls == NULL);
    HASH_ITER(hh, limits->buckets, b, next)
    remove_bucket(limits, b);
    uv_close((uv_handle_t *)&limits->tick, on_closed);
}
