/* upcasts.c - decode, upcast, encode, decode again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/upcasts.h"

#include "bus/contract/upcast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void
try_example(const bus_message *type, const json_t *example)
{
    const bus_message *read_as = type;
    bus_arena          arena = {0};
    bus_buf            out = {0};
    bus_problems       problems = {.count = 0};
    bus_error          err;
    void              *data, *again;

    if (bus_event_decode_json(BUS_PERSONAL_CLEAR, &read_as, example, NULL, NULL, &arena, &data,
                              &err) != BUS_OK)
        fail_msg("%s: %s", type->type, err.text);
    assert_null(read_as->upcast_to);
    bus_encode(read_as->shape, data, &out);
    again = bus_arena_alloc(&arena, read_as->shape->size);
    if (bus_decode(read_as->shape, bus_buf_str(&out), &arena, again, &problems) != BUS_OK)
        fail_msg("%s is upcast to %s, which breaks %s: %s: %s", type->type, out.at, read_as->type,
                 problems.items[0].pointer, problems.items[0].message);
    bus_buf_fini(&out);
    bus_arena_fini(&arena);
}

static int
try_event(const json_t *events, const bus_message *type)
{
    char          key[96];
    const json_t *valid, *one;
    size_t        i;

    (void)snprintf(key, sizeof(key), "%s.v%d", type->name, type->version);
    valid = json_object_get(json_object_get(json_object_get(events, key), "examples"), "valid");
    assert_int_not_equal(json_array_size(valid), 0); /* the compiler asks for them */
    json_array_foreach(valid, i, one) try_example(type, one);
    return (int)json_array_size(valid);
}

int
tests_upcasts_are_valid(const bus_contract *contract)
{
    json_t *json = json_loads(contract->json, 0, NULL);
    int     tried = 0;

    assert_non_null(json);
    for (int a = 0; a < contract->aggregates_count; a++) {
        const bus_aggregate_contract *of = contract->aggregates[a];
        const json_t *aggregate = json_object_get(json_object_get(json, "aggregates"), of->name);

        for (int i = 0; i < of->superseded_count; i++)
            tried += try_event(json_object_get(aggregate, "events"), of->superseded[i]);
    }
    json_decref(json);
    return tried;
}
