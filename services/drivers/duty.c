/* duty.c - the working day: it begins, stretches of it are recorded, it ends.
 *
 * Stretches come in any order, as devices send what they gathered without a network; no two
 * overlap. Only the last ones are kept: what lies before them can no longer be checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/driver.h"

/* A device's clock that runs ahead of ours counts as now. */
static int64_t
when(const bus_meta *meta)
{
    int64_t business = bus_meta_business_ms(meta);

    return business > meta->at_ms ? meta->at_ms : business;
}

bus_verdict
driver_decide_start_duty(const struct driver *s, const bus_meta *meta, bus_decision *out)
{
    if (s->status != DRIVERS_STATUS_ACTIVE)
        return driver_wrong_state(s, out);
    if (s->on_duty)
        return bus_refuse(out, DRIVER_ALREADY_ON_DUTY);
    return drivers_emit_duty_started(out, &(struct drivers_duty_started){.started_at = when(meta)});
}

bus_verdict
driver_decide_end_duty(const struct driver *s, const bus_meta *meta, bus_decision *out)
{
    if (!s->on_duty)
        return bus_refuse(out, DRIVER_NOT_ON_DUTY);
    return drivers_emit_duty_ended(out, &(struct drivers_duty_ended){.ended_at = when(meta)});
}

static bus_verdict
check_stretches(const struct driver *s, const struct drivers_record_duty *cmd, const bus_meta *meta,
                bus_decision *out)
{
    int32_t zone = driver_zone(meta);
    char    from[BUS_MINUTE_TEXT_BYTES], to[BUS_MINUTE_TEXT_BYTES];

    if (cmd->from_at < s->stretches_from_at)
        return bus_refuse_stale(out, s->stretches_from_at, zone);
    for (int32_t i = 0; i < s->stretches_count; i++) {
        int64_t from_at = s->stretches[i].from_at, to_at = s->stretches[i].to_at;

        if (cmd->from_at < to_at && from_at < cmd->to_at)
            return driver_duty_overlaps_refuse(
                out,
                &(struct driver_duty_overlaps_params){.from_at = from_at,
                                                      .to_at = to_at,
                                                      .from = bus_minute_text(from_at, zone, from),
                                                      .to = bus_minute_text(to_at, zone, to)});
    }
    return BUS_ACCEPTED;
}

bus_verdict
driver_decide_record_duty(const struct driver *s, const struct drivers_record_duty *cmd,
                          const bus_meta *meta, bus_decision *out)
{
    const struct drivers_settings *rules = meta->settings;

    if (s->status == DRIVERS_STATUS_DISMISSED || s->status == DRIVERS_STATUS_ONBOARDING)
        return driver_wrong_state(s, out);
    if (driver_check_interval(cmd->from_at, cmd->to_at, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if (cmd->to_at > meta->at_ms)
        return bus_refuse(out, DRIVER_DUTY_IN_FUTURE);
    if (check_stretches(s, cmd, meta, out) == BUS_REFUSED)
        return BUS_REFUSED;
    return drivers_emit_duty_recorded(
        out, &(struct drivers_duty_recorded){.kind = cmd->kind,
                                             .from_at = cmd->from_at,
                                             .to_at = cmd->to_at,
                                             .utc_offset_min = rules->utc_offset_min,
                                             .drive_day_max_s = rules->drive_day_max_s,
                                             .drive_week_max_s = rules->drive_week_max_s});
}

void
driver_apply_duty(struct driver *s, const struct drivers_duty_recorded *e)
{
    int32_t at = s->stretches_count, first = 0;

    for (int32_t i = 1; i < s->stretches_count; i++)
        if (s->stretches[i].to_at < s->stretches[first].to_at)
            first = i;
    if (at == DRIVER_STRETCHES_MAX) {
        at = first;
        s->stretches_from_at = s->stretches[first].to_at;
    } else {
        s->stretches_count++;
    }
    s->stretches[at].from_at = e->from_at;
    s->stretches[at].to_at = e->to_at;
}
