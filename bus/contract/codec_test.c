/* codec_test.c - every keyword and every problem of the codec, on one hand-written shape; and
 * random values: what was encoded decodes to the same, and encodes to the same bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/contract/decode_internal.h"
#include "bus/contract/format.h"
#include "bus/contract/pattern.h"

/* cmocka asks for these before its own header */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the shape: one member of each kind ------------------------------------------ */

enum colour { RED, GREEN, BLUE };
enum move_kind { MOVE_WALK, MOVE_DRIVE };

struct point {
    int64_t lat_e6, lon_e6;
};
struct points {
    struct point *items;
    uint32_t      count, capacity;
};
struct tags {
    bus_str *items;
    uint32_t count, capacity;
};
struct move {
    enum move_kind kind;
    union {
        struct {
            int64_t steps;
        } walk;
        struct {
            bus_str plate;
            bool    has_load_g;
            int64_t load_g;
        } drive;
    };
};
struct sample {
    int64_t       count;
    bool          has_even;
    int64_t       even;
    bool          has_ratio;
    double        ratio;
    bool          has_share;
    double        share;
    bool          has_name;
    bus_str       name;
    bool          has_plate;
    bus_str       plate;
    bool          has_mail;
    bus_str       mail;
    bool          has_phone;
    bus_str       phone;
    bool          on;
    bool          has_colour;
    enum colour   colour;
    bool          has_id;
    bus_id        id;
    bool          has_day;
    int32_t       day;
    bool          has_at;
    int64_t       at;
    bool          has_place;
    struct point  place;
    bool          has_points;
    struct points points;
    bool          has_tags;
    struct tags   tags;
    bool          has_move;
    struct move   move;
    bool          has_extra;
    bus_str       extra;
    bool          has_limit;
    int64_t       limit;
    bool          has_slash;
    int64_t       slash;
};

static void *plate_code;

static const bus_shape count_shape = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = -10, .maximum = INT64_MAX};
static const bus_shape any_int = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = INT64_MIN, .maximum = INT64_MAX};
static const bus_shape even_shape = {.kind = BUS_KIND_INT,
                                     .size = sizeof(int64_t),
                                     .minimum = INT64_MIN,
                                     .maximum = INT64_MAX,
                                     .multiple_of = 2};
static const bus_shape ratio_shape = {.kind = BUS_KIND_NUMBER,
                                      .size = sizeof(double),
                                      .number_minimum = -1.7976931348623157e308,
                                      .number_maximum = 1e300,
                                      .number_maximum_exclusive = true};
static const bus_shape share_shape = {.kind = BUS_KIND_NUMBER,
                                      .size = sizeof(double),
                                      .number_minimum = 0,
                                      .number_minimum_exclusive = true,
                                      .number_maximum = 1,
                                      .number_multiple_of = 0.01};
static const bus_shape name_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .minimum = 2, .maximum = 5};
static const bus_shape plate_shape = {.kind = BUS_KIND_STRING,
                                      .size = sizeof(bus_str),
                                      .maximum = 40,
                                      .pattern = "^[0-9A-ZА-Я ]+$",
                                      .pattern_code = &plate_code};
static const bus_shape mail_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .maximum = 320, .format = BUS_FORMAT_EMAIL};
static const bus_shape phone_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .maximum = 320, .format = BUS_FORMAT_E164};
static const bus_shape   on_shape = {.kind = BUS_KIND_BOOL, .size = sizeof(bool)};
static const char *const colours[] = {"RED", "GREEN", "BLUE"};
static const bus_shape   colour_shape = {
      .kind = BUS_KIND_ENUM, .size = sizeof(int32_t), .names = colours, .names_count = 3};
static const bus_shape id_shape = {.kind = BUS_KIND_UUID, .size = sizeof(bus_id)};
static const bus_shape day_shape = {.kind = BUS_KIND_DATE, .size = sizeof(int32_t)};
static const bus_shape at_shape = {.kind = BUS_KIND_TIME, .size = sizeof(int64_t)};
static const bus_shape degrees = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = -180000000, .maximum = 180000000};

#define ALWAYS(type, member, s, ...)                                             \
    {                                                                            \
        .name = #member, .shape = &(s), .offset = offsetof(struct type, member), \
        .has_offset = BUS_NO_OFFSET, __VA_ARGS__                                 \
    }
#define MAYBE(type, member, s, ...)                                              \
    {                                                                            \
        .name = #member, .shape = &(s), .offset = offsetof(struct type, member), \
        .has_offset = offsetof(struct type, has_##member), __VA_ARGS__           \
    }

static const bus_field point_fields[] = {
    ALWAYS(point, lat_e6, degrees, .required = true),
    ALWAYS(point, lon_e6, degrees, .required = true),
};
static const bus_shape point_shape = {.kind = BUS_KIND_OBJECT,
                                      .size = sizeof(struct point),
                                      .fields = point_fields,
                                      .fields_count = 2};
static const bus_shape points_shape = {.kind = BUS_KIND_ARRAY,
                                       .size = sizeof(struct points),
                                       .minimum = 1,
                                       .maximum = 4,
                                       .item = &point_shape,
                                       .unique_items = true};
static const bus_shape tags_shape = {
    .kind = BUS_KIND_ARRAY, .size = sizeof(struct tags), .maximum = 40, .item = &name_shape};

/* offsets of the variants are from the union */
#define IN_DRIVE(member) (offsetof(struct move, drive.member) - offsetof(struct move, drive))
static const bus_field walk_fields[] = {
    {.name = "steps", .shape = &count_shape, .has_offset = BUS_NO_OFFSET, .required = true},
};
static const bus_field drive_fields[] = {
    {.name = "plate",
     .shape = &plate_shape,
     .offset = IN_DRIVE(plate),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
    {.name = "load_g",
     .shape = &count_shape,
     .offset = IN_DRIVE(load_g),
     .has_offset = IN_DRIVE(has_load_g),
     .nullable = true},
};
static const bus_shape   walk_shape = {.kind = BUS_KIND_OBJECT,
                                       .size = sizeof(((struct move *)NULL)->walk),
                                       .fields = walk_fields,
                                       .fields_count = 1};
static const bus_shape   drive_shape = {.kind = BUS_KIND_OBJECT,
                                        .size = sizeof(((struct move *)NULL)->drive),
                                        .fields = drive_fields,
                                        .fields_count = 2};
static const bus_variant variants[] = {{"WALK", &walk_shape}, {"DRIVE", &drive_shape}};
static const bus_shape   move_shape = {.kind = BUS_KIND_UNION,
                                       .size = sizeof(struct move),
                                       .tag = "by",
                                       .variants = variants,
                                       .variants_count = 2,
                                       .variants_offset = offsetof(struct move, walk)};
static const bus_shape   extra_shape = {.kind = BUS_KIND_JSON, .size = sizeof(bus_str)};

static const bus_field sample_fields[] = {
    ALWAYS(sample, count, count_shape, .required = true),
    MAYBE(sample, even, even_shape),
    MAYBE(sample, ratio, ratio_shape),
    MAYBE(sample, share, share_shape),
    MAYBE(sample, name, name_shape, .required = true, .nullable = true),
    MAYBE(sample, plate, plate_shape),
    MAYBE(sample, mail, mail_shape),
    MAYBE(sample, phone, phone_shape, .nullable = true, .personal = ""),
    ALWAYS(sample, on, on_shape, .default_json = "true"),
    MAYBE(sample, colour, colour_shape),
    MAYBE(sample, id, id_shape),
    MAYBE(sample, day, day_shape),
    MAYBE(sample, at, at_shape),
    MAYBE(sample, place, point_shape),
    MAYBE(sample, points, points_shape),
    MAYBE(sample, tags, tags_shape),
    MAYBE(sample, move, move_shape),
    MAYBE(sample, extra, extra_shape),
    MAYBE(sample, limit, any_int, .nullable = true, .default_json = "7"),
    {.name = "a/b~c",
     .shape = &any_int,
     .offset = offsetof(struct sample, slash),
     .has_offset = offsetof(struct sample, has_slash)},
};
#define SAMPLE_FIELDS ((uint32_t)(sizeof(sample_fields) / sizeof(sample_fields[0])))
static const bus_shape sample_shape = {.kind = BUS_KIND_OBJECT,
                                       .size = sizeof(struct sample),
                                       .fields = sample_fields,
                                       .fields_count = SAMPLE_FIELDS};
/* the same, but unknown members are passed over */
static const bus_shape open_shape = {.kind = BUS_KIND_OBJECT,
                                     .size = sizeof(struct sample),
                                     .fields = sample_fields,
                                     .fields_count = SAMPLE_FIELDS,
                                     .additional_properties = true};

/* --- helpers ------------------------------------------------------------------------ */

static bus_arena    arena;
static bus_problems problems;
static bus_buf      encoded;

static int
empty(void **state)
{
    (void)state;
    bus_arena_reset(&arena);
    bus_buf_reset(&encoded);
    problems = (bus_problems){0};
    return 0;
}

static int
give_back(void **state)
{
    (void)state;
    bus_arena_fini(&arena);
    bus_buf_fini(&encoded);
    return 0;
}

static struct sample
read_as(const bus_shape *shape, const char *text)
{
    struct sample s;

    problems.count = 0;
    if (bus_decode(shape, bus_str_of(text), &arena, &s, &problems) != BUS_OK)
        fail_msg("%s: %s %s", text, problems.items[0].pointer, problems.items[0].message);
    assert_int_equal(problems.count, 0);
    return s;
}

static struct sample
read_ok(const char *text)
{
    return read_as(&sample_shape, text);
}

/* A sample with one member more. */
static const char *
with(const char *member)
{
    return bus_arena_printf(&arena, "{\"count\":1,\"name\":null,%s}", member).at;
}

static void
refuse_bytes(const char *text, size_t len, const char *pointer, const char *message)
{
    struct sample s;

    problems.count = 0;
    if (bus_decode(&sample_shape, (bus_str){text, (uint32_t)len}, &arena, &s, &problems) !=
        BUS_INVALID)
        fail_msg("was taken: %s", text);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].pointer, pointer);
    if (strstr(problems.items[0].message, message) == NULL)
        fail_msg("%s: says \"%s\", not \"%s\"", text, problems.items[0].message, message);
}

static void
refuse(const char *text, const char *pointer, const char *message)
{
    refuse_bytes(text, strlen(text), pointer, message);
}

static const char *
written(const struct sample *s)
{
    bus_buf_reset(&encoded);
    bus_encode(&sample_shape, s, &encoded);
    return encoded.at;
}

/* --- text ------------------------------------------------------------------------------ */

static void
test_text_that_is_no_json(void **state)
{
    (void)state;
    refuse("", "", "there is no JSON");
    refuse("{\"count\":1", "", "line 1, column 10");
    refuse("{\"count\":1,\"name\":null}x", "", "end of file expected");
    refuse("{\"count\":1,\"name\":null}{}", "", "end of file expected");
    refuse("{'count':1}", "", "not JSON");
    refuse("{\"count\":01}", "", "not JSON");
    refuse("{\"count\":NaN}", "", "not JSON");
    refuse("{\"count\":1,}", "", "not JSON");
    refuse("\xef\xbb\xbf{}", "", "not JSON"); /* a byte order mark */
    refuse("[1]", "", "must be an object");
    refuse("null", "", "must be an object");
}

static void
test_text_that_is_no_utf8(void **state)
{
    static const char *const broken[] = {
        "\xff",
        "\xc3",
        "\xc3(",
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\x80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        refuse(with(bus_arena_printf(&arena, "\"extra\":\"%s\"", broken[i]).at), "", "not UTF-8");
    refuse(with("\"extra\":\"\\ud800\""), "", "not JSON"); /* half a surrogate pair */
    assert_string_equal(read_ok(with("\"extra\":\"\\ud83d\\ude9a\"")).extra.at,
                        "\"\xf0\x9f\x9a\x9a\"");
}

static void
test_nul_characters(void **state)
{
    static const char after_comma[] = "{\"count\":1,\0\"name\":null}";
    static const char after_number[] = "{\"count\":1\0 ,\"name\":null}";
    static const char at_the_end[] = "{\"count\":1,\"name\":null}\0";

    (void)state;
    refuse(with("\"tags\":[\"ab\",\"\\u0000\"]"), "/tags/1", "U+0000");
    refuse(with("\"extra\":{\"a\":[{\"\\u0000\":1}]}"), "/extra/a/0", "U+0000");
    refuse_bytes(after_comma, sizeof(after_comma) - 1, "", "NUL byte");
    refuse_bytes(after_number, sizeof(after_number) - 1, "", "NUL byte");
    refuse_bytes(at_the_end, sizeof(at_the_end) - 1, "", "NUL byte");
}

static void
test_duplicate_members(void **state)
{
    (void)state;
    refuse("{\"count\":1,\"name\":null,\"count\":1}", "/count", "twice");
    refuse(with("\"points\":[{\"lat_e6\":1,\"lon_e6\":2},{\"lat_e6\":1,\"lat_e6\":2}]"),
           "/points/1/lat_e6", "twice");
    refuse(with("\"a/b~c\":1,\"a\\u002fb~c\":1"), "/a~1b~0c", "twice");
}

static void
test_depth(void **state)
{
    char text[80] = "";

    (void)state;
    for (int i = 0; i < BUS_JSON_DEPTH_MAX - 1; i++) {
        text[i] = '[';
        text[2 * BUS_JSON_DEPTH_MAX - 3 - i] = ']';
    }
    (void)read_ok(with(bus_arena_printf(&arena, "\"extra\":%s", text).at));
    refuse(with(bus_arena_printf(&arena, "\"extra\":[%s]", text).at), "", "deeper than 16");
    (void)read_ok(with("\"extra\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ \\\" [[[[\""));
    memset(text, ']', 40); /* closing first must not make room */
    refuse(text, "", "not JSON");
}

/* A million brackets are refused by the first scan. */
static void
test_depth_bomb(void **state)
{
    bus_buf bomb = {0};

    (void)state;
    for (int i = 0; i < 1000000; i++)
        bus_buf_add_char(&bomb, '[');
    refuse_bytes(bomb.at, bomb.len, "", "deeper than 16");
    bus_buf_fini(&bomb);
}

/* --- numbers --------------------------------------------------------------------------- */

static void
test_integers(void **state)
{
    (void)state;
    assert_int_equal(read_ok("{\"count\":-10,\"name\":null}").count, -10);
    assert_int_equal(read_ok("{\"count\":9223372036854775807,\"name\":null}").count, INT64_MAX);
    assert_int_equal(read_ok("{\"count\":3.0,\"name\":null}").count, 3);
    assert_int_equal(read_ok("{\"count\":1e3,\"name\":null}").count, 1000);
    assert_int_equal(read_ok("{\"count\":-0.0,\"name\":null}").count, 0);
    assert_int_equal(read_ok("{\"count\":9007199254740991.0,\"name\":null}").count,
                     INT64_C(9007199254740991));
    refuse("{\"count\":-11,\"name\":null}", "/count", "at least -10");
    refuse("{\"count\":1.5,\"name\":null}", "/count", "integer");
    refuse("{\"count\":\"1\",\"name\":null}", "/count", "integer");
    refuse("{\"count\":true,\"name\":null}", "/count", "integer");
    refuse("{\"count\":null,\"name\":null}", "/count", "integer");
    refuse("{\"count\":9007199254740993.0,\"name\":null}", "/count", "without fraction");
    refuse("{\"count\":9223372036854775808,\"name\":null}", "/count", "64 bits");
    refuse("{\"count\":1,\"name\":null,\"tags\":[\"a,]}\\\"\",[1,-1e999]]}", "/tags/1/1",
           "64 bits");
    refuse(with("\"points\":[{\"lat_e6\":180000001,\"lon_e6\":0}]"), "/points/0/lat_e6",
           "at most 180000000");
    assert_int_equal(read_ok(with("\"even\":-4")).even, -4);
    refuse(with("\"even\":7"), "/even", "multiple of 2");
}

static void
test_numbers(void **state)
{
    (void)state;
    assert_true(read_ok(with("\"ratio\":2")).ratio == 2.0);
    assert_true(read_ok(with("\"ratio\":-1.25e-3")).ratio == -0.00125);
    refuse(with("\"ratio\":1e300"), "/ratio", "below 1e+300");
    refuse(with("\"ratio\":\"1\""), "/ratio", "number");
    refuse(with("\"share\":0"), "/share", "above 0");
    refuse(with("\"share\":1.01"), "/share", "at most 1");
    assert_true(read_ok(with("\"share\":0.07")).share == 0.07);
    assert_true(read_ok(with("\"share\":1")).share == 1);
    refuse(with("\"share\":0.075"), "/share", "multiple of 0.01");
    refuse(with("\"share\":0.29000000000000004"), "/share", "multiple of 0.01");
    assert_true(bus_format_number_multiple(-230.79, 0.01));
    assert_false(bus_format_number_multiple(230.79000000000002, 0.01));
    assert_true(bus_format_number_multiple(0, 0.01));
    assert_true(bus_format_number_multiple(1e300, 0.25));
    assert_false(bus_format_number_multiple(1e300, 3));
    assert_false(bus_format_number_multiple(1e-300, 0.25));
    assert_true(bus_format_number_multiple(700, 70));
    assert_false(bus_format_number_multiple(70, 700));
    assert_true(bus_format_number_multiple(2.5, 1.25));
}

/* --- strings ----------------------------------------------------------------------------- */

static void
test_lengths_are_code_points(void **state)
{
    (void)state;
    assert_string_equal(read_ok("{\"count\":1,\"name\":\"щи\"}").name.at, "щи");
    (void)read_ok("{\"count\":1,\"name\":\"щука!\"}");
    (void)read_ok("{\"count\":1,\"name\":\"\xf0\x9f\x9a\x9a\xf0\x9f\x9a\x9a\xf0\x9f\x9a\x9a"
                  "\xf0\x9f\x9a\x9a\xf0\x9f\x9a\x9a\"}");
    refuse("{\"count\":1,\"name\":\"щ\"}", "/name", "at least 2 characters"); /* two bytes */
    refuse("{\"count\":1,\"name\":\"\xf0\x9f\x9a\x9a\"}", "/name", "at least 2 characters");
    refuse("{\"count\":1,\"name\":\"\"}", "/name", "at least 2 characters");
    refuse("{\"count\":1,\"name\":\"abcdef\"}", "/name", "at most 5 characters");
    refuse("{\"count\":1,\"name\":5}", "/name", "string");
}

static void
test_pattern(void **state)
{
    (void)state;
    assert_string_equal(read_ok(with("\"plate\":\"А123ВС 77\"")).plate.at, "А123ВС 77");
    refuse(with("\"plate\":\"а123вс77\""), "/plate", "must match ^[0-9A-ZА-Я ]+$");
    refuse(with("\"plate\":\"\""), "/plate", "must match");
    refuse(with("\"plate\":\"A1\\n\""), "/plate", "must match"); /* $ is the very end */
    refuse(with("\"plate\":\"\\nA1\""), "/plate", "must match"); /* and ^ the very start */
}

static void
test_enum(void **state)
{
    (void)state;
    assert_int_equal(read_ok(with("\"colour\":\"BLUE\"")).colour, BLUE);
    refuse(with("\"colour\":\"blue\""), "/colour", "one of RED, GREEN, BLUE");
    refuse(with("\"colour\":1"), "/colour", "one of RED");
    refuse(with("\"colour\":\"\""), "/colour", "one of RED");
}

static void
test_uuid(void **state)
{
    char text[BUS_ID_TEXT_BYTES];

    (void)state;
    assert_string_equal(
        bus_id_format(read_ok(with("\"id\":\"0192F7C1-0000-7000-8000-00000000000a\"")).id, text),
        "0192f7c1-0000-7000-8000-00000000000a");
    refuse(with("\"id\":\"0192f7c1000070008000000000000008\""), "/id", "UUID");
    refuse(with("\"id\":\"0192f7c1-0000-7000-8000-00000000000g\""), "/id", "UUID");
    refuse(with("\"id\":\"{0192f7c1-0000-7000-8000-00000000000}\""), "/id", "UUID");
    refuse(with("\"id\":7"), "/id", "UUID");
}

static bus_str
str(const char *text)
{
    return bus_str_of(text);
}

static void
test_days(void **state)
{
    static const char *const wrong[] = {
        "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10",  "2026-01-00", "2026-04-31",
        "2026-1-01",  "26-01-01",   "2026/01/01", "2026-01-01 ", "20260101",   "2026-01-0a",
        "0000-01-01", "-001-01-01", "",           "2026-01-1",   "+2026-01-01"};
    char    text[16];
    int32_t days;

    (void)state;
    assert_true(bus_format_date(str("1970-01-01"), &days) && days == 0);
    assert_true(bus_format_date(str("2000-02-29"), &days) && days == 11016);
    assert_true(bus_format_date(str("0001-01-01"), &days));
    bus_format_date_text(days, text);
    assert_string_equal(text, "0001-01-01");
    assert_true(bus_format_date(str("9999-12-31"), &days));
    bus_format_date_text(days, text);
    assert_string_equal(text, "9999-12-31");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (bus_format_date(str(wrong[i]), &days))
            fail_msg("%s is no day", wrong[i]);
    refuse(with("\"day\":\"2026-02-29\""), "/day", "must be a date");
    refuse(with("\"day\":20260228"), "/day", "must be a date");
}

static void
check_time(const char *text, const char *in_utc)
{
    char    back[32];
    int64_t at;

    if (!bus_format_time(str(text), &at))
        fail_msg("%s was refused", text);
    bus_format_time_text(at, back);
    assert_string_equal(back, in_utc);
}

static void
test_times(void **state)
{
    static const char *const wrong[] = {
        "2026-11-23",
        "2026-11-23T08:00:00",
        "2026-11-23 08:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T08:60:00Z",
        "2026-11-23T08:00:61Z",
        "2026-11-23T08:00Z",
        "2026-11-23T08:00:00.Z",
        "2026-11-23T08:00:00,5Z",
        "2026-11-23T08:00:00+3:00",
        "2026-11-23T08:00:00+0300",
        "2026-11-23T08:00:00+24:00",
        "2026-11-23T08:00:00+03:60",
        "2026-11-23T08:00:00Z ",
        "2026-02-30T08:00:00Z",
        "2026-11-23T08:00:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-11-23T8:00:00Z",
        "2026-11-23T08:00:00ZZ",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "0000-12-31T23:59:59Z",
        "9999-12-31T23:59:60Z",
        "2026-11-23T08:00:00.5",
    };
    int64_t at;

    (void)state;
    check_time("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z");
    check_time("2026-11-23t08:00:00z", "2026-11-23T08:00:00.000Z");
    check_time("2026-11-23T08:00:00+03:00", "2026-11-23T05:00:00.000Z");
    check_time("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z");
    check_time("2026-11-23T23:59:59.9-00:01", "2026-11-24T00:00:59.900Z");
    check_time("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z");
    check_time("2026-11-23T08:00:00.123456789012345678Z", "2026-11-23T08:00:00.123Z");
    check_time("2026-11-23T08:00:00-00:00", "2026-11-23T08:00:00.000Z");
    check_time("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"); /* a leap second */
    check_time("2017-01-01T02:59:60+03:00", "2017-01-01T00:00:00.000Z");
    check_time("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z");
    check_time("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (bus_format_time(str(wrong[i]), &at))
            fail_msg("%s is no time", wrong[i]);
    refuse(with("\"at\":\"2026-11-23T08:00:00\""), "/at", "must be a time");
    refuse(with("\"at\":0"), "/at", "must be a time");
}

static void
test_addresses(void **state)
{
    static const char *const mails[] = {"a@b.ru", "first.last+tag@mail.example.com",
                                        "o'hara@x-y.org", "a_b@1.ru"};
    static const char *const no_mails[] = {
        "a",
        "@b.ru",
        "a@",
        "a@b",
        "a..b@c.ru",
        ".a@b.ru",
        "a.@b.ru",
        "a@.ru",
        "a@b.",
        "a@-b.ru",
        "a@b-.ru",
        "a@b..ru",
        "a b@c.ru",
        "a@b.ru ",
        "a@b@c.ru",
        "я@b.ru",
        "a@b_c.ru",
        "",
        "a@b.ru\n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.ru", /* 65 */
    };
    static const char *const no_phones[] = {"",
                                            "+",
                                            "+0123456",
                                            "79001234567",
                                            "+7900123456a",
                                            "+1234567890123456",
                                            "+7 900 1234567",
                                            "+7\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
        assert_true(bus_format_email(str(mails[i])));
    for (size_t i = 0; i < sizeof(no_mails) / sizeof(no_mails[0]); i++)
        if (bus_format_email(str(no_mails[i])))
            fail_msg("%s is no address", no_mails[i]);
    assert_true(bus_format_e164(str("+79001234567")));
    assert_true(bus_format_e164(str("+123456789012345")));
    for (size_t i = 0; i < sizeof(no_phones) / sizeof(no_phones[0]); i++)
        if (bus_format_e164(str(no_phones[i])))
            fail_msg("%s is no number", no_phones[i]);
    refuse(with("\"mail\":\"a@b\""), "/mail", "e-mail");
    refuse(with("\"phone\":\"8900\""), "/phone", "E.164");
}

/* --- objects, unions, arrays ---------------------------------------------------------------- */

static void
test_presence(void **state)
{
    struct sample s = read_ok("{\"name\":null,\"count\":1}");

    (void)state;
    assert_false(s.has_name || s.has_even || s.has_phone || s.has_place);
    assert_true(s.on);                        /* its default */
    assert_true(s.has_limit && s.limit == 7); /* likewise */
    assert_false(read_ok(with("\"limit\":null")).has_limit);
    assert_false(read_ok(with("\"on\":false")).on);
    assert_false(read_ok(with("\"phone\":null")).has_phone);
    refuse("{\"count\":1}", "/name", "is required");
    refuse("{\"name\":null}", "/count", "is required");
    refuse(with("\"even\":null"), "/even", "integer"); /* optional is not nullable */
    refuse(with("\"on\":null"), "/on", "true or false");
    refuse(with("\"on\":1"), "/on", "true or false");
}

static void
test_unknown_members(void **state)
{
    char long_name[300];

    (void)state;
    refuse(with("\"who\":1"), "/who", "not known");
    refuse(with("\"place\":{\"lat_e6\":1,\"lon_e6\":1,\"a~/b\":2}"), "/place/a~0~1b", "not known");
    refuse(with("\"\":1"), "/", "not known");
    assert_int_equal(read_as(&open_shape, "{\"count\":3,\"name\":null,\"who\":[1]}").count, 3);
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    refuse(
        with(bus_arena_printf(&arena, "\"place\":{\"%s\":1,\"lat_e6\":1,\"lon_e6\":1}", long_name)
                 .at),
        "/place", "not known here: xxx");
}

/* A name cut in the middle of a letter must not break the problem document. */
static void
test_problems_are_utf8(void **state)
{
    bus_buf name = {0};
    json_t *message;

    (void)state;
    bus_buf_add_char(&name, 'x');
    for (int i = 0; i < 100; i++)
        bus_buf_add_text(&name, "ы");
    refuse(with(bus_arena_printf(&arena, "\"%s\":1", name.at).at), "", "not known");
    message = json_string(problems.items[0].message); /* NULL unless UTF-8 */
    assert_non_null(message);
    json_decref(message);
    problems.count = 0;
    bus_problem_add(&problems, "/\xd1", "%s \xff!", name.at);
    assert_string_equal(problems.items[0].pointer, "/");
    assert_int_equal(strlen(problems.items[0].message), 159);
    problems.count = 0;
    bus_problem_add(&problems, "", "a\xff\xd1z\xe2\x82");
    assert_string_equal(problems.items[0].message, "a??z");
    problems.count = 0; /* too long a form, a surrogate, beyond U+10FFFF */
    bus_problem_add(&problems, "/\xe0\x8d\x90.\xc3\xa9", "\xed\xa0\x80 \xf4\x90\x80\x80.");
    assert_string_equal(problems.items[0].pointer, "/???.\xc3\xa9");
    assert_string_equal(problems.items[0].message, "??? ????.");
    bus_buf_fini(&name);
}

static void
test_pointers_of_nested_places(void **state)
{
    (void)state;
    refuse(with("\"place\":{\"lat_e6\":1}"), "/place/lon_e6", "required");
    refuse(with("\"place\":7"), "/place", "object");
    refuse(with("\"points\":[{\"lat_e6\":1,\"lon_e6\":1},{\"lat_e6\":1,\"lon_e6\":true}]"),
           "/points/1/lon_e6", "integer");
    refuse(with("\"points\":[]"), "/points", "at least 1 items");
    refuse(with("\"points\":{}"), "/points", "array");
    refuse(with("\"a/b~c\":1.5"), "/a~1b~0c", "integer");
    refuse(with("\"tags\":[\"ab\",\"c\"]"), "/tags/1", "at least 2");
}

static void
test_arrays(void **state)
{
    struct sample s = read_ok(
        with("\"points\":[{\"lat_e6\":1,\"lon_e6\":2},{\"lat_e6\":3,\"lon_e6\":4}],\"tags\":[]"));

    (void)state;
    assert_int_equal(s.points.count, 2);
    assert_int_equal(s.points.items[1].lat_e6, 3);
    assert_true(s.has_tags && s.tags.count == 0);
    refuse(with("\"points\":[{\"lat_e6\":1,\"lon_e6\":2},{\"lon_e6\":2.0,\"lat_e6\":1}]"),
           "/points/1", "twice");
    refuse(with("\"points\":[1,2,3,4,5]"), "/points", "at most 4 items");
}

static void
test_unions(void **state)
{
    struct sample s = read_ok(with("\"move\":{\"plate\":\"A1\",\"by\":\"DRIVE\",\"load_g\":5}"));

    (void)state;
    assert_int_equal(s.move.kind, MOVE_DRIVE);
    assert_string_equal(s.move.drive.plate.at, "A1");
    assert_true(s.move.drive.has_load_g && s.move.drive.load_g == 5);
    assert_int_equal(read_ok(with("\"move\":{\"by\":\"WALK\",\"steps\":9}")).move.walk.steps, 9);
    refuse(with("\"move\":{\"steps\":9}"), "/move/by", "required");
    refuse(with("\"move\":{\"by\":\"FLY\"}"), "/move/by", "known kinds");
    refuse(with("\"move\":{\"by\":7}"), "/move/by", "known kinds");
    refuse(with("\"move\":{\"by\":\"WALK\"}"), "/move/steps", "required");
    refuse(with("\"move\":{\"by\":\"WALK\",\"steps\":1,\"plate\":\"A1\"}"), "/move/plate",
           "not known");
    refuse(with("\"move\":[]"), "/move", "object");
}

static void
test_any_json_is_kept_canonical(void **state)
{
    (void)state;
    assert_string_equal(read_ok(with("\"extra\": { \"b\" : [1.50, 1e2, 0.1, -0.0, true],"
                                     " \"a\":null, \"я\":\"\\u044f\\n\" }"))
                            .extra.at,
                        "{\"a\":null,\"b\":[1.5,100,0.1,0,true],\"я\":\"я\\n\"}");
    assert_string_equal(read_ok(with("\"extra\":null")).extra.at, "null");
    assert_true(read_ok(with("\"extra\":null")).has_extra);
    assert_string_equal(read_ok(with("\"extra\":\"\"")).extra.at, "\"\"");
}

/* --- several problems ------------------------------------------------------------------------- */

static void
test_all_problems_are_told(void **state)
{
    static const char *const want[] = {"/even", "/place/lat_e6", "/place/lon_e6",
                                       "/who",  "/count",        "/name"};
    struct sample            s;

    (void)state;
    assert_int_equal(bus_decode(&sample_shape,
                                str("{\"even\":1,\"place\":{\"lat_e6\":\"x\"},\"who\":1}"), &arena,
                                &s, &problems),
                     BUS_INVALID);
    assert_int_equal(problems.count, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(problems.items[i].pointer, want[i]);
}

static void
test_problems_are_bounded(void **state)
{
    struct sample s;
    bus_buf       text = {0};

    (void)state;
    bus_buf_add_text(&text, "{\"count\":1,\"name\":null");
    for (int i = 0; i < 1000; i++)
        bus_buf_printf(&text, ",\"m%d\":1", i);
    bus_buf_add_char(&text, '}');
    assert_int_equal(bus_decode(&sample_shape, bus_buf_str(&text), &arena, &s, &problems),
                     BUS_INVALID);
    assert_int_equal(problems.count, BUS_PROBLEMS_MAX);
    /* a list that is full already hides nothing, and costs nothing */
    assert_int_equal(bus_decode(&sample_shape, str("{\"count\":1}"), &arena, &s, &problems),
                     BUS_INVALID);
    assert_int_equal(bus_decode(&sample_shape, str("{"), &arena, &s, &problems), BUS_INVALID);
    assert_int_equal(bus_decode(&sample_shape,
                                str("{\"count\":1,\"name\":null,\"tags\":[\"ab\",\"cd\"]}"), &arena,
                                &s, &problems),
                     BUS_OK);
    assert_int_equal(s.tags.count, 2);
    assert_string_equal(s.tags.items[1].at, "cd");
    bus_buf_fini(&text);
}

/* --- encoding, copying, comparing ---------------------------------------------------------------
 */

static const char whole[] =
    "{\"count\":1,\"even\":-2,\"ratio\":0.1,\"share\":0.5,\"name\":\"а\\\"\\\\\\u001f\",\"plate\":"
    "\"A1\",\"mail\":\"a@b.ru\",\"phone\":\"+7900\",\"on\":false,\"colour\":\"GREEN\",\"id\":"
    "\"0192f7c1-0000-7000-8000-00000000000a\",\"day\":\"2026-11-23\",\"at\":\"2026-11-23T08:00:00."
    "123Z\",\"place\":{\"lat_e6\":1,\"lon_e6\":2},\"points\":[{\"lat_e6\":3,\"lon_e6\":4}],"
    "\"tags\":[\"ab\",\"cd\"],\"move\":{\"by\":\"DRIVE\",\"plate\":\"B2\",\"load_g\":5},\"extra\":"
    "{\"a\":[1]},\"limit\":8,\"a/b~c\":9}";

static void
test_encoding_is_canonical(void **state)
{
    struct sample s = read_ok(whole);

    (void)state;
    assert_string_equal(written(&s), whole);
    s = read_ok("{ \"name\" : null, \"limit\":null, \"count\" : 1.0 }");
    assert_string_equal(written(&s), "{\"count\":1,\"name\":null,\"on\":true,\"limit\":null}");
}

static void
check_number(double n, const char *text)
{
    char out[BUS_NUMBER_TEXT_BYTES];

    bus_format_number_text(n, out);
    assert_string_equal(out, text);
    assert_true(strtod(out, NULL) == n);
}

static void
test_numbers_read_back(void **state)
{
    (void)state;
    check_number(0.1, "0.1");
    check_number(1.0 / 3, "0.3333333333333333");
    check_number(0.1 + 0.2, "0.30000000000000004");
    check_number(-0.0, "0");
    check_number(1e22, "1e+22");
    check_number(123456789012345680.0, "1.2345678901234568e+17");
    check_number(5e-324, "4.94065645841247e-324");
    check_number(1.7976931348623157e308, "1.7976931348623157e+308");
}

static void
test_copies_share_nothing(void **state)
{
    bus_arena     mine = {0};
    struct sample s = read_ok(whole), copy;

    (void)state;
    bus_copy(&sample_shape, &s, &copy, &mine);
    assert_true(bus_equal(&sample_shape, &s, &copy));
    assert_ptr_not_equal(s.name.at, copy.name.at);
    assert_ptr_not_equal(s.points.items, copy.points.items);
    bus_arena_fini(&arena); /* the sanitizer would see a borrowed byte */
    assert_string_equal(written(&copy), whole);
    bus_arena_fini(&mine);
}

static void
test_any_difference_is_seen(void **state)
{
    static const char *const other[] = {
        "{\"count\":2,\"name\":null}",
        "{\"count\":1,\"name\":\"ab\"}",
        "{\"count\":1,\"name\":null,\"on\":false}",
        "{\"count\":1,\"name\":null,\"even\":0}",
        "{\"count\":1,\"name\":null,\"limit\":null}",
        "{\"count\":1,\"name\":null,\"ratio\":1}",
        "{\"count\":1,\"name\":null,\"colour\":\"RED\"}",
        "{\"count\":1,\"name\":null,\"tags\":[]}",
        "{\"count\":1,\"name\":null,\"tags\":[\"ab\"]}",
        "{\"count\":1,\"name\":null,\"tags\":[\"ac\"]}",
        "{\"count\":1,\"name\":null,\"tags\":[\"ab\",\"ab\"]}",
        "{\"count\":1,\"name\":null,\"day\":\"1970-01-01\"}",
        "{\"count\":1,\"name\":null,\"at\":\"1970-01-01T00:00:00Z\"}",
        "{\"count\":1,\"name\":null,\"id\":\"00000000-0000-0000-0000-000000000000\"}",
        "{\"count\":1,\"name\":null,\"place\":{\"lat_e6\":0,\"lon_e6\":0}}",
        "{\"count\":1,\"name\":null,\"place\":{\"lat_e6\":0,\"lon_e6\":1}}",
        "{\"count\":1,\"name\":null,\"move\":{\"by\":\"WALK\",\"steps\":0}}",
        "{\"count\":1,\"name\":null,\"move\":{\"by\":\"WALK\",\"steps\":1}}",
        "{\"count\":1,\"name\":null,\"move\":{\"by\":\"DRIVE\",\"plate\":\"A\"}}",
        "{\"count\":1,\"name\":null,\"extra\":null}",
    };
    struct sample all[sizeof(other) / sizeof(other[0])];

    (void)state;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        all[i] = read_ok(other[i]);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        for (size_t j = 0; j < sizeof(other) / sizeof(other[0]); j++)
            if (bus_equal(&sample_shape, &all[i], &all[j]) != (i == j))
                fail_msg("%s and %s", other[i], other[j]);
}

/* --- random values
 * --------------------------------------------------------------------------------- */

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t
random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int64_t
random_between(int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t step = span == 0 ? random_bits() : random_bits() % span;

    if (random_bits() % 4 == 0) /* the ends more often */
        return random_bits() % 2 == 0 ? low : high;
    return (int64_t)((uint64_t)low + step);
}

static bus_str
random_text(int64_t low, int64_t high, const char *const *letters, size_t count)
{
    bus_buf buf = {0};
    bus_str s;

    for (int64_t n = random_between(low, high); n > 0; n--)
        bus_buf_add_text(&buf, letters[random_bits() % count]);
    s = bus_arena_copy(&arena, buf.at, buf.len);
    bus_buf_fini(&buf);
    return s;
}

static double
random_double(void)
{
    double n;

    do {
        uint64_t bits = random_bits();

        memcpy(&n, &bits, sizeof(n));
    } while (!isfinite(n) || n >= 1e300);
    return random_bits() % 2 == 0 ? n : (double)random_between(-1000, 1000) / 100;
}

static struct move
random_move(void)
{
    static const char *const plate[] = {"A", "Я", "7", " "};
    struct move              m = {.kind = random_bits() % 2 == 0 ? MOVE_WALK : MOVE_DRIVE};

    if (m.kind == MOVE_WALK) {
        m.walk.steps = random_between(-10, INT64_MAX);
        return m;
    }
    m.drive.plate = random_text(1, 40, plate, 4);
    m.drive.has_load_g = random_bits() % 2 == 0;
    if (m.drive.has_load_g)
        m.drive.load_g = random_between(-10, INT64_MAX);
    return m;
}

static void
random_lists(struct sample *s)
{
    static const char *const letters[] = {
        "a", "\"", "\\", "\x01", "\n", "я", "\xe2\x82\xac", "\xf0\x9f\x9a\x9a", "/", "\x7f"};

    if (s->has_points) {
        s->points.count = s->points.capacity = (uint32_t)random_between(1, 4);
        s->points.items = BUS_ARENA_ARRAY(&arena, struct point, s->points.count);
        for (uint32_t i = 0; i < s->points.count; i++)
            s->points.items[i] = (struct point){(int64_t)i, random_between(-180000000, 180000000)};
    }
    if (s->has_tags) {
        s->tags.count = s->tags.capacity = (uint32_t)random_between(0, 40);
        s->tags.items = BUS_ARENA_ARRAY(&arena, bus_str, s->tags.count + 1);
        for (uint32_t i = 0; i < s->tags.count; i++)
            s->tags.items[i] = random_text(2, 5, letters, 10);
    }
    if (s->has_name)
        s->name = random_text(2, 5, letters, 10);
}

static struct sample
random_sample(void)
{
    static const char *const extras[] = {"null", "[1,{\"a\":\"б\"}]", "0.1", "\"\"", "{}"};
    struct sample s = {.count = random_between(-10, INT64_MAX), .on = random_bits() % 2 == 0};

    for (uint32_t f = 0; f < SAMPLE_FIELDS; f++)
        if (sample_fields[f].has_offset != BUS_NO_OFFSET)
            *(bool *)((char *)&s + sample_fields[f].has_offset) = random_bits() % 2 == 0;
    random_lists(&s);
    if (s.has_even)
        s.even = random_between(INT64_MIN / 2, INT64_MAX / 2) * 2;
    if (s.has_ratio)
        s.ratio = random_double();
    if (s.has_share)
        s.share = (double)random_between(1, 100) / 100;
    if (s.has_plate)
        s.plate = BUS_STR("A 1");
    if (s.has_mail)
        s.mail = BUS_STR("a@b.ru");
    if (s.has_phone)
        s.phone = BUS_STR("+79001234567");
    if (s.has_colour)
        s.colour = (enum colour)random_between(RED, BLUE);
    if (s.has_id)
        for (size_t i = 0; i < sizeof(s.id.bytes); i++)
            s.id.bytes[i] = (uint8_t)random_bits();
    if (s.has_day)
        s.day = (int32_t)random_between(-719162, 2932896);
    if (s.has_at)
        s.at = random_between(-INT64_C(62135596800000), INT64_C(253402300799999));
    if (s.has_place)
        s.place = (struct point){random_between(-180000000, 180000000), 0};
    if (s.has_move)
        s.move = random_move();
    if (s.has_extra)
        s.extra = bus_str_of(extras[random_bits() % 5]);
    if (s.has_limit)
        s.limit = random_between(INT64_MIN, INT64_MAX);
    return s;
}

static void
test_random_values_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct sample s, back, copy;
        char         *once;

        bus_arena_reset(&arena);
        s = random_sample();
        once = strdup(written(&s));
        assert_non_null(once);
        back = read_ok(once);
        if (!bus_equal(&sample_shape, &s, &back))
            fail_msg("round %d: %s", i, once);
        assert_string_equal(written(&back), once);
        bus_copy(&sample_shape, &s, &copy, &arena);
        assert_true(bus_equal(&sample_shape, &s, &copy));
        assert_string_equal(written(&copy), once);
        free(once);
    }
}

/* --- two roads
 * ------------------------------------------------------------------------------------------ */

/* Whatever the short road takes, the long one takes as well, for the same value. True: it took it.
 */
static bool
take_both_ways(bus_personal_form form, const char *text)
{
    struct sample plain, parsed;
    json_t       *tree;

    problems.count = 0;
    if (!bus_decode_plain(form, &sample_shape, bus_str_of(text), &arena, &plain))
        return false;
    tree = bus_json_parse(bus_str_of(text), &problems);
    if (tree == NULL ||
        bus_decode_json_as(form, &sample_shape, tree, &arena, &parsed, &problems) != BUS_OK)
        fail_msg("only without a tree: %s: %s %s", text, problems.items[0].pointer,
                 problems.items[0].message);
    json_decref(tree);
    if (!bus_equal(&sample_shape, &plain, &parsed))
        fail_msg("another value without a tree: %s", text);
    assert_int_equal(plain.points.capacity, plain.points.count); /* nothing to write over */
    return true;
}

/* Numbers of as few digits as numbers mostly have, and no values of any kind. */
static struct sample
simple_sample(void)
{
    struct sample s = random_sample();

    s.has_extra = s.has_tags = s.has_name = false;
    s.count %= 1000000;
    s.even = s.even % 1000000 * 2;
    s.limit %= 1000000;
    s.ratio = (double)random_between(-1000, 1000) / 100;
    if (s.move.kind == MOVE_WALK)
        s.move.walk.steps %= 1000000;
    else
        s.move.drive.load_g %= 1000000;
    return s;
}

/* Bytes that mean something in JSON, in UTF-8 and in what the shape asks for. */
static void
mutate(bus_buf *text)
{
    static const char bytes[] =
        "{}[]\",:\\ 0123456789-+.eEntu\n\x01\x7f\x80\xbf\xc0\xc2\xe0\xed\xa0\xf0\x90\xf4\xff";
    const size_t at = (size_t)random_between(0, (int64_t)text->len - 1);
    char         byte = bytes[(size_t)random_between(0, (int64_t)sizeof(bytes) - 2)];

    switch (random_bits() % 3) {
    case 0: text->at[at] = byte; return;
    case 1: memmove(text->at + at, text->at + at + 1, text->len-- - at); return;
    default:
        bus_buf_add_char(text, byte);
        memmove(text->at + at + 1, text->at + at, text->len - at - 1);
        text->at[at] = byte;
    }
}

static void
test_the_short_road_takes_nothing_that_the_long_one_refuses(void **state)
{
    bus_buf text = {0};
    int     right = 0, mutated = 0;

    (void)state;
    for (int i = 0; i < 60000; i++) {
        struct sample s;

        bus_arena_reset(&arena);
        s = i % 4 == 0 ? random_sample() : simple_sample();
        if (i % 3 == BUS_PERSONAL_SEALED)
            s.phone = BUS_STR("enc:1:x");
        if (i % 3 != BUS_PERSONAL_CLEAR && i % 5 == 0)
            s.phone = BUS_STR(""); /* forgotten */
        bus_buf_reset(&text);
        bus_buf_add_text(&text, written(&s));
        right += take_both_ways((bus_personal_form)(i % 3), text.at);
        for (uint64_t m = random_bits() % 3; text.len > 0 && m > 0; m--)
            mutate(&text);
        mutated += text.len > 0 && take_both_ways((bus_personal_form)(i % 3), text.at);
    }
    bus_buf_fini(&text);
    assert_in_range(right, 30000, 60000);
    assert_in_range(mutated, 10000, 60000);
}

/* What the short road must take, or it is none. */
static void
test_what_is_plain(void **state)
{
    static const char *const plain[] = {
        "{\"count\":1,\"name\":null}",
        " {\n\t\"name\" : \"Ёж 🚚\" ,\r\"count\" : -7 } ",
        "{\"count\":0,\"name\":null,\"ratio\":-12.5,\"share\":0.07}",
        "{\"count\":0,\"name\":null,\"points\":[{\"lat_e6\":1,\"lon_e6\":2}]}",
        "{\"count\":0,\"name\":null,\"move\":{\"by\":\"WALK\",\"steps\":3}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (!take_both_ways(BUS_PERSONAL_CLEAR, plain[i]))
            fail_msg("is plain: %s: %s %s", plain[i], problems.items[0].pointer,
                     problems.items[0].message);
}

/* --- threads
 * ------------------------------------------------------------------------------------------ */

static void           *raced_code;
static const bus_shape raced = {.kind = BUS_KIND_STRING,
                                .size = sizeof(bus_str),
                                .maximum = 40,
                                .pattern = "^[a-z]{1,8}(-[0-9]+)?$",
                                .pattern_code = &raced_code};

static void *
match_often(void *context)
{
    long *right = context;

    for (int i = 0; i < 2000; i++)
        *right +=
            bus_pattern_matches(&raced, str("abc-12")) && !bus_pattern_matches(&raced, str("abc-"));
    return NULL;
}

/* Eight threads that all need a pattern first; run it under the thread sanitizer. */
static void
test_first_use_of_a_pattern_by_many_threads(void **state)
{
    pthread_t threads[8];
    long      right[8] = {0};

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_often, &right[i]), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(right[i], 2000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_text_that_is_no_json, empty),
        cmocka_unit_test_setup(test_the_short_road_takes_nothing_that_the_long_one_refuses, empty),
        cmocka_unit_test_setup(test_what_is_plain, empty),
        cmocka_unit_test_setup(test_text_that_is_no_utf8, empty),
        cmocka_unit_test_setup(test_nul_characters, empty),
        cmocka_unit_test_setup(test_duplicate_members, empty),
        cmocka_unit_test_setup(test_depth, empty),
        cmocka_unit_test_setup(test_depth_bomb, empty),
        cmocka_unit_test_setup(test_integers, empty),
        cmocka_unit_test_setup(test_numbers, empty),
        cmocka_unit_test_setup(test_lengths_are_code_points, empty),
        cmocka_unit_test_setup(test_pattern, empty),
        cmocka_unit_test_setup(test_enum, empty),
        cmocka_unit_test_setup(test_uuid, empty),
        cmocka_unit_test_setup(test_days, empty),
        cmocka_unit_test_setup(test_times, empty),
        cmocka_unit_test_setup(test_addresses, empty),
        cmocka_unit_test_setup(test_presence, empty),
        cmocka_unit_test_setup(test_unknown_members, empty),
        cmocka_unit_test_setup(test_problems_are_utf8, empty),
        cmocka_unit_test_setup(test_pointers_of_nested_places, empty),
        cmocka_unit_test_setup(test_arrays, empty),
        cmocka_unit_test_setup(test_unions, empty),
        cmocka_unit_test_setup(test_any_json_is_kept_canonical, empty),
        cmocka_unit_test_setup(test_all_problems_are_told, empty),
        cmocka_unit_test_setup(test_problems_are_bounded, empty),
        cmocka_unit_test_setup(test_encoding_is_canonical, empty),
        cmocka_unit_test_setup(test_numbers_read_back, empty),
        cmocka_unit_test_setup(test_copies_share_nothing, empty),
        cmocka_unit_test_setup(test_any_difference_is_seen, empty),
        cmocka_unit_test_setup(test_random_values_come_back, empty),
        cmocka_unit_test_setup(test_first_use_of_a_pattern_by_many_threads, empty),
    };

    return cmocka_run_group_tests(tests, NULL, give_back);
}
