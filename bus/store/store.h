/* store.h - the event log, the leases, and what readers make of it.
 *
 * One ops struct, two implementations (memory, postgres), one conformance test. All calls
 * block. Threads: one bus_store per thread; what several share is behind it.
 * After BUS_UNAVAILABLE or BUS_UNKNOWN the next call connects again by itself (with a
 * back-off the caller decides). A call never half-happens: each is one transaction.
 * The rules of the log are in ARCHITECTURE.md, "The log".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_STORE_H
#define BUS_STORE_STORE_H

#include "bus/base/arena.h"
#include "bus/base/clock.h"
#include "bus/base/error.h"
#include "bus/contract/contract.h"
#include "bus/envelope/record.h"

#define BUS_PARTITIONS_MAX 256
#define BUS_COMMAND_EVENTS_MAX                                                          \
    128                   /* events of one command: nth 0.. of one stream, side by side \
                           */
#define BUS_LEASE_MS 5000 /* a lease without renewal lasts so long, by the store's clock */

typedef struct bus_store bus_store;

typedef struct {
    const char *url;         /* postgres: libpq URL; memory: names a shared store in this process */
    const char *application; /* shown in pg_stat_activity; may be NULL */
    /* postgres: taken once connected, where the server has it; BUS_DENIED where it has it and the
     * login may not take it. Domains are made and rights given as who logged in. NULL: stay it. */
    const char      *role;
    const bus_clock *clock; /* memory: its time; postgres uses the database's */
    const char *archive; /* postgres: folder of archived events; NULL: none can be made or read */
    int patience_ms; /* postgres: with a server that says nothing; 0: 5 s to connect, 15 s later */
} bus_store_options;

/* --- leases of partitions ------------------------------------------------ */

typedef struct {
    uint16_t partition;
    int64_t  epoch;
    int64_t  head;  /* last offset written; 0: none */
    int64_t  at_ms; /* largest `at` written in it; 0: none */
    bool     held;  /* out of take and renew: ours now */
} bus_lease;

/* --- appending ----------------------------------------------------------- */

typedef struct {
    uint16_t partition;
    int64_t  epoch;        /* of our lease */
    int64_t  first_offset; /* out: of its first event; unchanged head + 1 if it has none */
    bool     fenced;       /* out, with BUS_FENCED: this one is not ours any more */
} bus_append_partition;

typedef struct {
    bus_id      tenant, stream;
    const char *kind;
    bus_str     value;
    bool        release; /* else: take it */
    bool        taken;   /* out, with BUS_CLAIMED: held by another stream */
    bus_id      holder;  /* out, with taken */
} bus_claim_write;

typedef struct {
    uint16_t    partition;
    bus_id      stream;
    const char *name;
    int64_t     due_at_ms; /* 0: delete whatever is there; else set it */
    bool        fired;     /* delete only the row that is due at due_at_ms */
} bus_timer_write;

typedef struct {
    bus_id id;
    bool   found; /* out, with BUS_DUPLICATE: in the log already */
} bus_command_id;

/* One batch; all partitions of one domain that the process writes. */
typedef struct {
    bus_append_partition *partitions; /* every partition named by events or timers, ascending */
    int                   partitions_count;
    bus_record           *events; /* sorted by partition; offset and epoch are filled in */
    int                   events_count;
    bus_claim_write      *claims; /* releases first, then takes; the store sorts by key */
    int                   claims_count;
    bus_timer_write      *timers; /* at most one per (stream, name) */
    int                   timers_count;
    bus_command_id       *commands; /* the ids that the events are of */
    int                   commands_count;
} bus_append;

/* --- readers ------------------------------------------------------------- */

typedef struct {
    uint16_t partition;
    int64_t  offset; /* everything up to here has had its effect */
    int64_t  epoch;
    bool     held; /* out of checkpoint_take: ours now */
} bus_checkpoint;

/* One row of a view's table to write, in the effect's transaction. */
typedef struct {
    const bus_view_contract *view;
    int                      view_version;
    bus_id                   tenant, id;
    bool                     remove; /* delete the row */
    int32_t                  version;
    bus_str                  body;    /* the row's JSON, with "id" and "version" */
    const bus_str           *columns; /* text form per column of the view; at == NULL: SQL null.
                                       * bool "t"/"f", date "YYYY-MM-DD", time and int decimal,
                                       * uuid and string as they are */
} bus_row_write;

typedef struct {
    bus_id      stream;
    uint16_t    partition;
    int64_t     from_offset; /* this event and the later ones of the stream wait */
    const char *reason;
    bool        remove;      /* delete the parking */
    int64_t     skip_offset; /* this event of it is left out for good, on request; 0: none */
} bus_park_write;

/* What a reader did with some events, and how far it has come: one transaction. */
typedef struct bus_effect {
    const char     *home;        /* the domain in whose schema the checkpoint lies */
    const char     *reader;      /* "view.vehicles_1a2b3c4d", "sends", "reactions" */
    const char     *domain;      /* whose log was read */
    bus_checkpoint *checkpoints; /* new offsets; partition and epoch of the lease */
    int             checkpoints_count;
    bus_row_write  *rows; /* sorted by (view, tenant, id), no two of one key */
    int             rows_count;
    bus_park_write *parks;
    int             parks_count;
    const struct bus_effect
        *also; /* more of the same home, in the same transaction; NULL: no more */
} bus_effect;

typedef struct {
    uint16_t partition;
    bus_id   stream;
    bus_str  name;
    int64_t  due_at_ms;
    bus_id   tenant;
    bus_str  aggregate; /* of the stream */
} bus_timer;

/* What an operator wants done with a parked stream; its reader does it within seconds. */
typedef enum {
    BUS_ASK_NONE,
    BUS_ASK_RETRY, /* try it again */
    BUS_ASK_SKIP   /* leave out the event that it is stuck at, and go on behind it */
} bus_ask;

typedef struct {
    bus_str  reader, domain;
    bus_id   stream;
    uint16_t partition;
    int64_t  from_offset;
    bus_str  reason;
    bus_ask  asked;
} bus_parked;

/* An event that a reader left out because an operator said so. */
typedef struct {
    bus_str  reader, domain;
    bus_id   stream;
    uint16_t partition;
    int64_t  offset;
} bus_skipped;

/* --- snapshots ----------------------------------------------------------- */

/* The state of a stream after its first `version` events, so that a long stream need not be read
 * whole. What is in `state` is the caller's. */
typedef struct {
    bus_id   stream, tenant;
    uint16_t partition; /* to write: of the stream, with the epoch of our lease on it */
    int64_t  epoch;
    bus_str  aggregate;
    int32_t  version;
    int32_t  snapshot_version; /* of the aggregate */
    bus_str  state;
} bus_snapshot;

/* Called for each snapshot; it lives until the call returns. */
typedef bus_code (*bus_snapshot_visit)(void *context, const bus_snapshot *snapshot, bus_error *err);

typedef struct {
    bus_str  reader, domain, owner; /* owner empty: nobody */
    uint16_t partition;
    int64_t  offset, epoch;
    bool     live; /* its lease has not run out */
} bus_checkpoint_info;

typedef struct {
    uint16_t partition;
    int64_t  epoch, head;
    bus_str  owner; /* address; empty: nobody */
    bool     live;  /* its lease has not run out */
} bus_partition_info;

/* --- archived events ------------------------------------------------------- */

/* A file of old events of one partition. All calls that read the log read it as if its events
 * were still in the table. */
typedef struct {
    uint16_t partition;
    int64_t  first, last; /* offsets */
    int64_t  bytes;
    int64_t  made_at_ms;
    bus_str  file; /* below the folder of archives */
    uint8_t  sha256[32];
} bus_archive_info;

/* --- processes ----------------------------------------------------------- */

#define BUS_MEMBER_PARTS_MAX 256

typedef struct {
    bus_str        process; /* its unique name, as in the leases of readers */
    bus_str        url;     /* of its transport; empty: nobody reaches it */
    const bus_str *parts;   /* "service vehicles", "projector vehicles", "edge" */
    int            parts_count;
    bool           live; /* out: it was heard of within BUS_LEASE_MS */
} bus_member;

/* A view's table, and who is building it. */
typedef struct {
    bus_str view, table, builder; /* builder empty: nobody */
    bool    live;                 /* the table can be read */
    int64_t done, total;          /* events of the logs that the builder has folded, and all */
} bus_view_info;

/* Called for each record; the record and its strings live until the call returns. */
typedef bus_code (*bus_record_visit)(void *context, const bus_record *record, bus_error *err);

typedef struct bus_store_ops {
    const char *name;

    BUS_CHECKED bus_code (*open)(bus_store **out, const bus_store_options *options, bus_error *err);
    void (*close)(bus_store *st);

    /* Makes the domain's schema if it is not there. BUS_INVALID: it is there with another
     * number of partitions. Safe from several processes at once. */
    BUS_CHECKED bus_code (*create_domain)(bus_store *st, const char *domain, int partitions,
                                          bus_error *err);
    BUS_CHECKED bus_code (*partitions)(bus_store *st, const char *domain, bus_arena *arena,
                                       bus_partition_info **out, int *count, bus_error *err);

    /* Takes each named partition that is free, run out, or (steal) held by anyone, raising its
     * epoch; leases[i].held tells. Waits for a commit in flight on it. An address that is ours
     * already is taken again with a new epoch. */
    BUS_CHECKED bus_code (*lease_take)(bus_store *st, const char *domain, const char *owner,
                                       bool steal, bus_lease *leases, int count, bus_error *err);
    /* Extends those whose epoch still matches; the others come back with held = false. */
    BUS_CHECKED bus_code (*lease_renew)(bus_store *st, const char *domain, bus_lease *leases,
                                        int count, bus_error *err);
    /* Gives them back at once: a clean stop. Those that moved on are passed over. */
    BUS_CHECKED bus_code (*lease_release)(bus_store *st, const char *domain,
                                          const bus_lease *leases, int count, bus_error *err);

    /* All of batch or nothing; renews the leases too.
     * BUS_FENCED: partitions[i].fenced. BUS_DUPLICATE: commands[i].found (checked first).
     * BUS_CLAIMED: claims[i].taken. BUS_CONFLICT: some (stream, version) or id exists though
     * nothing above named it, or a serialisation failure: decide again. BUS_FULL: disk full or
     * read only. BUS_UNKNOWN: take the leases again, then find. */
    BUS_CHECKED bus_code (*append)(bus_store *st, const char *domain, bus_append *batch,
                                   bus_error *err);
    /* Which of the ids are in the log: visits all their events in (command, nth) order. In the
     * same query the epochs of `partitions` are checked: BUS_FENCED with .fenced set, and
     * nothing is visited. Only events with an offset at or below the head that is visible. */
    BUS_CHECKED bus_code (*find)(bus_store *st, const char *domain,
                                 bus_append_partition *partitions, int partitions_count,
                                 const bus_id *ids, int ids_count, bus_record_visit visit,
                                 void *context, bus_error *err);
    /* All events of the streams, each in version order, streams in any order. */
    BUS_CHECKED bus_code (*load)(bus_store *st, const char *domain, const bus_id *streams,
                                 int count, bus_record_visit visit, void *context, bus_error *err);

    /* The same, of each stream only what comes after versions[i]. */
    BUS_CHECKED bus_code (*load_after)(bus_store *st, const char *domain, const bus_id *streams,
                                       const int32_t *versions, int count, bus_record_visit visit,
                                       void *context, bus_error *err);

    /* Keeps snapshots, each in place of the stream's older one. Passed over are those whose
     * epoch is not their partition's any more, those whose version is not in the log, and those
     * that are older than what is kept in the same snapshot_version: what is kept is never
     * ahead of the log. No two of one stream. */
    BUS_CHECKED bus_code (*snapshots_write)(bus_store *st, const char *domain,
                                            const bus_snapshot *snapshots, int count,
                                            bus_error *err);
    /* Those of the streams that have one, in any order; partition and epoch are not told. */
    BUS_CHECKED bus_code (*snapshots_read)(bus_store *st, const char *domain, const bus_id *streams,
                                           int count, bus_snapshot_visit visit, void *context,
                                           bus_error *err);
    /* Up to limit of all, those of streams after `after`, in the order of streams. */
    BUS_CHECKED bus_code (*snapshots_scan)(bus_store *st, const char *domain, bus_id after,
                                           int limit, bus_snapshot_visit visit, void *context,
                                           bus_error *err);

    /* Up to limit events of a partition after an offset, in order. This and find, load and
     * load_after: BUS_INVALID, naming the file, if one of the events is in an archive that is not
     * there or damaged; what was visited before is right. */
    BUS_CHECKED bus_code (*read)(bus_store *st, const char *domain, uint16_t partition,
                                 int64_t after, int limit, bus_record_visit visit, void *context,
                                 bus_error *err);
    /* Moves the oldest events of a partition, up to an offset below its head, from the table to
     * files. One call makes at most one file (or finishes one that a crash interrupted); call
     * again until *reached, the last offset that is archived, is up_to or above. Whenever it dies,
     * each event is in the table or in a complete file. BUS_DENIED: another archiver is at work in
     * the domain. BUS_INVALID: there is no such event below the head, no folder, or something in
     * the folder that is not ours. BUS_FULL: the disk is. Takes no lease; runs beside all others.
     */
    BUS_CHECKED bus_code (*archive)(bus_store *st, const char *domain, uint16_t partition,
                                    int64_t up_to, int64_t *reached, bus_error *err);
    /* The files of a domain, by partition and first offset. */
    BUS_CHECKED bus_code (*archives)(bus_store *st, const char *domain, bus_arena *arena,
                                     bus_archive_info **out, int *count, bus_error *err);
    /* Reads a file from end to end, and what is left of its events in the table. BUS_NOT_FOUND: it
     * is not there. BUS_INVALID: it is not what was written, or the table does not have the same
     * events. BUS_UNAVAILABLE: it cannot be read. */
    BUS_CHECKED bus_code (*archive_check)(bus_store *st, const char *domain,
                                          const bus_archive_info *info, bus_error *err);

    /* heads[p] for p in 0..count-1. */
    BUS_CHECKED bus_code (*heads)(bus_store *st, const char *domain, int64_t *heads, int count,
                                  bus_error *err);

    /* Timers of the partitions due by now_ms (the caller's clock), earliest first, at most limit.
     * *next_ms: due time of the earliest one that is not returned, 0: none. */
    BUS_CHECKED bus_code (*timers_due)(bus_store *st, const char *domain,
                                       const uint16_t *partitions, int partitions_count,
                                       int64_t now_ms, int limit, bus_arena *arena, bus_timer **out,
                                       int *count, int64_t *next_ms, bus_error *err);

    /* Makes the reader's checkpoints where missing (offset 0), takes those that are free, run
     * out or (steal) anyone's, raising their epoch. Partitions 0..count-1; .held tells. */
    BUS_CHECKED bus_code (*checkpoint_take)(bus_store *st, const char *home, const char *reader,
                                            const char *domain, const char *owner, bool steal,
                                            bus_checkpoint *checkpoints, int count, bus_error *err);
    BUS_CHECKED bus_code (*checkpoint_renew)(bus_store *st, const char *home, const char *reader,
                                             const char *domain, bus_checkpoint *checkpoints,
                                             int count, bus_error *err);
    /* Gives them back at once. Those that moved on are passed over. */
    BUS_CHECKED bus_code (*checkpoint_release)(bus_store *st, const char *home, const char *reader,
                                               const char           *domain,
                                               const bus_checkpoint *checkpoints, int count,
                                               bus_error *err);
    /* The reader is gone for good, with its checkpoints of every domain; whoever holds one finds
     * itself fenced. None is no error. */
    BUS_CHECKED bus_code (*checkpoint_forget)(bus_store *st, const char *home, const char *reader,
                                              bus_error *err);
    /* Rows, parkings and checkpoints together. BUS_FENCED: nothing happened, step down. */
    BUS_CHECKED bus_code (*effect)(bus_store *st, const bus_effect *effect, bus_error *err);
    BUS_CHECKED bus_code (*parked)(bus_store *st, const char *home, const char *reader_or_null,
                                   bus_arena *arena, bus_parked **out, int *count, bus_error *err);

    /* Parks and releases streams for a reader without a checkpoint: the writer of a domain, under
     * its epochs (of `domain`'s partitions, beside parks; those that moved on are passed over), or
     * an operator, epochs NULL. No two of one stream. */
    BUS_CHECKED bus_code (*park)(bus_store *st, const char *home, const char *reader,
                                 const char *domain, const bus_park_write *parks,
                                 const int64_t *epochs, int count, bus_error *err);

    /* Asks the reader of a parked stream. BUS_NOT_FOUND: it is not parked there. */
    BUS_CHECKED bus_code (*park_ask)(bus_store *st, const char *home, const char *reader,
                                     const char *domain, bus_id stream, bus_ask ask,
                                     bus_error *err);
    /* What readers of a home left out, by reader, domain, partition, offset. */
    BUS_CHECKED bus_code (*skipped)(bus_store *st, const char *home, const char *reader_or_null,
                                    bus_arena *arena, bus_skipped **out, int *count,
                                    bus_error *err);

    /* Makes the view's table (bus/store/view_table.h) if it is not there. */
    BUS_CHECKED bus_code (*view_create)(bus_store *st, const bus_view_contract *view,
                                        int view_version, bus_error *err);
    /* Has the store look at what the view's rows are like, so that it finds the short way to what
     * lists ask for. For a table that has grown; it takes some tens of milliseconds. */
    BUS_CHECKED bus_code (*view_analyze)(bus_store *st, const bus_view_contract *view,
                                         int view_version, bus_error *err);
    /* Bodies and versions of rows by (tenant, id): bodies[i].at == NULL where there is none. */
    BUS_CHECKED bus_code (*view_rows)(bus_store *st, const bus_view_contract *view,
                                      int view_version, const bus_id *tenants, const bus_id *ids,
                                      int count, bus_arena *arena, bus_str *bodies,
                                      int32_t *versions, bus_error *err);
    /* Visits all rows of a view in (tenant, id) order: for verify. The body lives until the
     * call returns. */
    BUS_CHECKED
    bus_code (*view_scan)(bus_store *st, const bus_view_contract *view, int view_version,
                          bus_code (*visit)(void *context, bus_id tenant, bus_id id,
                                            int32_t version, bus_str body, bus_error *err),
                          void *context, bus_error *err);

    /* Visits windows of an analytic, at most limit: those that are open with to_at <= at_ms, or
     * (closed) those that are closed with to_at > at_ms, by to_at. As view_scan. */
    BUS_CHECKED
    bus_code (*windows_due)(bus_store *st, const bus_view_contract *view, int view_version,
                            bool closed, int64_t at_ms, int limit,
                            bus_code (*visit)(void *context, bus_id tenant, bus_id id,
                                              int32_t version, bus_str body, bus_error *err),
                            void *context, bus_error *err);

    /* --- a table built beside the one that is read (bus/runtime/rebuild.h) ---
     * A builder is a name; it keeps others away for BUS_LEASE_MS after each build_report. */

    /* Every table of views of a domain, by name. */
    BUS_CHECKED bus_code (*view_infos)(bus_store *st, const char *domain, bus_arena *arena,
                                       bus_view_info **out, int *count, bus_error *err);
    /* An empty table without indexes; what an earlier build left is dropped. BUS_DENIED: another
     * builder is at work. */
    BUS_CHECKED bus_code (*build_begin)(bus_store *st, const bus_view_contract *view,
                                        int view_version, const char *builder, bus_error *err);
    /* BUS_FENCED: another builder has taken over. */
    BUS_CHECKED bus_code (*build_report)(bus_store *st, const bus_view_contract *view,
                                         int view_version, const char *builder, int64_t done,
                                         int64_t total, bus_error *err);
    /* Adds rows that are not there, all of one view. BUS_FENCED: another builder has taken over. */
    BUS_CHECKED bus_code (*build_fill)(bus_store *st, const char *builder,
                                       const bus_row_write *rows, int count, bus_error *err);
    /* After the last fill: keys, indexes, policy. However long it takes, nobody takes over
     * meanwhile. BUS_FENCED: another builder has taken over. */
    BUS_CHECKED bus_code (*build_index)(bus_store *st, const bus_view_contract *view,
                                        int view_version, const char *builder, bus_error *err);
    /* As view_rows, of the table that is built. */
    BUS_CHECKED bus_code (*build_rows)(bus_store *st, const bus_view_contract *view,
                                       int view_version, const bus_id *tenants, const bus_id *ids,
                                       int count, bus_arena *arena, bus_str *bodies,
                                       int32_t *versions, bus_error *err);
    /* As view_scan, of the table that is built. */
    BUS_CHECKED
    bus_code (*build_scan)(bus_store *st, const bus_view_contract *view, int view_version,
                           bus_code (*visit)(void *context, bus_id tenant, bus_id id,
                                             int32_t version, bus_str body, bus_error *err),
                           void *context, bus_error *err);
    /* Writes rows of one view, sorted by key, there or not. BUS_FENCED: another builder has taken
     * over. BUS_UNKNOWN: it may have happened. */
    BUS_CHECKED bus_code (*build_write)(bus_store *st, const char *builder,
                                        const bus_row_write *rows, int count, bus_error *err);
    /* One transaction: the built table takes the place of the one that is read, the checkpoints
     * of the effects are set under their epochs and belong to nobody then, their parkings replace
     * all that the reader has. No rows. BUS_FENCED: nothing happened. */
    BUS_CHECKED bus_code (*build_swap)(bus_store *st, const bus_view_contract *view,
                                       int view_version, const char *builder,
                                       const bus_effect *effects, bus_error *err);
    /* Drops what is built, if it is still ours. */
    BUS_CHECKED bus_code (*build_abandon)(bus_store *st, const bus_view_contract *view,
                                          int view_version, const char *builder, bus_error *err);
    /* This process uses these tables now. */
    BUS_CHECKED bus_code (*view_use)(bus_store *st, const bus_view_contract *const *views,
                                     const int *view_versions, int count, bus_error *err);
    /* Drops the tables of a domain's views that nobody has used for grace_ms, with their
     * checkpoints and parkings; *dropped: their names. */
    BUS_CHECKED bus_code (*view_drop_unused)(bus_store *st, const char *domain, int64_t grace_ms,
                                             bus_arena *arena, bus_str **dropped, int *count,
                                             bus_error *err);

    /* All checkpoints that lie in a domain's schema, by reader, domain, partition. */
    BUS_CHECKED bus_code (*checkpoints)(bus_store *st, const char *home, bus_arena *arena,
                                        bus_checkpoint_info **out, int *count, bus_error *err);

    /* Lets the role of a domain read the log of another, whose events its contract follows;
     * nothing where a store has no roles. BUS_NOT_FOUND: there is no such domain. */
    BUS_CHECKED bus_code (*follow_domain)(bus_store *st, const char *reader, const char *followed,
                                          bus_error *err);

    /* Lets the role of a domain see who owns the partitions of another, to which it sends. */
    BUS_CHECKED bus_code (*reach_domain)(bus_store *st, const char *sender, const char *target,
                                         bus_error *err);

    /* Lets the role of a domain delete the keys of persons, which its contract has an event for. */
    BUS_CHECKED bus_code (*let_forget)(bus_store *st, const char *domain, bus_error *err);

    /* Says that a process is there, for BUS_LEASE_MS by the store's clock, and gives all that are
     * known, sorted by process. self NULL: only asks. Who was not heard of for a minute is
     * forgotten. The members of all domains are in the default database. */
    BUS_CHECKED bus_code (*member_beat)(bus_store *st, const bus_member *self, bus_arena *arena,
                                        bus_member **out, int *count, bus_error *err);
    /* Forgets a process at once: a clean stop. */
    BUS_CHECKED bus_code (*member_leave)(bus_store *st, const char *process, bus_error *err);
} bus_store_ops;

extern const bus_store_ops bus_store_memory;
extern const bus_store_ops bus_store_postgres;

#endif
