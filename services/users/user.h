/* user.h - what the files of services/users share. Private to the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_USERS_USER_H
#define SERVICES_USERS_USER_H

#include "bus/module/module.h"
#include "contracts/users.h"

#define USER_HASH_BYTES 72 /* "sha256:", 64 digits and a NUL; empty: none */

#define USER_SEALED_BYTES 257 /* with a NUL */

/* Is it the hash that the edge puts in the place of a code? In clear none must get into the log. */
bool user_is_hash(bus_str text);
/* Is it one that the edge has sealed? */
bool user_is_sealed(bus_str text);

/* A code that may be shown once, until a time. */
struct user_code {
    char    hash[USER_HASH_BYTES];
    int64_t until_at;
};
void user_code_keep(struct user_code *code, bus_str hash, int64_t until_at);
/* Shown at a time: right (BUS_ACCEPTED), or refused. */
bus_verdict user_code_check(const struct user_code *code, bus_str shown, int64_t at_ms,
                            bus_decision *out);

#define TENANT_ADMINS_MAX 64

/* tenant.c: what a carrier may at all, and who its active ADMINs are. */
struct tenant {
    bus_id                   id; /* nil: not opened */
    enum users_tenant_status status;
    bus_id                   admins[TENANT_ADMINS_MAX];
    int32_t                  admins_count;
};
bus_verdict tenant_decide(const void *state, const void *command, const bus_meta *meta,
                          bus_decision *out);
void        tenant_apply(void *state, const void *event);

/* driver_account.c: which user a driver has, and whether the driver is still here. */
struct driver_account {
    bus_id user_id; /* nil: none */
    bool   left, forgotten;
};
bus_verdict driver_account_decide(const void *state, const void *command, const bus_meta *meta,
                                  bus_decision *out);
void        driver_account_apply(void *state, const void *event);
/* Named by both: an id of a driver is anybody's to tell, and must not take the stream of another
 * tenant's driver. */
bus_id driver_account_stream(bus_id tenant, bus_id driver);
void   driver_account_on_dismissed(const bus_event *event, bus_reaction_out *out);
void   driver_account_on_forgotten(const bus_event *event, bus_reaction_out *out);

/* session.c: the refresh tokens that come of one log-in. */
struct session {
    bus_id  user_id;
    int64_t generation, expires_at;
    char    family[USER_HASH_BYTES], token[USER_HASH_BYTES];
    bool    over;
};
bus_verdict session_decide(const void *state, const void *command, const bus_meta *meta,
                           bus_decision *out);
void        session_apply(void *state, const void *event);

#define USER_EMAIL_BYTES 256 /* with a NUL */
#define USER_FAILURES_MAX 20 /* lock_failures is at most that */

/* users.c: one user. */
struct user {
    bus_id            driver_id;               /* nil: none */
    char              email[USER_EMAIL_BYTES]; /* claimed; empty: forgotten */
    bool              forgotten;
    enum users_status status;
    enum users_role   role;
    int64_t           generation;
    struct user_code  code; /* of an invitation or of a reset */
    struct user_code  telegram_code;
    char              telegram_id[20];             /* claimed; empty: none, or forgotten */
    int64_t           failures[USER_FAILURES_MAX]; /* the newest last */
    int32_t           failures_count;
    int64_t           locked_until_at;                /* 0: until somebody unlocks */
    bool              totp;                           /* a log-in asks for a one-time password */
    char              totp_secret[USER_SEALED_BYTES]; /* sealed; empty: none yet */
    int64_t           totp_step;                      /* the last one that was taken */
};
bus_verdict user_wrong_state(const struct user *s, bus_decision *out);

/* log_in.c: passwords that were right or wrong. The edge has looked: a state never sees one. */
bus_verdict user_decide_set_password(const struct user *s, const struct users_set_password *cmd,
                                     const bus_meta *meta, bus_decision *out);
bus_verdict user_decide_change_password(const struct user                  *s,
                                        const struct users_change_password *cmd, bus_decision *out);
bus_verdict user_decide_log_in(const struct user *s, const struct users_log_in *cmd,
                               const bus_meta *meta, bus_decision *out);
/* May his sessions go on? A lock alone does not end them. */
bus_verdict user_decide_stay(const struct user *s, const struct users_stay *cmd, bus_decision *out);
bus_verdict user_decide_failed_log_in(const struct user                     *s,
                                      const struct users_note_failed_log_in *cmd,
                                      const bus_meta *meta, bus_decision *out);
void        user_apply_failure(struct user *s, int64_t failed_at);

/* totp.c: one-time passwords. */
bus_verdict user_decide_begin_totp(const struct user *s, const struct users_begin_totp *cmd,
                                   bus_decision *out);
bus_verdict user_decide_enable_totp(const struct user *s, const struct users_enable_totp *cmd,
                                    bus_decision *out);
bus_verdict user_decide_end_totp(const struct user *s, const struct users_end_totp *cmd,
                                 bus_decision *out);
bus_verdict user_decide_disable_totp(const struct user *s, const bus_meta *meta, bus_decision *out);
/* May he log in with this one, or without? */
bus_verdict user_check_totp(const struct user *s, const struct users_log_in *cmd,
                            bus_decision *out);
/* totp_begun, totp_enabled, totp_disabled. */
void user_apply_totp(struct user *s, const struct users_user_event *e);

/* telegram.c: by a code that the bot was shown. */
bus_verdict user_decide_telegram_code(const struct user                     *s,
                                      const struct users_make_telegram_code *c,
                                      const bus_meta *meta, bus_decision *out);
bus_verdict user_decide_link_telegram(const struct user *s, const struct users_link_telegram *cmd,
                                      const bus_meta *meta, bus_decision *out);
bus_verdict user_decide_unlink_telegram(const struct user *s, const bus_meta *meta,
                                        bus_decision *out);
/* telegram_code_made, telegram_linked, telegram_unlinked. */
void user_apply_telegram(struct user *s, const struct users_user_event *e);

#endif
