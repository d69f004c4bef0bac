/* profit_figures.h - what the profit reports have in common: a row per month and dimension,
 * filled by settled trips and by their adjustments, so that the rows of a report sum to the
 * profits of the trips, to the kopeck.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_PROFIT_FIGURES_H
#define PROJECTIONS_PROFIT_FIGURES_H

#include "bus/module/module.h"
#include "contracts/trips.h"

/* "2026-11" and a NUL. */
static inline const char *
profit_month(int32_t day, char text[8])
{
    int32_t year, month, date;

    bus_civil_from_days(day, &year, &month, &date);
    BUS_INVARIANT(year >= 0 && year <= 9999);
    for (int i = 3; i >= 0; i--, year /= 10)
        text[i] = (char)('0' + year % 10);
    text[4] = '-';
    text[5] = (char)('0' + month / 10);
    text[6] = (char)('0' + month % 10);
    text[7] = '\0';
    return text;
}

/* The row of a dimension and month: UUIDv5 of the dimension's id and "2026-11". Of none it is the
 * tenant's own, so that no two tenants have a row of one id. */
static inline bus_id
profit_row_id(bus_id tenant, bool has_id, bus_id id, int32_t day)
{
    char month[8];

    return bus_id_v5_text(has_id ? id : tenant, profit_month(day, month));
}

/* profit x 10000 / revenue, null unless revenue is positive; saturates. */
static inline bool
profit_margin_bp(int64_t profit_kop, int64_t revenue_kop, int64_t *margin_bp)
{
    const __int128 limit = 1000000000000;
    __int128       margin;

    *margin_bp = 0;
    if (revenue_kop <= 0)
        return false;
    margin = (__int128)profit_kop * 10000 / revenue_kop;
    *margin_bp = (int64_t)(margin > limit ? limit : margin < -limit ? -limit : margin);
    return true;
}

/* Adds a change, part by part. */
static inline void
profit_add_parts(struct trips_profit *to, const struct trips_profit *part)
{
    to->revenue_fixed_kop += part->revenue_fixed_kop;
    to->revenue_per_box_kop += part->revenue_per_box_kop;
    to->revenue_per_km_kop += part->revenue_per_km_kop;
    to->revenue_per_point_kop += part->revenue_per_point_kop;
    to->revenue_waiting_kop += part->revenue_waiting_kop;
    to->revenue_penalty_kop += part->revenue_penalty_kop;
    to->cost_fuel_kop += part->cost_fuel_kop;
    to->cost_driver_pay_kop += part->cost_driver_pay_kop;
    to->cost_expenses_kop += part->cost_expenses_kop;
    to->cost_wear_kop += part->cost_wear_kop;
    to->cost_day_share_kop += part->cost_day_share_kop;
    to->cost_incidents_kop += part->cost_incidents_kop;
    to->revenue_kop += part->revenue_kop;
    to->cost_kop += part->cost_kop;
    to->profit_kop += part->profit_kop;
    to->has_margin_bp = profit_margin_bp(to->profit_kop, to->revenue_kop, &to->margin_bp);
}

/* For any row with these members. */
#define PROFIT_ADD(row, revenue, cost)                                                  \
    do {                                                                                \
        (row)->revenue_kop += (revenue);                                                \
        (row)->cost_kop += (cost);                                                      \
        (row)->profit_kop = (row)->revenue_kop - (row)->cost_kop;                       \
        (row)->has_margin_bp =                                                          \
            profit_margin_bp((row)->profit_kop, (row)->revenue_kop, &(row)->margin_bp); \
    } while (0)
#define PROFIT_ADD_SETTLED(row, revenue, cost) \
    do {                                       \
        PROFIT_ADD(row, revenue, cost);        \
        (row)->trips += 1;                     \
    } while (0)
#define PROFIT_ADD_ADJUSTED(row, revenue, cost)    \
    do {                                           \
        PROFIT_ADD(row, revenue, cost);            \
        (row)->adjustments += 1;                   \
        (row)->adjusted_kop += (revenue) - (cost); \
    } while (0)
#define PROFIT_MONTH(row, of_day, out)                                                  \
    do {                                                                                \
        char month_text[8];                                                             \
        (row)->month = bus_row_printf((out), "%s", profit_month((of_day), month_text)); \
    } while (0)

#endif
