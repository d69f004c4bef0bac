/* header.c - contracts/<domain>.h: the C face of a contract.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

#include <string.h>

#define ADD(...) bus_buf_printf(out, __VA_ARGS__)

/* The C type of a value, as a declaration starts. */
static const char *
c_type(const type *t)
{
    switch (t->kind) {
    case BUS_KIND_BOOL: return "bool";
    case BUS_KIND_INT:
    case BUS_KIND_TIME: return "int64_t";
    case BUS_KIND_NUMBER: return "double";
    case BUS_KIND_STRING:
    case BUS_KIND_JSON: return "bus_str";
    case BUS_KIND_UUID: return "bus_id";
    case BUS_KIND_DATE: return "int32_t";
    case BUS_KIND_ENUM: return text("enum %s", t->c_name);
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION: return text("struct %s", t->c_name);
    }
    return "void";
}

/* What the contract says of it, as a comment on a line of its own, or at the end of one that
 * then ends: before is what separates it. */
static void
declare_words(const json_t *json, const char *before, bus_buf *out)
{
    const char *words = description_of(json);

    if (words == NULL) {
        if (*before != '\0')
            ADD("\n");
        return;
    }
    ADD("%s/* ", before);
    for (; *words != '\0'; words++)
        if (words[0] == '*' && words[1] == '/')
            ADD("* ");
        else
            bus_buf_add_char(out, *words == '\n' ? ' ' : *words);
    ADD(" */\n");
}

static void
declare_members(const type *t, bus_buf *out)
{
    if (t->members_count == 0)
        ADD("    char unused_;\n");
    for (int i = 0; i < t->members_count; i++) {
        const member *m = &t->members[i];

        if (m->has)
            ADD("    bool has_%s;\n", m->name);
        ADD("    %s %s;", c_type(m->type), m->c_name);
        declare_words(m->json, " ", out);
    }
}

static void
declare_enum(const type *t, bus_buf *out)
{
    const char *prefix = upper(t->c_name);

    ADD("enum %s {\n", t->c_name);
    for (int i = 0; i < t->names_count; i++)
        ADD("    %s_%s%s\n", prefix, upper(t->names[i]), i + 1 < t->names_count ? "," : "");
    ADD("};\n\n");
}

static void
declare_union(const type *t, bus_buf *out)
{
    const char *prefix = upper(t->c_name);

    ADD("enum %s_kind {\n", t->c_name);
    for (int i = 0; i < t->variants_count; i++)
        ADD("    %s_%s%s\n", prefix, upper(t->tag_values[i]), i + 1 < t->variants_count ? "," : "");
    ADD("};\nstruct %s {\n    enum %s_kind kind;\n    union {\n", t->c_name, t->c_name);
    for (int i = 0; i < t->variants_count; i++)
        ADD("        struct %s %s;\n", t->variants[i]->c_name, c_member(lower(t->tag_values[i])));
    ADD("    };\n};\n\n");
}

/* Declares the type and what it is made of, once, in the header of its home. */
static void
declare(const char *home, type *t, bus_buf *out)
{
    if (t->declared || strcmp(t->home, home) != 0)
        return;
    t->declared = 1;
    for (int i = 0; i < t->members_count; i++)
        declare(home, t->members[i].type, out);
    if (t->item != NULL)
        declare(home, t->item, out);
    for (int i = 0; i < t->variants_count; i++)
        declare(home, t->variants[i], out);
    if (t->c_name == NULL)
        return;
    if (t->kind == BUS_KIND_ENUM) {
        declare_enum(t, out);
    } else if (t->kind == BUS_KIND_UNION) {
        declare_union(t, out);
    } else if (t->kind == BUS_KIND_ARRAY) {
        ADD("struct %s {\n    %s *items;\n    uint32_t count, capacity;\n};\n\n", t->c_name,
            c_type(t->item));
    } else {
        declare_words(t->schema, "", out);
        ADD("struct %s {\n", t->c_name);
        declare_members(t, out);
        ADD("};\n\n");
    }
}

static void
open_header(const char *name, bus_buf *out)
{
    ADD("/* Written by shina-contract from schemas/%s.json: do not edit. */\n", name);
    ADD("#ifndef CONTRACTS_%s_H\n#define CONTRACTS_%s_H\n\n", upper(name), upper(name));
    ADD("#include \"bus/module/module.h\"\n");
}

void
write_common_header(const contract *c, bus_buf *out)
{
    open_header("common", out);
    ADD("\n");
    for (int i = 0; c != NULL && i < c->defs_count; i++)
        declare("common", c->defs[i], out);
    ADD("#endif\n");
}

/* --- one aggregate -------------------------------------------------------------------- */

static void
declare_tagged(const contract *c, const aggregate *a, const message *list, int count,
               const char *what, bus_buf *out)
{
    const char *name = text("%s_%s_%s", c->module, a->name, what);
    bool        comma = false;

    ADD("enum %s_kind {", name);
    for (int i = 0; i < count; i++) {
        if (list[i].upcast_to != NULL)
            continue; /* nobody meets it */
        ADD("%s\n    %s_%s", comma ? "," : "", upper(c->module), upper(list[i].c_name));
        comma = true;
    }
    ADD("\n};\nstruct %s {\n    enum %s_kind kind;\n    union {\n", name, name);
    for (int i = 0; i < count; i++)
        if (list[i].upcast_to == NULL)
            ADD("        %s %s;\n", list[i].data == NULL ? "bus_answer" : c_type(list[i].data),
                c_member(list[i].c_name));
    ADD("    };\n};\n\n");
}

static void
declare_functions(const contract *c, const aggregate *a, bus_buf *out)
{
    for (int i = 0; i < a->events_count; i++) {
        const message *e = &a->events[i];

        declare_words(e->json, "", out);
        if (e->upcast_to != NULL) {
            ADD("/* Superseded; defined in the upcast.c of %s. to is zeroed before. */\n"
                "void %s(const struct %s *from,\n    struct %s *to, bus_upcasting *out);\n\n",
                c->module, upcast_symbol(c->module, e), e->data->c_name,
                e->upcast_to->data->c_name);
            continue;
        }
        ADD("extern const bus_message %s;\n", event_symbol(e->type));
        ADD("static inline bus_verdict\n%s_emit_%s(bus_decision *out, const struct %s *data)\n"
            "{\n    return bus_emit(out, &%s, data);\n}\n\n",
            c->module, e->c_name, e->data->c_name, event_symbol(e->type));
    }
    for (int i = 0; i < a->commands_count; i++) {
        const message *m = &a->commands[i];

        declare_words(m->json, "", out);
        ADD("extern const bus_message %s;\n", command_symbol(m->type));
        if (m->by == BUS_BY_WAKE || m->by == BUS_BY_ANSWER)
            continue;
        ADD("static inline void\n%s_send_%s(bus_decision *out, bus_id stream, const struct %s "
            "*data,"
            "\n    const bus_message *answer)\n{\n    bus_send(out, &%s, stream, data, "
            "answer);\n}\n",
            c->module, m->c_name, m->data->c_name, command_symbol(m->type));
        ADD("static inline void\n%s_react_%s(bus_reaction_out *out, bus_id stream, const struct %s "
            "*data)\n{\n    bus_react(out, &%s, stream, data);\n}\n\n",
            c->module, m->c_name, m->data->c_name, command_symbol(m->type));
    }
    ADD("extern const bus_aggregate_contract %s_%s;\n\n", c->module, a->name);
}

static void
declare_aggregate(const contract *c, const aggregate *a, bus_buf *out)
{
    ADD("/* --- aggregate %s --- */\n\n", a->name);
    for (int i = 0; i < a->commands_count; i++)
        if (a->commands[i].data != NULL)
            declare(c->module, a->commands[i].data, out);
    for (int i = 0; i < a->events_count; i++)
        declare(c->module, a->events[i].data, out);
    declare_tagged(c, a, a->commands, a->commands_count, "command", out);
    declare_tagged(c, a, a->events, a->events_count, "event", out);
    declare_functions(c, a, out);
}

static void
declare_refusals(const contract *c, bus_buf *out)
{
    if (c->refusals_count == 0)
        return;
    ADD("/* --- refusals --- */\n\nextern const bus_refusal %s_refusals[%d];\n", c->module,
        c->refusals_count);
    for (int i = 0; i < c->refusals_count; i++) {
        const refusal *r = &c->refusals[i];

        ADD("#define %s (&%s_refusals[%d])\n", r->code, c->module, i);
        if (r->params == NULL)
            continue;
        declare(c->module, r->params, out);
        ADD("static inline bus_verdict\n%s_refuse(bus_decision *out, const struct %s *params)\n"
            "{\n    return bus_refuse_with(out, %s, params);\n}\n\n",
            r->lower, r->params->c_name, r->code);
    }
    ADD("\n");
}

void
write_header(const contract *c, bus_buf *out)
{
    open_header(c->module, out);
    ADD("#include \"contracts/common.h\"\n\n");
    for (int i = 0; i < c->defs_count; i++)
        declare(c->module, c->defs[i], out);
    if (c->settings != NULL)
        declare(c->module, c->settings, out);
    if (c->what_if != NULL)
        declare(c->module, c->what_if, out);
    for (int i = 0; i < c->aggregates_count; i++)
        declare_aggregate(c, &c->aggregates[i], out);
    declare_refusals(c, out);
    for (int i = 0; i < c->views_count; i++) {
        ADD("/* --- view %s --- */\n\n", c->views[i].name);
        declare(c->module, c->views[i].row, out);
        ADD("extern const bus_view_contract %s_view;\n\n", c->views[i].name);
    }
    ADD("extern const bus_contract %s_contract;\n\n#endif\n", c->module);
}
