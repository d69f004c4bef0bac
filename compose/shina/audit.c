/* audit.c - `shina audit verify`: is each row of the audit as it was written, and is none missing?
 *
 * The rows are read in one snapshot, tenant by tenant, and every hash is computed anew
 * (bus/audit/chain.h). After a fault it goes on from the hash that stands in the row, so that each
 * fault is told by itself. What a chain cannot show: that somebody who may write everything has
 * written all of it anew, or has cut off its end and put back its head. For that a file of anchors
 * is kept somewhere else: heads as they were when it was looked at before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/audit/chain.h"
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_AT_ONCE "2000"
#define ANCHORS_MAX 1000000
#define HEX_BYTES (2 * BUS_AUDIT_HASH_BYTES + 1)
#define LINE_BYTES 256

/* The end of a chain, as it is or as it was. */
typedef struct {
    bus_id  tenant;
    int64_t seq;
    uint8_t hash[BUS_AUDIT_HASH_BYTES];
    bool    met;
} head;

typedef struct {
    head *all;
    int   count, room;
} heads;

typedef struct {
    bus_id      only; /* one tenant; nil: all, with only_one false */
    bool        only_one;
    const char *anchors_path; /* NULL: none */
    heads       anchors, ends;
    int64_t     rows, erased, faults, chains;
    /* the chain that is walked */
    bool    walking;
    bus_id  tenant;
    int64_t seq;
    uint8_t hash[BUS_AUDIT_HASH_BYTES];
} walk;

static void __attribute__((format(printf, 4, 5)))
fault(walk *w, bus_id tenant, int64_t seq, const char *format, ...)
{
    char    text[BUS_ID_TEXT_BYTES];
    va_list args;

    w->faults++;
    (void)printf("FAULT AUDIT tenant %s row %lld: ", bus_id_format(tenant, text), (long long)seq);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

/* --- heads --------------------------------------------------------------- */

static void
add_head(heads *h, const head *one)
{
    if (h->count == h->room) {
        h->room = h->room == 0 ? 64 : h->room * 2;
        h->all = realloc(h->all, (size_t)h->room * sizeof(*h->all));
        if (h->all == NULL)
            abort();
    }
    h->all[h->count++] = *one;
}

static int
compare_heads(const void *a, const void *b)
{
    const head *x = a, *y = b;
    int         order = bus_id_compare(x->tenant, y->tenant);

    return order != 0 ? order : x->seq < y->seq ? -1 : x->seq > y->seq;
}

static head *
find_head(const heads *h, bus_id tenant, int64_t seq)
{
    const head wanted = {.tenant = tenant, .seq = seq};

    return h->count == 0
               ? NULL
               : bsearch(&wanted, h->all, (size_t)h->count, sizeof(wanted), compare_heads);
}

/* --- values -------------------------------------------------------------- */

static void
format_hash(const uint8_t hash[BUS_AUDIT_HASH_BYTES], char out[HEX_BYTES])
{
    for (int i = 0; i < BUS_AUDIT_HASH_BYTES; i++)
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", hash[i]);
}

static int
nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_hash(const char *text, uint8_t hash[BUS_AUDIT_HASH_BYTES])
{
    for (int i = 0; i < BUS_AUDIT_HASH_BYTES; i++, text += 2) {
        int high = nibble(text[0]), low = high < 0 ? -1 : nibble(text[1]);

        if (low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return *text == '\0';
}

static bool
parse_seq(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bus_str
text_at(const PGresult *res, int row, int column)
{
    if (PQgetisnull(res, row, column))
        return (bus_str){NULL, 0};
    return (bus_str){PQgetvalue(res, row, column), (uint32_t)PQgetlength(res, row, column)};
}

/* --- a row --------------------------------------------------------------- */

/* Columns, as ENTRIES_SQL names them. */
enum {
    TENANT,
    SEQ,
    AT,
    ACTION,
    OUTCOME,
    CODE,
    ACTOR,
    DOMAIN,
    TYPE,
    ENTITY,
    DETAIL,
    SALT,
    ADDRESS,
    AGENT,
    ORIGIN,
    HASH,
    FORGOTTEN /* whose it is */
};
#define ENTRIES_SQL                                                                          \
    "select tenant, seq, at_ms, action, outcome, code, actor, domain, type, entity, detail," \
    " salt, address, agent, encode(origin, 'hex'), encode(hash, 'hex'),"                     \
    " salt is null and exists (select from keys.subjects k where k.tenant = e.tenant"        \
    " and k.subject = e.actor and k.forgotten_at is not null)"                               \
    " from audit.entries e where ($1::uuid is null or tenant = $1::uuid) order by tenant, seq"

static void
check_origin(walk *w, const PGresult *res, int row, const uint8_t origin[BUS_AUDIT_HASH_BYTES])
{
    uint8_t computed[BUS_AUDIT_HASH_BYTES];

    if (PQgetisnull(res, row, SALT)) {
        w->erased++;
        if (!PQgetisnull(res, row, ADDRESS) || !PQgetisnull(res, row, AGENT))
            fault(w, w->tenant, w->seq, "an address or user agent was put where it was erased");
        if (PQgetvalue(res, row, FORGOTTEN)[0] != 't')
            fault(w, w->tenant, w->seq,
                  "its address and user agent were erased, and its actor was not forgotten");
        return;
    }
    bus_audit_origin(text_at(res, row, SALT), text_at(res, row, ADDRESS), text_at(res, row, AGENT),
                     computed);
    if (memcmp(computed, origin, sizeof(computed)) != 0)
        fault(w, w->tenant, w->seq, "its address or user agent was changed");
}

static void
check_anchor(walk *w)
{
    head *anchor = find_head(&w->anchors, w->tenant, w->seq);

    if (anchor == NULL)
        return;
    anchor->met = true;
    if (memcmp(anchor->hash, w->hash, sizeof(w->hash)) != 0)
        fault(w, w->tenant, w->seq, "it is not the row that the anchor tells of");
}

static void
digest_of(const PGresult *res, int row, const uint8_t origin[BUS_AUDIT_HASH_BYTES],
          uint8_t digest[BUS_AUDIT_HASH_BYTES])
{
    const bus_audit_row said = {.at_ms = text_at(res, row, AT),
                                .action = text_at(res, row, ACTION),
                                .outcome = text_at(res, row, OUTCOME),
                                .code = text_at(res, row, CODE),
                                .actor = text_at(res, row, ACTOR),
                                .domain = text_at(res, row, DOMAIN),
                                .type = text_at(res, row, TYPE),
                                .entity = text_at(res, row, ENTITY),
                                .detail = text_at(res, row, DETAIL)};

    bus_audit_digest(&said, origin, digest);
}

/* The next row of the chain. */
static void
check_row(walk *w, const PGresult *res, int row, int64_t seq)
{
    uint8_t origin[BUS_AUDIT_HASH_BYTES], digest[BUS_AUDIT_HASH_BYTES], hash[BUS_AUDIT_HASH_BYTES];
    bool    follows = seq == w->seq + 1;

    if (seq > w->seq + 1)
        fault(w, w->tenant, w->seq + 1, "missing, up to %lld, so that %lld cannot be checked",
              (long long)seq - 1, (long long)seq);
    else if (seq <= w->seq)
        fault(w, w->tenant, seq, "there is no such number, or it is there twice");
    w->seq = seq;
    w->rows++;
    if (!parse_hash(PQgetvalue(res, row, ORIGIN), origin) ||
        !parse_hash(PQgetvalue(res, row, HASH), hash)) {
        fault(w, w->tenant, seq, "its hash is none");
        return;
    }
    digest_of(res, row, origin, digest);
    bus_audit_link(w->tenant, seq, digest, w->hash);
    if (follows && memcmp(hash, w->hash, sizeof(hash)) != 0)
        fault(w, w->tenant, seq, "it was changed, or does not follow the row before it");
    memcpy(w->hash, hash, sizeof(hash));
    check_origin(w, res, row, origin);
    check_anchor(w);
}

/* --- chains -------------------------------------------------------------- */

static head *
end_of(const walk *w, bus_id tenant)
{
    for (int i = 0; i < w->ends.count; i++)
        if (bus_id_equal(w->ends.all[i].tenant, tenant))
            return &w->ends.all[i];
    return NULL;
}

static void
end_chain(walk *w)
{
    head *end = w->walking ? end_of(w, w->tenant) : NULL;
    char  text[BUS_ID_TEXT_BYTES], hash[HEX_BYTES];

    if (!w->walking)
        return;
    w->walking = false;
    w->chains++;
    if (end == NULL) {
        fault(w, w->tenant, w->seq, "its chain has no head");
        return;
    }
    end->met = true;
    if (end->seq > w->seq)
        fault(w, w->tenant, w->seq + 1, "missing, and all up to %lld, where the chain ends",
              (long long)end->seq);
    else if (end->seq < w->seq || memcmp(end->hash, w->hash, sizeof(w->hash)) != 0)
        fault(w, w->tenant, w->seq, "the chain's head tells of another end (%lld)",
              (long long)end->seq);
    format_hash(w->hash, hash);
    (void)printf("chain %s %lld %s\n", bus_id_format(w->tenant, text), (long long)w->seq, hash);
}

static void
take_rows(walk *w, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        bus_id  tenant;
        int64_t seq;

        BUS_INVARIANT(bus_id_parse(bus_str_of(PQgetvalue(res, i, TENANT)), &tenant) &&
                      parse_seq(PQgetvalue(res, i, SEQ), &seq));
        if (!w->walking || !bus_id_equal(tenant, w->tenant)) {
            end_chain(w);
            w->walking = true;
            w->tenant = tenant;
            w->seq = 0;
            memset(w->hash, 0, sizeof(w->hash));
        }
        check_row(w, res, i, seq);
    }
}

/* What was not met: chains without a row, and rows that an anchor tells of. */
static void
check_unmet(walk *w)
{
    for (int i = 0; i < w->ends.count; i++)
        if (!w->ends.all[i].met && w->ends.all[i].seq > 0)
            fault(w, w->ends.all[i].tenant, 1, "missing, and all up to %lld",
                  (long long)w->ends.all[i].seq);
    for (int i = 0; i < w->anchors.count; i++)
        if (!w->anchors.all[i].met &&
            (!w->only_one || bus_id_equal(w->only, w->anchors.all[i].tenant)))
            fault(w, w->anchors.all[i].tenant, w->anchors.all[i].seq,
                  "missing: the anchor tells of it");
}

/* --- reading ------------------------------------------------------------- */

static bus_code
run(PGconn *conn, const walk *w, const char *sql, int params, PGresult **res, bus_error *err)
{
    char           tenant[BUS_ID_TEXT_BYTES];
    const char    *values[] = {w->only_one ? bus_id_format(w->only, tenant) : NULL};
    ExecStatusType status;

    *res = PQexecParams(conn, sql, params, NULL, values, NULL, NULL, 0);
    status = PQresultStatus(*res);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return BUS_OK;
    return bus_fail(err, BUS_UNAVAILABLE, "the audit cannot be read: %.180s",
                    PQresultErrorMessage(*res));
}

static bus_code
read_ends(PGconn *conn, walk *w, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc = run(conn, w,
                       "select tenant, seq, encode(hash, 'hex') from audit.heads"
                        " where $1::uuid is null or tenant = $1::uuid",
                       1, &res, err);

    for (int i = 0; rc == BUS_OK && i < PQntuples(res); i++) {
        head end = {.met = false};

        if (!bus_id_parse(bus_str_of(PQgetvalue(res, i, 0)), &end.tenant) ||
            !parse_seq(PQgetvalue(res, i, 1), &end.seq) ||
            !parse_hash(PQgetvalue(res, i, 2), end.hash))
            rc = bus_fail(err, BUS_INVALID, "a head of the audit is none");
        else
            add_head(&w->ends, &end);
    }
    PQclear(res);
    return rc;
}

static bus_code
read_rows(PGconn *conn, walk *w, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc = run(conn, w, "declare rows no scroll cursor for " ENTRIES_SQL, 1, &res, err);
    int       count = 1;

    PQclear(res);
    while (rc == BUS_OK && count > 0) {
        if ((rc = run(conn, w, "fetch " ROWS_AT_ONCE " from rows", 0, &res, err)) == BUS_OK) {
            count = PQntuples(res);
            take_rows(w, res);
        }
        PQclear(res);
    }
    end_chain(w);
    return rc;
}

static bus_code
read_all(const char *url, walk *w, bus_error *err)
{
    PGconn   *conn = PQconnectdb(url);
    PGresult *res = NULL;
    bus_code  rc;

    if (PQstatus(conn) != CONNECTION_OK)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the database does not answer");
    else
        rc = run(conn, w, "begin isolation level repeatable read read only", 0, &res, err);
    PQclear(res);
    if (rc == BUS_OK && (rc = read_ends(conn, w, err)) == BUS_OK)
        rc = read_rows(conn, w, err);
    PQfinish(conn);
    return rc;
}

/* --- anchors ------------------------------------------------------------- */

static bool
parse_anchor(char *line, head *out)
{
    char *save = NULL, *tenant = strtok_r(line, " \n", &save);
    char *seq = strtok_r(NULL, " \n", &save), *hash = strtok_r(NULL, " \n", &save);

    return hash != NULL && strtok_r(NULL, " \n", &save) == NULL &&
           bus_id_parse(bus_str_of(tenant), &out->tenant) && parse_seq(seq, &out->seq) &&
           parse_hash(hash, out->hash);
}

/* A file that is not there yet has none. */
static bus_code
read_anchors(walk *w, bus_error *err)
{
    FILE    *file = w->anchors_path == NULL ? NULL : fopen(w->anchors_path, "r");
    char     line[LINE_BYTES];
    bus_code rc = BUS_OK;

    if (file == NULL)
        return w->anchors_path == NULL || errno == ENOENT
                   ? BUS_OK
                   : bus_fail(err, BUS_INVALID, "%s: %s", w->anchors_path, strerror(errno));
    while (rc == BUS_OK && fgets(line, sizeof(line), file) != NULL) {
        head anchor = {.met = false};

        if (w->anchors.count == ANCHORS_MAX || !parse_anchor(line, &anchor))
            rc = bus_fail(err, BUS_INVALID, "%s: line %d is no anchor", w->anchors_path,
                          w->anchors.count + 1);
        else
            add_head(&w->anchors, &anchor);
    }
    (void)fclose(file);
    if (w->anchors.count > 0)
        qsort(w->anchors.all, (size_t)w->anchors.count, sizeof(*w->anchors.all), compare_heads);
    return rc;
}

/* The ends as they are now, after those that are in the file. */
static bus_code
write_anchors(const walk *w, bus_error *err)
{
    FILE *file = fopen(w->anchors_path, "a");
    bool  written = file != NULL;

    for (int i = 0; written && i < w->ends.count; i++) {
        const head *end = &w->ends.all[i];
        char        tenant[BUS_ID_TEXT_BYTES], hash[HEX_BYTES];

        if (end->seq == 0 || find_head(&w->anchors, end->tenant, end->seq) != NULL)
            continue;
        format_hash(end->hash, hash);
        written = fprintf(file, "%s %lld %s\n", bus_id_format(end->tenant, tenant),
                          (long long)end->seq, hash) > 0;
    }
    if (file != NULL && fclose(file) != 0)
        written = false;
    return written ? BUS_OK
                   : bus_fail(err, BUS_UNAVAILABLE, "%s: %s", w->anchors_path, strerror(errno));
}

/* --- the verb ------------------------------------------------------------ */

static bool
parse_wish(int argc, char **argv, walk *w)
{
    static const char *const known[] = {"--tenant=", "--anchors=", NULL};
    const char              *what = word_of(argc, argv, known, 0);
    const char              *tenant = option_of(argc, argv, "--tenant");

    if (!options_known(argc, argv, known, 1))
        return false;
    if (what == NULL || strcmp(what, "verify") != 0) {
        (void)fprintf(stderr, "shina audit: verify, not \"%s\"\n", what == NULL ? "" : what);
        return false;
    }
    w->only_one = tenant != NULL;
    if (tenant != NULL && !bus_id_parse(bus_str_of(tenant), &w->only)) {
        (void)fputs("shina audit: --tenant is a UUID\n", stderr);
        return false;
    }
    w->anchors_path = option_of(argc, argv, "--anchors");
    return true;
}

int
verb_audit(const bus_config *config, int argc, char **argv)
{
    walk        w = {.rows = 0};
    bus_error   err = {0};
    shina_place place;
    bus_code    rc;

    if (!parse_wish(argc, argv, &w))
        return 2;
    if ((rc = shina_place_find(&place, config, &err)) == BUS_OK &&
        (rc = read_anchors(&w, &err)) == BUS_OK &&
        (rc = read_all(place.servers.database_url, &w, &err)) == BUS_OK) {
        check_unmet(&w);
        if (w.anchors_path != NULL && w.faults == 0)
            rc = write_anchors(&w, &err);
    }
    free(w.anchors.all);
    free(w.ends.all);
    if (rc != BUS_OK)
        return failed(&err);
    (void)printf("audit: %lld rows in %lld chains, %lld without their origin, %d anchors,"
                 " %lld faults\n",
                 (long long)w.rows, (long long)w.chains, (long long)w.erased, w.anchors.count,
                 (long long)w.faults);
    return w.faults == 0 ? 0 : 1;
}
