/* next.c - the view of vehicles as a next release could have it: the same contract, another
 * project(). Linked into shina-next in the place of today's.
 * SPDX-License-Identifier: Apache-2.0 */
#define vehicles_projection vehicles_projection_of_today
#include "projections/vehicles/vehicles.c"
#undef vehicles_projection

/* A vehicle's first reading is shown 7 m longer, so that one sees which table a row is from. */
static void
project_next(void *row, const bus_event *event, bus_projection *out)
{
    struct vehicles_row *vehicle = row;

    project(row, event, out);
    if (event->type == &vehicles_registered_event)
        vehicle->odometer_m += 7;
}

extern const bus_view vehicles_projection_next;
const bus_view        vehicles_projection_next = {
           .of = &vehicles_view, .view_version = 1001, .project = project_next};
