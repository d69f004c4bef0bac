/* what_if.c - a settled trip at other rates: `shina replay --rules`.
 *
 * The rates replace those that the trip knew, and it is settled once more from the same metres,
 * seconds, points and litres. Adjustments were sums of money and stay.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/trip.h"

#define BP INT64_C(10000)

/* Divided last: a line that follows the metres is worth so much before it is changed. */
static void
set_prices(struct trip *s, const struct trip_measure *m, const struct trips_what_if *r)
{
    if (!r->has_price_bp)
        return;
    for (int32_t i = 0; i < s->deliveries_count; i++)
        s->deliveries[i].price_kop = trip_mul_div(s->deliveries[i].price_kop, r->price_bp, BP);
    for (int32_t i = 0; i < s->revenue_count; i++) {
        struct trip_revenue *line = &s->revenue[i];

        if (line->kind == TRIPS_REVENUE_KIND_PENALTY)
            continue;
        line->amount_kop = trip_mul_div(trip_line_amount(line, m), r->price_bp, BP);
        line->measured = false;
    }
}

static void
set_pay(struct trips_pay *pay, const struct trips_what_if *r)
{
    if (r->has_per_trip_kop)
        pay->per_trip_kop = r->per_trip_kop;
    if (r->has_per_km_kop)
        pay->per_km_kop = r->per_km_kop;
    if (r->has_per_point_kop)
        pay->per_point_kop = r->per_point_kop;
    if (r->has_per_hour_kop)
        pay->per_hour_kop = r->per_hour_kop;
    if (r->has_pct_bp)
        pay->pct_bp = r->pct_bp;
}

static void
set_vehicle(struct trip *s, const struct trips_what_if *r)
{
    if (r->has_norm_ml_100km)
        s->norm_ml_100km = r->norm_ml_100km;
    if (r->has_wear_kop_km)
        s->wear_kop_km = r->wear_kop_km;
    if (r->has_fuel_litre_kop && s->has_fuel)
        s->fuel_kop = trip_mul_div(s->fuel_ml, r->fuel_litre_kop, 1000);
}

static int64_t
day_share(const struct trip *s, int64_t share_kop, const struct trips_what_if *r)
{
    if (!r->has_fixed_kop_day || s->fixed_kop_day == 0)
        return share_kop;
    return trip_mul_div(share_kop, r->fixed_kop_day, s->fixed_kop_day);
}

static void
settle_again(const void *rules, const void *state, const bus_event *event, bus_decision *out)
{
    const struct trips_what_if      *r = rules;
    const struct trips_trip_settled *was = event->data;
    const struct trips_settings      settings = {
             .fuel_litre_kop = r->has_fuel_litre_kop ? r->fuel_litre_kop : was->fuel_litre_kop,
             .work_day_s = 1}; /* the share in the day is known */
    struct trip         s = *(const struct trip *)state;
    struct trip_measure m;

    set_pay(&s.pay, r);
    set_pay(&s.co_pay, r);
    set_vehicle(&s, r);
    trip_measure(&s, TRIPS_STAGE_FINAL, &settings, &m);
    set_prices(&s, &m, r);
    m.day_share_kop = day_share(&s, was->profit.cost_day_share_kop, r);
    (void)trip_emit_settled(&s, &m, out);
}

const bus_what_if trip_what_ifs[TRIP_WHAT_IFS] = {
    {.on = &trips_trip_settled_event, .compute = settle_again}};
