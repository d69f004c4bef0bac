/* Written by shina-contract from schemas/inventory.json: do not edit. */
#ifndef CONTRACTS_INVENTORY_H
#define CONTRACTS_INVENTORY_H

#include "bus/module/module.h"
#include "contracts/common.h"

struct inventory_shelf {
    int64_t row;
    bool has_at;
    struct common_point at;
};

struct inventory_settings {
    int64_t low_count;
    bus_str greeting;
    bool strict;
};

/* --- aggregate item --- */

enum inventory_register_kind {
    INVENTORY_REGISTER_KIND_PIECE,
    INVENTORY_REGISTER_KIND_BULK_GOOD
};

struct inventory_register_labels {
    bus_str *items;
    uint32_t count, capacity;
};

enum inventory_register_sizes_item_side {
    INVENTORY_REGISTER_SIZES_ITEM_SIDE_A,
    INVENTORY_REGISTER_SIZES_ITEM_SIDE_B
};

struct inventory_register_sizes_item {
    enum inventory_register_sizes_item_side side;
    int64_t length_m;
};

struct inventory_register_sizes {
    struct inventory_register_sizes_item *items;
    uint32_t count, capacity;
};

struct inventory_register_packing_boxed {
    int64_t boxes;
};

struct inventory_register_packing_default {
    bool has_note;
    bus_str note;
};

enum inventory_register_packing_kind {
    INVENTORY_REGISTER_PACKING_BOXED,
    INVENTORY_REGISTER_PACKING_DEFAULT
};
struct inventory_register_packing {
    enum inventory_register_packing_kind kind;
    union {
        struct inventory_register_packing_boxed boxed;
        struct inventory_register_packing_default default_;
    };
};

struct inventory_register {
    bus_str sku;
    bool has_name;
    bus_str name; /* As people call it. */
    enum inventory_register_kind kind;
    bool has_colour;
    enum common_colour colour;
    bus_id supplier;
    bool has_mass_g;
    int64_t mass_g;
    bool has_density;
    double density;
    bool fragile;
    bool has_best_before;
    int32_t best_before;
    bool has_produced;
    int64_t produced;
    bool has_email;
    bus_str email;
    bool has_phone;
    bus_str phone;
    bool has_shelf;
    struct inventory_shelf shelf;
    int64_t default_;
    bool has_labels;
    struct inventory_register_labels labels;
    bool has_sizes;
    struct inventory_register_sizes sizes;
    bool has_packing;
    struct inventory_register_packing packing;
    bool has_extra;
    bus_str extra;
};

struct inventory_receive {
    int64_t quantity;
};

struct inventory_reserve {
    bus_id order;
    int64_t quantity;
};

struct inventory_count_due {
    char unused_;
};

struct inventory_registered {
    bus_str sku;
    bus_id supplier;
    bool has_phone;
    bus_str phone;
    bool has_shelf;
    struct inventory_shelf shelf;
};

struct inventory_received {
    int64_t quantity;
};

struct inventory_received_v2 {
    int64_t quantity;
    struct inventory_shelf shelf;
};

struct inventory_reserved {
    bus_id order;
    int64_t quantity;
};

struct inventory_counted {
    char unused_;
};

enum inventory_item_command_kind {
    INVENTORY_REGISTER,
    INVENTORY_RECEIVE,
    INVENTORY_RESERVE,
    INVENTORY_COUNT_DUE,
    INVENTORY_ORDER_ANSWERED
};
struct inventory_item_command {
    enum inventory_item_command_kind kind;
    union {
        struct inventory_register register_;
        struct inventory_receive receive;
        struct inventory_reserve reserve;
        struct inventory_count_due count_due;
        bus_answer order_answered;
    };
};

enum inventory_item_event_kind {
    INVENTORY_REGISTERED,
    INVENTORY_RECEIVED_V2,
    INVENTORY_RESERVED,
    INVENTORY_COUNTED
};
struct inventory_item_event {
    enum inventory_item_event_kind kind;
    union {
        struct inventory_registered registered;
        struct inventory_received_v2 received_v2;
        struct inventory_reserved reserved;
        struct inventory_counted counted;
    };
};

/* It is held from now on. */
extern const bus_message inventory_registered_event;
static inline bus_verdict
inventory_emit_registered(bus_decision *out, const struct inventory_registered *data)
{
    return bus_emit(out, &inventory_registered_event, data);
}

/* Superseded; defined in the upcast.c of inventory. to is zeroed before. */
void inventory_upcast_received(const struct inventory_received *from,
    struct inventory_received_v2 *to, bus_upcasting *out);

extern const bus_message inventory_received_v2_event;
static inline bus_verdict
inventory_emit_received_v2(bus_decision *out, const struct inventory_received_v2 *data)
{
    return bus_emit(out, &inventory_received_v2_event, data);
}

extern const bus_message inventory_reserved_event;
static inline bus_verdict
inventory_emit_reserved(bus_decision *out, const struct inventory_reserved *data)
{
    return bus_emit(out, &inventory_reserved_event, data);
}

extern const bus_message inventory_counted_event;
static inline bus_verdict
inventory_emit_counted(bus_decision *out, const struct inventory_counted *data)
{
    return bus_emit(out, &inventory_counted_event, data);
}

/* Begins to hold a thing. */
extern const bus_message inventory_register_command;
static inline void
inventory_send_register(bus_decision *out, bus_id stream, const struct inventory_register *data,
    const bus_message *answer)
{
    bus_send(out, &inventory_register_command, stream, data, answer);
}
static inline void
inventory_react_register(bus_reaction_out *out, bus_id stream, const struct inventory_register *data)
{
    bus_react(out, &inventory_register_command, stream, data);
}

/* More of it has come. */
extern const bus_message inventory_receive_command;
static inline void
inventory_send_receive(bus_decision *out, bus_id stream, const struct inventory_receive *data,
    const bus_message *answer)
{
    bus_send(out, &inventory_receive_command, stream, data, answer);
}
static inline void
inventory_react_receive(bus_reaction_out *out, bus_id stream, const struct inventory_receive *data)
{
    bus_react(out, &inventory_receive_command, stream, data);
}

/* Promises some of it to an order. */
extern const bus_message inventory_reserve_command;
static inline void
inventory_send_reserve(bus_decision *out, bus_id stream, const struct inventory_reserve *data,
    const bus_message *answer)
{
    bus_send(out, &inventory_reserve_command, stream, data, answer);
}
static inline void
inventory_react_reserve(bus_reaction_out *out, bus_id stream, const struct inventory_reserve *data)
{
    bus_react(out, &inventory_reserve_command, stream, data);
}

/* Time to count. */
extern const bus_message inventory_count_due_command;
/* What the order said. */
extern const bus_message inventory_order_answered_command;
extern const bus_aggregate_contract inventory_item;

/* --- aggregate stocktake --- */

struct inventory_begin {
    char unused_;
};

struct inventory_begun {
    char unused_;
};

enum inventory_stocktake_command_kind {
    INVENTORY_BEGIN
};
struct inventory_stocktake_command {
    enum inventory_stocktake_command_kind kind;
    union {
        struct inventory_begin begin;
    };
};

enum inventory_stocktake_event_kind {
    INVENTORY_BEGUN
};
struct inventory_stocktake_event {
    enum inventory_stocktake_event_kind kind;
    union {
        struct inventory_begun begun;
    };
};

extern const bus_message inventory_begun_event;
static inline bus_verdict
inventory_emit_begun(bus_decision *out, const struct inventory_begun *data)
{
    return bus_emit(out, &inventory_begun_event, data);
}

extern const bus_message inventory_begin_command;
static inline void
inventory_send_begin(bus_decision *out, bus_id stream, const struct inventory_begin *data,
    const bus_message *answer)
{
    bus_send(out, &inventory_begin_command, stream, data, answer);
}
static inline void
inventory_react_begin(bus_reaction_out *out, bus_id stream, const struct inventory_begin *data)
{
    bus_react(out, &inventory_begin_command, stream, data);
}

extern const bus_aggregate_contract inventory_stocktake;

/* --- refusals --- */

extern const bus_refusal inventory_refusals[2];
#define INVENTORY_INSUFFICIENT (&inventory_refusals[0])
struct inventory_insufficient_params {
    int64_t free;
    bus_str sku;
};

static inline bus_verdict
inventory_insufficient_refuse(bus_decision *out, const struct inventory_insufficient_params *params)
{
    return bus_refuse_with(out, INVENTORY_INSUFFICIENT, params);
}

#define INVENTORY_CLOSED (&inventory_refusals[1])

/* --- view items --- */

enum items_row_kind {
    ITEMS_ROW_KIND_PIECE,
    ITEMS_ROW_KIND_BULK_GOOD
};

struct items_row_shelves {
    struct inventory_shelf *items;
    uint32_t count, capacity;
};

struct items_row {
    bus_str sku;
    bool has_kind;
    enum items_row_kind kind;
    int64_t registered_at;
    bool has_keeper_id;
    bus_id keeper_id;
    bool has_kept_from_at;
    int64_t kept_from_at;
    bool has_kept_until_at;
    int64_t kept_until_at;
    bool has_order_id;
    bus_id order_id;
    bool has_cost_kop;
    int64_t cost_kop;
    bool has_shelves;
    struct items_row_shelves shelves;
};

extern const bus_view_contract items_view;

/* --- view suppliers --- */

struct suppliers_row {
    int64_t items;
};

extern const bus_view_contract suppliers_view;

extern const bus_contract inventory_contract;

#endif
