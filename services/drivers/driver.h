/* driver.h - what is remembered of one driver. Private to services/drivers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_DRIVERS_DRIVER_H
#define SERVICES_DRIVERS_DRIVER_H

#include "bus/module/module.h"
#include "contracts/drivers.h"

#define DRIVER_RESERVATIONS_MAX 64 /* open ones; when full, those that are over count as past */
#define DRIVER_PAST_MAX 64         /* ended ones, kept for the limits; the oldest give way */
#define DRIVER_BARRED_MAX 64       /* the oldest give way */
#define DRIVER_STRETCHES_MAX 64    /* of the duty log; the one that ended first gives way */
#define DRIVER_PAYS_MAX 8          /* terms of pay; the oldest gives way once it is settled */
#define DRIVER_INTERVAL_MAX_DAYS 31

struct driver_reservation {
    bus_id  id, trip_id;
    int64_t from_at, to_at, driving_s;
};

/* Reservations and stretches are sorted by nothing: there are few. What a driver does while on duty
 * is for the views: no rule asks. */
struct driver {
    bus_id              id; /* the stream's, for owned_by */
    enum drivers_status status;
    bool                on_duty, forgotten;
    char                phone[20], licence[64]; /* claimed; empty: none, or forgotten */
    bool                has_licence, has_medical;
    uint32_t            categories;                         /* bits by enum drivers_category */
    int32_t             licence_valid_to, medical_valid_to; /* days */
    int64_t             settled_until_at;

    struct driver_reservation open[DRIVER_RESERVATIONS_MAX], past[DRIVER_PAST_MAX];
    int32_t                   open_count, past_count, past_next;
    bus_id                    on_trip, on_trip_id; /* reservation under way and its trip; nil */
    int64_t                   on_trip_since_at;
    bus_id                    barred[DRIVER_BARRED_MAX];
    int32_t                   barred_count, barred_next;
    struct {
        int64_t from_at, to_at;
    } stretches[DRIVER_STRETCHES_MAX];
    int32_t stretches_count;
    int64_t stretches_from_at; /* of earlier ones nothing is known any more */
    struct {
        int64_t            from_at;
        struct drivers_pay pay;
    } pays[DRIVER_PAYS_MAX]; /* by from_at, ascending */
    int32_t pays_count;
};

/* drivers.c */
bus_verdict driver_wrong_state(const struct driver *s, bus_decision *out);
const char *driver_status_name(enum drivers_status status);
int32_t     driver_zone(const bus_meta *meta); /* minutes east of UTC */

/* reservations.c: the time that is promised. */
bus_verdict driver_check_interval(int64_t from_at, int64_t to_at, bus_decision *out);
bus_verdict driver_decide_reserve(const struct driver *s, const struct drivers_reserve *cmd,
                                  const bus_meta *meta, bus_decision *out);
bus_verdict driver_decide_release(const struct driver *s, const struct drivers_release *cmd,
                                  const bus_meta *meta, bus_decision *out);
bus_verdict driver_decide_start_trip(const struct driver *s, const struct drivers_start_trip *cmd,
                                     bus_decision *out);
bus_verdict driver_decide_end(const struct driver *s, const struct drivers_end_reservation *cmd,
                              bus_decision *out);
void        driver_apply_reserved(struct driver *s, const struct drivers_reserved *e);
void        driver_apply_released(struct driver *s, const struct drivers_released *e);
void        driver_apply_barred(struct driver *s, const struct drivers_reservation_barred *e);
void        driver_apply_started(struct driver *s, const struct drivers_trip_started *e);
void        driver_apply_ended(struct driver *s, const struct drivers_reservation_ended *e);

/* limits.c: may one who drives that much already drive this as well? */
bus_verdict driver_check_limits(const struct driver *s, const struct drivers_reserve *cmd,
                                const struct drivers_settings *rules, bus_decision *out);

/* duty.c: the working day. */
bus_verdict driver_decide_start_duty(const struct driver *s, const bus_meta *meta,
                                     bus_decision *out);
bus_verdict driver_decide_record_duty(const struct driver *s, const struct drivers_record_duty *cmd,
                                      const bus_meta *meta, bus_decision *out);
bus_verdict driver_decide_end_duty(const struct driver *s, const bus_meta *meta, bus_decision *out);
void        driver_apply_duty(struct driver *s, const struct drivers_duty_recorded *e);

/* pay.c: terms of pay, each from a time on. */
bus_verdict driver_decide_change_pay(const struct driver *s, const struct drivers_change_pay *cmd,
                                     const bus_meta *meta, bus_decision *out);
bus_verdict driver_decide_note_settled(const struct driver               *s,
                                       const struct drivers_note_settled *cmd, const bus_meta *meta,
                                       bus_decision *out);
void        driver_apply_pay_changed(struct driver *s, const struct drivers_pay_changed *e);
/* The terms that hold at a time. */
const struct drivers_pay *driver_pay_at(const struct driver *s, int64_t at_ms);

#endif
