/* operations.h - the members of the postgres store's ops struct, by file: append.c,
 * archive.c, lease.c, log.c, members.c, snapshot.c, reader.c, view.c. Internal; their meaning is in
 * bus/store/store.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_POSTGRES_OPERATIONS_H
#define BUS_STORE_POSTGRES_OPERATIONS_H

#include "bus/store/postgres/connection.h"

bus_code pg_append(bus_store *st, const char *domain, bus_append *batch, bus_error *err);

bus_code pg_create_domain(bus_store *st, const char *domain, int partitions, bus_error *err);
bus_code pg_reach(bus_store *st, const char *sender, const char *target, bus_error *err);
bus_code pg_let_forget(bus_store *st, const char *domain, bus_error *err);
bus_code pg_follow(bus_store *st, const char *reader, const char *followed, bus_error *err);
bus_code pg_partitions(bus_store *st, const char *domain, bus_arena *arena,
                       bus_partition_info **out, int *count, bus_error *err);
bus_code pg_lease_take(bus_store *st, const char *domain, const char *owner, bool steal,
                       bus_lease *leases, int count, bus_error *err);
bus_code pg_lease_renew(bus_store *st, const char *domain, bus_lease *leases, int count,
                        bus_error *err);
bus_code pg_lease_release(bus_store *st, const char *domain, const bus_lease *leases, int count,
                          bus_error *err);

bus_code pg_find(bus_store *st, const char *domain, bus_append_partition *partitions,
                 int partitions_count, const bus_id *ids, int ids_count, bus_record_visit visit,
                 void *context, bus_error *err);
bus_code pg_load(bus_store *st, const char *domain, const bus_id *streams, int count,
                 bus_record_visit visit, void *context, bus_error *err);
bus_code pg_load_after(bus_store *st, const char *domain, const bus_id *streams,
                       const int32_t *versions, int count, bus_record_visit visit, void *context,
                       bus_error *err);
bus_code pg_read(bus_store *st, const char *domain, uint16_t partition, int64_t after, int limit,
                 bus_record_visit visit, void *context, bus_error *err);
bus_code pg_archive(bus_store *st, const char *domain, uint16_t partition, int64_t up_to,
                    int64_t *reached, bus_error *err);
bus_code pg_archives_list(bus_store *st, const char *domain, bus_arena *arena,
                          bus_archive_info **out, int *count, bus_error *err);
bus_code pg_archive_check(bus_store *st, const char *domain, const bus_archive_info *info,
                          bus_error *err);
bus_code pg_heads(bus_store *st, const char *domain, int64_t *heads, int count, bus_error *err);
bus_code pg_timers_due(bus_store *st, const char *domain, const uint16_t *partitions,
                       int partitions_count, int64_t now_ms, int limit, bus_arena *arena,
                       bus_timer **out, int *count, int64_t *next_ms, bus_error *err);

bus_code pg_snapshots_write(bus_store *st, const char *domain, const bus_snapshot *snapshots,
                            int count, bus_error *err);
bus_code pg_snapshots_read(bus_store *st, const char *domain, const bus_id *streams, int count,
                           bus_snapshot_visit visit, void *context, bus_error *err);
bus_code pg_snapshots_scan(bus_store *st, const char *domain, bus_id after, int limit,
                           bus_snapshot_visit visit, void *context, bus_error *err);

bus_code pg_checkpoint_take(bus_store *st, const char *home, const char *reader, const char *domain,
                            const char *owner, bool steal, bus_checkpoint *checkpoints, int count,
                            bus_error *err);
bus_code pg_checkpoint_renew(bus_store *st, const char *home, const char *reader,
                             const char *domain, bus_checkpoint *checkpoints, int count,
                             bus_error *err);
bus_code pg_checkpoint_forget(bus_store *st, const char *home, const char *reader, bus_error *err);
bus_code pg_checkpoint_release(bus_store *st, const char *home, const char *reader,
                               const char *domain, const bus_checkpoint *checkpoints, int count,
                               bus_error *err);
bus_code pg_checkpoints(bus_store *st, const char *home, bus_arena *arena,
                        bus_checkpoint_info **out, int *count, bus_error *err);
bus_code pg_effect(bus_store *st, const bus_effect *effect, bus_error *err);
bus_code pg_parked(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
                   bus_parked **out, int *count, bus_error *err);

bus_code pg_member_beat(bus_store *st, const bus_member *self, bus_arena *arena, bus_member **out,
                        int *count, bus_error *err);
bus_code pg_member_leave(bus_store *st, const char *process, bus_error *err);

bus_code pg_park(bus_store *st, const char *home, const char *reader, const char *domain,
                 const bus_park_write *parks, const int64_t *epochs, int count, bus_error *err);
bus_code pg_view_create(bus_store *st, const bus_view_contract *view, int view_version,
                        bus_error *err);
bus_code pg_view_analyze(bus_store *st, const bus_view_contract *view, int view_version,
                         bus_error *err);
bus_code pg_view_rows(bus_store *st, const bus_view_contract *view, int view_version,
                      const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
                      bus_str *bodies, int32_t *versions, bus_error *err);
bus_code pg_view_scan(bus_store *st, const bus_view_contract *view, int view_version,
                      bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                        bus_str body, bus_error *err),
                      void *context, bus_error *err);
bus_code pg_windows_due(bus_store *st, const bus_view_contract *view, int view_version, bool closed,
                        int64_t at_ms, int limit,
                        bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                          bus_str body, bus_error *err),
                        void *context, bus_error *err);

bus_code pg_park_ask(bus_store *st, const char *home, const char *reader, const char *domain,
                     bus_id stream, bus_ask ask, bus_error *err);
bus_code pg_skipped(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
                    bus_skipped **out, int *count, bus_error *err);
bus_code pg_view_infos(bus_store *st, const char *domain, bus_arena *arena, bus_view_info **out,
                       int *count, bus_error *err);
bus_code pg_build_begin(bus_store *st, const bus_view_contract *view, int view_version,
                        const char *builder, bus_error *err);
bus_code pg_build_report(bus_store *st, const bus_view_contract *view, int view_version,
                         const char *builder, int64_t done, int64_t total, bus_error *err);
bus_code pg_build_fill(bus_store *st, const char *builder, const bus_row_write *rows, int count,
                       bus_error *err);
bus_code pg_build_index(bus_store *st, const bus_view_contract *view, int view_version,
                        const char *builder, bus_error *err);
bus_code pg_build_rows(bus_store *st, const bus_view_contract *view, int view_version,
                       const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
                       bus_str *bodies, int32_t *versions, bus_error *err);
bus_code pg_build_scan(bus_store *st, const bus_view_contract *view, int view_version,
                       bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                         bus_str body, bus_error *err),
                       void *context, bus_error *err);
bus_code pg_build_write(bus_store *st, const char *builder, const bus_row_write *rows, int count,
                        bus_error *err);
bus_code pg_build_swap(bus_store *st, const bus_view_contract *view, int view_version,
                       const char *builder, const bus_effect *effects, bus_error *err);
bus_code pg_build_abandon(bus_store *st, const bus_view_contract *view, int view_version,
                          const char *builder, bus_error *err);
bus_code pg_view_use(bus_store *st, const bus_view_contract *const *views, const int *view_versions,
                     int count, bus_error *err);
bus_code pg_view_drop_unused(bus_store *st, const char *domain, int64_t grace_ms, bus_arena *arena,
                             bus_str **dropped, int *count, bus_error *err);

/* --- between the files ---------------------------------------------------- */

/* view.c: the texts that upsert rows into a view's table, from arrays of text, and remove them. */
bus_code pg_prepare_view(bus_store *st, const bus_view_contract *view, const char *table,
                         const char **upsert, const char **remove, bus_error *err);
/* view.c: view_rows of a table by name. */
bus_code pg_table_rows(bus_store *st, const char *table, const bus_id *tenants, const bus_id *ids,
                       int count, bus_arena *arena, bus_str *bodies, int32_t *versions,
                       bus_error *err);
/* reader.c: writes rows of one view into a table by name, in a transaction of their own. */
bus_code pg_write_rows(bus_store *st, const char *table, const bus_row_write *rows, int count,
                       bus_error *err);
/* reader.c: checkpoints and parkings of one effect, in the caller's transaction. */
bus_code pg_advance(bus_store *st, const bus_effect *effect, bus_error *err);
/* append.c: takes every result of a COPY that was sent to its end. */
bus_code pg_end_copy(bus_store *st, bus_error *err);

#endif
