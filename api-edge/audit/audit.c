/* audit.c - notes, gathered and sent.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/audit/audit.h"
#include "api-edge/http/metrics.h"
#include "api-edge/http/peer.h"
#include "api-edge/query/view.h"
#include "bus/audit/chain.h"
#include "bus/base/failpoint.h"
#include "bus/log/log.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_MS 25
#define RETRY_US INT64_C(250000)
#define STATEMENT_MS 60000 /* NOTES_MAX in one batch, behind those of other loops */
#define NOTES_MAX 16384    /* that wait; some more are those of requests that had begun */
#define SEND_AT 256        /* so many do not wait for the time */

/* The columns of a batch: arrays in their binary form, in the order of audit.note(). */
enum {
    TENANT,
    SURE,
    AT,
    ACTION,
    OUTCOME,
    CODE,
    ACTOR,
    DOMAIN,
    TYPE,
    ENTITY,
    DETAIL,
    ORIGIN,
    SALT,
    ADDRESS,
    AGENT,
    DIGEST,
    COLUMNS
};

#define OID_UUID 2950 /* of the catalogue pg_type, which never change */
#define OID_BOOL 16
#define OID_INT8 20
#define OID_TEXT 25
#define OID_BYTEA 17

static const int32_t oids[COLUMNS] = {
    [TENANT] = OID_UUID,  [SURE] = OID_BOOL,    [AT] = OID_INT8,     [ACTION] = OID_TEXT,
    [OUTCOME] = OID_TEXT, [CODE] = OID_TEXT,    [ACTOR] = OID_UUID,  [DOMAIN] = OID_TEXT,
    [TYPE] = OID_TEXT,    [ENTITY] = OID_UUID,  [DETAIL] = OID_TEXT, [ORIGIN] = OID_BYTEA,
    [SALT] = OID_UUID,    [ADDRESS] = OID_TEXT, [AGENT] = OID_TEXT,  [DIGEST] = OID_BYTEA,
};

typedef struct {
    bus_buf columns[COLUMNS];
    int     count;
} batch;

struct edge_audit {
    edge_loop    *loop;
    edge_db      *db;
    uv_timer_t    timer; /* only makes turns */
    bool          closing;
    batch         gathered, sent; /* sent: until it is known to be in the chains */
    bool          on_its_way;
    int64_t       due_us, retry_us;
    int           failures; /* of this batch */
    int64_t       number;   /* of the batch that was sent last */
    bus_id        writer;
    int64_t       number_wire; /* big end first */
    int           lengths[2 + COLUMNS];
    edge_db_query query;
    bus_buf       detail; /* of the note that is being made */
};

/* --- a batch ------------------------------------------------------------- */

/* An array of one dimension (array_recv() of PostgreSQL): dimensions, whether it has nulls, the
 * type, how many, the lower bound; then the items. How many is known at the end. */
#define COUNT_AT 12

static void
add_int(bus_buf *column, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);

    bus_buf_add(column, &wire, sizeof(wire));
}

static void
begin_array(bus_buf *column, int32_t oid)
{
    add_int(column, 1);
    add_int(column, 1);
    add_int(column, oid);
    add_int(column, 0);
    add_int(column, 1);
}

static void
end_array(bus_buf *column, int count)
{
    uint32_t wire = htobe32((uint32_t)count);

    memcpy(column->at + COUNT_AT, &wire, sizeof(wire));
}

/* NULL: a null. */
static void
add_item(bus_buf *column, const void *bytes, uint32_t len)
{
    add_int(column, bytes == NULL ? -1 : (int32_t)len);
    if (bytes != NULL)
        bus_buf_add(column, bytes, len);
}

static void
add_text(bus_buf *column, bus_str text)
{
    add_item(column, text.at, text.len);
}

static void
add_id(bus_buf *column, bus_id id)
{
    add_item(column, bus_id_is_nil(id) ? NULL : id.bytes, sizeof(id.bytes));
}

static void
reset(batch *b)
{
    for (int i = 0; i < COLUMNS; i++)
        bus_buf_reset(&b->columns[i]);
    b->count = 0;
}

/* --- sending ------------------------------------------------------------- */

static void
on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void
sent_in_vain(edge_audit *audit, bus_code rc)
{
    audit->retry_us = bus_mono_us(audit->loop->e->options.clock) + RETRY_US;
    if (audit->failures++ == 0)
        bus_log_warn("edge.audit_waits", BUS_KV("code", bus_code_name(rc)),
                     BUS_KV_INT("notes", edge_audit_waiting(audit)));
}

static void
on_sent(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_audit *audit = query->context;

    PQclear(res);
    audit->on_its_way = false;
    if (rc != BUS_OK) {
        sent_in_vain(audit, rc);
        return;
    }
    if (audit->failures > 0)
        bus_log_info("edge.audit_goes_on", BUS_KV_INT("notes", edge_audit_waiting(audit)));
    edge_metrics_audit_written(audit->sent.count);
    audit->failures = 0;
    reset(&audit->sent);
    edge_metrics_audit_waiting(edge_audit_waiting(audit));
}

/* What was gathered becomes the next batch. */
static void
close_batch(edge_audit *audit)
{
    batch empty = audit->sent;

    audit->sent = audit->gathered;
    audit->gathered = empty;
    audit->number++;
    audit->number_wire = (int64_t)htobe64((uint64_t)audit->number);
    for (int i = 0; i < COLUMNS; i++) {
        bus_buf *column = &audit->sent.columns[i];

        end_array(column, audit->sent.count);
        audit->query.values[2 + i] = column->at;
        audit->lengths[2 + i] = (int)column->len;
    }
}

void
edge_audit_flush(edge_audit *audit)
{
    int64_t   now;
    bus_error err;
    bus_code  rc;

    if (audit->closing)
        return;
    if (edge_audit_waiting(audit) == 0) {
        (void)uv_timer_stop(&audit->timer);
    } else if (!audit->on_its_way) {
        now = bus_mono_us(audit->loop->e->options.clock);
        if (audit->sent.count == 0 &&
            (now >= audit->due_us || audit->gathered.count >= SEND_AT || audit->loop->stopping))
            close_batch(audit);
        if (audit->sent.count > 0 && now >= audit->retry_us) {
            rc = edge_db_submit(audit->db, &audit->query, &err);
            audit->on_its_way = rc == BUS_OK;
            if (rc != BUS_OK)
                sent_in_vain(audit, rc);
        }
    }
    edge_db_flush(audit->db);
}

bool
edge_audit_is_full(const edge_audit *audit)
{
    return audit->gathered.count >= NOTES_MAX;
}

int
edge_audit_waiting(const edge_audit *audit)
{
    return audit->gathered.count + audit->sent.count;
}

/* --- the part ------------------------------------------------------------ */

edge_audit *
edge_audit_open(edge_loop *loop)
{
    const edge_options   *o = &loop->e->options;
    const edge_db_options db = {.url = o->database_url,
                                .application = "shina edge audit",
                                .role = "shina_edge",
                                .writes = true,
                                .connections = 1,
                                .in_flight_max = 1,
                                .group_max = 1,
                                .waiting_max = 1,
                                .statement_timeout_ms = STATEMENT_MS};
    edge_audit           *audit = calloc(1, sizeof(*audit));

    if (audit == NULL)
        abort();
    audit->loop = loop;
    audit->db = edge_db_open(&loop->uv, &db);
    BUS_INVARIANT(uv_timer_init(&loop->uv, &audit->timer) == 0);
    edge_loop_random(loop, audit->writer.bytes, sizeof(audit->writer.bytes));
    audit->lengths[0] = (int)sizeof(audit->writer.bytes);
    audit->lengths[1] = (int)sizeof(audit->number_wire);
    audit->query = (edge_db_query){
        .sql = "select audit.note($1::uuid, $2::int8, $3::uuid[], $4::bool[], $5::int8[],"
               " $6::text[], $7::text[], $8::text[], $9::uuid[], $10::text[], $11::text[],"
               " $12::uuid[], $13::text[], $14::bytea[], $15::uuid[], $16::text[], $17::text[],"
               " $18::bytea[])",
        .values = {(const char *)audit->writer.bytes, (const char *)&audit->number_wire},
        .lengths = audit->lengths,
        .count = 2 + COLUMNS,
        .done = on_sent,
        .context = audit};
    return audit;
}

void
edge_audit_abandon(edge_audit *audit)
{
    if (audit == NULL)
        return;
    audit->closing = true;
    edge_db_close(audit->db);
    if (edge_audit_waiting(audit) == 0)
        return;
    bus_log_error("edge.audit_lost", BUS_KV_INT("notes", edge_audit_waiting(audit)));
    edge_metrics_audit_lost(edge_audit_waiting(audit));
}

void
edge_audit_close(edge_audit *audit)
{
    if (audit != NULL)
        uv_close((uv_handle_t *)&audit->timer, NULL);
}

void
edge_audit_free(edge_audit *audit)
{
    if (audit == NULL)
        return;
    for (int i = 0; i < COLUMNS; i++) {
        bus_buf_fini(&audit->gathered.columns[i]);
        bus_buf_fini(&audit->sent.columns[i]);
    }
    bus_buf_fini(&audit->detail);
    free(audit);
}

/* --- a note -------------------------------------------------------------- */

/* In the terms of the table audit.entries; NULL and nil ids: there is none. */
typedef struct {
    bus_id      tenant, actor, entity;
    bool        sure; /* that the tenant is one of ours */
    const char *action, *outcome;
    bus_str     code;
    const char *domain;
    const char *type;
    bus_buf    *detail;
} note;

static bus_str
id_or_none(bus_id id, char text[BUS_ID_TEXT_BYTES])
{
    return bus_id_is_nil(id) ? (bus_str){NULL, 0} : (bus_str){bus_id_format(id, text), 36};
}

/* From where, under a salt of its own. */
static void
add_origin(edge_request *r, bus_buf columns[COLUMNS], uint8_t origin[BUS_AUDIT_HASH_BYTES])
{
    char    salt_text[BUS_ID_TEXT_BYTES], address[EDGE_ADDRESS_BYTES], agent[EDGE_AGENT_BYTES];
    bus_str from = {NULL, 0}, by = {NULL, 0}, salt;
    bus_id  random;

    edge_loop_random(r->loop, random.bytes, sizeof(random.bytes));
    salt = bus_str_of(bus_id_format(random, salt_text));
    if (edge_peer_address(r, address))
        from = bus_str_of(address);
    if (edge_peer_agent(r, agent))
        by = bus_str_of(agent);
    bus_audit_origin(salt, from, by, origin);
    add_id(&columns[SALT], random);
    add_text(&columns[ADDRESS], from);
    add_text(&columns[AGENT], by);
    add_item(&columns[ORIGIN], origin, BUS_AUDIT_HASH_BYTES);
}

static void
put(edge_request *r, const note *n)
{
    edge_audit    *audit = r->loop->audit;
    bus_buf       *columns = audit->gathered.columns;
    char           at[24], actor[BUS_ID_TEXT_BYTES], entity[BUS_ID_TEXT_BYTES];
    const uint64_t at_wire = htobe64((uint64_t)r->loop->now_ms);
    const uint8_t  sure = n->sure ? 1 : 0;
    uint8_t        origin[BUS_AUDIT_HASH_BYTES], digest[BUS_AUDIT_HASH_BYTES];
    bus_audit_row  row = {.action = bus_str_of(n->action),
                          .outcome = bus_str_of(n->outcome),
                          .code = n->code,
                          .actor = id_or_none(n->actor, actor),
                          .domain = bus_str_of(n->domain),
                          .type = bus_str_of(n->type),
                          .entity = id_or_none(n->entity, entity),
                          .detail = bus_buf_str(n->detail)};

    if (audit->gathered.count == 0)
        for (int i = 0; i < COLUMNS; i++)
            begin_array(&columns[i], oids[i]);
    (void)snprintf(at, sizeof(at), "%lld", (long long)r->loop->now_ms);
    row.at_ms = bus_str_of(at);
    add_origin(r, columns, origin);
    bus_audit_digest(&row, origin, digest);
    add_item(&columns[TENANT], n->tenant.bytes, sizeof(n->tenant.bytes));
    add_item(&columns[SURE], &sure, sizeof(sure));
    add_item(&columns[AT], &at_wire, sizeof(at_wire));
    add_text(&columns[ACTION], row.action);
    add_text(&columns[OUTCOME], row.outcome);
    add_text(&columns[CODE], row.code);
    add_id(&columns[ACTOR], n->actor);
    add_text(&columns[DOMAIN], row.domain);
    add_text(&columns[TYPE], row.type);
    add_id(&columns[ENTITY], n->entity);
    add_text(&columns[DETAIL], row.detail);
    add_item(&columns[DIGEST], digest, sizeof(digest));
    if (audit->gathered.count++ == 0) {
        audit->due_us =
            bus_mono_us(audit->loop->e->options.clock) + (int64_t)FLUSH_MS * INT64_C(1000);
        (void)uv_timer_start(&audit->timer, on_timer, FLUSH_MS, FLUSH_MS);
    }
    edge_metrics_audit_waiting(edge_audit_waiting(audit));
    BUS_FAIL_POINT("edge.audit_noted");
}

/* {"status":201,"trace_id":"...","session":"..." - and the brace is left open. */
static void
begin_detail(const edge_request *r, int status, bus_buf *out)
{
    char trace[EDGE_TRACE_ID_BYTES], id[BUS_ID_TEXT_BYTES];

    bus_buf_reset(out);
    bus_buf_add_text(out, "{\"trace_id\":\"");
    bus_buf_add_text(out, edge_trace_id_format(r->trace.trace_id, trace));
    bus_buf_add_char(out, '"');
    if (status != 0) {
        bus_buf_add_text(out, ",\"status\":");
        bus_buf_add_int(out, status);
    }
    if (!bus_id_is_nil(r->caller.session)) {
        bus_buf_add_text(out, ",\"session_id\":\"");
        bus_buf_add_text(out, bus_id_format(r->caller.session, id));
        bus_buf_add_char(out, '"');
    }
}

/* --- commands ------------------------------------------------------------ */

/* Not done, and nobody refused it either: nobody may know whether it will have been. */
static bool
is_unknown(int status)
{
    return status >= 500;
}

static const char *
outcome_of(int status)
{
    return status < 400 ? "ACCEPTED" : is_unknown(status) ? "FAILED" : "REFUSED";
}

void
edge_audit_command(edge_request *r, const edge_command *command, const edge_verdict *verdict,
                   const bus_reply *reply)
{
    const bus_message *message = command->route->command;
    char               id[BUS_ID_TEXT_BYTES];
    note               n = {.tenant = command->value.tenant,
                            .sure = true,
                            .actor = command->value.actor.id,
                            .entity = command->value.stream,
                            .action = "COMMAND",
                            .domain = message->aggregate->contract->module,
                            .type = message->type,
                            .detail = &r->loop->audit->detail};

    begin_detail(r, verdict->done ? verdict->status : 0, n.detail);
    bus_buf_add_text(n.detail, ",\"command_id\":\"");
    bus_buf_add_text(n.detail, bus_id_format(command->value.command_id, id));
    bus_buf_add_char(n.detail, '"');
    if (verdict->done) {
        n.outcome = "ACCEPTED";
        bus_buf_printf(n.detail, ",\"version\":%d,\"position\":\"%s:%d:%lld\"%s",
                       (int)reply->version, n.domain, reply->partition, (long long)reply->offset,
                       reply->repeated ? ",\"repeated\":true" : "");
    } else {
        n.code = edge_trouble_code(&verdict->trouble);
        n.outcome = reply == NULL ? "FAILED" : "REFUSED";
    }
    bus_buf_add_char(n.detail, '}');
    put(r, &n);
}

void
edge_audit_refused(edge_request *r, const bus_message *command, bus_str code)
{
    note n = {.tenant = r->caller.tenant,
              .sure = true,
              .actor = r->caller.actor.id,
              .action = "COMMAND",
              .outcome = "REFUSED",
              .code = code,
              .type = "batch",
              .detail = &r->loop->audit->detail};

    if (command != NULL) {
        n.domain = command->aggregate->contract->module;
        n.type = command->type;
    }
    begin_detail(r, 0, n.detail);
    bus_buf_add_char(n.detail, '}');
    put(r, &n);
}

/* --- requests ------------------------------------------------------------ */

/* "auth.login" of /api/v1/auth/login. */
static const char *
auth_type(edge_request *r)
{
    static const char base[] = "/api/v1/auth/";

    return strncmp(r->path, base, sizeof(base) - 1) != 0
               ? "auth"
               : bus_arena_printf(&r->arena, "auth.%s", r->path + sizeof(base) - 1).at;
}

/* Which of the answered ones is noted, and as what. */
static bool
is_noted(edge_request *r, note *n)
{
    const edge_route *route = r->route;

    switch (r->class) {
    case EDGE_CLASS_COMMAND:
        n->action = "COMMAND";
        n->type = route->command == NULL ? "batch" : route->command->type;
        n->domain = route->command == NULL ? NULL : route->command->aggregate->contract->module;
        return r->status >= 400;
    case EDGE_CLASS_LOGIN:
        n->action = "AUTH";
        n->type = auth_type(r);
        n->domain = "users";
        return true;
    case EDGE_CLASS_ITEM:
    case EDGE_CLASS_LIST:
        n->action = "READ";
        n->type = route->view == NULL ? "audit" : route->view->of->name;
        n->domain = route->view == NULL ? NULL : route->view->of->contract->module;
        return r->status == 403 || (r->status == 200 && r->audit.personal);
    case EDGE_CLASS_FEED: /* personal members are sealed in what it shows */
        n->action = "READ";
        n->type = "events";
        return r->status == 403;
    case EDGE_CLASS_INGEST: /* what was taken is in the log; who is refused has named a source */
        n->action = "COMMAND";
        n->type = "ingest.receive";
        n->domain = "ingest";
        return r->status == 403;
    case EDGE_CLASS_ADMIN:
    case EDGE_CLASS_NONE:
    case EDGE_CLASSES: return false;
    }
    BUS_UNREACHABLE();
}

void
edge_audit_answered(edge_request *r)
{
    const edge_audit_facts *facts = &r->audit;
    bool                    named = !bus_id_is_nil(facts->tenant); /* in the body, by anybody */
    note                    n = {.tenant = named ? facts->tenant : r->caller.tenant,
                                 .actor = named ? facts->actor : r->caller.actor.id,
                                 .sure = !named || !bus_id_is_nil(facts->actor),
                                 .entity = facts->entity,
                                 .outcome = outcome_of(r->status),
                                 .code = bus_str_of(facts->code)};

    if (facts->done || r->route == NULL || bus_id_is_nil(n.tenant) || !is_noted(r, &n))
        return;
    n.detail = &r->loop->audit->detail;
    r->audit.done = true;
    if (bus_id_is_nil(n.entity) && r->parameter.len > 0 && !bus_id_parse(r->parameter, &n.entity))
        n.entity = BUS_ID_NIL;
    begin_detail(r, r->status, n.detail);
    if (facts->personal)
        bus_buf_printf(n.detail, ",\"rows\":%d", facts->rows);
    bus_buf_add_char(n.detail, '}');
    put(r, &n);
}
