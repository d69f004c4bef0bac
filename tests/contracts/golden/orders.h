/* Written by shina-contract from schemas/orders.json: do not edit. */
#ifndef CONTRACTS_ORDERS_H
#define CONTRACTS_ORDERS_H

#include "bus/module/module.h"
#include "contracts/common.h"

/* --- aggregate order --- */

struct orders_confirm {
    int64_t until;
};

struct orders_placed {
    int64_t total_kop;
};

enum orders_order_command_kind {
    ORDERS_CONFIRM
};
struct orders_order_command {
    enum orders_order_command_kind kind;
    union {
        struct orders_confirm confirm;
    };
};

enum orders_order_event_kind {
    ORDERS_PLACED
};
struct orders_order_event {
    enum orders_order_event_kind kind;
    union {
        struct orders_placed placed;
    };
};

extern const bus_message orders_placed_event;
static inline bus_verdict
orders_emit_placed(bus_decision *out, const struct orders_placed *data)
{
    return bus_emit(out, &orders_placed_event, data);
}

extern const bus_message orders_confirm_command;
static inline void
orders_send_confirm(bus_decision *out, bus_id stream, const struct orders_confirm *data,
    const bus_message *answer)
{
    bus_send(out, &orders_confirm_command, stream, data, answer);
}
static inline void
orders_react_confirm(bus_reaction_out *out, bus_id stream, const struct orders_confirm *data)
{
    bus_react(out, &orders_confirm_command, stream, data);
}

extern const bus_aggregate_contract orders_order;

/* --- view order_totals --- */

struct order_totals_row {
    int64_t total_kop;
};

extern const bus_view_contract order_totals_view;

extern const bus_contract orders_contract;

#endif
