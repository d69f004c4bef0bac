/* job.h - one request of /api/v1/auth on its way: a row is read, a password is looked at, commands
 * are sent. Private to api-edge/login.
 * Threads: the loop's, but for in_pool.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_JOB_H
#define API_EDGE_LOGIN_JOB_H

#include "api-edge/http/command.h"
#include "api-edge/login/login.h"
#include "api-edge/login/password.h"
#include "api-edge/login/refresh.h"
#include "api-edge/login/totp.h"
#include "api-edge/login/turns.h"

typedef struct edge_login_job edge_login_job;

/* A user as his row tells. */
typedef struct {
    bool        known;
    bus_id      id, driver_id;
    const char *status, *role, *grants; /* grants: names with commas */
    const char *password;               /* its hash, sealed; NULL: none yet */
    const char *totp_secret;            /* sealed; NULL: none */
    bool        totp;                   /* it is asked for */
    const char *email;
    const char *tenant_status; /* "": there is none. Known even if the user is not */
    int64_t     generation, locked_until_ms;
} edge_login_user;

/* Each has bounds of its own, so that who makes us hash keeps nobody from refreshing or leaving. */
typedef enum {
    EDGE_JOB_QUICK,  /* rows and commands */
    EDGE_JOB_HASHES, /* the pool, too: so many a second of one address, or of one user */
    EDGE_JOB_KINDS
} edge_job_kind;

/* Its own memory: the pool may go on with it when its request is answered. */
struct edge_login_job {
    edge_logins  *logins;
    edge_loop    *loop;
    edge_request *r; /* NULL: answered */
    bus_arena     arena;

    /* what was asked, in the arena */
    bus_id      tenant, user_id;
    const char *email, *password, *new_password, *code, *device, *refresh_text;
    const char *totp; /* a one-time password */
    bool        in_cookie;
    const char *address; /* of the client */
    bus_id      network; /* of that, as edge_peer_network tells; nil: not known */

    edge_login_user user;
    edge_db_query   query;
    void (*then)(edge_login_job *job); /* after the row, after the pool */

    uv_work_t work;
    bool      working;
    edge_turn turn; /* waits for a thread of the pool */
    void (*in_pool)(edge_login_job *job);
    uint8_t             salt[EDGE_PASSWORD_SALT_BYTES];
    bool                right; /* the password is */
    edge_password_fault fault; /* of the new one */
    bool                totp_right;
    int64_t             totp_step;                         /* of the one that was right */
    char                totp_secret[EDGE_TOTP_TEXT_BYTES]; /* a new one */
    char                hash[EDGE_PASSWORD_HASH_BYTES];
    bus_code            rc;

    edge_command command;
    bool         early; /* AUTH_FAILED is answered as soon as the command is on its way */
    void (*sent)(edge_login_job *job, const edge_command_end *end);
    bus_id       begin_id; /* of the command that begins the session */
    edge_refresh refresh, next;

    edge_job_kind   kind;
    edge_login_job *following, **link;
};

/* A member of the body. */
typedef enum { EDGE_MEMBER_TEXT, EDGE_MEMBER_ID, EDGE_MEMBER_FLAG } edge_member_kind;
typedef struct {
    const char      *name;
    edge_member_kind kind;
    size_t           offset; /* in the job: const char *, bus_id or bool */
    bool             required;
    uint32_t         min, max; /* characters of a text */
} edge_member;

/* A job with what the body says. NULL: answered, with 429 or 503 if there are too many. It suspends
 * the request. */
edge_login_job *edge_job_begin(edge_request *r, edge_job_kind kind, const edge_member *members,
                               int count);
/* Frees it; what is unanswered is answered so. */
void edge_job_end(edge_login_job *job, edge_problem_kind kind, const char *detail);
/* After an answer of its own. */
void edge_job_answer(edge_login_job *job, const edge_reply *reply);
void edge_job_trouble(edge_login_job *job, const edge_trouble *trouble);

/* Reads the row of the tenant's user by e-mail or by id, then calls then(). */
void edge_job_read_by_email(edge_login_job *job, void (*then)(edge_login_job *job));
void edge_job_read_by_id(edge_login_job *job, void (*then)(edge_login_job *job));
/* Runs in_pool in a thread of the pool, when it is its turn, then calls then(). With 503 if too
 * many wait already. */
void edge_job_pool(edge_login_job *job, void (*in_pool)(edge_login_job *job),
                   void (*then)(edge_login_job *job));
/* Parts of what runs there: sets right; sets fault, and hash if it is fine. */
void edge_job_look_at_password(edge_login_job *job);
/* Sets totp_right and totp_step. */
void edge_job_look_at_totp(edge_login_job *job);
void edge_job_hash_password(edge_login_job *job, const char *password, const char *email);
/* Sends a command of the domain to a stream (with EDGE_LOGIN_BEGIN: none, it makes one), in the
 * name of the user, then calls sent(). Takes data. */
void edge_job_send(edge_login_job *job, edge_login_command which, bus_id stream, bus_id command_id,
                   json_t *data, void (*sent)(edge_login_job *job, const edge_command_end *end));
/* What the fault of a new password is to be told: answers 422 and ends the job. */
void edge_job_refuse_password(edge_login_job *job, const char *pointer);
/* The problem of a command that was not done, and not refused either. */
bool edge_job_is_refused(const edge_command_end *end);

/* log_in.c */
void edge_log_in_handle(edge_request *r);
void edge_refresh_handle(edge_request *r);
void edge_log_out_handle(edge_request *r);
/* passwords.c */
void edge_set_password_handle(edge_request *r);
void edge_change_password_handle(edge_request *r);
/* The job's network is known from now on (turns.h). */
void edge_job_welcome(edge_login_job *job);
/* A wrong password of a user that there is: counted, and nobody waits for it. Ends the job. */
void edge_job_fail_log_in(edge_login_job *job);
/* one_time.c */
void edge_begin_totp_handle(edge_request *r);
void edge_confirm_totp_handle(edge_request *r);
void edge_end_totp_handle(edge_request *r);
/* own_sessions.c */
void edge_own_sessions_handle(edge_request *r);

#endif
