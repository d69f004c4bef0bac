/* codec_test.c - messages as bytes: there and back, cut off anywhere, changed anywhere.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/envelope.h"
#include "bus/envelope/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bus_envelope *
some_command(void)
{
    const bus_command c = {.command_id = bus_id_v5_text(BUS_ID_NIL, "c"),
                           .type = BUS_STR("vehicles.register"),
                           .partition = 3,
                           .origin = BUS_ORIGIN_WAKE,
                           .actor.roles = 7,
                           .expected_version = -1,
                           .causation_id = BUS_STR("x:0"),
                           .data = BUS_STR("{\"a\":\"\\u0000\"}")};
    bus_envelope     *env = bus_envelope_of_command(&c);

    env->ticket = 0x8877665544332211;
    env->route = UINT64_MAX;
    return env;
}

static bus_envelope *
some_reply(void)
{
    const bus_reply r = {.status = BUS_ANSWER_FAILED,
                         .repeated = true,
                         .version = INT32_MAX,
                         .code = BUS_STR("C"),
                         .params = BUS_STR("{}"),
                         .detail = BUS_STR("d"),
                         .events = BUS_STR("[]")};

    return bus_envelope_of_reply(&r);
}

/* In a block of exactly its size, so that a sanitizer sees what reads beyond. */
static bus_code
decode_exactly(const char *bytes, size_t len, bus_envelope **out, bus_error *err)
{
    char    *copy = malloc(len > 0 ? len : 1);
    bus_code rc;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    rc = bus_envelope_decode((bus_str){copy, (uint32_t)len}, out, err);
    free(copy);
    return rc;
}

/* What was read is written as the same bytes: no member is lost. */
static void
check_there_and_back(bus_envelope *env)
{
    bus_buf       first = {0}, second = {0};
    bus_envelope *back = NULL;
    bus_error     err;

    bus_envelope_encode(env, &first);
    assert_int_equal(decode_exactly(first.at, first.len, &back, &err), BUS_OK);
    assert_true(back->ticket == env->ticket && back->route == env->route);
    bus_envelope_encode(back, &second);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.at, second.at, first.len);
    bus_envelope_release(back);
    bus_buf_fini(&first);
    bus_buf_fini(&second);
}

static void
check_cut_and_changed(bus_envelope *env)
{
    bus_buf       bytes = {0}, again = {0};
    bus_envelope *back;
    bus_error     err;
    unsigned      seed = 5;

    bus_envelope_encode(env, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(decode_exactly(bytes.at, len, &back, &err), BUS_INVALID);
        assert_null(back);
        assert_non_null(strchr(err.text, '/')); /* names the member */
    }
    bus_buf_add_char(&bytes, 'x');
    assert_int_equal(decode_exactly(bytes.at, bytes.len, &back, &err), BUS_INVALID);
    bytes.len--;
    for (int i = 0; i < 100000; i++) {
        size_t place = (size_t)rand_r(&seed) % bytes.len;
        char   was = bytes.at[place];

        bytes.at[place] = (char)rand_r(&seed);
        if (decode_exactly(bytes.at, bytes.len, &back, &err) == BUS_OK) {
            bus_buf_reset(&again); /* whatever it is now, it is whole */
            bus_envelope_encode(back, &again);
            assert_int_equal(again.len, bytes.len);
            assert_memory_equal(again.at, bytes.at, bytes.len);
            bus_envelope_release(back);
        }
        bytes.at[place] = was;
    }
    bus_buf_fini(&bytes);
    bus_buf_fini(&again);
}

static void
test_commands(void **state)
{
    bus_envelope *env = some_command();

    (void)state;
    check_there_and_back(env);
    check_cut_and_changed(env);
    bus_envelope_release(env);
}

static void
test_replies(void **state)
{
    bus_envelope *env = some_reply();

    (void)state;
    check_there_and_back(env);
    check_cut_and_changed(env);
    bus_envelope_release(env);
}

static void
test_values_out_of_range_are_named(void **state)
{
    static const struct {
        bus_command command;
        const char *member;
    } wrong[] = {
        {{.expected_version = -2}, "/expected_version"}, {{.expires_at_ms = -1}, "/expires_at_ms"},
        {{.device_at_ms = INT64_MIN}, "/device_at_ms"},  {{.due_at_ms = -1}, "/due_at_ms"},
        {{.origin = (bus_origin)5}, "/origin"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bus_envelope *env = bus_envelope_of_command(&wrong[i].command), *back;
        bus_buf       bytes = {0};
        bus_error     err = {0};

        bus_envelope_encode(env, &bytes);
        assert_int_equal(bus_envelope_decode(bus_buf_str(&bytes), &back, &err), BUS_INVALID);
        assert_non_null(strstr(err.text, wrong[i].member));
        bus_envelope_release(env);
        bus_buf_fini(&bytes);
    }
}

static void
test_a_number_is_little_endian_everywhere(void **state)
{
    bus_buf bytes = {0};

    (void)state;
    bus_wire_put_u32(&bytes, 0x04030201);
    bus_wire_put_u16(&bytes, 0x0605);
    bus_wire_set_u32(&bytes, 0, 0x0d0c0b0a);
    assert_memory_equal(bytes.at, "\x0a\x0b\x0c\x0d\x05\x06", 6);
    bus_buf_fini(&bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_values_out_of_range_are_named),
        cmocka_unit_test(test_a_number_is_little_endian_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
