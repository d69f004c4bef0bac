/* cloudevent_test.c - records as CloudEvents: there and back for all kinds of records, and headers
 * that are wrong are named.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/envelope/cloudevent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 20000
#define TIME_MIN_MS INT64_C(-62135596800000)
#define TIME_MAX_MS INT64_C(253402300799999)

/* --- records at random, from a seed, so that a failure can be repeated ---------------------------
 */

static uint64_t
next(uint64_t *seed)
{
    /* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators) */
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* From minimum to maximum; the ends come often. */
static int64_t
number(uint64_t *seed, int64_t minimum, int64_t maximum)
{
    const uint64_t range = (uint64_t)maximum - (uint64_t)minimum + 1;

    switch (next(seed) % 8) {
    case 0: return minimum;
    case 1: return maximum;
    default: return (int64_t)((uint64_t)minimum + (range == 0 ? next(seed) : next(seed) % range));
    }
}

static bus_id
some_id(uint64_t *seed, bool may_be_nil)
{
    bus_id id = {{0}};

    if (may_be_nil && next(seed) % 4 == 0)
        return id;
    for (int i = 0; i < 16; i++)
        id.bytes[i] = (uint8_t)next(seed);
    return id;
}

static bus_str
one_of(uint64_t *seed, const char *const *texts, size_t count)
{
    const char *text = texts[next(seed) % count];

    return *text == '\0' ? (bus_str){NULL, 0} : bus_str_of(text);
}

static bus_record
some_record(uint64_t *seed)
{
    static const char *const types[] = {"vehicles.registered.v1", "command_refused.v1", "x",
                                        "рейс.v1"};
    static const char *const aggregates[] = {"vehicle", "", "a"};
    static const char *const causations[] = {"", "018f4b1e-0000-7000-8000-000000000001:0", "x"};
    static const char *const actors[] = {
        "",
        "{}",
        "not even JSON",
        "{\"id\":\"00000000-0000-4000-8000-00000000000a\",\"roles\":[\"ADMIN\"]}",
        "{\"roles\":[],\"id\":\"00000000-0000-4000-8000-00000000000b\"}",
        "{\"id\":\"00000000-0000-4000-8000-00000000000"};
    static const char *const datas[] = {"{}", "", "null", "{\"a\":\"\\u0000 я\",\"b\":[1,2.50]}"};

    return (bus_record){
        .partition = (uint16_t)number(seed, 0, UINT16_MAX),
        .offset = number(seed, 1, INT64_MAX),
        .epoch = number(seed, 0, INT64_MAX),
        .stream = some_id(seed, false),
        .aggregate = one_of(seed, aggregates, 3),
        .version = (int32_t)number(seed, 1, INT32_MAX),
        .tenant = some_id(seed, true),
        .type = one_of(seed, types, 4),
        .command_id = some_id(seed, true),
        .nth = (int16_t)number(seed, 0, INT16_MAX),
        .digest = number(seed, INT64_MIN, INT64_MAX),
        .correlation_id = some_id(seed, true),
        .causation_id = one_of(seed, causations, 3),
        .actor = one_of(seed, actors, 6),
        .at_ms = number(seed, TIME_MIN_MS, TIME_MAX_MS),
        .device_at_ms = next(seed) % 2 == 0 ? 0 : number(seed, TIME_MIN_MS, TIME_MAX_MS),
        .data = one_of(seed, datas, 4),
    };
}

static void
assert_same(const bus_record *a, const bus_record *b)
{
    bus_buf first = {0}, second = {0}; /* the frame form has every member */

    bus_record_encode(a, &first);
    bus_record_encode(b, &second);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.at, second.at, first.len);
    bus_buf_fini(&first);
    bus_buf_fini(&second);
}

/* --- there and back
 * -------------------------------------------------------------------------------
 */

/* As a message's headers are read, here from last to first: the order does not matter. */
static bus_code
take_all(const bus_cloudevent *from, bus_cloudevent *to, bus_error *err)
{
    bus_code rc = BUS_OK;

    memset(to, 0, sizeof(*to));
    for (int i = BUS_CE_ATTRIBUTES - 1; rc == BUS_OK && i >= 0; i--)
        if (from->values[i].at != NULL)
            rc = bus_cloudevent_take(to, bus_cloudevent_header((bus_cloudevent_attribute)i),
                                     from->values[i], err);
    return rc;
}

static void
what_is_written_reads_back(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int i = 0; i < RECORDS; i++) {
        const bus_record record = some_record(&seed);
        bus_record       back;
        bus_cloudevent   written, read;
        bus_error        err = {0};

        assert_int_equal(bus_cloudevent_of(&record, "vehicles", &written, &err), BUS_OK);
        assert_int_equal(take_all(&written, &read, &err), BUS_OK);
        if (bus_cloudevent_record(&read, "vehicles", record.data, &back, &err) != BUS_OK)
            fail_msg("record %d: %s", i, err.text);
        assert_same(&record, &back);
    }
}

static void
sends_stay_in_the_log(void **state)
{
    uint64_t       seed = 1;
    bus_record     record = some_record(&seed), back;
    bus_cloudevent event;
    bus_error      err;

    (void)state;
    record.sends = BUS_STR("[{}]");
    assert_int_equal(bus_cloudevent_of(&record, "trips", &event, &err), BUS_OK);
    assert_int_equal(bus_cloudevent_record(&event, "trips", record.data, &back, &err), BUS_OK);
    assert_int_equal(back.sends.len, 0);
}

static bus_record
plain_record(void)
{
    bus_record r = {.partition = 3,
                    .offset = 41,
                    .epoch = 2,
                    .aggregate = BUS_STR("vehicle"),
                    .version = 5,
                    .type = BUS_STR("vehicles.blocked.v1"),
                    .nth = 1,
                    .digest = -9,
                    .causation_id = BUS_STR("c:0"),
                    .actor = BUS_STR("{\"id\":\"00000000-0000-4000-8000-00000000000a\"}"),
                    .at_ms = 1764144000123,
                    .device_at_ms = 1764144000000,
                    .data = BUS_STR("{}")};

    assert_true(bus_id_parse(BUS_STR("018f4b1e-0000-7000-8000-0000000000aa"), &r.command_id));
    assert_true(bus_id_parse(BUS_STR("00000000-0000-4000-8000-000000000001"), &r.tenant));
    assert_true(bus_id_parse(BUS_STR("a1997250-0000-5000-8000-000000000002"), &r.stream));
    assert_true(bus_id_parse(BUS_STR("0af76519-16cd-43dd-8448-eb211c80319c"), &r.correlation_id));
    return r;
}

static void
attributes_are_what_they_say(void **state)
{
    static const char *const expected[] = {
        "ce_specversion=1.0",
        "ce_id=018f4b1e-0000-7000-8000-0000000000aa:1",
        "ce_source=/shina/vehicles",
        "ce_type=vehicles.blocked.v1",
        "ce_subject=a1997250-0000-5000-8000-000000000002",
        "ce_time=2025-11-26T08:00:00.123Z",
        "content-type=application/json",
        "ce_partition=3",
        "ce_offset=41",
        "ce_streamversion=5",
        "ce_tenant=00000000-0000-4000-8000-000000000001",
        "traceparent=00-0af7651916cd43dd8448eb211c80319c-80000000000000aa-00",
        "ce_actor=00000000-0000-4000-8000-00000000000a",
        "ce_causation=c:0",
        "ce_aggregate=vehicle",
        "ce_epoch=2",
        "ce_digest=-9",
        "ce_devicetime=2025-11-26T08:00:00.000Z",
        "ce_actorjson={\"id\":\"00000000-0000-4000-8000-00000000000a\"}",
    };
    const bus_record record = plain_record();
    bus_cloudevent   event;
    bus_error        err;

    (void)state;
    assert_int_equal(bus_cloudevent_of(&record, "vehicles", &event, &err), BUS_OK);
    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++) {
        char line[160];

        (void)snprintf(line, sizeof(line), "%s=%.*s",
                       bus_cloudevent_header((bus_cloudevent_attribute)i),
                       BUS_STR_ARG(event.values[i]));
        assert_string_equal(line, expected[i]);
    }
}

static void
json_has_what_all_may_see(void **state)
{
    const bus_record record = plain_record();
    bus_cloudevent   event;
    bus_buf          out = {0};
    bus_error        err;

    (void)state;
    assert_int_equal(bus_cloudevent_of(&record, "vehicles", &event, &err), BUS_OK);
    bus_cloudevent_json(&event, false, &out);
    assert_string_equal(
        out.at, "\"specversion\":\"1.0\",\"id\":\"018f4b1e-0000-7000-8000-0000000000aa:1\","
                "\"source\":\"/shina/vehicles\",\"type\":\"vehicles.blocked.v1\","
                "\"subject\":\"a1997250-0000-5000-8000-000000000002\","
                "\"time\":\"2025-11-26T08:00:00.123Z\",\"datacontenttype\":\"application/json\","
                "\"partition\":3,\"offset\":\"41\",\"streamversion\":5,"
                "\"tenant\":\"00000000-0000-4000-8000-000000000001\","
                "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-80000000000000aa-00\"");
    bus_buf_reset(&out);
    bus_cloudevent_json(&event, true, &out);
    assert_non_null(strstr(out.at, ",\"actor\":\"00000000-0000-4000-8000-00000000000a\","
                                   "\"causation\":\"c:0\""));
    assert_null(strstr(out.at, "epoch"));
    bus_buf_fini(&out);
}

/* --- what is wrong
 * ----------------------------------------------------------------------------------
 */

static void
refuses_header(bus_cloudevent_attribute attribute, const char *value, const char *why)
{
    const bus_record record = plain_record();
    bus_record       back;
    bus_cloudevent   event;
    bus_error        err;
    char             text[128];

    assert_int_equal(bus_cloudevent_of(&record, "vehicles", &event, &err), BUS_OK);
    event.values[attribute] = bus_str_of(value);
    (void)snprintf(text, sizeof(text), "the header %s is %s", bus_cloudevent_header(attribute),
                   why);
    if (bus_cloudevent_record(&event, "vehicles", record.data, &back, &err) != BUS_INVALID)
        fail_msg("%s=%s is taken", bus_cloudevent_header(attribute), value == NULL ? "" : value);
    assert_string_equal(err.text, text);
}

static void
wrong_headers_are_named(void **state)
{
    static const struct {
        bus_cloudevent_attribute attribute;
        const char              *value;
    } wrong[] = {
        {BUS_CE_SPECVERSION, "0.3"},
        {BUS_CE_ID, "018f4b1e-0000-7000-8000-0000000000aa"},
        {BUS_CE_ID, "018f4b1e-0000-7000-8000-0000000000aa:"},
        {BUS_CE_ID, "018f4b1e-0000-7000-8000-0000000000aa:01"},
        {BUS_CE_ID, "018f4b1e-0000-7000-8000-0000000000aa:-1"},
        {BUS_CE_ID, "018f4b1e-0000-7000-8000-0000000000aa:32768"},
        {BUS_CE_SOURCE, "/shina/drivers"},
        {BUS_CE_SOURCE, "shina/vehicles"},
        {BUS_CE_TYPE, ""},
        {BUS_CE_SUBJECT, "7"},
        {BUS_CE_TIME, "yesterday"},
        {BUS_CE_DATACONTENTTYPE, "text/plain"},
        {BUS_CE_PARTITION, "65536"},
        {BUS_CE_PARTITION, "-1"},
        {BUS_CE_OFFSET, "0"},
        {BUS_CE_OFFSET, "+1"},
        {BUS_CE_OFFSET, "1 "},
        {BUS_CE_OFFSET, "9223372036854775808"},
        {BUS_CE_OFFSET, "18446744073709551617"},
        {BUS_CE_OFFSET, "123456789012345678901"},
        {BUS_CE_STREAMVERSION, "2147483648"},
        {BUS_CE_TENANT, "00000000-0000-4000-8000-00000000000"},
        {BUS_CE_TRACEPARENT, "00-00000000000000000000000000000000-80000000000000aa-00"},
        {BUS_CE_TRACEPARENT, "00-0AF7651916cd43dd8448eb211c80319c-80000000000000aa-00"},
        {BUS_CE_TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c"},
        {BUS_CE_EPOCH, "-1"},
        {BUS_CE_DIGEST, "-9223372036854775809"},
        {BUS_CE_DIGEST, "-0"},
        {BUS_CE_DEVICETIME, "2025-02-30T00:00:00Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuses_header(wrong[i].attribute, wrong[i].value, "not what it must be");
}

static void
missing_headers_are_named(void **state)
{
    (void)state;
    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++) {
        if (i == BUS_CE_TRACEPARENT || i == BUS_CE_ACTOR || i == BUS_CE_CAUSATION ||
            i == BUS_CE_AGGREGATE || i == BUS_CE_DEVICETIME || i == BUS_CE_ACTORJSON)
            continue; /* not every event has them */
        refuses_header((bus_cloudevent_attribute)i, NULL, "missing");
    }
}

static void
a_header_comes_once(void **state)
{
    bus_cloudevent event = {0};
    bus_error      err;

    (void)state;
    assert_int_equal(bus_cloudevent_take(&event, "ce_id", BUS_STR("a"), &err), BUS_OK);
    assert_int_equal(bus_cloudevent_take(&event, "x-of-others", BUS_STR("a"), &err), BUS_OK);
    assert_int_equal(bus_cloudevent_take(&event, "x-of-others", BUS_STR("a"), &err), BUS_OK);
    assert_int_equal(bus_cloudevent_take(&event, "ce_id", BUS_STR("a"), &err), BUS_INVALID);
    assert_string_equal(err.text, "the header ce_id is there twice");
    event = (bus_cloudevent){0}; /* an empty value was there, too */
    assert_int_equal(bus_cloudevent_take(&event, "ce_id", (bus_str){NULL, 0}, &err), BUS_OK);
    assert_int_equal(bus_cloudevent_take(&event, "ce_id", BUS_STR("a"), &err), BUS_INVALID);
}

static void
refuses_record(bus_record record, const char *domain, const char *attribute)
{
    bus_cloudevent event;
    bus_error      err;
    char           name[32];

    assert_int_equal(bus_cloudevent_of(&record, domain, &event, &err), BUS_INVALID);
    (void)snprintf(name, sizeof(name), "its %s cannot", attribute);
    assert_non_null(strstr(err.text, name));
}

static void
records_that_no_log_holds_are_refused(void **state)
{
    char       long_name[BUS_CLOUDEVENT_DOMAIN_BYTES + 1];
    bus_record r = plain_record();

    (void)state;
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    refuses_record(r, long_name, "source");
    refuses_record(r, "", "source");
    r.offset = 0;
    refuses_record(r, "vehicles", "offset");
    r = plain_record();
    r.at_ms = TIME_MAX_MS + 1;
    refuses_record(r, "vehicles", "time");
    r = plain_record();
    r.device_at_ms = TIME_MIN_MS - 1;
    refuses_record(r, "vehicles", "devicetime");
    r = plain_record();
    r.type.len = 0;
    refuses_record(r, "vehicles", "type");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(sends_stay_in_the_log),
        cmocka_unit_test(attributes_are_what_they_say),
        cmocka_unit_test(json_has_what_all_may_see),
        cmocka_unit_test(wrong_headers_are_named),
        cmocka_unit_test(missing_headers_are_named),
        cmocka_unit_test(a_header_comes_once),
        cmocka_unit_test(records_that_no_log_holds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
