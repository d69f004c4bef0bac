/* schedule_test.c - when to try again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void
test_schedule(void **state)
{
    webhook_schedule s;
    bus_error        err;

    (void)state;
    assert_int_equal(webhook_schedule_parse("5,300,0.5", &s, &err), BUS_OK);
    assert_int_equal(s.count, 3);
    assert_int_equal(webhook_schedule_after_us(&s, 1, 0), 4000000);
    assert_int_equal(webhook_schedule_after_us(&s, 1, UINT32_MAX), 6000000);
    assert_int_equal(webhook_schedule_after_us(&s, 2, UINT32_MAX / 2) / 1000000, 299);
    assert_int_equal(webhook_schedule_after_us(&s, 3, 0), 400000);
    assert_int_equal(webhook_schedule_after_us(&s, 4, 0), -1);
}

static void
test_what_is_none(void **state)
{
    static const char *const texts[] = {"", ",", "5,", "5,x", "-1", "604801", "5 6", "nan", "inf"};
    char                     many[4 * WEBHOOK_RETRIES_MAX] = "1";
    webhook_schedule         s;
    bus_error                err;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(webhook_schedule_parse(texts[i], &s, &err), BUS_INVALID);
    assert_int_equal(webhook_schedule_parse("5,x", &s, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "number 2"));
    for (int i = 0; i < WEBHOOK_RETRIES_MAX; i++)
        memcpy(many + 1 + 2 * i, ",1", 3);
    assert_int_equal(webhook_schedule_parse(many, &s, &err), BUS_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
