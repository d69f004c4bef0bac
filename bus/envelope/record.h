/* record.h - an event as it stands in the log. Strings are borrowed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_ENVELOPE_RECORD_H
#define BUS_ENVELOPE_RECORD_H

#include "bus/base/id.h"
#include "bus/base/str.h"
#include "bus/envelope/wire.h"

typedef struct {
    uint16_t partition;
    int64_t  offset; /* 1.. gapless within the partition */
    int64_t  epoch;  /* of the writer's lease */
    bus_id   stream;
    bus_str  aggregate;
    int32_t  version; /* 1.. within the stream */
    bus_id   tenant;
    bus_str  type; /* "vehicles.registered.v1" */
    bus_id   command_id;
    int16_t  nth;    /* 0.. within the command */
    int64_t  digest; /* of the command that made it: FNV-1a-64 over type and canonical data */
    bus_id   correlation_id;
    bus_str  causation_id; /* empty: none */
    bus_str  actor;        /* JSON */
    int64_t  at_ms;
    int64_t  device_at_ms; /* 0: none */
    bus_str  sends;        /* JSON array, or empty: none */
    bus_str  data;         /* JSON */
} bus_record;

/* Frame form: bytes, one record after another. Reading borrows from the bytes; what does not fit
 * is named in in->wrong. */
void bus_record_encode(const bus_record *record, bus_buf *out);
void bus_record_read(bus_wire *in, bus_record *out);

#endif
