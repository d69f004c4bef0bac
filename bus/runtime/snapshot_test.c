/* snapshot_test.c - what fits comes back; whatever differs does not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const char *const words[] = {"ONE", "TWO"};
static const char *const words_moved[] = {"NULL", "ONE", "TWO"};
static const bus_shape word = {.kind = BUS_KIND_ENUM, .size = 4, .names = words, .names_count = 2};
static const bus_shape word_moved = {
    .kind = BUS_KIND_ENUM, .size = 4, .names = words_moved, .names_count = 3};
static const bus_field field = {.name = "word", .shape = &word};
static const bus_field field_moved = {.name = "word", .shape = &word_moved};
static const bus_shape shape = {
    .kind = BUS_KIND_OBJECT, .size = 4, .fields = &field, .fields_count = 1};
static const bus_shape shape_moved = {
    .kind = BUS_KIND_OBJECT, .size = 4, .fields = &field_moved, .fields_count = 1};
static const bus_message            said = {.type = "words.said.v1", .shape = &shape};
static const bus_message            said_moved = {.type = "words.said.v1", .shape = &shape_moved};
static const bus_message *const     events[] = {&said};
static const bus_message *const     events_moved[] = {&said_moved};
static const bus_aggregate_contract talk = {.name = "talk", .events = events, .events_count = 1};
static const bus_aggregate_contract talk_moved = {
    .name = "talk", .events = events_moved, .events_count = 1};

#define STATE_BYTES 24
static const char   state[STATE_BYTES] = "a state of some bytes";
static const bus_id tenant = {{1}}, stream = {{2}};

static bus_aggregate
aggregate_of(const bus_aggregate_contract *of)
{
    return (bus_aggregate){.of = of, .snapshot_version = 3, .state_size = STATE_BYTES};
}

/* Seals `state` for talk, lets `change` the snapshot, opens it for `aggregate`. */
static bus_code
reopened(const bus_aggregate *aggregate, void (*change)(bus_snapshot *s, char *bytes))
{
    bus_aggregate     sealing = aggregate_of(&talk);
    bus_snapshot_form form = bus_snapshot_form_of(&sealing),
                      opening = bus_snapshot_form_of(aggregate);
    char         out[STATE_BYTES * 2];
    bus_buf      bytes = {0};
    bus_error    err;
    bus_snapshot s = {.stream = stream, .tenant = tenant, .version = 9, .snapshot_version = 3};
    bus_code     rc;

    assert_int_equal(bus_snapshot_seal(&form, tenant, stream, 9, state, NULL, NULL, &bytes, &err),
                     BUS_OK);
    s.state = bus_buf_str(&bytes);
    if (change != NULL)
        change(&s, bytes.at);
    rc = bus_snapshot_open(&opening, &s, NULL, NULL, out, &err);
    if (rc == BUS_OK)
        assert_memory_equal(out, state, STATE_BYTES);
    bus_buf_fini(&bytes);
    return rc;
}

static void
other_stream(bus_snapshot *s, char *bytes)
{
    (void)bytes;
    s->stream.bytes[0] = 7;
}

static void
other_version(bus_snapshot *s, char *bytes)
{
    (void)bytes;
    s->version = 8;
}

static void
other_byte(bus_snapshot *s, char *bytes)
{
    bytes[s->state.len - 1] ^= 1;
}

static void
cut(bus_snapshot *s, char *bytes)
{
    (void)bytes;
    s->state.len -= 1;
}

static void
cut_short(bus_snapshot *s, char *bytes)
{
    (void)bytes;
    s->state.len = 3;
}

static void
test_what_fits_comes_back(void **unused)
{
    bus_aggregate same = aggregate_of(&talk);

    (void)unused;
    assert_int_equal(reopened(&same, NULL), BUS_OK);
}

static void
test_what_is_damaged_does_not(void **unused)
{
    bus_aggregate same = aggregate_of(&talk);

    (void)unused;
    assert_int_equal(reopened(&same, other_stream), BUS_INVALID);
    assert_int_equal(reopened(&same, other_version), BUS_INVALID);
    assert_int_equal(reopened(&same, other_byte), BUS_INVALID);
    assert_int_equal(reopened(&same, cut), BUS_INVALID);
    assert_int_equal(reopened(&same, cut_short), BUS_INVALID);
}

static void
test_another_shape_does_not(void **unused)
{
    bus_aggregate newer = aggregate_of(&talk), larger = newer, moved = aggregate_of(&talk_moved);

    (void)unused;
    newer.snapshot_version = 4;
    larger.state_size = STATE_BYTES + 8;
    assert_int_equal(reopened(&newer, NULL), BUS_CONFLICT);
    assert_int_equal(reopened(&larger, NULL), BUS_CONFLICT);
    assert_int_equal(reopened(&moved, NULL), BUS_CONFLICT); /* the numbers of an enum moved */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_comes_back),
        cmocka_unit_test(test_what_is_damaged_does_not),
        cmocka_unit_test(test_another_shape_does_not),
    };

    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
