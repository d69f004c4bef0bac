/* archive_read.c - events out of files, for the calls that read the log. What is in a file stays
 * there for ever, so what was once learned of files holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive.h"
#include "bus/store/postgres/archive_file.h"
#include "bus/store/postgres/archive_row.h"
#include "bus/store/postgres/operations.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 8 /* files: one unpacked block each */

typedef struct {
    int64_t first, last;
} span;

/* The files of a partition, in order. */
typedef struct {
    span *spans;
    int   count, room;
} known;

typedef struct of_domain {
    char             *domain;
    known             partitions[BUS_PARTITIONS_MAX];
    struct of_domain *next;
} of_domain;

typedef struct {
    archive_file *file; /* NULL: free */
    char         *domain;
    uint16_t      partition;
    int64_t       first;
    uint64_t      used; /* when */
} open_file;

struct pg_archives {
    of_domain *domains;
    open_file  open[OPEN_MAX];
    uint64_t   uses;
    bus_buf    scratch; /* of one record */
};

static pg_archives *
archives_of(bus_store *st)
{
    if (st->archives == NULL && (st->archives = calloc(1, sizeof(*st->archives))) == NULL)
        abort();
    return st->archives;
}

static of_domain *
find_domain(bus_store *st, const char *domain, bool make)
{
    pg_archives *all = archives_of(st);
    of_domain   *d = all->domains;

    while (d != NULL && strcmp(d->domain, domain) != 0)
        d = d->next;
    if (d == NULL && make) {
        if ((d = calloc(1, sizeof(*d))) == NULL || (d->domain = strdup(domain)) == NULL)
            abort();
        d->next = all->domains;
        all->domains = d;
    }
    return d;
}

static void
close_file(open_file *f)
{
    archive_file_close(f->file);
    free(f->domain);
    *f = (open_file){0};
}

void
pg_archive_free(bus_store *st)
{
    pg_archives *all = st->archives;

    if (all == NULL)
        return;
    while (all->domains != NULL) {
        of_domain *d = all->domains;

        all->domains = d->next;
        for (int p = 0; p < BUS_PARTITIONS_MAX; p++)
            free(d->partitions[p].spans);
        free(d->domain);
        free(d);
    }
    for (int i = 0; i < OPEN_MAX; i++)
        close_file(&all->open[i]);
    bus_buf_fini(&all->scratch);
    free(all);
    st->archives = NULL;
}

/* --- files ------------------------------------------------------------------ */

/* The slot that has the file, or the one to put it in: a free one, else the least used. */
static open_file *
slot_of(pg_archives *all, const char *domain, uint16_t partition, int64_t first)
{
    open_file *oldest = &all->open[0];

    for (int i = 0; i < OPEN_MAX; i++) {
        open_file *f = &all->open[i];

        if (f->file != NULL && f->partition == partition && f->first == first &&
            strcmp(f->domain, domain) == 0)
            return f;
        if (f->used < oldest->used)
            oldest = f;
    }
    close_file(oldest);
    return oldest;
}

static bus_code
open_one(bus_store *st, const char *domain, uint16_t partition, int64_t first, open_file **out,
         bus_error *err)
{
    pg_archives       *all = archives_of(st);
    const archive_name name = {st->archive, domain, partition, first};
    open_file         *f;
    bus_code           rc;

    if (st->archive == NULL)
        return bus_fail(err, BUS_INVALID,
                        "%s, partition %d: events from offset %" PRId64
                        " on are archived, and no folder of archives is configured",
                        domain, (int)partition, first);
    f = slot_of(all, domain, partition, first);
    if (f->file == NULL) {
        rc = archive_file_open(&f->file, &name, err);
        if (rc == BUS_NOT_FOUND || rc == BUS_DENIED) /* those mean other things to the asker */
            rc = err->code = BUS_INVALID;
        if (rc != BUS_OK) {
            f->file = NULL;
            return rc;
        }
        if ((f->domain = strdup(domain)) == NULL)
            abort();
        f->partition = partition;
        f->first = first;
    }
    f->used = ++all->uses;
    *out = f;
    return BUS_OK;
}

static bus_code
read_one(bus_store *st, open_file *f, int64_t offset, bus_record *out, bus_error *err)
{
    bus_str  line;
    bus_code rc;

    if ((rc = archive_file_line(f->file, offset, &line, err)) != BUS_OK)
        goto failed;
    rc = archive_row_parse(line, &st->archives->scratch, out, err);
    if (rc == BUS_OK && (out->offset != offset || out->partition != f->partition))
        rc = bus_fail(err, BUS_INVALID, "it holds another event");
    if (rc == BUS_OK)
        return BUS_OK;
    rc = bus_fail(err, BUS_INVALID,
                  "the archive of %s, partition %d, from offset %" PRId64
                  " is damaged at offset %" PRId64,
                  f->domain, (int)f->partition, f->first, offset);

failed:
    close_file(f); /* it may be put right meanwhile */
    return rc;
}

bus_code
pg_archive_fill(bus_store *st, const char *domain, int64_t archive, bus_record *record,
                bus_error *err)
{
    bus_record whole;
    open_file *f;
    bus_code   rc;

    if ((rc = open_one(st, domain, record->partition, archive, &f, err)) != BUS_OK ||
        (rc = read_one(st, f, record->offset, &whole, err)) != BUS_OK)
        return rc;
    if (!bus_id_equal(whole.stream, record->stream) || whole.version != record->version ||
        !bus_id_equal(whole.command_id, record->command_id) || whole.nth != record->nth)
        return bus_fail(err, BUS_INVALID,
                        "the archive of %s, partition %d, from offset %" PRId64
                        " holds another event at offset %" PRId64 " than the table",
                        domain, (int)record->partition, archive, record->offset);
    *record = whole;
    return BUS_OK;
}

/* --- partitions ------------------------------------------------------------- */

int64_t
pg_archive_known(bus_store *st, const char *domain, uint16_t partition)
{
    const of_domain *d = st->archives == NULL ? NULL : find_domain(st, domain, false);
    const known     *k = d == NULL ? NULL : &d->partitions[partition];

    return k == NULL || k->count == 0 ? 0 : k->spans[k->count - 1].last;
}

static void
add_span(known *k, span s)
{
    if (k->count > 0 && s.first <= k->spans[k->count - 1].first)
        return;
    if (k->count == k->room) {
        k->room = k->room == 0 ? 8 : k->room * 2;
        k->spans = realloc(k->spans, sizeof(*k->spans) * (size_t)k->room);
        if (k->spans == NULL)
            abort();
    }
    k->spans[k->count++] = s;
}

bus_code
pg_archive_learn(bus_store *st, const char *domain, bus_error *err)
{
    static const char sql[] = "select partition, first, last from {d}.archives"
                              " where sha256 is not null order by partition, first";
    PGresult         *res = NULL;
    of_domain        *d;
    bus_code          rc;

    pg_params_reset(&st->params);
    if ((rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err)) == BUS_OK) {
        d = find_domain(st, domain, true);
        for (int i = 0; i < PQntuples(res); i++)
            add_span(&d->partitions[pg_get_int2(res, i, 0)],
                     (span){pg_get_int8(res, i, 1), pg_get_int8(res, i, 2)});
    }
    PQclear(res);
    return rc;
}

/* The file of an offset that is known to be in one. */
static const span *
span_of(const known *k, int64_t offset)
{
    int low = 0, high = k->count;

    while (high - low > 1) {
        int middle = low + (high - low) / 2;

        if (k->spans[middle].first <= offset)
            low = middle;
        else
            high = middle;
    }
    return &k->spans[low];
}

bus_code
pg_archive_read(bus_store *st, const char *domain, uint16_t partition, int64_t *after, int *left,
                bus_record_visit visit, void *context, bus_error *err)
{
    const known *k = &find_domain(st, domain, true)->partitions[partition];
    const span  *s = NULL;
    open_file   *f = NULL;
    bus_record   record;
    bus_code     rc;

    while (*left > 0 && k->count > 0 && *after < k->spans[k->count - 1].last) {
        int64_t offset = *after + 1;

        if (s == NULL || offset > s->last) {
            s = span_of(k, offset);
            if ((rc = open_one(st, domain, partition, s->first, &f, err)) != BUS_OK)
                return rc;
        }
        if ((rc = read_one(st, f, offset, &record, err)) != BUS_OK ||
            (rc = visit(context, &record, err)) != BUS_OK)
            return rc;
        *after = offset;
        *left -= 1;
    }
    return BUS_OK;
}
