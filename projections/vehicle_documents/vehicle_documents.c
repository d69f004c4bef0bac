/* vehicle_documents.c - when papers end: a row for each vehicle and kind, with the paper that ends
 * last, so that a renewal takes the old one off the list.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/vehicles.h"

static const char *
kind_name(enum vehicles_document_kind kind)
{
    switch (kind) {
    case VEHICLES_DOCUMENT_KIND_OSAGO: return "OSAGO";
    case VEHICLES_DOCUMENT_KIND_INSPECTION: return "INSPECTION";
    case VEHICLES_DOCUMENT_KIND_MOSCOW_PASS: return "MOSCOW_PASS";
    case VEHICLES_DOCUMENT_KIND_TACHOGRAPH: return "TACHOGRAPH";
    }
    BUS_UNREACHABLE();
}

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct vehicles_vehicle_event *e = event->tagged;

    if (e->kind == VEHICLES_DOCUMENT_ADDED)
        bus_row_key(out, bus_id_v5_text(event->stream, kind_name(e->document_added.kind)));
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct vehicle_documents_row         *row = state;
    const struct vehicles_document_added *e = event->data;
    (void)out;

    if (e->to_on < row->valid_to_on && !bus_str_equal(e->number, row->number))
        return;
    row->vehicle_id = event->stream;
    row->kind = e->kind;
    row->number = e->number;
    row->valid_from_on = e->from_on;
    row->valid_to_on = e->to_on;
}

const bus_view vehicle_documents_projection = {
    .of = &vehicle_documents_view, .view_version = 1, .project = project, .keys = keys};
