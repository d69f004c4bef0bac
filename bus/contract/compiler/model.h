/* model.h - a contract as the schema compiler holds it in memory.
 *
 * types.c, load.c, analytics.c and check.c read and check the JSON, header.c and tables.c write C,
 * documents.c, openapi.c and asyncapi.c write what is published, compatible.c compares versions.
 * Whatever is wrong ends the program with "file: pointer: what".
 * Everything lives in compiler_memory until the program ends. One thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_COMPILER_MODEL_H
#define BUS_CONTRACT_COMPILER_MODEL_H

#include "bus/base/arena.h"
#include "bus/base/str.h"
#include "bus/contract/contract.h"

#include <jansson.h>
#include <stdbool.h>

#define MEMBERS_MAX 256 /* as many as the decoder has room for */
#define LIST_MAX 512    /* of anything else that a contract lists */
#define COLUMNS_MAX 64  /* of one view */
#define CONTRACTS_MAX 64

typedef struct type type;

typedef struct {
    const char   *name, *c_name;
    const char   *pointer; /* of its schema, for messages */
    type         *type;
    bool          required, nullable, has; /* has: there is a has_<name> */
    bool          secret, hashed;          /* hashed: x-secret is "hash" */
    const char   *default_json, *personal, *masked_for;
    const json_t *json; /* its schema, $ref and all */
} member;

struct type {
    bus_kind         kind;
    bool             nullable;
    const char      *c_name;  /* of the struct or enum; NULL: a scalar */
    const char      *home;    /* file whose header declares it: "common" or the module */
    const char      *pointer; /* where it was first met, for messages */
    const char      *file;
    int              declared; /* by header.c */
    int              shape;    /* number of its table in the .c of shape_in */
    const void      *shape_in; /* the contract whose .c has it */
    const bus_shape *runtime;  /* for trying examples; NULL: not made yet */
    bool             named;    /* its C names were claimed */

    int64_t     minimum, maximum, multiple_of;
    double      number_minimum, number_maximum, number_multiple_of;
    bool        number_minimum_exclusive, number_maximum_exclusive;
    const char *pattern;
    int         format; /* as in bus_shape */

    const char **names; /* ENUM */
    int          names_count;

    member *members; /* OBJECT */
    int     members_count;
    bool    additional;

    type *item; /* ARRAY */
    bool  unique;

    const char  *tag; /* UNION: variants are objects without the tag */
    type       **variants;
    const char **tag_values;
    int          variants_count;

    const json_t *schema;
};

typedef struct message {
    const char *type, *name; /* "vehicles.register", "register"; events: without version */
    const char *c_name;      /* "register", "registered_v2" */
    const char *pointer;
    int         version; /* 0: a command */
    type       *data;    /* NULL: an answer */
    bus_on      on;
    bus_by      by;
    const char *method, *path;
    uint32_t    roles, roles_own;
    bool        forgets; /* an event with which the subject of its stream is forgotten */
    const struct message *upcast_to; /* a newer version of the same event; NULL: none */
    const json_t         *json;
} message;

typedef struct {
    const char *name;
    message    *commands, *events;
    int         commands_count, events_count;
    uint32_t    feed_roles; /* 0: whoever may read its views */
} aggregate;

typedef struct {
    const char *code, *lower, *en, *ru;
    int         status;
    type       *params; /* NULL: none */
} refusal;

/* An entry of "analytics", from which views are made. */
typedef struct {
    const char   *name;
    const json_t *json;
    int64_t       size_s, every_s, out_of_order_s, grace_s, idle_s;
    bool          on_close, has_memory;
    const char   *key[LIST_MAX];
    int           key_count;
} analytic;

typedef struct {
    const char   *name;
    const char   *pointer;
    const char   *of; /* aggregate, or NULL: a key of its own */
    type         *row;
    const char   *list, *item;
    uint32_t      roles, roles_own, grants, roles_granted;
    const char   *own, *own_from, *own_until, *default_sort;
    const char   *follows[LIST_MAX]; /* full types */
    int           follows_count;
    const json_t *json;
    uint64_t      hash;
    analytic     *analytic; /* of which it is a table; NULL: a view of its own */
    struct {
        const char *name;
        bool        filter, sort, folded;
    } columns[COLUMNS_MAX];
    int columns_count;
} view;

typedef struct {
    const char *module;
    const char *file; /* as the user named it */
    json_t     *json;
    type       *defs[LIST_MAX]; /* of its $defs, each after what it is made of */
    int         defs_count;
    type       *settings;
    type       *what_if;
    aggregate  *aggregates;
    int         aggregates_count;
    refusal    *refusals;
    int         refusals_count;
    view       *views;
    int         views_count; /* those of analytics too, behind the others */
    analytic   *analytics;
    json_t     *expanded; /* the views of analytics, by name; NULL: none */
    const char *follows[LIST_MAX], *sends[LIST_MAX];
    int         follows_count, sends_count;
} contract;

extern bus_arena compiler_memory;

/* --- text.c: messages and names ------------------------------------------------------------- */

__attribute__((noreturn, format(printf, 3, 4))) void die(const char *file, const char *pointer,
                                                         const char *fmt, ...);
const char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *upper(const char *name); /* what C does not take becomes _ */
const char *lower(const char *name); /* likewise */
/* A member's name in C: a keyword gets a trailing _. */
const char *c_member(const char *name);
bool        is_identifier(const char *name); /* [a-z][a-z0-9_]*, shorter than 64 */
/* "vehicles.retired.v1" to "vehicles_retired_event" and the like; the domain before the dot. */
const char *event_symbol(const char *full_type);
const char *command_symbol(const char *full_type);
const char *domain_of(const char *full_type);
/* "vehicles_upcast_registered": what the module's upcast.c defines. */
const char *upcast_symbol(const char *module, const message *event);
/* JSON without white space, members sorted, as text. */
const char *canonical(const json_t *json);

/* --- types.c: schemas to types ---------------------------------------------------------------- */

/* Where a schema stands, and what its C names start with. */
typedef struct {
    contract   *in;
    const char *pointer;
    const char *c_name;
} where;

/* Every member of object is among the NULL-terminated known. */
void check_keywords(const char *file, const char *pointer, const json_t *object,
                    const char *const *known);
/* A member that must be a string; NULL if it is not there and not needed. */
const char *string_member(const char *file, const char *pointer, const json_t *object,
                          const char *name, bool needed);
type       *build_type(const where *at, const json_t *schema);
void        build_member(const where *at, const char *name, const json_t *schema, bool required,
                         member *m);
/* All of in's $defs, used or not. common: where "common.json#/..." leads; NULL: nowhere. */
void          build_definitions(contract *in, contract *common);
type         *empty_object(const contract *c, const char *pointer, const char *c_name);
const member *member_named(const type *t, const char *name);
/* Is some member of it, at any depth, personal? */
bool is_personal(const type *t);
/* A schema with every $ref replaced by what it names; the caller owns the reference. */
json_t *resolved(const contract *c, const json_t *schema);

/* --- load.c, check.c -----------------------------------------------------------------------------
 */

json_t *read_json(const char *file); /* or dies with file:line:column */
/* Reads folder/<domain>.json once and checks it alone. */
contract *load_contract(const char *folder, const char *domain);
/* The types of common.json's $defs; NULL without the file. */
contract *load_common(const char *folder);
/* Gives back all contracts and compiler_memory. */
void unload_all(void);
/* A list of strings, none twice, at most LIST_MAX; list NULL: none. Returns how many. */
int load_list(const contract *c, const char *pointer, const json_t *list, const char **out);
/* A view into *v, whose analytic is set if it is a table of one. */
void load_view(contract *c, const char *name, const char *pointer, const json_t *json, view *v);
/* Every domain of the folder, sorted; returns how many. */
int list_domains(const char *folder, const char **out, int max);
/* Checks what crosses contracts (names that must be unique, references, joins), defaults and
 * examples. */
void check_all(contract *const *contracts, int count);

/* --- analytics.c: windows of event time ------------------------------------------------------- */

/* "analytics" into views, for which c has room. */
void load_analytics(contract *c);
/* Is it the windows of an analytic, and not another table of it? */
bool is_analytic(const view *v);
/* Its bus_windows, behind the shape of its row. */
void write_windows(const view *v, bus_buf *out);

/* --- output
 * ------------------------------------------------------------------------------------------ */

void write_header(const contract *c, bus_buf *out);
void write_common_header(const contract *common, bus_buf *out);
void write_tables(contract *c, bus_buf *out);

json_t *openapi_of(contract *const *contracts, int count, const contract *common);
json_t *asyncapi_of(contract *const *contracts, int count);

/* feeds.c: the edge's feeds in them. */
json_t *cloud_event_schema(void);
json_t *feed_operation(contract *const *all, int count); /* OpenAPI */
json_t *feed_servers(void);                              /* AsyncAPI */
json_t *feed_channel(const contract *c);
json_t *feed_sending(const contract *c);
/* One JSON Schema 2020-12 per message: an object by file name. */
json_t *schemas_of(contract *const *contracts, int count);

/* For the documents: JSON written with ' for ", and values put into objects and arrays; what is
 * put is given away. */
json_t *parsed(const char *single_quoted);
void    put(json_t *object, const char *name, json_t *value);
void    put_text(json_t *object, const char *name, const char *value); /* NULL: nothing */
void    add(json_t *array, json_t *value);
/* A contract's schema as any validator knows it: every $ref replaced; or $ref left, to
 * "#/components/schemas/<module>.<definition>". */
json_t     *plain_schema(const contract *c, const json_t *schema);
json_t     *shared_schema(const contract *c, const json_t *schema);
const char *description_of(const json_t *json); /* in English; NULL: none */

/* What must be readable by whom, in the words of schema registries; bits. */
typedef enum {
    BACKWARD = 1, /* what the old contract let into the log, by the new one */
    FORWARD = 2,  /* what the new one writes, by who knows only the old one */
    FULL = BACKWARD | FORWARD
} compatibility;

/* Both are contracts with the common.json beside each (NULL: none). Prints what is not allowed;
 * returns the number of findings. */
int compare_contracts(const json_t *old_json, const json_t *old_common, const json_t *new_json,
                      const json_t *new_common, const char *name, compatibility wanted);

/* check.c: before the memory of all shapes is given back. */
void compiler_forget_patterns(void);

#endif
