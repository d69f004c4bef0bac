/* decode_fuzz.c - any bytes as documents of every message of every contract.
 *
 * The first line names what is decoded: a form ("clear", "opened", "sealed") and a message
 * ("vehicles.register", "vehicles.registered.v1"), "<module>.settings", "<module>.what_if" or
 * "row.<view>"; a name that is none of them picks by its hash. The rest is the text. The contracts
 * are all of schemas/, and the specimen, which has every keyword.
 *
 * What must hold: a refusal names its problem in UTF-8; what was accepted encodes to a text that
 * decodes to an equal value and encodes to the same bytes; the plain road and jansson's agree.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/decode_internal.h"
#include "compose/process/registry.h"
#include "contracts/specimen.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES_MAX 1024
#define NAME_BYTES 128

typedef struct {
    char             name[NAME_BYTES];
    const bus_shape *shape;
} choice;

static choice    choices[CHOICES_MAX];
static int       choices_count;
static bus_arena arena;

/* --- what there is to decode ---------------------------------------------- */

static void
add_choice(const char *prefix, const char *name, const bus_shape *shape)
{
    if (shape == NULL)
        return;
    BUS_INVARIANT(choices_count < CHOICES_MAX);
    (void)snprintf(choices[choices_count].name, NAME_BYTES, "%s%s", prefix, name);
    choices[choices_count++].shape = shape;
}

static void
add_messages(const bus_message *const *messages, int count)
{
    for (int i = 0; i < count; i++)
        add_choice("", messages[i]->type, messages[i]->shape);
}

static void
add_contract(const bus_contract *contract)
{
    char prefix[NAME_BYTES];

    for (int a = 0; a < contract->aggregates_count; a++) {
        const bus_aggregate_contract *aggregate = contract->aggregates[a];

        add_messages(aggregate->commands, aggregate->commands_count);
        add_messages(aggregate->events, aggregate->events_count);
        add_messages(aggregate->superseded, aggregate->superseded_count);
    }
    (void)snprintf(prefix, sizeof(prefix), "%s.", contract->module);
    add_choice(prefix, "settings", contract->settings);
    add_choice(prefix, "what_if", contract->what_if);
    for (int v = 0; v < contract->views_count; v++)
        add_choice("row.", contract->views[v]->name, contract->views[v]->row);
}

/* With the argument --list: their names, for who looks after the seeds. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    for (int i = 0; i < shina_contracts_count; i++)
        add_contract(shina_contracts[i]);
    add_contract(&specimen_contract);
    if (*argc > 1 && strcmp((*argv)[1], "--list") == 0) {
        for (int i = 0; i < choices_count; i++)
            (void)puts(choices[i].name);
        exit(0);
    }
    return 0;
}

static const bus_shape *
pick_shape(bus_str name)
{
    for (int i = 0; i < choices_count; i++)
        if (bus_str_is(name, choices[i].name))
            return choices[i].shape;
    return choices[bus_fnv1a64(name.at, name.len) % (uint64_t)choices_count].shape;
}

static bus_personal_form
pick_form(bus_str name)
{
    return bus_str_is(name, "opened")   ? BUS_PERSONAL_OPENED
           : bus_str_is(name, "sealed") ? BUS_PERSONAL_SEALED
                                        : BUS_PERSONAL_CLEAR;
}

/* --- what must hold -------------------------------------------------------- */

static void
check_value(bus_personal_form form, const bus_shape *shape, const void *value)
{
    bus_problems problems = {0};
    bus_buf      once = {0}, twice = {0};
    void        *back = bus_arena_alloc(&arena, shape->size);
    void        *copy = bus_arena_alloc(&arena, shape->size);

    bus_encode(shape, value, &once);
    BUS_INVARIANT(bus_decode_as(form, shape, bus_buf_str(&once), &arena, back, &problems) ==
                  BUS_OK);
    BUS_INVARIANT(bus_equal(shape, value, back));
    bus_copy(shape, back, copy, &arena);
    BUS_INVARIANT(bus_equal(shape, value, copy));
    bus_encode(shape, copy, &twice);
    BUS_INVARIANT(bus_str_equal(bus_buf_str(&once), bus_buf_str(&twice)));
    bus_buf_fini(&once);
    bus_buf_fini(&twice);
}

/* What is read without a tree, jansson reads as the same. */
static void
check_short_road(bus_personal_form form, const bus_shape *shape, bus_str text)
{
    bus_problems problems = {0};
    void        *plain = bus_arena_alloc(&arena, shape->size);
    void        *parsed = bus_arena_alloc(&arena, shape->size);
    json_t      *tree;

    if (!bus_decode_plain(form, shape, text, &arena, plain))
        return;
    tree = bus_json_parse(text, &problems);
    BUS_INVARIANT(tree != NULL);
    BUS_INVARIANT(bus_decode_json_as(form, shape, tree, &arena, parsed, &problems) == BUS_OK);
    BUS_INVARIANT(bus_equal(shape, plain, parsed));
    json_decref(tree);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_problems      problems = {0};
    bus_str           rest = fuzz_input(data, size), name = fuzz_cut(&rest, '\n');
    bus_personal_form form = pick_form(fuzz_cut(&name, ' '));
    const bus_shape  *shape = pick_shape(name);
    char             *exact = fuzz_exact(rest);
    bus_str           text = {exact, rest.len};
    void             *value;

    bus_arena_reset(&arena);
    check_short_road(form, shape, text);
    value = bus_arena_alloc(&arena, shape->size);
    if (bus_decode_as(form, shape, text, &arena, value, &problems) == BUS_OK)
        check_value(form, shape, value);
    else
        fuzz_check_problems(&problems);
    free(exact);
    return 0;
}
