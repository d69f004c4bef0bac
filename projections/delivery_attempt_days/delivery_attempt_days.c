/* delivery_attempt_days.c - what became of attempts, by local day: of all, by customer, and of
 * those that failed by reason. The rows of customers sum to the row of all, the rows of reasons to
 * its failures. SPDX-License-Identifier: Apache-2.0 */
#include "contracts/deliveries.h"
#include "projections/day_window.h"
#include "projections/stream/analytic.h"

typedef struct delivery_attempt_days_row row_t;

static void
put(const row_t *one, bus_stream_out *out)
{
    bus_stream_put(out, one, day_window_ms(one->day), DAY_WINDOW_ZONE_MIN);
}

/* An attempt that counts for all, for its customer, and for its reason if it failed. */
static void
put_attempt(const row_t *attempt, bus_id customer_id, const enum deliveries_failure *reason,
            bus_stream_out *out)
{
    row_t one = *attempt;

    one.by = DELIVERY_ATTEMPT_DAYS_ROW_BY_ALL;
    put(&one, out);
    one.by = DELIVERY_ATTEMPT_DAYS_ROW_BY_CUSTOMER;
    one.has_customer_id = true;
    one.customer_id = customer_id;
    put(&one, out);
    if (reason == NULL)
        return;
    one = *attempt;
    one.by = DELIVERY_ATTEMPT_DAYS_ROW_BY_REASON;
    one.has_reason = true;
    one.reason = *reason;
    put(&one, out);
}

static row_t
attempt_of(int64_t attempt, int32_t day, bool delivered)
{
    return (row_t){.day = day,
                   .attempts = 1,
                   .delivered = delivered,
                   .failed = !delivered,
                   .first_attempts = attempt == 1,
                   .first_delivered = attempt == 1 && delivered};
}

static void
map(void *memory, const bus_event *event, bus_stream_out *out)
{
    const struct deliveries_delivery_event *e = event->tagged;
    row_t                                   one;

    (void)memory;
    if (event->type == &deliveries_completed_event) {
        one = attempt_of(e->completed.attempt, e->completed.day, true);
        put_attempt(&one, e->completed.customer_id, NULL, out);
    } else if (event->type == &deliveries_completed_partly_event) {
        one = attempt_of(e->completed_partly.attempt, e->completed_partly.day, true);
        one.partly = 1;
        put_attempt(&one, e->completed_partly.customer_id, NULL, out);
    } else {
        one = attempt_of(e->failed.attempt, e->failed.day, false);
        put_attempt(&one, e->failed.customer_id, &e->failed.reason, out);
    }
}

static void
step(void *window, const void *contribution, int sign)
{
    row_t       *row = window;
    const row_t *one = contribution;

    row->day = one->day; /* of the window */
    row->attempts += sign * one->attempts;
    row->delivered += sign * one->delivered;
    row->partly += sign * one->partly;
    row->failed += sign * one->failed;
    row->first_attempts += sign * one->first_attempts;
    row->first_delivered += sign * one->first_delivered;
}

static void
finish(void *window)
{
    row_t *row = window;

    row->has_first_attempt_bp = row->first_attempts > 0;
    row->first_attempt_bp =
        row->has_first_attempt_bp ? row->first_delivered * 10000 / row->first_attempts : 0;
}

static const bus_analytic analytic = {.map = map, .step = step, .finish = finish};

BUS_ANALYTIC(delivery_attempt_days, 1, analytic);
