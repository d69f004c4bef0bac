/* session.c - is the session of a token still open?
 * edge_session_check() asks what is believed here, then ask_redis(), then ask_views().
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/session.h"
#include "api-edge/admin/redis.h"
#include "api-edge/http/problem.h"
#include "api-edge/query/view.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_BELIEVED_MS 350 /* here; as long again in Redis */
#define BELIEVED_PX "350"
#define ENDED_PX "3700000" /* longer than an access token lives */
#define REDIS_WAIT_US INT64_C(150000)
/* What was believed of a tenant goes on so long while it is asked anew: who writes all the time,
 * with an operator's token, does not wait for that. */
#define TENANT_STALE_US INT64_C(250000)
#define TICK_MS 50
#define SLOTS 4096
#define FRESH_S 5 /* a session so young may not be in its view yet */
#define KEY_BYTES 96

typedef enum { UNKNOWN, DENIED, MAY_READ, MAY_ALL } verdict;

typedef struct {
    bus_id  tenant, session;
    int64_t generation, until_us;
    verdict verdict;
} slot;

/* One question, of a request that waits or of a feed that goes on meanwhile. It outlives its
 * request while Redis owes an answer. */
typedef struct ask {
    edge_sessions *sessions;
    edge_caller    caller;
    edge_request  *r;         /* NULL: nobody waits */
    bool           of_tenant; /* not of a session: caller is what tenant_key() makes */
    bool           settled;
    bool           of_redis; /* Redis owes an answer */
    bool           of_views; /* the views do */
    int64_t        redis_until_us;
    edge_db_query  query;
    char           ids[3][BUS_ID_TEXT_BYTES];
    struct ask    *next, **link;
} ask;

struct edge_sessions {
    edge_loop *loop;
    slot       slots[SLOTS];
    ask       *asks;
    uv_timer_t tick;
    int64_t    redis_off_until_us; /* it was slow */
    bool       closing;
};

static void ask_views(ask *a);

/* --- what is believed ------------------------------------------------------------ */

static int64_t
now_us(const edge_sessions *sessions)
{
    return bus_mono_us(sessions->loop->e->options.clock);
}

static slot *
slot_of(edge_sessions *sessions, bus_id session)
{ /* ids of sessions are spread well; what is found is compared with the tenant, too */
    return &sessions->slots[bus_fnv1a64(session.bytes, sizeof(session.bytes)) % SLOTS];
}

static void
believe(edge_sessions *sessions, const edge_caller *caller, verdict v)
{
    *slot_of(sessions, caller->session) =
        (slot){.tenant = caller->tenant,
               .session = caller->session,
               .generation = caller->generation,
               .until_us = now_us(sessions) + SESSION_BELIEVED_MS * INT64_C(1000),
               .verdict = v};
}

static bool
is_of(const slot *s, const edge_caller *caller)
{
    return bus_id_equal(s->tenant, caller->tenant) && bus_id_equal(s->session, caller->session) &&
           s->generation == caller->generation;
}

static verdict
believed(edge_sessions *sessions, const edge_caller *caller)
{
    const slot *s = slot_of(sessions, caller->session);

    return is_of(s, caller) && now_us(sessions) < s->until_us ? s->verdict : UNKNOWN;
}

/* --- what comes of it -------------------------------------------------------------- */

/* False: answered. */
static bool
admit(edge_request *r, verdict v)
{
    if (v == DENIED)
        edge_problem(r, EDGE_UNAUTHENTICATED, "The session is over.");
    else if (v == MAY_READ && r->route->writes)
        edge_problem(r, EDGE_TENANT_SUSPENDED, NULL);
    return !r->answered;
}

static void
free_if_done(ask *a)
{
    if (!a->settled || a->of_redis || a->of_views)
        return;
    *a->link = a->next;
    if (a->next != NULL)
        a->next->link = a->link;
    if (a->sessions->asks == NULL && !a->sessions->closing)
        (void)uv_timer_stop(&a->sessions->tick);
    free(a);
}

static void
settle(ask *a, verdict v)
{
    edge_request *r = a->r;

    a->r = NULL;
    a->settled = true;
    if (r != NULL && admit(r, v))
        edge_request_go_on(r);
    free_if_done(a);
}

/* Of a tenant, when nobody can say: what was last known, else all; an operator's token needs no
 * views. */
static verdict
last_known(edge_sessions *sessions, const edge_caller *key)
{
    const slot *s = slot_of(sessions, key->session);

    return is_of(s, key) ? s->verdict : MAY_ALL;
}

/* Nobody can say: a request is told so, a feed goes on and asks again. */
static void
fail(ask *a, edge_problem_kind kind)
{
    edge_request *r = a->r;

    if (a->of_tenant && !a->sessions->loop->stopping) {
        settle(a, last_known(a->sessions, &a->caller));
        return;
    }
    a->r = NULL;
    a->settled = true;
    if (r != NULL)
        edge_problem(r, kind, NULL);
    free_if_done(a);
}

/* --- Redis --------------------------------------------------------------------------- */

static void
key_of(bus_id tenant, bus_id session, char out[KEY_BYTES])
{
    char ids[2][BUS_ID_TEXT_BYTES];

    (void)snprintf(out, KEY_BYTES, "shina:session:%s:%s", bus_id_format(tenant, ids[0]),
                   bus_id_format(session, ids[1]));
}

static void
value_of(const edge_caller *caller, verdict v, char out[KEY_BYTES])
{
    (void)snprintf(out, KEY_BYTES, "%s:%lld", v == MAY_ALL ? "all" : "read",
                   (long long)caller->generation);
}

/* NX: what an edge has ended stays ended, whatever another one has read before. */
static void
tell_redis(ask *a, const edge_caller *caller, verdict v)
{
    char        key[KEY_BYTES], value[KEY_BYTES];
    const char *words[] = {"SET", key, value, "PX", BELIEVED_PX, "NX"};

    key_of(caller->tenant, caller->session, key);
    value_of(caller, v, value);
    (void)edge_redis_send(a->sessions->loop->redis, NULL, NULL, 6, words);
}

void
edge_session_ended(edge_loop *loop, bus_id tenant, bus_id session)
{
    char        key[KEY_BYTES];
    const char *words[] = {"SET", key, "ended", "PX", ENDED_PX};

    if (loop->sessions == NULL)
        return;
    *slot_of(loop->sessions, session) = (slot){.until_us = 0}; /* asked anew: it is over */
    key_of(tenant, session, key);
    (void)edge_redis_send(loop->redis, NULL, NULL, 5, words);
}

/* What Redis says of this generation; UNKNOWN: nothing. */
static verdict
verdict_of(const edge_caller *caller, const struct redisReply *answer)
{
    char value[KEY_BYTES];

    if (answer == NULL || answer->type != REDIS_REPLY_STRING)
        return UNKNOWN;
    if (strcmp(answer->str, "ended") == 0)
        return DENIED;
    for (verdict v = MAY_READ; v <= MAY_ALL; v++) {
        value_of(caller, v, value);
        if (strcmp(answer->str, value) == 0)
            return v;
    }
    return UNKNOWN;
}

static void
on_redis(void *context, const struct redisReply *answer)
{
    ask    *a = context;
    verdict v = verdict_of(&a->caller, answer);

    a->of_redis = false;
    if (a->settled || a->of_views) { /* it was too slow */
        free_if_done(a);
        return;
    }
    if (v == UNKNOWN) {
        ask_views(a);
        return;
    }
    believe(a->sessions, &a->caller, v);
    settle(a, v);
}

static void
ask_redis(ask *a)
{
    edge_sessions *sessions = a->sessions;
    char           key[KEY_BYTES];
    const char    *words[] = {"GET", key};

    key_of(a->caller.tenant, a->caller.session, key);
    a->redis_until_us = now_us(sessions) + REDIS_WAIT_US;
    a->of_redis = true;
    if (now_us(sessions) >= sessions->redis_off_until_us &&
        edge_redis_send(sessions->loop->redis, on_redis, a, 2, words))
        return;
    a->of_redis = false;
    ask_views(a);
}

/* Who waits for Redis too long goes on without it, and so do others for a while. */
static void
on_tick(uv_timer_t *tick)
{
    edge_sessions *sessions = tick->data;
    int64_t        now = now_us(sessions);
    ask           *next;

    for (ask *a = sessions->asks; a != NULL; a = next) {
        next = a->next;
        if (a->settled || a->of_views || now < a->redis_until_us)
            continue;
        sessions->redis_off_until_us = now + 20 * REDIS_WAIT_US;
        ask_views(a);
    }
}

/* --- the views ------------------------------------------------------------------------- */

static const edge_view *
find_view(const edge *e, const char *name)
{
    for (int i = 0; i < e->views_count; i++)
        if (strcmp(e->views[i].of->name, name) == 0)
            return &e->views[i];
    return NULL;
}

bool
edge_sessions_ready(edge *e)
{
    const edge_view *sessions = find_view(e, "user_sessions"), *users = find_view(e, "users");
    const edge_view *tenants = find_view(e, "tenants");

    if (sessions == NULL || users == NULL || tenants == NULL)
        return false;
    (void)snprintf(
        e->login.session_sql, sizeof(e->login.session_sql),
        "select case when (s.body::json->>'expires_at')::bigint"
        " <= extract(epoch from clock_timestamp()) * 1000 then 'ENDED' else s.status end,"
        " (s.body::json->>'generation')::bigint, s.user_id,"
        " u.status, (u.body::json->>'generation')::bigint, t.status"
        " from (select $1::uuid as tenant, $2::uuid as session, $3::uuid as id) q"
        " left join views.\"%s\" s on s.tenant = q.tenant and s.id = q.session"
        " left join views.\"%s\" u on u.tenant = q.tenant and u.id = q.id"
        " left join views.\"%s\" t on t.tenant = q.tenant and t.id = q.tenant",
        sessions->table, users->table, tenants->table);
    return true;
}

static bool
is_text(const PGresult *res, int column, const char *text)
{
    return strcmp(PQgetvalue(res, 0, column), text) == 0;
}

static bool
is_generation(const PGresult *res, int column, const edge_caller *caller)
{
    return strtoll(PQgetvalue(res, 0, column), NULL, 10) == caller->generation;
}

/* A session that has just begun may not be there yet; its user is. */
static bool
is_open(const ask *a, const PGresult *res)
{
    const edge_caller *caller = &a->caller;
    char               user[BUS_ID_TEXT_BYTES];

    if (PQgetisnull(res, 0, 0))
        return a->sessions->loop->now_ms / 1000 < caller->not_before_s + FRESH_S;
    return is_text(res, 0, "OPEN") && is_generation(res, 1, caller) &&
           is_text(res, 2, bus_id_format(caller->actor.id, user));
}

/* LOCKED alone ends no session: a lock by hand has raised the generation. */
static verdict
judge(const ask *a, const PGresult *res)
{
    bool known = PQntuples(res) == 1 && !PQgetisnull(res, 0, 3);
    bool kept_out = !known || (!is_text(res, 3, "ACTIVE") && !is_text(res, 3, "LOCKED"));

    if (kept_out || !is_generation(res, 4, &a->caller) || !is_open(a, res) ||
        is_text(res, 5, "CLOSED"))
        return DENIED;
    return is_text(res, 5, "SUSPENDED") ? MAY_READ : MAY_ALL;
}

/* One that nobody has opened may all, as before. */
static verdict
judge_tenant(const PGresult *res)
{
    bool kept_out =
        PQntuples(res) == 1 && (is_text(res, 5, "SUSPENDED") || is_text(res, 5, "CLOSED"));

    return kept_out ? MAY_READ : MAY_ALL;
}

static void
on_views(edge_db_query *query, bus_code rc, PGresult *res)
{
    ask    *a = query->context;
    bool    is_there;
    verdict v;

    a->of_views = false;
    if (rc != BUS_OK) {
        fail(a, rc == BUS_NOT_FOUND ? EDGE_VIEW_REBUILDING : EDGE_UNAVAILABLE);
        return;
    }
    v = a->of_tenant ? judge_tenant(res) : judge(a, res);
    is_there = a->of_tenant || (PQntuples(res) == 1 && !PQgetisnull(res, 0, 0));
    PQclear(res);
    if (v == DENIED || is_there)
        believe(a->sessions, &a->caller, v);
    if (v != DENIED && is_there)
        tell_redis(a, &a->caller, v);
    settle(a, v);
}

static void
ask_views(ask *a)
{
    const edge_caller *caller = &a->caller;
    bus_error          err;
    bus_code           rc;

    a->of_views = true;
    a->query = (edge_db_query){.sql = a->sessions->loop->e->login.session_sql,
                               .values = {bus_id_format(caller->tenant, a->ids[0]),
                                          bus_id_format(caller->session, a->ids[1]),
                                          bus_id_format(caller->actor.id, a->ids[2])},
                               .count = 3,
                               .for_tenant = true,
                               .tenant = caller->tenant,
                               .done = on_views,
                               .context = a};
    rc = edge_db_submit(a->sessions->loop->items, &a->query, &err);
    if (rc == BUS_OK)
        return;
    a->of_views = false;
    fail(a, rc == BUS_FULL ? EDGE_OVERLOADED : EDGE_UNAVAILABLE);
}

/* --- the question ------------------------------------------------------------------------ */

static void
begin_ask(edge_sessions *sessions, const edge_caller *caller, bool of_tenant, edge_request *r)
{
    ask *a = calloc(1, sizeof(*a));

    if (a == NULL)
        abort();
    a->sessions = sessions;
    a->caller = *caller;
    a->of_tenant = of_tenant;
    a->r = r;
    if (sessions->asks == NULL)
        (void)uv_timer_start(&sessions->tick, on_tick, TICK_MS, TICK_MS);
    a->next = sessions->asks;
    a->link = &sessions->asks;
    if (a->next != NULL)
        a->next->link = &a->next;
    sessions->asks = a;
    if (r != NULL)
        edge_request_suspend(r);
    ask_redis(a);
}

/* Is it being asked while nobody waits? */
static bool
is_asked(const edge_sessions *sessions, const edge_caller *caller)
{
    for (const ask *a = sessions->asks; a != NULL; a = a->next)
        if (a->r == NULL && !a->settled && bus_id_equal(a->caller.tenant, caller->tenant) &&
            bus_id_equal(a->caller.session, caller->session))
            return true;
    return false;
}

/* A tenant in the place of a session: under its id, of generation 0, which no session has. */
static edge_caller
tenant_key(const edge_caller *caller)
{
    return (edge_caller){.tenant = caller->tenant, .session = caller->tenant};
}

/* An operator's token may write while its tenant may; and always what makes it active again. */
static bool
check_tenant(edge_request *r)
{
    edge_sessions *sessions = r->loop->sessions;
    edge_caller    key = tenant_key(&r->caller);
    const slot    *s;

    if (sessions == NULL || !r->route->writes ||
        (r->caller.actor.grants & BUS_GRANT_TENANTS_MANAGE) != 0)
        return true;
    s = slot_of(sessions, key.session);
    if (!is_of(s, &key) ||
        now_us(sessions) >= s->until_us + (s->verdict == MAY_ALL ? TENANT_STALE_US : 0)) {
        begin_ask(sessions, &key, true, r);
        return false;
    }
    if (now_us(sessions) >= s->until_us && !is_asked(sessions, &key))
        begin_ask(sessions, &key, true, NULL);
    return admit(r, s->verdict);
}

bool
edge_session_check(edge_request *r)
{
    edge_sessions *sessions = r->loop->sessions;
    verdict        v;

    if (r->session_checked)
        return true;
    r->session_checked = true;
    if (bus_id_is_nil(r->caller.session))
        return bus_id_is_nil(r->caller.tenant) || check_tenant(r);
    if (sessions == NULL) {
        edge_problem(r, EDGE_UNAUTHENTICATED, "There are no sessions here.");
        return false;
    }
    v = believed(sessions, &r->caller);
    if (v != UNKNOWN)
        return admit(r, v);
    begin_ask(sessions, &r->caller, false, r);
    return false;
}

bool
edge_session_was_denied(const edge_request *r)
{
    const slot *s =
        r->loop->sessions == NULL ? NULL : slot_of(r->loop->sessions, r->caller.session);

    return s != NULL && !bus_id_is_nil(r->caller.session) && is_of(s, &r->caller) &&
           s->verdict == DENIED;
}

bool
edge_session_is_over(edge_loop *loop, const edge_caller *caller)
{
    edge_sessions *sessions = loop->sessions;
    verdict        v;

    if (sessions == NULL || sessions->closing || bus_id_is_nil(caller->session))
        return false;
    v = believed(sessions, caller);
    if (v != UNKNOWN)
        return v == DENIED;
    if (!is_asked(sessions, caller))
        begin_ask(sessions, caller, false, NULL);
    return false;
}

/* --- the part ------------------------------------------------------------------------------ */

edge_sessions *
edge_sessions_open(edge_loop *loop)
{
    edge_sessions *sessions;

    if (!loop->e->login.ready)
        return NULL;
    sessions = calloc(1, sizeof(*sessions));
    if (sessions == NULL)
        abort();
    sessions->loop = loop;
    BUS_INVARIANT(uv_timer_init(&loop->uv, &sessions->tick) == 0);
    sessions->tick.data = sessions;
    return sessions;
}

void
edge_sessions_abandon(edge_sessions *sessions)
{
    ask *next;

    for (ask *a = sessions == NULL ? NULL : sessions->asks; a != NULL; a = next) {
        next = a->next;
        if (!a->settled && !a->of_views)
            fail(a, EDGE_UNAVAILABLE);
    }
}

void
edge_sessions_close(edge_sessions *sessions)
{
    if (sessions == NULL)
        return;
    sessions->closing = true;
    uv_close((uv_handle_t *)&sessions->tick, NULL);
}

void
edge_sessions_free(edge_sessions *sessions)
{
    if (sessions == NULL)
        return;
    BUS_INVARIANT(sessions->asks == NULL);
    free(sessions);
}
