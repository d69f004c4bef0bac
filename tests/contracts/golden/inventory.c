/* Written by shina-contract from schemas/inventory.json: do not edit. */
#include "contracts/inventory.h"
#include "contracts/orders.h"

#include <stddef.h>

static const bus_shape shape_2 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(0), .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_shape shape_3 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(20), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const bus_shape shape_4 = {
    .kind = BUS_KIND_BOOL, .size = sizeof(bool),
};
static const bus_field fields_1[] = {
    { .name = "low_count", .shape = &shape_2,
      .offset = offsetof(struct inventory_settings, low_count),
      .has_offset = BUS_NO_OFFSET,
      .required = false, .nullable = false,
      .default_json = "5", .personal = NULL, .masked_for = NULL },
    { .name = "greeting", .shape = &shape_3,
      .offset = offsetof(struct inventory_settings, greeting),
      .has_offset = BUS_NO_OFFSET,
      .required = false, .nullable = false,
      .default_json = "\"Здравствуйте\"", .personal = NULL, .masked_for = NULL },
    { .name = "strict", .shape = &shape_4,
      .offset = offsetof(struct inventory_settings, strict),
      .has_offset = BUS_NO_OFFSET,
      .required = false, .nullable = false,
      .default_json = "true", .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_1 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_settings),
    .fields = fields_1, .fields_count = 3,
    .additional_properties = false,
};
static void *pattern_6;
static const bus_shape shape_6 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(1), .maximum = INT64_C(12), .multiple_of = INT64_C(0),
    .pattern = "^[A-Z0-9-]+$",
    .pattern_code = &pattern_6,
    .format = BUS_FORMAT_NONE,
};
static const bus_shape shape_7 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(40), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const char *const names_8[] = { "PIECE", "BULK-GOOD" };
static const bus_shape shape_8 = {
    .kind = BUS_KIND_ENUM, .size = sizeof(int32_t),
    .names = names_8, .names_count = 2,
};
static const char *const names_9[] = { "RED", "GREEN" };
static const bus_shape shape_9 = {
    .kind = BUS_KIND_ENUM, .size = sizeof(int32_t),
    .names = names_9, .names_count = 2,
};
static const bus_shape shape_10 = {
    .kind = BUS_KIND_UUID, .size = sizeof(bus_id),
};
static const bus_shape shape_11 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(0), .maximum = INT64_C(999999), .multiple_of = INT64_C(5),
};
static const bus_shape shape_12 = {
    .kind = BUS_KIND_NUMBER, .size = sizeof(double),
    .number_minimum = 0, .number_maximum = 22.600000000000001, .number_multiple_of = 0,
    .number_minimum_exclusive = 1, .number_maximum_exclusive = 0,
};
static const bus_shape shape_13 = {
    .kind = BUS_KIND_BOOL, .size = sizeof(bool),
};
static const bus_shape shape_14 = {
    .kind = BUS_KIND_DATE, .size = sizeof(int32_t),
};
static const bus_shape shape_15 = {
    .kind = BUS_KIND_TIME, .size = sizeof(int64_t),
};
static const bus_shape shape_16 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(320), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_EMAIL,
};
static const bus_shape shape_17 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(320), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_E164,
};
static const bus_shape shape_19 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(0), .maximum = INT64_C(99), .multiple_of = INT64_C(0),
};
static const bus_shape shape_21 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(-90000000), .maximum = INT64_C(90000000), .multiple_of = INT64_C(0),
};
static const bus_shape shape_22 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(-180000000), .maximum = INT64_C(180000000), .multiple_of = INT64_C(0),
};
static const bus_field fields_20[] = {
    { .name = "lat_e6", .shape = &shape_21,
      .offset = offsetof(struct common_point, lat_e6),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "lon_e6", .shape = &shape_22,
      .offset = offsetof(struct common_point, lon_e6),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_20 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct common_point),
    .fields = fields_20, .fields_count = 2,
    .additional_properties = false,
};
static const bus_field fields_18[] = {
    { .name = "row", .shape = &shape_19,
      .offset = offsetof(struct inventory_shelf, row),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "at", .shape = &shape_20,
      .offset = offsetof(struct inventory_shelf, at),
      .has_offset = offsetof(struct inventory_shelf, has_at),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_18 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_shelf),
    .fields = fields_18, .fields_count = 2,
    .additional_properties = false,
};
static const bus_shape shape_23 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(0), .maximum = INT64_C(9), .multiple_of = INT64_C(0),
};
static const bus_shape shape_25 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(8), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const bus_shape shape_24 = {
    .kind = BUS_KIND_ARRAY, .size = sizeof(struct inventory_register_labels),
    .minimum = INT64_C(0), .maximum = INT64_C(3), .multiple_of = INT64_C(0),
    .item = &shape_25, .unique_items = true,
};
static const char *const names_28[] = { "A", "B" };
static const bus_shape shape_28 = {
    .kind = BUS_KIND_ENUM, .size = sizeof(int32_t),
    .names = names_28, .names_count = 2,
};
static const bus_shape shape_29 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(1), .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_field fields_27[] = {
    { .name = "side", .shape = &shape_28,
      .offset = offsetof(struct inventory_register_sizes_item, side),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "length_m", .shape = &shape_29,
      .offset = offsetof(struct inventory_register_sizes_item, length_m),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_27 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_register_sizes_item),
    .fields = fields_27, .fields_count = 2,
    .additional_properties = false,
};
static const bus_shape shape_26 = {
    .kind = BUS_KIND_ARRAY, .size = sizeof(struct inventory_register_sizes),
    .minimum = INT64_C(1), .maximum = INT64_C(4), .multiple_of = INT64_C(0),
    .item = &shape_27, .unique_items = false,
};
static const bus_shape shape_32 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_C(1), .maximum = INT64_C(1000000), .multiple_of = INT64_C(0),
};
static const bus_field fields_31[] = {
    { .name = "boxes", .shape = &shape_32,
      .offset = offsetof(struct inventory_register_packing_boxed, boxes),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_31 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_register_packing_boxed),
    .fields = fields_31, .fields_count = 1,
    .additional_properties = false,
};
static const bus_shape shape_34 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(9), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const bus_field fields_33[] = {
    { .name = "note", .shape = &shape_34,
      .offset = offsetof(struct inventory_register_packing_default, note),
      .has_offset = offsetof(struct inventory_register_packing_default, has_note),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_33 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_register_packing_default),
    .fields = fields_33, .fields_count = 1,
    .additional_properties = false,
};
static const bus_variant variants_30[] = {
    { "BOXED", &shape_31 },
    { "DEFAULT", &shape_33 },
};
static const bus_shape shape_30 = {
    .kind = BUS_KIND_UNION, .size = sizeof(struct inventory_register_packing),
    .tag = "how",
    .variants = variants_30, .variants_count = 2,
    .variants_offset = offsetof(struct inventory_register_packing, boxed),
};
static const bus_shape shape_35 = {
    .kind = BUS_KIND_JSON, .size = sizeof(bus_str),
};
static const bus_field fields_5[] = {
    { .name = "sku", .shape = &shape_6,
      .offset = offsetof(struct inventory_register, sku),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "name", .shape = &shape_7,
      .offset = offsetof(struct inventory_register, name),
      .has_offset = offsetof(struct inventory_register, has_name),
      .required = false, .nullable = true,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "kind", .shape = &shape_8,
      .offset = offsetof(struct inventory_register, kind),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "colour", .shape = &shape_9,
      .offset = offsetof(struct inventory_register, colour),
      .has_offset = offsetof(struct inventory_register, has_colour),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "supplier", .shape = &shape_10,
      .offset = offsetof(struct inventory_register, supplier),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "mass_g", .shape = &shape_11,
      .offset = offsetof(struct inventory_register, mass_g),
      .has_offset = offsetof(struct inventory_register, has_mass_g),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "density", .shape = &shape_12,
      .offset = offsetof(struct inventory_register, density),
      .has_offset = offsetof(struct inventory_register, has_density),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "fragile", .shape = &shape_13,
      .offset = offsetof(struct inventory_register, fragile),
      .has_offset = BUS_NO_OFFSET,
      .required = false, .nullable = false,
      .default_json = "false", .personal = NULL, .masked_for = NULL },
    { .name = "best_before", .shape = &shape_14,
      .offset = offsetof(struct inventory_register, best_before),
      .has_offset = offsetof(struct inventory_register, has_best_before),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "produced", .shape = &shape_15,
      .offset = offsetof(struct inventory_register, produced),
      .has_offset = offsetof(struct inventory_register, has_produced),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "email", .shape = &shape_16,
      .offset = offsetof(struct inventory_register, email),
      .has_offset = offsetof(struct inventory_register, has_email),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "phone", .shape = &shape_17,
      .offset = offsetof(struct inventory_register, phone),
      .has_offset = offsetof(struct inventory_register, has_phone),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = "/supplier", .masked_for = NULL },
    { .name = "shelf", .shape = &shape_18,
      .offset = offsetof(struct inventory_register, shelf),
      .has_offset = offsetof(struct inventory_register, has_shelf),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "default", .shape = &shape_23,
      .offset = offsetof(struct inventory_register, default_),
      .has_offset = BUS_NO_OFFSET,
      .required = false, .nullable = false,
      .default_json = "3", .personal = NULL, .masked_for = NULL },
    { .name = "labels", .shape = &shape_24,
      .offset = offsetof(struct inventory_register, labels),
      .has_offset = offsetof(struct inventory_register, has_labels),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "sizes", .shape = &shape_26,
      .offset = offsetof(struct inventory_register, sizes),
      .has_offset = offsetof(struct inventory_register, has_sizes),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "packing", .shape = &shape_30,
      .offset = offsetof(struct inventory_register, packing),
      .has_offset = offsetof(struct inventory_register, has_packing),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "extra", .shape = &shape_35,
      .offset = offsetof(struct inventory_register, extra),
      .has_offset = offsetof(struct inventory_register, has_extra),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_5 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_register),
    .fields = fields_5, .fields_count = 18,
    .additional_properties = false,
    .personal = true,
};
const bus_message inventory_register_command = {
    .type = "inventory.register",
    .name = "register",
    .aggregate = &inventory_item,
    .shape = &shape_5,
    .kind = INVENTORY_REGISTER, .version = 0,
    .on = BUS_ON_NEW, .by = BUS_BY_CLIENT,
    .http_method = "POST",
    .http_path = "/items",
    .roles = 0 | BUS_ROLE_ADMIN, .roles_own = 0,
};
static const bus_field fields_36[] = {
    { .name = "quantity", .shape = &shape_32,
      .offset = offsetof(struct inventory_receive, quantity),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_36 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_receive),
    .fields = fields_36, .fields_count = 1,
    .additional_properties = false,
};
const bus_message inventory_receive_command = {
    .type = "inventory.receive",
    .name = "receive",
    .aggregate = &inventory_item,
    .shape = &shape_36,
    .kind = INVENTORY_RECEIVE, .version = 0,
    .on = BUS_ON_EXISTING, .by = BUS_BY_CLIENT,
    .http_method = "POST",
    .http_path = "/items/{id}/receive",
    .roles = 0 | BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER, .roles_own = 0 | BUS_ROLE_DRIVER,
};
static const bus_field fields_37[] = {
    { .name = "order", .shape = &shape_10,
      .offset = offsetof(struct inventory_reserve, order),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "quantity", .shape = &shape_32,
      .offset = offsetof(struct inventory_reserve, quantity),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_37 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_reserve),
    .fields = fields_37, .fields_count = 2,
    .additional_properties = false,
};
const bus_message inventory_reserve_command = {
    .type = "inventory.reserve",
    .name = "reserve",
    .aggregate = &inventory_item,
    .shape = &shape_37,
    .kind = INVENTORY_RESERVE, .version = 0,
    .on = BUS_ON_EXISTING, .by = BUS_BY_SERVICE,
    .http_method = NULL,
    .http_path = NULL,
    .roles = 0, .roles_own = 0,
};
static const bus_shape shape_38 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_count_due),
    .additional_properties = false,
};
const bus_message inventory_count_due_command = {
    .type = "inventory.count_due",
    .name = "count_due",
    .aggregate = &inventory_item,
    .shape = &shape_38,
    .kind = INVENTORY_COUNT_DUE, .version = 0,
    .on = BUS_ON_EXISTING, .by = BUS_BY_WAKE,
    .http_method = NULL,
    .http_path = NULL,
    .roles = 0, .roles_own = 0,
};
const bus_message inventory_order_answered_command = {
    .type = "inventory.order_answered",
    .name = "order_answered",
    .aggregate = &inventory_item,
    .kind = INVENTORY_ORDER_ANSWERED, .version = 0,
    .on = BUS_ON_EXISTING, .by = BUS_BY_ANSWER,
    .http_method = NULL,
    .http_path = NULL,
    .roles = 0, .roles_own = 0,
};
static const bus_shape shape_40 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(12), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const bus_shape shape_41 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(320), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_E164,
};
static const bus_field fields_39[] = {
    { .name = "sku", .shape = &shape_40,
      .offset = offsetof(struct inventory_registered, sku),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "supplier", .shape = &shape_10,
      .offset = offsetof(struct inventory_registered, supplier),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "phone", .shape = &shape_41,
      .offset = offsetof(struct inventory_registered, phone),
      .has_offset = offsetof(struct inventory_registered, has_phone),
      .required = false, .nullable = true,
      .default_json = NULL, .personal = "/supplier", .masked_for = NULL },
    { .name = "shelf", .shape = &shape_18,
      .offset = offsetof(struct inventory_registered, shelf),
      .has_offset = offsetof(struct inventory_registered, has_shelf),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_39 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_registered),
    .fields = fields_39, .fields_count = 4,
    .additional_properties = false,
    .personal = true,
};
const bus_message inventory_registered_event = {
    .type = "inventory.registered.v1",
    .name = "registered",
    .aggregate = &inventory_item,
    .shape = &shape_39,
    .kind = INVENTORY_REGISTERED, .version = 1,
};
static const bus_field fields_42[] = {
    { .name = "quantity", .shape = &shape_32,
      .offset = offsetof(struct inventory_received_v2, quantity),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "shelf", .shape = &shape_18,
      .offset = offsetof(struct inventory_received_v2, shelf),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_42 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_received_v2),
    .fields = fields_42, .fields_count = 2,
    .additional_properties = false,
};
const bus_message inventory_received_v2_event = {
    .type = "inventory.received.v2",
    .name = "received",
    .aggregate = &inventory_item,
    .shape = &shape_42,
    .kind = INVENTORY_RECEIVED_V2, .version = 2,
};
static const bus_field fields_43[] = {
    { .name = "order", .shape = &shape_10,
      .offset = offsetof(struct inventory_reserved, order),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "quantity", .shape = &shape_32,
      .offset = offsetof(struct inventory_reserved, quantity),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_43 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_reserved),
    .fields = fields_43, .fields_count = 2,
    .additional_properties = false,
};
const bus_message inventory_reserved_event = {
    .type = "inventory.reserved.v1",
    .name = "reserved",
    .aggregate = &inventory_item,
    .shape = &shape_43,
    .kind = INVENTORY_RESERVED, .version = 1,
};
static const bus_shape shape_44 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_counted),
    .additional_properties = false,
};
const bus_message inventory_counted_event = {
    .type = "inventory.counted.v1",
    .name = "counted",
    .aggregate = &inventory_item,
    .shape = &shape_44,
    .kind = INVENTORY_COUNTED, .version = 1,
};
static const bus_field fields_45[] = {
    { .name = "quantity", .shape = &shape_32,
      .offset = offsetof(struct inventory_received, quantity),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_45 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_received),
    .fields = fields_45, .fields_count = 1,
    .additional_properties = false,
};
static void
upcast_received(const void *from, void *to, bus_upcasting *out)
{
    inventory_upcast_received(from, to, out);
}
static const bus_message inventory_received_event = {
    .type = "inventory.received.v1",
    .name = "received",
    .aggregate = &inventory_item,
    .shape = &shape_45,
    .kind = -1, .version = 1,
    .upcast_to = &inventory_received_v2_event,
    .upcast = upcast_received,
};
static const bus_message *const inventory_item_commands[] = {
    &inventory_register_command,
    &inventory_receive_command,
    &inventory_reserve_command,
    &inventory_count_due_command,
    &inventory_order_answered_command,
};
static const bus_message *const inventory_item_events[] = {
    &inventory_registered_event,
    &inventory_received_v2_event,
    &inventory_reserved_event,
    &inventory_counted_event,
};
static const bus_message *const inventory_item_superseded[] = {
    &inventory_received_event,
};
const bus_aggregate_contract inventory_item = {
    .name = "item",
    .contract = &inventory_contract,
    .commands = inventory_item_commands, .events = inventory_item_events,
    .commands_count = 5, .events_count = 4,
    .superseded = inventory_item_superseded, .superseded_count = 1,
    .command_size = sizeof(struct inventory_item_command),
    .command_data_offset = offsetof(struct inventory_item_command, register_),
    .event_size = sizeof(struct inventory_item_event),
    .event_data_offset = offsetof(struct inventory_item_event, registered),
};

static const bus_shape shape_46 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_begin),
    .additional_properties = false,
};
const bus_message inventory_begin_command = {
    .type = "inventory.begin",
    .name = "begin",
    .aggregate = &inventory_stocktake,
    .shape = &shape_46,
    .kind = INVENTORY_BEGIN, .version = 0,
    .on = BUS_ON_ANY, .by = BUS_BY_CLIENT,
    .http_method = "PUT",
    .http_path = "/stocktakes/{id}",
    .roles = 0 | BUS_ROLE_DISPATCHER, .roles_own = 0,
};
static const bus_shape shape_47 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_begun),
    .additional_properties = false,
};
const bus_message inventory_begun_event = {
    .type = "inventory.begun.v1",
    .name = "begun",
    .aggregate = &inventory_stocktake,
    .shape = &shape_47,
    .kind = INVENTORY_BEGUN, .version = 1,
};
static const bus_message *const inventory_stocktake_commands[] = {
    &inventory_begin_command,
};
static const bus_message *const inventory_stocktake_events[] = {
    &inventory_begun_event,
};
const bus_aggregate_contract inventory_stocktake = {
    .name = "stocktake",
    .contract = &inventory_contract,
    .commands = inventory_stocktake_commands, .events = inventory_stocktake_events,
    .commands_count = 1, .events_count = 1,
    .command_size = sizeof(struct inventory_stocktake_command),
    .command_data_offset = offsetof(struct inventory_stocktake_command, begin),
    .event_size = sizeof(struct inventory_stocktake_event),
    .event_data_offset = offsetof(struct inventory_stocktake_event, begun),
};

static const bus_shape shape_49 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_shape shape_50 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(12), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const bus_field fields_48[] = {
    { .name = "free", .shape = &shape_49,
      .offset = offsetof(struct inventory_insufficient_params, free),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "sku", .shape = &shape_50,
      .offset = offsetof(struct inventory_insufficient_params, sku),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_48 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct inventory_insufficient_params),
    .fields = fields_48, .fields_count = 2,
    .additional_properties = false,
};
const bus_refusal inventory_refusals[2] = {
    { .code = "INVENTORY_INSUFFICIENT", .status = 409,
      .params = &shape_48,
      .en = "Only {free} of {sku} are free.",
      .ru = "Свободно только {free}, артикул {sku}." },
    { .code = "INVENTORY_CLOSED", .status = 422,
      .en = "Closed\077",
      .ru = "Закрыто\077" },
};

static const bus_shape shape_52 = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str),
    .minimum = INT64_C(0), .maximum = INT64_C(12), .multiple_of = INT64_C(0),
    .format = BUS_FORMAT_NONE,
};
static const char *const names_53[] = { "PIECE", "BULK-GOOD" };
static const bus_shape shape_53 = {
    .kind = BUS_KIND_ENUM, .size = sizeof(int32_t),
    .names = names_53, .names_count = 2,
};
static const bus_shape shape_54 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_shape shape_55 = {
    .kind = BUS_KIND_UUID, .size = sizeof(bus_id),
};
static const bus_shape shape_56 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_shape shape_57 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_shape shape_58 = {
    .kind = BUS_KIND_UUID, .size = sizeof(bus_id),
};
static const bus_shape shape_59 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_shape shape_60 = {
    .kind = BUS_KIND_ARRAY, .size = sizeof(struct items_row_shelves),
    .minimum = INT64_C(0), .maximum = INT64_C(10), .multiple_of = INT64_C(0),
    .item = &shape_18, .unique_items = false,
};
static const bus_field fields_51[] = {
    { .name = "sku", .shape = &shape_52,
      .offset = offsetof(struct items_row, sku),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "kind", .shape = &shape_53,
      .offset = offsetof(struct items_row, kind),
      .has_offset = offsetof(struct items_row, has_kind),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "registered_at", .shape = &shape_54,
      .offset = offsetof(struct items_row, registered_at),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "keeper_id", .shape = &shape_55,
      .offset = offsetof(struct items_row, keeper_id),
      .has_offset = offsetof(struct items_row, has_keeper_id),
      .required = false, .nullable = true,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "kept_from_at", .shape = &shape_56,
      .offset = offsetof(struct items_row, kept_from_at),
      .has_offset = offsetof(struct items_row, has_kept_from_at),
      .required = false, .nullable = true,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "kept_until_at", .shape = &shape_57,
      .offset = offsetof(struct items_row, kept_until_at),
      .has_offset = offsetof(struct items_row, has_kept_until_at),
      .required = false, .nullable = true,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "order_id", .shape = &shape_58,
      .offset = offsetof(struct items_row, order_id),
      .has_offset = offsetof(struct items_row, has_order_id),
      .required = false, .nullable = true,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
    { .name = "cost_kop", .shape = &shape_59,
      .offset = offsetof(struct items_row, cost_kop),
      .has_offset = offsetof(struct items_row, has_cost_kop),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = "DRIVER VIEWER+finance.read" },
    { .name = "shelves", .shape = &shape_60,
      .offset = offsetof(struct items_row, shelves),
      .has_offset = offsetof(struct items_row, has_shelves),
      .required = false, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_51 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct items_row),
    .fields = fields_51, .fields_count = 9,
    .additional_properties = true,
};
static const bus_column items_columns[] = {
    { .name = "kind", .field = &fields_51[1], .filter = true, .sort = false },
    { .name = "sku", .field = &fields_51[0], .filter = true, .sort = true, .folded = true },
    { .name = "keeper_id", .field = &fields_51[3], .filter = true, .sort = false },
    { .name = "registered_at", .field = &fields_51[2], .filter = false, .sort = true },
    { .name = "order_id", .field = &fields_51[6], .filter = true, .sort = false },
    { .name = "kept_from_at", .field = &fields_51[4], .filter = false, .sort = false },
    { .name = "kept_until_at", .field = &fields_51[5], .filter = false, .sort = false },
};
static const bus_join items_joins[] = {
    { .view = "order_totals", .by = "order_id", .take = "total_kop", .as = "order_total_kop" },
};
static const bus_message *const items_follows[] = {
    &inventory_registered_event,
    &inventory_received_v2_event,
    &inventory_reserved_event,
    &inventory_counted_event,
};
const bus_view_contract items_view = {
    .name = "items", .contract = &inventory_contract,
    .of = &inventory_item,
    .row = &shape_51,
    .http_list = "/items",
    .http_item = "/items/{id}",
    .roles = 0 | BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER, .roles_own = 0 | BUS_ROLE_DRIVER,
    .roles_granted = 0 | BUS_ROLE_VIEWER, .grants = 1u,
    .own = "keeper_id",
    .own_from = "kept_from_at",
    .own_until = "kept_until_at",
    .columns = items_columns, .columns_count = 7,
    .joins = items_joins, .joins_count = 1,
    .default_sort = "-registered_at",
    .follows = items_follows, .follows_count = 4,
    .hash = UINT64_C(0xa3f1c12510ee432c),
};

static const bus_shape shape_62 = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t),
    .minimum = INT64_MIN, .maximum = INT64_C(9223372036854775807), .multiple_of = INT64_C(0),
};
static const bus_field fields_61[] = {
    { .name = "items", .shape = &shape_62,
      .offset = offsetof(struct suppliers_row, items),
      .has_offset = BUS_NO_OFFSET,
      .required = true, .nullable = false,
      .default_json = NULL, .personal = NULL, .masked_for = NULL },
};
static const bus_shape shape_61 = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct suppliers_row),
    .fields = fields_61, .fields_count = 1,
    .additional_properties = true,
};
static const bus_message *const suppliers_follows[] = {
    &inventory_registered_event,
    &orders_placed_event,
};
const bus_view_contract suppliers_view = {
    .name = "suppliers", .contract = &inventory_contract,
    .row = &shape_61,
    .http_list = NULL,
    .http_item = NULL,
    .roles = 0, .roles_own = 0,
    .roles_granted = 0, .grants = 0u,
    .own = NULL,
    .own_from = NULL,
    .own_until = NULL,
    .default_sort = NULL,
    .follows = suppliers_follows, .follows_count = 2,
    .hash = UINT64_C(0xf5ca2aa7274e906e),
};

static const bus_aggregate_contract *const aggregates[] = {
    &inventory_item,
    &inventory_stocktake,
};
static const bus_view_contract *const views[] = {
    &items_view,
    &suppliers_view,
};
static const bus_message *const follows[] = {
    &orders_placed_event,
};
static const bus_message *const sends[] = {
    &orders_confirm_command,
    &inventory_reserve_command,
};
const bus_contract inventory_contract = {
    .module = "inventory",
    .aggregates = aggregates, .aggregates_count = 2,
    .refusals = inventory_refusals, .refusals_count = 2,
    .views = views, .views_count = 2,
    .follows = follows, .follows_count = 1,
    .sends = sends, .sends_count = 2,
    .settings = &shape_1,
    .json = "{\"module\":\"inventory\",\"description\":{\"en\":\"What we hold, and how much is promised.\",\"ru\":\""
    "Что у нас есть и сколько обещано.\"},\"settings\":{\"type\":\"object\","
    "\"additionalProperties\":false,\"properties\":{\"low_count\":{\"type\":\"integer\",\"minimum\":0,\"defa"
    "ult\":5},\"greeting\":{\"type\":\"string\",\"maxLength\":20,\"default\":\"Здравствуйте\"},\""
    "strict\":{\"type\":\"boolean\",\"default\":true}}},\"$defs\":{\"quantity\":{\"type\":\"integer\",\"minimum"
    "\":1,\"maximum\":1000000},\"shelf\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\""
    "row\"],\"properties\":{\"row\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":99},\"at\":{\"$ref\":\"common"
    ".json#/$defs/point\"}}}},\"aggregates\":{\"item\":{\"description\":\"One thing that is held.\",\"com"
    "mands\":{\"register\":{\"description\":\"Begins to hold a thing.\",\"http\":\"POST /items\",\"on\":\"new"
    "\",\"roles\":[\"ADMIN\"],\"refuses\":[\"INVENTORY_CLOSED\"],\"schema\":{\"type\":\"object\",\"additionalPr"
    "operties\":false,\"required\":[\"sku\",\"kind\",\"supplier\"],\"properties\":{\"sku\":{\"type\":\"string\","
    "\"minLength\":1,\"maxLength\":12,\"pattern\":\"^[A-Z0-9-]+$\"},\"name\":{\"type\":[\"string\",\"null\"],\"m"
    "axLength\":40,\"description\":\"As people call it.\"},\"kind\":{\"type\":\"string\",\"enum\":[\"PIECE\",\""
    "BULK-GOOD\"]},\"colour\":{\"$ref\":\"common.json#/$defs/colour\"},\"supplier\":{\"$ref\":\"common.json"
    "#/$defs/id\"},\"mass_g\":{\"type\":\"integer\",\"minimum\":0,\"exclusiveMaximum\":1000000,\"multipleOf"
    "\":5},\"density\":{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":22.600000000000001},\"fragil"
    "e\":{\"type\":\"boolean\",\"default\":false},\"best_before\":{\"type\":\"string\",\"format\":\"date\"},\"pro"
    "duced\":{\"type\":\"string\",\"format\":\"date-time\"},\"email\":{\"type\":\"string\",\"format\":\"email\"},\""
    "phone\":{\"type\":\"string\",\"x-format\":\"e164\",\"x-personal\":{\"subject\":\"/supplier\"}},\"shelf\":{\""
    "$ref\":\"#/$defs/shelf\"},\"default\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,\"default\":3},\"l"
    "abels\":{\"type\":\"array\",\"maxItems\":3,\"uniqueItems\":true,\"items\":{\"type\":\"string\",\"maxLength"
    "\":8}},\"sizes\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":4,\"items\":{\"type\":\"object\",\"addition"
    "alProperties\":false,\"required\":[\"side\",\"length_m\"],\"properties\":{\"side\":{\"type\":\"string\",\""
    "enum\":[\"A\",\"B\"]},\"length_m\":{\"type\":\"integer\",\"minimum\":1}}}},\"packing\":{\"x-discriminator\""
    ":\"how\",\"oneOf\":[{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"how\",\"boxes\"],\""
    "properties\":{\"how\":{\"const\":\"BOXED\"},\"boxes\":{\"$ref\":\"#/$defs/quantity\"}}},{\"type\":\"object"
    "\",\"additionalProperties\":false,\"required\":[\"how\"],\"properties\":{\"how\":{\"const\":\"DEFAULT\"},"
    "\"note\":{\"type\":\"string\",\"maxLength\":9}}}]},\"extra\":{\"x-json\":true}}},\"examples\":{\"valid\":["
    "{\"sku\":\"A-1\",\"kind\":\"PIECE\",\"supplier\":\"0190a5c0-0000-7000-8000-000000000001\"},{\"sku\":\"B-2"
    "\",\"name\":null,\"kind\":\"BULK-GOOD\",\"colour\":\"RED\",\"supplier\":\"0190a5c0-0000-7000-8000-000000"
    "000001\",\"packing\":{\"how\":\"BOXED\",\"boxes\":2},\"extra\":[1,null]}],\"invalid\":[{},{\"sku\":\"a-1\","
    "\"kind\":\"PIECE\",\"supplier\":\"0190a5c0-0000-7000-8000-000000000001\"}]}},\"receive\":{\"descripti"
    "on\":\"More of it has come.\",\"http\":\"POST /items/{id}/receive\",\"roles\":[\"ADMIN\",\"DISPATCHER\""
    ",\"DRIVER:own\"],\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"quantit"
    "y\"],\"properties\":{\"quantity\":{\"$ref\":\"#/$defs/quantity\"}}}},\"reserve\":{\"description\":\"Prom"
    "ises some of it to an order.\",\"by\":\"service\",\"schema\":{\"type\":\"object\",\"additionalProperti"
    "es\":false,\"required\":[\"order\",\"quantity\"],\"properties\":{\"order\":{\"$ref\":\"common.json#/$def"
    "s/id\"},\"quantity\":{\"$ref\":\"#/$defs/quantity\"}}}},\"count_due\":{\"description\":\"Time to count"
    ".\",\"by\":\"wake\"},\"order_answered\":{\"description\":\"What the order said.\",\"by\":\"answer\"}},\"ev"
    "ents\":{\"registered.v1\":{\"description\":\"It is held from now on.\",\"schema\":{\"type\":\"object\","
    "\"additionalProperties\":false,\"required\":[\"sku\",\"supplier\"],\"properties\":{\"sku\":{\"type\":\"st"
    "ring\",\"maxLength\":12},\"supplier\":{\"$ref\":\"common.json#/$defs/id\"},\"phone\":{\"type\":[\"string"
    "\",\"null\"],\"x-format\":\"e164\",\"x-personal\":{\"subject\":\"/supplier\"}},\"shelf\":{\"$ref\":\"#/$defs"
    "/shelf\"}}},\"examples\":{\"valid\":[{\"sku\":\"A-1\",\"supplier\":\"0190a5c0-0000-7000-8000-000000000"
    "001\"}],\"invalid\":[{\"sku\":\"A-1\"}]}},\"received.v1\":{\"schema\":{\"type\":\"object\",\"additionalPro"
    "perties\":false,\"required\":[\"quantity\"],\"properties\":{\"quantity\":{\"$ref\":\"#/$defs/quantity\""
    "}}},\"upcast_to\":\"received.v2\",\"examples\":{\"valid\":[{\"quantity\":7}]}},\"received.v2\":{\"schem"
    "a\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"quantity\",\"shelf\"],\"properti"
    "es\":{\"quantity\":{\"$ref\":\"#/$defs/quantity\"},\"shelf\":{\"$ref\":\"#/$defs/shelf\"}}}},\"reserved."
    "v1\":{\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"order\",\"quantity\""
    "],\"properties\":{\"order\":{\"$ref\":\"common.json#/$defs/id\"},\"quantity\":{\"$ref\":\"#/$defs/quant"
    "ity\"}}}},\"counted.v1\":{\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\""
    ":{}}}}},\"stocktake\":{\"commands\":{\"begin\":{\"http\":\"PUT /stocktakes/{id}\",\"on\":\"any\",\"roles\""
    ":[\"DISPATCHER\"],\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}}},"
    "\"events\":{\"begun.v1\":{\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":"
    "{}}}}}},\"views\":{\"items\":{\"description\":\"What is held.\",\"of\":\"item\",\"http\":{\"list\":\"GET /i"
    "tems\",\"item\":\"GET /items/{id}\"},\"roles\":[\"ADMIN\",\"DISPATCHER\",\"VIEWER+finance.read\",\"DRIVE"
    "R:own\"],\"own\":{\"field\":\"keeper_id\",\"from\":\"kept_from_at\",\"until\":\"kept_until_at\"},\"filters"
    "\":[\"kind\",\"sku\",\"keeper_id\"],\"folded\":[\"sku\"],\"sorts\":[\"registered_at\",\"sku\"],\"default_sor"
    "t\":\"-registered_at\",\"joins\":[{\"view\":\"order_totals\",\"by\":\"order_id\",\"take\":\"total_kop\",\"as"
    "\":\"order_total_kop\"}],\"schema\":{\"type\":\"object\",\"required\":[\"sku\",\"registered_at\"],\"proper"
    "ties\":{\"sku\":{\"type\":\"string\",\"maxLength\":12},\"kind\":{\"type\":\"string\",\"enum\":[\"PIECE\",\"BUL"
    "K-GOOD\"]},\"registered_at\":{\"type\":\"integer\"},\"keeper_id\":{\"type\":[\"string\",\"null\"],\"format"
    "\":\"uuid\"},\"kept_from_at\":{\"type\":[\"integer\",\"null\"]},\"kept_until_at\":{\"type\":[\"integer\",\"n"
    "ull\"]},\"order_id\":{\"type\":[\"string\",\"null\"],\"format\":\"uuid\"},\"cost_kop\":{\"type\":\"integer\","
    "\"x-masked\":[\"DRIVER\",\"VIEWER+finance.read\"]},\"shelves\":{\"type\":\"array\",\"maxItems\":10,\"item"
    "s\":{\"$ref\":\"#/$defs/shelf\"}}}}},\"suppliers\":{\"key\":true,\"follows\":[\"inventory.registered.v"
    "1\",\"orders.placed.v1\"],\"schema\":{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items"
    "\":{\"type\":\"integer\"}}}}},\"refusals\":{\"INVENTORY_INSUFFICIENT\":{\"status\":409,\"params\":{\"fre"
    "e\":{\"type\":\"integer\"},\"sku\":{\"type\":\"string\",\"maxLength\":12}},\"en\":\"Only {free} of {sku} a"
    "re free.\",\"ru\":\"Свободно только {free}, артикул {sku}.\"},\"INVENTORY_C"
    "LOSED\":{\"status\":422,\"en\":\"Closed\077\",\"ru\":\"Закрыто\077\"}},\"follows\":[\"orders.placed.v1\""
    "],\"sends\":[\"orders.confirm\",\"inventory.reserve\"]}",
};
