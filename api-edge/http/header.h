/* header.h - reading request headers. All pure; all accept anything.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_HEADER_H
#define API_EDGE_HTTP_HEADER_H

#include "bus/base/id.h"
#include "bus/base/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum { EDGE_EN, EDGE_RU } edge_language;

/* Accept-Language (RFC 9110 12.5.4) to one of ours; NULL, or neither wanted: English. */
edge_language edge_language_of(const char *accept_language);

/* W3C Trace Context, level 1. */
typedef struct {
    bus_id  trace_id;
    uint8_t flags; /* 01: sampled */
} edge_trace;
#define EDGE_TRACEPARENT_BYTES 56 /* with NUL */
/* False: absent or not valid; then a new trace is to be started. */
bool edge_trace_parse(const char *traceparent, edge_trace *out);
void edge_trace_format(const edge_trace *trace, const uint8_t span[8],
                       char out[EDGE_TRACEPARENT_BYTES]);
/* 32 hexadecimal digits and a NUL. */
#define EDGE_TRACE_ID_BYTES 33
char *edge_trace_id_format(bus_id trace_id, char out[EDGE_TRACE_ID_BYTES]);

/* If-Match: "<n>" is a version, * or NULL is any (-1). False: a weak tag, a list, or not ours. */
bool edge_if_match_parse(const char *if_match, int32_t *version);
/* If-None-Match: does it name this version (weak comparison), or *? */
bool edge_if_none_match(const char *if_none_match, int32_t version);

/* Idempotency-Key: 1 to 255 printable ASCII characters, in quotes (as a structured header) or
 * not. False: something else. *out is borrowed. */
#define EDGE_IDEMPOTENCY_KEY_MAX 255
bool edge_idempotency_key_parse(const char *header, bus_str *out);

#define EDGE_KEY_RULE "Idempotency-Key must be 1 to 255 printable ASCII characters."

/* The path of a request's target without its query: the absolute form names the server before it
 * (RFC 9112 3.2.2). Borrowed. */
const char *edge_path_of_target(const char *target);

/* Is it this media type, with charset utf-8 if any? */
bool edge_is_media_type(const char *content_type, const char *type);
/* Is it application/json, with charset utf-8 if any? */
bool edge_is_json(const char *content_type);

/* RFC 3339 with a zone, or a whole number of UTC milliseconds, both from 1970 to 9999. */
bool edge_time_parse(bus_str text, int64_t *at_ms);
/* The same from 2000 on: what a device's clock says that has been set. One that has not begins at
 * 1970, and 0 means further on that no device told a time. */
bool edge_device_time_parse(bus_str text, int64_t *at_ms);

#define EDGE_DEVICE_TIME_RULE "must be RFC 3339, or UTC milliseconds, not before 2000"

/* YYYY-MM-DD of the calendar. */
bool edge_date_parse(bus_str text, int32_t *days);
/* A whole decimal number that fits; no plus sign, no white space. */
bool edge_int_parse(bus_str text, int64_t *value);

/* "<domain>:<partition>:<offset>", as an answer carried it. */
typedef struct {
    bus_str domain; /* borrowed */
    int     partition;
    int64_t offset;
} edge_position;
bool edge_position_parse(const char *text, edge_position *out);

#endif
