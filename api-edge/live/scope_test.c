/* scope_test.c - who sees which events and what of them, by the views of a small contract.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

/* --- the contract: people with a view, and a ledger without one ----------- */

static const bus_shape text_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .maximum = 100};
static const bus_shape int_shape = {.kind = BUS_KIND_INT, .size = sizeof(int64_t)};
static const bus_shape uuid_shape = {.kind = BUS_KIND_UUID, .size = sizeof(bus_id)};

#define FIELD(n, s) .name = (n), .shape = (s), .has_offset = BUS_NO_OFFSET, .required = true

static const bus_field row_fields[] = {
    {FIELD("driver_id", &uuid_shape)},
    {FIELD("full_name", &text_shape), .personal = ""},
    {FIELD("phone", &text_shape), .personal = "", .masked_for = "VIEWER"},
    {FIELD("price_kop", &int_shape), .masked_for = "DRIVER VIEWER+finance.read"},
};
static const bus_shape row_shape = {
    .kind = BUS_KIND_OBJECT, .fields = row_fields, .fields_count = 4};

static const bus_field pay_fields[] = {
    {FIELD("note", &text_shape)},
    {FIELD("per_km_kop", &int_shape)},
};
static const bus_shape pay_shape = {
    .kind = BUS_KIND_OBJECT, .fields = pay_fields, .fields_count = 2};
static const bus_shape pays_shape = {.kind = BUS_KIND_ARRAY, .item = &pay_shape};

static const bus_field hired_fields[] = {
    {FIELD("full_name", &text_shape), .personal = ""},
    {FIELD("phone", &text_shape), .personal = ""}, /* not masked here: the view tells */
    {FIELD("passport", &text_shape), .personal = ""},
    {FIELD("price_kop", &int_shape)},
    {FIELD("hidden", &text_shape), .masked_for = "DISPATCHER"},
    {FIELD("pays", &pays_shape)},
    {FIELD("secret", &text_shape), .masked_for = "ADMIN DISPATCHER DRIVER VIEWER"},
};
static const bus_shape hired_shape = {
    .kind = BUS_KIND_OBJECT, .fields = hired_fields, .fields_count = 7};

static const bus_contract           contract;
static const bus_aggregate_contract person, ledger, confidential;
static const bus_message            hired = {
               .type = "people.hired.v1", .name = "hired", .aggregate = &person, .shape = &hired_shape};
static const bus_message booked = {
    .type = "people.booked.v1", .name = "booked", .aggregate = &ledger, .shape = &pay_shape};
static const bus_message        confided = {.type = "people.confided.v1",
                                            .name = "confided",
                                            .aggregate = &confidential,
                                            .shape = &hired_shape};
static const bus_message *const confidential_events[] = {&confided};
static const bus_message *const person_events[] = {&hired}, *const ledger_events[] = {&booked};
static const bus_aggregate_contract person = {
    .name = "person", .contract = &contract, .events = person_events, .events_count = 1};
static const bus_aggregate_contract ledger = {
    .name = "ledger", .contract = &contract, .events = ledger_events, .events_count = 1};
/* Its events tell more than its view, which all of them read. */
static const bus_aggregate_contract        confidential = {.name = "confidential",
                                                           .contract = &contract,
                                                           .events = confidential_events,
                                                           .events_count = 1,
                                                           .feed_roles = BUS_ROLE_ADMIN | BUS_ROLE_VIEWER};
static const bus_aggregate_contract *const aggregates[] = {&person, &ledger, &confidential};

static const bus_column        columns[] = {{.name = "driver_id", .field = &row_fields[0]}};
static const bus_view_contract people_view = {
    .name = "people",
    .contract = &contract,
    .of = &person,
    .row = &row_shape,
    .roles = BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER | BUS_ROLE_VIEWER,
    .roles_own = BUS_ROLE_DRIVER,
    .own = "driver_id",
    .columns = columns,
    .columns_count = 1,
};
/* Masked for the only role that may read it. */
static const bus_field paper_fields[] = {
    {FIELD("passport", &text_shape), .personal = "", .masked_for = "DISPATCHER"},
};
static const bus_shape paper_shape = {
    .kind = BUS_KIND_OBJECT, .fields = paper_fields, .fields_count = 1};
static const bus_view_contract papers_view = {.name = "papers",
                                              .contract = &contract,
                                              .of = &person,
                                              .row = &paper_shape,
                                              .roles = BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER};
static const bus_view_contract confidences_view = {
    .name = "confidences",
    .contract = &contract,
    .of = &confidential,
    .row = &row_shape,
    .roles = BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER | BUS_ROLE_VIEWER,
    .roles_own = BUS_ROLE_DRIVER,
    .own = "driver_id",
    .columns = columns,
    .columns_count = 1,
};
static const bus_view_contract *const contract_views[] = {&people_view, &papers_view,
                                                          &confidences_view};
static const bus_contract             contract = {.module = "people",
                                                  .aggregates = aggregates,
                                                  .aggregates_count = 3,
                                                  .views = contract_views,
                                                  .views_count = 3};

static const bus_view        people = {.of = &people_view, .view_version = 1};
static const bus_view        papers = {.of = &papers_view, .view_version = 1};
static const bus_view        confidences = {.of = &confidences_view, .view_version = 1};
static const bus_view *const views[] = {&people, &papers, &confidences};

static edge e;

static int
set_up(void **state)
{
    bus_error err;

    (void)state;
    e.options.views = views;
    e.options.views_count = 3;
    return edge_views_open(&e, &err) == BUS_OK ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    edge_views_close(&e);
    return 0;
}

/* --- who ------------------------------------------------------------------ */

static edge_feed_scope
scope_with(uint32_t roles, uint32_t grants, bool expected)
{
    const bus_actor actor = {.roles = roles, .grants = grants};
    edge_feed_scope scope;

    assert_true(edge_feed_scope_of(&e, &contract, &actor, &scope) == expected);
    return scope;
}

static edge_feed_scope
scope_of(uint32_t roles, bool expected)
{
    return scope_with(roles, 0, expected);
}

static void
test_who(void **state)
{
    edge_feed_scope admin = scope_of(BUS_ROLE_ADMIN, true);
    edge_feed_scope dispatcher = scope_of(BUS_ROLE_DISPATCHER, true);
    edge_feed_scope driver = scope_of(BUS_ROLE_DRIVER, true);
    edge_feed_scope both = scope_of(BUS_ROLE_DRIVER | BUS_ROLE_VIEWER, true);

    (void)state;
    (void)scope_of(0, false);
    assert_int_equal(edge_feed_access(&admin, &hired)->sees, EDGE_SEES_ALL);
    assert_int_equal(edge_feed_access(&admin, &booked)->sees, EDGE_SEES_ALL);
    assert_int_equal(edge_feed_access(&admin, NULL)->sees, EDGE_SEES_ALL); /* a durable refusal */
    assert_int_equal(edge_feed_access(&dispatcher, &hired)->sees, EDGE_SEES_ALL);
    assert_int_equal(edge_feed_access(&dispatcher, &booked)->sees, EDGE_SEES_NONE);
    assert_int_equal(edge_feed_access(&dispatcher, NULL)->sees, EDGE_SEES_NONE);
    assert_int_equal(edge_feed_access(&driver, &hired)->sees, EDGE_SEES_OWN);
    assert_ptr_equal(edge_feed_access(&driver, &hired)->own, &e.views[0]);
    assert_int_equal(edge_feed_access(&driver, &booked)->sees, EDGE_SEES_NONE);
    assert_int_equal(edge_feed_access(&both, &hired)->sees, EDGE_SEES_ALL);
    assert_int_equal(edge_feed_access(&admin, &confided)->sees, EDGE_SEES_ALL);
    assert_int_equal(edge_feed_access(&dispatcher, &confided)->sees, EDGE_SEES_NONE);
    assert_int_equal(edge_feed_access(&driver, &confided)->sees, EDGE_SEES_NONE);
    assert_int_equal(edge_feed_access(&both, &confided)->sees, EDGE_SEES_ALL); /* the VIEWER's */
    assert_int_equal(edge_feed_access(&both, &confided)->reader.roles, BUS_ROLE_VIEWER);
}

/* --- what ----------------------------------------------------------------- */

static const char whole[] =
    "{\"full_name\":\"A\",\"phone\":\"1\",\"passport\":\"2\",\"price_kop\":3,\"hidden\":\"h\","
    "\"pays\":[{\"note\":\"n\",\"per_km_kop\":4}],\"secret\":\"s\"}";

static void
check_granted(uint32_t roles, uint32_t grants, const char *expected)
{
    edge_feed_scope scope = scope_with(roles, grants, true);
    bus_buf         out = {0};

    edge_event_data(&scope, &hired, edge_feed_access(&scope, &hired), bus_str_of(whole), &out);
    assert_string_equal(out.at, expected);
    bus_buf_fini(&out);
}

static void
check_data(uint32_t roles, const char *expected)
{
    check_granted(roles, 0, expected);
}

static void
test_what(void **state)
{
    (void)state;
    /* All but secrets, which nobody is told. */
    check_data(BUS_ROLE_ADMIN,
               "{\"full_name\":\"A\",\"phone\":\"1\",\"passport\":\"2\",\"price_kop\":3,"
               "\"hidden\":\"h\",\"pays\":[{\"note\":\"n\",\"per_km_kop\":4}],"
               "\"secret\":null}");
    /* A personal member and an amount that no view shows, and what the event itself masks. */
    check_data(BUS_ROLE_DISPATCHER,
               "{\"full_name\":\"A\",\"phone\":\"1\",\"passport\":null,\"price_kop\":3,"
               "\"hidden\":null,\"pays\":[{\"note\":\"n\",\"per_km_kop\":null}],\"secret\":null}");
    /* And what the view masks by the same name. */
    check_data(BUS_ROLE_VIEWER,
               "{\"full_name\":\"A\",\"phone\":null,\"passport\":null,\"price_kop\":null,"
               "\"hidden\":\"h\",\"pays\":[{\"note\":\"n\",\"per_km_kop\":null}],\"secret\":null}");
    check_data(BUS_ROLE_DRIVER,
               "{\"full_name\":\"A\",\"phone\":\"1\",\"passport\":null,\"price_kop\":null,"
               "\"hidden\":\"h\",\"pays\":[{\"note\":\"n\",\"per_km_kop\":null}],\"secret\":null}");
    /* A grant shows what it names, and what no view shows stays hidden. */
    check_granted(
        BUS_ROLE_VIEWER, BUS_GRANT_FINANCE_READ,
        "{\"full_name\":\"A\",\"phone\":null,\"passport\":null,\"price_kop\":3,"
        "\"hidden\":\"h\",\"pays\":[{\"note\":\"n\",\"per_km_kop\":null}],\"secret\":null}");
    check_granted(
        BUS_ROLE_DRIVER, BUS_GRANT_FINANCE_READ,
        "{\"full_name\":\"A\",\"phone\":\"1\",\"passport\":null,\"price_kop\":null,"
        "\"hidden\":\"h\",\"pays\":[{\"note\":\"n\",\"per_km_kop\":null}],\"secret\":null}");
    /* With two roles one sees what either sees, but no list that another role opens through this.
     */
    check_data(BUS_ROLE_VIEWER | BUS_ROLE_DISPATCHER,
               "{\"full_name\":\"A\",\"phone\":\"1\",\"passport\":null,\"price_kop\":3,"
               "\"hidden\":\"h\",\"pays\":[{\"note\":\"n\",\"per_km_kop\":null}],\"secret\":null}");
}

static void
test_unreadable_data_shows_nothing(void **state)
{
    edge_feed_scope scope = scope_of(BUS_ROLE_VIEWER, true);
    bus_buf         out = {0};

    (void)state;
    edge_event_data(&scope, &hired, edge_feed_access(&scope, &hired), BUS_STR("{\"phone\":"), &out);
    assert_string_equal(out.at, "{}");
    bus_buf_fini(&out);
}

/* --- the CloudEvent --------------------------------------------------------- */

static void
test_renderings_are_kept_apart(void **state)
{
    const bus_record record = {.offset = 7,
                               .version = 1,
                               .type = BUS_STR("people.hired.v1"),
                               .actor = BUS_STR("{\"id\":\"01900000-0000-7000-8000-00000000000a\","
                                                "\"roles\":[\"ADMIN\"],\"grants\":[]}"),
                               .causation_id = BUS_STR("x:0"),
                               .sends = BUS_STR("[1]"),
                               .at_ms = 1767225600123,
                               .data = bus_str_of(whole)};
    const uint32_t   roles[] = {BUS_ROLE_ADMIN, BUS_ROLE_VIEWER, BUS_ROLE_DISPATCHER};
    edge_event      *event = edge_event_of(&record, &contract);

    (void)state;
    assert_ptr_equal(event->message, &hired);
    for (int i = 0; i < 9; i++) {
        edge_feed_scope scope = scope_of(roles[i % 3], true);
        bus_str         text = edge_event_text(event, &scope, edge_feed_access(&scope, &hired));
        bool            is_admin = i % 3 == 0;

        assert_true((memmem(text.at, text.len, "\"passport\":\"2\"", 14) != NULL) == is_admin);
        assert_true((memmem(text.at, text.len, "\"actor\"", 7) != NULL) == is_admin);
        assert_true((memmem(text.at, text.len, "\"causation\"", 11) != NULL) == is_admin);
        assert_true((memmem(text.at, text.len, "\"phone\":null", 12) != NULL) == (i % 3 == 1));
        assert_null(memmem(text.at, text.len, "sends", 5));
        assert_non_null(memmem(text.at, text.len, "\"offset\":\"7\"", 12));
        assert_non_null(memmem(text.at, text.len, "2026-01-01T00:00:00.123Z", 24));
    }
    edge_event_release(event);
}

static void
test_owners(void **state)
{
    const bus_record record = {.type = BUS_STR("people.hired.v1"), .data = BUS_STR("{}")};
    const bus_id     me = {{1}}, other = {{2}};
    edge_event      *event = edge_event_of(&record, &contract);

    (void)state;
    event->owner_state = EDGE_OWNER_KNOWN;
    assert_false(edge_event_is_owned(event, me, 100));
    event->has_owner = true;
    event->owner = me;
    assert_true(edge_event_is_owned(event, me, 100));
    assert_false(edge_event_is_owned(event, other, 100));
    event->has_from = event->has_until = true;
    event->from_ms = 50;
    event->until_ms = 150;
    assert_true(edge_event_is_owned(event, me, 50));
    assert_false(edge_event_is_owned(event, me, 49));
    assert_false(edge_event_is_owned(event, me, 150));
    event->owner = BUS_ID_NIL; /* nobody's is not the one's who is no driver */
    assert_false(edge_event_is_owned(event, BUS_ID_NIL, 100));
    edge_event_release(event);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_what),
        cmocka_unit_test(test_unreadable_data_shows_nothing),
        cmocka_unit_test(test_renderings_are_kept_apart),
        cmocka_unit_test(test_owners),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
