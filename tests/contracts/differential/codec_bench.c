/* codec_bench.c - what the codec costs beside jansson's own reading of the same text.
 *
 *   codec_bench [rounds]
 * Nanoseconds of one document on one thread; only the ratios to the first column count.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "contracts/assignment.h"
#include "contracts/vehicles.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEFAULT_ROUNDS 200000

static const char start_text[] =
    "{\"trip_id\":\"0192f7c1-0000-7000-8000-000000000008\",\"attempt\":1,\"vehicle_id\":"
    "\"0192f7c1-0000-7000-8000-000000000003\",\"driver_id\":\"0192f7c1-0000-7000-8000-"
    "000000000004\",\"planned_from_at\":1763884800000,\"planned_to_at\":1763890500000,\"load_g\":"
    "600000,\"load_ml\":2000000,\"driving_s\":4200}";

typedef struct {
    const bus_shape *shape;
    bus_str          text;
    void            *value, *copy;
    bus_arena        arena;
    bus_buf          buf;
} subject;

static double
now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
must(bool held, const char *what)
{
    if (held)
        return;
    (void)fprintf(stderr, "codec_bench: %s\n", what);
    exit(1);
}

static void
parse_plain(subject *s)
{
    json_t *value = json_loadb(s->text.at, s->text.len, 0, NULL);

    must(value != NULL, "jansson refused the text");
    json_decref(value);
}

static void
parse(subject *s)
{
    bus_problems problems;
    json_t      *value;

    problems.count = 0;
    value = bus_json_parse(s->text, &problems);
    must(value != NULL, "bus_json_parse refused the text");
    json_decref(value);
}

static void
decode(subject *s)
{
    bus_problems problems;

    problems.count = 0;
    bus_arena_reset(&s->arena);
    must(bus_decode(s->shape, s->text, &s->arena, s->value, &problems) == BUS_OK,
         "bus_decode refused the text");
}

static void
encode(subject *s)
{
    bus_buf_reset(&s->buf);
    bus_encode(s->shape, s->value, &s->buf);
}

static void
copy(subject *s)
{
    bus_arena_reset(&s->arena);
    bus_copy(s->shape, s->value, s->copy, &s->arena);
}

static void
equal(subject *s)
{
    must(bus_equal(s->shape, s->value, s->value), "a value differs from itself");
}

static double
measure(void (*work)(subject *), subject *s, long rounds)
{
    double from;

    for (long i = 0; i < rounds / 10; i++)
        work(s);
    from = now_ns();
    for (long i = 0; i < rounds; i++)
        work(s);
    return (now_ns() - from) / (double)rounds;
}

/* The value keeps to an arena of its own while the others are reset. */
static void
run(const char *name, const bus_shape *shape, bus_str text, long rounds)
{
    subject      s = {.shape = shape, .text = text};
    bus_arena    mine = {0};
    bus_problems problems = {0};
    double       plain, checked, decoded, encoded, copied, compared;

    s.value = bus_arena_alloc(&mine, shape->size);
    s.copy = bus_arena_alloc(&mine, shape->size);
    plain = measure(parse_plain, &s, rounds);
    checked = measure(parse, &s, rounds);
    decoded = measure(decode, &s, rounds);
    must(bus_decode(shape, text, &mine, s.value, &problems) == BUS_OK, "bus_decode");
    encoded = measure(encode, &s, rounds);
    copied = measure(copy, &s, rounds);
    compared = measure(equal, &s, rounds);
    (void)printf("%-28s %5u %8.0f %8.0f %8.0f %6.2f %8.0f %8.0f %8.0f\n", name, text.len, plain,
                 checked, decoded, decoded / plain, encoded, copied, compared);
    bus_buf_fini(&s.buf);
    bus_arena_fini(&s.arena);
    bus_arena_fini(&mine);
}

/* A document of many short strings, from the contract's own example. */
static bus_str
first_example(bus_buf *buf)
{
    json_t *contract = json_loads(vehicles_contract.json, 0, NULL), *example;
    char   *text;

    must(contract != NULL, "the contract of vehicles");
    if (json_unpack(contract, "{s:{s:{s:{s:{s:{s:[o]}}}}}}", "aggregates", "vehicle", "commands",
                    "register", "examples", "valid", &example) != 0)
        must(false, "vehicles.register has no example");
    text = json_dumps(example, JSON_COMPACT);
    must(text != NULL, "no memory");
    bus_buf_add_text(buf, text);
    free(text);
    json_decref(contract);
    return bus_buf_str(buf);
}

int
main(int argc, char **argv)
{
    long    rounds = argc > 1 ? strtol(argv[1], NULL, 10) : DEFAULT_ROUNDS;
    bus_buf buf = {0};

    must(rounds > 0, "rounds must be above 0");
    (void)printf("%-28s %5s %8s %8s %8s %6s %8s %8s %8s\n", "ns per document", "bytes", "jansson",
                 "parse", "decode", "ratio", "encode", "copy", "equal");
    run("assignment.start", assignment_start_command.shape, bus_str_of(start_text), rounds);
    run("vehicles.register", vehicles_register_command.shape, first_example(&buf), rounds);
    run("vehicles settings, {}", vehicles_contract.settings, BUS_STR("{}"), rounds);
    bus_buf_fini(&buf);
    return 0;
}
