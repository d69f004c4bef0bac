/* vehicle.h - what is remembered of one vehicle. Private to services/vehicles.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_VEHICLES_VEHICLE_H
#define SERVICES_VEHICLES_VEHICLE_H

#include "bus/module/module.h"
#include "contracts/vehicles.h"

#define VEHICLE_RESERVATIONS_MAX 64 /* those that are over give way when it is full */
#define VEHICLE_BARRED_MAX 64       /* the oldest give way */
#define VEHICLE_PLANS_MAX 16
#define VEHICLE_WINDOWS_MAX 16 /* past ones give way */
#define VEHICLE_PAPERS_MAX 4   /* of one kind; the one that ends first gives way */
#define VEHICLE_PAPER_KINDS 4
#define VEHICLE_INTERVAL_MAX_DAYS 31

struct vehicle_reservation {
    bus_id  id, trip_id;
    int64_t from_at, to_at, load_g, load_ml;
};

struct vehicle_window {
    bus_id  id;
    int64_t from_at, to_at;
};

struct vehicle_paper {
    char    number[164];    /* 40 characters of UTF-8 */
    int32_t from_on, to_on; /* days, both inclusive */
};

struct vehicle {
    enum vehicles_status  status;
    char                  plate[16], vin[20];
    struct vehicles_specs specs;                   /* flat: numbers and enums only */
    int64_t               odometer_m, odometer_at; /* last applied reading */
    bus_id                on_trip;                 /* reservation under way; nil: none */
    bus_id                on_trip_id, driver_id;   /* its trip and driver; nil: none */
    int64_t               on_trip_since_at;
    int64_t               maintenance_until_at; /* while in MAINTENANCE; 0: not known */

    struct vehicle_reservation reservations[VEHICLE_RESERVATIONS_MAX];
    int32_t                    reservations_count;
    bus_id                     barred[VEHICLE_BARRED_MAX];
    int32_t                    barred_count, barred_next;
    bus_id                     plans[VEHICLE_PLANS_MAX];
    int32_t                    plans_count;
    struct vehicle_window      windows[VEHICLE_WINDOWS_MAX];
    int32_t                    windows_count;
    struct vehicle_paper       papers[VEHICLE_PAPER_KINDS][VEHICLE_PAPERS_MAX];
    int32_t                    papers_count[VEHICLE_PAPER_KINDS]; /* by vehicles_document_kind */
};

/* vehicles.c */
bus_verdict vehicle_wrong_state(const struct vehicle *s, bus_decision *out);

/* reservations.c: the time that is promised. */
bus_verdict vehicle_check_interval(int64_t from_at, int64_t to_at, bus_decision *out);
bus_verdict vehicle_decide_reserve(const struct vehicle *s, const struct vehicles_reserve *cmd,
                                   const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_release(const struct vehicle *s, const struct vehicles_release *cmd,
                                   const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_start(const struct vehicle *s, const struct vehicles_start_trip *cmd,
                                 const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_finish(const struct vehicle *s, const struct vehicles_finish_trip *cmd,
                                  const bus_meta *meta, bus_decision *out);
void        vehicle_apply_reserved(struct vehicle *s, const struct vehicles_reserved *e);
void        vehicle_apply_released(struct vehicle *s, const struct vehicles_released *e);
void        vehicle_apply_barred(struct vehicle *s, bus_id reservation);
void        vehicle_apply_started(struct vehicle *s, const struct vehicles_trip_started *e);
void        vehicle_apply_finished(struct vehicle *s, const struct vehicles_trip_finished *e);

/* upkeep.c: papers, service plans, the workshop. */
bus_verdict vehicle_decide_add_document(const struct vehicle               *s,
                                        const struct vehicles_add_document *cmd, bus_decision *out);
bus_verdict vehicle_decide_add_plan(const struct vehicle                   *s,
                                    const struct vehicles_add_service_plan *cmd,
                                    const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_plan_window(const struct vehicle                   *s,
                                       const struct vehicles_plan_maintenance *cmd,
                                       const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_cancel_window(const struct vehicle                     *s,
                                         const struct vehicles_cancel_maintenance *cmd,
                                         const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_return(const struct vehicle                          *s,
                                  const struct vehicles_return_from_maintenance *cmd,
                                  const bus_meta *meta, bus_decision *out);
void        vehicle_apply_document(struct vehicle *s, const struct vehicles_document_added *e);
void        vehicle_apply_plan(struct vehicle *s, const struct vehicles_service_planned *e);
void        vehicle_apply_window(struct vehicle *s, const struct vehicles_maintenance_planned *e);
void vehicle_apply_window_gone(struct vehicle *s, const struct vehicles_maintenance_cancelled *e);
/* Papers of a kind cover every day from first to last. *until: the last day of theirs that does
 * without a gap, or the end of the latest if none covers the first day. */
bool vehicle_papers_cover(const struct vehicle *s, enum vehicles_document_kind kind, int32_t first,
                          int32_t last, int32_t *until);

/* odometer.c: a reading on which somebody waits is refused when it is wrong; one that comes with
 * a trip, a feed or the workshop is kept as suspect instead. */
bus_verdict vehicle_take_reading(const struct vehicle                    *s,
                                 const struct vehicles_odometer_recorded *r, const bus_meta *meta,
                                 bus_decision *out);
bool        vehicle_is_too_fast(const struct vehicle *s, const struct vehicles_odometer_recorded *r,
                                const bus_meta *meta);
bus_verdict vehicle_decide_record_odometer(const struct vehicle                  *s,
                                           const struct vehicles_record_odometer *cmd,
                                           const bus_meta *meta, bus_decision *out);
bus_verdict vehicle_decide_correct_odometer(const struct vehicle                   *s,
                                            const struct vehicles_correct_odometer *cmd,
                                            const bus_meta *meta, bus_decision *out);

/* plate.c: folds Cyrillic look-alikes to Latin capitals, drops blanks and hyphens. False: not 6
 * to 9 letters and digits; not 17 letters and digits without I, O and Q. */
bool vehicle_fold_plate(bus_str text, char out[16]);
bool vehicle_fold_vin(bus_str text, char out[20]);

#endif
