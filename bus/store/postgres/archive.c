/* archive.c - moves the oldest events of a partition from the table to a file.
 *
 * In this order: a row of `archives` keeps the name; the file is written, durable, named, and read
 * back; the row gets its checksum, from which moment the file is where its events are read; then
 * the rows of the events are stripped of what the file has, some at a time. Whatever dies between
 * two of these steps, the next call goes on there: a name without a checksum is written anew, a
 * file with one is complete.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive.h"
#include "bus/base/failpoint.h"
#include "bus/store/postgres/archive_file.h"
#include "bus/store/postgres/archive_row.h"
#include "bus/store/postgres/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one file. */
#define EVENTS_MAX 250000
#define BYTES_MAX ((int64_t)256 << 20) /* before packing */
/* No statement takes long, so that hot rows stay prunable meanwhile. */
#define PAGE_BYTES (8 << 20)
#define PAGE_EVENTS_MAX 8000
#define STRIP_EVENTS_MIN 100
#define STRIP_EVENTS_MAX 8000
#define STRIP_MS 200

/* How far a partition is. */
typedef struct {
    const char *domain;
    uint16_t    partition;
    int64_t     head;
    int64_t     first;    /* of the file under way or to be made */
    int64_t     last;     /* of the file that is complete and not all stripped; 0: none */
    int64_t     stripped; /* of that file */
    bool        named;    /* the row that keeps the name is there */
} progress;

static archive_name
name_of(const bus_store *st, const progress *p)
{
    return (archive_name){st->archive, p->domain, p->partition, p->first};
}

/* --- one archiver at a time --------------------------------------------------- */

static bus_code
lock(bus_store *st, const char *domain, bus_error *err)
{
    static const char sql[] =
        "select pg_try_advisory_lock(hashtextextended('shina.archive.' || $1::text, 0))";
    PGresult *res = NULL;
    bus_code  rc;

    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(domain));
    rc = pg_run(st, sql, "", PG_HARMLESS, &res, err);
    if (rc == BUS_OK && !pg_get_bool(res, 0, 0))
        rc = bus_fail(err, BUS_DENIED, "another archiver is at work in %s", domain);
    PQclear(res);
    return rc;
}

/* The lock belongs to the session: if this fails, the session ends. */
static void
unlock(bus_store *st, const char *domain)
{
    static const char sql[] =
        "select pg_advisory_unlock(hashtextextended('shina.archive.' || $1::text, 0))";
    PGresult *res = NULL;
    bus_error ignored;

    if (st->conn == NULL)
        return;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(domain));
    if (pg_run(st, sql, "", PG_HARMLESS, &res, &ignored) != BUS_OK)
        pg_disconnect(st);
    PQclear(res);
}

/* --- steps -------------------------------------------------------------------- */

static bus_code
look(bus_store *st, progress *p, bus_error *err)
{
    static const char sql[] =
        "select p.head, a.first, a.last, a.stripped from {d}.partitions p"
        " left join lateral (select * from {d}.archives a where a.partition = p.partition"
        "  order by a.first desc limit 1) a on true where p.partition = $1::int2";
    PGresult *res = NULL;
    bus_code  rc;

    pg_params_reset(&st->params);
    pg_add_int2(&st->params, p->partition);
    if ((rc = pg_run(st, sql, p->domain, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    if (PQntuples(res) == 0) {
        rc = bus_fail(err, BUS_INVALID, "%s has no partition %d", p->domain, (int)p->partition);
        goto done;
    }
    p->head = pg_get_int8(res, 0, 0);
    p->first = 1;
    if (pg_is_null(res, 0, 1))
        goto done;
    p->first = pg_get_int8(res, 0, 1);
    p->named = pg_is_null(res, 0, 2);
    if (p->named)
        goto done;
    p->last = pg_get_int8(res, 0, 2);
    p->stripped = pg_get_int8(res, 0, 3);
    if (p->stripped == p->last) {
        p->first = p->last + 1;
        p->last = 0;
    }

done:
    PQclear(res);
    return rc;
}

/* Keeps the name. What is in its place without such a row is somebody else's. */
static bus_code
keep_name(bus_store *st, progress *p, bus_error *err)
{
    static const char  sql[] = "insert into {d}.archives (partition, first, file)"
                               " values ($1::int2, $2::int8, $3)";
    const archive_name name = name_of(st, p);
    bus_buf            file = {0};
    PGresult          *res = NULL;
    bus_code           rc;

    if (p->named)
        return BUS_OK;
    archive_file_name(&file, &name);
    if (archive_file_exists(&name)) {
        rc = bus_fail(err, BUS_INVALID,
                      "there is a file %.*s in the folder of archives that this database does not "
                      "know: is the folder another's, or the database an older copy? Move it away",
                      BUS_STR_ARG(bus_buf_str(&file)));
    } else {
        pg_params_reset(&st->params);
        pg_add_int2(&st->params, p->partition);
        pg_add_int8(&st->params, p->first);
        pg_add_text(&st->params, bus_buf_str(&file));
        rc = pg_run(st, sql, p->domain, PG_HARMLESS, &res, err);
    }
    PQclear(res);
    bus_buf_fini(&file);
    return rc;
}

/* Copies rows after `after` up to `up_to` into the file. */
static bus_code
copy_page(bus_store *st, const progress *p, int64_t after, int64_t up_to, archive_writer *w,
          bus_error *err)
{
    char      text[512];
    PGresult *res;
    char     *line = NULL;
    int       len;
    bus_code  rc = BUS_OK;

    (void)snprintf(text, sizeof(text),
                   "copy (select " ARCHIVE_COLUMNS " from {d}.events where partition = %d"
                   " and \"offset\" > %" PRId64 " and \"offset\" <= %" PRId64
                   " order by \"offset\") to stdout",
                   (int)p->partition, after, up_to);
    pg_expand(&st->sql, text, p->domain);
    res = PQexec(st->conn, st->sql.at);
    if (PQresultStatus(res) != PGRES_COPY_OUT) {
        rc = pg_fail(st, res, PG_HARMLESS, err);
        PQclear(res);
        return rc;
    }
    PQclear(res);
    while ((len = PQgetCopyData(st->conn, &line, 0)) > 0) {
        if (rc == BUS_OK)
            rc = archive_writer_add(w, (bus_str){line, (uint32_t)len}, err);
        PQfreemem(line);
    }
    while ((res = PQgetResult(st->conn)) != NULL) {
        if (rc == BUS_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
            rc = pg_fail(st, res, PG_HARMLESS, err);
        PQclear(res);
        if (st->stale || PQstatus(st->conn) != CONNECTION_OK)
            break;
    }
    if (rc == BUS_OK && PQstatus(st->conn) != CONNECTION_OK)
        rc = pg_fail(st, NULL, PG_HARMLESS, err);
    return rc;
}

/* All pages of one file, which ends at up_to or at its bound. */
static bus_code
copy_rows(bus_store *st, const progress *p, int64_t up_to, archive_writer *w, bus_error *err)
{
    int64_t after = p->first - 1, rows = 200;

    if (up_to - after > EVENTS_MAX)
        up_to = after + EVENTS_MAX;
    while (after < up_to && archive_writer_raw_bytes(w) < BYTES_MAX) {
        int64_t  to = up_to - after < rows ? up_to : after + rows;
        int64_t  before = archive_writer_raw_bytes(w), bytes;
        bus_code rc = copy_page(st, p, after, to, w, err);

        if (rc != BUS_OK)
            return rc;
        bytes = archive_writer_raw_bytes(w) - before;
        if (bytes == 0)
            return bus_fail(err, BUS_INVALID,
                            "%s, partition %d: there is no event of offset %" PRId64
                            " to be archived",
                            p->domain, (int)p->partition, after + 1);
        rows = (to - after) * PAGE_BYTES / bytes;
        rows = rows < 1 ? 1 : rows > PAGE_EVENTS_MAX ? PAGE_EVENTS_MAX : rows;
        after = to;
    }
    return BUS_OK;
}

/* What was written is what will be read: each line is an event of its offset. */
static bus_code
check_line(void *context, int64_t offset, bus_str line, bus_error *err)
{
    bus_buf   *scratch = context;
    bus_record record;
    bus_code   rc = archive_row_parse(line, scratch, &record, err);

    if (rc == BUS_OK && record.offset != offset)
        rc =
            bus_fail(err, BUS_INVALID, "an archive holds another event at offset %" PRId64, offset);
    return rc;
}

static bus_code
check_file(const archive_name *name, const archive_sum *sum, bus_error *err)
{
    bus_buf  scratch = {0};
    bus_code rc = archive_file_check(name, sum, check_line, &scratch, err);

    bus_buf_fini(&scratch);
    return rc;
}

static bus_code
write_file(bus_store *st, const progress *p, int64_t up_to, archive_sum *sum, bus_error *err)
{
    const archive_name name = name_of(st, p);
    archive_writer    *w = NULL;
    bus_code           rc;

    if ((rc = archive_writer_open(&w, &name, err)) != BUS_OK)
        return rc;
    if ((rc = copy_rows(st, p, up_to, w, err)) == BUS_OK)
        rc = archive_writer_finish(w, sum, err);
    archive_writer_close(w);
    if (rc == BUS_OK)
        rc = check_file(&name, sum, err);
    return rc;
}

static bus_code
record_file(bus_store *st, progress *p, const archive_sum *sum, bus_error *err)
{
    static const char sql[] =
        "update {d}.archives set last = $3::int8, stripped = first - 1, bytes = $4::int8,"
        " sha256 = $5::bytea, made_at = clock_timestamp()"
        " where partition = $1::int2 and first = $2::int8 and sha256 is null returning true";
    PGresult *res = NULL;
    bus_code  rc;

    pg_params_reset(&st->params);
    pg_add_int2(&st->params, p->partition);
    pg_add_int8(&st->params, p->first);
    pg_add_int8(&st->params, sum->last);
    pg_add_int8(&st->params, sum->bytes);
    pg_add_text(&st->params, (bus_str){(const char *)sum->sha256, sizeof(sum->sha256)});
    rc = pg_run(st, sql, p->domain, PG_HARMLESS, &res, err);
    if (rc == BUS_OK && PQntuples(res) != 1)
        rc = bus_fail(err, BUS_CONFLICT, "the archive of %s is another's meanwhile", p->domain);
    PQclear(res);
    p->last = sum->last;
    p->stripped = p->first - 1;
    return rc;
}

static const char strip_sql[] =
    "with stripped as (update {d}.events set archive = $2::int8, correlation_id = null,"
    "  causation_id = null, actor = null, device_at = null, sends = null, data = null"
    "  where partition = $1::int2 and \"offset\" > $3::int8 and \"offset\" <= $4::int8"
    "  and archive is null returning 1)"
    " update {d}.archives set stripped = $4::int8 where partition = $1::int2 and first = $2::int8"
    "  and sha256 is not null and stripped = $3::int8"
    "  and (select count(*) from stripped) = $4::int8 - $3::int8 returning true";

/* One transaction: the statement. */
static bus_code
strip_some(bus_store *st, progress *p, int64_t to, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    if ((rc = pg_simple(st, "begin", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_int2(&st->params, p->partition);
    pg_add_int8(&st->params, p->first);
    pg_add_int8(&st->params, p->stripped);
    pg_add_int8(&st->params, to);
    rc = pg_run(st, strip_sql, p->domain, PG_HARMLESS, &res, err);
    if (rc == BUS_OK && PQntuples(res) != 1)
        rc = bus_fail(err, BUS_INVALID,
                      "%s, partition %d: the events up to offset %" PRId64
                      " are not as they were when they were archived",
                      p->domain, (int)p->partition, to);
    PQclear(res);
    if (rc == BUS_OK)
        rc = pg_simple(st, "commit", PG_HARMLESS, err);
    else
        pg_rollback(st);
    if (rc == BUS_OK)
        p->stripped = to;
    return rc;
}

static bus_code
strip(bus_store *st, progress *p, bus_error *err)
{
    int64_t  rows = 1000;
    bus_code rc = BUS_OK;

    while (rc == BUS_OK && p->stripped < p->last) {
        int64_t began_us = bus_mono_us(bus_clock_system()), ms;

        rc = strip_some(st, p, p->last - p->stripped < rows ? p->last : p->stripped + rows, err);
        ms = (bus_mono_us(bus_clock_system()) - began_us) / 1000;
        if (ms > STRIP_MS && rows > STRIP_EVENTS_MIN)
            rows /= 2;
        else if (ms < STRIP_MS / 2 && rows < STRIP_EVENTS_MAX)
            rows *= 2;
        BUS_FAIL_POINT("archive.stripped");
    }
    return rc;
}

/* --- the operations ------------------------------------------------------------- */

static bus_code
make_file(bus_store *st, progress *p, int64_t up_to, bus_error *err)
{
    archive_sum sum;
    bus_code    rc;

    if ((rc = keep_name(st, p, err)) != BUS_OK)
        return rc;
    BUS_FAIL_POINT("archive.kept_name");
    if ((rc = write_file(st, p, up_to, &sum, err)) != BUS_OK ||
        (rc = record_file(st, p, &sum, err)) != BUS_OK)
        return rc;
    BUS_FAIL_POINT("archive.recorded");
    return BUS_OK;
}

bus_code
pg_archive(bus_store *st, const char *domain, uint16_t partition, int64_t up_to, int64_t *reached,
           bus_error *err)
{
    progress p = {.domain = domain, .partition = partition};
    bus_code rc;

    *reached = 0;
    if (st->archive == NULL)
        return bus_fail(err, BUS_INVALID, "no folder of archives is configured");
    if ((rc = pg_ready(st, err)) != BUS_OK || (rc = lock(st, domain, err)) != BUS_OK)
        return rc;
    if ((rc = pg_simple(st, "set datestyle = 'ISO, YMD'", PG_HARMLESS, err)) != BUS_OK ||
        (rc = look(st, &p, err)) != BUS_OK)
        goto done;
    if (up_to >= p.head) {
        rc = bus_fail(err, BUS_INVALID,
                      "%s, partition %d: only events below the last one, %" PRId64
                      ", can be archived",
                      domain, (int)partition, p.head);
        goto done;
    }
    if (p.last == 0 && up_to >= p.first)
        rc = make_file(st, &p, up_to, err);
    if (rc == BUS_OK && p.last > 0)
        rc = strip(st, &p, err);
    *reached = p.last > 0 ? p.last : p.first - 1;

done:
    unlock(st, domain);
    return rc;
}

bus_code
pg_archives_list(bus_store *st, const char *domain, bus_arena *arena, bus_archive_info **out,
                 int *count, bus_error *err)
{
    static const char sql[] = "select partition, first, last, bytes, made_at, file, sha256"
                              " from {d}.archives where sha256 is not null"
                              " order by partition, first";
    PGresult         *res = NULL;
    bus_code          rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    if ((rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *out = BUS_ARENA_ARRAY(arena, bus_archive_info, (size_t)PQntuples(res) + 1);
    for (int i = 0; i < PQntuples(res); i++) {
        bus_str           file = pg_get_str(res, i, 5), sha256 = pg_get_str(res, i, 6);
        bus_archive_info *info = &(*out)[(*count)++];

        *info = (bus_archive_info){.partition = (uint16_t)pg_get_int2(res, i, 0),
                                   .first = pg_get_int8(res, i, 1),
                                   .last = pg_get_int8(res, i, 2),
                                   .bytes = pg_get_int8(res, i, 3),
                                   .made_at_ms = pg_get_time_ms(res, i, 4),
                                   .file = bus_arena_copy(arena, file.at, file.len)};
        if (sha256.len == sizeof(info->sha256))
            memcpy(info->sha256, sha256.at, sizeof(info->sha256));
    }

done:
    PQclear(res);
    return rc;
}

/* --- a file beside the table ------------------------------------------------------ */

typedef struct {
    archive_file           *file;
    const bus_archive_info *info;
    bus_buf                 scratch;
    int64_t                 next; /* offset */
} comparing;

/* What the table keeps of an event is what the file says of it. */
static bus_code
compare_row(void *context, const PGresult *res, bus_error *err)
{
    comparing *c = context;
    bus_record r;
    bus_str    line;
    bus_code   rc;
    int64_t    offset = pg_get_int8(res, 0, 0);

    if (offset != c->next)
        return bus_fail(err, BUS_INVALID, "the archive %.*s: the table has lost offset %" PRId64,
                        BUS_STR_ARG(c->info->file), c->next);
    c->next++;
    if ((rc = archive_file_line(c->file, offset, &line, err)) != BUS_OK ||
        (rc = archive_row_parse(line, &c->scratch, &r, err)) != BUS_OK)
        return rc;
    if (bus_id_equal(pg_get_id(res, 0, 1), r.stream) && pg_get_int4(res, 0, 2) == r.version &&
        bus_id_equal(pg_get_id(res, 0, 3), r.command_id) && pg_get_int2(res, 0, 4) == r.nth &&
        pg_get_int8(res, 0, 5) == r.digest && bus_id_equal(pg_get_id(res, 0, 6), r.tenant) &&
        bus_str_equal(pg_get_str(res, 0, 7), r.aggregate) &&
        bus_str_equal(pg_get_str(res, 0, 8), r.type) && pg_get_time_ms(res, 0, 9) == r.at_ms &&
        (pg_is_null(res, 0, 10) || pg_get_int8(res, 0, 10) == c->info->first))
        return BUS_OK;
    return bus_fail(err, BUS_INVALID,
                    "the archive %.*s holds another event at offset %" PRId64 " than the table",
                    BUS_STR_ARG(c->info->file), offset);
}

static bus_code
check_rows(bus_store *st, const char *domain, comparing *c, bus_error *err)
{
    static const char sql[] = "select \"offset\", stream, version, command_id, nth, digest, tenant,"
                              " aggregate, type, at, archive from {d}.events"
                              " where partition = $1::int2 and \"offset\" >= $2::int8"
                              " and \"offset\" <= $3::int8 order by \"offset\"";
    bus_code          rc = BUS_OK;

    while (rc == BUS_OK && c->next <= c->info->last) {
        int64_t from = c->next, to = from + PAGE_EVENTS_MAX - 1;

        if (to > c->info->last)
            to = c->info->last;
        pg_params_reset(&st->params);
        pg_add_int2(&st->params, c->info->partition);
        pg_add_int8(&st->params, from);
        pg_add_int8(&st->params, to);
        rc = pg_run_rows(st, sql, domain, compare_row, c, err);
        if (rc == BUS_OK && c->next <= to)
            rc = bus_fail(err, BUS_INVALID, "the archive %.*s: the table has lost offset %" PRId64,
                          BUS_STR_ARG(c->info->file), c->next);
    }
    return rc;
}

bus_code
pg_archive_check(bus_store *st, const char *domain, const bus_archive_info *info, bus_error *err)
{
    const archive_name name = {st->archive, domain, info->partition, info->first};
    archive_sum        sum = {.first = info->first, .last = info->last, .bytes = info->bytes};
    comparing          c = {.info = info, .next = info->first};
    bus_code           rc;

    if (st->archive == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "no folder of archives is configured");
    memcpy(sum.sha256, info->sha256, sizeof(sum.sha256));
    if ((rc = pg_ready(st, err)) != BUS_OK || (rc = check_file(&name, &sum, err)) != BUS_OK ||
        (rc = archive_file_open(&c.file, &name, err)) != BUS_OK)
        return rc;
    rc = check_rows(st, domain, &c, err);
    archive_file_close(c.file);
    bus_buf_fini(&c.scratch);
    return rc;
}
