/* batch_test.c - committed batches as bytes: there and back, cut off anywhere, changed anywhere.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bus_code
decode_exactly(const bus_buf *bytes, size_t len, bus_batch **out, bus_error *err)
{
    char    *copy = malloc(len > 0 ? len : 1);
    bus_code rc;

    assert_non_null(copy);
    memcpy(copy, bytes->at, len);
    rc = bus_batch_decode((bus_str){copy, (uint32_t)len}, out, err);
    free(copy);
    return rc;
}

static void
encode_some(bus_buf *out)
{
    bus_record records[3] = {
        {.partition = 2, .offset = 40, .data = BUS_STR("{}"), .type = BUS_STR("a.b.v1")},
        {.partition = 2, .offset = 41, .actor = BUS_STR("{}"), .digest = -1},
        {.partition = 2, .offset = 42, .sends = BUS_STR("[]"), .causation_id = BUS_STR("c")},
    };
    const bus_batch batch = {.topic = BUS_STR("events.a"),
                             .partition = 2,
                             .first_offset = 40,
                             .count = 3,
                             .records = records};

    bus_batch_encode(&batch, out);
}

static void
test_cut_off_and_changed(void **state)
{
    bus_buf    bytes = {0}, again = {0};
    bus_batch *back = NULL;
    bus_error  err;
    unsigned   seed = 2;

    (void)state;
    encode_some(&bytes);
    assert_int_equal(decode_exactly(&bytes, bytes.len, &back, &err), BUS_OK);
    bus_batch_encode(back, &again);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.at, bytes.at, bytes.len);
    bus_batch_release(back);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(decode_exactly(&bytes, len, &back, &err), BUS_INVALID);
    for (int i = 0; i < 100000; i++) {
        size_t place = (size_t)rand_r(&seed) % bytes.len;
        char   was = bytes.at[place];

        bytes.at[place] = (char)rand_r(&seed);
        if (decode_exactly(&bytes, bytes.len, &back, &err) == BUS_OK) {
            for (uint32_t r = 0; back->records != NULL && r < back->count; r++) {
                assert_int_equal(back->records[r].partition, back->partition);
                assert_true(back->records[r].offset == back->first_offset + r);
            }
            bus_batch_release(back);
        }
        bytes.at[place] = was;
    }
    bus_buf_fini(&bytes);
    bus_buf_fini(&again);
}

/* A count that promises more than the bytes hold asks for no memory. */
static void
test_a_great_count_is_refused(void **state)
{
    const bus_batch batch = {.topic = BUS_STR("t"), .count = UINT32_MAX};
    bus_buf         bytes = {0};
    bus_batch      *back = NULL;
    bus_error       err;

    (void)state;
    bus_batch_encode(&batch, &bytes);
    assert_int_equal(bus_batch_decode(bus_buf_str(&bytes), &back, &err), BUS_OK); /* no records */
    bus_batch_release(back);
    bytes.at[bytes.len - 1] = 1; /* ... but says it has them */
    assert_int_equal(bus_batch_decode(bus_buf_str(&bytes), &back, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "/count"));
    bus_buf_fini(&bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_off_and_changed),
        cmocka_unit_test(test_a_great_count_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
