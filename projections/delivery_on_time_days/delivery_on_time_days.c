/* delivery_on_time_days.c - on-time share by local day of arrival: of all, by customer and by
 * driver; the rows of customers sum to the row of all.
 *
 * An arrival does not name its driver. The start of the attempt did, in the same stream and so
 * before it: that is remembered until the attempt is over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/on_time.h"

/* The arrival counts three times, each time for another group. */
static void
put_arrival(const struct delivery_on_time_days_memory_row *memory,
            const struct deliveries_arrived *e, bus_stream_out *out)
{
    const struct delivery_on_time_days_row all = {.by = DELIVERY_ON_TIME_DAYS_ROW_BY_ALL,
                                                  ON_TIME_ONE(e)};
    const struct delivery_on_time_days_row customer = {.by = DELIVERY_ON_TIME_DAYS_ROW_BY_CUSTOMER,
                                                       .has_customer_id = true,
                                                       .customer_id = e->customer_id,
                                                       ON_TIME_ONE(e)};
    const struct delivery_on_time_days_row driver = {.by = DELIVERY_ON_TIME_DAYS_ROW_BY_DRIVER,
                                                     .has_driver_id = true,
                                                     .driver_id = memory->driver_id,
                                                     ON_TIME_ONE(e)};

    bus_stream_put(out, &all, e->arrived_at, on_time_zone_min(e));
    bus_stream_put(out, &customer, e->arrived_at, on_time_zone_min(e));
    if (memory->has_driver_id)
        bus_stream_put(out, &driver, e->arrived_at, on_time_zone_min(e));
}

static void
map(void *state, const bus_event *event, bus_stream_out *out)
{
    struct delivery_on_time_days_memory_row *memory = state;
    const struct deliveries_delivery_event  *e = event->tagged;

    if (event->type == &deliveries_started_event) {
        memory->has_driver_id = e->started.has_driver_id;
        memory->driver_id = e->started.driver_id;
    } else if (event->type == &deliveries_arrived_event) {
        put_arrival(memory, &e->arrived, out);
    } else {
        bus_stream_forget(out); /* the attempt is over */
    }
}

static void
step(void *window, const void *one, int sign)
{
    ON_TIME_STEP((struct delivery_on_time_days_row *)window,
                 (const struct delivery_on_time_days_row *)one, sign);
}

static void
finish(void *window)
{
    ON_TIME_FINISH((struct delivery_on_time_days_row *)window);
}

static const bus_analytic analytic = {.map = map, .step = step, .finish = finish};

BUS_ANALYTIC(delivery_on_time_days, 1, analytic);
