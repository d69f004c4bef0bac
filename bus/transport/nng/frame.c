/* frame.c - frames written and read, every length checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/nng/frame.h"

#include <string.h>

#define MAGIC "shb1" /* the last letter counts versions: another one is not understood */
#define MAGIC_BYTES 4

void
bus_frame_put_head(bus_buf *out, const frame_head *head)
{
    bus_buf_add(out, MAGIC, MAGIC_BYTES);
    bus_wire_put_u64(out, head->from);
    bus_wire_put_u64(out, head->to);
    bus_wire_put_str(out, head->url);
}

size_t
bus_frame_begin(bus_buf *out, frame_kind kind)
{
    bus_wire_put_u8(out, (uint8_t)kind);
    bus_wire_put_u32(out, 0);
    return out->len;
}

void
bus_frame_end(bus_buf *out, size_t place)
{
    bus_wire_set_u32(out, place - 4, (uint32_t)(out->len - place));
}

bus_code
bus_frame_read_head(bus_wire *in, frame_head *out, bus_error *err)
{
    if (in->left < MAGIC_BYTES || memcmp(in->at, MAGIC, MAGIC_BYTES) != 0)
        return bus_fail(err, BUS_INVALID,
                        "frame: it does not begin with " MAGIC ": another version, or not shina");
    in->at += MAGIC_BYTES;
    in->left -= MAGIC_BYTES;
    out->from = bus_wire_u64(in, "from");
    out->to = bus_wire_u64(in, "to");
    out->url = bus_wire_str(in, "url");
    if (in->wrong != NULL)
        return bus_fail(err, BUS_INVALID, "frame: /%s is cut off", in->wrong);
    return BUS_OK;
}

bus_code
bus_frame_read_entry(bus_wire *in, frame_kind *kind, bus_str *body, bus_error *err)
{
    uint8_t number;

    *kind = 0;
    *body = (bus_str){NULL, 0};
    if (in->left == 0)
        return BUS_OK;
    number = bus_wire_u8(in, "kind");
    *body = bus_wire_str(in, "entry");
    if (in->wrong != NULL)
        return bus_fail(err, BUS_INVALID, "frame: /%s is cut off", in->wrong);
    if (number < FRAME_COMMAND || number > FRAME_TOPICS)
        return bus_fail(err, BUS_INVALID, "frame: there is no entry of kind %d", number);
    *kind = (frame_kind)number;
    return BUS_OK;
}
