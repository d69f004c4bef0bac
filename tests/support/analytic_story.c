/* analytic_story.c - stories of analytics: the core over a table in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/analytic_story.h"
#include "bus/contract/codec.h"
#include "bus/module/decision.h"
#include "projections/stream/stream.h"
#include "tests/support/dice.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVENTS_MAX 256
#define PARTITIONS 16
#define ORDERS 100

typedef struct {
    const bus_message *type;
    bus_id             stream;
    int                partition;
    int64_t            at_ms;
    char              *json;
} happening;

/* A stored row. */
typedef struct kept_row {
    struct {
        bus_id  tenant, id;
        int64_t table;
    } key;
    int32_t        version;
    char          *body;
    UT_hash_handle hh;
} kept_row;

static struct {
    const bus_view *view;
    happening       events[EVENTS_MAX];
    int             events_count;
    uint64_t        random;
} told;

static const bus_id TENANT = {.bytes = {0xaa, 1}};

#define CHECK(file, line, condition) _assert_true((condition) ? 1 : 0, #condition, (file), (line))

static uint64_t
roll(uint64_t n)
{
    return tests_roll(&told.random, n);
}

static char *
double_quoted(const char *single_quoted)
{
    char *text = strdup(single_quoted);

    assert_non_null(text);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    return text;
}

void
analytic_story(const bus_view *view)
{
    for (int i = 0; i < told.events_count; i++)
        free(told.events[i].json);
    told.view = view;
    told.events_count = 0;
    told.random = TESTS_DICE;
}

void
analytic_happens(const char *file, int line, const char *event, const char *stream, int64_t at_ms,
                 const char *json)
{
    const bus_view_contract *of = told.view->of;
    happening               *h = &told.events[told.events_count];
    int                      i = 0;

    CHECK(file, line, told.events_count < EVENTS_MAX);
    while (i < of->follows_count && strcmp(of->follows[i]->type, event) != 0)
        i++;
    CHECK(file, line, i < of->follows_count);
    h->type = of->follows[i];
    CHECK(file, line, bus_id_parse(bus_str_of(stream), &h->stream));
    h->partition = bus_id_partition(h->stream, PARTITIONS);
    h->at_ms = at_ms;
    h->json = double_quoted(json);
    told.events_count++;
}

/* --- running ------------------------------------------------------------------- */

static kept_row *
kept_of(kept_row *rows, int table, bus_id tenant, bus_id id)
{
    kept_row probe, *row;

    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.tenant = tenant;
    probe.key.id = id;
    probe.key.table = table;
    HASH_FIND(hh, rows, &probe.key, sizeof(probe.key), row);
    return row;
}

static void
drop(kept_row **rows, kept_row *row)
{
    HASH_DEL(*rows, row);
    free(row->body);
    free(row);
}

static void
drop_all(kept_row **rows)
{
    while (*rows != NULL)
        drop(rows, *rows);
}

static void
keep(kept_row **rows, const bus_stream_batch *batch, int table, const bus_stream_row *row)
{
    kept_row *kept = kept_of(*rows, table, row->key.tenant, row->key.id);
    bus_str   body;

    if (kept != NULL)
        drop(rows, kept);
    if (!row->there)
        return;
    kept = calloc(1, sizeof(*kept));
    assert_non_null(kept);
    kept->key.tenant = row->key.tenant;
    kept->key.id = row->key.id;
    kept->key.table = table;
    kept->version = row->version;
    body = bus_stream_body(batch, (bus_stream_table)table, row);
    kept->body = strndup(body.at, body.len);
    HASH_ADD(hh, *rows, key, sizeof(kept->key), kept);
}

static void
load_named(kept_row *rows, bus_stream_batch *batch, bus_stream_table table)
{
    bus_error err = {0};

    for (bus_stream_row *row = batch->rows[table]; row != NULL; row = row->hh.next) {
        const kept_row *kept = kept_of(rows, table, row->key.tenant, row->key.id);
        bus_code        rc;

        if (row->loaded)
            continue;
        rc = bus_stream_load(batch, table, row,
                             kept == NULL ? (bus_str){NULL, 0} : bus_str_of(kept->body),
                             kept == NULL ? 0 : kept->version, &err);
        if (rc != BUS_OK) /* what is kept must read back */
            fail_msg("%s", err.text);
    }
}

static bus_event
event_of(const happening *h, int32_t version, bus_arena *arena)
{
    bus_problems problems = {0};
    void        *data = bus_arena_alloc(arena, h->type->shape->size);

    if (bus_decode(h->type->shape, bus_str_of(h->json), arena, data, &problems) != BUS_OK)
        fail_msg("%s: %s %s", h->type->type, problems.items[0].pointer, problems.items[0].message);
    return (bus_event){.type = h->type,
                       .data = data,
                       .tagged = bus_tagged(arena, h->type, data),
                       .stream = h->stream,
                       .tenant = TENANT,
                       .version = version,
                       .at_ms = h->at_ms};
}

static void
run_batch(bus_stream *stream, const int *nth, const int64_t *offsets, int count, kept_row **rows,
          bus_arena *arena)
{
    bus_event        events[EVENTS_MAX];
    bus_stream_place culprit;
    bus_stream_batch batch;
    bus_error        err = {0};

    bus_stream_begin(&batch, stream, arena);
    for (int i = 0; i < count; i++) {
        events[i] = event_of(&told.events[nth[i]], (int32_t)offsets[i], arena);
        assert_int_equal(bus_stream_remember(&batch, &events[i], &err), BUS_OK);
    }
    load_named(*rows, &batch, BUS_STREAM_MEMORY);
    for (int i = 0; i < count; i++) {
        const happening *h = &told.events[nth[i]];
        bus_stream_place place = {
            .source = bus_stream_source(stream, h->type->aggregate->contract->module),
            .partition = h->partition,
            .offset = offsets[i],
            .at_ms = h->at_ms};

        if (bus_stream_take(&batch, &place, &events[i], &err) != BUS_OK)
            fail_msg("%s: %s", h->type->type, err.text);
    }
    bus_stream_name(&batch);
    load_named(*rows, &batch, BUS_STREAM_WINDOWS);
    if (bus_stream_step(&batch, &culprit, &err) != BUS_OK)
        fail_msg("%s", err.text);
    bus_stream_finish(&batch);
    for (int t = 0; t < BUS_STREAM_TABLES; t++)
        for (const bus_stream_row *row = batch.rows[t]; row != NULL; row = row->hh.next)
            if (row->changed)
                keep(rows, &batch, t, row);
    bus_stream_commit(&batch);
    bus_stream_fini(&batch);
}

/* The next event of some partition, chosen at random. -1: there are no more. */
static int
next_of_any(bool *taken, bool mixed)
{
    int open[EVENTS_MAX], count = 0;

    for (int i = 0; i < told.events_count; i++) {
        bool first = !taken[i];

        for (int k = 0; first && k < i; k++)
            first = taken[k] || told.events[k].partition != told.events[i].partition;
        if (first)
            open[count++] = i;
    }
    if (count == 0)
        return -1;
    count = open[mixed ? roll((uint64_t)count) : 0];
    taken[count] = true;
    return count;
}

static void
run(bool mixed, kept_row **rows, int64_t *late)
{
    bus_stream *stream = bus_stream_create(told.view, PARTITIONS);
    bool        taken[EVENTS_MAX] = {false};
    int64_t     heads[PARTITIONS] = {0}, offsets[EVENTS_MAX];
    int         nth[EVENTS_MAX], count;
    bus_arena   arena = {0};

    do {
        int most = mixed ? 1 + (int)roll(EVENTS_MAX) : EVENTS_MAX;

        count = 0;
        while (count < most && (nth[count] = next_of_any(taken, mixed)) >= 0) {
            offsets[count] = ++heads[told.events[nth[count]].partition];
            count++;
        }
        run_batch(stream, nth, offsets, count, rows, &arena);
        bus_arena_reset(&arena);
    } while (count > 0);
    *late = bus_stream_late(stream);
    bus_arena_fini(&arena);
    bus_stream_destroy(stream);
}

/* --- what came of it ------------------------------------------------------------ */

static bool
has_members(const char *body, const json_t *wanted)
{
    json_t     *row = json_loads(body, 0, NULL), *value;
    const char *name;
    bool        has = true;

    assert_non_null(row);
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value) has =
        has &&
        json_equal(json_object_get(row, name) == NULL ? json_null() : json_object_get(row, name),
                   value);
    json_decref(row);
    return has;
}

void
analytic_then_window(const char *file, int line, const char *json, int count)
{
    char     *text = double_quoted(json);
    json_t   *wanted = json_loads(text, 0, NULL);
    kept_row *rows = NULL;
    int64_t   late;
    int       found = 0;

    CHECK(file, line, wanted != NULL);
    run(false, &rows, &late);
    for (const kept_row *row = rows; row != NULL; row = row->hh.next)
        found += row->key.table == BUS_STREAM_WINDOWS && has_members(row->body, wanted);
    if (found != count)
        for (const kept_row *row = rows; row != NULL; row = row->hh.next)
            if (row->key.table == BUS_STREAM_WINDOWS)
                print_message("window %s\n", row->body);
    json_decref(wanted);
    free(text);
    drop_all(&rows);
    _assert_int_equal((LargestIntegralType)found, (LargestIntegralType)count, file, line);
}

void
analytic_then_late(const char *file, int line, int count)
{
    kept_row *rows = NULL;
    int64_t   late;
    int       listed = 0;

    run(false, &rows, &late);
    for (const kept_row *row = rows; row != NULL; row = row->hh.next)
        listed += row->key.table == BUS_STREAM_LATE;
    drop_all(&rows);
    _assert_int_equal((LargestIntegralType)late, (LargestIntegralType)count, file, line);
    _assert_int_equal((LargestIntegralType)listed, (LargestIntegralType)count, file, line);
}

void
analytic_then_remembered(const char *file, int line, int count)
{
    kept_row *rows = NULL;
    int64_t   late;
    int       kept = 0;

    run(false, &rows, &late);
    for (const kept_row *row = rows; row != NULL; row = row->hh.next)
        kept += row->key.table == BUS_STREAM_MEMORY;
    drop_all(&rows);
    _assert_int_equal((LargestIntegralType)kept, (LargestIntegralType)count, file, line);
}

/* Equal but for the value of "change". */
static bool
same_body(const char *a, const char *b)
{
    const char *mark = "\"change\":";
    const char *in_a = strstr(a, mark), *in_b = strstr(b, mark);

    if (in_a == NULL || in_b == NULL)
        return strcmp(a, b) == 0;
    if (in_a - a != in_b - b || memcmp(a, b, (size_t)(in_a - a)) != 0)
        return false;
    in_a += strlen(mark);
    in_b += strlen(mark);
    return strcmp(in_a + strspn(in_a, "0123456789"), in_b + strspn(in_b, "0123456789")) == 0;
}

void
analytic_then_any_order(const char *file, int line)
{
    kept_row *rows = NULL;
    int64_t   late, again_late;

    run(false, &rows, &late);
    for (int i = 0; i < ORDERS; i++) {
        kept_row *again = NULL;

        run(true, &again, &again_late);
        _assert_int_equal((LargestIntegralType)again_late, (LargestIntegralType)late, file, line);
        CHECK(file, line, HASH_COUNT(again) == HASH_COUNT(rows));
        for (const kept_row *row = rows; row != NULL; row = row->hh.next) {
            const kept_row *other =
                kept_of(again, (int)row->key.table, row->key.tenant, row->key.id);

            CHECK(file, line, other != NULL && other->version == row->version);
            CHECK(file, line, same_body(row->body, other->body));
        }
        drop_all(&again);
    }
    drop_all(&rows);
}
