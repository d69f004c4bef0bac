/* ingest_events.c - what came from sources, to look it up: a row each, with the beginning of its
 * data. SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/ingest.h"

#define DATA_BYTES_MAX 4096 /* the row's; all of it is in the log */

/* No more than max bytes, and no character cut in two. */
static bus_str
beginning(bus_str text, uint32_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.at[max] & 0xc0) == 0x80)
        max--;
    return (bus_str){text.at, max};
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct ingest_events_row     *row = state;
    const struct ingest_received *e = event->data;
    (void)out;

    row->source_id = e->source_id;
    row->event_id = e->event_id;
    row->event_source = e->event_source;
    row->event_type = e->event_type;
    row->has_subject = e->has_subject;
    row->subject = e->subject;
    row->received_at = event->at_ms;
    row->has_occurred_at = e->has_occurred_at;
    row->occurred_at = e->occurred_at;
    row->has_content_type = e->has_content_type;
    row->content_type = e->content_type;
    row->form = e->form;
    row->has_data = e->has_data;
    row->data = beginning(e->data, DATA_BYTES_MAX);
    row->data_bytes = e->data.len;
}

const bus_view ingest_events_projection = {
    .of = &ingest_events_view, .view_version = 1, .project = project};
