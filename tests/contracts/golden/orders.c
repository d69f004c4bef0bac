/* Written by shina-contract from schemas/orders.json: do not edit. */
#include "contracts/orders.h"
#include "contracts/inventory.h"

#include <stddef.h>

static const bus_shape shape_2 = {
    .kind = BUS_KIND_TIME, .size = sizeof(int64_t),
};
static const bus_field fields_1[] = {
    { .name = "until", .shape = &shape_2,
      .offset = offsetof(struct orders_confirm, until),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_1 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct orders_confirm),
    .fields = fields_1, .fields_count = 1,
    .additional_properties = false,
};
const bus_message orders_confirm_command = {
    .type = "orders.confirm",
    .name = "confirm",
    .aggregate = &orders_order,
    .shape = &shape_1,
    .kind = ORDERS_CONFIRM, .version = 0,
    .on = BUS_ON_EXISTING, .by = BUS_BY_SERVICE,
    .http_method = NULL,
    .http_path = NULL,
    .roles = 0, .roles_own = 0,
};
static const bus_shape shape_4 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(0), .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_field fields_3[] = {
    { .name = "total_kop", .shape = &shape_4,
      .offset = offsetof(struct orders_placed, total_kop),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_3 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct orders_placed),
    .fields = fields_3, .fields_count = 1,
    .additional_properties = false,
};
const bus_message orders_placed_event = {
    .type = "orders.placed.v1",
    .name = "placed",
    .aggregate = &orders_order,
    .shape = &shape_3,
    .kind = ORDERS_PLACED, .version = 1,
};
static const bus_message *const orders_order_commands[] = {
    &orders_confirm_command,
};
static const bus_message *const orders_order_events[] = {
    &orders_placed_event,
};
const bus_aggregate_contract orders_order = {
    .name = "order",
    .contract = &orders_contract,
    .commands = orders_order_commands, .events = orders_order_events,
    .commands_count = 1, .events_count = 1,
    .command_size = sizeof(struct orders_order_command),
    .command_data_offset = offsetof(struct orders_order_command, confirm),
    .event_size = sizeof(struct orders_order_event),
    .event_data_offset = offsetof(struct orders_order_event, placed),
};

static const bus_shape shape_6 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_field fields_5[] = {
    { .name = "total_kop", .shape = &shape_6,
      .offset = offsetof(struct order_totals_row, total_kop),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_5 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct order_totals_row),
    .fields = fields_5, .fields_count = 1,
    .additional_properties = true,
};
static const bus_message *const order_totals_follows[] = {
    &orders_placed_event,
};
const bus_view_contract order_totals_view = {
    .name = "order_totals", .contract = &orders_contract,
    .of = &orders_order,
    .row = &shape_5,
    .http_list = NULL,
    .http_item = NULL,
    .roles = 0, .roles_own = 0,
    .roles_granted = 0, .grants = 0u,
    .own = NULL,
    .own_from = NULL,
    .own_until = NULL,
    .default_sort = NULL,
    .follows = order_totals_follows, .follows_count = 1,
    .hash = UINT64_C(0xd1b558afad50b2c6),
};

static const bus_aggregate_contract *const aggregates[] = {
    &orders_order,
};
static const bus_view_contract *const views[] = {
    &order_totals_view,
};
static const bus_message *const follows[] = {
    &inventory_reserved_event,
};
const bus_contract orders_contract = {
    .module = "orders",
    .aggregates = aggregates, .aggregates_count = 1,
    .views = views, .views_count = 1,
    .follows = follows, .follows_count = 1,
    .json = "{\"module\":\"orders\",\"aggregates\":{\"order\":{\"commands\":{\"confirm\":{\"by\":\"service\",\"schema\":{"
    "\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"until\"],\"properties\":{\"until\":{\""
    "type\":\"string\",\"format\":\"date-time\"}}}}},\"events\":{\"placed.v1\":{\"schema\":{\"type\":\"object\","
    "\"additionalProperties\":false,\"required\":[\"total_kop\"],\"properties\":{\"total_kop\":{\"type\":\"i"
    "nteger\",\"minimum\":0}}}}}}},\"views\":{\"order_totals\":{\"of\":\"order\",\"schema\":{\"type\":\"object\""
    ",\"required\":[\"total_kop\"],\"properties\":{\"total_kop\":{\"type\":\"integer\"}}}}},\"follows\":[\"inv"
    "entory.reserved.v1\"]}",
};
