/* ingest_sources.c - who may push, where to, and by which (sealed) secrets: what the edge asks when
 * something comes. SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/ingest.h"

static void
register_source(struct ingest_sources_row *row, const struct ingest_source_registered *e,
                const bus_event *event, bus_projection *out)
{
    char tenant[BUS_ID_TEXT_BYTES], id[BUS_ID_TEXT_BYTES];

    row->name = e->name;
    row->kind = e->kind;
    row->scheme = e->scheme;
    row->status = INGEST_SOURCES_ROW_STATUS_ACTIVE;
    row->address = bus_row_printf(out, "/api/v1/ingest/%s.%s", bus_id_format(event->tenant, tenant),
                                  bus_id_format(event->stream, id));
    row->registered_at = event->at_ms;
    row->has_secret = true;
    row->secret = e->secret;
}

static void
rotate(struct ingest_sources_row *row, const struct ingest_secret_rotated *e,
       const bus_event *event)
{
    row->has_previous_secret = row->has_secret;
    row->previous_secret = row->secret;
    row->has_previous_until_at = true;
    row->previous_until_at = e->previous_until_at;
    row->has_secret = true;
    row->secret = e->secret;
    row->has_rotated_at = true;
    row->rotated_at = event->at_ms;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct ingest_sources_row        *row = state;
    const struct ingest_source_event *e = event->tagged;

    switch (e->kind) {
    case INGEST_SOURCE_REGISTERED: register_source(row, &e->source_registered, event, out); break;
    case INGEST_SECRET_ROTATED: rotate(row, &e->secret_rotated, event); break;
    case INGEST_SOURCE_DISABLED: row->status = INGEST_SOURCES_ROW_STATUS_DISABLED; break;
    case INGEST_SOURCE_ENABLED: row->status = INGEST_SOURCES_ROW_STATUS_ACTIVE; break;
    }
}

const bus_view ingest_sources_projection = {
    .of = &ingest_sources_view, .view_version = 1, .project = project};
