/* postgres.c - the store on PostgreSQL: the only truth.
 *
 * Reading order: connection.c (what a failure means), append.c (the log), lease.c (who writes),
 * log.c and reader.c (who reads), view.c (what readers fill), archive.c (old events in files). The
 * functions that these call are in migrations/. SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive.h"
#include "bus/store/postgres/operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
close_store(bus_store *st)
{
    if (st == NULL)
        return;
    pg_disconnect(st);
    pg_archive_free(st);
    pg_params_fini(&st->params);
    bus_buf_fini(&st->sql);
    bus_buf_fini(&st->copy);
    bus_arena_fini(&st->arena);
    free(st->archive);
    free(st->url);
    free(st);
}

static bus_code
open_store(bus_store **out, const bus_store_options *options, bus_error *err)
{
    bus_store *st;
    bus_code   rc;

    if (options->url == NULL)
        return bus_fail(err, BUS_INVALID, "the store postgres needs a database URL");
    st = calloc(1, sizeof(*st));
    if (st == NULL || (st->url = strdup(options->url)) == NULL)
        abort();
    if (options->archive != NULL && (st->archive = strdup(options->archive)) == NULL)
        abort();
    (void)snprintf(st->application, sizeof(st->application), "%s",
                   options->application == NULL ? "shina" : options->application);
    if (options->role != NULL)
        (void)snprintf(st->role, sizeof(st->role), "%s", options->role);
    st->patience_ms = options->patience_ms;
    if ((rc = pg_ready(st, err)) != BUS_OK) {
        close_store(st);
        return rc;
    }
    *out = st;
    return BUS_OK;
}

const bus_store_ops bus_store_postgres = {
    .name = "postgres",
    .open = open_store,
    .close = close_store,
    .create_domain = pg_create_domain,
    .partitions = pg_partitions,
    .lease_take = pg_lease_take,
    .lease_renew = pg_lease_renew,
    .lease_release = pg_lease_release,
    .append = pg_append,
    .find = pg_find,
    .load = pg_load,
    .load_after = pg_load_after,
    .snapshots_write = pg_snapshots_write,
    .snapshots_read = pg_snapshots_read,
    .snapshots_scan = pg_snapshots_scan,
    .read = pg_read,
    .archive = pg_archive,
    .archives = pg_archives_list,
    .archive_check = pg_archive_check,
    .heads = pg_heads,
    .timers_due = pg_timers_due,
    .checkpoint_take = pg_checkpoint_take,
    .checkpoint_renew = pg_checkpoint_renew,
    .checkpoint_release = pg_checkpoint_release,
    .checkpoint_forget = pg_checkpoint_forget,
    .effect = pg_effect,
    .parked = pg_parked,
    .park = pg_park,
    .view_create = pg_view_create,
    .view_analyze = pg_view_analyze,
    .view_rows = pg_view_rows,
    .view_scan = pg_view_scan,
    .windows_due = pg_windows_due,
    .checkpoints = pg_checkpoints,
    .park_ask = pg_park_ask,
    .skipped = pg_skipped,
    .view_infos = pg_view_infos,
    .build_begin = pg_build_begin,
    .build_report = pg_build_report,
    .build_fill = pg_build_fill,
    .build_index = pg_build_index,
    .build_rows = pg_build_rows,
    .build_scan = pg_build_scan,
    .build_write = pg_build_write,
    .build_swap = pg_build_swap,
    .build_abandon = pg_build_abandon,
    .view_use = pg_view_use,
    .view_drop_unused = pg_view_drop_unused,
    .follow_domain = pg_follow,
    .reach_domain = pg_reach,
    .let_forget = pg_let_forget,
    .member_beat = pg_member_beat,
    .member_leave = pg_member_leave,
};
