/* limits.c - how much a driver may drive: by day, by week from Monday, by two weeks in a row.
 *
 * What counts is the planned driving of open reservations and of ended ones. A reservation is cut
 * into stretches of 24 hours from its beginning, each with its share of the driving by time; a
 * stretch counts towards the local day on which it begins. So a night trip is one day's driving,
 * and a trip of three days is spread over three.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/driver.h"

struct plan {
    const struct driver           *s;
    struct driver_reservation      more; /* what is asked for */
    const struct drivers_settings *rules;
    int32_t                        zone;
};

/* Driving of the first so many stretches. */
static int64_t
driving_of_first(const struct driver_reservation *r, int64_t stretches)
{
    int64_t whole_s = (r->to_at - r->from_at) / 1000;
    int64_t part_s = stretches * (BUS_DAY_MS / 1000);

    if (stretches <= 0 || whole_s <= 0)
        return 0;
    if (part_s >= whole_s)
        return r->driving_s;
    return r->driving_s * part_s / whole_s; /* 14 days of driving x 31 days: fits */
}

/* Driving of one reservation on the days from..to, both inclusive. */
static int64_t
driving_on(const struct driver_reservation *r, int32_t from, int32_t to, int32_t zone)
{
    int32_t first = bus_day_of(r->from_at, zone);

    return driving_of_first(r, (int64_t)to - first + 1) -
           driving_of_first(r, (int64_t)from - first);
}

static int64_t
planned(const struct plan *p, int32_t from, int32_t to)
{
    int64_t sum = driving_on(&p->more, from, to, p->zone);

    for (int32_t i = 0; i < p->s->open_count; i++)
        sum += driving_on(&p->s->open[i], from, to, p->zone);
    for (int32_t i = 0; i < p->s->past_count; i++)
        sum += driving_on(&p->s->past[i], from, to, p->zone);
    return sum;
}

/* 1970-01-01 was a Thursday. */
static int32_t
monday_of(int32_t day)
{
    int32_t weekday = (day + 3) % 7;

    return day - (weekday < 0 ? weekday + 7 : weekday);
}

/* What is allowed on a day: long days of the week that are not taken by others allow more. */
static int64_t
day_max_s(const struct plan *p, int32_t day)
{
    int32_t monday = monday_of(day);
    int64_t taken = 0;

    for (int32_t other = monday; other < monday + 7; other++)
        if (other != day && planned(p, other, other) > p->rules->drive_day_max_s)
            taken++;
    return taken < p->rules->drive_day_long_per_week ? p->rules->drive_day_long_s
                                                     : p->rules->drive_day_max_s;
}

static bus_verdict
check_day(const struct plan *p, int32_t day, bus_decision *out)
{
    int64_t driving_s = planned(p, day, day), max_s = day_max_s(p, day);
    char    text[BUS_DAY_TEXT_BYTES];

    if (driving_s <= max_s)
        return BUS_ACCEPTED;
    return driver_day_limit_refuse(
        out, &(struct driver_day_limit_params){
                 .day = bus_day_text(day, text), .driving_s = driving_s, .max_s = max_s});
}

static bus_verdict
check_week(const struct plan *p, int32_t monday, bus_decision *out)
{
    int64_t driving_s = planned(p, monday, monday + 6);
    char    text[BUS_DAY_TEXT_BYTES];

    if (driving_s <= p->rules->drive_week_max_s)
        return BUS_ACCEPTED;
    return driver_week_limit_refuse(
        out, &(struct driver_week_limit_params){.day = bus_day_text(monday, text),
                                                .driving_s = driving_s,
                                                .max_s = p->rules->drive_week_max_s});
}

static bus_verdict
check_fortnight(const struct plan *p, int32_t monday, bus_decision *out)
{
    int64_t driving_s = planned(p, monday, monday + 13);
    char    text[BUS_DAY_TEXT_BYTES];

    if (driving_s <= p->rules->drive_fortnight_max_s)
        return BUS_ACCEPTED;
    return driver_fortnight_limit_refuse(
        out, &(struct driver_fortnight_limit_params){.day = bus_day_text(monday, text),
                                                     .driving_s = driving_s,
                                                     .max_s = p->rules->drive_fortnight_max_s});
}

/* After so much driving a break is due, so the trip has to be long enough for both. */
static bus_verdict
check_breaks(const struct plan *p, bus_decision *out)
{
    int64_t driving_s = p->more.driving_s;
    int64_t breaks = (driving_s - 1) / p->rules->drive_before_break_s;
    int64_t needed_s = driving_s + breaks * p->rules->break_s;

    if ((p->more.to_at - p->more.from_at) / 1000 >= needed_s)
        return BUS_ACCEPTED;
    return driver_breaks_missing_refuse(
        out, &(struct driver_breaks_missing_params){.needed_s = needed_s});
}

bus_verdict
driver_check_limits(const struct driver *s, const struct drivers_reserve *cmd,
                    const struct drivers_settings *rules, bus_decision *out)
{
    const struct plan p = {.s = s,
                           .more = {.from_at = cmd->from_at,
                                    .to_at = cmd->to_at,
                                    .driving_s = cmd->has_driving_s ? cmd->driving_s : 0},
                           .rules = rules,
                           .zone = (int32_t)rules->utc_offset_min};
    int32_t           first = bus_day_of(cmd->from_at, p.zone);
    int32_t           last = first + (int32_t)((cmd->to_at - cmd->from_at - 1) / BUS_DAY_MS);

    if (p.more.driving_s == 0)
        return BUS_ACCEPTED;
    if (check_breaks(&p, out) == BUS_REFUSED)
        return BUS_REFUSED;
    for (int32_t day = first; day <= last; day++)
        if (check_day(&p, day, out) == BUS_REFUSED)
            return BUS_REFUSED;
    for (int32_t monday = monday_of(first); monday <= last; monday += 7)
        if (check_week(&p, monday, out) == BUS_REFUSED)
            return BUS_REFUSED;
    for (int32_t monday = monday_of(first) - 7; monday <= last; monday += 7)
        if (check_fortnight(&p, monday, out) == BUS_REFUSED)
            return BUS_REFUSED;
    return BUS_ACCEPTED;
}
