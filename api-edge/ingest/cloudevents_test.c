/* cloudevents_test.c - CloudEvents in three modes, and forms of others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/ingest/cloudevents.h"
#include "api-edge/ingest/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define SOURCE "00000000-0000-4000-8000-000000000001"
#define HEAD "\"specversion\":\"1.0\",\"id\":\"A-1\",\"source\":\"/ctx\",\"type\":\"t.one\""
#define STRUCTURED "application/cloudevents+json; charset=utf-8"
#define BATCH "application/cloudevents-batch+json"

static edge_pushed
pushed(const char *content_type, const char *body)
{
    edge_pushed p = {.content_type = content_type, .body = bus_str_of(body)};

    assert_true(bus_id_parse(BUS_STR(SOURCE), &p.source_id));
    return p;
}

static void
add(edge_pushed *p, const char *name, const char *value)
{
    p->attributes[p->attributes_count++] = (edge_attribute){name, value};
}

static void
reads(const edge_pushed *p, const char *expected)
{
    bus_problems problems = {0};
    json_t      *out = NULL, *wanted = json_loads(expected, 0, NULL);

    if (edge_cloudevents_read(p, &out, &problems) != EDGE_PUSH_OK)
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].message);
    assert_non_null(wanted);
    if (!json_equal(out, wanted)) {
        char *text = json_dumps(out, 0);

        fail_msg("%s instead of %s", text, expected);
    }
    json_decref(out);
    json_decref(wanted);
}

static void
refuses(const edge_pushed *p, edge_push_code code, const char *pointer)
{
    bus_problems problems = {0};
    json_t      *out = NULL;

    assert_int_equal(edge_cloudevents_read(p, &out, &problems), code);
    assert_null(out);
    if (pointer != NULL)
        assert_string_equal(problems.items[0].pointer, pointer);
}

static void
test_binary(void **state)
{
    edge_pushed p = pushed("application/json", "{\"n\": 1.50}");

    (void)state;
    add(&p, "specversion", "1.0");
    add(&p, "id", "A-1");
    add(&p, "source", "/ctx");
    add(&p, "type", "t.one");
    add(&p, "time", "2018-04-05T17:31:00Z");
    add(&p, "subject", "Euro%20%E2%82%AC 100%");
    add(&p, "traceparent", "00-x");
    reads(
        &p,
        "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
        "\"event_type\":\"t.one\",\"occurred_at\":1522949460000,\"subject\":\"Euro \xe2\x82\xac "
        "100%\","
        "\"extensions\":[{\"name\":\"traceparent\",\"value\":\"00-x\"}],"
        "\"content_type\":\"application/json\",\"form\":\"JSON\",\"data\":\"{\\\"n\\\": 1.50}\"}]");
    p.body = BUS_STR("{\"n\":");
    refuses(&p, EDGE_PUSH_INVALID, "");
    p.content_type = "text/plain";
    p.attributes_count = 4;
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"content_type\":\"text/"
              "plain\",\"form\":\"TEXT\",\"data\":\"{\\\"n\\\":\"}]");
    p.body = BUS_STR("\xff\x00z"); /* neither JSON nor text */
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"content_type\":\"text/"
              "plain\",\"form\":\"BASE64\",\"data\":\"/wB6\"}]");
    p.body = BUS_STR("");
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"form\":\"TEXT\"}]");
}

static void
test_binary_refused(void **state)
{
    edge_pushed p = pushed("application/json", "{}");

    (void)state;
    refuses(&p, EDGE_PUSH_UNSUPPORTED, NULL);
    add(&p, "specversion", "0.3");
    refuses(&p, EDGE_PUSH_INVALID, "/specversion");
    p.attributes[0].value = "1.0";
    refuses(&p, EDGE_PUSH_INVALID, "/id");
    add(&p, "id", "A");
    refuses(&p, EDGE_PUSH_INVALID, "/source");
    add(&p, "source", "/ctx");
    refuses(&p, EDGE_PUSH_INVALID, "/type");
    add(&p, "type", "t");
    add(&p, "time", "yesterday");
    refuses(&p, EDGE_PUSH_INVALID, "/time");
    p.attributes_count--;
    add(&p, "subject", "%FF");
    refuses(&p, EDGE_PUSH_INVALID, "/subject");
    p.attributes_count--;
    add(&p, "subject", "a%00b");
    refuses(&p, EDGE_PUSH_INVALID, "/subject");
    p.attributes_count--;
    add(&p, "\xff\xfe", "no name");
    refuses(&p, EDGE_PUSH_INVALID, "");
    p.attributes_count--;
    add(&p, "my_name", "none either");
    refuses(&p, EDGE_PUSH_INVALID, "");
}

static void
test_structured(void **state)
{
    edge_pushed p = pushed(
        STRUCTURED, "{" HEAD ",\"data\":{\"a\":[1,2]},\"ext\":true,\"n\":7,\"subject\":null}");

    (void)state;
    reads(
        &p,
        "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
        "\"event_type\":\"t.one\",\"form\":\"JSON\",\"data\":\"{\\\"a\\\":[1,2]}\",\"extensions\":["
        "{\"name\":\"ext\",\"value\":\"true\"},{\"name\":\"n\",\"value\":\"7\"}]}]");
    p = pushed(STRUCTURED, "{" HEAD ",\"datacontenttype\":\"text/xml\",\"data\":\"<a/>\"}");
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"content_type\":\"text/"
              "xml\",\"form\":\"TEXT\",\"data\":\"<a/>\"}]");
    p = pushed(STRUCTURED, "{" HEAD ",\"data\":\"text as JSON\"}");
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"form\":\"JSON\",\"data\":\"\\\"text as JSON\\\"\"}]");
    p = pushed(STRUCTURED, "{" HEAD ",\"data_base64\":\"AAEC\"}");
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"form\":\"BASE64\",\"data\":\"AAEC\"}]");
    p = pushed(STRUCTURED, "{" HEAD "}");
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"form\":\"TEXT\"}]");
    p = pushed(STRUCTURED, "[]");
    refuses(&p, EDGE_PUSH_INVALID, "");
    p = pushed(STRUCTURED, "{\"specversion\":1.0}");
    refuses(&p, EDGE_PUSH_INVALID, "/specversion");
    p = pushed(STRUCTURED, "{" HEAD ",\"data\":1,\"data_base64\":\"AAEC\"}");
    refuses(&p, EDGE_PUSH_INVALID, "/data_base64");
    p = pushed(STRUCTURED, "{" HEAD ",\"data_base64\":\"AAE\"}");
    refuses(&p, EDGE_PUSH_INVALID, "/data_base64");
    p = pushed(STRUCTURED, "{" HEAD ",\"data_base64\":\"A=E=\"}");
    refuses(&p, EDGE_PUSH_INVALID, "/data_base64");
    p = pushed(STRUCTURED, "{" HEAD ",\"data_base64\":\"AA E\"}");
    refuses(&p, EDGE_PUSH_INVALID, "/data_base64");
    p = pushed(STRUCTURED, "{" HEAD ",\"data_base64\":7}");
    refuses(&p, EDGE_PUSH_INVALID, "/data_base64");
    p = pushed(STRUCTURED, "{" HEAD ",\"subject\":7}");
    refuses(&p, EDGE_PUSH_INVALID, "/subject");
    p = pushed(STRUCTURED, "{" HEAD ",\"ext\":{}}");
    refuses(&p, EDGE_PUSH_INVALID, "/ext");
    p = pushed(STRUCTURED, "{" HEAD ",\"id\":\"again\"}");
    refuses(&p, EDGE_PUSH_INVALID, "/id");
}

static void
test_batches(void **state)
{
    edge_pushed p = pushed(BATCH, "[{" HEAD "},{" HEAD ",\"subject\":\"s\"}]");
    bus_buf     many = {0};

    (void)state;
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"form\":\"TEXT\"},"
              "{\"source_id\":\"" SOURCE "\",\"event_id\":\"A-1\",\"event_source\":\"/ctx\","
              "\"event_type\":\"t.one\",\"form\":\"TEXT\",\"subject\":\"s\"}]");
    p = pushed(BATCH, "[]");
    reads(&p, "[]");
    p = pushed(BATCH, "{}");
    refuses(&p, EDGE_PUSH_INVALID, "");
    p = pushed(BATCH, "[{" HEAD "},{\"specversion\":\"1.0\"}]");
    refuses(&p, EDGE_PUSH_INVALID, "/1/id");
    bus_buf_add_text(&many, "[");
    for (int i = 0; i < EDGE_PUSH_EVENTS_MAX; i++)
        bus_buf_add_text(&many, "{" HEAD "},");
    bus_buf_add_text(&many, "{" HEAD "}]");
    p = pushed(BATCH, many.at);
    refuses(&p, EDGE_PUSH_TOO_MANY, NULL);
    bus_buf_fini(&many);
}

static void
test_own_forms(void **state)
{
    edge_pushed p = pushed("application/x-www-form-urlencoded", "event=NOTIFY_START&caller_id=7");

    (void)state;
    p.own_form = true;
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_source\":\"webhook\",\"event_id\":\"sha256:"
              "579f985c22e5c6b0656a0008d53f187800d0a3cc0a2d9b17142ac5435b14fa28\","
              "\"content_type\":\"application/x-www-form-urlencoded\",\"form\":\"TEXT\","
              "\"data\":\"event=NOTIFY_START&caller_id=7\",\"event_type\":\"webhook\"}]");
    p = pushed("application/json", "{\"event\":\"CALL_END\",\"call_session_id\":237859081}");
    p.own_form = true;
    p.webhook_id = "msg_1";
    reads(&p, "[{\"source_id\":\"" SOURCE "\",\"event_source\":\"webhook\",\"event_id\":\"msg_1\","
              "\"content_type\":\"application/json\",\"form\":\"JSON\","
              "\"data\":\"{\\\"event\\\":\\\"CALL_END\\\",\\\"call_session_id\\\":237859081}\","
              "\"event_type\":\"CALL_END\"}]");
    p.body = BUS_STR("{");
    refuses(&p, EDGE_PUSH_INVALID, "");
}

/* A header may have any bytes; what is kept of it is text. */
static void
test_headers_that_are_no_text(void **state)
{
    edge_pushed p = pushed("text/plain", "x");

    (void)state;
    p.own_form = true;
    p.webhook_id = "msg_\xff";
    refuses(&p, EDGE_PUSH_INVALID, "/header/webhook-id");
    p = pushed("text/\xc0\xaf", "x");
    p.own_form = true;
    refuses(&p, EDGE_PUSH_INVALID, "/header/Content-Type");
    p.own_form = false;
    add(&p, "specversion", "1.0");
    add(&p, "id", "A-1");
    add(&p, "source", "/ctx");
    add(&p, "type", "t.one");
    refuses(&p, EDGE_PUSH_INVALID, "/header/Content-Type");
}

/* Part of the log's format: a change would let repeats in twice. */
static void
test_streams(void **state)
{
    const bus_id source = {{1}}, other = {{2}};
    bus_id       id = edge_ingest_stream(source, BUS_STR("/ctx"), BUS_STR("A-1"));
    char         text[BUS_ID_TEXT_BYTES];

    (void)state;
    assert_string_equal(bus_id_format(id, text), "305b0cca-b32f-5668-877c-8b221b0c3a2c");
    assert_false(bus_id_equal(id, edge_ingest_stream(other, BUS_STR("/ctx"), BUS_STR("A-1"))));
    assert_false(bus_id_equal(id, edge_ingest_stream(source, BUS_STR("/ct"), BUS_STR("xA-1"))));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_binary_refused),
        cmocka_unit_test(test_structured),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_own_forms),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_headers_that_are_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
