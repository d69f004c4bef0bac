/* personal.c - values encrypted and read again, over keys in memory and a clock of our own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/personal.h"
#include "bus/personal/memory/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define URL "personal"
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHiA="

/* --- a contract's shape, as the schema compiler would write it ---------------------------- */

struct place {
    bus_str phone;
};
struct letter {
    bus_str name; /* of the stream */
    bus_id  driver_id;
    bool    has_note;
    bus_str note; /* of the driver */
    bus_str subject_line;
    struct {
        struct place *items;
        uint32_t      count, capacity;
    } places;
};

static const bus_shape text_shape = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .minimum = 2, .maximum = 40};
static const bus_shape id_shape = {.kind = BUS_KIND_UUID, .size = sizeof(bus_id)};
static const bus_field place_fields[] = {
    {.name = "phone",
     .shape = &text_shape,
     .offset = offsetof(struct place, phone),
     .has_offset = BUS_NO_OFFSET,
     .required = true,
     .personal = ""},
};
static const bus_shape place_shape = {.kind = BUS_KIND_OBJECT,
                                      .size = sizeof(struct place),
                                      .fields = place_fields,
                                      .fields_count = 1,
                                      .personal = true};
static const bus_shape places_shape = {
    .kind = BUS_KIND_ARRAY, .size = 16, .maximum = 5, .item = &place_shape, .personal = true};
static const bus_field letter_fields[] = {
    {.name = "name",
     .shape = &text_shape,
     .offset = offsetof(struct letter, name),
     .has_offset = BUS_NO_OFFSET,
     .required = true,
     .personal = ""},
    {.name = "driver_id",
     .shape = &id_shape,
     .offset = offsetof(struct letter, driver_id),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
    {.name = "note",
     .shape = &text_shape,
     .offset = offsetof(struct letter, note),
     .has_offset = offsetof(struct letter, has_note),
     .nullable = true,
     .personal = "/driver_id"},
    {.name = "subject_line",
     .shape = &text_shape,
     .offset = offsetof(struct letter, subject_line),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
    {.name = "places",
     .shape = &places_shape,
     .offset = offsetof(struct letter, places),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
};
static const bus_shape   letter_shape = {.kind = BUS_KIND_OBJECT,
                                         .size = sizeof(struct letter),
                                         .fields = letter_fields,
                                         .fields_count = 5,
                                         .personal = true};
static const bus_message letter_message = {
    .type = "post.letter_sent.v1", .shape = &letter_shape, .version = 1};

static const char letter_json[] =
    "{\"name\":\"Anna\",\"driver_id\":\"11111111-1111-4111-8111-111111111111\","
    "\"note\":\"rude\",\"subject_line\":\"hello\",\"places\":[{\"phone\":\"+7901\"},"
    "{\"phone\":\"+7902\"}]}";

/* --- the stage ------------------------------------------------------------------------------ */

static bus_arena        arena;
static bus_error        err;
static int64_t          now_us;
static bus_clock        test_clock;
static bus_key_store   *keep; /* so that the keys outlast each bus_personal */
static bus_master_keys *masters;
static bus_id           tenant, stream, driver;

static int64_t
mono(void *context)
{
    (void)context;
    return now_us;
}

static int
begin(void **state)
{
    (void)state;
    test_clock = *bus_clock_system();
    test_clock.mono_us = mono;
    now_us = 1;
    tenant = bus_id_v5_text(BUS_ID_NIL, "tenant");
    stream = bus_id_v5_text(BUS_ID_NIL, "stream");
    assert_true(bus_id_parse(BUS_STR("11111111-1111-4111-8111-111111111111"), &driver));
    assert_int_equal(bus_key_store_memory.open(&keep, URL, NULL, NULL, &err), BUS_OK);
    assert_int_equal(bus_master_keys_parse(&masters, "k1:" KEY_A, &err), BUS_OK);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    bus_key_store_memory.close(keep);
    bus_master_keys_destroy(masters);
    bus_arena_fini(&arena);
    return 0;
}

static bus_personal *
created(const bus_master_keys *by)
{
    const bus_personal_options options = {
        .store = &bus_key_store_memory, .url = URL, .masters = by, .clock = &test_clock};

    return bus_personal_create(&options);
}

static struct letter *
decoded(bus_personal_form form, const char *json)
{
    struct letter *l = BUS_ARENA_NEW(&arena, struct letter);
    bus_problems   problems = {0};

    assert_int_equal(bus_decode_as(form, &letter_shape, bus_str_of(json), &arena, l, &problems),
                     BUS_OK);
    return l;
}

static const char *
encoded(const struct letter *l)
{
    bus_buf buf = {0};
    bus_str copy;

    bus_encode(&letter_shape, l, &buf);
    copy = bus_arena_copy(&arena, buf.at, buf.len);
    bus_buf_fini(&buf);
    return copy.at;
}

static const char *
sealed_by(bus_personal *p)
{
    struct letter *l = decoded(BUS_PERSONAL_CLEAR, letter_json);

    assert_int_equal(bus_personal_seal(p, tenant, stream, &letter_shape, l, &arena, &err), BUS_OK);
    return encoded(l);
}

static bus_code
open_json(bus_personal *p, bus_id of_tenant, bus_id of_stream, const char *json, bus_str *out)
{
    return bus_personal_open_data(p, of_tenant, of_stream, &letter_message, bus_str_of(json),
                                  &arena, out, &err);
}

/* --- tests --------------------------------------------------------------------------------- */

static void
test_what_is_sealed_hides_and_opens(void **state)
{
    bus_personal *p = created(masters), *reader = created(masters);
    const char   *sealed = sealed_by(p), *again = sealed_by(p);
    bus_str       out;
    char          subject[BUS_ID_TEXT_BYTES];

    (void)state;
    assert_null(strstr(sealed, "Anna"));
    assert_null(strstr(sealed, "rude"));
    assert_null(strstr(sealed, "+7901"));
    assert_non_null(strstr(sealed, "hello"));
    assert_non_null(strstr(sealed, "\"note\":\"enc:1:11111111-1111-4111-8111-111111111111:"));
    assert_non_null(strstr(
        sealed,
        bus_arena_printf(&arena, "\"name\":\"enc:1:%s:", bus_id_format(stream, subject)).at));
    assert_string_not_equal(sealed, again); /* a nonce is used once */
    assert_int_equal(open_json(reader, tenant, stream, sealed, &out), BUS_OK);
    assert_string_equal(out.at, letter_json);
    bus_personal_destroy(p);
    bus_personal_destroy(reader);
}

static void
test_a_value_opens_only_where_it_belongs(void **state)
{
    bus_personal  *p = created(masters);
    const char    *sealed = sealed_by(p);
    bus_id         other = bus_id_v5_text(BUS_ID_NIL, "other");
    struct letter *l = decoded(BUS_PERSONAL_SEALED, sealed);
    bus_str        out, name = l->name;
    char          *broken;

    (void)state;
    assert_int_equal(open_json(p, tenant, other, sealed, &out), BUS_FAULT); /* of another stream */
    assert_non_null(strstr(err.text, "another subject"));
    /* another tenant has no such key: forgotten rather than broken */
    assert_int_equal(open_json(p, other, stream, sealed, &out), BUS_OK);
    assert_null(strstr(out.at, "Anna"));
    l->places.items[0].phone = name; /* another member of the same subject */
    assert_int_equal(open_json(p, tenant, stream, encoded(l), &out), BUS_FAULT);
    assert_non_null(strstr(err.text, "phone"));
    broken = (char *)(uintptr_t)strstr(sealed, "\"note\":\"enc:1:");
    broken[90] = broken[90] == 'A' ? 'B' : 'A';
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_FAULT);
    assert_int_equal(open_json(p, tenant, stream, letter_json, &out), BUS_FAULT); /* in clear */
    assert_null(strstr(err.text, "Anna"));
    bus_personal_destroy(p);
}

static void
forget_stream(void)
{
    bus_personal *other = created(masters);

    assert_int_equal(bus_personal_forget(other, tenant, stream, &err), BUS_OK);
    bus_personal_destroy(other);
}

static void
test_a_deleted_key_leaves_tombstones(void **state)
{
    bus_personal  *p = created(masters), *fresh = created(masters);
    const char    *sealed = sealed_by(p);
    struct letter *l;
    bus_str        out;

    (void)state;
    forget_stream();
    /* p goes on with the key that it has, for a while */
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_OK);
    assert_string_equal(out.at, letter_json);
    assert_int_equal(open_json(fresh, tenant, stream, sealed, &out), BUS_OK);
    assert_non_null(strstr(out.at, "\"name\":\"\""));
    assert_non_null(strstr(out.at, "\"phone\":\"\""));
    assert_non_null(strstr(out.at, "\"note\":\"rude\"")); /* the driver's key is there */
    now_us += BUS_PERSONAL_TTL_MS * 1000 + 1;
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_OK);
    assert_non_null(strstr(out.at, "\"name\":\"\""));
    /* a tombstone can be read within, put into an event, and read from there */
    l = decoded(BUS_PERSONAL_OPENED, out.at);
    assert_int_equal(bus_personal_seal(p, tenant, stream, &letter_shape, l, &arena, &err), BUS_OK);
    assert_non_null(strstr(encoded(l), "\"name\":\"\""));
    assert_int_equal(open_json(p, tenant, stream, encoded(l), &out), BUS_OK);
    assert_non_null(strstr(out.at, "\"name\":\"\""));
    bus_personal_destroy(p);
    bus_personal_destroy(fresh);
}

static void
test_no_key_is_made_for_who_was_forgotten(void **state)
{
    bus_personal     *p = created(masters), *q = created(masters);
    const bus_subject of = {tenant, stream};
    const char       *before = sealed_by(p), *after;
    bus_str           out, bytes = BUS_STR("bytes");

    (void)state;
    assert_int_equal(bus_personal_prepare(q, &of, 1, true, &err), BUS_OK);
    assert_int_equal(bus_personal_forget(q, tenant, stream, &err), BUS_OK);
    after = sealed_by(q); /* q has forgotten at once */
    assert_non_null(strstr(after, "\"name\":\"\""));
    assert_non_null(strstr(after, "\"phone\":\"\""));
    assert_null(strstr(after, "\"note\":\"\"")); /* another's */
    now_us += BUS_PERSONAL_TTL_MS * 1000 + 1;
    after = sealed_by(p);
    assert_non_null(strstr(after, "\"name\":\"\""));
    assert_int_equal(open_json(p, tenant, stream, before, &out), BUS_OK);
    assert_null(strstr(out.at, "Anna"));
    assert_int_equal(bus_personal_seal_bytes(p, tenant, stream, "label", bytes, &arena, &out, &err),
                     BUS_NOT_FOUND);
    assert_int_equal(bus_personal_forget(p, tenant, stream, &err), BUS_OK); /* a repeat */
    assert_int_equal(open_json(q, tenant, stream, before, &out), BUS_OK);
    assert_null(strstr(out.at, "Anna"));
    bus_personal_destroy(p);
    bus_personal_destroy(q);
}

/* Out of reach: not forgotten, and the caller knows. */
static void
test_forgetting_tells_when_it_failed(void **state)
{
    bus_personal *p = created(masters);
    const char   *sealed = sealed_by(p);
    bus_str       out;

    (void)state;
    key_store_memory_down(URL, true);
    assert_int_equal(bus_personal_forget(p, tenant, stream, &err), BUS_UNAVAILABLE);
    key_store_memory_down(URL, false);
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_OK);
    assert_string_equal(out.at, letter_json);
    bus_personal_destroy(p);
}

/* It looked when there was no key yet: what was sealed since must open all the same. */
static void
test_a_key_that_was_missing_a_moment_ago_is_looked_for_again(void **state)
{
    bus_personal     *p = created(masters), *q = created(masters);
    const bus_subject of = {tenant, bus_id_v5_text(BUS_ID_NIL, "stream")};
    bus_str           out;

    (void)state;
    assert_int_equal(bus_personal_prepare(q, &of, 1, false, &err), BUS_OK);
    assert_int_equal(open_json(q, tenant, stream, sealed_by(p), &out), BUS_OK);
    assert_string_equal(out.at, letter_json);
    bus_personal_destroy(p);
    bus_personal_destroy(q);
}

static void
test_a_store_out_of_reach_is_no_tombstone(void **state)
{
    bus_personal  *p = created(masters), *q = created(masters);
    const char    *sealed = sealed_by(p);
    struct letter *l = decoded(BUS_PERSONAL_CLEAR, letter_json);
    bus_str        out;

    (void)state;
    key_store_memory_down(URL, true);
    assert_int_equal(open_json(q, tenant, stream, sealed, &out), BUS_UNAVAILABLE);
    assert_true(err.retryable);
    assert_int_equal(bus_personal_seal(q, tenant, stream, &letter_shape, l, &arena, &err),
                     BUS_UNAVAILABLE);
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_OK); /* what is at hand */
    now_us += BUS_PERSONAL_TTL_MS * 1000 + 1;
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_UNAVAILABLE);
    key_store_memory_down(URL, false);
    assert_int_equal(open_json(p, tenant, stream, sealed, &out), BUS_OK);
    assert_string_equal(out.at, letter_json);
    bus_personal_destroy(p);
    bus_personal_destroy(q);
}

static void
test_an_older_master_key_still_opens(void **state)
{
    bus_master_keys *both = NULL, *only_new = NULL;
    bus_personal    *p = created(masters), *q, *r;
    const char      *sealed = sealed_by(p);
    bus_str          out;

    (void)state;
    assert_int_equal(bus_master_keys_parse(&both, "k2:" KEY_B ",k1:" KEY_A, &err), BUS_OK);
    assert_int_equal(bus_master_keys_parse(&only_new, "k2:" KEY_B, &err), BUS_OK);
    q = created(both);
    r = created(only_new);
    assert_int_equal(open_json(q, tenant, stream, sealed, &out), BUS_OK);
    assert_string_equal(out.at, letter_json);
    assert_int_equal(open_json(r, tenant, stream, sealed, &out), BUS_DENIED);
    assert_non_null(strstr(err.text, "k1"));
    bus_personal_destroy(p);
    bus_personal_destroy(q);
    bus_personal_destroy(r);
    bus_master_keys_destroy(both);
    bus_master_keys_destroy(only_new);
}

static void
test_claims_hold_no_value_and_stay_equal(void **state)
{
    bus_personal *p = created(masters), *q = created(masters);
    bus_id        other = bus_id_v5_text(BUS_ID_NIL, "other");
    bus_str       a, b, c, d;

    (void)state;
    assert_int_equal(bus_personal_claim(p, tenant, "phone", BUS_STR("+7901"), &arena, &a, &err),
                     BUS_OK);
    assert_int_equal(bus_personal_claim(q, tenant, "phone", BUS_STR("+7901"), &arena, &b, &err),
                     BUS_OK);
    assert_int_equal(bus_personal_claim(q, tenant, "card", BUS_STR("+7901"), &arena, &c, &err),
                     BUS_OK);
    assert_int_equal(bus_personal_claim(q, other, "phone", BUS_STR("+7901"), &arena, &d, &err),
                     BUS_OK);
    assert_true(bus_str_equal(a, b));
    assert_false(bus_str_equal(a, c));
    assert_false(bus_str_equal(a, d));
    assert_int_equal(a.len, 7 + 64);
    assert_null(strstr(a.at, "7901"));
    bus_personal_destroy(p);
    bus_personal_destroy(q);
}

static void
test_bytes_of_a_subject(void **state)
{
    bus_personal *p = created(masters);
    bus_subject   of = {tenant, stream};
    bus_str       sealed, out;

    (void)state;
    assert_int_equal(bus_personal_seal_bytes(p, tenant, stream, "snapshot post.letter",
                                             BUS_STR("no key yet"), &arena, &sealed, &err),
                     BUS_NOT_FOUND);
    assert_int_equal(bus_personal_prepare(p, &of, 1, true, &err), BUS_OK);
    assert_int_equal(bus_personal_seal_bytes(p, tenant, stream, "snapshot post.letter",
                                             BUS_STR("Anna\0rude"), &arena, &sealed, &err),
                     BUS_OK);
    assert_int_equal(bus_personal_open_bytes(p, tenant, stream, "snapshot post.letter", sealed,
                                             &arena, &out, &err),
                     BUS_OK);
    assert_int_equal(out.len, 9);
    assert_memory_equal(out.at, "Anna\0rude", 9);
    assert_int_equal(bus_personal_open_bytes(p, tenant, stream, "snapshot post.other", sealed,
                                             &arena, &out, &err),
                     BUS_FAULT);
    sealed.len = 30;
    assert_int_equal(bus_personal_open_bytes(p, tenant, stream, "snapshot post.letter", sealed,
                                             &arena, &out, &err),
                     BUS_FAULT);
    bus_personal_destroy(p);
}

static void
test_many_subjects_stay_within_the_bound(void **state)
{
    const bus_personal_options options = {.store = &bus_key_store_memory,
                                          .url = URL,
                                          .masters = masters,
                                          .clock = &test_clock,
                                          .keys_max = 4};
    bus_personal              *p = bus_personal_create(&options);
    bus_subjects               list = {0};
    bus_id                     ids[20];
    bus_str                    sealed[20], out;

    (void)state;
    for (int i = 0; i < 20; i++) {
        ids[i] = bus_id_v5_text(BUS_ID_NIL, bus_arena_printf(&arena, "subject %d", i).at);
        bus_subjects_add(&list, tenant, ids[i], &arena);
        bus_subjects_add(&list, tenant, ids[i / 2], &arena); /* some of them more than once */
    }
    assert_int_equal(bus_personal_prepare(p, list.items, list.count, true, &err), BUS_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(bus_personal_seal_bytes(p, tenant, ids[i], "x", BUS_STR("text"), &arena,
                                                 &sealed[i], &err),
                         BUS_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(
            bus_personal_open_bytes(p, tenant, ids[i], "x", sealed[i], &arena, &out, &err), BUS_OK);
        assert_memory_equal(out.at, "text", 4);
    }
    bus_personal_destroy(p);
}

/* In which form a value may come: in clear from outside, with tombstones within, sealed in the log.
 */
static void
test_each_form_takes_what_is_its_own(void **state)
{
    static const struct {
        const char *name;
        bus_code    as[3]; /* CLEAR, OPENED, SEALED */
    } cases[] = {
        {"\"Anna\"", {BUS_OK, BUS_OK, BUS_INVALID}},
        {"\"\"", {BUS_INVALID, BUS_OK, BUS_OK}},
        {"\"A\"", {BUS_INVALID, BUS_INVALID, BUS_INVALID}}, /* too short */
        {"\"enc:1:x\"", {BUS_OK, BUS_OK, BUS_OK}},
        {"\"enc:1:\"", {BUS_OK, BUS_OK, BUS_INVALID}},
        {"\"enc:2:x\"", {BUS_OK, BUS_OK, BUS_INVALID}},
        {"7", {BUS_INVALID, BUS_INVALID, BUS_INVALID}},
        {"null", {BUS_INVALID, BUS_INVALID, BUS_INVALID}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int form = 0; form < 3; form++) {
            const char *note = form == BUS_PERSONAL_SEALED ? "\"\"" : "null";
            bus_str     text = bus_arena_printf(
                    &arena,
                    "{\"name\":%s,\"driver_id\":\"11111111-1111-4111-8111-111111111111\","
                        "\"note\":%s,\"subject_line\":\"hello\",\"places\":[]}",
                    cases[i].name, note);
            struct letter l;
            bus_problems  problems = {0};

            if (bus_decode_as((bus_personal_form)form, &letter_shape, text, &arena, &l,
                              &problems) != cases[i].as[form])
                fail_msg("%s in form %d: %s", text.at, form, problems.items[0].message);
            if (cases[i].as[form] != BUS_OK)
                assert_string_equal(problems.items[0].pointer, "/name");
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_form_takes_what_is_its_own, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_sealed_hides_and_opens, begin, end),
        cmocka_unit_test_setup_teardown(test_a_value_opens_only_where_it_belongs, begin, end),
        cmocka_unit_test_setup_teardown(test_a_deleted_key_leaves_tombstones, begin, end),
        cmocka_unit_test_setup_teardown(test_forgetting_tells_when_it_failed, begin, end),
        cmocka_unit_test_setup_teardown(test_no_key_is_made_for_who_was_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(
            test_a_key_that_was_missing_a_moment_ago_is_looked_for_again, begin, end),
        cmocka_unit_test_setup_teardown(test_a_store_out_of_reach_is_no_tombstone, begin, end),
        cmocka_unit_test_setup_teardown(test_an_older_master_key_still_opens, begin, end),
        cmocka_unit_test_setup_teardown(test_claims_hold_no_value_and_stay_equal, begin, end),
        cmocka_unit_test_setup_teardown(test_bytes_of_a_subject, begin, end),
        cmocka_unit_test_setup_teardown(test_many_subjects_stay_within_the_bound, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
