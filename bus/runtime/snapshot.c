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

static bus_snapshot_personal
personal_of(const bus_shape *shape)
{
    bus_snapshot_personal most = BUS_SNAPSHOT_NOBODYS;

    if (!shape->personal)
        return most;
    if (shape->kind == BUS_KIND_ARRAY)
        return personal_of(shape->item);
    for (uint32_t i = 0; i < shape->fields_count + shape->variants_count; i++) {
        const bus_field      *f = i < shape->fields_count ? &shape->fields[i] : NULL;
        bus_snapshot_personal part;

        if (f == NULL)
            part = personal_of(shape->variants[i - shape->fields_count].shape);
        else if (f->personal != NULL)
            part = *f->personal == '\0' ? BUS_SNAPSHOT_STREAMS : BUS_SNAPSHOT_OTHERS;
        else
            part = personal_of(f->shape);
        if (part > most)
            most = part;
    }
    return most;
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
    for (int i = 0; i < aggregate->of->events_count; i++) {
        bus_snapshot_personal of_event = personal_of(aggregate->of->events[i]->shape);

        if (of_event > form.personal)
            form.personal = of_event;
    }
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

/* Ties an encrypted snapshot to its aggregate. */
static void
label_of(const bus_snapshot_form *form, char label[128])
{
    const bus_aggregate_contract *of = form->aggregate->of;

    (void)snprintf(label, 128, "snapshot %.50s.%.50s", of->contract->module, of->name);
}

bus_code
bus_snapshot_seal(const bus_snapshot_form *form, bus_id tenant, bus_id stream, int32_t version,
                  const void *state, bus_personal *personal, bus_arena *arena, bus_buf *out,
                  bus_error *err)
{
    size_t   bytes = form->aggregate->state_size;
    header   h = {.layout = form->layout, .state_bytes = (uint32_t)bytes, .form = FORM};
    char     label[128];
    bus_buf  plain = {0};
    bus_str  sealed;
    bus_code rc;

    BUS_INVARIANT(bytes <= BUS_SNAPSHOT_STATE_MAX);
    if (form->personal == BUS_SNAPSHOT_OTHERS)
        return bus_fail(err, BUS_NOT_FOUND, "states of %s hold data of several subjects",
                        form->aggregate->of->name);
    h.checksum = checksum_of(form->layout, tenant, stream, version, state, bytes);
    if (form->personal == BUS_SNAPSHOT_NOBODYS) {
        bus_buf_add(out, &h, sizeof(h));
        bus_buf_add(out, state, bytes);
        return BUS_OK;
    }
    bus_buf_add(&plain, &h, sizeof(h));
    bus_buf_add(&plain, state, bytes);
    label_of(form, label);
    rc = bus_personal_seal_bytes(personal, tenant, stream, label, bus_buf_str(&plain), arena,
                                 &sealed, err);
    bus_buf_fini(&plain);
    if (rc == BUS_OK)
        bus_buf_add_str(out, sealed);
    return rc;
}

/* The header and state within the bytes that were kept. */
static bus_code
unwrap(const bus_snapshot_form *form, const bus_snapshot *snapshot, bus_personal *personal,
       bus_arena *arena, bus_str *out, bus_error *err)
{
    char     label[128];
    bus_code rc;

    *out = snapshot->state;
    if (form->personal == BUS_SNAPSHOT_NOBODYS)
        return BUS_OK;
    if (form->personal == BUS_SNAPSHOT_OTHERS)
        return bus_fail(err, BUS_CONFLICT, "a snapshot with data of several subjects");
    label_of(form, label);
    rc = bus_personal_open_bytes(personal, snapshot->tenant, snapshot->stream, label,
                                 snapshot->state, arena, out, err);
    if (rc == BUS_NOT_FOUND)
        err->code = rc = BUS_CONFLICT;
    else if (rc == BUS_FAULT)
        err->code = rc = BUS_INVALID;
    return rc;
}

bus_code
bus_snapshot_open(const bus_snapshot_form *form, const bus_snapshot *snapshot,
                  bus_personal *personal, bus_arena *arena, void *state, bus_error *err)
{
    size_t   bytes = form->aggregate->state_size;
    header   h;
    bus_str  plain;
    bus_code rc;

    if (snapshot->snapshot_version != form->aggregate->snapshot_version)
        return bus_fail(err, BUS_CONFLICT, "a snapshot of version %d, not %d",
                        (int)snapshot->snapshot_version, form->aggregate->snapshot_version);
    if ((rc = unwrap(form, snapshot, personal, arena, &plain, err)) != BUS_OK)
        return rc;
    if (plain.len < sizeof(h))
        return bus_fail(err, BUS_INVALID, "a snapshot of %u bytes", plain.len);
    memcpy(&h, plain.at, sizeof(h));
    if (h.form != FORM || h.layout != form->layout || h.state_bytes != bytes)
        return bus_fail(err, BUS_CONFLICT, "a snapshot of another layout");
    if (snapshot->version < 1 || plain.len != sizeof(h) + bytes ||
        h.checksum != checksum_of(form->layout, snapshot->tenant, snapshot->stream,
                                  snapshot->version, plain.at + sizeof(h), bytes))
        return bus_fail(err, BUS_INVALID, "a snapshot with a wrong checksum");
    memcpy(state, plain.at + sizeof(h), bytes);
    return BUS_OK;
}
