/* decide_documents.c - what the decoders say of documents; the judge is decide_documents.py.
 *
 * Standard input: lines {"type": "vehicles.register", "text": "..."}. Standard output: a line each,
 *   {"accepted":true,"stable":true,"text":"<canonical>"} or
 *   {"accepted":false,"problems":[["/pointer","message"]]}.
 * stable: what was encoded decodes to an equal value and encodes to the same bytes.
 * With --list: the types of all commands and events that a document may be of.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/contract/contract.h"
#include "bus/contract/decode_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* domains.inc is a line DOMAIN(name) per contract, written by the build */
#define DOMAIN(name) extern const bus_contract name##_contract;
#include "domains.inc"
#undef DOMAIN

#define DOMAIN(name) &name##_contract,
static const bus_contract *const contracts[] = {
#include "domains.inc"
};
#undef DOMAIN
#define CONTRACTS (sizeof(contracts) / sizeof(contracts[0]))

static const bus_message *
find_message(bus_str type)
{
    const bus_message *message = NULL;

    for (size_t i = 0; i < CONTRACTS && message == NULL; i++) {
        message = bus_contract_command(contracts[i], type);
        if (message == NULL)
            message = bus_contract_event(contracts[i], type);
    }
    return message;
}

static void
list_some(const bus_message *const *messages, int count)
{
    for (int i = 0; i < count; i++)
        if (messages[i]->shape != NULL && messages[i]->by != BUS_BY_WAKE)
            (void)puts(messages[i]->type);
}

static void
list_all(void)
{
    for (size_t i = 0; i < CONTRACTS; i++) {
        for (int a = 0; a < contracts[i]->aggregates_count; a++) {
            const bus_aggregate_contract *aggregate = contracts[i]->aggregates[a];

            list_some(aggregate->commands, aggregate->commands_count);
            list_some(aggregate->events, aggregate->events_count);
        }
    }
}

/* Does once, the encoded form of value, read back as value and write back as once? */
static bool
comes_back(const bus_shape *shape, const void *value, bus_str once, bus_arena *arena)
{
    bus_problems problems = {0};
    void        *back = bus_arena_alloc(arena, shape->size);
    void        *copy = bus_arena_alloc(arena, shape->size);
    bus_buf      twice = {0};
    bool         same;

    if (bus_decode(shape, once, arena, back, &problems) != BUS_OK)
        return false;
    bus_copy(shape, back, copy, arena);
    bus_encode(shape, copy, &twice);
    same = bus_equal(shape, value, back) && bus_equal(shape, value, copy) &&
           bus_str_equal(once, bus_buf_str(&twice));
    bus_buf_fini(&twice);
    return same;
}

static void
answer_accepted(const bus_shape *shape, const void *value, bus_arena *arena, bus_buf *answer)
{
    bus_buf text = {0};

    bus_encode(shape, value, &text);
    bus_buf_printf(answer, "{\"accepted\":true,\"stable\":%s,\"text\":",
                   comes_back(shape, value, bus_buf_str(&text), arena) ? "true" : "false");
    bus_buf_add_json(answer, bus_buf_str(&text));
    bus_buf_add_char(answer, '}');
    bus_buf_fini(&text);
}

static void
answer_refused(const bus_problems *problems, bus_buf *answer)
{
    bus_buf_add_text(answer, "{\"accepted\":false,\"problems\":[");
    for (int i = 0; i < problems->count; i++) {
        bus_buf_add_text(answer, i == 0 ? "[" : ",[");
        bus_buf_add_json(answer, bus_str_of(problems->items[i].pointer));
        bus_buf_add_char(answer, ',');
        bus_buf_add_json(answer, bus_str_of(problems->items[i].message));
        bus_buf_add_char(answer, ']');
    }
    bus_buf_add_text(answer, "]}");
}

static bus_str
member(const json_t *line, const char *name)
{
    const json_t *value = json_object_get(line, name);

    return (bus_str){json_string_value(value), (uint32_t)json_string_length(value)};
}

/* Is what is read without a tree what jansson reads? */
static bool
both_roads_agree(const bus_shape *shape, bus_str text, bus_arena *arena)
{
    bus_problems problems = {0};
    void        *plain = bus_arena_alloc(arena, shape->size);
    void        *parsed = bus_arena_alloc(arena, shape->size);
    json_t      *tree;
    bool         same;

    if (!bus_decode_plain(BUS_PERSONAL_CLEAR, shape, text, arena, plain))
        return true;
    tree = bus_json_parse(text, &problems);
    same = tree != NULL && bus_decode_json(shape, tree, arena, parsed, &problems) == BUS_OK &&
           bus_equal(shape, plain, parsed);
    json_decref(tree);
    return same;
}

/* false: the line is not for us, and the driver is wrong. */
static bool
decide(const json_t *line, bus_arena *arena, bus_buf *answer)
{
    const bus_message *message = find_message(member(line, "type"));
    bus_problems       problems = {0};
    void              *value;

    if (message == NULL || message->shape == NULL || json_object_get(line, "text") == NULL)
        return false;
    if (!both_roads_agree(message->shape, member(line, "text"), arena)) {
        (void)fprintf(stderr, "decide_documents: another value without a tree\n");
        return false;
    }
    value = bus_arena_alloc(arena, message->shape->size);
    if (bus_decode(message->shape, member(line, "text"), arena, value, &problems) == BUS_OK)
        answer_accepted(message->shape, value, arena, answer);
    else
        answer_refused(&problems, answer);
    return true;
}

static int
decide_all(void)
{
    bus_arena arena = {0};
    bus_buf   answer = {0};
    char     *line = NULL;
    size_t    capacity = 0;
    ssize_t   len;
    int       rc = 0;

    while (rc == 0 && (len = getline(&line, &capacity, stdin)) > 0) {
        json_t *parsed = json_loadb(line, (size_t)len, JSON_ALLOW_NUL, NULL);

        bus_arena_reset(&arena);
        bus_buf_reset(&answer);
        if (!decide(parsed, &arena, &answer)) {
            (void)fprintf(stderr, "decide_documents: not a line for us: %s", line);
            rc = 2;
        } else if (puts(answer.at) == EOF) {
            rc = 1;
        }
        json_decref(parsed);
    }
    free(line);
    bus_buf_fini(&answer);
    bus_arena_fini(&arena);
    return rc;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_all();
        return 0;
    }
    return decide_all();
}
