/* pay.c - terms of pay: each holds from a time on until the next. What is settled stays.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/driver.h"

const struct drivers_pay *
driver_pay_at(const struct driver *s, int64_t at_ms)
{
    const struct drivers_pay *pay = &s->pays[0].pay;

    for (int32_t i = 0; i < s->pays_count; i++)
        if (s->pays[i].from_at <= at_ms)
            pay = &s->pays[i].pay;
    return pay;
}

static bool
begins(const struct driver *s, int64_t from_at)
{
    for (int32_t i = 0; i < s->pays_count; i++)
        if (s->pays[i].from_at == from_at)
            return true;
    return false;
}

bus_verdict
driver_decide_change_pay(const struct driver *s, const struct drivers_change_pay *cmd,
                         const bus_meta *meta, bus_decision *out)
{
    char text[BUS_MINUTE_TEXT_BYTES];

    if (s->status == DRIVERS_STATUS_DISMISSED)
        return driver_wrong_state(s, out);
    if (cmd->from_at < s->settled_until_at)
        return driver_pay_settled_refuse(
            out, &(struct driver_pay_settled_params){
                     .settled_until_at = s->settled_until_at,
                     .until = bus_minute_text(s->settled_until_at, driver_zone(meta), text)});
    if (s->pays_count == DRIVER_PAYS_MAX && !begins(s, cmd->from_at) &&
        s->pays[1].from_at > s->settled_until_at)
        return driver_pay_changes_full_refuse(
            out, &(struct driver_pay_changes_full_params){.max = DRIVER_PAYS_MAX - 1});
    return drivers_emit_pay_changed(
        out, &(struct drivers_pay_changed){.from_at = cmd->from_at, .pay = cmd->pay});
}

/* Settled is the whole local day of the trip, and all before it. */
bus_verdict
driver_decide_note_settled(const struct driver *s, const struct drivers_note_settled *cmd,
                           const bus_meta *meta, bus_decision *out)
{
    int64_t until_at =
        ((int64_t)cmd->settled_on + 1) * BUS_DAY_MS - (int64_t)driver_zone(meta) * 60000;

    if (until_at <= s->settled_until_at)
        return bus_accept(out);
    return drivers_emit_pay_settled(out,
                                    &(struct drivers_pay_settled){.settled_until_at = until_at});
}

/* Terms stay sorted by when they begin; the same beginning replaces. */
void
driver_apply_pay_changed(struct driver *s, const struct drivers_pay_changed *e)
{
    int32_t at;

    for (int32_t i = 0; i < s->pays_count; i++)
        if (s->pays[i].from_at == e->from_at) {
            s->pays[i].pay = e->pay;
            return;
        }
    if (s->pays_count == DRIVER_PAYS_MAX) { /* the first is settled: decide saw to it */
        for (int32_t i = 1; i < DRIVER_PAYS_MAX; i++)
            s->pays[i - 1] = s->pays[i];
        s->pays_count--;
    }
    for (at = s->pays_count++; at > 0 && s->pays[at - 1].from_at > e->from_at; at--)
        s->pays[at] = s->pays[at - 1];
    s->pays[at].from_at = e->from_at;
    s->pays[at].pay = e->pay;
}
