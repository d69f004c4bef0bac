/* batch.c - committed batches, counted, each one block of memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/transport.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    atomic_int references;
    bus_batch  batch;
} block;

static block *
block_of(bus_batch *batch)
{
    return (block *)(void *)((char *)batch - offsetof(block, batch));
}

/* Strings of a record that a copy must own, in a fixed order. */
#define RECORD_STRINGS 6
static void
strings_of(bus_record *record, bus_str *out[RECORD_STRINGS])
{
    out[0] = &record->aggregate;
    out[1] = &record->type;
    out[2] = &record->causation_id;
    out[3] = &record->actor;
    out[4] = &record->sends;
    out[5] = &record->data;
}

static size_t
text_bytes(const bus_batch *from)
{
    size_t bytes = from->topic.len + 1;

    for (uint32_t i = 0; from->records != NULL && i < from->count; i++) {
        bus_record copy = from->records[i];
        bus_str   *strings[RECORD_STRINGS];

        strings_of(&copy, strings);
        for (int s = 0; s < RECORD_STRINGS; s++)
            bytes += strings[s]->len + 1;
    }
    return bytes;
}

static void
move_in(char **at, bus_str *s)
{
    if (s->len > 0)
        memcpy(*at, s->at, s->len);
    (*at)[s->len] = '\0';
    s->at = *at;
    *at += s->len + 1;
}

bus_batch *
bus_batch_of(const bus_batch *from)
{
    uint32_t count = from->records != NULL ? from->count : 0;
    size_t   records_bytes = count * sizeof(bus_record);
    block   *b = malloc(sizeof(*b) + records_bytes + text_bytes(from));
    char    *at;

    if (b == NULL)
        abort();
    atomic_init(&b->references, 1);
    b->batch = *from;
    b->batch.records = count > 0 ? (bus_record *)(void *)(b + 1) : NULL;
    at = (char *)(b + 1) + records_bytes;
    move_in(&at, &b->batch.topic);
    for (uint32_t i = 0; i < count; i++) {
        bus_str *strings[RECORD_STRINGS];

        b->batch.records[i] = from->records[i];
        strings_of(&b->batch.records[i], strings);
        for (int s = 0; s < RECORD_STRINGS; s++)
            move_in(&at, strings[s]);
    }
    return &b->batch;
}

bus_batch *
bus_batch_hold(bus_batch *batch)
{
    atomic_fetch_add_explicit(&block_of(batch)->references, 1, memory_order_relaxed);
    return batch;
}

void
bus_batch_release(bus_batch *batch)
{
    if (batch == NULL)
        return;
    if (atomic_fetch_sub_explicit(&block_of(batch)->references, 1, memory_order_acq_rel) == 1)
        free(block_of(batch));
}

/* --- between processes --------------------------------------------------- */

void
bus_batch_encode(const bus_batch *batch, bus_buf *out)
{
    bus_wire_put_str(out, batch->topic);
    bus_wire_put_u16(out, batch->partition);
    bus_wire_put_u64(out, (uint64_t)batch->first_offset);
    bus_wire_put_u32(out, batch->count);
    bus_wire_put_u8(out, batch->records != NULL);
    for (uint32_t i = 0; batch->records != NULL && i < batch->count; i++)
        bus_record_encode(&batch->records[i], out);
}

/* The least that a record takes: what bounds the memory that a claimed count can ask for. */
#define RECORD_BYTES_MIN 100

static const char *
read_records(bus_wire *in, bus_batch *b)
{
    if (b->count > in->left / RECORD_BYTES_MIN)
        return "count";
    b->records = calloc(b->count, sizeof(*b->records));
    if (b->records == NULL)
        abort();
    for (uint32_t i = 0; i < b->count && in->wrong == NULL; i++) {
        bus_record_read(in, &b->records[i]);
        if (in->wrong == NULL && (b->records[i].partition != b->partition ||
                                  b->records[i].offset != b->first_offset + (int64_t)i))
            return "records/offset";
    }
    return in->wrong;
}

bus_code
bus_batch_decode(bus_str bytes, bus_batch **out, bus_error *err)
{
    bus_wire    in = {.at = bytes.at, .left = bytes.len};
    bus_batch   b = {.topic = bus_wire_str(&in, "topic")};
    uint8_t     with_records;
    const char *wrong;

    *out = NULL;
    b.partition = bus_wire_u16(&in, "partition");
    b.first_offset = bus_wire_int(&in, "first_offset", 0, INT64_MAX - UINT32_MAX);
    b.count = bus_wire_u32(&in, "count");
    with_records = bus_wire_u8(&in, "with_records");
    wrong = in.wrong;
    if (wrong == NULL && with_records > 1)
        wrong = "with_records";
    if (wrong == NULL && with_records == 1)
        wrong = b.count == 0 ? "count" : read_records(&in, &b);
    if (wrong == NULL && in.left > 0)
        wrong = "end";
    if (wrong == NULL)
        *out = bus_batch_of(&b);
    free(b.records);
    return wrong == NULL ? BUS_OK
                         : bus_fail(err, BUS_INVALID, "batch: /%s is cut off or wrong", wrong);
}
