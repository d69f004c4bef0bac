/* generated_test.c - the C that the schema compiler writes, used as modules and runtime use it.
 * That it compiles says most; here: the tables tell the truth about the structs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/upcast.h"
#include "contracts/inventory.h"
#include "contracts/orders.h"
#include "tests/support/upcasts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const bus_message *
command(const char *type)
{
    const bus_message *m = bus_contract_command(&inventory_contract, bus_str_of(type));

    assert_non_null(m);
    return m;
}

static const bus_message *
event(const char *type)
{
    const bus_message *m = bus_contract_event(&inventory_contract, bus_str_of(type));

    assert_non_null(m);
    return m;
}

static void
assert_text(bus_str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.at, expected, s.len);
}

static const char everything[] =
    "{\"sku\":\"B-2\",\"name\":\"nail\",\"kind\":\"BULK-GOOD\",\"colour\":\"GREEN\","
    "\"supplier\":\"0190a5c0-0000-7000-8000-000000000001\",\"mass_g\":10,\"density\":7.5,"
    "\"fragile\":true,\"best_before\":\"1970-01-03\",\"produced\":\"1970-01-01T00:00:01.500Z\","
    "\"email\":\"a@b.ru\",\"phone\":\"+79001234567\","
    "\"shelf\":{\"row\":4,\"at\":{\"lat_e6\":55750000,\"lon_e6\":37610000}},\"default\":7,"
    "\"labels\":[\"x\",\"y\"],\"sizes\":[{\"side\":\"B\",\"length_m\":2}],"
    "\"packing\":{\"how\":\"BOXED\",\"boxes\":3},\"extra\":{\"a\":[1]}}";

/* Every member at its place, and back to the same bytes. */
static void
test_struct_and_json(void **state)
{
    bus_arena                 arena = {0};
    bus_problems              problems = {.count = 0};
    bus_buf                   out = {0};
    struct inventory_register c;

    (void)state;
    assert_int_equal(command("inventory.register")->shape->size, sizeof(c));
    if (bus_decode(inventory_register_command.shape, bus_str_of(everything), &arena, &c,
                   &problems) != BUS_OK)
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].message);
    assert_text(c.sku, "B-2");
    assert_true(c.has_name);
    assert_text(c.name, "nail");
    assert_int_equal(c.kind, INVENTORY_REGISTER_KIND_BULK_GOOD);
    assert_true(c.has_colour);
    assert_int_equal(c.colour, COMMON_COLOUR_GREEN);
    assert_true(c.has_mass_g);
    assert_int_equal(c.mass_g, 10);
    assert_true(c.has_density && c.density > 7.4 && c.density < 7.6);
    assert_true(c.fragile);
    assert_int_equal(c.best_before, 2);
    assert_int_equal(c.produced, 1500);
    assert_text(c.email, "a@b.ru");
    assert_text(c.phone, "+79001234567");
    assert_true(c.has_shelf && c.shelf.has_at);
    assert_int_equal(c.shelf.row, 4);
    assert_int_equal(c.shelf.at.lon_e6, 37610000);
    assert_int_equal(c.default_, 7);
    assert_int_equal(c.labels.count, 2);
    assert_text(c.labels.items[1], "y");
    assert_int_equal(c.sizes.count, 1);
    assert_int_equal(c.sizes.items[0].side, INVENTORY_REGISTER_SIZES_ITEM_SIDE_B);
    assert_int_equal(c.sizes.items[0].length_m, 2);
    assert_true(c.has_packing);
    assert_int_equal(c.packing.kind, INVENTORY_REGISTER_PACKING_BOXED);
    assert_int_equal(c.packing.boxed.boxes, 3);
    assert_text(c.extra, "{\"a\":[1]}");

    bus_encode(inventory_register_command.shape, &c, &out);
    assert_text(bus_buf_str(&out), everything);
    bus_buf_fini(&out);
    bus_arena_fini(&arena);
}

static void
test_absent_members_and_defaults(void **state)
{
    bus_arena                 arena = {0};
    bus_problems              problems = {.count = 0};
    struct inventory_register c;
    struct inventory_settings settings;

    (void)state;
    assert_int_equal(bus_decode(inventory_register_command.shape,
                                BUS_STR("{\"sku\":\"A\",\"kind\":\"PIECE\",\"name\":null,"
                                        "\"supplier\":\"0190a5c0-0000-7000-8000-000000000001\","
                                        "\"packing\":{\"how\":\"DEFAULT\"}}"),
                                &arena, &c, &problems),
                     BUS_OK);
    assert_false(c.has_name || c.has_colour || c.has_mass_g || c.has_density || c.has_shelf);
    assert_false(c.has_labels || c.has_sizes || c.has_extra || c.has_phone || c.has_email);
    assert_false(c.fragile);
    assert_int_equal(c.default_, 3);
    assert_int_equal(c.packing.kind, INVENTORY_REGISTER_PACKING_DEFAULT);
    assert_false(c.packing.default_.has_note);

    assert_int_equal(
        bus_decode(inventory_contract.settings, BUS_STR("{}"), &arena, &settings, &problems),
        BUS_OK);
    assert_int_equal(settings.low_count, 5);
    assert_text(settings.greeting, "Здравствуйте");
    assert_true(settings.strict);
    bus_arena_fini(&arena);
}

/* Bounds reach the tables. */
static void
test_bounds(void **state)
{
    static const struct {
        const char *member, *pointer;
    } wrong[] = {
        {"\"mass_g\":1000000", "/mass_g"},
        {"\"mass_g\":3", "/mass_g"},
        {"\"density\":0", "/density"},
        {"\"density\":22.7", "/density"},
        {"\"labels\":[\"x\",\"x\"]", "/labels/1"},
        {"\"sizes\":[]", "/sizes"},
        {"\"shelf\":{\"row\":100}", "/shelf/row"},
        {"\"default\":10", "/default"},
        {"\"packing\":{\"how\":\"X\"}", "/packing/how"},
        {"\"more\":1", "/more"},
        {"\"shelf\":{\"row\":1,\"at\":{\"lat_e6\":90000001,\"lon_e6\":0}}", "/shelf/at/lat_e6"},
    };
    bus_arena                 arena = {0};
    struct inventory_register c;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bus_problems problems = {.count = 0};
        bus_str      text = bus_arena_printf(&arena,
                                             "{\"sku\":\"A\",\"kind\":\"PIECE\",\"supplier\":"
                                                  "\"0190a5c0-0000-7000-8000-000000000001\",%s}",
                                             wrong[i].member);

        assert_int_equal(bus_decode(inventory_register_command.shape, text, &arena, &c, &problems),
                         BUS_INVALID);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.items[0].pointer, wrong[i].pointer);
    }
    bus_arena_fini(&arena);
}

static void
test_messages(void **state)
{
    const bus_message *m = command("inventory.register");

    (void)state;
    assert_ptr_equal(m, &inventory_register_command);
    assert_string_equal(m->name, "register");
    assert_ptr_equal(m->aggregate, &inventory_item);
    assert_int_equal(m->kind, INVENTORY_REGISTER);
    assert_int_equal(m->on, BUS_ON_NEW);
    assert_int_equal(m->by, BUS_BY_CLIENT);
    assert_string_equal(m->http_method, "POST");
    assert_string_equal(m->http_path, "/items");
    assert_int_equal(m->roles, BUS_ROLE_ADMIN);
    assert_int_equal(m->roles_own, 0);

    m = command("inventory.receive");
    assert_int_equal(m->on, BUS_ON_EXISTING);
    assert_int_equal(m->roles, BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER);
    assert_int_equal(m->roles_own, BUS_ROLE_DRIVER);

    assert_int_equal(command("inventory.reserve")->by, BUS_BY_SERVICE);
    assert_null(command("inventory.reserve")->http_path);
    assert_int_equal(command("inventory.count_due")->by, BUS_BY_WAKE);
    assert_int_equal(command("inventory.count_due")->shape->fields_count, 0);
    assert_int_equal(command("inventory.order_answered")->by, BUS_BY_ANSWER);
    assert_null(command("inventory.order_answered")->shape);
    assert_int_equal(command("inventory.begin")->on, BUS_ON_ANY);

    m = event("inventory.received.v2");
    assert_ptr_equal(m, &inventory_received_v2_event);
    assert_string_equal(m->name, "received");
    assert_int_equal(m->version, 2);
    assert_int_equal(m->kind, INVENTORY_RECEIVED_V2);
    assert_null(m->upcast_to);
    assert_int_equal(event("inventory.received.v1")->version, 1);
    assert_ptr_equal(event("inventory.received.v1")->upcast_to, m);
    assert_ptr_equal(bus_message_newest(event("inventory.received.v1")), m);
    assert_ptr_equal(bus_message_newest(m), m);
}

/* What nobody emits any more is known, but stands in no union. */
static void
test_a_superseded_event_is_read_as_the_newest(void **state)
{
    const bus_message                  *type = event("inventory.received.v1");
    bus_arena                           arena = {0};
    bus_error                           err;
    void                               *data;
    const struct inventory_received_v2 *received;

    (void)state;
    assert_int_equal(inventory_item.superseded_count, 1);
    for (int i = 0; i < inventory_item.events_count; i++)
        assert_int_equal(inventory_item.events[i]->kind, i);
    for (int i = 0; i < inventory_contract.views_count; i++)
        for (int f = 0; f < inventory_contract.views[i]->follows_count; f++)
            assert_ptr_not_equal(inventory_contract.views[i]->follows[f], type);
    assert_int_equal(bus_event_decode(&type, BUS_STR("{\"quantity\":9}"), &arena, &data, &err),
                     BUS_OK);
    assert_ptr_equal(type, &inventory_received_v2_event);
    received = data;
    assert_int_equal(received->quantity, 9);
    assert_int_equal(received->shelf.row, 1);
    type = event("inventory.received.v1");
    assert_int_equal(bus_event_decode(&type, BUS_STR("{\"amount\":9}"), &arena, &data, &err),
                     BUS_FAULT);
    bus_arena_fini(&arena);
    assert_int_equal(tests_upcasts_are_valid(&inventory_contract), 1);
}

/* kind is the index, and the data lies where the tables say. */
static void
test_tagged_unions(void **state)
{
    struct inventory_item_command c = {.kind = INVENTORY_RECEIVE, .receive = {.quantity = 5}};
    struct inventory_item_event   e = {.kind = INVENTORY_RESERVED, .reserved = {.quantity = 6}};
    struct inventory_receive      received;
    struct inventory_reserved     reserved;

    (void)state;
    assert_int_equal(inventory_item.command_size, sizeof(c));
    assert_int_equal(inventory_item.event_size, sizeof(e));
    memcpy(&received, (const char *)&c + inventory_item.command_data_offset, sizeof(received));
    memcpy(&reserved, (const char *)&e + inventory_item.event_data_offset, sizeof(reserved));
    assert_int_equal(received.quantity, 5);
    assert_int_equal(reserved.quantity, 6);
    assert_int_equal(inventory_item.commands_count, 5);
    assert_int_equal(inventory_item.events_count, 4);
    for (int i = 0; i < inventory_item.commands_count; i++)
        assert_int_equal(inventory_item.commands[i]->kind, i);
    for (int i = 0; i < inventory_item.events_count; i++)
        assert_int_equal(inventory_item.events[i]->kind, i);
    assert_int_equal(inventory_contract.aggregates_count, 2);
    assert_ptr_equal(inventory_contract.aggregates[1], &inventory_stocktake);
    assert_ptr_equal(inventory_item.contract, &inventory_contract);
}

static void
test_refusals(void **state)
{
    const bus_refusal *r =
        bus_contract_refusal(&inventory_contract, BUS_STR("INVENTORY_INSUFFICIENT"));
    const struct inventory_insufficient_params params = {.free = 2, .sku = BUS_STR("A")};
    bus_buf                                    out = {0};

    (void)state;
    assert_ptr_equal(r, INVENTORY_INSUFFICIENT);
    assert_int_equal(r->status, 409);
    assert_string_equal(r->en, "Only {free} of {sku} are free.");
    assert_string_equal(r->ru, "Свободно только {free}, артикул {sku}.");
    bus_encode(r->params, &params, &out);
    assert_text(bus_buf_str(&out), "{\"free\":2,\"sku\":\"A\"}");
    bus_buf_fini(&out);
    assert_int_equal(INVENTORY_CLOSED->status, 422);
    assert_null(INVENTORY_CLOSED->params);
    assert_string_equal(INVENTORY_CLOSED->en, "Closed?"); /* no trigraphs, no escapes left */
}

static const bus_column *
column(const bus_view_contract *v, const char *name)
{
    for (int i = 0; i < v->columns_count; i++)
        if (strcmp(v->columns[i].name, name) == 0)
            return &v->columns[i];
    fail_msg("no column %s", name);
    return NULL;
}

static void
test_views(void **state)
{
    const bus_view_contract *v = bus_contract_view(&inventory_contract, BUS_STR("items"));

    (void)state;
    assert_ptr_equal(v, &items_view);
    assert_ptr_equal(v->of, &inventory_item);
    assert_int_equal(v->row->size, sizeof(struct items_row));
    assert_string_equal(v->http_list, "/items");
    assert_string_equal(v->http_item, "/items/{id}");
    assert_int_equal(v->roles, BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER);
    assert_int_equal(v->roles_own, BUS_ROLE_DRIVER);
    assert_int_equal(v->roles_granted, BUS_ROLE_VIEWER);
    assert_int_equal(v->grants, BUS_GRANT_FINANCE_READ);
    assert_string_equal(v->own, "keeper_id");
    assert_string_equal(v->own_from, "kept_from_at");
    assert_string_equal(v->own_until, "kept_until_at");
    assert_string_equal(v->default_sort, "-registered_at");

    assert_true(column(v, "kind")->filter && !column(v, "kind")->sort);
    assert_true(column(v, "sku")->filter && column(v, "sku")->sort);
    assert_true(!column(v, "registered_at")->filter && column(v, "registered_at")->sort);
    assert_false(column(v, "kept_until_at")->filter || column(v, "kept_until_at")->sort);
    assert_string_equal(column(v, "sku")->field->name, "sku");
    assert_int_equal(column(v, "sku")->field->offset, offsetof(struct items_row, sku));

    assert_int_equal(v->joins_count, 1);
    assert_string_equal(v->joins[0].view, "order_totals");
    assert_string_equal(v->joins[0].by, "order_id");
    assert_string_equal(v->joins[0].take, "total_kop");
    assert_string_equal(v->joins[0].as, "order_total_kop");
    assert_int_equal(v->follows_count, 4); /* all of its aggregate */

    assert_null(suppliers_view.of);
    assert_int_equal(suppliers_view.follows_count, 2);
    assert_ptr_equal(suppliers_view.follows[1], &orders_placed_event);
    assert_true(items_view.hash != 0 && items_view.hash != suppliers_view.hash);
}

static const bus_field *
field(const bus_shape *shape, const char *name)
{
    for (uint32_t i = 0; i < shape->fields_count; i++)
        if (strcmp(shape->fields[i].name, name) == 0)
            return &shape->fields[i];
    fail_msg("no member %s", name);
    return NULL;
}

static void
test_marks_on_members(void **state)
{
    (void)state;
    assert_string_equal(field(inventory_registered_event.shape, "phone")->personal, "/supplier");
    assert_true(field(inventory_registered_event.shape, "phone")->nullable);
    assert_null(field(inventory_registered_event.shape, "sku")->personal);
    assert_string_equal(field(items_view.row, "cost_kop")->masked_for,
                        "DRIVER VIEWER+finance.read");
    assert_null(field(items_view.row, "sku")->masked_for);
}

static void
test_between_domains(void **state)
{
    (void)state;
    assert_int_equal(inventory_contract.follows_count, 1);
    assert_ptr_equal(inventory_contract.follows[0], &orders_placed_event);
    assert_int_equal(inventory_contract.sends_count, 2);
    assert_ptr_equal(inventory_contract.sends[0], &orders_confirm_command);
    assert_ptr_equal(inventory_contract.sends[1], &inventory_reserve_command);
    assert_ptr_equal(orders_contract.follows[0], &inventory_reserved_event);
    assert_null(orders_contract.settings);
}

/* The contract's own text is the file's, but for white space. */
static void
test_text_of_the_contract(void **state)
{
    json_t *json = json_loads(inventory_contract.json, 0, NULL);

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "module")), "inventory");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "description"), "ru")),
        "Что у нас есть и сколько обещано.");
    assert_int_equal(json_object_size(json_object_get(json, "views")), 2);
    json_decref(json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_struct_and_json),
        cmocka_unit_test(test_absent_members_and_defaults),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_a_superseded_event_is_read_as_the_newest),
        cmocka_unit_test(test_tagged_unions),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_marks_on_members),
        cmocka_unit_test(test_between_domains),
        cmocka_unit_test(test_text_of_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
