/* parked.c - `shina parked`: streams that wait for somebody to look.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <stdio.h>
#include <string.h>

#define WRITER "writer" /* the reader of streams whose module broke an invariant */

typedef struct {
    const char *domain, *reader; /* NULL: any */
    bus_id      stream;          /* nil: any */
    bus_ask     ask;
    int         found, done;
} wish;

static bool
wanted(const wish *w, const char *home, const bus_parked *row)
{
    return (w->domain == NULL || strcmp(w->domain, home) == 0) &&
           (w->reader == NULL || bus_str_is(row->reader, w->reader)) &&
           (bus_id_is_nil(w->stream) || bus_id_equal(w->stream, row->stream));
}

static void
print_row(const char *home, const bus_parked *row)
{
    static const char *const asked[] = {"", " (retry asked)", " (skip asked)"};
    char                     text[BUS_ID_TEXT_BYTES];

    (void)printf("%s %.*s %s %.*s:%d:%lld%s %.*s\n", home, BUS_STR_ARG(row->reader),
                 bus_id_format(row->stream, text), BUS_STR_ARG(row->domain), row->partition,
                 (long long)row->from_offset, asked[row->asked], BUS_STR_ARG(row->reason));
}

/* A writer tries a stream again once its row is gone; other readers are asked. */
static bus_code
ask_for(bus_store *st, const char *home, const bus_parked *row, bus_ask ask, bus_error *err)
{
    char reader[128], domain[64];

    (void)snprintf(reader, sizeof(reader), "%.*s", BUS_STR_ARG(row->reader));
    (void)snprintf(domain, sizeof(domain), "%.*s", BUS_STR_ARG(row->domain));
    if (strcmp(reader, WRITER) == 0) {
        const bus_park_write gone = {.stream = row->stream,
                                     .partition = row->partition,
                                     .from_offset = row->from_offset,
                                     .reason = "",
                                     .remove = true};

        if (ask == BUS_ASK_SKIP)
            return bus_fail(err, BUS_INVALID,
                            "events of a stream cannot be left out of its own state; retry it with "
                            "a binary that has the fix");
        return bus_store_postgres.park(st, home, reader, domain, &gone, NULL, 1, err);
    }
    return bus_store_postgres.park_ask(st, home, reader, domain, row->stream, ask, err);
}

static bus_code
visit_home(bus_store *st, const char *home, wish *w, bus_error *err)
{
    bus_arena   arena = {0};
    bus_parked *rows;
    int         count = 0;
    bus_code    rc = bus_store_postgres.parked(st, home, NULL, &arena, &rows, &count, err);

    if (rc == BUS_NOT_FOUND) /* this database has no such domain */
        rc = BUS_OK;
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        if (!wanted(w, home, &rows[i]))
            continue;
        w->found++;
        if (w->ask == BUS_ASK_NONE)
            print_row(home, &rows[i]);
        else if ((rc = ask_for(st, home, &rows[i], w->ask, err)) == BUS_OK)
            w->done++;
    }
    bus_arena_fini(&arena);
    return rc;
}

/* Parkings of views lie in the default database, those of couriers and writers in the domain's. */
static bus_code
visit_all(shina_place *place, wish *w, bus_error *err)
{
    bus_store *views = NULL;
    bus_code   rc = bus_store_postgres.open(&views, &place->options, err);

    for (int i = 0; rc == BUS_OK && i < shina_modules_count; i++) {
        const char *home = shina_modules[i]->contract->module;
        bus_store  *own = NULL;

        rc = visit_home(views, home, w, err);
        if (rc == BUS_OK && shina_place_has_own(place, home) &&
            (rc = shina_place_log(&own, place, home, err)) == BUS_OK)
            rc = visit_home(own, home, w, err);
        if (own != NULL)
            bus_store_postgres.close(own);
    }
    if (views != NULL)
        bus_store_postgres.close(views);
    return rc;
}

static bool
parse_wish(int argc, char **argv, wish *w)
{
    static const char *const known[] = {"--domain=", "--reader=", "--stream=", "--all", NULL};
    const char              *what = word_of(argc, argv, known, 0);
    const char              *stream = option_of(argc, argv, "--stream");

    *w = (wish){.domain = option_of(argc, argv, "--domain"),
                .reader = option_of(argc, argv, "--reader")};
    if (!options_known(argc, argv, known, 1))
        return false;
    if (what != NULL && strcmp(what, "retry") == 0)
        w->ask = BUS_ASK_RETRY;
    else if (what != NULL && strcmp(what, "skip") == 0)
        w->ask = BUS_ASK_SKIP;
    else if (what != NULL && strcmp(what, "list") != 0) {
        (void)fprintf(stderr, "shina parked: list, retry or skip, not \"%s\"\n", what);
        return false;
    }
    if (stream != NULL && !bus_id_parse(bus_str_of(stream), &w->stream)) {
        (void)fputs("shina parked: --stream is a UUID\n", stderr);
        return false;
    }
    if (w->domain != NULL && !shina_place_knows("parked", w->domain))
        return false;
    if (w->ask == BUS_ASK_SKIP && stream == NULL) {
        (void)fputs("shina parked: skip needs --stream\n", stderr);
        return false;
    }
    if (w->ask == BUS_ASK_RETRY && stream == NULL && !flag_of(argc, argv, "--all")) {
        (void)fputs("shina parked: retry needs --stream or --all\n", stderr);
        return false;
    }
    return true;
}

int
verb_parked(const bus_config *config, int argc, char **argv)
{
    bus_error   err = {0};
    shina_place place;
    wish        w;

    if (!parse_wish(argc, argv, &w))
        return 2;
    if (shina_place_find(&place, config, &err) != BUS_OK || visit_all(&place, &w, &err) != BUS_OK)
        return failed(&err);
    if (w.ask != BUS_ASK_NONE) {
        (void)printf("asked for %d of %d; their readers do it within seconds, see shina parked\n",
                     w.done, w.found);
        return w.found > 0 ? 0 : 1;
    }
    if (w.found == 0)
        (void)puts("nothing is parked");
    return 0;
}
