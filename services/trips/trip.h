/* trip.h - what a trip remembers, shared by the files of this folder only.
 *
 * trips.c is the story: who may do what when. plan.c, stops.c and money.c hold its chapters,
 * profit.c the arithmetic, vehicle_day.c the second aggregate.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_TRIPS_TRIP_H
#define SERVICES_TRIPS_TRIP_H

#include "bus/module/module.h"
#include "contracts/trips.h"

enum {
    TRIP_STOPS_MAX = 200,
    TRIP_DELIVERIES_MAX = 200,
    TRIP_CUSTOMERS_MAX = 48,
    TRIP_LINES_MAX = 64, /* of revenue, and of costs */
    TRIP_INCIDENTS_MAX = 16,
    TRIP_UNMATCHED_MAX = 16,
    TRIP_ADJUSTMENTS_MAX = 256,
    TRIP_SETTLE_ATTEMPTS_MAX = 14, /* one a day */
};
#define TRIP_AMOUNT_MAX_KOP INT64_C(100000000000)
#define TRIP_RATE_MAX_KOP_KM INT64_C(1000000) /* of a line that follows the metres */
#define TRIP_PLAN_MAX_S INT64_C(1209600)      /* 14 days */

struct trip_stop {
    int32_t arrive_s; /* planned, after planned_from_at */
    uint8_t status;   /* enum trips_stop_status */
};

struct trip_delivery {
    bus_id  id;
    int64_t price_kop;
    int32_t load_g, load_ml;
    uint8_t stop;                 /* seq */
    uint8_t customer;             /* in customers */
    int32_t confirmed_at_version; /* of the delivery; 0: its answer is awaited */
    bool    undelivered;
};

struct trip_revenue {
    int64_t rate_kop, amount_kop;
    uint8_t kind;     /* enum trips_revenue_kind */
    uint8_t customer; /* in customers */
    bool    measured; /* follows the trip's own metres or stops */
    bool    voided;
};

struct trip_expense {
    int64_t amount_kop;
    enum { EXPENSE_PENDING, EXPENSE_APPROVED, EXPENSE_REJECTED } status;
};

/* State: only what the next decision needs. */
struct trip {
    enum trips_status status;
    bool              settling; /* the vehicle's day has been asked to freeze the share */

    int64_t planned_from_at, planned_to_at, planned_m;
    int64_t road_s;    /* planned, from departure to return */
    int64_t driving_s; /* planned, of it at the wheel */
    bool    has_route;
    bus_id  route_id;

    struct trip_stop stops[TRIP_STOPS_MAX]; /* by seq - 1 */
    uint8_t          order[TRIP_STOPS_MAX]; /* seqs as they are to be driven */
    int32_t          stops_count;

    struct trip_delivery deliveries[TRIP_DELIVERIES_MAX];
    int32_t              deliveries_count;
    int64_t              load_g, load_ml; /* of all of them */

    /* Interned in order of appearance; a nil id stands for "nobody". Never shrinks. */
    bus_id  customers[TRIP_CUSTOMERS_MAX];
    int32_t customers_count;

    bus_id           assignment_id; /* also the reservation's id */
    int32_t          attempt;
    bus_id           vehicle_id, driver_id, co_driver_id; /* nil: none */
    int64_t          payload_g, cargo_ml, wear_kop_km, fixed_kop_day, norm_ml_100km;
    struct trips_pay pay, co_pay;

    bool    loading_started;
    int64_t boxes_sorted, boxes_loaded, gps_m;
    int64_t odometer_start_m, driven_m;
    int64_t departed_at, finished_at, last_business_at; /* 0: not yet */
    int32_t day;                                        /* local date of departure */
    int32_t stops_arrived, stops_on_time;
    int32_t stops_damaged; /* failed because the goods were */

    struct trip_revenue revenue[TRIP_LINES_MAX];
    int32_t             revenue_count;
    struct trip_expense expenses[TRIP_LINES_MAX];
    int32_t             expenses_count;
    struct {
        bus_id  id;
        int64_t amount_kop;
    } incidents[TRIP_INCIDENTS_MAX];
    int32_t incidents_count;
    struct {
        bus_id  id;
        int64_t at;
    } unmatched[TRIP_UNMATCHED_MAX];
    int32_t unmatched_count;

    bool    has_fuel; /* recorded; else the norm counts */
    int64_t fuel_kop, fuel_ml;
    bool    has_day_share;
    int64_t day_share_kop;
    int32_t settle_attempts;

    int64_t revenue_kop, cost_kop; /* FINAL with adjustments */
    int32_t adjustments;
};

/* --- trips.c -------------------------------------------------------------- */

extern const struct trips_settings *trip_settings(const bus_meta *meta);
/* STALE: it happened before last_at (UTC milliseconds). */
bus_verdict trip_stale(int64_t last_at, const bus_meta *meta, bus_decision *out);
/* It happened. */
void trip_apply(void *state, const void *event);

/* --- plan.c: route, deliveries, resources ---------------------------------- */

bus_verdict trip_plan(const struct trip *s, const struct trips_plan *cmd, bus_decision *out);
bus_verdict trip_add_delivery(const struct trip *s, const struct trips_add_delivery *cmd,
                              const bus_meta *meta, bus_decision *out);
bus_verdict trip_remove_delivery(const struct trip *s, const struct trips_remove_delivery *cmd,
                                 const bus_meta *meta, bus_decision *out);
bus_verdict trip_drop_delivery(const struct trip *s, const struct trips_drop_delivery *cmd,
                               bus_decision *out);
bus_verdict trip_delivery_answered(const struct trip *s, const bus_answer *answer,
                                   const bus_meta *meta, bus_decision *out);
bus_verdict trip_assign(const struct trip *s, const struct trips_assign *cmd, const bus_meta *meta,
                        bus_decision *out);
bus_verdict trip_confirm(const struct trip *s, const struct trips_confirm_assignment *cmd,
                         const bus_meta *meta, bus_decision *out);
bus_verdict trip_fail_assignment(const struct trip *s, const struct trips_fail_assignment *cmd,
                                 bus_decision *out);
bus_verdict trip_cancel(const struct trip *s, const struct trips_cancel *cmd, bus_decision *out);

/* Index of a delivery aboard, or -1. */
int trip_find_delivery(const struct trip *s, bus_id id);
/* Ids of the deliveries aboard at a stop (0: at all). Room for TRIP_DELIVERIES_MAX; the count. */
uint32_t trip_delivery_ids(const struct trip *s, int64_t stop_seq, bus_id *ids);
/* Index of a customer, or -1; is there room for one more? */
int  trip_find_customer(const struct trip *s, bus_id id);
bool trip_has_room_for_customer(const struct trip *s, bus_id id);

void trip_apply_planned(struct trip *s, const struct trips_trip_planned *e);
void trip_apply_delivery_added(struct trip *s, const struct trips_delivery_added *e);
void trip_apply_delivery_gone(struct trip *s, bus_id id);
void trip_apply_assigned(struct trip *s, const struct trips_resources_assigned *e);
int  trip_intern_customer(struct trip *s, bus_id id);

/* --- stops.c: the road ------------------------------------------------------ */

bus_verdict trip_depart(const struct trip *s, const struct trips_depart *cmd, const bus_meta *meta,
                        bus_decision *out);
bus_verdict trip_arrive_stop(const struct trip *s, const struct trips_arrive_stop *cmd,
                             const bus_meta *meta, bus_decision *out);
bus_verdict trip_complete_stop(const struct trip *s, const struct trips_complete_stop *cmd,
                               const bus_meta *meta, bus_decision *out);
bus_verdict trip_fail_stop(const struct trip *s, const struct trips_fail_stop *cmd,
                           const bus_meta *meta, bus_decision *out);
bus_verdict trip_skip_stop(const struct trip *s, const struct trips_skip_stop *cmd,
                           const bus_meta *meta, bus_decision *out);
bus_verdict trip_reorder(const struct trip *s, const struct trips_reorder_remaining *cmd,
                         bus_decision *out);
bus_verdict trip_finish(const struct trip *s, const struct trips_finish *cmd, const bus_meta *meta,
                        bus_decision *out);
bus_verdict trip_abort(const struct trip *s, const struct trips_abort *cmd, const bus_meta *meta,
                       bus_decision *out);

void trip_apply_stop_completed(struct trip *s, const struct trips_stop_completed *e);
void trip_apply_reordered(struct trip *s, const struct trips_remaining_reordered *e);

/* --- money.c: lines, settling, adjusting -------------------------------------- */

bus_verdict trip_add_revenue(const struct trip *s, const struct trips_add_revenue *cmd,
                             const bus_meta *meta, bus_decision *out);
bus_verdict trip_void_revenue(const struct trip *s, const struct trips_void_revenue *cmd,
                              const bus_meta *meta, bus_decision *out);
bus_verdict trip_add_cost(const struct trip *s, const struct trips_add_cost *cmd,
                          bus_decision *out);
bus_verdict trip_approve_cost(const struct trip *s, const struct trips_approve_cost *cmd,
                              const bus_meta *meta, bus_decision *out);
bus_verdict trip_reject_cost(const struct trip *s, const struct trips_reject_cost *cmd,
                             bus_decision *out);
bus_verdict trip_record_fuel_cost(const struct trip *s, const struct trips_record_fuel_cost *cmd,
                                  const bus_meta *meta, bus_decision *out);
bus_verdict trip_note_unmatched_fuel(const struct trip                      *s,
                                     const struct trips_note_unmatched_fuel *cmd,
                                     bus_decision                           *out);
bus_verdict trip_clear_unmatched_fuel(const struct trip                       *s,
                                      const struct trips_clear_unmatched_fuel *cmd,
                                      bus_decision                            *out);
bus_verdict trip_record_incident_cost(const struct trip                       *s,
                                      const struct trips_record_incident_cost *cmd,
                                      const bus_meta *meta, bus_decision *out);
bus_verdict trip_take_day_share(const struct trip *s, const struct trips_take_day_share *cmd,
                                const bus_meta *meta, bus_decision *out);
bus_verdict trip_settle(const struct trip *s, const bus_meta *meta, bus_decision *out);
bus_verdict trip_settlement_due(const struct trip *s, const bus_meta *meta, bus_decision *out);
bus_verdict trip_day_frozen(const struct trip *s, const bus_answer *answer, const bus_meta *meta,
                            bus_decision *out);
bus_verdict trip_adjust(const struct trip *s, const struct trips_adjust_settled *cmd,
                        bus_decision *out);
/* Has the trip ended, so that a change of its figures changes PROVISIONAL? */
bool trip_has_ended(const struct trip *s);
/* Emits the ESTIMATED or PROVISIONAL profit of a trip as it stands. */
bus_verdict trip_emit_profit(const struct trip *s, enum trips_stage stage, const bus_meta *meta,
                             bus_decision *out);
/* The same after one more event, which has been emitted and is not yet applied. */
bus_verdict trip_emit_profit_after(const struct trip *s, const struct trips_trip_event *event,
                                   enum trips_stage stage, const bus_meta *meta, bus_decision *out);

void trip_apply_revenue_added(struct trip *s, const struct trips_revenue_added *e);
void trip_apply_unmatched_noted(struct trip *s, const struct trips_unmatched_fuel_noted *e);
void trip_apply_unmatched_cleared(struct trip *s, const struct trips_unmatched_fuel_cleared *e);
void trip_apply_incident_cost(struct trip *s, const struct trips_incident_cost_recorded *e);

struct trip_measure;
/* Emits what the trip settles with. */
bus_verdict trip_emit_settled(const struct trip *s, const struct trip_measure *m,
                              bus_decision *out);

/* --- what_if.c: the same trip at other rates ------------------------------------ */

#define TRIP_WHAT_IFS 1
extern const bus_what_if trip_what_ifs[TRIP_WHAT_IFS];

/* --- profit.c: exact arithmetic, no decisions ----------------------------------- */

/* What a value of the profit is computed from, besides the lines. */
struct trip_measure {
    enum trips_stage stage;
    bool             left; /* the vehicle left the depot, or is planned to */
    int64_t          distance_m, duration_s, points;
    int64_t          fuel_ml, fuel_litre_kop, fuel_kop;
    int64_t          day_share_kop;
};

/* Customers of a trip and one more for what belongs to nobody. */
#define TRIP_PARTS_MAX (TRIP_CUSTOMERS_MAX + 1)

struct trip_parts {
    bus_id  customers[TRIP_PARTS_MAX]; /* nil: nobody */
    int64_t weights[TRIP_PARTS_MAX];   /* of costs */
    int64_t revenue_kop[TRIP_PARTS_MAX], cost_kop[TRIP_PARTS_MAX];
    int32_t count;
};

void trip_measure(const struct trip *s, enum trips_stage stage,
                  const struct trips_settings *settings, struct trip_measure *m);
/* Fuel that the vehicle's norm allows for a distance. */
/* What a line of revenue is worth. */
int64_t trip_line_amount(const struct trip_revenue *line, const struct trip_measure *m);
int64_t trip_norm_ml(const struct trip *s, int64_t distance_m);
void    trip_profit(const struct trip *s, const struct trip_measure *m, struct trips_profit *p,
                    struct trip_parts *parts);
/* Splits total by weights, each rounded toward zero, the remainder to the largest weight (the
 * first of equals). All weights zero: all to the first. The parts sum to total. */
void trip_split(int64_t total, const int64_t *weights, int32_t count, int64_t *parts);
/* a * b / by, rounded to the nearest, halves away from zero. */
int64_t trip_mul_div(int64_t a, int64_t b, int64_t by);
/* profit x 10000 / revenue; false (null) unless revenue is positive. Saturates. */
bool trip_margin_bp(int64_t profit_kop, int64_t revenue_kop, int64_t *margin_bp);

/* --- vehicle_day.c ----------------------------------------------------------------- */

enum { VEHICLE_DAY_TRIPS_MAX = 48 };

/* One vehicle's day: its fixed cost, divided over the trips that departed that day. */
struct vehicle_day {
    int64_t fixed_kop_day;
    struct {
        bus_id  trip_id;
        int64_t duration_s, share_kop;
        bool    frozen;
    } trips[VEHICLE_DAY_TRIPS_MAX];
    int32_t count;
};

bus_verdict vehicle_day_decide(const void *state, const void *command, const bus_meta *meta,
                               bus_decision *out);
void        vehicle_day_apply(void *state, const void *event);
/* The stream of a vehicle's day: UUIDv5 of the vehicle's id and "day:2026-11-23". */
bus_id vehicle_day_stream(bus_id vehicle_id, int32_t day);

#endif
