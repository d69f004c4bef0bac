/* archive_row.c - the reverse of what COPY TO writes in text, for the columns of an event.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS 18

typedef struct {
    char  *at; /* with a NUL behind it; NULL: it is null */
    size_t len;
} field;

static char
unescaped(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return c;
    }
}

/* Splits in place at tabs and undoes escapes. False: another number of columns. */
static bool
split(char *line, field fields[COLUMNS])
{
    char *from = line, *to = line;
    int   n = 0;

    for (;;) {
        field *f = &fields[n];
        bool   null = from[0] == '\\' && from[1] == 'N';

        f->at = to;
        while (*from != '\t' && *from != '\0') {
            if (*from == '\\' && from[1] != '\0') {
                *to++ = unescaped(from[1]);
                from += 2;
            } else {
                *to++ = *from++;
            }
        }
        f->len = (size_t)(to - f->at);
        if (null)
            *f = (field){NULL, 0};
        n++;
        if (*from == '\0')
            break;
        if (n == COLUMNS)
            return false;
        from++;
        *to++ = '\0';
    }
    *to = '\0';
    return n == COLUMNS;
}

static bool
number(const field *f, int64_t min, int64_t max, int64_t *out)
{
    char *end;

    if (f->at == NULL || f->len == 0)
        return false;
    errno = 0;
    *out = strtoll(f->at, &end, 10);
    return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

static bool
id(const field *f, bus_id *out)
{
    return f->at != NULL && bus_id_parse((bus_str){f->at, (uint32_t)f->len}, out);
}

static bool
text(const field *f, bool may_be_null, bus_str *out)
{
    *out = (bus_str){f->at, (uint32_t)f->len};
    return may_be_null || f->at != NULL;
}

/* "2026-01-31 23:59:59.123456+00": the time zone of the session that wrote it was UTC. */
static bool
time_ms(const field *f, bool may_be_null, int64_t *out)
{
    struct tm   tm = {0};
    const char *rest;
    int64_t     us = 0, unit = 100000;

    *out = 0;
    if (f->at == NULL)
        return may_be_null;
    if ((rest = strptime(f->at, "%Y-%m-%d %H:%M:%S", &tm)) == NULL)
        return false;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            us += (*rest - '0') * unit;
    *out = (int64_t)timegm(&tm) * 1000 + us / 1000;
    return strcmp(rest, "+00") == 0;
}

static bool
take(const field f[COLUMNS], bus_record *r)
{
    int64_t partition, version, nth;

    if (!number(&f[0], 0, UINT16_MAX, &partition) || !number(&f[5], 1, INT32_MAX, &version) ||
        !number(&f[9], 0, INT16_MAX, &nth))
        return false;
    r->partition = (uint16_t)partition;
    r->version = (int32_t)version;
    r->nth = (int16_t)nth;
    return number(&f[1], 1, INT64_MAX, &r->offset) && number(&f[2], 0, INT64_MAX, &r->epoch) &&
           id(&f[3], &r->stream) && text(&f[4], false, &r->aggregate) && id(&f[6], &r->tenant) &&
           text(&f[7], false, &r->type) && id(&f[8], &r->command_id) &&
           number(&f[10], INT64_MIN, INT64_MAX, &r->digest) && id(&f[11], &r->correlation_id) &&
           text(&f[12], true, &r->causation_id) && text(&f[13], false, &r->actor) &&
           time_ms(&f[14], false, &r->at_ms) && time_ms(&f[15], true, &r->device_at_ms) &&
           text(&f[16], true, &r->sends) && text(&f[17], false, &r->data);
}

bus_code
archive_row_parse(bus_str line, bus_buf *scratch, bus_record *out, bus_error *err)
{
    field fields[COLUMNS];

    bus_buf_reset(scratch);
    bus_buf_add_str(scratch, line);
    bus_buf_add_char(scratch, '\0');
    *out = (bus_record){0};
    if (memchr(line.at, '\0', line.len) == NULL && split(scratch->at, fields) && take(fields, out))
        return BUS_OK;
    return bus_fail(err, BUS_INVALID, "a line of an archive is not an event");
}
