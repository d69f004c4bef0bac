/* personal_bench.c - what encryption of personal members costs: an event of a hired driver (name,
 * phone, licence, card) encoded as it is, encrypted and encoded, decoded, decoded and decrypted;
 * and a new key, in memory and in PostgreSQL.
 *
 *   personal_bench [thousands of rounds]
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/personal.h"
#include "contracts/drivers.h"
#include "tests/support/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECTS 1000
#define KEY "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const char hired[] =
    "{\"driver_id\":\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\",\"full_name\":\"Иванов Иван\","
    "\"phone_e164\":\"+79161234567\",\"licence\":{\"number\":\"9912345678\",\"categories\":[\"B\"],"
    "\"valid_to\":\"2031-05-20\"},\"medical_valid_to\":\"2027-05-20\",\"tacho_card\":\"RUD1\","
    "\"hired_at\":1795420800000}";

static bus_error        err;
static bus_arena        arena;
static bus_master_keys *masters;

static void
check(bus_code rc)
{
    if (rc == BUS_OK)
        return;
    (void)fprintf(stderr, "%s %s\n", bus_code_name(rc), err.text);
    exit(1);
}

static void *
decode(bus_personal_form form, bus_str text)
{
    bus_problems problems = {0};
    void        *value = bus_arena_alloc(&arena, drivers_hired_event.shape->size);

    if (bus_decode_as(form, drivers_hired_event.shape, text, &arena, value, &problems) != BUS_OK) {
        (void)fprintf(stderr, "%s %s\n", problems.items[0].pointer, problems.items[0].message);
        exit(1);
    }
    return value;
}

static bus_personal *
created(const bus_key_store_ops *store, const char *url)
{
    const bus_personal_options options = {
        .store = store, .url = url, .masters = masters, .clock = bus_clock_system()};

    return bus_personal_create(&options);
}

static void
print(const char *what, int64_t began_us, int n)
{
    (void)printf("%-52s %8.2f us\n", what,
                 (double)(bus_mono_us(bus_clock_system()) - began_us) / n);
}

static void
measure_codec(bus_personal *p, int rounds)
{
    const bus_shape *shape = drivers_hired_event.shape;
    bus_id  tenant = bus_new_v7(bus_clock_system()), stream = bus_new_v7(bus_clock_system());
    bus_buf plain = {0}, sealed = {0};
    void   *value = decode(BUS_PERSONAL_CLEAR, BUS_STR(hired));
    struct drivers_hired copy;
    int64_t              began = bus_mono_us(bus_clock_system());

    for (int i = 0; i < rounds; i++) {
        bus_buf_reset(&plain);
        bus_encode(shape, value, &plain);
    }
    print("encode an event", began, rounds);
    began = bus_mono_us(bus_clock_system());
    for (int i = 0; i < rounds; i++) {
        memcpy(&copy, value, sizeof(copy));
        check(bus_personal_seal(p, tenant, stream, shape, &copy, &arena, &err));
        bus_buf_reset(&sealed);
        bus_encode(shape, &copy, &sealed);
        bus_arena_reset(&arena);
        value = decode(BUS_PERSONAL_CLEAR, bus_buf_str(&plain)); /* the arena is empty again */
    }
    print("decode in clear, encrypt 4 members, encode", began, rounds);
    began = bus_mono_us(bus_clock_system());
    for (int i = 0; i < rounds; i++) {
        bus_arena_reset(&arena);
        (void)decode(BUS_PERSONAL_CLEAR, bus_buf_str(&plain));
    }
    print("decode in clear", began, rounds);
    began = bus_mono_us(bus_clock_system());
    for (int i = 0; i < rounds; i++) {
        void *back;

        bus_arena_reset(&arena);
        back = decode(BUS_PERSONAL_SEALED, bus_buf_str(&sealed));
        check(bus_personal_open(p, tenant, stream, shape, back, &arena, &err));
    }
    print("decode, decrypt 4 members", began, rounds);
    (void)printf("%-52s %8zu bytes\n", "the event in clear", plain.len);
    (void)printf("%-52s %8zu bytes\n", "the event encrypted", sealed.len);
    bus_buf_fini(&plain);
    bus_buf_fini(&sealed);
}

static void
measure_keys(bus_personal *p, const char *what, int at_once)
{
    bus_subject subjects[SUBJECTS];
    bus_id      tenant = bus_new_v7(bus_clock_system());
    int64_t     began;
    char        text[80];

    for (int i = 0; i < SUBJECTS; i++)
        subjects[i] = (bus_subject){tenant, bus_new_v7(bus_clock_system())};
    check(bus_personal_prepare(p, subjects, 1, true, &err));
    began = bus_mono_us(bus_clock_system());
    for (int i = 1; i + at_once <= SUBJECTS; i += at_once)
        check(bus_personal_prepare(p, subjects + i, at_once, true, &err));
    (void)snprintf(text, sizeof(text), "a new key in %s, %d at once", what, at_once);
    print(text, began, (SUBJECTS - 1) / at_once * at_once);
}

int
main(int argc, char **argv)
{
    int             rounds = (argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200) * 1000;
    tests_postgres *pg = tests_postgres_start(true);
    bus_personal   *p;

    check(bus_master_keys_parse(&masters, KEY, &err));
    p = created(&bus_key_store_memory, "bench");
    measure_codec(p, rounds);
    measure_keys(p, "memory", 100);
    bus_personal_destroy(p);
    p = created(&bus_key_store_postgres, tests_postgres_url(pg));
    measure_keys(p, "PostgreSQL", 1);
    measure_keys(p, "PostgreSQL", 100);
    bus_personal_destroy(p);
    bus_master_keys_destroy(masters);
    bus_arena_fini(&arena);
    tests_postgres_stop(pg);
    return 0;
}
