/* contract.h - a domain's public face as constant tables, written by the schema
 * compiler from schemas/<domain>.json. Shared by the edge, the runtime and the store.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_CONTRACT_H
#define BUS_CONTRACT_CONTRACT_H

#include "bus/contract/shape.h"

typedef struct bus_contract           bus_contract;
typedef struct bus_aggregate_contract bus_aggregate_contract;
typedef struct bus_message            bus_message;
typedef struct bus_refusal            bus_refusal;
typedef struct bus_view_contract      bus_view_contract;
typedef struct bus_column             bus_column;
typedef struct bus_join               bus_join;
typedef struct bus_windows            bus_windows;

/* Roles of domain/model section 5, as bits. SERVICE is shina itself: sent commands,
 * reactions and wakes; a contract never names it, it may do everything. */
enum {
    BUS_ROLE_ADMIN = 1u << 0,
    BUS_ROLE_DISPATCHER = 1u << 1,
    BUS_ROLE_DRIVER = 1u << 2,
    BUS_ROLE_VIEWER = 1u << 3,
    BUS_ROLE_SERVICE = 1u << 4
};
/* Grants, as bits. The last two are of tokens that an operator makes (`shina token`), never of
 * users: tenants.manage changes what a tenant may at all; telegram.link is the bot's. */
enum {
    BUS_GRANT_FINANCE_READ = 1u << 0,
    BUS_GRANT_TENANTS_MANAGE = 1u << 1,
    BUS_GRANT_TELEGRAM_LINK = 1u << 2
};

/* To which streams a command may go ("on" in the contract). */
typedef enum {
    BUS_ON_EXISTING, /* "existing", the default: unknown stream is NOT_FOUND */
    BUS_ON_NEW,      /* "new": the stream's id is derived from the command's id */
    BUS_ON_ANY       /* "any": the first command makes the stream */
} bus_on;

/* Where a command comes from ("by" in the contract). */
typedef enum {
    BUS_BY_CLIENT,  /* default: has a route, or is sent */
    BUS_BY_SERVICE, /* "service": only sent or by reaction; no route */
    BUS_BY_WAKE,    /* "wake": only from the timer of the same name; its data is {} */
    BUS_BY_ANSWER   /* "answer": the answer to a sent command; its struct is bus_answer */
} bus_by;

/* Within an upcaster: room for its arrays and texts. */
typedef struct bus_upcasting bus_upcasting;

/* A command or an event. */
struct bus_message {
    const char                   *type; /* "vehicles.record_odometer", "vehicles.retired.v1" */
    const char                   *name; /* "record_odometer", "retired" */
    const bus_aggregate_contract *aggregate;
    const bus_shape              *shape;
    int                           kind;    /* value of the tagged union's enum */
    int                           version; /* events: 1..; commands: 0 */
    /* commands only */
    bus_on      on;
    bus_by      by;
    const char *http_method, *http_path; /* "POST", "/vehicles/{id}/odometer"; NULL: no route */
    uint32_t    roles;                   /* who may, whatever the row */
    uint32_t    roles_own;               /* who may on rows of their own */
    /* Events only: with it the subject of its stream is forgotten ("forgets" in the contract). */
    bool forgets;
    /* Events of an older version only, which nobody emits any more: what they are read as. */
    const bus_message *upcast_to; /* NULL: it is the newest */
    void (*upcast)(const void *from, void *to, bus_upcasting *out);
};

/* The C tagged unions of an aggregate: struct { enum kind; union { ... }; } */
struct bus_aggregate_contract {
    const char               *name; /* "vehicle" */
    const bus_contract       *contract;
    const bus_message *const *commands; /* by kind */
    const bus_message *const *events;   /* by kind; of each event the newest version */
    int                       commands_count, events_count;
    const bus_message *const *superseded; /* older versions of events; their kind is -1 */
    int                       superseded_count;
    uint32_t                  command_size, command_data_offset;
    uint32_t                  event_size, event_data_offset;
    /* Feeds show its events to these at most; 0: to whoever may read a view of it. */
    uint32_t feed_roles;
};

/* A business answer's code. */
struct bus_refusal {
    const char      *code;    /* "VEHICLE_ODOMETER_BACK" */
    int              status;  /* HTTP */
    const bus_shape *params;  /* an OBJECT, or NULL: none */
    const char      *en, *ru; /* "{last_m}" stands for a param */
};

/* What a view's table has besides tenant, id, version, position and body. */
struct bus_column {
    const char      *name;  /* member of the row; its shape gives the SQL type */
    const bus_field *field; /* in row */
    bool             filter, sort;
    bool             folded; /* bus_fold_latin() made its values; so must a filter's be */
};

/* Members added when the view is read, from a row of another view. */
struct bus_join {
    const char *view; /* name of the other view */
    const char *by;   /* our column with its id */
    const char *take; /* member of the other row */
    const char *as;   /* member here */
};

/* An analytic ("analytics" in the contract): a view whose rows are windows of event time over keys,
 * filled by projections/stream/. Durations are milliseconds. */
struct bus_windows {
    int64_t size_ms, every_ms;   /* hopping by every_ms, which divides size_ms; equal: tumbling */
    int64_t bound_ms;            /* events come at most so much after younger ones of a partition */
    int64_t grace_ms;            /* a window takes late ones for so long after its end */
    int64_t idle_ms;             /* a partition without events for so long holds nothing back */
    bool    on_close;            /* a window is shown when it is closed, not before */
    const bus_field *const *key; /* members of the row that a window is of, besides its time */
    int                     key_count;
    /* Members that the compiler adds to the row: BUS_KIND_INT but for closed, a BOOL. */
    const bus_field *from_at, *to_at, *closed, *change;
    /* Its other tables: the late events, how far each partition is, what map() remembers (NULL:
     * nothing). */
    const bus_view_contract *late, *clocks, *memory;
};

struct bus_view_contract {
    const char                   *name; /* unique over all domains, as C and SQL identifier */
    const bus_contract           *contract;
    const bus_aggregate_contract *of;  /* rows keyed by its streams, or NULL: own key */
    const bus_shape              *row; /* OBJECT; never holds id and version: they are added */
    const char *http_list, *http_item; /* "/vehicles", "/vehicles/{id}"; NULL: none */
    uint32_t    roles, roles_own;
    uint32_t    grants; /* a role of roles_granted needs one of these */
    uint32_t    roles_granted;
    const char *own; /* column compared with the caller's driver_id; "id": the row's own id */
    const char *own_from, *own_until; /* columns (ms): the row is theirs between; NULL: always */
    const bus_column         *columns;
    int                       columns_count;
    const bus_join           *joins;
    int                       joins_count;
    const char               *default_sort; /* "-registered_at" */
    const bus_message *const *follows;      /* events that it projects */
    int                       follows_count;
    uint64_t           hash; /* of its part of the contract; with view_version it names the table */
    const bus_windows *windows;       /* an analytic; NULL: a view like others */
    const bus_view_contract *part_of; /* a table of that analytic, which it fills; else NULL */
};

struct bus_contract {
    const char                          *module;
    const bus_aggregate_contract *const *aggregates;
    int                                  aggregates_count;
    const bus_refusal                   *refusals;
    int                                  refusals_count;
    const bus_view_contract *const      *views;
    int                                  views_count;
    const bus_message *const *follows; /* events of others that reactions or views read */
    int                       follows_count;
    const bus_message *const *sends; /* commands of others (or own) that it sends */
    int                       sends_count;
    const bus_shape          *settings; /* OBJECT with defaults, or NULL */
    const bus_shape          *what_if;  /* OBJECT without required members, or NULL */
    const char               *json;     /* the contract's own text, for documents */
};

/* Answers of the kernel itself; they need no declaration (NOT_FOUND 404, ...). */
extern const bus_refusal BUS_NOT_FOUND_REFUSAL;    /* NOT_FOUND 404 */
extern const bus_refusal BUS_FORBIDDEN_REFUSAL;    /* FORBIDDEN 403 */
extern const bus_refusal BUS_VERSION_REFUSAL;      /* VERSION_MISMATCH 412 {current} */
extern const bus_refusal BUS_KEY_REUSED_REFUSAL;   /* IDEMPOTENCY_KEY_REUSED 422 */
extern const bus_refusal BUS_EXISTS_REFUSAL;       /* ALREADY_EXISTS 409 */
extern const bus_refusal BUS_STREAM_FAULT_REFUSAL; /* STREAM_FAULT 500 */
/* STALE 409: it happened before what is on record already. Modules call bus_refuse_stale(). */
extern const bus_refusal BUS_STALE_REFUSAL;
struct bus_stale_params {
    int64_t last_at; /* UTC milliseconds */
    bus_str last;    /* the same minute where the tenant lives, for people */
};

/* For upcasters (services/<domain>/upcast.c): zeroed room that lives as long as the event; and a
 * formatted string. Strings and arrays of the older event may be borrowed. */
void   *bus_upcast_room(bus_upcasting *out, uint32_t count, size_t item_bytes);
bus_str bus_upcast_printf(bus_upcasting *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Finds by full type ("vehicles.register", "vehicles.registered.v1"); NULL: not there. */
const bus_message *bus_contract_command(const bus_contract *contract, bus_str type);
const bus_message *bus_contract_event(const bus_contract *contract, bus_str type);
/* What an event is read as: itself, unless its contract has a newer version. */
const bus_message *bus_message_newest(const bus_message *event);
/* Among its own refusals and the kernel's. */
const bus_refusal       *bus_contract_refusal(const bus_contract *contract, bus_str code);
const bus_view_contract *bus_contract_view(const bus_contract *contract, bus_str name);

/* "ADMIN" to BUS_ROLE_ADMIN; 0: unknown. The names joined by spaces into text. */
uint32_t bus_role_parse(bus_str name);
uint32_t bus_grant_parse(bus_str name);

#endif
