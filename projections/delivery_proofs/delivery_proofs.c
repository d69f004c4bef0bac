/* delivery_proofs.c - the archive of proofs of delivery.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/deliveries.h"

static void
file_proof(struct delivery_proofs_row *row, const struct deliveries_proof *pod, bool has_distance_m,
           int64_t distance_m, bool partly)
{
    row->partly = partly;
    row->has_at = row->has_pod = true;
    row->at = pod->at;
    row->pod = *pod;
    row->has_distance_m = has_distance_m;
    row->distance_m = distance_m;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct delivery_proofs_row             *row = state;
    const struct deliveries_delivery_event *e = event->tagged;

    (void)out;
    if (event->type == &deliveries_created_event) {
        row->customer_id = e->created.customer_id;
        row->kind = e->created.kind;
    } else if (event->type == &deliveries_completed_event) {
        file_proof(row, &e->completed.pod, e->completed.has_distance_m, e->completed.distance_m,
                   false);
    } else if (event->type == &deliveries_completed_partly_event) {
        file_proof(row, &e->completed_partly.pod, e->completed_partly.has_distance_m,
                   e->completed_partly.distance_m, true);
    }
}

const bus_view delivery_proofs_projection = {
    .of = &delivery_proofs_view, .view_version = 1, .project = project};
