/* profit.c - the profit of a trip, exact to the kopeck.
 * The one rule: divide last, and let the parts sum to the whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/trip.h"

#include <string.h>

/* Wide enough for any product of two 64-bit figures. */
typedef __int128 wide;

static int64_t
round_div(wide a, wide by)
{
    wide half = by / 2;
    wide result = a >= 0 ? (a + half) / by : -((-a + half) / by);

    BUS_INVARIANT(by > 0 && result <= INT64_MAX && result >= -INT64_MAX);
    return (int64_t)result;
}

int64_t
trip_mul_div(int64_t a, int64_t b, int64_t by)
{
    return round_div((wide)a * b, by);
}

bool
trip_margin_bp(int64_t profit_kop, int64_t revenue_kop, int64_t *margin_bp)
{
    const wide limit = 1000000000000;
    wide       margin;

    *margin_bp = 0;
    if (revenue_kop <= 0)
        return false;
    margin = (wide)profit_kop * 10000 / revenue_kop;
    *margin_bp = (int64_t)(margin > limit ? limit : margin < -limit ? -limit : margin);
    return true;
}

void
trip_split(int64_t total, const int64_t *weights, int32_t count, int64_t *parts)
{
    wide    sum = 0;
    int64_t given = 0;
    int32_t largest = 0;

    BUS_INVARIANT(count > 0);
    for (int32_t i = 0; i < count; i++) {
        BUS_INVARIANT(weights[i] >= 0);
        sum += weights[i];
        if (weights[i] > weights[largest])
            largest = i;
    }
    for (int32_t i = 0; i < count; i++) {
        parts[i] = sum == 0 ? 0 : (int64_t)((wide)total * weights[i] / sum);
        given += parts[i];
    }
    parts[largest] += total - given;
}

/* --- what it is computed from ------------------------------------------------------ */

static int64_t
points_done(const struct trip *s)
{
    int64_t done = 0;

    for (int32_t i = 0; i < s->stops_count; i++)
        if (s->stops[i].status == TRIPS_STOP_STATUS_DONE)
            done++;
    return done;
}

/* Until the vehicle's day has spoken: the seconds' part of a usual working day, at most all. */
static int64_t
expected_day_share(const struct trip *s, int64_t duration_s, int64_t work_day_s)
{
    if (duration_s >= work_day_s)
        return s->fixed_kop_day;
    return trip_mul_div(s->fixed_kop_day, duration_s, work_day_s);
}

int64_t
trip_norm_ml(const struct trip *s, int64_t distance_m)
{
    return trip_mul_div(distance_m, s->norm_ml_100km, 100000);
}

void
trip_measure(const struct trip *s, enum trips_stage stage, const struct trips_settings *settings,
             struct trip_measure *m)
{
    bool planned = stage == TRIPS_STAGE_ESTIMATED;

    *m = (struct trip_measure){.stage = stage, .fuel_litre_kop = settings->fuel_litre_kop};
    m->left = planned || s->departed_at != 0;
    m->distance_m = planned ? s->planned_m : s->driven_m;
    m->points = planned ? s->stops_count : points_done(s);
    if (planned)
        m->duration_s = s->road_s;
    else if (m->left && s->finished_at > s->departed_at)
        m->duration_s = (s->finished_at - s->departed_at) / 1000;
    if (s->has_fuel && !planned) {
        m->fuel_ml = s->fuel_ml;
        m->fuel_kop = s->fuel_kop;
    } else { /* litres are metres x norm / 100000 / 1000; money divides once, at the end */
        m->fuel_ml = trip_norm_ml(s, m->distance_m);
        m->fuel_kop = round_div((wide)m->distance_m * s->norm_ml_100km * m->fuel_litre_kop,
                                (wide)100000 * 1000);
    }
    if (s->has_day_share && !planned)
        m->day_share_kop = s->day_share_kop;
    else if (m->left)
        m->day_share_kop = expected_day_share(s, m->duration_s, settings->work_day_s);
}

/* --- revenue ------------------------------------------------------------------------ */

static int64_t *
revenue_part(struct trips_profit *p, enum trips_revenue_kind kind)
{
    switch (kind) {
    case TRIPS_REVENUE_KIND_FIXED: return &p->revenue_fixed_kop;
    case TRIPS_REVENUE_KIND_PER_BOX: return &p->revenue_per_box_kop;
    case TRIPS_REVENUE_KIND_PER_KM: return &p->revenue_per_km_kop;
    case TRIPS_REVENUE_KIND_PER_POINT: return &p->revenue_per_point_kop;
    case TRIPS_REVENUE_KIND_WAITING: return &p->revenue_waiting_kop;
    case TRIPS_REVENUE_KIND_PENALTY: return &p->revenue_penalty_kop;
    }
    BUS_UNREACHABLE();
}

int64_t
trip_line_amount(const struct trip_revenue *line, const struct trip_measure *m)
{
    if (!line->measured)
        return line->amount_kop;
    if (line->kind == TRIPS_REVENUE_KIND_PER_KM)
        return trip_mul_div(m->distance_m, line->rate_kop, 1000);
    return m->points * line->rate_kop;
}

/* A delivery's price is planned for all, earned where it was handed over. */
static bool
counts(const struct trip *s, const struct trip_delivery *d, const struct trip_measure *m)
{
    if (m->stage == TRIPS_STAGE_ESTIMATED)
        return true;
    return s->stops[d->stop - 1].status == TRIPS_STOP_STATUS_DONE && !d->undelivered;
}

static void
add_revenue(const struct trip *s, const struct trip_measure *m, struct trips_profit *p,
            struct trip_parts *parts)
{
    for (int32_t i = 0; i < s->deliveries_count; i++) {
        const struct trip_delivery *d = &s->deliveries[i];

        if (!counts(s, d, m))
            continue;
        p->revenue_fixed_kop += d->price_kop;
        parts->revenue_kop[d->customer] += d->price_kop;
    }
    for (int32_t i = 0; i < s->revenue_count; i++) {
        const struct trip_revenue *line = &s->revenue[i];
        int64_t                    amount_kop;

        if (line->voided)
            continue;
        amount_kop = trip_line_amount(line, m);
        *revenue_part(p, line->kind) += amount_kop;
        parts->revenue_kop[line->customer] += amount_kop;
    }
    p->revenue_kop = p->revenue_fixed_kop + p->revenue_per_box_kop + p->revenue_per_km_kop +
                     p->revenue_per_point_kop + p->revenue_waiting_kop + p->revenue_penalty_kop;
}

/* --- costs ---------------------------------------------------------------------------- */

/* One division for the whole pay: 90000 is the least common multiple of metres in a
 * kilometre, seconds in an hour and basis points in one. */
static int64_t
driver_pay(const struct trips_pay *pay, const struct trip_measure *m, int64_t revenue_kop)
{
    wide whole = (wide)pay->per_trip_kop + (wide)pay->per_point_kop * m->points;
    wide base_kop = revenue_kop > 0 ? revenue_kop : 0;

    return round_div(whole * 90000 + (wide)pay->per_km_kop * m->distance_m * 90 +
                         (wide)pay->per_hour_kop * m->duration_s * 25 +
                         (wide)pay->pct_bp * base_kop * 9,
                     90000);
}

static void
add_costs(const struct trip *s, const struct trip_measure *m, struct trips_profit *p)
{
    p->cost_fuel_kop = m->fuel_kop;
    if (m->left) {
        p->cost_driver_pay_kop = driver_pay(&s->pay, m, p->revenue_kop);
        if (!bus_id_is_nil(s->co_driver_id))
            p->cost_driver_pay_kop += driver_pay(&s->co_pay, m, p->revenue_kop);
    }
    for (int32_t i = 0; i < s->expenses_count; i++)
        if (s->expenses[i].status == EXPENSE_APPROVED)
            p->cost_expenses_kop += s->expenses[i].amount_kop;
    p->cost_wear_kop = trip_mul_div(m->distance_m, s->wear_kop_km, 1000);
    p->cost_day_share_kop = m->day_share_kop;
    for (int32_t i = 0; i < s->incidents_count; i++)
        p->cost_incidents_kop += s->incidents[i].amount_kop;
    p->cost_kop = p->cost_fuel_kop + p->cost_driver_pay_kop + p->cost_expenses_kop +
                  p->cost_wear_kop + p->cost_day_share_kop + p->cost_incidents_kop;
}

/* --- the parts of customers -------------------------------------------------------------- */

static bool
any(const int64_t *weights, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (weights[i] > 0)
            return true;
    return false;
}

/* Costs follow the revenue of each customer; without any the load in grams, then in
 * millilitres, then the deliveries aboard; without any of these they are nobody's. */
static void
weigh(const struct trip *s, struct trip_parts *parts)
{
    int64_t *w = parts->weights;

    for (int32_t i = 0; i < parts->count; i++)
        w[i] = parts->revenue_kop[i] > 0 ? parts->revenue_kop[i] : 0;
    for (int32_t by = 0; by < 3 && !any(w, parts->count); by++)
        for (int32_t i = 0; i < s->deliveries_count; i++) {
            const struct trip_delivery *d = &s->deliveries[i];

            w[d->customer] += by == 0 ? d->load_g : by == 1 ? d->load_ml : 1;
        }
    if (any(w, parts->count))
        return;
    for (int32_t i = 0; i < parts->count; i++)
        if (bus_id_is_nil(parts->customers[i])) {
            w[i] = 1;
            return;
        }
    parts->customers[parts->count] = BUS_ID_NIL;
    parts->weights[parts->count++] = 1;
}

void
trip_profit(const struct trip *s, const struct trip_measure *m, struct trips_profit *p,
            struct trip_parts *parts)
{
    memset(p, 0, sizeof(*p));
    memset(parts, 0, sizeof(*parts));
    parts->count = s->customers_count;
    for (int32_t i = 0; i < s->customers_count; i++)
        parts->customers[i] = s->customers[i];
    add_revenue(s, m, p, parts);
    add_costs(s, m, p);
    p->profit_kop = p->revenue_kop - p->cost_kop;
    p->has_margin_bp = trip_margin_bp(p->profit_kop, p->revenue_kop, &p->margin_bp);
    weigh(s, parts);
    trip_split(p->cost_kop, parts->weights, parts->count, parts->cost_kop);
}
