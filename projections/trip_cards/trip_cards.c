/* trip_cards.c - a trip's card: the profit waterfall with its three values and the sum after
 * adjustments, and the lines that it is made of.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "projections/profit_figures.h"

/* The latest value that there is (FINAL with adjustments): what lists sort by. */
static void
show_latest(struct trip_cards_row *row, enum trips_stage stage, const struct trips_profit *p)
{
    row->has_stage = true;
    row->stage = stage;
    row->revenue_kop = p->revenue_kop;
    row->cost_kop = p->cost_kop;
    row->profit_kop = p->profit_kop;
    row->has_margin_bp = p->has_margin_bp;
    row->margin_bp = p->margin_bp;
}

static void
compute(struct trip_cards_row *row, const struct trips_profit_computed *e)
{
    switch (e->stage) {
    case TRIPS_STAGE_ESTIMATED:
        row->has_estimated = true;
        row->estimated = e->profit;
        break;
    case TRIPS_STAGE_PROVISIONAL:
        row->has_provisional = true;
        row->provisional = e->profit;
        break;
    case TRIPS_STAGE_FINAL: BUS_UNREACHABLE(); /* that is trip_settled */
    }
    show_latest(row, e->stage, &e->profit);
}

static void
settle(struct trip_cards_row *row, const struct trips_trip_settled *e, bus_projection *out)
{
    row->status = TRIPS_STATUS_SETTLED;
    row->has_final = row->has_adjusted = row->has_day = true;
    row->final = e->profit;
    row->adjusted = e->profit;
    row->day = e->day;
    row->customers.count = 0;
    for (uint32_t i = 0; i < e->customers.count; i++)
        *BUS_ROW_PUSH(out, &row->customers) = e->customers.items[i];
    show_latest(row, TRIPS_STAGE_FINAL, &e->profit);
}

static void
add_share(struct trip_cards_row *row, const struct trips_customer_share *share, bus_projection *out)
{
    for (uint32_t i = 0; i < row->customers.count; i++) {
        struct trips_customer_share *item = &row->customers.items[i];

        if (item->has_customer_id != share->has_customer_id ||
            (share->has_customer_id && !bus_id_equal(item->customer_id, share->customer_id)))
            continue;
        item->revenue_kop += share->revenue_kop;
        item->cost_kop += share->cost_kop;
        return;
    }
    *BUS_ROW_PUSH(out, &row->customers) = *share;
}

static void
adjust(struct trip_cards_row *row, const struct trips_trip_adjusted *e, int64_t at_ms,
       bus_projection *out)
{
    struct trip_cards_row_adjustments_item *item = BUS_ROW_PUSH(out, &row->adjustments);

    item->adjustment_no = e->adjustment_no;
    item->line = e->line;
    item->amount_kop = e->amount_kop;
    item->reason = e->reason;
    item->reference = e->reference;
    item->at = at_ms;
    profit_add_parts(&row->adjusted, &e->delta);
    for (uint32_t i = 0; i < e->customers.count; i++)
        add_share(row, &e->customers.items[i], out);
    show_latest(row, TRIPS_STAGE_FINAL, &row->adjusted);
}

static void
add_delivery(struct trip_cards_row *row, const struct trips_delivery_added *e, bus_projection *out)
{
    struct trip_cards_row_deliveries_item *item = BUS_ROW_PUSH(out, &row->deliveries);

    item->delivery_id = e->delivery_id;
    item->customer_id = e->customer_id;
    item->price_kop = e->price_kop;
}

static void
remove_delivery(struct trip_cards_row *row, bus_id id)
{
    uint32_t i = 0;

    while (i < row->deliveries.count && !bus_id_equal(row->deliveries.items[i].delivery_id, id))
        i++;
    BUS_INVARIANT(i < row->deliveries.count);
    for (; i + 1 < row->deliveries.count; i++)
        row->deliveries.items[i] = row->deliveries.items[i + 1];
    row->deliveries.count--;
}

static void
add_revenue(struct trip_cards_row *row, const struct trips_revenue_added *e, bus_projection *out)
{
    struct trip_cards_row_revenue_lines_item *line = BUS_ROW_PUSH(out, &row->revenue_lines);

    line->line_no = e->line_no;
    line->kind = e->kind;
    line->has_qty = e->has_qty;
    line->qty = e->qty;
    line->rate_kop = e->rate_kop;
    line->has_amount_kop = e->has_amount_kop;
    line->amount_kop = e->amount_kop;
    line->has_customer_id = e->has_customer_id;
    line->customer_id = e->customer_id;
    line->has_reference = e->has_reference;
    line->reference = e->reference;
}

static void
add_cost(struct trip_cards_row *row, const struct trips_cost_added *e, bus_projection *out)
{
    struct trip_cards_row_cost_lines_item *line = BUS_ROW_PUSH(out, &row->cost_lines);

    line->cost_no = e->cost_no;
    line->kind = e->kind;
    line->amount_kop = e->amount_kop;
    line->has_receipt = e->has_receipt;
    line->receipt = e->receipt;
    line->status = TRIP_CARDS_ROW_COST_LINES_ITEM_STATUS_PENDING;
}

/* Lines are numbered from 1 without gaps. */
static struct trip_cards_row_cost_lines_item *
cost_line(struct trip_cards_row *row, int64_t cost_no)
{
    BUS_INVARIANT(cost_no >= 1 && cost_no <= row->cost_lines.count);
    return &row->cost_lines.items[cost_no - 1];
}

static void
assign(struct trip_cards_row *row, const struct trips_resources_assigned *e)
{
    row->status = TRIPS_STATUS_ASSIGNED;
    row->has_vehicle_id = row->has_driver_id = true;
    row->vehicle_id = e->vehicle_id;
    row->driver_id = e->driver_id;
}

static void
lose_resources(struct trip_cards_row *row)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_vehicle_id = row->has_driver_id = row->has_estimated = false;
    row->has_stage = row->has_margin_bp = false;
    row->revenue_kop = row->cost_kop = row->profit_kop = 0;
}

static void
end(struct trip_cards_row *row, enum trips_status status, int32_t day)
{
    row->status = status;
    row->has_day = true;
    row->day = day;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct trip_cards_row         *row = state;
    const struct trips_trip_event *e = event->tagged;

    switch (e->kind) {
    case TRIPS_TRIP_DRAFTED:
        row->status = TRIPS_STATUS_DRAFT;
        row->drafted_at = event->at_ms;
        break;
    case TRIPS_TRIP_PLANNED:
        row->status = TRIPS_STATUS_PLANNED;
        row->has_route_id = e->trip_planned.has_route_id;
        row->route_id = e->trip_planned.route_id;
        break;
    case TRIPS_DELIVERY_ADDED: add_delivery(row, &e->delivery_added, out); break;
    case TRIPS_DELIVERY_REJECTED: remove_delivery(row, e->delivery_rejected.delivery_id); break;
    case TRIPS_DELIVERY_REMOVED: remove_delivery(row, e->delivery_removed.delivery_id); break;
    case TRIPS_ASSIGNMENT_REQUESTED: row->status = TRIPS_STATUS_ASSIGNING; break;
    case TRIPS_ASSIGNMENT_FAILED:
    case TRIPS_DRIVER_REFUSED: lose_resources(row); break;
    case TRIPS_RESOURCES_ASSIGNED: assign(row, &e->resources_assigned); break;
    case TRIPS_PROFIT_COMPUTED: compute(row, &e->profit_computed); break;
    case TRIPS_TRIP_DISPATCHED: row->status = TRIPS_STATUS_DISPATCHED; break;
    case TRIPS_TRIP_ACCEPTED: row->status = TRIPS_STATUS_LOADING; break;
    case TRIPS_TRIP_DEPARTED:
        row->status = TRIPS_STATUS_IN_TRANSIT;
        row->has_day = true;
        row->day = e->trip_departed.day;
        break;
    case TRIPS_TRIP_COMPLETED: end(row, TRIPS_STATUS_COMPLETED, e->trip_completed.day); break;
    case TRIPS_TRIP_ABORTED: end(row, TRIPS_STATUS_ABORTED, e->trip_aborted.day); break;
    case TRIPS_TRIP_CANCELLED: row->status = TRIPS_STATUS_CANCELLED; break;
    case TRIPS_REVENUE_ADDED: add_revenue(row, &e->revenue_added, out); break;
    case TRIPS_REVENUE_VOIDED:
        BUS_INVARIANT(e->revenue_voided.line_no <= row->revenue_lines.count);
        row->revenue_lines.items[e->revenue_voided.line_no - 1].voided = true;
        break;
    case TRIPS_COST_ADDED: add_cost(row, &e->cost_added, out); break;
    case TRIPS_COST_APPROVED:
        cost_line(row, e->cost_approved.cost_no)->status =
            TRIP_CARDS_ROW_COST_LINES_ITEM_STATUS_APPROVED;
        break;
    case TRIPS_COST_REJECTED:
        cost_line(row, e->cost_rejected.cost_no)->status =
            TRIP_CARDS_ROW_COST_LINES_ITEM_STATUS_REJECTED;
        break;
    case TRIPS_TRIP_SETTLED: settle(row, &e->trip_settled, out); break;
    case TRIPS_TRIP_ADJUSTED: adjust(row, &e->trip_adjusted, event->at_ms, out); break;
    case TRIPS_DELIVERY_CONFIRMED:
    case TRIPS_DELIVERY_RELEASED:
    case TRIPS_ASSIGNMENT_WITHDRAWN:
    case TRIPS_LOADING_STARTED:
    case TRIPS_STOP_ARRIVED:
    case TRIPS_STOP_COMPLETED:
    case TRIPS_STOP_FAILED:
    case TRIPS_STOP_SKIPPED:
    case TRIPS_REMAINING_REORDERED:
    case TRIPS_FUEL_COST_RECORDED:
    case TRIPS_UNMATCHED_FUEL_NOTED:
    case TRIPS_UNMATCHED_FUEL_CLEARED:
    case TRIPS_INCIDENT_COST_RECORDED:
    case TRIPS_BOXES_RECORDED:
    case TRIPS_GPS_RECORDED:
    case TRIPS_DAY_SHARE_CHANGED:
    case TRIPS_SETTLEMENT_REQUESTED:
    case TRIPS_SETTLEMENT_POSTPONED: break;
    }
}

const bus_view trip_cards_projection = {
    .of = &trip_cards_view, .view_version = 1, .project = project};
