/* openapi.c - the HTTP face of all domains as an OpenAPI 3.1 document.
 *
 * Every schema that a contract names is a component: "<module>.<definition>",
 * "<module>.<command>-command", "<view>-row", so that what is made of the document has types
 * with names. x-refusals has every refusal by code, with its texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/contract/compiler/model.h"

#include <ctype.h>
#include <string.h>

#define FILTER_VALUES_MAX 100 /* as api-edge/query/filter.h has it */

/* A document under way. */
typedef struct {
    contract *const *all;
    int              count;
    json_t          *paths, *schemas, *tags;
} document;

static const char *
access_text(uint32_t roles, uint32_t own, uint32_t granted)
{
    static const struct {
        uint32_t    bit;
        const char *name;
    } names[] = {{BUS_ROLE_ADMIN, "ADMIN"},
                 {BUS_ROLE_DISPATCHER, "DISPATCHER"},
                 {BUS_ROLE_DRIVER, "DRIVER"},
                 {BUS_ROLE_VIEWER, "VIEWER"}};
    const char *out = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *comma = *out == '\0' ? "" : ", ";

        if ((roles & names[i].bit) != 0)
            out = text("%s%s%s", out, comma, names[i].name);
        else if ((own & names[i].bit) != 0)
            out = text("%s%s%s (own)", out, comma, names[i].name);
        else if ((granted & names[i].bit) != 0)
            out = text("%s%s%s (with finance.read)", out, comma, names[i].name);
    }
    return out;
}

static json_t *
reference(const char *kind, const char *name)
{
    json_t *out = json_object();

    put_text(out, "$ref", text("#/components/%s/%s", kind, name));
    return out;
}

static json_t *
operation(const contract *c, const char *id, const char *summary, const char *access)
{
    json_t *op = json_object(), *tags = json_array();

    add(tags, json_string(c->module));
    put(op, "tags", tags);
    put_text(op, "operationId", id);
    put_text(op, "summary", summary == NULL ? id : summary);
    put_text(op, "description", text("Roles: %s.", access));
    return op;
}

static void
add_operation(document *d, const char *path, const char *method, json_t *op)
{
    json_t *item = json_object_get(d->paths, path);

    if (item == NULL) {
        item = json_object();
        put(d->paths, path, item);
    }
    put(item, method, op);
}

static json_t *
responses_of(const char *const *problems, const char *status, json_t *response)
{
    json_t *out = json_object();

    put(out, status, response);
    for (; *problems != NULL; problems++)
        put(out, *problems, reference("responses", "Problem"));
    return out;
}

/* --- commands -----------------------------------------------------------------------------------
 */

static const refusal *
find_refusal(const document *d, const char *code)
{
    for (int c = 0; c < d->count; c++)
        for (int i = 0; i < d->all[c]->refusals_count; i++)
            if (strcmp(d->all[c]->refusals[i].code, code) == 0)
                return &d->all[c]->refusals[i];
    return NULL;
}

/* The codes that the command says it may answer with, else all of its module. */
static void
add_refusals(const document *d, json_t *op, json_t *responses, const contract *c, const message *m)
{
    const json_t *declared = json_object_get(m->json, "refuses"), *code;
    json_t       *codes = json_array();
    size_t        i;

    for (int r = 0; declared == NULL && r < c->refusals_count; r++)
        add(codes, json_string(c->refusals[r].code));
    json_array_foreach(declared, i, code) add(codes, json_deep_copy(code));
    json_array_foreach(codes, i, code)
    {
        const refusal *r = find_refusal(d, json_string_value(code));
        const char    *status = text("%d", r->status);

        if (json_object_get(responses, status) == NULL)
            put(responses, status, reference("responses", "Problem"));
    }
    if (json_array_size(codes) > 0)
        put(op, "x-refusals", codes);
    else
        json_decref(codes);
}

static json_t *
request_body(const message *m, const char *schema)
{
    const json_t *valid = json_object_get(json_object_get(m->json, "examples"), "valid"), *one;
    json_t       *body = json_object(), *content = json_object(), *media = json_object();
    json_t       *examples = json_object();
    size_t        i;

    put(media, "schema", reference("schemas", schema));
    json_array_foreach(valid, i, one)
    {
        json_t *example = json_object();

        put(example, "value", json_deep_copy(one));
        put(examples, text("example_%zu", i + 1), example);
    }
    if (json_object_size(examples) > 0)
        put(media, "examples", examples);
    else
        json_decref(examples);
    put(content, "application/json", media);
    put(body, "required", json_true());
    put(body, "content", content);
    return body;
}

static void
add_command(document *d, const contract *c, const message *m)
{
    static const char *const problems[] = {"400", "401", "403", "404", "409", "412", "413",
                                           "415", "422", "500", "503", "504", NULL};
    const char              *schema = text("%s-command", m->type);
    json_t                  *op =
        operation(c, m->type, description_of(m->json), access_text(m->roles, m->roles_own, 0));
    json_t *parameters = json_array(), *responses;
    char    method[16] = "";

    if (strstr(m->path, "{id}") != NULL) {
        add(parameters, reference("parameters", "Id"));
        add(parameters, reference("parameters", "IfMatch"));
    }
    add(parameters, reference("parameters", "IdempotencyKey"));
    add(parameters, reference("parameters", "DeviceAt"));
    add(parameters, reference("parameters", "AcceptLanguage"));
    add(parameters, reference("parameters", "Traceparent"));
    put(op, "parameters", parameters);
    put(d->schemas, schema, shared_schema(c, json_object_get(m->json, "schema")));
    put(op, "requestBody", request_body(m, schema));
    responses = m->on == BUS_ON_NEW
                    ? responses_of(problems, "201", reference("responses", "Created"))
                    : responses_of(problems, "200", reference("responses", "Done"));
    add_refusals(d, op, responses, c, m);
    put(op, "responses", responses);
    for (size_t i = 0; m->method[i] != '\0' && i + 1 < sizeof(method); i++)
        method[i] = (char)tolower((unsigned char)m->method[i]);
    add_operation(d, text("/api/v1%s", m->path), method, op);
}

/* --- views
 * ------------------------------------------------------------------------------------------- */

static json_t *
or_null(json_t *schema)
{
    json_t *out = json_object(), *either = json_array();

    add(either, schema);
    add(either, parsed("{'type':'null'}"));
    put(out, "anyOf", either);
    return out;
}

/* A personal member: the tombstone when its subject is forgotten. */
static json_t *
or_forgotten(json_t *schema)
{
    json_t *out = json_object(), *either = json_array();

    add(either, schema);
    add(either, parsed("{'type':'string','maxLength':0}"));
    put(out, "anyOf", either);
    put_text(out, "description", "Personal; the empty string once who it tells of is forgotten.");
    return out;
}

/* Members of rows that are personal. */
static void
allow_tombstones(json_t *schema)
{
    json_t     *properties = json_object_get(schema, "properties"), *value, *item;
    const char *name;
    size_t      i;

    json_array_foreach(json_object_get(schema, "oneOf"), i, item) allow_tombstones(item);
    if (json_object_get(schema, "items") != NULL)
        allow_tombstones(json_object_get(schema, "items"));
    json_object_foreach(properties, name, value)
    {
        json_t *masked = json_incref(json_object_get(value, "x-masked")), *either;

        allow_tombstones(value);
        if (json_object_get(value, "x-personal") == NULL) {
            json_decref(masked);
            continue;
        }
        (void)json_object_del(value, "x-masked");
        either = or_forgotten(json_incref(value));
        if (masked != NULL)
            put(either, "x-masked", masked); /* for allow_masks */
        put(properties, name, either);
    }
}

/* A member that comes from a row of another view. */
static json_t *
joined_schema(const document *d, const json_t *join)
{
    const char *name = json_string_value(json_object_get(join, "view"));
    const char *take = json_string_value(json_object_get(join, "take"));
    json_t     *out;

    for (int c = 0; c < d->count; c++)
        for (int v = 0; v < d->all[c]->views_count; v++) {
            const view   *other = &d->all[c]->views[v];
            const json_t *properties =
                json_object_get(json_object_get(other->json, "schema"), "properties");

            if (strcmp(other->name, name) != 0)
                continue;
            out = shared_schema(d->all[c], json_object_get(properties, take));
            out = or_null(json_object_get(json_object_get(properties, take), "x-personal") == NULL
                              ? out
                              : or_forgotten(out));
            put_text(out, "description",
                     text("%s of %s, joined when it is read; null if there is none.", take, name));
            return out;
        }
    BUS_UNREACHABLE(); /* check.c has found it */
}

/* Members that some roles see as null. */
static void
allow_masks(json_t *schema)
{
    json_t     *properties = json_object_get(schema, "properties"), *value, *item;
    const char *name;
    size_t      i;

    json_array_foreach(json_object_get(schema, "oneOf"), i, item) allow_masks(item);
    if (json_object_get(schema, "items") != NULL)
        allow_masks(json_object_get(schema, "items"));
    json_object_foreach(properties, name, value)
    {
        const json_t *masked = json_object_get(value, "x-masked");

        allow_masks(value);
        if (masked != NULL) {
            json_t *either = or_null(json_incref(value));

            put(either, "x-masked", json_deep_copy(masked));
            put(properties, name, either);
        }
    }
}

/* A row as it is answered: id, version, the members, what is joined. */
static void
add_row(document *d, const contract *c, const view *v)
{
    const json_t *joins = json_object_get(v->json, "joins"), *join;
    json_t       *row = shared_schema(c, json_object_get(v->json, "schema"));
    json_t       *properties = json_object_get(row, "properties");
    json_t       *required = json_object_get(row, "required");
    size_t        i;

    allow_tombstones(row);
    allow_masks(row);
    if (properties == NULL) {
        properties = json_object();
        put(row, "properties", properties);
    }
    if (required == NULL) {
        required = json_array();
        put(row, "required", required);
    }
    put(properties, "id", parsed("{'type':'string','format':'uuid'}"));
    put(properties, "version", parsed("{'type':'integer','minimum':1}"));
    add(required, json_string("id"));
    add(required, json_string("version"));
    json_array_foreach(joins, i, join)
    {
        const char *as = json_string_value(json_object_get(join, "as"));

        put(properties, as, joined_schema(d, join));
        add(required, json_string(as));
    }
    put(d->schemas, text("%s-row", v->name), row);
}

static json_t *
answer_of(json_t *schema, const char *what, bool etag)
{
    json_t *response = json_object(), *content = json_object(), *media = json_object();

    put_text(response, "description", what);
    if (etag)
        put(response, "headers", parsed("{'ETag':{'$ref':'#/components/headers/ETag'}}"));
    put(media, "schema", schema);
    put(content, "application/json", media);
    put(response, "content", content);
    return response;
}

static json_t *
query_parameter(const char *name, const char *what, json_t *schema)
{
    json_t *out = json_object();

    put_text(out, "name", name);
    put_text(out, "in", "query");
    put_text(out, "description", what);
    put(out, "schema", schema);
    return out;
}

/* The values that a filter on the member compares with. */
static json_t *
value_schema(const type *t)
{
    json_t *out = json_object(), *names;

    switch (t->kind) {
    case BUS_KIND_BOOL: put_text(out, "type", "boolean"); break;
    case BUS_KIND_INT: put_text(out, "type", "integer"); break;
    case BUS_KIND_NUMBER: put_text(out, "type", "number"); break;
    case BUS_KIND_ENUM:
        put_text(out, "type", "string");
        names = json_array();
        for (int i = 0; i < t->names_count; i++)
            add(names, json_string(t->names[i]));
        put(out, "enum", names);
        break;
    case BUS_KIND_STRING: put_text(out, "type", "string"); break;
    case BUS_KIND_UUID:
        put_text(out, "type", "string");
        put_text(out, "format", "uuid");
        break;
    case BUS_KIND_DATE:
        put_text(out, "type", "string");
        put_text(out, "format", "date");
        break;
    case BUS_KIND_TIME:
        put_text(out, "type", "string");
        put_text(out, "format", "date-time");
        break;
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION:
    case BUS_KIND_JSON: BUS_UNREACHABLE(); /* no columns */
    }
    return out;
}

static bool
has_range(bus_kind kind)
{
    return kind == BUS_KIND_INT || kind == BUS_KIND_NUMBER || kind == BUS_KIND_TIME ||
           kind == BUS_KIND_DATE;
}

static const char *
filter_words(const type *t, bool folded)
{
    if (folded)
        return "Equal to one of these; Cyrillic letters that look like Latin ones, small letters, "
               "blanks and hyphens make no difference.";
    return t->kind == BUS_KIND_STRING ? "Equal to one of these; \\ before a comma keeps it."
                                      : "Equal to one of these.";
}

static void
add_filters(json_t *parameters, const view *v)
{
    static const struct {
        const char *suffix, *what;
    } ranges[] = {{"gte", "At least."}, {"gt", "Above."}, {"lte", "At most."}, {"lt", "Below."}};

    for (int i = 0; i < v->columns_count; i++) {
        const char *name = v->columns[i].name;
        const type *t = member_named(v->row, name)->type;
        bool        filter = v->columns[i].filter;

        if (filter) {
            json_t *list = json_object(), *parameter;

            put_text(list, "type", "array");
            put(list, "minItems", json_integer(1));
            put(list, "maxItems", json_integer(FILTER_VALUES_MAX));
            put(list, "items", value_schema(t));
            parameter = query_parameter(name, filter_words(t, v->columns[i].folded), list);
            put_text(parameter, "style", "form");
            put(parameter, "explode", json_false());
            add(parameters, parameter);
        }
        for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]) && has_range(t->kind) &&
                           (filter || v->columns[i].sort);
             r++)
            add(parameters, query_parameter(text("%s.%s", name, ranges[r].suffix), ranges[r].what,
                                            value_schema(t)));
    }
}

static void
add_sort(json_t *parameters, const view *v)
{
    json_t *sorts = json_array(), *schema;

    for (int i = 0; i < v->columns_count; i++)
        if (v->columns[i].sort) {
            add(sorts, json_string(v->columns[i].name));
            add(sorts, json_string(text("-%s", v->columns[i].name)));
        }
    if (json_array_size(sorts) == 0) {
        json_decref(sorts);
        return;
    }
    schema = parsed("{'type':'string'}");
    put(schema, "enum", sorts);
    put_text(schema, "default", v->default_sort);
    add(parameters, query_parameter("sort", "The order; - is descending.", schema));
}

static void
add_list(document *d, const contract *c, const view *v)
{
    static const char *const problems[] = {"400", "401", "403", "422", "500", "503", NULL};
    json_t                  *op = operation(c, text("list_%s", v->name), description_of(v->json),
                                            access_text(v->roles, v->roles_own, v->roles_granted));
    json_t                  *parameters = json_array();
    json_t *page = parsed("{'type':'object','required':['items','next_cursor'],'properties':{"
                          "'items':{'type':'array'},'next_cursor':{'type':['string','null']}}}");

    add_filters(parameters, v);
    add_sort(parameters, v);
    add(parameters, reference("parameters", "Limit"));
    add(parameters, reference("parameters", "Cursor"));
    add(parameters, reference("parameters", "XAfter"));
    add(parameters, reference("parameters", "AcceptLanguage"));
    add(parameters, reference("parameters", "Traceparent"));
    put(op, "parameters", parameters);
    put(json_object_get(json_object_get(page, "properties"), "items"), "items",
        reference("schemas", text("%s-row", v->name)));
    put(op, "responses", responses_of(problems, "200", answer_of(page, "A page.", false)));
    add_operation(d, text("/api/v1%s", v->list), "get", op);
}

static void
add_item(document *d, const contract *c, const view *v)
{
    static const char *const problems[] = {"400", "401", "403", "404", "500", "503", NULL};
    static const char *const problems_of_past[] = {"400", "401", "403", "404", "410",
                                                   "422", "500", "503", NULL};
    json_t                  *op = operation(c, text("get_%s", v->name), description_of(v->json),
                                            access_text(v->roles, v->roles_own, v->roles_granted));
    json_t                  *parameters = json_array();

    add(parameters, reference("parameters", "Id"));
    add(parameters, reference("parameters", "IfNoneMatch"));
    add(parameters, reference("parameters", "XAfter"));
    if (v->of != NULL)
        add(parameters, reference("parameters", "AsOf"));
    add(parameters, reference("parameters", "AcceptLanguage"));
    add(parameters, reference("parameters", "Traceparent"));
    put(op, "parameters", parameters);
    put(op, "responses",
        responses_of(v->of != NULL ? problems_of_past : problems, "200",
                     answer_of(reference("schemas", text("%s-row", v->name)), "The row.", true)));
    put(json_object_get(op, "responses"), "304", parsed("{'description':'Not changed.'}"));
    add_operation(d, text("/api/v1%s", v->item), "get", op);
}

/* --- the document
 * -------------------------------------------------------------------------------------- */

/* What the edge has whatever the contracts say. Nobody needs a token there. */
static void
add_kernel(document *d)
{
    static const struct {
        const char *path, *id, *summary, *media, *other;
    } routes[] = {
        {"/healthz", "healthz", "Is the process alive?", "application/json", NULL},
        {"/readyz", "readyz", "May it be sent requests? With the state of its parts.",
         "application/json", "503"},
        {"/metrics", "metrics", "Counters for Prometheus.", "text/plain", NULL},
        {"/openapi.json", "openapi", "This document.", "application/json", NULL},
        {"/asyncapi.json", "asyncapi", "The event streams.", "application/json", NULL},
        {"/docs", "docs", "This document to read.", "text/html", NULL},
        {"/docs/{name}", "docs_file", "What the page of documents is made of.", "*/*", "404"},
        {"/schemas/{name}", "schemas",
         "The JSON Schema of one message, by its full name and .json.", "application/schema+json",
         "404"},
    };

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        json_t *op = json_object(), *responses = json_object(), *ok = json_object();
        json_t *content = json_object();

        put(op, "tags", parsed("['shina']"));
        put_text(op, "operationId", routes[i].id);
        put_text(op, "summary", routes[i].summary);
        put(op, "security", json_array());
        if (strstr(routes[i].path, "{name}") != NULL)
            put(op, "parameters",
                parsed("[{'name':'name','in':'path','required':true,'schema':{'type':'string'}}]"));
        put_text(ok, "description", "As asked.");
        put(content, routes[i].media, json_object());
        put(ok, "content", content);
        put(responses, "200", ok);
        if (routes[i].other != NULL)
            put(responses, routes[i].other,
                strcmp(routes[i].other, "404") == 0
                    ? reference("responses", "Problem")
                    : parsed("{'description':'Not now.','content':{'application/json':{}}}"));
        put(op, "responses", responses);
        add_operation(d, routes[i].path, "get", op);
    }
    add(d->tags, parsed("{'name':'shina','description':'The system itself.'}"));
}

/* Commands by the bunch. */
static void
add_batch(document *d)
{
    json_t *op = parsed(
        "{'tags':['shina'],'operationId':'batch','summary':'Many commands in one request.',"
        "'description':'A command per line, each as its own route would take it: authorised, "
        "checked and answered alike; an answer per line, in the same order, also for lines that "
        "are refused. Lines of one stream are carried out one after another, in order; those of "
        "different streams side by side. Empty lines have no answer. A line without a key has one "
        "that follows from the Idempotency-Key of the request and its number.',"
        "'requestBody':{'required':true,'content':{'application/x-ndjson':{"
        "'schema':{'$ref':'#/components/schemas/BatchLine'}}}},"
        "'responses':{'200':{'description':'The answers, a line each.','content':{"
        "'application/x-ndjson':{'schema':{'$ref':'#/components/schemas/BatchAnswer'}}}}}}");
    json_t *parameters = json_array(), *responses = json_object_get(op, "responses");
    static const char *const problems[] = {"400", "401", "413", "415", "503", NULL};

    add(parameters, reference("parameters", "IdempotencyKey"));
    add(parameters, reference("parameters", "AcceptLanguage"));
    add(parameters, reference("parameters", "Traceparent"));
    put(op, "parameters", parameters);
    for (int i = 0; problems[i] != NULL; i++)
        put(responses, problems[i], reference("responses", "Problem"));
    add_operation(d, "/api/v1/batch", "post", op);
    put(d->schemas, "BatchLine",
        parsed("{'type':'object','additionalProperties':false,'required':['command'],"
               "'properties':{"
               "'command':{'type':'string','examples':['vehicles.record_odometer']},"
               "'id':{'type':'string','format':'uuid','description':'The stream; not for "
               "commands that make one.'},"
               "'idempotency_key':{'type':'string','minLength':1,'maxLength':255},"
               "'if_match':{'type':['integer','string'],'description':'The version that was "
               "read, or its ETag.'},"
               "'device_at':{'type':['integer','string'],'description':'RFC 3339, or UTC "
               "milliseconds, not before 2000.'},"
               "'data':{'type':'object','description':'The body of the command.'}}}"));
    put(d->schemas, "BatchAnswer",
        parsed("{'type':'object','required':['line','status'],'description':'What was done, or a "
               "Problem; its pointers begin with the number of the line.','properties':{"
               "'line':{'type':'integer','minimum':1},"
               "'status':{'type':'integer','description':'As of the command by itself.'},"
               "'id':{'type':'string','format':'uuid'},'version':{'type':'integer'},"
               "'position':{'type':'string'},'location':{'type':'string'},"
               "'repeated':{'type':'boolean','description':'This is the first answer again.'},"
               "'code':{'type':'string'},'detail':{'type':'string'}}}"));
}

/* What others push. */
static void
add_ingest(document *d)
{
    static const char *const problems[] = {"403", "404", "413", "415", "422",
                                           "429", "503", "504", NULL};
    json_t                  *op = parsed(
                         "{'tags':['shina'],'operationId':'push','summary':'What a source pushes.','security':[],"
                                          "'description':'No token: a source proves itself by its signature (webhook-id, "
                                          "webhook-timestamp, webhook-signature of Standard Webhooks) or by its secret "
                                          "(Authorization: Bearer, or X-Webhook-Secret). CloudEvents 1.0 in binary, structured or "
                                          "batched mode, or, for a source of kind WEBHOOK, any body. 202: all of it is durable. What "
                                          "was there already, by its source and id, is answered alike and dropped.',"
                                          "'parameters':[{'name':'source','in':'path','required':true,'description':'<tenant>.<id>, "
                                          "as the address of the source tells.','schema':{'type':'string'}},"
                                          "{'name':'webhook-id','in':'header','schema':{'type':'string'}},"
                                          "{'name':'webhook-timestamp','in':'header','schema':{'type':'string'}},"
                                          "{'name':'webhook-signature','in':'header','schema':{'type':'string'}}],"
                                          "'requestBody':{'required':true,'content':{'application/cloudevents+json':{},"
                                          "'application/cloudevents-batch+json':{},'*/*':{}}},"
                                          "'responses':{'202':{'description':'It is in the log.','content':{'application/json':{"
                                          "'schema':{'type':'object','required':['events'],'properties':{'events':{'type':'array',"
                                          "'items':{'type':'object','required':['id'],'properties':{'id':{'type':'string'},"
                                          "'position':{'type':'string'},'repeated':{'type':'boolean'}}}}}}}}}}}");

    for (int i = 0; problems[i] != NULL; i++)
        put(json_object_get(op, "responses"), problems[i], reference("responses", "Problem"));
    add_operation(d, "/api/v1/ingest/{source}", "post", op);
}

/* --- log-in: the edge's own, where there are users ------------------------------------------ */

#define TENANT "'tenant':{'type':'string','format':'uuid'}"
#define SECRET(name, words) \
    "'" name "':{'type':'string','writeOnly':true,'description':'" words "'}"

typedef struct {
    const char *path, *method, *id, *summary, *description;
    bool        open;     /* needs no token */
    const char *required; /* members of the body, as JSON; NULL: no body */
    const char *members;
    const char *status, *answer; /* a name below components/schemas; NULL: no body */
} auth_operation;

static const auth_operation auth_operations[] = {
    {"/api/v1/auth/login", "post", "log_in", "Logs in.",
     "Whoever fails is told AUTH_FAILED, be there no such user, a wrong password or a lock.", true,
     "['tenant','email','password']",
     TENANT ",'email':{'type':'string','format':'email'}," SECRET(
         "password",
         "At most 72 bytes.") "," SECRET("totp",
                                         "Where it is on: six digits. Without it the answer is "
                                         "TOTP_NEEDED.") ",'device':{'type':'string','maxLength':"
                                                         "100,'description'"
                                                         ":'What the client calls itself.'},"
                                                         "'cookie':{'type':'boolean','default':"
                                                         "false,'description'"
                                                         ":'true: the refresh token comes as a "
                                                         "cookie shina_refresh (HttpOnly, Secure, "
                                                         "SameSite=Strict), not in the body.'}",
     "200", "Tokens"},
    {"/api/v1/auth/refresh", "post", "refresh", "Takes a refresh token for the next tokens.",
     "Each is taken once; shown again it ends the session. Without one in the body it is that of "
     "the cookie.",
     true, "[]", SECRET("refresh_token", "Of the answer before."), "200", "Tokens"},
    {"/api/v1/auth/set-password", "post", "set_password",
     "Accepts an invitation, or sets a new password, by a code.",
     "The code is that of POST /users, reinvite or reset-password.", true,
     "['tenant','user_id','code','password']",
     TENANT ",'user_id':{'type':'string','format':'uuid'}," SECRET("code", "Told once.") "," SECRET(
         "password", "Not too short, and not a common one."),
     "200", "Answer"},
    {"/api/v1/auth/password", "post", "change_password", "Changes one's own password.",
     "All sessions end, this one too.", false, "['password','new_password']",
     SECRET("password", "The present one.") "," SECRET("new_password", "The new one."), "200",
     "Answer"},
    {"/api/v1/auth/logout", "post", "log_out", "Ends the session of the token.", "", false, "[]",
     "", "204", NULL},
    {"/api/v1/auth/totp", "post", "begin_totp", "Begins one-time passwords (RFC 6238).",
     "The answer has the secret, and a uri for a QR code, once. On it is after the next step.",
     false, "['password']", SECRET("password", "The present one."), "200", "TotpSecret"},
    {"/api/v1/auth/totp/confirm", "post", "confirm_totp",
     "Switches one-time passwords on, by one of them.", "", false, "['totp']",
     SECRET("totp", "Six digits."), "200", "Answer"},
    {"/api/v1/auth/totp/disable", "post", "end_totp", "Switches one-time passwords off.",
     "Who has lost his device asks an ADMIN.", false, "['password','totp']",
     SECRET("password", "The present one.") "," SECRET("totp", "Six digits."), "200", "Answer"},
    {"/api/v1/auth/sessions", "get", "own_sessions", "Where one is logged in.", "", false, NULL,
     NULL, "200", "OwnSessions"},
};

static json_t *
auth_operation_of(const auth_operation *o)
{
    static const char *const problems[] = {"401", "403", "415", "422", "503", "504", NULL};
    json_t *op = parsed("{'tags':['shina'],'responses':{}}"), *done = json_object();

    put_text(op, "operationId", o->id);
    put_text(op, "summary", o->summary);
    if (*o->description != '\0')
        put_text(op, "description", o->description);
    if (o->open)
        put(op, "security", json_array());
    if (o->required != NULL)
        put(op, "requestBody",
            parsed(text("{'required':true,'content':{'application/json':{'schema':{'type':'object',"
                        "'additionalProperties':false,'required':%s,'properties':{%s}}}}}",
                        o->required, o->members)));
    put_text(done, "description", "Done.");
    if (o->answer != NULL)
        put(done, "content",
            parsed(text("{'application/json':{'schema':{'$ref':'#/components/schemas/%s'}}}",
                        o->answer)));
    put(json_object_get(op, "responses"), o->status, done);
    for (int i = 0; problems[i] != NULL; i++)
        put(json_object_get(op, "responses"), problems[i], reference("responses", "Problem"));
    return op;
}

static void
add_auth(document *d)
{
    put(d->schemas, "Tokens",
        parsed(
            "{'type':'object','required':['access_token','token_type','expires_in','user_id',"
            "'session_id'],'properties':{'access_token':{'type':'string','description':'A JWT: "
            "Authorization: Bearer.'},'token_type':{'const':'Bearer'},'expires_in':{'type':"
            "'integer','description':'Seconds.'},'user_id':{'type':'string','format':'uuid'},"
            "'session_id':{'type':'string','format':'uuid'},'refresh_token':{'type':'string'}}}"));
    put(d->schemas, "TotpSecret",
        parsed("{'allOf':[{'$ref':'#/components/schemas/Answer'},{'type':'object','required':["
               "'secret','uri'],'properties':{'secret':{'type':'string'},'uri':{'type':'string'}}}]"
               "}"));
    put(d->schemas, "OwnSessions",
        parsed("{'type':'object','required':['items'],'properties':{'items':{'type':'array',"
               "'maxItems':100,'items':{'type':'object','required':['id','present','began_at',"
               "'expires_at'],'properties':{'id':{'type':'string','format':'uuid'},'present':{"
               "'type':'boolean','description':'It is that of the token.'},'device':{'type':"
               "'string'},'began_at':{'type':'integer'},'refreshed_at':{'type':'integer'},"
               "'expires_at':{'type':'integer'}}}}}}"));
    for (size_t i = 0; i < sizeof(auth_operations) / sizeof(auth_operations[0]); i++)
        add_operation(d, auth_operations[i].path, auth_operations[i].method,
                      auth_operation_of(&auth_operations[i]));
}

/* --- the audit: the edge's own ------------------------------------------------------------- */

static void
add_audit_parameters(json_t *op)
{
    static const struct {
        const char *name, *schema, *description;
    } filters[] = {
        {"entity", "{'type':'string','format':'uuid'}", "What it was about."},
        {"actor", "{'type':'string','format':'uuid'}", "Who it was."},
        {"domain", "{'type':'string'}", ""},
        {"type", "{'type':'string'}", "A command, a view, auth.login and the like."},
        {"action", "{'enum':['COMMAND','AUTH','READ']}", ""},
        {"outcome", "{'enum':['ACCEPTED','REFUSED','FAILED']}", ""},
        {"code", "{'type':'string'}", "Of a refusal."},
        {"address", "{'type':'string'}", "From where."},
        {"from", "{'type':['integer','string']}", "At or after: RFC 3339, or UTC milliseconds."},
        {"to", "{'type':['integer','string']}", "Before."},
    };
    json_t *parameters = json_array();

    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        json_t *parameter = parsed(
            text("{'name':'%s','in':'query','schema':%s}", filters[i].name, filters[i].schema));

        if (*filters[i].description != '\0')
            put_text(parameter, "description", filters[i].description);
        add(parameters, parameter);
    }
    add(parameters, reference("parameters", "Limit"));
    add(parameters, reference("parameters", "Cursor"));
    put(op, "parameters", parameters);
}

static void
add_audit_item(document *d)
{
    static const char *const problems[] = {"401", "403", "404", "503", NULL};
    json_t                  *op =
        parsed("{'tags':['shina'],'operationId':'read_audit','summary':'A row of the audit, with "
               "what it changed.','description':'Of an accepted command whose item has a view that "
               "you may read: its row before and after, folded from the events; null: it was not "
               "there.','parameters':[{'name':'seq','in':'path','required':true,'schema':{'type':"
               "'integer','minimum':1}}],'responses':{'200':{'description':'The row.','content':{"
               "'application/json':{'schema':{'allOf':[{'$ref':'#/components/schemas/AuditEntry'},"
               "{'type':'object','properties':{'view':{'type':'string'},'before':{'type':['object',"
               "'null']},'after':{'type':['object','null']},'unknown':{'type':'string',"
               "'description':'Why they cannot be told: a code.'}}}]}}}}}}");

    for (int i = 0; problems[i] != NULL; i++)
        put(json_object_get(op, "responses"), problems[i], reference("responses", "Problem"));
    add_operation(d, "/api/v1/audit/{seq}", "get", op);
}

static void
add_audit(document *d)
{
    static const char *const problems[] = {"401", "403", "422", "503", NULL};
    json_t                  *op = parsed(
                         "{'tags':['shina'],'operationId':'list_audit','summary':'Who did what, when and from "
                                          "where.','description':'Newest first: commands, done or refused, log-ins, reads of "
                                          "personal "
                                          "data. ADMIN sees all of the tenant, DISPATCHER what he did himself. A row is there "
                                          "a moment after the answer that it tells of.','responses':{'200':{'description':'A page.',"
                                          "'content':{'application/"
                                          "json':{'schema':{'type':'object','required':['items','next_cursor'],"
                                          "'properties':{'items':{'type':'array','items':{'$ref':'#/components/schemas/AuditEntry'}},"
                                          "'next_cursor':{'type':['string','null']}}}}}}}}");

    add_audit_parameters(op);
    for (int i = 0; problems[i] != NULL; i++)
        put(json_object_get(op, "responses"), problems[i], reference("responses", "Problem"));
    add_operation(d, "/api/v1/audit", "get", op);
    add_audit_item(d);
    put(d->schemas, "AuditEntry",
        parsed("{'type':'object','required':['seq','at','action','outcome','type','detail','hash'],"
               "'properties':{'seq':{'type':'integer','minimum':1,'description':'In the chain of "
               "the tenant, without gaps.'},'at':{'type':'integer','description':'UTC "
               "milliseconds.'},'action':{'enum':['COMMAND','AUTH','READ']},"
               "'outcome':{'enum':['ACCEPTED','REFUSED','FAILED'],'description':'FAILED: nobody "
               "refused it, and it may have been done all the same.'},"
               "'code':{'type':'string'},'actor':{'type':'string','format':'uuid'},"
               "'domain':{'type':'string'},'type':{'type':'string'},"
               "'entity':{'type':'string','format':'uuid'},"
               "'address':{'type':'string','description':'Not there: erased, or unknown.'},"
               "'agent':{'type':'string','description':'User-Agent.'},'detail':{'type':'object',"
               "'properties':{'status':{'type':'integer'},'trace_id':{'type':'string'},"
               "'session_id':{'type':'string','format':'uuid'},'command_id':{'type':'string',"
               "'format':'uuid'},'version':{'type':'integer'},'position':{'type':'string'},"
               "'repeated':{'type':'boolean'},'rows':{'type':'integer'}}},"
               "'hash':{'type':'string','description':'SHA-256, of the row before it, too.'}}}"));
}

static json_t *
components(void)
{
    return parsed(
        "{'securitySchemes':{'token':{'type':'http','scheme':'bearer','bearerFormat':'JWT',"
        "'description':'HS256; carries tenant, user and role.'}},"
        "'headers':{"
        "'ETag':{'description':'The version, quoted.','schema':{'type':'string'}},"
        "'Location':{'description':'Where it will be seen.','schema':{'type':'string'}},"
        "'RetryAfter':{'description':'Seconds; with 503 and 504.','schema':{'type':'integer'}},"
        "'IdempotencyReplayed':{'description':'true: this is the first answer again.',"
        "'schema':{'type':'string'}}},"
        "'responses':{"
        "'Created':{'description':'It exists and is durable.','headers':{"
        "'Location':{'$ref':'#/components/headers/Location'},"
        "'ETag':{'$ref':'#/components/headers/ETag'},"
        "'Idempotency-Replayed':{'$ref':'#/components/headers/IdempotencyReplayed'}},"
        "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Answer'}}}},"
        "'Done':{'description':'It happened and is durable.','headers':{"
        "'ETag':{'$ref':'#/components/headers/ETag'},"
        "'Idempotency-Replayed':{'$ref':'#/components/headers/IdempotencyReplayed'}},"
        "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Answer'}}}},"
        "'Problem':{'description':'Why not; code tells programs, detail tells people.','headers':{"
        "'Retry-After':{'$ref':'#/components/headers/RetryAfter'}},"
        "'content':{'application/problem+json':{"
        "'schema':{'$ref':'#/components/schemas/Problem'}}}}},"
        "'parameters':{"
        "'Id':{'name':'id','in':'path','required':true,'schema':{'type':'string',"
        "'format':'uuid'}},"
        "'IdempotencyKey':{'name':'Idempotency-Key','in':'header','description':'The same key "
        "gives the same answer, once done.','schema':{'type':'string','minLength':1,"
        "'maxLength':255}},"
        "'IfMatch':{'name':'If-Match','in':'header','description':'The ETag that was read; 412 if "
        "it has changed.','schema':{'type':'string'}},"
        "'IfNoneMatch':{'name':'If-None-Match','in':'header','description':'The ETag that was "
        "read; 304 if it has not changed.','schema':{'type':'string'}},"
        "'DeviceAt':{'name':'X-Device-At','in':'header','description':'When the device says it "
        "happened: RFC 3339, or UTC milliseconds, not before 2000.','schema':{'type':'string'}},"
        "'AcceptLanguage':{'name':'Accept-Language','in':'header','schema':{'type':'string'},"
        "'description':'en or ru, for the detail of problems.'},"
        "'Traceparent':{'name':'traceparent','in':'header','schema':{'type':'string'},"
        "'description':'W3C Trace Context.'},"
        "'XAfter':{'name':'X-After','in':'header','schema':{'type':'string'},'description':"
        "'A position that an answer carried: wait until the view has it.'},"
        "'AsOf':{'name':'as_of','in':'query','schema':{'type':'string'},'description':'The row as "
        "it was then, folded from the log: a position that an answer of this domain and partition "
        "carried, or a time (RFC 3339). Members joined from other views are of now.'},"
        "'Limit':{'name':'limit','in':'query','schema':{'type':'integer','minimum':1,"
        "'maximum':200,'default':50}},"
        "'Cursor':{'name':'cursor','in':'query','schema':{'type':'string'},'description':"
        "'next_cursor of the page before.'}}}");
}

static void
add_own_schemas(json_t *schemas)
{
    put(schemas, "Answer",
        parsed("{'type':'object','required':['id','version','position'],'properties':{"
               "'id':{'type':'string','format':'uuid'},"
               "'version':{'type':'integer','minimum':0},"
               "'position':{'type':'string','description':'Opaque; give it as X-After to read "
               "what was written.'},"
               "'secret':{'type':'string','description':'One that was made for you: told here and "
               "in the answer to a repeat, and nowhere else.'}}}"));
    put(schemas, "Problem",
        parsed("{'type':'object','description':'RFC 9457.','required':['type','title','status',"
               "'code','detail','trace_id'],'properties':{'type':{'type':'string'},"
               "'title':{'type':'string'},'status':{'type':'integer'},"
               "'code':{'type':'string','description':'Stable; refusals are in x-refusals.'},"
               "'detail':{'type':'string'},'trace_id':{'type':'string'},"
               "'params':{'type':'object','description':'Of a refusal: what its text tells.'},"
               "'errors':{'type':'array','description':'Of bad input.','items':{'type':'object',"
               "'required':['pointer','message'],'properties':{'pointer':{'type':'string',"
               "'description':'JSON pointer into the body, or /query/<parameter>.'},"
               "'message':{'type':'string'}}}}}}"));
}

static json_t *
refusals_of(const document *d)
{
    json_t *out = json_object();

    for (int c = 0; c < d->count; c++)
        for (int i = 0; i < d->all[c]->refusals_count; i++) {
            const refusal *r = &d->all[c]->refusals[i];
            json_t        *one = json_object(), *params = json_object();

            put_text(one, "module", d->all[c]->module);
            put(one, "status", json_integer(r->status));
            put_text(one, "en", r->en);
            put_text(one, "ru", r->ru);
            for (int p = 0; r->params != NULL && p < r->params->members_count; p++)
                put(params, r->params->members[p].name,
                    plain_schema(d->all[c], r->params->members[p].type->schema));
            if (json_object_size(params) > 0)
                put(one, "params", params);
            else
                json_decref(params);
            put(out, r->code, one);
        }
    return out;
}

static void
add_definitions(document *d, const contract *c)
{
    json_t     *defs = json_object_get(c->json, "$defs"), *value;
    const char *name;

    json_object_foreach(defs, name, value)
        put(d->schemas, text("%s.%s", c->module, name), shared_schema(c, value));
}

static void
add_contract(document *d, const contract *c)
{
    json_t *tag = json_object();

    put_text(tag, "name", c->module);
    put_text(tag, "description", description_of(c->json));
    add(d->tags, tag);
    add_definitions(d, c);
    for (int a = 0; a < c->aggregates_count; a++)
        for (int i = 0; i < c->aggregates[a].commands_count; i++)
            if (c->aggregates[a].commands[i].path != NULL)
                add_command(d, c, &c->aggregates[a].commands[i]);
    for (int v = 0; v < c->views_count; v++) {
        if (c->views[v].list != NULL || c->views[v].item != NULL)
            add_row(d, c, &c->views[v]);
        if (c->views[v].list != NULL)
            add_list(d, c, &c->views[v]);
        if (c->views[v].item != NULL)
            add_item(d, c, &c->views[v]);
    }
}

json_t *
openapi_of(contract *const *all, int count, const contract *common)
{
    document d = {all, count, json_object(), json_object(), json_array()};
    json_t  *out = json_object(), *parts = components();

    put_text(out, "openapi", "3.1.0");
    put(out, "info",
        parsed("{'title':'shina','version':'1','summary':'CRM of a carrier: commands and views.',"
               "'license':{'name':'Apache-2.0','identifier':'Apache-2.0'}}"));
    put(out, "servers", parsed("[{'url':'/'}]"));
    put(out, "security", parsed("[{'token':[]}]"));
    add_own_schemas(d.schemas);
    if (common != NULL)
        add_definitions(&d, common);
    for (int c = 0; c < count; c++)
        add_contract(&d, all[c]);
    add_kernel(&d);
    add_batch(&d);
    add_operation(&d, "/api/v1/events/{domain}", "get", feed_operation(all, count));
    put(d.schemas, "CloudEvent", cloud_event_schema());
    add_ingest(&d);
    add_audit(&d);
    for (int c = 0; c < count; c++)
        if (strcmp(all[c]->module, "users") == 0)
            add_auth(&d);
    put(out, "tags", d.tags);
    put(out, "paths", d.paths);
    put(parts, "schemas", d.schemas);
    put(out, "components", parts);
    put(out, "x-refusals", refusals_of(&d));
    return out;
}
