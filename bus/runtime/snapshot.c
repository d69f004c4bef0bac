/* snapshot.c - header, checksum, state.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/snapshot.h"

#include <stdio.h>
#include <string.h>

/* In this machine's byte order: on one of the other order the layout does not match. */
typedef struct {
    uint64_t layout, checksum;
    uint32_t state_bytes, form; /* form: of this header */
} header;

#define FORM 1

/* --- the layout --------------------------------------------------------------- */

static void describe(const bus_shape *shape, bus_buf *out);

static void
describe_fields(const bus_shape *shape, bus_buf *out)
{
    for (uint32_t i = 0; i < shape->fields_count; i++) {
        const bus_field *f = &shape->fields[i];

        bus_buf_printf(out, "%s@%u/%u:", f->name, f->offset, f->has_offset);
        describe(f->shape, out);
    }
}

/* What a C compiler makes of the shape, and what its enums mean. */
static void
describe(const bus_shape *shape, bus_buf *out)
{
    bus_buf_printf(out, "%d(%u ", (int)shape->kind, shape->size);
    for (uint32_t i = 0; i < shape->names_count; i++)
        bus_buf_printf(out, "%s|", shape->names[i]);
    describe_fields(shape, out);
    if (shape->item != NULL)
        describe(shape->item, out);
    for (uint32_t i = 0; i < shape->variants_count; i++) {
        bus_buf_printf(out, "%s@%u:", shape->variants[i].tag_value, shape->variants_offset);
        describe(shape->variants[i].shape, out);
    }
    bus_buf_add_char(out, ')');
}

static void
describe_messages(const bus_message *const *messages, int count, bus_buf *out)
{
    for (int i = 0; i < count; i++) {
        bus_buf_printf(out, "%s:", messages[i]->type);
        if (messages[i]->shape != NULL)
            describe(messages[i]->shape, out);
    }
}

bus_snapshot_form
bus_snapshot_form_of(const bus_aggregate *aggregate)
{
    bus_snapshot_form form = {.aggregate = aggregate};
    const uint32_t    one = 1;
    bus_buf           text = {0};

    bus_buf_printf(&text, "%s %d %zu %zu %d ", aggregate->of->name, aggregate->snapshot_version,
                   aggregate->state_size, sizeof(void *), *(const char *)&one);
    describe_messages(aggregate->of->events, aggregate->of->events_count, &text);
    describe_messages(aggregate->of->commands, aggregate->of->commands_count, &text);
    form.layout = bus_fnv1a64(text.at, text.len);
    bus_buf_fini(&text);
    return form;
}

/* --- bytes ----------------------------------------------------------------------- */

static uint64_t
checksum_of(uint64_t layout, bus_id tenant, bus_id stream, int32_t version, const void *state,
            size_t bytes)
{
    unsigned char  all[sizeof(layout) + 2 * sizeof(bus_id) + sizeof(version) + sizeof(uint64_t)];
    uint64_t       of_state = bus_fnv1a64(state, bytes);
    unsigned char *at = all;

    memcpy(at, &layout, sizeof(layout));
    at += sizeof(layout);
    memcpy(at, tenant.bytes, sizeof(tenant.bytes));
    at += sizeof(tenant.bytes);
    memcpy(at, stream.bytes, sizeof(stream.bytes));
    at += sizeof(stream.bytes);
    memcpy(at, &version, sizeof(version));
    at += sizeof(version);
    memcpy(at, &of_state, sizeof(of_state));
    return bus_fnv1a64(all, sizeof(all));
}

void
bus_snapshot_seal(const bus_snapshot_form *form, bus_id tenant, bus_id stream, int32_t version,
                  const void *state, bus_buf *out)
{
    size_t bytes = form->aggregate->state_size;
    header h = {.layout = form->layout, .state_bytes = (uint32_t)bytes, .form = FORM};

    BUS_INVARIANT(bytes <= BUS_SNAPSHOT_STATE_MAX);
    h.checksum = checksum_of(form->layout, tenant, stream, version, state, bytes);
    bus_buf_add(out, &h, sizeof(h));
    bus_buf_add(out, state, bytes);
}

bus_code
bus_snapshot_open(const bus_snapshot_form *form, const bus_snapshot *snapshot, void *state,
                  bus_error *err)
{
    size_t bytes = form->aggregate->state_size;
    header h;

    if (snapshot->snapshot_version != form->aggregate->snapshot_version)
        return bus_fail(err, BUS_CONFLICT, "a snapshot of version %d, not %d",
                        (int)snapshot->snapshot_version, form->aggregate->snapshot_version);
    if (snapshot->state.len < sizeof(h))
        return bus_fail(err, BUS_INVALID, "a snapshot of %u bytes", snapshot->state.len);
    memcpy(&h, snapshot->state.at, sizeof(h));
    if (h.form != FORM || h.layout != form->layout || h.state_bytes != bytes)
        return bus_fail(err, BUS_CONFLICT, "a snapshot of another layout");
    if (snapshot->version < 1 || snapshot->state.len != sizeof(h) + bytes ||
        h.checksum != checksum_of(form->layout, snapshot->tenant, snapshot->stream,
                                  snapshot->version, snapshot->state.at + sizeof(h), bytes))
        return bus_fail(err, BUS_INVALID, "a snapshot with a wrong checksum");
    memcpy(state, snapshot->state.at + sizeof(h), bytes);
    return BUS_OK;
}
