/* batch_snapshot.c - after the answers: the states of streams that have grown long are kept, so
 * that they need not be read whole again.
 *
 * The one rule: what is kept was committed. States in memory between two batches are; the store
 * checks the epoch and the log once more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/log/log.h"
#include "bus/runtime/batch.h"

#define SNAPSHOTS_MAX 64                  /* of one batch; the others wait for their next command */
#define SNAPSHOTS_BYTES (size_t)(1 << 20) /* ... and bytes, about */

const bus_snapshot_form *
batch_form_of(const bus_writer *w, const bus_aggregate *aggregate)
{
    return &w->forms[aggregate - w->module->aggregates];
}

static bool
is_due(const bus_writer *w, const bus_state *state)
{
    return state != NULL && !state->faulty && state->aggregate != NULL &&
           state->aggregate->state_size <= BUS_SNAPSHOT_STATE_MAX &&
           state->version - state->kept >= w->options->snapshot_events;
}

/* False: it is not to be kept, or cannot be now. */
static bool
make_snapshot(batch *b, bus_state *state, bus_snapshot *out)
{
    bus_writer  *w = b->w;
    int          partition = bus_id_partition(state->stream, w->partitions);
    bus_buf      bytes = {0};
    bus_error    err = {0};
    bus_code     rc;
    bus_snapshot s = {.stream = state->stream,
                      .tenant = state->tenant,
                      .partition = (uint16_t)partition,
                      .epoch = w->leases[partition].epoch,
                      .aggregate = bus_str_of(state->aggregate->of->name),
                      .version = state->version,
                      .snapshot_version = state->aggregate->snapshot_version};

    rc = bus_snapshot_seal(batch_form_of(w, state->aggregate), state->tenant, state->stream,
                           state->version, state->data, w->personal, b->arena, &bytes, &err);
    s.state = batch_keep(b, &bytes);
    /* Also if it fails: then it is tried again after as many events, not with every batch. */
    state->kept = state->version;
    *out = s;
    if (rc != BUS_OK && rc != BUS_NOT_FOUND)
        bus_log_warn("writer.snapshots_failed", BUS_KV("domain", w->domain), BUS_KV_ERR(&err));
    return rc == BUS_OK;
}

void
batch_snapshots(batch *b)
{
    bus_writer  *w = b->w;
    bus_snapshot snapshots[SNAPSHOTS_MAX];
    size_t       bytes = 0;
    bus_error    err = {0};
    int          count = 0;

    if (w->options->snapshot_events == 0)
        return;
    for (int i = 0; i < b->count && count < SNAPSHOTS_MAX && bytes < SNAPSHOTS_BYTES; i++) {
        bus_state *state =
            b->items[i].cmd == NULL ? NULL : bus_states_find(w->states, b->items[i].cmd->stream);

        if (!is_due(w, state) || !w->leases[bus_id_partition(state->stream, w->partitions)].held)
            continue;
        if (make_snapshot(b, state, &snapshots[count]))
            bytes += snapshots[count++].state.len;
    }
    if (count == 0)
        return;
    BUS_FAIL_POINT("snapshot.write");
    if (w->options->store->snapshots_write(w->store, w->domain, snapshots, count, &err) != BUS_OK) {
        bus_log_warn("writer.snapshots_failed", BUS_KV("domain", w->domain), BUS_KV_ERR(&err));
        bus_metric_add(&w->metrics[BUS_WRITER_SNAPSHOT_FAILURES], 1);
        return;
    }
    BUS_FAIL_POINT("snapshot.written");
    bus_metric_add(&w->metrics[BUS_WRITER_SNAPSHOTS], count);
}
