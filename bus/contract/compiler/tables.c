/* tables.c - contracts/<domain>.c: the contract as constant tables.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ADD(...) bus_buf_printf(out, __VA_ARGS__)

static int             last_shape;
static const contract *current; /* whose .c is written */

static const char *const kinds[] = {"BOOL", "INT",  "NUMBER", "STRING", "ENUM",  "UUID",
                                    "DATE", "TIME", "OBJECT", "ARRAY",  "UNION", "JSON"};

/* A C string literal; NULL becomes NULL. Long ones in pieces. */
static void
literal(const char *s, bus_buf *out)
{
    int column = 0;

    if (s == NULL) {
        ADD("NULL");
        return;
    }
    ADD("\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\')
            ADD("\\%c", c);
        else if (c == '\n')
            ADD("\\n");
        else if (c < 0x20 || c == 0x7f || c == '?')
            ADD("\\%03o", c);
        else
            bus_buf_add_char(out, (char)c);
        if (++column >= 90 && (c & 0x80) == 0) {
            ADD("\"\n    \"");
            column = 0;
        }
    }
    ADD("\"");
}

static void
field(const char *name, const char *value, bus_buf *out)
{
    ADD("    .%s = ", name);
    literal(value, out);
    ADD(",\n");
}

/* sizeof of the C form of a value */
static const char *
size_of(const type *t)
{
    switch (t->kind) {
    case BUS_KIND_BOOL: return "sizeof(bool)";
    case BUS_KIND_INT:
    case BUS_KIND_TIME: return "sizeof(int64_t)";
    case BUS_KIND_NUMBER: return "sizeof(double)";
    case BUS_KIND_STRING:
    case BUS_KIND_JSON: return "sizeof(bus_str)";
    case BUS_KIND_UUID: return "sizeof(bus_id)";
    case BUS_KIND_DATE:
    case BUS_KIND_ENUM: return "sizeof(int32_t)";
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION: return text("sizeof(struct %s)", t->c_name);
    }
    return "0";
}

static const char *
integer(int64_t n)
{
    if (n == INT64_MIN)
        return "INT64_MIN";
    return text("INT64_C(%" PRId64 ")", n);
}

static void write_shape(type *t, bus_buf *out);

static void
write_members(const type *t, int number, bus_buf *out)
{
    for (int i = 0; i < t->members_count; i++)
        write_shape(t->members[i].type, out);
    if (t->members_count == 0)
        return;
    ADD("static const bus_field fields_%d[] = {\n", number);
    for (int i = 0; i < t->members_count; i++) {
        const member *m = &t->members[i];

        ADD("    { .name = \"%s\", .shape = &shape_%d,\n", m->name, m->type->shape);
        ADD("      .offset = offsetof(struct %s, %s),\n", t->c_name, m->c_name);
        if (m->has)
            ADD("      .has_offset = offsetof(struct %s, has_%s),\n", t->c_name, m->name);
        else
            ADD("      .has_offset = BUS_NO_OFFSET,\n");
        ADD("      .required = %s, .nullable = %s,\n      .default_json = ",
            m->required ? "true" : "false", m->nullable ? "true" : "false");
        literal(m->default_json, out);
        ADD(", .personal = ");
        literal(m->personal, out);
        ADD(", .masked_for = ");
        literal(m->masked_for, out);
        if (m->secret)
            ADD(", .secret = true");
        if (m->hashed)
            ADD(", .hashed = true");
        ADD(" },\n");
    }
    ADD("};\n");
}

static void
write_variants(const type *t, int number, bus_buf *out)
{
    for (int i = 0; i < t->variants_count; i++)
        write_shape(t->variants[i], out);
    ADD("static const bus_variant variants_%d[] = {\n", number);
    for (int i = 0; i < t->variants_count; i++) {
        ADD("    { ");
        literal(t->tag_values[i], out);
        ADD(", &shape_%d },\n", t->variants[i]->shape);
    }
    ADD("};\n");
}

static void
write_details(const type *t, int number, bus_buf *out)
{
    switch (t->kind) {
    case BUS_KIND_NUMBER:
        ADD("    .number_minimum = %.17g, .number_maximum = %.17g, .number_multiple_of = %.17g,\n"
            "    .number_minimum_exclusive = %d, .number_maximum_exclusive = %d,\n",
            t->number_minimum, t->number_maximum, t->number_multiple_of,
            t->number_minimum_exclusive, t->number_maximum_exclusive);
        break;
    case BUS_KIND_STRING:
        if (t->pattern != NULL) {
            field("pattern", t->pattern, out);
            ADD("    .pattern_code = &pattern_%d,\n", number);
        }
        ADD("    .format = %s,\n", t->format == BUS_FORMAT_EMAIL  ? "BUS_FORMAT_EMAIL"
                                   : t->format == BUS_FORMAT_E164 ? "BUS_FORMAT_E164"
                                                                  : "BUS_FORMAT_NONE");
        break;
    case BUS_KIND_ENUM:
        ADD("    .names = names_%d, .names_count = %d,\n", number, t->names_count);
        break;
    case BUS_KIND_OBJECT:
        if (t->members_count > 0)
            ADD("    .fields = fields_%d, .fields_count = %d,\n", number, t->members_count);
        ADD("    .additional_properties = %s,\n", t->additional ? "true" : "false");
        break;
    case BUS_KIND_ARRAY:
        ADD("    .item = &shape_%d, .unique_items = %s,\n", t->item->shape,
            t->unique ? "true" : "false");
        break;
    case BUS_KIND_UNION:
        field("tag", t->tag, out);
        /* the union is anonymous: its offset is that of its first variant */
        ADD("    .variants = variants_%d, .variants_count = %d,\n"
            "    .variants_offset = offsetof(struct %s, %s),\n",
            number, t->variants_count, t->c_name, c_member(lower(t->tag_values[0])));
        break;
    case BUS_KIND_BOOL:
    case BUS_KIND_INT:
    case BUS_KIND_UUID:
    case BUS_KIND_DATE:
    case BUS_KIND_TIME:
    case BUS_KIND_JSON: break;
    }
}

/* The shape's table, after those of what it is made of. */
static void
write_shape(type *t, bus_buf *out)
{
    int number;

    if (t->shape_in == current)
        return;
    number = ++last_shape;
    if (t->kind == BUS_KIND_OBJECT)
        write_members(t, number, out);
    if (t->kind == BUS_KIND_ARRAY)
        write_shape(t->item, out);
    if (t->kind == BUS_KIND_UNION)
        write_variants(t, number, out);
    if (t->kind == BUS_KIND_ENUM) {
        ADD("static const char *const names_%d[] = {", number);
        for (int i = 0; i < t->names_count; i++) {
            ADD("%s", i == 0 ? " " : ", ");
            literal(t->names[i], out);
        }
        ADD(" };\n");
    }
    if (t->kind == BUS_KIND_STRING && t->pattern != NULL)
        ADD("static void *pattern_%d;\n", number);
    ADD("static const bus_shape shape_%d = {\n    .kind = BUS_KIND_%s, .size = %s,\n", number,
        kinds[t->kind], size_of(t));
    if (t->kind == BUS_KIND_INT || t->kind == BUS_KIND_STRING || t->kind == BUS_KIND_ARRAY)
        ADD("    .minimum = %s, .maximum = %s, .multiple_of = %s,\n", integer(t->minimum),
            integer(t->maximum), integer(t->multiple_of));
    write_details(t, number, out);
    if (is_personal(t))
        ADD("    .personal = true,\n");
    ADD("};\n");
    t->shape = number;
    t->shape_in = current;
}

/* --- messages ------------------------------------------------------------------------------ */

static const char *
roles_expression(uint32_t roles)
{
    const char *e = "0";

    if ((roles & BUS_ROLE_ADMIN) != 0)
        e = text("%s | BUS_ROLE_ADMIN", e);
    if ((roles & BUS_ROLE_DISPATCHER) != 0)
        e = text("%s | BUS_ROLE_DISPATCHER", e);
    if ((roles & BUS_ROLE_DRIVER) != 0)
        e = text("%s | BUS_ROLE_DRIVER", e);
    if ((roles & BUS_ROLE_VIEWER) != 0)
        e = text("%s | BUS_ROLE_VIEWER", e);
    return e;
}

static void
write_message(const contract *c, const aggregate *a, const message *m, const char *symbol,
              bus_buf *out)
{
    static const char *const ons[] = {"BUS_ON_EXISTING", "BUS_ON_NEW", "BUS_ON_ANY"};
    static const char *const bys[] = {"BUS_BY_CLIENT", "BUS_BY_SERVICE", "BUS_BY_WAKE",
                                      "BUS_BY_ANSWER"};

    ADD("%sconst bus_message %s = {\n", m->upcast_to != NULL ? "static " : "", symbol);
    field("type", m->type, out);
    field("name", m->name, out);
    ADD("    .aggregate = &%s_%s,\n", c->module, a->name);
    if (m->data != NULL)
        ADD("    .shape = &shape_%d,\n", m->data->shape);
    if (m->upcast_to != NULL)
        ADD("    .kind = -1, .version = %d,\n    .upcast_to = &%s,\n    .upcast = upcast_%s,\n",
            m->version, event_symbol(m->upcast_to->type), m->c_name);
    else
        ADD("    .kind = %s_%s, .version = %d,\n", upper(c->module), upper(m->c_name), m->version);
    if (m->version == 0) {
        ADD("    .on = %s, .by = %s,\n", ons[m->on], bys[m->by]);
        field("http_method", m->method, out);
        field("http_path", m->path, out);
        ADD("    .roles = %s, .roles_own = %s,\n", roles_expression(m->roles),
            roles_expression(m->roles_own));
    }
    if (m->forgets)
        ADD("    .forgets = true,\n");
    ADD("};\n");
}

/* An older version of an event, behind the newer ones that it points to. */
static void
write_superseded(const contract *c, const aggregate *a, const message *m, bus_buf *out)
{
    write_shape(m->data, out);
    ADD("static void\nupcast_%s(const void *from, void *to, bus_upcasting *out)\n{\n"
        "    %s(from, to, out);\n}\n",
        m->c_name, upcast_symbol(c->module, m));
    write_message(c, a, m, event_symbol(m->type), out);
}

/* Writes the names of the newest versions, or of the others; returns how many. */
static int
list_events(const aggregate *a, const char *name, bool superseded, bus_buf *out)
{
    int count = 0;

    for (int i = 0; i < a->events_count; i++)
        count += (a->events[i].upcast_to != NULL) == superseded;
    if (count == 0)
        return 0;
    ADD("static const bus_message *const %s_%s[] = {\n", name,
        superseded ? "superseded" : "events");
    for (int i = 0; i < a->events_count; i++)
        if ((a->events[i].upcast_to != NULL) == superseded)
            ADD("    &%s,\n", event_symbol(a->events[i].type));
    ADD("};\n");
    return count;
}

static void
write_events(const contract *c, const aggregate *a, bus_buf *out)
{
    int highest = 0;

    for (int i = 0; i < a->events_count; i++) {
        if (a->events[i].version > highest)
            highest = a->events[i].version;
        if (a->events[i].upcast_to != NULL)
            continue;
        write_shape(a->events[i].data, out);
        write_message(c, a, &a->events[i], event_symbol(a->events[i].type), out);
    }
    for (int version = highest; version > 0; version--)
        for (int i = 0; i < a->events_count; i++)
            if (a->events[i].upcast_to != NULL && a->events[i].version == version)
                write_superseded(c, a, &a->events[i], out);
}

static const message *
newest_event(const aggregate *a)
{
    int i = 0;

    while (a->events[i].upcast_to != NULL)
        i++;
    return &a->events[i];
}

static void
write_aggregate(const contract *c, const aggregate *a, bus_buf *out)
{
    const char *name = text("%s_%s", c->module, a->name);
    int         events, superseded;

    for (int i = 0; i < a->commands_count; i++) {
        if (a->commands[i].data != NULL)
            write_shape(a->commands[i].data, out);
        write_message(c, a, &a->commands[i], command_symbol(a->commands[i].type), out);
    }
    write_events(c, a, out);
    ADD("static const bus_message *const %s_commands[] = {\n", name);
    for (int i = 0; i < a->commands_count; i++)
        ADD("    &%s,\n", command_symbol(a->commands[i].type));
    ADD("};\n");
    events = list_events(a, name, false, out);
    superseded = list_events(a, name, true, out);
    ADD("const bus_aggregate_contract %s = {\n    .name = \"%s\",\n"
        "    .contract = &%s_contract,\n    .commands = %s_commands, .events = %s_events,\n"
        "    .commands_count = %d, .events_count = %d,\n",
        name, a->name, c->module, name, name, a->commands_count, events);
    if (superseded > 0)
        ADD("    .superseded = %s_superseded, .superseded_count = %d,\n", name, superseded);
    if (a->feed_roles != 0)
        ADD("    .feed_roles = %s,\n", roles_expression(a->feed_roles));
    ADD("    .command_size = sizeof(struct %s_command),\n"
        "    .command_data_offset = offsetof(struct %s_command, %s),\n",
        name, name, c_member(a->commands[0].c_name));
    ADD("    .event_size = sizeof(struct %s_event),\n"
        "    .event_data_offset = offsetof(struct %s_event, %s),\n};\n\n",
        name, name, c_member(newest_event(a)->c_name));
}

/* --- refusals, views, the contract ------------------------------------------------------------ */

static void
write_refusals(const contract *c, bus_buf *out)
{
    if (c->refusals_count == 0)
        return;
    for (int i = 0; i < c->refusals_count; i++)
        if (c->refusals[i].params != NULL)
            write_shape(c->refusals[i].params, out);
    ADD("const bus_refusal %s_refusals[%d] = {\n", c->module, c->refusals_count);
    for (int i = 0; i < c->refusals_count; i++) {
        const refusal *r = &c->refusals[i];

        ADD("    { .code = \"%s\", .status = %d,\n", r->code, r->status);
        if (r->params != NULL)
            ADD("      .params = &shape_%d,\n", r->params->shape);
        ADD("      .en = ");
        literal(r->en, out);
        ADD(",\n      .ru = ");
        literal(r->ru, out);
        ADD(" },\n");
    }
    ADD("};\n\n");
}

static int
field_index(const type *row, const char *name)
{
    int i = 0;

    while (strcmp(row->members[i].name, name) != 0)
        i++;
    return i;
}

static void
write_view(const contract *c, const view *v, bus_buf *out)
{
    const json_t *joins = json_object_get(v->json, "joins"), *join;
    size_t        i;

    write_shape(v->row, out);
    if (v->columns_count > 0) {
        ADD("static const bus_column %s_columns[] = {\n", v->name);
        for (int n = 0; n < v->columns_count; n++)
            ADD("    { .name = \"%s\", .field = &fields_%d[%d], .filter = %s, .sort = %s%s },\n",
                v->columns[n].name, v->row->shape, field_index(v->row, v->columns[n].name),
                v->columns[n].filter ? "true" : "false", v->columns[n].sort ? "true" : "false",
                v->columns[n].folded ? ", .folded = true" : "");
        ADD("};\n");
    }
    if (json_array_size(joins) > 0) {
        ADD("static const bus_join %s_joins[] = {\n", v->name);
        json_array_foreach(joins, i, join)
            ADD("    { .view = \"%s\", .by = \"%s\", .take = \"%s\", .as = \"%s\" },\n",
                json_string_value(json_object_get(join, "view")),
                json_string_value(json_object_get(join, "by")),
                json_string_value(json_object_get(join, "take")),
                json_string_value(json_object_get(join, "as")));
        ADD("};\n");
    }
    if (is_analytic(v))
        write_windows(v, out);
    ADD("static const bus_message *const %s_follows[] = {\n", v->name);
    for (int n = 0; n < v->follows_count; n++)
        ADD("    &%s,\n", event_symbol(v->follows[n]));
    ADD("};\nconst bus_view_contract %s_view = {\n    .name = \"%s\", .contract = &%s_contract,\n",
        v->name, v->name, c->module);
    if (v->of != NULL)
        ADD("    .of = &%s_%s,\n", c->module, v->of);
    ADD("    .row = &shape_%d,\n", v->row->shape);
    field("http_list", v->list, out);
    field("http_item", v->item, out);
    ADD("    .roles = %s, .roles_own = %s,\n    .roles_granted = %s, .grants = %" PRIu32 "u,\n",
        roles_expression(v->roles), roles_expression(v->roles_own),
        roles_expression(v->roles_granted), v->grants);
    field("own", v->own, out);
    field("own_from", v->own_from, out);
    field("own_until", v->own_until, out);
    if (v->columns_count > 0)
        ADD("    .columns = %s_columns, .columns_count = %d,\n", v->name, v->columns_count);
    if (json_array_size(joins) > 0)
        ADD("    .joins = %s_joins, .joins_count = %zu,\n", v->name, json_array_size(joins));
    field("default_sort", v->default_sort, out);
    if (is_analytic(v))
        ADD("    .windows = &%s_windows,\n", v->name);
    else if (v->analytic != NULL)
        ADD("    .part_of = &%s_view,\n", v->analytic->name);
    ADD("    .follows = %s_follows, .follows_count = %d,\n    .hash = UINT64_C(0x%016" PRIx64
        "),\n};\n\n",
        v->name, v->follows_count, v->hash);
}

static void
write_list(const char *name, const char *const *symbols, int count, bus_buf *out)
{
    if (count == 0)
        return;
    ADD("static const bus_message *const %s[] = {\n", name);
    for (int i = 0; i < count; i++)
        ADD("    &%s,\n", symbols[i]);
    ADD("};\n");
}

static void
write_contract(const contract *c, bus_buf *out)
{
    const char *symbols[LIST_MAX];
    char       *json = json_dumps(c->json, JSON_COMPACT);

    ADD("static const bus_aggregate_contract *const aggregates[] = {\n");
    for (int i = 0; i < c->aggregates_count; i++)
        ADD("    &%s_%s,\n", c->module, c->aggregates[i].name);
    ADD("};\n");
    if (c->views_count > 0) {
        ADD("static const bus_view_contract *const views[] = {\n");
        for (int i = 0; i < c->views_count; i++)
            ADD("    &%s_view,\n", c->views[i].name);
        ADD("};\n");
    }
    for (int i = 0; i < c->follows_count; i++)
        symbols[i] = event_symbol(c->follows[i]);
    write_list("follows", symbols, c->follows_count, out);
    for (int i = 0; i < c->sends_count; i++)
        symbols[i] = command_symbol(c->sends[i]);
    write_list("sends", symbols, c->sends_count, out);
    ADD("const bus_contract %s_contract = {\n    .module = \"%s\",\n"
        "    .aggregates = aggregates, .aggregates_count = %d,\n",
        c->module, c->module, c->aggregates_count);
    if (c->refusals_count > 0)
        ADD("    .refusals = %s_refusals, .refusals_count = %d,\n", c->module, c->refusals_count);
    if (c->views_count > 0)
        ADD("    .views = views, .views_count = %d,\n", c->views_count);
    if (c->follows_count > 0)
        ADD("    .follows = follows, .follows_count = %d,\n", c->follows_count);
    if (c->sends_count > 0)
        ADD("    .sends = sends, .sends_count = %d,\n", c->sends_count);
    if (c->settings != NULL)
        ADD("    .settings = &shape_%d,\n", c->settings->shape);
    if (c->what_if != NULL)
        ADD("    .what_if = &shape_%d,\n", c->what_if->shape);
    field("json", json, out);
    ADD("};\n");
    free(json);
}

static void
include_once(const char *domain, const char **seen, int *count, bus_buf *out)
{
    for (int i = 0; i < *count; i++)
        if (strcmp(seen[i], domain) == 0)
            return;
    seen[(*count)++] = domain;
    ADD("#include \"contracts/%s.h\"\n", domain);
}

void
write_tables(contract *c, bus_buf *out)
{
    const char *seen[LIST_MAX];
    int         count = 0;

    last_shape = 0;
    current = c;
    ADD("/* Written by shina-contract from schemas/%s.json: do not edit. */\n", c->module);
    include_once(c->module, seen, &count, out);
    for (int i = 0; i < c->follows_count; i++)
        include_once(domain_of(c->follows[i]), seen, &count, out);
    for (int i = 0; i < c->sends_count; i++)
        include_once(domain_of(c->sends[i]), seen, &count, out);
    for (int v = 0; v < c->views_count; v++)
        for (int i = 0; i < c->views[v].follows_count; i++)
            include_once(domain_of(c->views[v].follows[i]), seen, &count, out);
    ADD("\n#include <stddef.h>\n\n");
    if (c->settings != NULL)
        write_shape(c->settings, out);
    if (c->what_if != NULL)
        write_shape(c->what_if, out);
    for (int i = 0; i < c->aggregates_count; i++)
        write_aggregate(c, &c->aggregates[i], out);
    write_refusals(c, out);
    for (int i = 0; i < c->views_count; i++)
        write_view(c, &c->views[i], out);
    write_contract(c, out);
}
