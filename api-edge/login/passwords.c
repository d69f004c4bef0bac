/* passwords.c - a first password or a new one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/job.h"

#include <stddef.h>
#include <string.h>

/* --- by a code: an invitation, or a reset ------------------------------------------------- */

/* A user who is not there, or not to be, has no codes: that is all that is told. */
static bool
hides_user(bus_str code)
{
    return bus_str_is(code, "NOT_FOUND") || bus_str_is(code, "USER_WRONG_STATE");
}

static void
refuse_code(edge_login_job *job, const edge_command_end *end)
{
    const bus_contract *contract = job->command.route->command->aggregate->contract;
    edge_verdict        verdict = edge_command_verdict(&job->command, end, &job->r->arena);

    if (hides_user(end->reply->code))
        verdict.trouble =
            (edge_trouble){.refusal = bus_contract_refusal(contract, BUS_STR("USER_CODE_WRONG"))};
    edge_job_trouble(job, &verdict.trouble);
}

static void
on_password(edge_login_job *job, const edge_command_end *end)
{
    edge_request *r = job->r;
    edge_verdict  verdict;

    if (edge_job_is_refused(end)) {
        refuse_code(job, end);
        return;
    }
    verdict = edge_command_verdict(&job->command, end, &r->arena);
    if (!verdict.done) {
        edge_job_trouble(job, &verdict.trouble);
        return;
    }
    bus_buf_reset(&r->out);
    bus_buf_add_char(&r->out, '{');
    edge_command_write(&job->command, end->reply, &r->out);
    bus_buf_add_char(&r->out, '}');
    edge_job_answer(job, &(edge_reply){.status = 200,
                                       .body = bus_buf_str(&r->out),
                                       .version = verdict.version,
                                       .has_version = true});
}

static void
send_first(edge_login_job *job)
{
    if (job->fault != EDGE_PASSWORD_FINE) {
        edge_job_refuse_password(job, "/password");
        return;
    }
    edge_job_send(job, EDGE_LOGIN_SET_PASSWORD, job->user.id, BUS_ID_NIL,
                  json_pack("{s:s, s:s}", "code", job->code, "password", job->hash), on_password);
}

static void
hash_first(edge_login_job *job)
{
    edge_job_hash_password(job, job->password, job->user.email);
}

/* The row is for the e-mail alone, which is not to be the password; of somebody just invited it may
 * not be there yet, and who is nobody is told by the command. */
static void
hash_with_row(edge_login_job *job)
{
    job->user.id = job->user_id;
    edge_job_pool(job, hash_first, send_first);
}

void
edge_set_password_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"tenant", EDGE_MEMBER_ID, offsetof(edge_login_job, tenant), true, 0, 0},
        {"user_id", EDGE_MEMBER_ID, offsetof(edge_login_job, user_id), true, 0, 0},
        {"code", EDGE_MEMBER_TEXT, offsetof(edge_login_job, code), true, BUS_SECRET_MIN,
         BUS_SECRET_MAX},
        {"password", EDGE_MEMBER_TEXT, offsetof(edge_login_job, password), true, 1, 1000},
    };
    edge_login_job *job = edge_job_begin(r, EDGE_JOB_HASHES, members, BUS_COUNT(members));

    if (job != NULL)
        edge_job_read_by_id(job, hash_with_row);
}

/* --- by the present one ---------------------------------------------------------------------- */

static void
on_changed(edge_login_job *job, const edge_command_end *end)
{
    if (!edge_job_is_refused(end))
        on_password(job, end);
    else if (bus_str_is(end->reply->code, "USER_STALE"))
        edge_job_end(job, EDGE_VIEW_BEHIND, NULL);
    else
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
}

static void
send_new(edge_login_job *job)
{
    if (!job->right) {
        edge_job_fail_log_in(job);
        return;
    }
    if (job->fault != EDGE_PASSWORD_FINE) {
        edge_job_refuse_password(job, "/new_password");
        return;
    }
    edge_job_send(job, EDGE_LOGIN_CHANGE_PASSWORD, job->user.id, BUS_ID_NIL,
                  json_pack("{s:I, s:s}", "generation", (json_int_t)job->user.generation,
                            "password", job->hash),
                  on_changed);
}

static void
look_and_hash(edge_login_job *job)
{
    edge_job_look_at_password(job);
    if (job->right)
        edge_job_hash_password(job, job->new_password, job->user.email);
}

/* Guesses are counted here as they are at a log-in, and a lock shuts this door too. */
static void
look_at_present(edge_login_job *job)
{
    if (!job->user.known || strcmp(job->user.status, "ACTIVE") != 0)
        edge_job_end(job, EDGE_AUTH_FAILED, NULL);
    else
        edge_job_pool(job, look_and_hash, send_new);
}

void
edge_change_password_handle(edge_request *r)
{
    static const edge_member members[] = {
        {"password", EDGE_MEMBER_TEXT, offsetof(edge_login_job, password), true, 1, 1000},
        {"new_password", EDGE_MEMBER_TEXT, offsetof(edge_login_job, new_password), true, 1, 1000},
    };
    edge_login_job *job = edge_job_begin(r, EDGE_JOB_HASHES, members, BUS_COUNT(members));

    if (job == NULL)
        return;
    job->tenant = r->caller.tenant;
    job->user_id = r->caller.actor.id;
    edge_job_read_by_id(job, look_at_present);
}
