/* cloudevents_fuzz.c - any bytes as what a source has pushed.
 *
 * The first byte picks the form: structured, batched, binary (its attributes are lines before an
 * empty one, which may also tell webhook-id and content-type), or the source's own. Besides what
 * the sanitizers see, these must hold: what is refused names a problem in UTF-8; what is taken is
 * at most so many events, each with the members that a command needs, in UTF-8.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/ingest/cloudevents.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void
check_refused(const bus_problems *problems)
{
    fuzz_check_problems(problems);
    for (int i = 0; i < problems->count; i++) {
        const char *pointer = edge_cloudevents_pointer(problems->items[i].pointer);
        json_t     *text = json_string(pointer); /* NULL unless UTF-8 */

        BUS_INVARIANT(text != NULL && (*pointer == '\0' || *pointer == '/'));
        json_decref(text);
    }
}

static void
check_taken(const json_t *events)
{
    static const char *const members[] = {"source_id", "event_id", "event_source", "event_type",
                                          "form"};
    json_t                  *event;
    size_t                   i;

    BUS_INVARIANT(json_array_size(events) <= EDGE_PUSH_EVENTS_MAX);
    json_array_foreach(events, i, event)
    {
        for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++)
            BUS_INVARIANT(json_is_string(json_object_get(event, members[m])));
    }
}

/* "name:value" lines up to an empty one; what follows is the body. Cuts text up. */
static char *
take_attributes(char *text, edge_pushed *pushed)
{
    char *line = text;

    while (*line != '\0' && *line != '\n') {
        char *end = strchr(line, '\n'), *colon;

        if (end == NULL || pushed->attributes_count == EDGE_PUSH_HEADERS_MAX)
            break;
        *end = '\0';
        colon = strchr(line, ':');
        if (colon != NULL) {
            *colon = '\0';
            if (strcmp(line, "webhook-id") == 0)
                pushed->webhook_id = colon + 1;
            if (strcmp(line, "content-type") == 0)
                pushed->content_type = colon + 1;
            pushed->attributes[pushed->attributes_count++] = (edge_attribute){line, colon + 1};
        }
        line = end + 1;
    }
    return *line == '\n' ? line + 1 : line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"application/cloudevents+json",
                                        "application/cloudevents-batch+json", "application/json",
                                        "text/plain"};
    edge_pushed              pushed = {.source_id = {{1}}};
    bus_problems             problems = {0};
    json_t                  *events = NULL;
    char                    *text = malloc(size + 1), *body;

    if (text == NULL)
        abort();
    if (size == 0) {
        free(text);
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    pushed.content_type = types[data[0] % 4];
    pushed.own_form = (data[0] & 4) != 0;
    pushed.webhook_id = (data[0] & 8) != 0 ? "msg" : NULL;
    body = data[0] % 4 >= 2 ? take_attributes(text, &pushed) : text;
    pushed.body = (bus_str){body, (uint32_t)(text + size - 1 - body)};
    switch (edge_cloudevents_read(&pushed, &events, &problems)) {
    case EDGE_PUSH_OK: check_taken(events); break;
    case EDGE_PUSH_INVALID: check_refused(&problems); break;
    case EDGE_PUSH_UNSUPPORTED:
    case EDGE_PUSH_TOO_MANY: BUS_INVARIANT(events == NULL); break;
    }
    json_decref(events);
    free(text);
    return 0;
}
