/* cloudevent.c - records as attributes of CloudEvents, and back.
 * The one rule: what is written reads back as the same record, or is refused when it is written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/cloudevent.h"
#include "bus/base/clock.h"
#include "bus/contract/format.h"
#include "bus/envelope/envelope.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SOURCE "/shina/"
#define DIGITS_BYTES 24
/* The times that bus_format_time_text can write: the years 0001 to 9999. */
#define TIME_MIN_MS (INT64_C(-719162) * BUS_DAY_MS)
#define TIME_MAX_MS (INT64_C(2932897) * BUS_DAY_MS - 1)

typedef enum { EVERYWHERE, ORIGIN, TOPIC } audience;

/* clang-format off */
static const struct {
    const char *name, *header;
    audience    to;
    bool        number; /* in JSON */
} attributes[BUS_CE_ATTRIBUTES] = {
    [BUS_CE_SPECVERSION]     = { "specversion",     "ce_specversion",   EVERYWHERE, false },
    [BUS_CE_ID]              = { "id",              "ce_id",            EVERYWHERE, false },
    [BUS_CE_SOURCE]          = { "source",          "ce_source",        EVERYWHERE, false },
    [BUS_CE_TYPE]            = { "type",            "ce_type",          EVERYWHERE, false },
    [BUS_CE_SUBJECT]         = { "subject",         "ce_subject",       EVERYWHERE, false },
    [BUS_CE_TIME]            = { "time",            "ce_time",          EVERYWHERE, false },
    [BUS_CE_DATACONTENTTYPE] = { "datacontenttype", "content-type",     EVERYWHERE, false },
    [BUS_CE_PARTITION]       = { "partition",       "ce_partition",     EVERYWHERE, true  },
    /* whole numbers of CloudEvents have 32 bits, so the offset is a text */
    [BUS_CE_OFFSET]          = { "offset",          "ce_offset",        EVERYWHERE, false },
    [BUS_CE_STREAMVERSION]   = { "streamversion",   "ce_streamversion", EVERYWHERE, true  },
    [BUS_CE_TENANT]          = { "tenant",          "ce_tenant",        EVERYWHERE, false },
    [BUS_CE_TRACEPARENT]     = { "traceparent",     "traceparent",      EVERYWHERE, false },
    [BUS_CE_ACTOR]           = { "actor",           "ce_actor",         ORIGIN,     false },
    [BUS_CE_CAUSATION]       = { "causation",       "ce_causation",     ORIGIN,     false },
    [BUS_CE_AGGREGATE]       = { "aggregate",       "ce_aggregate",     TOPIC,      false },
    [BUS_CE_EPOCH]           = { "epoch",           "ce_epoch",         TOPIC,      false },
    [BUS_CE_DIGEST]          = { "digest",          "ce_digest",        TOPIC,      false },
    [BUS_CE_DEVICETIME]      = { "devicetime",      "ce_devicetime",    TOPIC,      false },
    [BUS_CE_ACTORJSON]       = { "actorjson",       "ce_actorjson",     TOPIC,      false },
};
/* clang-format on */

const char *
bus_cloudevent_header(bus_cloudevent_attribute attribute)
{
    return attributes[attribute].header;
}

/* --- writing -----------------------------------------------------------------------------------
 */

/* Fills the text of an event from its front. */
typedef struct {
    bus_cloudevent *event;
    size_t          used;
} writing;

/* Room for the value of an attribute; wrote() tells how much of it was used. */
static char *
room(writing *w, size_t bytes)
{
    BUS_INVARIANT(w->used + bytes <= sizeof(w->event->text));
    return w->event->text + w->used;
}

static void
wrote(writing *w, bus_cloudevent_attribute attribute, size_t len)
{
    w->event->values[attribute] = (bus_str){w->event->text + w->used, (uint32_t)len};
    w->used += len + 1;
}

static void
write_id(writing *w, bus_cloudevent_attribute attribute, bus_id id)
{
    (void)bus_id_format(id, room(w, BUS_ID_TEXT_BYTES));
    wrote(w, attribute, BUS_ID_TEXT_BYTES - 1);
}

/* Decimal digits of n at `to`, with a NUL; returns how many characters. */
static size_t
digits(int64_t n, char to[DIGITS_BYTES])
{
    char     reversed[DIGITS_BYTES];
    uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
    size_t   count = 0, len = 0;

    do {
        reversed[count++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0)
        to[len++] = '-';
    while (count > 0)
        to[len++] = reversed[--count];
    to[len] = '\0';
    return len;
}

static void
write_number(writing *w, bus_cloudevent_attribute attribute, int64_t n)
{
    wrote(w, attribute, digits(n, room(w, DIGITS_BYTES)));
}

static void
write_time(writing *w, bus_cloudevent_attribute attribute, int64_t at_ms)
{
    char *to = room(w, 32);

    bus_format_time_text(at_ms, to);
    wrote(w, attribute, strlen(to));
}

static void
write_event_id(writing *w, const bus_record *r)
{
    char  *to = room(w, BUS_ID_TEXT_BYTES + DIGITS_BYTES);
    size_t len = BUS_ID_TEXT_BYTES - 1;

    (void)bus_id_format(r->command_id, to);
    to[len++] = ':';
    wrote(w, BUS_CE_ID, len + digits(r->nth, to + len));
}

static void
write_source(writing *w, const char *domain)
{
    size_t len = strlen(domain);
    char  *to = room(w, sizeof(SOURCE) + len);

    memcpy(to, SOURCE, sizeof(SOURCE) - 1);
    memcpy(to + sizeof(SOURCE) - 1, domain, len + 1);
    wrote(w, BUS_CE_SOURCE, sizeof(SOURCE) - 1 + len);
}

static char *
write_hex(char *to, const uint8_t *bytes, int count)
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 0; i < count; i++) {
        *to++ = hex[bytes[i] >> 4];
        *to++ = hex[bytes[i] & 15];
    }
    return to;
}

/* The trace that the command came with; the span is the command's own. */
static void
write_traceparent(writing *w, const bus_record *r)
{
    const uint8_t nothing = 0; /* as version, and as flags */
    char         *to = room(w, 56), *at = to;

    if (bus_id_is_nil(r->correlation_id))
        return;
    at = write_hex(at, &nothing, 1);
    *at++ = '-';
    at = write_hex(at, r->correlation_id.bytes, 16);
    *at++ = '-';
    at = write_hex(at, r->command_id.bytes + 8, 8);
    *at++ = '-';
    at = write_hex(at, &nothing, 1);
    wrote(w, BUS_CE_TRACEPARENT, (size_t)(at - to));
}

static void
write_actor(writing *w, bus_str json)
{
    bus_id    id;
    bus_error err;

    if (json.len == 0)
        return;
    w->event->values[BUS_CE_ACTORJSON] = json;
    if (bus_actor_id(json, &id, &err) == BUS_OK)
        write_id(w, BUS_CE_ACTOR, id);
}

static bool
is_time(int64_t at_ms)
{
    return at_ms >= TIME_MIN_MS && at_ms <= TIME_MAX_MS;
}

/* The first attribute that could not be read back, or BUS_CE_ATTRIBUTES. */
static bus_cloudevent_attribute
unfit(const bus_record *r, const char *domain)
{
    if (r->nth < 0)
        return BUS_CE_ID;
    if (*domain == '\0' || strlen(domain) >= BUS_CLOUDEVENT_DOMAIN_BYTES)
        return BUS_CE_SOURCE;
    if (r->type.len == 0)
        return BUS_CE_TYPE;
    if (!is_time(r->at_ms))
        return BUS_CE_TIME;
    if (r->offset < 1)
        return BUS_CE_OFFSET;
    if (r->version < 1)
        return BUS_CE_STREAMVERSION;
    if (r->epoch < 0)
        return BUS_CE_EPOCH;
    return is_time(r->device_at_ms) ? BUS_CE_ATTRIBUTES : BUS_CE_DEVICETIME;
}

bus_code
bus_cloudevent_of(const bus_record *r, const char *domain, bus_cloudevent *out, bus_error *err)
{
    const bus_cloudevent_attribute wrong = unfit(r, domain);
    writing                        w = {.event = out};

    if (wrong != BUS_CE_ATTRIBUTES)
        return bus_fail(err, BUS_INVALID, "%s:%d:%lld is no CloudEvent: its %s cannot be written",
                        domain, (int)r->partition, (long long)r->offset, attributes[wrong].name);
    memset(out->values, 0, sizeof(out->values));
    out->values[BUS_CE_SPECVERSION] = BUS_STR("1.0");
    out->values[BUS_CE_TYPE] = r->type;
    out->values[BUS_CE_DATACONTENTTYPE] = BUS_STR("application/json");
    if (r->causation_id.len > 0)
        out->values[BUS_CE_CAUSATION] = r->causation_id;
    if (r->aggregate.len > 0)
        out->values[BUS_CE_AGGREGATE] = r->aggregate;
    write_event_id(&w, r);
    write_source(&w, domain);
    write_id(&w, BUS_CE_SUBJECT, r->stream);
    write_time(&w, BUS_CE_TIME, r->at_ms);
    write_number(&w, BUS_CE_PARTITION, r->partition);
    write_number(&w, BUS_CE_OFFSET, r->offset);
    write_number(&w, BUS_CE_STREAMVERSION, r->version);
    write_id(&w, BUS_CE_TENANT, r->tenant);
    write_traceparent(&w, r);
    write_actor(&w, r->actor);
    write_number(&w, BUS_CE_EPOCH, r->epoch);
    write_number(&w, BUS_CE_DIGEST, r->digest);
    if (r->device_at_ms != 0)
        write_time(&w, BUS_CE_DEVICETIME, r->device_at_ms);
    return BUS_OK;
}

void
bus_cloudevent_json(const bus_cloudevent *event, bool origin, bus_buf *out)
{
    const char *comma = "";

    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++) {
        if (event->values[i].at == NULL || attributes[i].to == TOPIC ||
            (attributes[i].to == ORIGIN && !origin))
            continue;
        bus_buf_printf(out, "%s\"%s\":", comma, attributes[i].name);
        if (attributes[i].number)
            bus_buf_add_str(out, event->values[i]);
        else
            bus_buf_add_json(out, event->values[i]);
        comma = ",";
    }
}

/* --- reading -----------------------------------------------------------------------------------
 */

bus_code
bus_cloudevent_take(bus_cloudevent *event, const char *header, bus_str value, bus_error *err)
{
    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++) {
        if (strcmp(attributes[i].header, header) != 0)
            continue;
        if (event->values[i].at != NULL)
            return bus_fail(err, BUS_INVALID, "the header %s is there twice", header);
        event->values[i] = value.at != NULL ? value : BUS_STR("");
        return BUS_OK;
    }
    return BUS_OK;
}

/* Reading goes on after the first wrong header and is judged at the end. */
typedef struct {
    const bus_cloudevent *event;
    int                   wrong; /* the first one; BUS_CE_ATTRIBUTES: none */
} reading;

static void
is_wrong(reading *in, bus_cloudevent_attribute attribute)
{
    if (in->wrong == BUS_CE_ATTRIBUTES)
        in->wrong = (int)attribute;
}

static bus_str
value_of(reading *in, bus_cloudevent_attribute attribute)
{
    if (in->event->values[attribute].len == 0)
        is_wrong(in, attribute);
    return in->event->values[attribute];
}

static bus_str
optional(const reading *in, bus_cloudevent_attribute attribute)
{
    const bus_str value = in->event->values[attribute];

    return value.len > 0 ? value : (bus_str){NULL, 0};
}

static void
must_be(reading *in, bus_cloudevent_attribute attribute, const char *text)
{
    if (!bus_str_is(value_of(in, attribute), text))
        is_wrong(in, attribute);
}

static bus_id
id_of(reading *in, bus_cloudevent_attribute attribute)
{
    bus_id id = BUS_ID_NIL;

    if (!bus_id_parse(value_of(in, attribute), &id))
        is_wrong(in, attribute);
    return id;
}

/* The number as write_number writes it, and in no other form. */
static bool
parse_number(bus_str text, int64_t minimum, int64_t maximum, int64_t *out)
{
    bool     negative = text.len > 1 && text.at[0] == '-';
    uint64_t n = 0;
    char     back[DIGITS_BYTES];

    if (text.len == 0 || text.len > 20)
        return false;
    for (uint32_t i = negative; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.at[i] - '0');
    }
    if (n > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)-n : (int64_t)n;
    /* what ran over 64 bits, or begins with zeros, does not come out as it was */
    return *out >= minimum && *out <= maximum && digits(*out, back) == text.len &&
           memcmp(back, text.at, text.len) == 0;
}

static int64_t
number_of(reading *in, bus_cloudevent_attribute attribute, int64_t minimum, int64_t maximum)
{
    int64_t n = 0;

    if (!parse_number(value_of(in, attribute), minimum, maximum, &n))
        is_wrong(in, attribute);
    return n;
}

static int64_t
time_of(reading *in, bus_cloudevent_attribute attribute)
{
    int64_t at_ms = 0;

    if (!bus_format_time(value_of(in, attribute), &at_ms))
        is_wrong(in, attribute);
    return at_ms;
}

static void
read_event_id(reading *in, bus_record *out)
{
    const uint32_t id_len = BUS_ID_TEXT_BYTES - 1;
    const bus_str  text = value_of(in, BUS_CE_ID);
    int64_t        nth = 0;

    if (text.len <= id_len + 1 || text.at[id_len] != ':' ||
        !bus_id_parse((bus_str){text.at, id_len}, &out->command_id) ||
        !parse_number((bus_str){text.at + id_len + 1, text.len - id_len - 1}, 0, INT16_MAX, &nth))
        is_wrong(in, BUS_CE_ID);
    out->nth = (int16_t)nth;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of version 00, as we write it; what is behind the trace does not matter. */
static bus_id
read_trace(reading *in)
{
    const bus_str text = optional(in, BUS_CE_TRACEPARENT);
    bus_id        trace = BUS_ID_NIL;

    if (text.len == 0)
        return trace;
    if (text.len != 55 || memcmp(text.at, "00-", 3) != 0 || text.at[35] != '-') {
        is_wrong(in, BUS_CE_TRACEPARENT);
        return trace;
    }
    for (int i = 0; i < 16; i++) {
        int high = hex_value(text.at[3 + 2 * i]), low = hex_value(text.at[4 + 2 * i]);

        if (high < 0 || low < 0)
            is_wrong(in, BUS_CE_TRACEPARENT);
        else
            trace.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (bus_id_is_nil(trace))
        is_wrong(in, BUS_CE_TRACEPARENT);
    return trace;
}

static void
check_envelope(reading *in, const char *domain)
{
    char source[sizeof(SOURCE) + BUS_CLOUDEVENT_DOMAIN_BYTES];

    (void)snprintf(source, sizeof(source), SOURCE "%s", domain);
    must_be(in, BUS_CE_SPECVERSION, "1.0");
    must_be(in, BUS_CE_SOURCE, source);
    must_be(in, BUS_CE_DATACONTENTTYPE, "application/json");
}

bus_code
bus_cloudevent_record(const bus_cloudevent *event, const char *domain, bus_str data,
                      bus_record *out, bus_error *err)
{
    reading in = {.event = event, .wrong = BUS_CE_ATTRIBUTES};

    *out = (bus_record){.data = data};
    check_envelope(&in, domain);
    read_event_id(&in, out);
    out->type = value_of(&in, BUS_CE_TYPE);
    out->stream = id_of(&in, BUS_CE_SUBJECT);
    out->at_ms = time_of(&in, BUS_CE_TIME);
    out->partition = (uint16_t)number_of(&in, BUS_CE_PARTITION, 0, UINT16_MAX);
    out->offset = number_of(&in, BUS_CE_OFFSET, 1, INT64_MAX);
    out->version = (int32_t)number_of(&in, BUS_CE_STREAMVERSION, 1, INT32_MAX);
    out->tenant = id_of(&in, BUS_CE_TENANT);
    out->correlation_id = read_trace(&in);
    out->causation_id = optional(&in, BUS_CE_CAUSATION);
    out->aggregate = optional(&in, BUS_CE_AGGREGATE);
    out->epoch = number_of(&in, BUS_CE_EPOCH, 0, INT64_MAX);
    out->digest = number_of(&in, BUS_CE_DIGEST, INT64_MIN, INT64_MAX);
    if (optional(&in, BUS_CE_DEVICETIME).len > 0)
        out->device_at_ms = time_of(&in, BUS_CE_DEVICETIME);
    out->actor = optional(&in, BUS_CE_ACTORJSON);
    if (in.wrong == BUS_CE_ATTRIBUTES)
        return BUS_OK;
    return bus_fail(err, BUS_INVALID, "the header %s is %s", attributes[in.wrong].header,
                    event->values[in.wrong].at == NULL ? "missing" : "not what it must be");
}
