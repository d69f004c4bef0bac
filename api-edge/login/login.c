/* login.c - what every request of /api/v1/auth goes through: its body, the user's row, the pool,
 * commands. Which steps in which order is in log_in.c and passwords.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/peer.h"
#include "api-edge/http/rule.h"
#include "api-edge/ingest/rate.h"
#include "api-edge/limits/limits.h"
#include "api-edge/login/job.h"
#include "api-edge/login/session.h"
#include "api-edge/query/view.h"
#include "bus/log/log.h"
#include "bus/personal/secret.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define QUICK_MAX 256   /* of one loop at once */
#define HASHING_MAX 384 /* most of them wait in line: turns.h */
/* Of those at once in threads of libuv's pool, which has four: owners, archives and histories need
 * them, too. */
#define THREADS_MAX 2
#define PASSWORD_LABEL "users.password"
#define TOTP_LABEL "users.totp_secret"

struct edge_logins {
    edge_loop      *loop;
    edge_login_job *jobs;
    int             jobs_count[EDGE_JOB_KINDS];
    /* Of addresses and users that make us hash. Rates met by hash, so whom we know have their own:
     * a crowd of strangers cannot spend theirs. */
    edge_rates *rates_known, *rates_strangers;
    edge_turns *turns;   /* of jobs that wait for a thread */
    int         threads; /* that are at work */
};

/* clang-format off */
const edge_own_route edge_login_routes[] = {
    {"POST", "/api/v1/auth/login",        EDGE_CLASS_LOGIN, EDGE_RULE_ANONYMOUS, false, edge_log_in_handle},
    {"POST", "/api/v1/auth/refresh",      EDGE_CLASS_LOGIN, EDGE_RULE_ANONYMOUS, false, edge_refresh_handle},
    {"POST", "/api/v1/auth/set-password", EDGE_CLASS_LOGIN, EDGE_RULE_ANONYMOUS, false, edge_set_password_handle},
    {"POST", "/api/v1/auth/logout",       EDGE_CLASS_LOGIN, EDGE_RULE_TOKEN,     false, edge_log_out_handle},
    {"POST", "/api/v1/auth/password",     EDGE_CLASS_LOGIN, EDGE_RULE_TOKEN,     true,  edge_change_password_handle},
    {"POST", "/api/v1/auth/totp",         EDGE_CLASS_LOGIN, EDGE_RULE_TOKEN,     true,  edge_begin_totp_handle},
    {"POST", "/api/v1/auth/totp/confirm", EDGE_CLASS_LOGIN, EDGE_RULE_TOKEN,     true,  edge_confirm_totp_handle},
    {"POST", "/api/v1/auth/totp/disable", EDGE_CLASS_LOGIN, EDGE_RULE_TOKEN,     true,  edge_end_totp_handle},
    {"GET",  "/api/v1/auth/sessions",     EDGE_CLASS_LOGIN, EDGE_RULE_TOKEN,     false, edge_own_sessions_handle},
};
/* clang-format on */
const int edge_login_routes_count = BUS_COUNT(edge_login_routes);

/* --- the parts of the contract ------------------------------------------------- */

static const bus_contract *
find_contract(const edge *e)
{
    for (int i = 0; i < e->options.contracts_count; i++)
        if (strcmp(e->options.contracts[i]->module, "users") == 0)
            return e->options.contracts[i];
    return NULL;
}

static const char *
table_of(const edge *e, const char *name)
{
    for (int i = 0; i < e->views_count; i++)
        if (strcmp(e->views[i].of->name, name) == 0)
            return e->views[i].table;
    return NULL;
}

static bool
find_commands(edge_login *login, const bus_contract *contract)
{
    static const char *const types[EDGE_LOGIN_COMMANDS] = {
        [EDGE_LOGIN_SET_PASSWORD] = "users.set_password",
        [EDGE_LOGIN_CHANGE_PASSWORD] = "users.change_password",
        [EDGE_LOGIN_LOG_IN] = "users.log_in",
        [EDGE_LOGIN_NOTE_FAILURE] = "users.note_failed_log_in",
        [EDGE_LOGIN_STAY] = "users.stay",
        [EDGE_LOGIN_BEGIN_TOTP] = "users.begin_totp",
        [EDGE_LOGIN_ENABLE_TOTP] = "users.enable_totp",
        [EDGE_LOGIN_END_TOTP] = "users.end_totp",
        [EDGE_LOGIN_BEGIN] = "users.begin",
        [EDGE_LOGIN_REFRESH] = "users.refresh",
        [EDGE_LOGIN_CONFIRM] = "users.confirm",
        [EDGE_LOGIN_END] = "users.end",
    };

    for (int i = 0; i < EDGE_LOGIN_COMMANDS; i++) {
        login->commands[i] =
            (edge_route){.class = EDGE_CLASS_LOGIN,
                         .command = bus_contract_command(contract, bus_str_of(types[i]))};
        if (login->commands[i].command == NULL)
            return false;
    }
    return true;
}

static void
write_user_sql(const edge *e, const char *column, const char *type, char *out, size_t room)
{
    (void)snprintf(out, room,
                   "select u.id, u.status, u.body, coalesce(t.status, '')"
                   " from (select $1::uuid as tenant) a"
                   " left join views.\"%s\" u on u.tenant = a.tenant and u.%s = $2::%s"
                   " left join views.\"%s\" t on t.tenant = a.tenant and t.id = a.tenant",
                   table_of(e, "users"), column, type, table_of(e, "tenants"));
}

bool
edge_logins_ready(edge *e)
{
    const bus_contract *contract = find_contract(e);
    edge_login         *login = &e->login;

    if (contract == NULL || e->options.master_keys == NULL || !find_commands(login, contract) ||
        !edge_sessions_ready(e))
        return false;
    write_user_sql(e, "email", "text", login->by_email_sql, sizeof(login->by_email_sql));
    write_user_sql(e, "id", "uuid", login->by_id_sql, sizeof(login->by_id_sql));
    (void)snprintf(login->list_sql, sizeof(login->list_sql),
                   "select s.id, s.body from views.\"%s\" s join views.\"%s\" u"
                   " on u.tenant = s.tenant and u.id = s.user_id"
                   " where s.tenant = $1 and s.user_id = $2::uuid and s.status = 'OPEN'"
                   " and s.body::json->>'generation' = u.body::json->>'generation'"
                   " and (s.body::json->>'expires_at')::bigint > $3::bigint"
                   " order by s.began_at desc, s.id limit 100",
                   table_of(e, "user_sessions"), table_of(e, "users"));
    return true;
}

/* --- jobs ------------------------------------------------------------------------ */

edge_logins *
edge_logins_open(edge_loop *loop)
{
    edge_logins *logins;

    if (!loop->e->login.ready)
        return NULL;
    logins = calloc(1, sizeof(*logins));
    if (logins == NULL)
        abort();
    logins->loop = loop;
    logins->rates_known = edge_rates_create(loop->e->options.login_rate);
    logins->rates_strangers = edge_rates_create(loop->e->options.login_rate);
    logins->turns = edge_turns_create();
    return logins;
}

static void
wipe(const char *text)
{
    if (text != NULL)
        OPENSSL_cleanse((char *)(uintptr_t)text, strlen(text));
}

/* Takes it. The texts of its members may be secrets. */
static void
wipe_json(json_t *object)
{
    const char *name;
    json_t     *value;

    json_object_foreach(object, name, value) if (json_is_string(value))
        OPENSSL_cleanse((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(object);
}

static void
free_job(edge_login_job *job)
{
    *job->link = job->following;
    if (job->following != NULL)
        job->following->link = job->link;
    job->logins->jobs_count[job->kind]--;
    wipe(job->password);
    wipe(job->new_password);
    wipe(job->code);
    wipe(job->totp);
    wipe(job->refresh_text);
    bus_arena_fini(&job->arena);
    OPENSSL_cleanse(job, sizeof(*job));
    free(job);
}

/* The audit is told who it was that asked, as far as that is known. */
static edge_request *
request_of(const edge_login_job *job)
{
    edge_request *r = job->r;

    if (r != NULL && bus_id_is_nil(r->caller.session)) {
        r->audit.tenant = job->tenant;
        r->audit.actor = job->user.known ? job->user.id : BUS_ID_NIL;
    }
    return r;
}

void
edge_job_end(edge_login_job *job, edge_problem_kind kind, const char *detail)
{
    if (request_of(job) != NULL)
        edge_problem(job->r, kind, detail);
    free_job(job);
}

void
edge_job_answer(edge_login_job *job, const edge_reply *reply)
{
    if (request_of(job) != NULL)
        edge_answer(job->r, reply);
    free_job(job);
}

void
edge_job_trouble(edge_login_job *job, const edge_trouble *trouble)
{
    if (request_of(job) != NULL)
        edge_trouble_answer(job->r, trouble);
    free_job(job);
}

/* The job goes on without its request. */
static void
answer_early(edge_login_job *job, edge_problem_kind kind)
{
    if (request_of(job) != NULL)
        edge_problem(job->r, kind, NULL);
    job->r = NULL;
}

static edge_login_job *
take_waiting(edge_logins *logins)
{
    edge_turn *turn = edge_turns_next(logins->turns);

    return turn == NULL ? NULL
                        : (edge_login_job *)(void *)((char *)turn - offsetof(edge_login_job, turn));
}

void
edge_logins_abandon(edge_logins *logins)
{
    edge_login_job *waiting;

    while (logins != NULL && (waiting = take_waiting(logins)) != NULL)
        edge_job_end(waiting, EDGE_UNAVAILABLE, NULL);
    for (edge_login_job *job = logins == NULL ? NULL : logins->jobs; job != NULL;
         job = job->following)
        if (job->working)
            answer_early(job, EDGE_UNAVAILABLE); /* its thread will find nobody */
}

void
edge_logins_free(edge_logins *logins)
{
    if (logins == NULL)
        return;
    BUS_INVARIANT(logins->jobs == NULL);
    edge_rates_destroy(logins->rates_known);
    edge_rates_destroy(logins->rates_strangers);
    edge_turns_destroy(logins->turns);
    free(logins);
}

/* --- the body ---------------------------------------------------------------------- */

static void
take_text(edge_login_job *job, const edge_member *m, const json_t *value, bus_problems *problems)
{
    bus_str text = {json_string_value(value), (uint32_t)json_string_length(value)};
    int64_t length = json_is_string(value) ? bus_utf8_length(text) : -1;

    if (!json_is_string(value) || memchr(text.at, '\0', text.len) != NULL)
        bus_problem_add(problems, bus_arena_printf(&job->arena, "/%s", m->name).at,
                        "must be a text");
    else if (length < m->min || length > m->max)
        bus_problem_add(problems, bus_arena_printf(&job->arena, "/%s", m->name).at,
                        "must have %u to %u characters", m->min, m->max);
    else
        *(const char **)(void *)((char *)job + m->offset) =
            bus_arena_copy(&job->arena, text.at, text.len).at;
}

static void
take_member(edge_login_job *job, const edge_member *m, const json_t *value, bus_problems *problems)
{
    const char *pointer = bus_arena_printf(&job->arena, "/%s", m->name).at;
    bus_id     *id = (bus_id *)(void *)((char *)job + m->offset);

    if (value == NULL) {
        if (m->required)
            bus_problem_add(problems, pointer, "is missing");
        return;
    }
    switch (m->kind) {
    case EDGE_MEMBER_TEXT: take_text(job, m, value, problems); return;
    case EDGE_MEMBER_ID:
        if (!json_is_string(value) || !bus_id_parse(bus_str_of(json_string_value(value)), id))
            bus_problem_add(problems, pointer, "must be a UUID");
        return;
    case EDGE_MEMBER_FLAG:
        if (!json_is_boolean(value))
            bus_problem_add(problems, pointer, "must be true or false");
        *(bool *)((char *)job + m->offset) = json_is_true(value);
        return;
    }
    BUS_UNREACHABLE();
}

static void
check_names(json_t *body, const edge_member *members, int count, bus_arena *arena,
            bus_problems *problems)
{
    const char *name;
    json_t     *value;

    json_object_foreach(body, name, value)
    {
        bool known = false;

        for (int i = 0; i < count; i++)
            known = known || strcmp(name, members[i].name) == 0;
        if (!known)
            bus_problem_add(problems, bus_arena_printf(arena, "/%.100s", name).at,
                            "is not known here");
    }
}

/* Passwords were in it. */
static void
wipe_body(edge_request *r, json_t *body)
{
    wipe_json(body);
    if (r->body.len > 0)
        OPENSSL_cleanse(r->body.at, r->body.len);
}

/* False: answered. */
static bool
take_body(edge_login_job *job, edge_request *r, const edge_member *members, int count)
{
    bus_problems *problems = BUS_ARENA_NEW(&r->arena, bus_problems);
    json_t       *body;

    if (r->body.len > 0 && !edge_is_json(edge_request_header(r, "Content-Type"))) {
        edge_problem(r, EDGE_UNSUPPORTED_MEDIA_TYPE, NULL);
        return false;
    }
    body = r->body.len == 0 ? json_object()
                            : json_loadb(r->body.at, r->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        bus_problem_add(problems, "", "must be an object in JSON");
    } else {
        check_names(body, members, count, &r->arena, problems);
        for (int i = 0; i < count; i++)
            take_member(job, &members[i], json_object_get(body, members[i].name), problems);
    }
    wipe_body(r, body);
    if (problems->count > 0)
        edge_problem_invalid(r, problems);
    return problems->count == 0;
}

static const char *
address_of(const edge_request *r, bus_arena *arena)
{
    char text[EDGE_ADDRESS_BYTES];

    return edge_peer_address(r, text) ? bus_arena_printf(arena, "%s", text).at : NULL;
}

/* Whose bucket: the user's, else the network's. */
static bool
may_hash(const edge_request *r)
{
    const edge_logins *logins = r->loop->logins;
    int64_t            now_us = bus_mono_us(r->loop->e->options.clock);
    bus_id             payer = r->caller.actor.id;
    bool               known = !bus_id_is_nil(payer);

    if (!known) {
        (void)edge_peer_network(r, &payer);
        known = edge_turns_knows_network(logins->turns, payer);
    }
    return edge_rates_take(known ? logins->rates_known : logins->rates_strangers, r->caller.tenant,
                           payer, now_us);
}

/* False: answered. */
static bool
has_room(edge_request *r, edge_job_kind kind)
{
    static const int maxima[EDGE_JOB_KINDS] = {
        [EDGE_JOB_QUICK] = QUICK_MAX, [EDGE_JOB_HASHES] = HASHING_MAX};
    edge_logins *logins = r->loop->logins;

    if (kind == EDGE_JOB_QUICK && r->route->rule == EDGE_RULE_ANONYMOUS &&
        !edge_limits_take_refresh(r))
        return false;
    if (kind == EDGE_JOB_HASHES && !may_hash(r))
        edge_limits_refuse(r, NULL);
    else if (logins->jobs_count[kind] >= maxima[kind])
        edge_problem(r, EDGE_OVERLOADED, NULL);
    return !r->answered;
}

static edge_login_job *
new_job(edge_logins *logins, edge_job_kind kind)
{
    edge_login_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        abort();
    job->logins = logins;
    job->loop = logins->loop;
    job->kind = kind;
    job->following = logins->jobs;
    job->link = &logins->jobs;
    if (job->following != NULL)
        job->following->link = &job->following;
    logins->jobs = job;
    logins->jobs_count[kind]++;
    return job;
}

edge_login_job *
edge_job_begin(edge_request *r, edge_job_kind kind, const edge_member *members, int count)
{
    edge_login_job *job;

    if (!has_room(r, kind))
        return NULL;
    job = new_job(r->loop->logins, kind);
    if (!take_body(job, r, members, count)) {
        free_job(job);
        return NULL;
    }
    job->r = r;
    job->address = address_of(r, &job->arena);
    (void)edge_peer_network(r, &job->network);
    edge_request_suspend(r);
    return job;
}

/* --- the row -------------------------------------------------------------------------- */

static const char *
kept(edge_login_job *job, const char *text)
{
    return text == NULL ? NULL : bus_arena_printf(&job->arena, "%s", text).at;
}

static const char *
names_of(edge_login_job *job, const json_t *list)
{
    const char   *out = "";
    const json_t *item;
    size_t        i;

    json_array_foreach(list, i, item) out =
        bus_arena_printf(&job->arena, "%s%s%s", out, i == 0 ? "" : ",", json_string_value(item)).at;
    return out;
}

static void
take_row(edge_login_job *job, const PGresult *res)
{
    edge_login_user *user = &job->user;
    json_t          *row;
    const char      *driver;

    user->tenant_status = "";
    if (PQntuples(res) != 1)
        return;
    user->tenant_status = kept(job, PQgetvalue(res, 0, 3));
    if (PQgetisnull(res, 0, 0))
        return;
    row = json_loads(PQgetvalue(res, 0, 2), 0, NULL);
    driver = json_string_value(json_object_get(row, "driver_id"));
    user->known = bus_id_parse(bus_str_of(PQgetvalue(res, 0, 0)), &user->id);
    user->status = kept(job, PQgetvalue(res, 0, 1));
    user->password = kept(job, json_string_value(json_object_get(row, "password")));
    user->totp_secret = kept(job, json_string_value(json_object_get(row, "totp_secret")));
    user->totp = json_is_true(json_object_get(row, "totp"));
    user->email = kept(job, json_string_value(json_object_get(row, "email")));
    user->role = kept(job, json_string_value(json_object_get(row, "role")));
    user->grants = names_of(job, json_object_get(row, "grants"));
    user->generation = json_integer_value(json_object_get(row, "generation"));
    user->locked_until_ms = json_integer_value(json_object_get(row, "locked_until_at"));
    if (driver != NULL && !bus_id_parse(bus_str_of(driver), &user->driver_id))
        user->known = false;
    json_decref(row);
}

static void
on_row(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_login_job *job = query->context;

    if (rc != BUS_OK) {
        edge_job_end(job, rc == BUS_NOT_FOUND ? EDGE_VIEW_REBUILDING : EDGE_UNAVAILABLE, NULL);
        return;
    }
    take_row(job, res);
    PQclear(res);
    job->then(job);
}

static void
read_row(edge_login_job *job, const char *sql, const char *value, void (*then)(edge_login_job *job))
{
    char      tenant[BUS_ID_TEXT_BYTES];
    bus_error err;
    bus_code  rc;

    job->then = then;
    job->query = (edge_db_query){.sql = sql,
                                 .values = {kept(job, bus_id_format(job->tenant, tenant)), value},
                                 .count = 2,
                                 .for_tenant = true,
                                 .tenant = job->tenant,
                                 .done = on_row,
                                 .context = job};
    rc = edge_db_submit(job->loop->items, &job->query, &err);
    if (rc != BUS_OK)
        edge_job_end(job, rc == BUS_FULL ? EDGE_OVERLOADED : EDGE_UNAVAILABLE, NULL);
}

void
edge_job_read_by_email(edge_login_job *job, void (*then)(edge_login_job *job))
{
    char *email = (char *)(uintptr_t)job->email;

    for (char *c = email; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    read_row(job, job->loop->e->login.by_email_sql, email, then);
}

void
edge_job_read_by_id(edge_login_job *job, void (*then)(edge_login_job *job))
{
    char id[BUS_ID_TEXT_BYTES];

    read_row(job, job->loop->e->login.by_id_sql, kept(job, bus_id_format(job->user_id, id)), then);
}

/* --- the pool ---------------------------------------------------------------------------- */

static void
work_in_pool(uv_work_t *work)
{
    edge_login_job *job = work->data;

    job->in_pool(job);
}

void
edge_job_welcome(edge_login_job *job)
{
    if (!bus_id_is_nil(job->network))
        edge_turns_welcome(job->logins->turns, job->tenant, job->network);
}

static void start_work(edge_login_job *job);

static void
after_pool(uv_work_t *work, int status)
{
    edge_login_job *job = work->data, *next = take_waiting(job->logins);

    job->logins->threads--;
    job->working = false;
    if (next != NULL)
        start_work(next);
    if (job->r == NULL || status != 0)
        edge_job_end(job, EDGE_UNAVAILABLE, NULL);
    else if (job->rc != BUS_OK)
        edge_job_end(job, EDGE_INTERNAL, NULL);
    else
        job->then(job);
}

static void
start_work(edge_login_job *job)
{
    job->working = true;
    job->logins->threads++;
    if (uv_queue_work(&job->loop->uv, &job->work, work_in_pool, after_pool) == 0)
        return;
    job->working = false;
    job->logins->threads--;
    edge_job_end(job, EDGE_UNAVAILABLE, NULL);
}

void
edge_job_pool(edge_login_job *job, void (*in_pool)(edge_login_job *job),
              void (*then)(edge_login_job *job))
{
    edge_logins *logins = job->logins;
    bus_id       tenant;
    bool         known;

    edge_loop_random(job->loop, job->salt, sizeof(job->salt));
    job->in_pool = in_pool;
    job->then = then;
    job->work.data = job;
    if (logins->threads < THREADS_MAX) {
        start_work(job);
        return;
    }
    tenant = job->user.tenant_status[0] == '\0' ? BUS_ID_NIL : job->tenant;
    known = job->r->route->rule != EDGE_RULE_ANONYMOUS ||
            edge_turns_knows(logins->turns, job->tenant, job->network);
    if (!edge_turns_wait(logins->turns, &job->turn, tenant, known))
        edge_job_end(job, EDGE_OVERLOADED, NULL);
}

/* Where there is no user, or no password of his, it takes as long. */
void
edge_job_look_at_password(edge_login_job *job)
{
    const edge_options *o = &job->loop->e->options;
    bus_str             hash = {NULL, 0};
    bus_error           err;

    if (job->user.known && job->user.password != NULL &&
        bus_secret_open(o->master_keys, job->tenant, job->user.id, PASSWORD_LABEL,
                        bus_str_of(job->user.password), &job->arena, &hash, &err) != BUS_OK)
        bus_log_warn("login.password_unreadable", BUS_KV("why", err.text));
    job->right = edge_password_is(job->password, hash.at, o->bcrypt_cost);
    if (hash.len > 0)
        OPENSSL_cleanse((char *)(uintptr_t)hash.at, hash.len);
}

void
edge_job_look_at_totp(edge_login_job *job)
{
    const edge_options *o = &job->loop->e->options;
    bus_str             secret = {NULL, 0};
    bus_error           err;

    if (job->totp == NULL || job->user.totp_secret == NULL)
        return;
    if (bus_secret_open(o->master_keys, job->tenant, job->user.id, TOTP_LABEL,
                        bus_str_of(job->user.totp_secret), &job->arena, &secret, &err) != BUS_OK) {
        bus_log_warn("login.totp_unreadable", BUS_KV("why", err.text));
        return;
    }
    job->totp_right =
        edge_totp_check(secret.at, job->totp, bus_now_ms(o->clock) / 1000, &job->totp_step);
    OPENSSL_cleanse((char *)(uintptr_t)secret.at, secret.len);
}

void
edge_job_hash_password(edge_login_job *job, const char *password, const char *email)
{
    const edge_options *o = &job->loop->e->options;
    bus_error           err;

    job->fault = edge_password_check(bus_str_of(password), o->password_chars_min, email);
    if (job->fault != EDGE_PASSWORD_FINE)
        return;
    job->rc = edge_password_hash(password, o->bcrypt_cost, job->salt, job->hash, &err);
    if (job->rc != BUS_OK)
        bus_log_error("login.hash_failed", BUS_KV_ERR(&err));
}

void
edge_job_refuse_password(edge_login_job *job, const char *pointer)
{
    bus_problems problems = {.count = 0};
    int          chars = job->loop->e->options.password_chars_min;

    switch (job->fault) {
    case EDGE_PASSWORD_FINE: BUS_UNREACHABLE();
    case EDGE_PASSWORD_UNKNOWN:
        bus_log_error("login.dictionary_missing", BUS_KV("package", "cracklib-runtime"));
        edge_job_end(job, EDGE_UNAVAILABLE, NULL);
        return;
    case EDGE_PASSWORD_SHORT:
        bus_problem_add(&problems, pointer, "must have at least %d characters", chars);
        break;
    case EDGE_PASSWORD_LONG:
        bus_problem_add(&problems, pointer, "must have at most %d bytes", EDGE_PASSWORD_BYTES_MAX);
        break;
    case EDGE_PASSWORD_COMMON:
        bus_problem_add(&problems, pointer, "is too common: others would guess it");
        break;
    }
    edge_job_trouble(job, &(edge_trouble){.problems = &problems});
}

/* --- commands ---------------------------------------------------------------------------- */

static void
on_sent(edge_command *command, const edge_command_end *end)
{
    edge_login_job *job = command->context;

    job->sent(job, end);
}

bool
edge_job_is_refused(const edge_command_end *end)
{
    return end->reply != NULL && end->reply->status == BUS_ANSWER_REFUSED;
}

void
edge_job_send(edge_login_job *job, edge_login_command which, bus_id stream, bus_id command_id,
              json_t *data, void (*sent)(edge_login_job *job, const edge_command_end *end))
{
    edge_loop        *loop = job->loop;
    const edge_route *route = &loop->e->login.commands[which];
    char              id[BUS_ID_TEXT_BYTES];
    bus_problems      problems = {.count = 0};

    BUS_INVARIANT(data != NULL && job->r != NULL);
    job->r->caller.tenant = job->tenant;
    job->r->caller.actor = (bus_actor){.id = job->user.id, .roles = BUS_ROLE_SERVICE};
    BUS_INVARIANT(
        edge_command_begin(&job->command, job->r, route,
                           bus_id_is_nil(command_id) ? edge_command_new_id(loop) : command_id,
                           bus_str_of(bus_id_format(stream, id))));
    job->command.done = on_sent;
    job->command.context = job;
    job->sent = sent;
    if (edge_command_data_json(&job->command, data, &job->arena, &problems) != BUS_OK) {
        bus_log_error("login.command_invalid", BUS_KV("pointer", problems.items[0].pointer));
        wipe_json(data);
        edge_job_end(job, EDGE_INTERNAL, NULL);
        return;
    }
    wipe_json(data);
    if (job->early)
        answer_early(job, EDGE_AUTH_FAILED);
    edge_command_send(loop->commands, &job->command);
}
