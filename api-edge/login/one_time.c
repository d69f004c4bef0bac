/* one_time.c - one-time passwords on and off: begun with a secret, on when a password of it was
 * shown. SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/job.h"
#include "api-edge/login/totp.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <string.h>

/* What a command was refused for is told as it is: its user has proven who he is. */
static void
answer_verdict(edge_login_job *job, const edge_command_end *end, const char *more)
{
    edge_request *r = job->r;
    edge_verdict  verdict = edge_command_verdict(&job->command, end, &r->arena);

    if (!verdict.done) {
        edge_job_trouble(job, &verdict.trouble);
        return;
    }
    bus_buf_reset(&r->out);
    bus_buf_add_char(&r->out, '{');
    edge_command_write(&job->command, end->reply, &r->out);
    bus_buf_add_text(&r->out, more);
    bus_buf_add_char(&r->out, '}');
    edge_job_answer(job, &(edge_reply){.status = 200,
                                       .body = bus_buf_str(&r->out),
                                       .version = verdict.version,
                                       .has_version = true});
}

static void
on_done(edge_login_job *job, const edge_command_end *end)
{
    answer_verdict(job, end, "");
}

static void
begin_with(edge_request *r, const edge_member *members, int count,
           void (*then)(edge_login_job *job))
{
    edge_login_job *job = edge_job_begin(r, EDGE_JOB_HASHES, members, count);

    if (job == NULL)
        return;
    job->tenant = r->caller.tenant;
    job->user_id = r->caller.actor.id;
    edge_job_read_by_id(job, then);
}

/* False: it is ended. */
static bool
is_active(edge_login_job *job)
{
    if (job->user.known && strcmp(job->user.status, "ACTIVE") == 0)
        return true;
    edge_job_end(job, EDGE_AUTH_FAILED, NULL);
    return false;
}

/* --- begin ----------------------------------------------------------------------------------- */

static void
on_begun(edge_login_job *job, const edge_command_end *end)
{
    char uri[EDGE_TOTP_URI_BYTES], more[EDGE_TOTP_URI_BYTES + 100];

    edge_totp_uri(job->totp_secret, job->user.email, uri);
    (void)snprintf(more, sizeof(more), ",\"secret\":\"%s\",\"uri\":\"%s\"", job->totp_secret, uri);
    answer_verdict(job, end, more);
    OPENSSL_cleanse(uri, sizeof(uri));
    OPENSSL_cleanse(more, sizeof(more));
}

static void
send_begin(edge_login_job *job)
{
    uint8_t secret[EDGE_TOTP_SECRET_BYTES];

    if (!job->right) {
        edge_job_fail_log_in(job);
        return;
    }
    edge_loop_random(job->loop, secret, sizeof(secret));
    edge_totp_format(secret, job->totp_secret);
    OPENSSL_cleanse(secret, sizeof(secret));
    edge_job_send(job, EDGE_LOGIN_BEGIN_TOTP, job->user.id, BUS_ID_NIL,
                  json_pack("{s:s}", "totp_secret", job->totp_secret), on_begun);
}

static void
look_before_begin(edge_login_job *job)
{
    if (is_active(job))
        edge_job_pool(job, edge_job_look_at_password, send_begin);
}

void
edge_begin_totp_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"password", EDGE_MEMBER_TEXT, offsetof(edge_login_job, password), true, 1, 1000},
    };

    begin_with(r, members, BUS_COUNT(members), look_before_begin);
}

/* --- confirm --------------------------------------------------------------------------------- */

static void
send_enable(edge_login_job *job)
{
    if (!job->totp_right) {
        edge_job_fail_log_in(job);
        return;
    }
    edge_job_send(job, EDGE_LOGIN_ENABLE_TOTP, job->user.id, BUS_ID_NIL,
                  json_pack("{s:s, s:I}", "checked", job->user.totp_secret, "step",
                            (json_int_t)job->totp_step),
                  on_done);
}

static void
look_before_enable(edge_login_job *job)
{
    if (!is_active(job))
        return;
    if (job->user.totp_secret == NULL) /* the row may be behind */
        edge_job_end(job, EDGE_VIEW_BEHIND, NULL);
    else
        edge_job_pool(job, edge_job_look_at_totp, send_enable);
}

void
edge_confirm_totp_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"totp", EDGE_MEMBER_TEXT, offsetof(edge_login_job, totp), true, 6, 6},
    };

    begin_with(r, members, BUS_COUNT(members), look_before_enable);
}

/* --- end ------------------------------------------------------------------------------------- */

static void
look_at_both(edge_login_job *job)
{
    edge_job_look_at_password(job);
    edge_job_look_at_totp(job);
}

static void
send_disable(edge_login_job *job)
{
    if (job->right && job->totp_right)
        edge_job_send(job, EDGE_LOGIN_END_TOTP, job->user.id, BUS_ID_NIL,
                      json_pack("{s:I}", "step", (json_int_t)job->totp_step), on_done);
    else
        edge_job_fail_log_in(job);
}

static void
look_before_disable(edge_login_job *job)
{
    if (is_active(job))
        edge_job_pool(job, look_at_both, send_disable);
}

void
edge_end_totp_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"password", EDGE_MEMBER_TEXT, offsetof(edge_login_job, password), true, 1, 1000},
        {"totp", EDGE_MEMBER_TEXT, offsetof(edge_login_job, totp), true, 6, 6},
    };

    begin_with(r, members, BUS_COUNT(members), look_before_disable);
}
