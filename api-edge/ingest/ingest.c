/* ingest.c - what others push to us: whose it is, whether it is theirs, and that it is kept.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/ingest/ingest.h"
#include "api-edge/http/command.h"
#include "api-edge/http/connection.h"
#include "api-edge/http/metrics.h"
#include "api-edge/ingest/cloudevents.h"
#include "api-edge/ingest/rate.h"
#include "api-edge/limits/limits.h"
#include "api-edge/query/view.h"
#include "bus/log/log.h"
#include "bus/personal/secret.h"
#include "bus/webhook/webhook.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INGESTS_MAX 256 /* of one loop at once: so many bodies of strangers lie in memory */
#define SECRETS_MAX 2   /* while it is changed, two are good */
#define LABEL "ingest.secret"

/* A source as its row tells. */
typedef struct {
    bool    known, own_form, bearer;
    bool    suspended;            /* its tenant is, or closed */
    bus_str secrets[SECRETS_MAX]; /* sealed */
    int     secrets_count;
} source_row;

typedef struct {
    edge_command command;
    bus_str      event_id;
    bus_str      position; /* empty: it was there already */
    bool         repeated;
} pushed_event;

typedef struct edge_push edge_push;

struct edge_push {
    edge_db_query query;
    bus_id        tenant, source;
    pushed_event *events;
    int           count, open;
    bool          sending, failed;
    edge_trouble  trouble; /* the first one */
};

/* --- the parts of the contract ------------------------------------------------- */

static const bus_contract *
find_contract(const edge *e)
{
    for (int i = 0; i < e->options.contracts_count; i++)
        if (strcmp(e->options.contracts[i]->module, "ingest") == 0)
            return e->options.contracts[i];
    return NULL;
}

static const edge_view *
find_view(const edge *e, const char *name)
{
    for (int i = 0; i < e->views_count; i++)
        if (strcmp(e->views[i].of->name, name) == 0)
            return &e->views[i];
    return NULL;
}

/* tenants: NULL where no domain has them; then every tenant may write. */
static void
write_sql(edge_ingest *ingest, const edge_view *tenants)
{
    if (tenants == NULL)
        (void)snprintf(ingest->sql, sizeof(ingest->sql),
                       "select body, '' from views.\"%s\" where tenant = $1 and id = $2",
                       ingest->sources->table);
    else
        (void)snprintf(ingest->sql, sizeof(ingest->sql),
                       "select s.body, coalesce(t.status, '') from views.\"%s\" s"
                       " left join views.\"%s\" t on t.tenant = s.tenant and t.id = s.tenant"
                       " where s.tenant = $1 and s.id = $2",
                       ingest->sources->table, tenants->table);
}

bool
edge_ingest_open(edge *e)
{
    static const char   nothing[] = "there is no such source";
    const bus_contract *contract = find_contract(e);
    edge_ingest        *ingest = &e->ingest;
    bus_arena           arena = {0};
    bus_str             decoy;

    ingest->command.class = EDGE_CLASS_INGEST;
    ingest->command.command =
        contract == NULL ? NULL : bus_contract_command(contract, BUS_STR("ingest.receive"));
    ingest->sources = find_view(e, "ingest_sources");
    if (ingest->command.command == NULL || ingest->sources == NULL ||
        e->options.master_keys == NULL)
        return false;
    write_sql(ingest, find_view(e, "tenants"));
    decoy = bus_secret_seal(e->options.master_keys, BUS_ID_NIL, BUS_ID_NIL, LABEL,
                            bus_str_of(nothing), &arena);
    memcpy(ingest->decoy, decoy.at, decoy.len + 1);
    bus_arena_fini(&arena);
    return true;
}

bus_id
edge_ingest_stream(bus_id source, bus_str event_source, bus_str event_id)
{
    bus_buf name = {0};
    bus_id  out;

    bus_buf_add_str(&name, event_source);
    bus_buf_add_char(&name, '\0'); /* neither has one: where the first ends is clear */
    bus_buf_add_str(&name, event_id);
    out = bus_id_v5(source, name.at, name.len);
    bus_buf_fini(&name);
    return out;
}

/* --- answers ------------------------------------------------------------------- */

static void
answer_accepted(edge_request *r, const edge_push *push)
{
    int repeated = 0;

    bus_buf_reset(&r->out);
    bus_buf_add_text(&r->out, "{\"events\":[");
    for (int i = 0; i < push->count; i++) {
        const pushed_event *event = &push->events[i];

        repeated += event->repeated;
        bus_buf_add_text(&r->out, i == 0 ? "{\"id\":" : ",{\"id\":");
        bus_buf_add_json(&r->out, event->event_id);
        if (event->position.len > 0)
            bus_buf_printf(&r->out, ",\"position\":\"%.*s\"", BUS_STR_ARG(event->position));
        bus_buf_add_text(&r->out, event->repeated ? ",\"repeated\":true}" : "}");
    }
    bus_buf_add_text(&r->out, "]}");
    edge_metrics_ingest(EDGE_INGEST_ACCEPTED, push->count - repeated);
    edge_metrics_ingest(EDGE_INGEST_REPEATED, repeated);
    edge_answer(r, &(edge_reply){.status = 202, .body = bus_buf_str(&r->out)});
}

static void
answer_problem(edge_request *r, edge_ingest_outcome outcome, edge_problem_kind kind,
               const char *detail)
{
    edge_metrics_ingest(outcome, 1);
    edge_problem(r, kind, detail);
}

/* --- commands ------------------------------------------------------------------ */

static void
finish(edge_request *r)
{
    edge_push *push = r->push;

    if (push->failed) {
        edge_metrics_ingest(EDGE_INGEST_FAILED, 1);
        edge_trouble_answer(r, &push->trouble);
    } else {
        answer_accepted(r, push);
    }
}

/* What lives no longer than the answer of the bus is copied. */
static void
note_trouble(edge_request *r, const edge_trouble *trouble)
{
    edge_trouble *t = &r->push->trouble;

    if (r->push->failed)
        return;
    r->push->failed = true;
    *t = *trouble;
    t->params = bus_arena_copy(&r->arena, t->params.at, t->params.len);
    t->code = bus_arena_copy(&r->arena, t->code.at, t->code.len);
    t->text = bus_arena_copy(&r->arena, t->text.at, t->text.len);
}

/* done() of a command. */
static void
end_event(edge_command *command, const edge_command_end *end)
{
    edge_request    *r = command->context;
    pushed_event    *event = (pushed_event *)(void *)command;
    const bus_reply *reply = end->reply;
    edge_verdict     verdict = edge_command_verdict(command, end, &r->arena);

    if (!verdict.done) {
        note_trouble(r, &verdict.trouble);
    } else {
        event->repeated = reply->repeated || reply->offset == 0;
        if (reply->offset > 0)
            event->position = bus_arena_printf(&r->arena, "ingest:%d:%lld", (int)reply->partition,
                                               (long long)reply->offset);
    }
    if (--r->push->open == 0 && !r->push->sending)
        finish(r);
}

static void
send_all(edge_request *r)
{
    edge_push *push = r->push;

    push->sending = true;
    push->open = push->count;
    for (int i = 0; i < push->count; i++)
        edge_command_send(r->loop->commands, &push->events[i].command);
    push->sending = false;
    if (push->open == 0)
        finish(r);
}

static bus_str
text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return (bus_str){json_string_value(value), (uint32_t)json_string_length(value)};
}

/* The event as a command. False: problems tells. */
static bool
make_command(edge_request *r, const json_t *data, pushed_event *event, bus_problems *problems)
{
    const edge_route *route = &r->loop->e->ingest.command;
    bus_command      *value = &event->command.value;
    bus_str           id = text_of(data, "event_id");

    (void)edge_command_begin(&event->command, r, route, BUS_ID_NIL, (bus_str){NULL, 0});
    value->stream = edge_ingest_stream(r->push->source, text_of(data, "event_source"), id);
    if (edge_command_data_json(&event->command, data, &r->arena, problems) != BUS_OK)
        return false;
    /* The same bytes are the same command; others of the same id meet the first ones' stream. */
    value->command_id = bus_id_v5(value->stream, value->data.at, value->data.len);
    event->event_id = bus_arena_copy(&r->arena, id.at, id.len);
    event->command.done = end_event;
    event->command.context = r;
    return true;
}

/* Pointers as the sender knows them; of a batch below the event's number. */
static void
answer_invalid(edge_request *r, bus_problems *problems, int n, bool many)
{
    for (int i = 0; i < problems->count; i++) {
        bus_problem *p = &problems->items[i];
        bus_str      moved =
            many ? bus_arena_printf(&r->arena, "/%d%s", n, edge_cloudevents_pointer(p->pointer))
                      : bus_arena_printf(&r->arena, "%s", edge_cloudevents_pointer(p->pointer));

        (void)snprintf(p->pointer, sizeof(p->pointer), "%s", moved.at);
    }
    edge_metrics_ingest(EDGE_INGEST_INVALID, 1);
    edge_problem_invalid(r, problems);
}

/* All of them are right before the first one is sent. */
static void
take_events(edge_request *r, const json_t *events, bool many)
{
    edge_push    *push = r->push;
    bus_problems *problems = BUS_ARENA_NEW(&r->arena, bus_problems);

    push->count = (int)json_array_size(events);
    push->events = BUS_ARENA_ARRAY(&r->arena, pushed_event, (size_t)push->count + 1);
    for (int i = 0; i < push->count; i++)
        if (!make_command(r, json_array_get(events, (size_t)i), &push->events[i], problems)) {
            answer_invalid(r, problems, i, many);
            return;
        }
    send_all(r);
}

/* --- what was pushed ------------------------------------------------------------- */

static enum MHD_Result
collect_attribute(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    edge_pushed *pushed = context;
    char        *lower;
    (void)kind;

    if (strncasecmp(name, "ce-", 3) != 0 || value == NULL ||
        pushed->attributes_count == EDGE_PUSH_HEADERS_MAX)
        return MHD_YES;
    lower = strdup(name + 3);
    if (lower == NULL)
        abort();
    for (char *c = lower; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    pushed->attributes[pushed->attributes_count++] =
        (edge_attribute){.name = lower, .value = value};
    return MHD_YES;
}

static void
free_attributes(edge_pushed *pushed)
{
    for (int i = 0; i < pushed->attributes_count; i++)
        free((char *)(uintptr_t)pushed->attributes[i].name);
}

static void
take_body(edge_request *r, const source_row *row)
{
    edge_pushed  *pushed = BUS_ARENA_NEW(&r->arena, edge_pushed);
    bus_problems *problems = BUS_ARENA_NEW(&r->arena, bus_problems);
    json_t       *events = NULL;

    *pushed = (edge_pushed){.source_id = r->push->source,
                            .own_form = row->own_form,
                            .content_type = edge_request_header(r, "Content-Type"),
                            .body = bus_buf_str(&r->body),
                            .webhook_id = edge_request_header(r, "webhook-id")};
    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, collect_attribute, pushed);
    switch (edge_cloudevents_read(pushed, &events, problems)) {
    case EDGE_PUSH_OK: take_events(r, events, json_array_size(events) > 1); break;
    case EDGE_PUSH_INVALID:
        edge_metrics_ingest(EDGE_INGEST_INVALID, 1);
        edge_problem_invalid(r, problems);
        break;
    case EDGE_PUSH_UNSUPPORTED:
        answer_problem(r, EDGE_INGEST_INVALID, EDGE_UNSUPPORTED_MEDIA_TYPE,
                       "The body must be application/cloudevents+json or "
                       "application/cloudevents-batch+json, or the headers ce-* tell what it is.");
        break;
    case EDGE_PUSH_TOO_MANY:
        answer_problem(r, EDGE_INGEST_INVALID, EDGE_BODY_TOO_LARGE,
                       "A batch has at most 100 events.");
        break;
    }
    free_attributes(pushed);
    json_decref(events);
}

/* --- is it the source's? --------------------------------------------------------- */

static bus_str
header_text(const edge_request *r, const char *name)
{
    return bus_str_of(edge_request_header(r, name));
}

/* The secret itself: Authorization: Bearer, or X-Webhook-Secret. */
static bool
shows_secret(const edge_request *r, bus_str secret)
{
    const char *header = edge_request_header(r, "Authorization");

    if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0)
        return bus_webhook_same_secret(bus_str_of(header + 7), secret);
    return bus_webhook_same_secret(header_text(r, "X-Webhook-Secret"), secret);
}

static bool
is_signed(const edge_request *r, bus_str secret)
{
    bus_webhook_key key;
    bool            right =
        bus_webhook_key_of(secret, &key) &&
        bus_webhook_check(&key, header_text(r, "webhook-id"), header_text(r, "webhook-timestamp"),
                          header_text(r, "webhook-signature"), bus_buf_str(&r->body),
                          r->loop->now_ms / 1000);

    OPENSSL_cleanse(&key, sizeof(key));
    return right;
}

/* Tries every secret. Where there is no source a decoy is tried all the same, so that the time does
 * not tell whether there is one. */
static bool
is_theirs(edge_request *r, const source_row *row)
{
    const edge *e = r->loop->e;
    bus_arena   arena = {0};
    bool        right = false;

    for (int i = 0; i < (row->known ? row->secrets_count : 1); i++) {
        bus_id    tenant = row->known ? r->push->tenant : BUS_ID_NIL;
        bus_id    source = row->known ? r->push->source : BUS_ID_NIL;
        bus_str   sealed = row->known ? row->secrets[i] : bus_str_of(e->ingest.decoy), secret;
        bus_error err;

        if (bus_secret_open(e->options.master_keys, tenant, source, LABEL, sealed, &arena, &secret,
                            &err) != BUS_OK) {
            bus_log_warn("ingest.secret_unreadable", BUS_KV("why", err.text));
            continue;
        }
        right |= row->bearer ? shows_secret(r, secret) : is_signed(r, secret);
        OPENSSL_cleanse((char *)(uintptr_t)secret.at, secret.len);
    }
    bus_arena_fini(&arena);
    return right && row->known;
}

static bool
is_word(const json_t *row, const char *member, const char *word)
{
    const char *text = json_string_value(json_object_get(row, member));

    return text != NULL && strcmp(text, word) == 0;
}

static void
add_secret(edge_request *r, source_row *out, const json_t *row, const char *member)
{
    bus_str text = text_of(row, member);

    if (text.len > 0)
        out->secrets[out->secrets_count++] = bus_arena_copy(&r->arena, text.at, text.len);
}

/* The row of the view, as the projection wrote it. */
static void
read_row(edge_request *r, bus_str body, source_row *out)
{
    json_t *row = json_loadb(body.at, body.len, 0, NULL);

    out->known = is_word(row, "status", "ACTIVE");
    out->own_form = is_word(row, "kind", "WEBHOOK");
    out->bearer = is_word(row, "scheme", "BEARER");
    add_secret(r, out, row, "secret");
    if (json_integer_value(json_object_get(row, "previous_until_at")) > r->loop->now_ms)
        add_secret(r, out, row, "previous_secret");
    json_decref(row);
}

/* Strangers pay by their address, as whoever has no token; a source does not. */
static void
refuse_stranger(edge_request *r, const source_row *row)
{
    if (edge_limits_take_anonymous(r))
        answer_problem(r, row->known ? EDGE_INGEST_BAD_SIGNATURE : EDGE_INGEST_UNKNOWN,
                       row->known ? EDGE_BAD_SIGNATURE : EDGE_NOT_FOUND, NULL);
    else
        edge_metrics_ingest(EDGE_INGEST_LIMITED, 1);
}

static void
judge(edge_request *r, const source_row *row)
{
    if (row->known) { /* so that the audit tells whose source it was that was refused */
        r->audit.tenant = r->push->tenant;
        r->audit.actor = r->push->source;
    }
    if (!is_theirs(r, row)) {
        refuse_stranger(r, row);
        return;
    }
    edge_connection_let_go(r);
    if (!edge_rates_take(r->loop->rates, r->push->tenant, r->push->source,
                         bus_mono_us(r->loop->e->options.clock))) {
        answer_problem(r, EDGE_INGEST_LIMITED, EDGE_RATE_LIMITED, NULL);
        return;
    }
    if (row->suspended) {
        answer_problem(r, EDGE_INGEST_LIMITED, EDGE_TENANT_SUSPENDED, NULL);
        return;
    }
    r->caller.tenant = r->push->tenant;
    r->caller.actor = (bus_actor){.id = r->push->source, .roles = BUS_ROLE_SERVICE};
    take_body(r, row);
}

static void
on_source(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request *r = query->context;
    source_row    row = {0};

    if (rc != BUS_OK) {
        answer_problem(r, EDGE_INGEST_FAILED,
                       rc == BUS_NOT_FOUND ? EDGE_VIEW_REBUILDING : EDGE_UNAVAILABLE, NULL);
        return;
    }
    if (PQntuples(res) == 1) {
        const char *tenant = PQgetvalue(res, 0, 1);

        read_row(r, (bus_str){PQgetvalue(res, 0, 0), (uint32_t)PQgetlength(res, 0, 0)}, &row);
        row.suspended = strcmp(tenant, "SUSPENDED") == 0 || strcmp(tenant, "CLOSED") == 0;
    }
    PQclear(res);
    judge(r, &row);
}

/* --- the request ----------------------------------------------------------------- */

bool
edge_ingest_begin(edge_request *r)
{
    if (r->loop->ingests >= INGESTS_MAX) {
        answer_problem(r, EDGE_INGEST_LIMITED, EDGE_OVERLOADED, NULL);
        return false;
    }
    if (!edge_limits_has_anonymous(r)) {
        edge_metrics_ingest(EDGE_INGEST_LIMITED, 1);
        return false;
    }
    if (!edge_connection_hold(r, INGESTS_MAX / 8)) {
        answer_problem(r, EDGE_INGEST_LIMITED, EDGE_OVERLOADED, NULL);
        return false;
    }
    r->ingests = true;
    r->loop->ingests++;
    return true;
}

/* "<tenant>.<source>" */
static bool
parse_address(bus_str text, bus_id *tenant, bus_id *source)
{
    const uint32_t half = BUS_ID_TEXT_BYTES - 1;

    return text.len == 2 * half + 1 && text.at[half] == '.' &&
           bus_id_parse((bus_str){text.at, half}, tenant) &&
           bus_id_parse((bus_str){text.at + half + 1, half}, source);
}

static const char *
id_text(edge_request *r, bus_id id)
{
    char text[BUS_ID_TEXT_BYTES];

    return bus_arena_copy(&r->arena, bus_id_format(id, text), BUS_ID_TEXT_BYTES - 1).at;
}

void
edge_ingest_handle(edge_request *r)
{
    edge_push *push = BUS_ARENA_NEW(&r->arena, edge_push);
    bus_error  err;
    bus_code   rc;

    r->push = push;
    /* What is no address is looked up all the same: nobody has the nil ids. */
    if (!parse_address(r->parameter, &push->tenant, &push->source))
        push->tenant = push->source = BUS_ID_NIL;
    push->query = (edge_db_query){.sql = r->loop->e->ingest.sql,
                                  .values = {id_text(r, push->tenant), id_text(r, push->source)},
                                  .count = 2,
                                  .for_tenant = true,
                                  .tenant = push->tenant,
                                  .done = on_source,
                                  .context = r};
    rc = edge_db_submit(r->loop->items, &push->query, &err);
    if (rc == BUS_OK)
        edge_request_suspend(r);
    else
        answer_problem(r, EDGE_INGEST_FAILED, rc == BUS_FULL ? EDGE_OVERLOADED : EDGE_UNAVAILABLE,
                       NULL);
}
