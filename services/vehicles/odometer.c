/* odometer.c - readings only grow; what cannot be is kept as suspect and not applied.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/vehicle.h"

/* A day's most is allowed for each day begun since the last reading. */
bool
vehicle_is_too_fast(const struct vehicle *s, const struct vehicles_odometer_recorded *r,
                    const bus_meta *meta)
{
    const struct vehicles_settings *rules = meta->settings;
    int64_t                         days =
        r->read_at <= s->odometer_at ? 1 : (r->read_at - s->odometer_at) / BUS_DAY_MS + 1;

    return r->odometer_m - s->odometer_m > days * rules->odometer_day_max_m;
}

static bus_verdict
suspect(const struct vehicle *s, const struct vehicles_odometer_recorded *r,
        enum vehicles_odometer_suspected_why why, bus_decision *out)
{
    return vehicles_emit_odometer_suspected(
        out, &(struct vehicles_odometer_suspected){.odometer_m = r->odometer_m,
                                                   .last_m = s->odometer_m,
                                                   .has_driver_id = r->has_driver_id,
                                                   .driver_id = r->driver_id,
                                                   .source = r->source,
                                                   .read_at = r->read_at,
                                                   .why = why});
}

/* A clock that runs ahead of ours counts as now, else it would make all later readings stale. */
static struct vehicles_odometer_recorded
not_ahead(const struct vehicles_odometer_recorded *r, const bus_meta *meta)
{
    struct vehicles_odometer_recorded reading = *r;

    if (reading.read_at > meta->at_ms)
        reading.read_at = meta->at_ms;
    return reading;
}

bus_verdict
vehicle_take_reading(const struct vehicle *s, const struct vehicles_odometer_recorded *r,
                     const bus_meta *meta, bus_decision *out)
{
    struct vehicles_odometer_recorded reading = not_ahead(r, meta);

    if (reading.read_at < s->odometer_at && reading.odometer_m <= s->odometer_m)
        return BUS_ACCEPTED; /* older news, which agree */
    if (reading.read_at < s->odometer_at || reading.odometer_m < s->odometer_m)
        return suspect(s, &reading, VEHICLES_ODOMETER_SUSPECTED_WHY_BACK, out);
    if (vehicle_is_too_fast(s, &reading, meta))
        return suspect(s, &reading, VEHICLES_ODOMETER_SUSPECTED_WHY_TOO_FAST, out);
    return vehicles_emit_odometer_recorded(out, &reading);
}

static bus_verdict
stale(const struct vehicle *s, const struct vehicles_settings *rules, bus_decision *out)
{
    return bus_refuse_stale(out, s->odometer_at, (int32_t)rules->utc_offset_min);
}

static enum vehicles_source
source_of(enum vehicles_record_odometer_source source)
{
    switch (source) {
    case VEHICLES_RECORD_ODOMETER_SOURCE_DRIVER: return VEHICLES_SOURCE_DRIVER;
    case VEHICLES_RECORD_ODOMETER_SOURCE_GPS: return VEHICLES_SOURCE_GPS;
    case VEHICLES_RECORD_ODOMETER_SOURCE_FUEL: return VEHICLES_SOURCE_FUEL;
    case VEHICLES_RECORD_ODOMETER_SOURCE_SERVICE: return VEHICLES_SOURCE_SERVICE;
    }
    BUS_UNREACHABLE();
}

/* Whose reading it is: the calling driver's, else the one named, else who drives now. */
static bus_id
reader_of(const struct vehicle *s, const struct vehicles_record_odometer *cmd, const bus_meta *meta)
{
    if (!bus_id_is_nil(meta->driver_id))
        return meta->driver_id;
    return cmd->has_driver_id ? cmd->driver_id : s->driver_id;
}

bus_verdict
vehicle_decide_record_odometer(const struct vehicle *s, const struct vehicles_record_odometer *cmd,
                               const bus_meta *meta, bus_decision *out)
{
    bool by_person = cmd->source == VEHICLES_RECORD_ODOMETER_SOURCE_DRIVER ||
                     cmd->source == VEHICLES_RECORD_ODOMETER_SOURCE_SERVICE;
    bus_id                            reader = reader_of(s, cmd, meta);
    struct vehicles_odometer_recorded reading = {
        .odometer_m = cmd->odometer_m,
        .has_driver_id = !bus_id_is_nil(reader),
        .driver_id = reader,
        .source = source_of(cmd->source),
        .read_at = cmd->has_read_at ? cmd->read_at : bus_meta_business_ms(meta),
    };

    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    if (by_person && reading.read_at < s->odometer_at)
        return stale(s, meta->settings, out);
    if (by_person && reading.odometer_m < s->odometer_m)
        return vehicle_odometer_back_refuse(
            out, &(struct vehicle_odometer_back_params){.last_m = s->odometer_m});
    return vehicle_take_reading(s, &reading, meta, out);
}

bus_verdict
vehicle_decide_correct_odometer(const struct vehicle                   *s,
                                const struct vehicles_correct_odometer *cmd, const bus_meta *meta,
                                bus_decision *out)
{
    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    if (cmd->odometer_m == s->odometer_m)
        return vehicle_odometer_unchanged_refuse(
            out, &(struct vehicle_odometer_unchanged_params){.last_m = s->odometer_m});
    return vehicles_emit_odometer_corrected(
        out, &(struct vehicles_odometer_corrected){.odometer_m = cmd->odometer_m,
                                                   .from_m = s->odometer_m,
                                                   .reason = cmd->reason,
                                                   .corrected_at = meta->at_ms});
}
