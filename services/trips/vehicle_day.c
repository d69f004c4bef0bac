/* vehicle_day.c - one vehicle's day: its fixed cost, divided over that day's trips by seconds.
 * The one rule: the shares of a day sum to its cost, to the kopeck, whatever is settled when.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/trip.h"

bus_id
vehicle_day_stream(bus_id vehicle_id, int32_t day)
{
    char    name[] = "day:0000-00-00";
    int32_t year, month, date;

    bus_civil_from_days(day, &year, &month, &date);
    BUS_INVARIANT(year >= 0 && year <= 9999);
    for (int i = 7; i >= 4; i--, year /= 10)
        name[i] = (char)('0' + year % 10);
    name[9] = (char)('0' + month / 10);
    name[10] = (char)('0' + month % 10);
    name[12] = (char)('0' + date / 10);
    name[13] = (char)('0' + date % 10);
    return bus_id_v5_text(vehicle_id, name);
}

static int
find_trip(const struct vehicle_day *s, bus_id trip_id)
{
    for (int32_t i = 0; i < s->count; i++)
        if (bus_id_equal(s->trips[i].trip_id, trip_id))
            return i;
    return -1;
}

/* What is not frozen, divided over the trips that are not frozen. A trip of no length still
 * weighs a second, so that somebody bears the cost. */
static void
divide(struct vehicle_day *s)
{
    int64_t weights[VEHICLE_DAY_TRIPS_MAX], shares[VEHICLE_DAY_TRIPS_MAX];
    int32_t open[VEHICLE_DAY_TRIPS_MAX], open_count = 0;
    int64_t rest_kop = s->fixed_kop_day;

    for (int32_t i = 0; i < s->count; i++) {
        if (s->trips[i].frozen) {
            rest_kop -= s->trips[i].share_kop;
            continue;
        }
        open[open_count] = i;
        weights[open_count++] = s->trips[i].duration_s > 0 ? s->trips[i].duration_s : 1;
    }
    if (open_count == 0)
        return;
    trip_split(rest_kop, weights, open_count, shares);
    for (int32_t i = 0; i < open_count; i++)
        s->trips[open[i]].share_kop = shares[i];
}

static void
join(struct vehicle_day *s, const struct trips_day_trip_counted *e)
{
    BUS_INVARIANT(s->count < VEHICLE_DAY_TRIPS_MAX);
    if (s->count == 0)
        s->fixed_kop_day = e->fixed_kop_day;
    s->trips[s->count].trip_id = e->trip_id;
    s->trips[s->count].duration_s = e->duration_s;
    s->trips[s->count].share_kop = 0;
    s->trips[s->count++].frozen = false;
}

/* The cost of the day is that of its first trip; each trip whose share changed hears of it. */
static bus_verdict
decide_count(const struct vehicle_day *s, const struct trips_count_day_seconds *cmd,
             bus_decision *out)
{
    struct trips_day_trip_counted counted = {
        .trip_id = cmd->trip_id,
        .vehicle_id = cmd->vehicle_id,
        .day = cmd->day,
        .fixed_kop_day = s->count > 0 ? s->fixed_kop_day : cmd->fixed_kop_day,
        .duration_s = cmd->duration_s,
    };
    struct trips_day_share changed[VEHICLE_DAY_TRIPS_MAX];
    struct vehicle_day     after = *s;
    uint32_t               count = 0;

    if (find_trip(s, cmd->trip_id) >= 0)
        return bus_accept(out);
    if (s->count == VEHICLE_DAY_TRIPS_MAX)
        return trip_day_full_refuse(out,
                                    &(struct trip_day_full_params){.max = VEHICLE_DAY_TRIPS_MAX});
    (void)trips_emit_day_trip_counted(out, &counted);
    join(&after, &counted);
    divide(&after);
    for (int32_t i = 0; i < after.count; i++)
        if (i == s->count || after.trips[i].share_kop != s->trips[i].share_kop)
            changed[count++] = (struct trips_day_share){.trip_id = after.trips[i].trip_id,
                                                        .share_kop = after.trips[i].share_kop};
    (void)trips_emit_day_shares_changed(
        out, &(struct trips_day_shares_changed){.shares = {changed, count, VEHICLE_DAY_TRIPS_MAX}});
    for (uint32_t i = 0; i < count; i++)
        trips_send_take_day_share(out, changed[i].trip_id,
                                  &(struct trips_take_day_share){.share_kop = changed[i].share_kop},
                                  NULL);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_freeze(const struct vehicle_day *s, const struct trips_freeze_day_share *cmd,
              bus_decision *out)
{
    int found = find_trip(s, cmd->trip_id);

    if (found < 0)
        return bus_refuse(out, TRIP_DAY_UNKNOWN);
    return trips_emit_day_share_frozen(
        out, &(struct trips_day_share_frozen){.trip_id = cmd->trip_id,
                                              .share_kop = s->trips[found].share_kop});
}

bus_verdict
vehicle_day_decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct vehicle_day               *s = state;
    const struct trips_vehicle_day_command *c = command;
    (void)meta;

    switch (c->kind) {
    case TRIPS_COUNT_DAY_SECONDS: return decide_count(s, &c->count_day_seconds, out);
    case TRIPS_FREEZE_DAY_SHARE: return decide_freeze(s, &c->freeze_day_share, out);
    }
    BUS_UNREACHABLE();
}

void
vehicle_day_apply(void *state, const void *event)
{
    struct vehicle_day                   *s = state;
    const struct trips_vehicle_day_event *e = event;
    int                                   found;

    switch (e->kind) {
    case TRIPS_DAY_TRIP_COUNTED: join(s, &e->day_trip_counted); break;
    case TRIPS_DAY_SHARES_CHANGED:
        for (uint32_t i = 0; i < e->day_shares_changed.shares.count; i++) {
            found = find_trip(s, e->day_shares_changed.shares.items[i].trip_id);
            BUS_INVARIANT(found >= 0);
            s->trips[found].share_kop = e->day_shares_changed.shares.items[i].share_kop;
        }
        break;
    case TRIPS_DAY_SHARE_FROZEN:
        found = find_trip(s, e->day_share_frozen.trip_id);
        BUS_INVARIANT(found >= 0);
        s->trips[found].frozen = true;
        break;
    }
}
