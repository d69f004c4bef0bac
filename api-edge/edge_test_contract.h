/* edge_test_contract.h - a small domain written by hand, for the tests of the edge: vehicles of a
 * depot and the people who drive them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_EDGE_TEST_CONTRACT_H
#define API_EDGE_EDGE_TEST_CONTRACT_H

#include "bus/module/module.h"

#include <stdint.h>

static const bus_shape plate_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .minimum = 3, .maximum = 16};
static const bus_shape text_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .minimum = 0, .maximum = 100};
static const bus_shape metres_shape = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = 0, .maximum = INT64_C(5000000000)};
static const bus_shape   time_shape = {.kind = BUS_KIND_TIME, .size = sizeof(int64_t)};
static const bus_shape   uuid_shape = {.kind = BUS_KIND_UUID, .size = sizeof(bus_id)};
static const bus_shape   bool_shape = {.kind = BUS_KIND_BOOL, .size = sizeof(bool)};
static const bus_shape   date_shape = {.kind = BUS_KIND_DATE, .size = sizeof(int32_t)};
static const bus_shape   number_shape = {.kind = BUS_KIND_NUMBER,
                                         .size = sizeof(double),
                                         .number_minimum = -1e18,
                                         .number_maximum = 1e18};
static const char *const status_names[] = {"AVAILABLE", "IN_USE", "RETIRED"};
static const bus_shape   status_shape = {
      .kind = BUS_KIND_ENUM, .size = sizeof(int32_t), .names = status_names, .names_count = 3};

/* --- commands ------------------------------------------------------------ */

struct depot_register {
    bus_str plate;
    bool    has_odometer_m;
    int64_t odometer_m;
};
static const bus_field register_fields[] = {
    {.name = "plate",
     .shape = &plate_shape,
     .offset = offsetof(struct depot_register, plate),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
    {.name = "odometer_m",
     .shape = &metres_shape,
     .offset = offsetof(struct depot_register, odometer_m),
     .has_offset = offsetof(struct depot_register, has_odometer_m)},
};
static const bus_shape register_shape = {.kind = BUS_KIND_OBJECT,
                                         .size = sizeof(struct depot_register),
                                         .fields = register_fields,
                                         .fields_count = 2};

struct depot_record {
    int64_t odometer_m;
};
static const bus_field record_fields[] = {
    {.name = "odometer_m",
     .shape = &metres_shape,
     .offset = offsetof(struct depot_record, odometer_m),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
};
static const bus_shape record_shape = {.kind = BUS_KIND_OBJECT,
                                       .size = sizeof(struct depot_record),
                                       .fields = record_fields,
                                       .fields_count = 1};

static const bus_aggregate_contract depot_vehicle;
static const bus_contract           depot_contract;

static const bus_message        register_command = {.type = "depot.register",
                                                    .name = "register",
                                                    .aggregate = &depot_vehicle,
                                                    .shape = &register_shape,
                                                    .on = BUS_ON_NEW,
                                                    .http_method = "POST",
                                                    .http_path = "/vehicles",
                                                    .roles = BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER};
static const bus_message        record_command = {.type = "depot.record_odometer",
                                                  .name = "record_odometer",
                                                  .aggregate = &depot_vehicle,
                                                  .shape = &record_shape,
                                                  .kind = 1,
                                                  .http_method = "POST",
                                                  .http_path = "/vehicles/{id}/odometer",
                                                  .roles = BUS_ROLE_ADMIN,
                                                  .roles_own = BUS_ROLE_DRIVER};
static const bus_message        hidden_command = {.type = "depot.hide",
                                                  .name = "hide",
                                                  .aggregate = &depot_vehicle,
                                                  .shape = &record_shape,
                                                  .kind = 2,
                                                  .by = BUS_BY_SERVICE};
static const bus_message *const vehicle_commands[] = {&register_command, &record_command,
                                                      &hidden_command};
/* --- events -------------------------------------------------------------- */

struct depot_registered {
    bus_str plate;
};
struct depot_given { /* to a driver, or back */
    bool   has_driver_id;
    bus_id driver_id;
};
struct depot_moved {
    int64_t odometer_m;
};
#define EVENT(type, member) .name = #member, .offset = offsetof(struct type, member)
static const bus_field   registered_field = {EVENT(depot_registered, plate), .shape = &plate_shape,
                                             .has_offset = BUS_NO_OFFSET, .required = true};
static const bus_field   given_field = {EVENT(depot_given, driver_id), .shape = &uuid_shape,
                                        .has_offset = offsetof(struct depot_given, has_driver_id),
                                        .nullable = true};
static const bus_field   moved_field = {EVENT(depot_moved, odometer_m), .shape = &metres_shape,
                                        .has_offset = BUS_NO_OFFSET, .required = true};
static const bus_shape   registered_shape = {.kind = BUS_KIND_OBJECT,
                                             .size = sizeof(struct depot_registered),
                                             .fields = &registered_field,
                                             .fields_count = 1};
static const bus_shape   given_shape = {.kind = BUS_KIND_OBJECT,
                                        .size = sizeof(struct depot_given),
                                        .fields = &given_field,
                                        .fields_count = 1};
static const bus_shape   moved_shape = {.kind = BUS_KIND_OBJECT,
                                        .size = sizeof(struct depot_moved),
                                        .fields = &moved_field,
                                        .fields_count = 1};
static const bus_message registered_event = {.type = "depot.registered.v1",
                                             .name = "registered",
                                             .aggregate = &depot_vehicle,
                                             .shape = &registered_shape,
                                             .version = 1};
static const bus_message given_event = {.type = "depot.given.v1",
                                        .name = "given",
                                        .aggregate = &depot_vehicle,
                                        .shape = &given_shape,
                                        .kind = 1,
                                        .version = 1};
static const bus_message moved_event = {.type = "depot.moved.v1",
                                        .name = "moved",
                                        .aggregate = &depot_vehicle,
                                        .shape = &moved_shape,
                                        .kind = 2,
                                        .version = 1};
static const bus_message *const vehicle_events[] = {&registered_event, &given_event, &moved_event};

static const bus_aggregate_contract depot_vehicle = {.name = "vehicle",
                                                     .contract = &depot_contract,
                                                     .commands = vehicle_commands,
                                                     .commands_count = 3,
                                                     .events = vehicle_events,
                                                     .events_count = 3,
                                                     .event_size = 32,
                                                     .event_data_offset = 8};

/* --- views --------------------------------------------------------------- */

struct vehicles_row {
    int32_t status;
    bus_str plate;
    int64_t registered_at;
    bool    has_odometer_m;
    int64_t odometer_m;
    bool    has_driver_id;
    bus_id  driver_id;
    bool    has_from_at;
    int64_t from_at;
    bool    has_until_at;
    int64_t until_at;
    bool    electric;
    int32_t made_on;
    double  load_factor;
    bus_str phone;
    int64_t price_kop;
};
#define ROW(type, member) .name = #member, .offset = offsetof(struct type, member)
#define SURE .has_offset = BUS_NO_OFFSET, .required = true
static const bus_field vehicles_fields[] = {
    {ROW(vehicles_row, status), .shape = &status_shape, SURE},
    {ROW(vehicles_row, plate), .shape = &plate_shape, SURE},
    {ROW(vehicles_row, registered_at), .shape = &time_shape, SURE},
    {ROW(vehicles_row, odometer_m), .shape = &metres_shape,
     .has_offset = offsetof(struct vehicles_row, has_odometer_m), .nullable = true},
    {ROW(vehicles_row, driver_id), .shape = &uuid_shape,
     .has_offset = offsetof(struct vehicles_row, has_driver_id), .nullable = true},
    {ROW(vehicles_row, from_at), .shape = &metres_shape,
     .has_offset = offsetof(struct vehicles_row, has_from_at), .nullable = true},
    {ROW(vehicles_row, until_at), .shape = &metres_shape,
     .has_offset = offsetof(struct vehicles_row, has_until_at), .nullable = true},
    {ROW(vehicles_row, electric), .shape = &bool_shape, SURE},
    {ROW(vehicles_row, made_on), .shape = &date_shape, SURE},
    {ROW(vehicles_row, load_factor), .shape = &number_shape, SURE},
    {ROW(vehicles_row, phone), .shape = &text_shape, SURE, .masked_for = "VIEWER"},
    {ROW(vehicles_row, price_kop), .shape = &metres_shape, SURE,
     .masked_for = "DRIVER VIEWER+finance.read"},
};
static const bus_shape  vehicles_shape = {.kind = BUS_KIND_OBJECT,
                                          .size = sizeof(struct vehicles_row),
                                          .fields = vehicles_fields,
                                          .fields_count = 12};
static const bus_column vehicles_columns[] = {
    {.name = "status", .field = &vehicles_fields[0], .filter = true},
    {.name = "plate", .field = &vehicles_fields[1], .filter = true, .sort = true},
    {.name = "registered_at", .field = &vehicles_fields[2], .filter = true, .sort = true},
    {.name = "odometer_m", .field = &vehicles_fields[3], .filter = true, .sort = true},
    {.name = "driver_id", .field = &vehicles_fields[4], .filter = true},
    {.name = "from_at", .field = &vehicles_fields[5]},
    {.name = "until_at", .field = &vehicles_fields[6]},
    {.name = "electric", .field = &vehicles_fields[7], .filter = true},
    {.name = "made_on", .field = &vehicles_fields[8], .filter = true},
    {.name = "load_factor", .field = &vehicles_fields[9], .filter = true},
    {.name = "phone", .field = &vehicles_fields[10], .filter = true},
    {.name = "price_kop", .field = &vehicles_fields[11], .filter = true, .sort = true},
};

struct people_row {
    bus_str full_name, phone;
    int64_t pay_kop;
};
static const bus_field people_fields[] = {
    {ROW(people_row, full_name), .shape = &text_shape, SURE},
    {ROW(people_row, phone), .shape = &text_shape, SURE, .masked_for = "VIEWER"},
    {ROW(people_row, pay_kop), .shape = &metres_shape, SURE,
     .masked_for = "DISPATCHER VIEWER+finance.read"},
};
static const bus_shape people_shape = {.kind = BUS_KIND_OBJECT,
                                       .size = sizeof(struct people_row),
                                       .fields = people_fields,
                                       .fields_count = 3};

static const bus_join vehicles_joins[] = {
    {.view = "people", .by = "driver_id", .take = "full_name", .as = "driver_name"},
    {.view = "people", .by = "driver_id", .take = "phone", .as = "driver_phone"},
    {.view = "people", .by = "driver_id", .take = "pay_kop", .as = "driver_pay_kop"},
};
static const bus_view_contract vehicles_contract = {.name = "vehicles",
                                                    .contract = &depot_contract,
                                                    .of = &depot_vehicle,
                                                    .row = &vehicles_shape,
                                                    .http_list = "/vehicles",
                                                    .http_item = "/vehicles/{id}",
                                                    .roles = BUS_ROLE_ADMIN | BUS_ROLE_VIEWER,
                                                    .roles_own = BUS_ROLE_DRIVER,
                                                    .own = "driver_id",
                                                    .own_from = "from_at",
                                                    .own_until = "until_at",
                                                    .columns = vehicles_columns,
                                                    .columns_count = 12,
                                                    .joins = vehicles_joins,
                                                    .joins_count = 3,
                                                    .default_sort = "-registered_at",
                                                    .follows = vehicle_events,
                                                    .follows_count = 3,
                                                    .hash = 0x1122334455667788};
static const bus_view_contract people_contract = {.name = "people",
                                                  .contract = &depot_contract,
                                                  .row = &people_shape,
                                                  .http_list = "/people",
                                                  .http_item = "/people/{id}",
                                                  .roles = BUS_ROLE_ADMIN,
                                                  .roles_granted = BUS_ROLE_VIEWER,
                                                  .grants = BUS_GRANT_FINANCE_READ,
                                                  .hash = 0x99aabbccddeeff00};
static const bus_view_contract lost_contract = {
    .name = "lost",
    .contract = &depot_contract,
    .row = &people_shape,
    .http_item = "/lost/{id}",
    .roles = BUS_ROLE_ADMIN,
    .hash = 0x42 /* its table is not made */
};
static void
project_vehicles(void *state, const bus_event *event, bus_projection *out)
{
    struct vehicles_row *row = state;

    if (event->type == &registered_event) {
        row->plate = ((const struct depot_registered *)event->data)->plate;
        row->registered_at = event->at_ms;
        row->phone = bus_row_printf(out, "+7%d", 222);
    } else if (event->type == &given_event) {
        const struct depot_given *e = event->data;

        row->has_driver_id = row->has_from_at = e->has_driver_id;
        row->driver_id = e->driver_id;
        row->from_at = 1;
    } else {
        row->has_odometer_m = true;
        row->odometer_m = ((const struct depot_moved *)event->data)->odometer_m;
    }
}

static const bus_view vehicles_view = {
    .of = &vehicles_contract, .view_version = 1, .project = project_vehicles};
static const bus_view        people_view = {.of = &people_contract, .view_version = 1};
static const bus_view        lost_view = {.of = &lost_contract, .view_version = 1};
static const bus_view *const depot_views[] = {&vehicles_view, &people_view, &lost_view};

static const bus_aggregate_contract *const depot_aggregates[] = {&depot_vehicle};
static const bus_refusal                   depot_refusals[] = {
                      {.code = "VEHICLE_ODOMETER_BACK",
                       .status = 409,
                       .en = "The odometer cannot go back: the last reading is {last_m} m.",
                       .ru = "Одометр не может идти назад: последнее показание {last_m} м."},
};
static const bus_contract        depot_contract = {.module = "depot",
                                                   .aggregates = depot_aggregates,
                                                   .aggregates_count = 1,
                                                   .refusals = depot_refusals,
                                                   .refusals_count = 1};
static const bus_contract *const all_contracts[] = {&depot_contract};

#endif
