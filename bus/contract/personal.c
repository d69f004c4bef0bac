/* personal.c - the personal members of a value, one after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"

#include <string.h>

/* Going through one document. */
typedef struct {
    const bus_shape   *root;
    const char        *document; /* the root's struct */
    bus_personal_visit visit;
    void              *context;
    bus_error         *err;
} tour;

static bool
is_there(const bus_field *field, const char *object)
{
    return field->has_offset == BUS_NO_OFFSET || *(const bool *)(object + field->has_offset);
}

/* The id that the pointer leads to; NULL: it is absent. The schema compiler has checked that the
 * way leads through objects to a UUID. */
static const bus_id *
subject_of(const tour *t, const char *pointer)
{
    const bus_shape *shape = t->root;
    const char      *at = t->document;

    while (*pointer == '/') {
        size_t   len = strcspn(++pointer, "/");
        uint32_t f = 0;

        while (f < shape->fields_count && (strncmp(shape->fields[f].name, pointer, len) != 0 ||
                                           shape->fields[f].name[len] != '\0'))
            f++;
        BUS_INVARIANT(f < shape->fields_count);
        if (!is_there(&shape->fields[f], at))
            return NULL;
        at += shape->fields[f].offset;
        shape = shape->fields[f].shape;
        pointer += len;
    }
    BUS_INVARIANT(shape->kind == BUS_KIND_UUID);
    return (const bus_id *)(const void *)at;
}

static bus_code go(const tour *t, const bus_shape *shape, char *value);

static bus_code
go_members(const tour *t, const bus_shape *shape, char *object)
{
    for (uint32_t f = 0; f < shape->fields_count; f++) {
        const bus_field *field = &shape->fields[f];
        char            *at = object + field->offset;
        bus_code         rc;

        if (!is_there(field, object))
            continue;
        if (field->personal != NULL)
            rc = t->visit(t->context, field,
                          *field->personal == '\0' ? NULL : subject_of(t, field->personal),
                          (bus_str *)(void *)at, t->err);
        else
            rc = go(t, field->shape, at);
        if (rc != BUS_OK)
            return rc;
    }
    return BUS_OK;
}

static bus_code
go_array(const tour *t, const bus_shape *shape, const char *value)
{
    struct {
        char    *items;
        uint32_t count, capacity;
    } array;
    bus_code rc = BUS_OK;

    memcpy(&array, value, sizeof(array));
    for (uint32_t i = 0; rc == BUS_OK && i < array.count; i++)
        rc = go(t, shape->item, array.items + (size_t)i * shape->item->size);
    return rc;
}

static bus_code
go(const tour *t, const bus_shape *shape, char *value)
{
    int32_t kind;

    if (!shape->personal)
        return BUS_OK;
    if (shape->kind == BUS_KIND_OBJECT)
        return go_members(t, shape, value);
    if (shape->kind == BUS_KIND_ARRAY)
        return go_array(t, shape, value);
    BUS_INVARIANT(shape->kind == BUS_KIND_UNION);
    memcpy(&kind, value, sizeof(kind));
    BUS_INVARIANT(kind >= 0 && (uint32_t)kind < shape->variants_count);
    return go_members(t, shape->variants[kind].shape, value + shape->variants_offset);
}

bus_code
bus_personal_each(const bus_shape *shape, void *value, bus_personal_visit visit, void *context,
                  bus_error *err)
{
    const tour t = {
        .root = shape, .document = value, .visit = visit, .context = context, .err = err};

    return go(&t, shape, value);
}
