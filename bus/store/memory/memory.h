/* memory.h - what stores of one name share. Internal to the memory store.
 * Everything is under `lock`. Records never change and are freed only with the store, so they
 * are visited after the lock was given back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_MEMORY_MEMORY_H
#define BUS_STORE_MEMORY_MEMORY_H

#include "bus/store/memory/faults.h"
#include "bus/store/store.h"

#include <pthread.h>
#include <uthash.h>

#define FAULT_PLACES 5

/* An event; its strings lie behind it in the same block. */
typedef struct mem_record {
    bus_record     record;
    UT_hash_handle by_command; /* nth 0 only */
} mem_record;

typedef struct {
    bus_id         stream;
    mem_record   **records; /* in version order */
    int            count, room;
    UT_hash_handle hh;
} mem_stream;

typedef struct {
    int64_t      epoch, lease_until_ms;
    char        *owner;   /* NULL: nobody */
    mem_record **records; /* offset o is records[o - 1 - archived_count] */
    int64_t      head, room;
    mem_record **archived; /* offset o is archived[o - 1] */
    int64_t      archived_count;
    int64_t     *archive_ends; /* last offsets of its "files" */
    int          archives_count;
} mem_partition;

/* Small tables keyed by bytes: claims, timers, checkpoints, parkings, view rows. */
typedef struct mem_row {
    char          *key;
    size_t         key_bytes;
    bus_id         stream, tenant, id;
    char          *text; /* timer name, park reason, row body, owner, state */
    uint32_t       text_bytes;
    char          *reader, *domain; /* parking; domain: aggregate of a snapshot */
    uint16_t       partition;
    int64_t        at;                    /* timer: due; checkpoint: offset; parking: from_offset */
    int64_t        epoch, lease_until_ms; /* checkpoint */
    int32_t        version;               /* view row, snapshot */
    bus_ask        asked;                 /* parking */
    int32_t        snapshot_version;      /* snapshot */
    char         **columns;               /* view row: text forms, NULL is null */
    int            columns_count;
    UT_hash_handle hh;
} mem_row;

typedef struct mem_domain {
    char              *name;
    mem_partition      partitions[BUS_PARTITIONS_MAX];
    int                partitions_count;
    mem_stream        *streams;
    mem_record        *commands;
    mem_row           *claims, *timers, *checkpoints, *skipped, *parked, *snapshots;
    struct mem_domain *next;
} mem_domain;

typedef struct mem_view {
    char            *table, *view, *domain;
    bool             live; /* rows can be read */
    mem_row         *rows;
    mem_row         *built;   /* of the table that is built beside it */
    char            *builder; /* NULL: nobody */
    int64_t          builder_until_ms, used_at_ms, done, total;
    struct mem_view *next;
} mem_view;

typedef struct {
    bus_code code;
    bool     before;
    int      times;
} mem_fault;

typedef struct mem_shared {
    pthread_mutex_t    lock;
    char              *name; /* NULL: of one opener */
    int                open_count;
    mem_domain        *domains;
    mem_view          *views;
    mem_row           *members; /* by process: reader is the url, text the parts, one a line */
    mem_fault          faults[FAULT_PLACES];
    struct mem_shared *next;
} mem_shared;

struct bus_store {
    mem_shared      *shared;
    const bus_clock *clock;
};

/* memory.c. All but mem_fault_* are called under the lock. */
mem_domain *mem_find_domain(mem_shared *shared, const char *name);
bus_code    mem_no_domain(const char *name, bus_error *err);
mem_row    *mem_row_get(mem_row *table, const void *key, size_t key_bytes);
mem_row    *mem_row_add(mem_row **table, const void *key, size_t key_bytes);
void        mem_row_remove(mem_row **table, mem_row *row);
char       *mem_copy(const char *bytes, size_t len); /* with a NUL */
/* Takes a fault that waits at a place: BUS_OK if none is due at this moment. */
bus_code mem_fault_take(mem_shared *shared, bus_store_fault_place place, bool before,
                        bus_error *err);

/* leases.c */
bus_code mem_create_domain(bus_store *st, const char *domain, int partitions, bus_error *err);
bus_code mem_let_forget(bus_store *st, const char *domain, bus_error *err);
bus_code mem_follow_domain(bus_store *st, const char *reader, const char *followed, bus_error *err);
bus_code mem_partitions(bus_store *st, const char *domain, bus_arena *arena,
                        bus_partition_info **out, int *count, bus_error *err);
bus_code mem_lease_take(bus_store *st, const char *domain, const char *owner, bool steal,
                        bus_lease *leases, int count, bus_error *err);
bus_code mem_lease_renew(bus_store *st, const char *domain, bus_lease *leases, int count,
                         bus_error *err);
bus_code mem_lease_release(bus_store *st, const char *domain, const bus_lease *leases, int count,
                           bus_error *err);

/* log.c */
bus_code mem_append(bus_store *st, const char *domain, bus_append *batch, bus_error *err);
bus_code mem_find(bus_store *st, const char *domain, bus_append_partition *partitions,
                  int partitions_count, const bus_id *ids, int ids_count, bus_record_visit visit,
                  void *context, bus_error *err);
bus_code mem_load(bus_store *st, const char *domain, const bus_id *streams, int count,
                  bus_record_visit visit, void *context, bus_error *err);
bus_code mem_load_after(bus_store *st, const char *domain, const bus_id *streams,
                        const int32_t *versions, int count, bus_record_visit visit, void *context,
                        bus_error *err);
/* The event of an offset 1..head. Under the lock. */
mem_record *mem_record_at(const mem_partition *p, int64_t offset);
/* The log holds this version of the stream. Under the lock. */
bool     mem_stream_has(mem_domain *d, bus_id stream, int32_t version);
bus_code mem_read(bus_store *st, const char *domain, uint16_t partition, int64_t after, int limit,
                  bus_record_visit visit, void *context, bus_error *err);
bus_code mem_heads(bus_store *st, const char *domain, int64_t *heads, int count, bus_error *err);
bus_code mem_timers_due(bus_store *st, const char *domain, const uint16_t *partitions,
                        int partitions_count, int64_t now_ms, int limit, bus_arena *arena,
                        bus_timer **out, int *count, int64_t *next_ms, bus_error *err);

/* archives.c */
bus_code mem_archive(bus_store *st, const char *domain, uint16_t partition, int64_t up_to,
                     int64_t *reached, bus_error *err);
bus_code mem_archives(bus_store *st, const char *domain, bus_arena *arena, bus_archive_info **out,
                      int *count, bus_error *err);
bus_code mem_archive_check(bus_store *st, const char *domain, const bus_archive_info *info,
                           bus_error *err);

/* snapshots.c */
bus_code mem_snapshots_write(bus_store *st, const char *domain, const bus_snapshot *snapshots,
                             int count, bus_error *err);
bus_code mem_snapshots_read(bus_store *st, const char *domain, const bus_id *streams, int count,
                            bus_snapshot_visit visit, void *context, bus_error *err);
bus_code mem_snapshots_scan(bus_store *st, const char *domain, bus_id after, int limit,
                            bus_snapshot_visit visit, void *context, bus_error *err);

/* members.c */
bus_code mem_member_beat(bus_store *st, const bus_member *self, bus_arena *arena, bus_member **out,
                         int *count, bus_error *err);
bus_code mem_member_leave(bus_store *st, const char *process, bus_error *err);

/* readers.c */
bus_code mem_checkpoint_take(bus_store *st, const char *home, const char *reader,
                             const char *domain, const char *owner, bool steal,
                             bus_checkpoint *checkpoints, int count, bus_error *err);
bus_code mem_checkpoint_renew(bus_store *st, const char *home, const char *reader,
                              const char *domain, bus_checkpoint *checkpoints, int count,
                              bus_error *err);
bus_code mem_checkpoint_forget(bus_store *st, const char *home, const char *reader, bus_error *err);
bus_code mem_checkpoint_release(bus_store *st, const char *home, const char *reader,
                                const char *domain, const bus_checkpoint *checkpoints, int count,
                                bus_error *err);
bus_code mem_checkpoints(bus_store *st, const char *home, bus_arena *arena,
                         bus_checkpoint_info **out, int *count, bus_error *err);
bus_code mem_effect(bus_store *st, const bus_effect *effect, bus_error *err);
bus_code mem_parked(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
                    bus_parked **out, int *count, bus_error *err);
/* The view's entry, made if it is not there. */
mem_view *mem_view_get(bus_store *st, const bus_view_contract *view, int view_version);
/* The same if it can be read, else NULL. */
mem_view *mem_view_live(mem_shared *shared, const bus_view_contract *view, int view_version);
void      mem_write_row(mem_row **rows, const bus_row_write *write);
void      mem_read_rows(mem_row *rows, const bus_id *tenants, const bus_id *ids, int count,
                        bus_arena *arena, bus_str *bodies, int32_t *versions);
/* Checks the fences of an effect, then writes its checkpoints and parkings. */
bus_code mem_check_effect(mem_shared *shared, mem_domain *d, const bus_effect *effect, bus_buf *buf,
                          bus_error *err);
void mem_write_effect(mem_shared *shared, mem_domain *d, const bus_effect *effect, int64_t until_ms,
                      bus_buf *buf);
bus_code mem_park(bus_store *st, const char *home, const char *reader, const char *domain,
                  const bus_park_write *parks, const int64_t *epochs, int count, bus_error *err);
bus_code mem_view_analyze(bus_store *st, const bus_view_contract *view, int view_version,
                          bus_error *err);
bus_code mem_view_create(bus_store *st, const bus_view_contract *view, int view_version,
                         bus_error *err);
bus_code mem_view_rows(bus_store *st, const bus_view_contract *view, int view_version,
                       const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
                       bus_str *bodies, int32_t *versions, bus_error *err);
bus_code mem_view_scan(bus_store *st, const bus_view_contract *view, int view_version,
                       bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                         bus_str body, bus_error *err),
                       void *context, bus_error *err);
bus_code mem_windows_due(bus_store *st, const bus_view_contract *view, int view_version,
                         bool closed, int64_t at_ms, int limit,
                         bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                           bus_str body, bus_error *err),
                         void *context, bus_error *err);

/* builds.c */
bus_code mem_park_ask(bus_store *st, const char *home, const char *reader, const char *domain,
                      bus_id stream, bus_ask ask, bus_error *err);
bus_code mem_skipped(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
                     bus_skipped **out, int *count, bus_error *err);
bus_code mem_view_infos(bus_store *st, const char *domain, bus_arena *arena, bus_view_info **out,
                        int *count, bus_error *err);
bus_code mem_build_begin(bus_store *st, const bus_view_contract *view, int view_version,
                         const char *builder, bus_error *err);
bus_code mem_build_report(bus_store *st, const bus_view_contract *view, int view_version,
                          const char *builder, int64_t done, int64_t total, bus_error *err);
bus_code mem_build_fill(bus_store *st, const char *builder, const bus_row_write *rows, int count,
                        bus_error *err);
bus_code mem_build_index(bus_store *st, const bus_view_contract *view, int view_version,
                         const char *builder, bus_error *err);
bus_code mem_build_rows(bus_store *st, const bus_view_contract *view, int view_version,
                        const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
                        bus_str *bodies, int32_t *versions, bus_error *err);
bus_code mem_build_scan(bus_store *st, const bus_view_contract *view, int view_version,
                        bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                          bus_str body, bus_error *err),
                        void *context, bus_error *err);
bus_code mem_build_write(bus_store *st, const char *builder, const bus_row_write *rows, int count,
                         bus_error *err);
bus_code mem_build_swap(bus_store *st, const bus_view_contract *view, int view_version,
                        const char *builder, const bus_effect *effects, bus_error *err);
bus_code mem_build_abandon(bus_store *st, const bus_view_contract *view, int view_version,
                           const char *builder, bus_error *err);
bus_code mem_view_use(bus_store *st, const bus_view_contract *const *views,
                      const int *view_versions, int count, bus_error *err);
bus_code mem_view_drop_unused(bus_store *st, const char *domain, int64_t grace_ms, bus_arena *arena,
                              bus_str **dropped, int *count, bus_error *err);
void     mem_view_free(mem_view *view);
void     mem_rows_free(mem_row **rows);

#endif
