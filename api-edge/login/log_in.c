/* log_in.c - log-in, refresh, log-out: who gets tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/job.h"
#include "api-edge/login/session.h"
#include "bus/envelope/command.h"
#include "bus/log/log.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE "shina_refresh"
#define COOKIE_OF(value, age) \
    COOKIE "=" value "; Path=/api/v1/auth; Max-Age=" age "; HttpOnly; Secure; SameSite=Strict"
#define COOKIE_AGE "2592000" /* the session may end sooner */

/* --- tokens ------------------------------------------------------------------------- */

static char *
access_token(edge_login_job *job, bus_error *err)
{
    const edge_options *o = &job->loop->e->options;
    edge_token_request  request = {.tenant = job->tenant,
                                   .user = job->user.id,
                                   .driver_id = job->user.driver_id,
                                   .roles = job->user.role,
                                   .grants = job->user.grants,
                                   .now_s = job->loop->now_ms / 1000,
                                   .ttl_s = o->access_token_s,
                                   .session = job->next.session,
                                   .generation = job->user.generation};
    char               *token = NULL;

    return edge_token_make(&token, o->jwt_keys, &request, err) == BUS_OK ? token : NULL;
}

static void
write_tokens(edge_login_job *job, const char *access, const char *refresh, bus_buf *out)
{
    char user[BUS_ID_TEXT_BYTES], session[BUS_ID_TEXT_BYTES];

    bus_buf_reset(out);
    bus_buf_printf(out,
                   "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%d,"
                   "\"user_id\":\"%s\",\"session_id\":\"%s\"",
                   access, job->loop->e->options.access_token_s, bus_id_format(job->user.id, user),
                   bus_id_format(job->next.session, session));
    if (!job->in_cookie)
        bus_buf_printf(out, ",\"refresh_token\":\"%s\"", refresh);
    bus_buf_add_char(out, '}');
}

static void
answer_tokens(edge_login_job *job)
{
    edge_request *r = job->r;
    char          refresh[EDGE_REFRESH_TEXT_BYTES];
    bus_error     err;
    char         *access = access_token(job, &err);
    const char   *cookie = NULL;

    if (access == NULL) {
        bus_log_error("login.token_failed", BUS_KV_ERR(&err));
        edge_job_end(job, EDGE_INTERNAL, NULL);
        return;
    }
    edge_job_welcome(job);
    edge_refresh_format(&job->next, refresh);
    write_tokens(job, access, refresh, &r->out);
    if (job->in_cookie)
        cookie = bus_arena_printf(&r->arena, COOKIE_OF("%s", COOKIE_AGE), refresh).at;
    free(access);
    OPENSSL_cleanse(refresh, sizeof(refresh));
    edge_job_answer(job,
                    &(edge_reply){.status = 200, .body = bus_buf_str(&r->out), .cookie = cookie});
}

/* A secret as a command carries it, until it is hashed. */
static json_t *
hex_of(const uint8_t secret[EDGE_REFRESH_SECRET_BYTES])
{
    char    text[EDGE_REFRESH_HEX_BYTES];
    json_t *out;

    edge_refresh_hex(secret, text);
    out = json_string(text);
    OPENSSL_cleanse(text, sizeof(text));
    return out;
}

/* Not done and not refused: nobody can say whether. Else what it means is the caller's. True: it
 * was answered. */
static bool
ended_in_trouble(edge_login_job *job, const edge_command_end *end)
{
    if (end->reply == NULL) {
        /* There is no key to repeat it with, and a token that was taken is taken for stolen. */
        edge_job_end(job, end->problem == EDGE_TIMEOUT ? EDGE_LOGIN_TIMEOUT : end->problem, NULL);
        return true;
    }
    if (end->reply->status == BUS_ANSWER_INVALID) {
        edge_job_end(job, EDGE_INTERNAL, NULL);
        return true;
    }
    return false;
}

/* --- log-in ----------------------------------------------------------------------------- */

static void
end_failure(edge_login_job *job, const edge_command_end *end)
{
    if (end->reply == NULL)
        bus_log_warn("login.failure_not_counted", BUS_KV_INT("problem", end->problem));
    edge_job_end(job, EDGE_AUTH_FAILED, NULL);
}

void
edge_job_fail_log_in(edge_login_job *job)
{
    json_t *data;

    if (!job->user.known) {
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
        return;
    }
    data = json_object();
    if (job->address != NULL)
        BUS_INVARIANT(json_object_set_new(data, "address", json_string(job->address)) == 0);
    job->early = true;
    edge_job_send(job, EDGE_LOGIN_NOTE_FAILURE, job->user.id, BUS_ID_NIL, data, end_failure);
}

static void
on_begun(edge_login_job *job, const edge_command_end *end)
{
    if (ended_in_trouble(job, end))
        return;
    if (edge_job_is_refused(end))
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
    else
        answer_tokens(job);
}

static void
on_logged_in(edge_login_job *job, const edge_command_end *end)
{
    char    user[BUS_ID_TEXT_BYTES];
    json_t *data;

    if (ended_in_trouble(job, end))
        return;
    if (edge_job_is_refused(end)) {
        /* The row was behind: what has changed may let him in, or not. */
        if (bus_str_is(end->reply->code, "USER_STALE"))
            edge_job_end(job, EDGE_VIEW_BEHIND, NULL);
        else if (bus_str_is(end->reply->code, "USER_TOTP_NEEDED"))
            edge_job_end(job, EDGE_TOTP_NEEDED, NULL);
        else
            edge_job_end(job, EDGE_AUTH_FAILED, NULL);
        return;
    }
    data = json_pack("{s:s, s:I, s:o, s:o}", "user_id", bus_id_format(job->user.id, user),
                     "generation", (json_int_t)job->user.generation, "family",
                     hex_of(job->next.family), "token", hex_of(job->next.own));
    if (job->device != NULL)
        BUS_INVARIANT(json_object_set_new(data, "device", json_string(job->device)) == 0);
    edge_job_send(job, EDGE_LOGIN_BEGIN, BUS_ID_NIL, job->begin_id, data, on_begun);
}

/* As his row tells; the command tells for sure. */
static bool
may_log_in(const edge_login_job *job)
{
    const edge_login_user *user = &job->user;

    return strcmp(user->tenant_status, "CLOSED") != 0 &&
           (strcmp(user->status, "ACTIVE") == 0 ||
            (strcmp(user->status, "LOCKED") == 0 && user->locked_until_ms > 0 &&
             user->locked_until_ms <= job->loop->now_ms));
}

static void
judge_log_in(edge_login_job *job)
{
    edge_loop *loop = job->loop;
    char       session[BUS_ID_TEXT_BYTES];
    json_t    *data;

    if (!job->right || (job->user.totp && job->totp != NULL && !job->totp_right)) {
        edge_job_fail_log_in(job);
        return;
    }
    if (!may_log_in(job)) {
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
        return;
    }
    job->begin_id = edge_command_new_id(loop);
    job->next = (edge_refresh){
        .tenant = job->tenant, .session = bus_stream_of_new(job->begin_id), .user = job->user.id};
    edge_loop_random(loop, job->next.family, EDGE_REFRESH_SECRET_BYTES);
    edge_loop_random(loop, job->next.own, EDGE_REFRESH_SECRET_BYTES);
    data = json_pack("{s:I, s:s}", "generation", (json_int_t)job->user.generation, "session_id",
                     bus_id_format(job->next.session, session));
    if (job->address != NULL)
        BUS_INVARIANT(json_object_set_new(data, "address", json_string(job->address)) == 0);
    if (job->totp_right)
        BUS_INVARIANT(
            json_object_set_new(data, "totp_step", json_integer((json_int_t)job->totp_step)) == 0);
    edge_job_send(job, EDGE_LOGIN_LOG_IN, job->user.id, BUS_ID_NIL, data, on_logged_in);
}

static void
look_in_pool(edge_login_job *job)
{
    edge_job_look_at_password(job);
    edge_job_look_at_totp(job);
}

static void
look_at_password(edge_login_job *job)
{
    edge_job_pool(job, look_in_pool, judge_log_in);
}

void
edge_log_in_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"tenant", EDGE_MEMBER_ID, offsetof(edge_login_job, tenant), true, 0, 0},
        {"email", EDGE_MEMBER_TEXT, offsetof(edge_login_job, email), true, 3, 254},
        {"password", EDGE_MEMBER_TEXT, offsetof(edge_login_job, password), true, 1, 1000},
        {"totp", EDGE_MEMBER_TEXT, offsetof(edge_login_job, totp), false, 6, 6},
        {"device", EDGE_MEMBER_TEXT, offsetof(edge_login_job, device), false, 1, 100},
        {"cookie", EDGE_MEMBER_FLAG, offsetof(edge_login_job, in_cookie), false, 0, 0},
    };
    edge_login_job *job = edge_job_begin(r, EDGE_JOB_HASHES, members, BUS_COUNT(members));

    if (job != NULL)
        edge_job_read_by_email(job, look_at_password);
}

/* --- refresh ------------------------------------------------------------------------------ */

static void
on_confirmed(edge_login_job *job, const edge_command_end *end)
{
    if (ended_in_trouble(job, end))
        return;
    if (!edge_job_is_refused(end)) {
        answer_tokens(job);
        return;
    }
    bus_log_warn("login.refresh_token_reused", BUS_KV_ID("session", job->refresh.session));
    edge_session_ended(job->loop, job->tenant, job->refresh.session);
    edge_job_end(job, EDGE_AUTH_FAILED, NULL);
}

/* Refreshed, or ended because the token was used before: the session tells which when it is shown
 * the next one. */
static void
on_refreshed(edge_login_job *job, const edge_command_end *end)
{
    if (ended_in_trouble(job, end))
        return;
    if (edge_job_is_refused(end))
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
    else
        edge_job_send(job, EDGE_LOGIN_CONFIRM, job->refresh.session, BUS_ID_NIL,
                      json_pack("{s:o}", "token", hex_of(job->next.own)), on_confirmed);
}

/* The user himself has said that his sessions go on; now the session is asked. */
static void
on_staying(edge_login_job *job, const edge_command_end *end)
{
    char    user[BUS_ID_TEXT_BYTES];
    json_t *data;

    if (ended_in_trouble(job, end))
        return;
    if (edge_job_is_refused(end)) {
        /* The row was behind: the session may be of the user's present generation, or over. */
        edge_job_end(
            job, bus_str_is(end->reply->code, "USER_STALE") ? EDGE_VIEW_BEHIND : EDGE_AUTH_FAILED,
            NULL);
        return;
    }
    job->next = job->refresh;
    edge_loop_random(job->loop, job->next.own, EDGE_REFRESH_SECRET_BYTES);
    data = json_pack("{s:s, s:I, s:o, s:o, s:o}", "user_id", bus_id_format(job->user.id, user),
                     "generation", (json_int_t)job->user.generation, "family",
                     hex_of(job->refresh.family), "token", hex_of(job->refresh.own), "next",
                     hex_of(job->next.own));
    edge_job_send(job, EDGE_LOGIN_REFRESH, job->refresh.session, BUS_ID_NIL, data, on_refreshed);
}

/* The row tells what goes into the token, and of which generation that is; whether it still holds
 * the user's own stream knows. */
static void
send_refresh(edge_login_job *job)
{
    if (!job->user.known || job->user.password == NULL ||
        strcmp(job->user.status, "DISABLED") == 0 ||
        strcmp(job->user.tenant_status, "CLOSED") == 0) {
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
        return;
    }
    edge_job_send(job, EDGE_LOGIN_STAY, job->user.id, BUS_ID_NIL,
                  json_pack("{s:I}", "generation", (json_int_t)job->user.generation), on_staying);
}

/* Out of the body, else out of the cookie, into which the next one goes then. */
void
edge_refresh_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"refresh_token", EDGE_MEMBER_TEXT, offsetof(edge_login_job, refresh_text), false, 1, 1000},
    };
    edge_login_job *job = edge_job_begin(r, EDGE_JOB_QUICK, members, BUS_COUNT(members));
    const char     *text;

    if (job == NULL)
        return;
    text = job->refresh_text;
    if (text == NULL) {
        text = MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, COOKIE);
        job->in_cookie = true;
    }
    if (!edge_refresh_parse(bus_str_of(text), &job->refresh)) {
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
        return;
    }
    job->tenant = job->refresh.tenant;
    job->user_id = job->refresh.user;
    edge_job_read_by_id(job, send_refresh);
}

/* --- log-out ------------------------------------------------------------------------------- */

static void
on_logged_out(edge_login_job *job, const edge_command_end *end)
{
    if (ended_in_trouble(job, end))
        return;
    edge_session_ended(job->loop, job->tenant, job->refresh.session);
    edge_job_answer(job, &(edge_reply){.status = 204, .cookie = COOKIE_OF("", "0")});
}

void
edge_log_out_handle(edge_request *r)
{
    edge_login_job *job;

    if (bus_id_is_nil(r->caller.session)) {
        edge_problem(r, EDGE_BAD_REQUEST, "The token is of no session.");
        return;
    }
    job = edge_job_begin(r, EDGE_JOB_QUICK, NULL, 0);
    if (job == NULL)
        return;
    job->tenant = r->caller.tenant;
    job->user.id = r->caller.actor.id;
    job->refresh.session = r->caller.session;
    edge_job_send(job, EDGE_LOGIN_END, job->refresh.session, BUS_ID_NIL,
                  json_pack("{s:s}", "reason", "LOGGED_OUT"), on_logged_out);
}
