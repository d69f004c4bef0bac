/* log_test.c - a line is one JSON object, whatever goes into it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define LINES 200

static int  ends[2];
static char text[4096];

static int
open_pipe(void **state)
{
    (void)state;
    bus_log_trace(BUS_ID_NIL);
    return pipe(ends);
}

static int
close_pipe(void **state)
{
    (void)state;
    bus_log_start(BUS_LOG_INFO, STDERR_FILENO);
    (void)close(ends[1]);
    return close(ends[0]);
}

/* What was logged since the last call; at least one line must be there. */
static const char *
logged(void)
{
    ssize_t n = read(ends[0], text, sizeof(text) - 1);

    assert_true(n > 0);
    text[n] = '\0';
    return text;
}

static void
ends_with(const char *line, const char *end)
{
    size_t len = strlen(line), end_len = strlen(end);

    if (len < end_len || strcmp(line + len - end_len, end) != 0)
        fail_msg("%s does not end with %s", line, end);
}

static void
test_every_kind_of_pair(void **state)
{
    bus_error   err = {0};
    bus_id      id;
    const char *line;
    int         year, month, day, hour, minute, second, ms, read_bytes = 0;

    (void)state;
    assert_true(bus_id_parse(BUS_STR("0190b3f4-6d5a-7c21-8e00-0123456789ab"), &id));
    assert_int_equal(bus_fail(&err, BUS_FULL, "the disk is full"), BUS_FULL);
    bus_log_start(BUS_LOG_INFO, ends[1]);
    bus_log_warn("store.append_failed", BUS_KV_ERR(&err), BUS_KV_ID("stream", id),
                 BUS_KV_INT("tries", -3), BUS_KV("domain", "trips"),
                 BUS_KV_STR("part", ((bus_str){"abcdef", 3})));
    line = logged();
    assert_int_equal(sscanf(line, "{\"at\":\"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ\"%n", &year, &month, &day,
                            &hour, &minute, &second, &ms, &read_bytes),
                     7);
    assert_true(year >= 2024 && month >= 1 && month <= 12 && read_bytes > 0);
    assert_string_equal(line + read_bytes,
                        ",\"level\":\"warn\",\"event\":\"store.append_failed\","
                        "\"error\":\"the disk is full\",\"code\":\"FULL\","
                        "\"stream\":\"0190b3f4-6d5a-7c21-8e00-0123456789ab\",\"tries\":-3,"
                        "\"domain\":\"trips\",\"part\":\"abc\"}\n");
}

static void
test_text_cannot_break_out(void **state)
{
    (void)state;
    bus_log_start(BUS_LOG_INFO, ends[1]);
    bus_log_info("edge.odd", BUS_KV("text", "a\"},{\"x\":\"\n\\\t\x01"));
    ends_with(logged(), ",\"text\":\"a\\\"},{\\\"x\\\":\\\"\\n\\\\\\t\\u0001\"}\n");
}

static void
test_the_least_level(void **state)
{
    (void)state;
    bus_log_start(BUS_LOG_WARN, ends[1]);
    bus_log_info("a.quiet", BUS_KV_INT("n", 1));
    bus_log_debug("a.quieter", BUS_KV_INT("n", 2));
    bus_log_error("a.loud", BUS_KV_INT("n", 3));
    assert_null(strstr(logged(), "quiet"));
    ends_with(text, ",\"level\":\"error\",\"event\":\"a.loud\",\"n\":3}\n");
}

static void
test_the_trace_of_the_thread(void **state)
{
    bus_id id;

    (void)state;
    assert_true(bus_id_parse(BUS_STR("0af76519-16cd-43dd-8448-eb211c80319c"), &id));
    bus_log_start(BUS_LOG_INFO, ends[1]);
    bus_log_trace(id);
    bus_log_info("a.b", BUS_KV_INT("n", 1));
    ends_with(logged(), ",\"event\":\"a.b\",\"trace\":\"0af76519-16cd-43dd-8448-eb211c80319c\","
                        "\"n\":1}\n");
    bus_log_trace(BUS_ID_NIL);
    bus_log_info("a.b", BUS_KV_INT("n", 1));
    assert_null(strstr(logged(), "trace"));
}

static void *
log_many(void *context)
{
    (void)context;
    for (int i = 0; i < LINES; i++)
        bus_log_info("many.lines", BUS_KV_INT("i", i));
    return NULL;
}

/* Lines of several threads come whole: each starts and ends as a line does. */
static void
test_lines_are_not_torn(void **state)
{
    pthread_t threads[THREADS];
    FILE     *file = tmpfile(), *lines;
    char      line[256];
    int       count = 0;

    (void)state;
    assert_non_null(file);
    lines = fdopen(dup(fileno(file)), "r");
    assert_non_null(lines);
    bus_log_start(BUS_LOG_INFO, fileno(file));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    rewind(lines);
    while (fgets(line, sizeof(line), lines) != NULL) {
        assert_int_equal(strncmp(line, "{\"at\":\"", 7), 0);
        ends_with(line, "}\n");
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
    (void)fclose(lines);
    (void)fclose(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_of_pair, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_text_cannot_break_out, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_the_least_level, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_the_trace_of_the_thread, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_lines_are_not_torn, open_pipe, close_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
