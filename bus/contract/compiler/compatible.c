/* compatible.c - may every event of an older contract be read by a newer one, or the other way?
 *
 * BACKWARD, as schema registries call it: the newer schema must accept all that the older one
 * let into the log. FORWARD is the same question with the sides changed: those who know only the
 * older contract must read what is written now; events that they have never heard of they pass
 * over. The log holds what the encoder wrote, so declared members only: whether an object is open
 * says nothing of what is written. What this comparison cannot prove is a finding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64       /* of shapes within shapes */
#define TIME_CHARACTERS 24 /* "2026-11-23T08:00:00.000Z", as the encoder writes it */

typedef struct {
    const char   *file;
    const json_t *contract, *common; /* where $ref leads */
} side;

typedef struct {
    side        before, after; /* who wrote, who reads */
    const char *reader;        /* said behind each finding */
    int         findings, depth;
} comparison;

/* A shape with its $ref followed. */
typedef struct {
    const json_t *schema;
    const char   *kind; /* "integer" ..., "enum", "oneOf", "json"; NULL: not understood */
    bool          nullable;
    bool          personal; /* x-personal, here or beside the $ref */
} shape;

__attribute__((format(printf, 3, 4))) static void
finding(comparison *c, const char *pointer, const char *fmt, ...)
{
    va_list args;

    (void)printf("%s: %s: ", c->after.file, pointer);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)puts(c->reader);
    c->findings++;
}

static const json_t *
of(const json_t *schema, const char *keyword)
{
    return json_object_get(schema, keyword);
}

static bool
in_list(const json_t *list, const json_t *value)
{
    const json_t *item;
    size_t        i;

    json_array_foreach(list, i, item) if (json_equal(item, value)) return true;
    return false;
}

/* Follows $ref, from the contract to common.json and on within that. */
static shape
shape_of(const side *s, const json_t *schema)
{
    const json_t *home = s->contract, *types, *item;
    shape         out = {.personal = of(schema, "x-personal") != NULL};
    size_t        i;

    for (int n = 0; of(schema, "$ref") != NULL && n < DEPTH_MAX; n++) {
        const char *ref = json_string_value(of(schema, "$ref"));
        const char *def = ref == NULL ? NULL : strstr(ref, "#/$defs/");

        if (def == NULL)
            return out;
        if (def != ref)
            home = s->common;
        schema = of(of(home, "$defs"), def + 8);
        out.personal = out.personal || of(schema, "x-personal") != NULL;
    }
    out.schema = schema;
    types = of(schema, "type");
    if (json_is_string(types))
        out.kind = json_string_value(types);
    json_array_foreach(types, i, item)
    {
        const char *name = json_string_value(item);

        if (name != NULL && strcmp(name, "null") == 0)
            out.nullable = true;
        else
            out.kind = name;
    }
    if (of(schema, "x-json") != NULL)
        out.kind = "json";
    else if (of(schema, "oneOf") != NULL)
        out.kind = "oneOf";
    else if (of(schema, "enum") != NULL || of(schema, "const") != NULL)
        out.kind = "enum";
    return out;
}

static bool
is_kind(const shape *s, const char *kind)
{
    return s->kind != NULL && strcmp(s->kind, kind) == 0;
}

/* --- scalars
 * --------------------------------------------------------------------------------------- */

static int64_t
integer_or(const json_t *schema, const char *keyword, int64_t otherwise)
{
    const json_t *value = of(schema, keyword);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static double
number_or(const json_t *schema, const char *keyword, double otherwise)
{
    const json_t *value = of(schema, keyword);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* Inclusive bounds of integers: exclusive ones are folded in. */
static int64_t
lowest(const json_t *schema)
{
    int64_t low = integer_or(schema, "minimum", INT64_MIN);
    int64_t above = integer_or(schema, "exclusiveMinimum", INT64_MIN);

    return above != INT64_MIN && above != INT64_MAX && above + 1 > low ? above + 1 : low;
}

static int64_t
highest(const json_t *schema)
{
    int64_t high = integer_or(schema, "maximum", INT64_MAX);
    int64_t below = integer_or(schema, "exclusiveMaximum", INT64_MAX);

    return below != INT64_MAX && below != INT64_MIN && below - 1 < high ? below - 1 : high;
}

static void
compare_integers(comparison *c, const char *pointer, const json_t *before, const json_t *after)
{
    int64_t step = integer_or(after, "multipleOf", 1);

    if (lowest(after) > lowest(before))
        finding(c, pointer, "the lower bound is higher than it was");
    if (highest(after) < highest(before))
        finding(c, pointer, "the upper bound is lower than it was");
    if (step > 1 && integer_or(before, "multipleOf", 1) % step != 0)
        finding(c, pointer, "multipleOf is not what it was");
}

/* Of the two kinds of lower bound the tighter, and whether it is exclusive. */
static double
lower_bound(const json_t *schema, bool *exclusive)
{
    double low = number_or(schema, "minimum", -DBL_MAX);
    double above = number_or(schema, "exclusiveMinimum", -DBL_MAX);

    *exclusive = of(schema, "exclusiveMinimum") != NULL && above >= low;
    return *exclusive ? above : low;
}

static double
upper_bound(const json_t *schema, bool *exclusive)
{
    double high = number_or(schema, "maximum", DBL_MAX);
    double below = number_or(schema, "exclusiveMaximum", DBL_MAX);

    *exclusive = of(schema, "exclusiveMaximum") != NULL && below <= high;
    return *exclusive ? below : high;
}

static void
compare_numbers(comparison *c, const char *pointer, const json_t *before, const json_t *after)
{
    bool   before_open, after_open;
    double b = lower_bound(before, &before_open), a = lower_bound(after, &after_open);

    if (a > b || (a == b && after_open && !before_open))
        finding(c, pointer, "the lower bound is higher than it was");
    b = upper_bound(before, &before_open);
    a = upper_bound(after, &after_open);
    if (a < b || (a == b && after_open && !before_open))
        finding(c, pointer, "the upper bound is lower than it was");
    if (of(after, "multipleOf") != NULL &&
        !json_equal(of(before, "multipleOf"), of(after, "multipleOf")))
        finding(c, pointer, "multipleOf is not what it was");
}

static const char *
format_of(const json_t *schema)
{
    const char *format = json_string_value(of(schema, "format"));

    return format != NULL ? format : json_string_value(of(schema, "x-format"));
}

/* Code points at most. */
static int64_t
longest(const json_t *schema)
{
    const char *format = format_of(schema);

    if (format != NULL && strcmp(format, "uuid") == 0)
        return 36;
    if (format != NULL && strcmp(format, "date") == 0)
        return 10;
    if (format != NULL && strcmp(format, "date-time") == 0)
        return TIME_CHARACTERS;
    return integer_or(schema, "maxLength", format != NULL ? 320 : INT64_MAX);
}

static int64_t
shortest(const json_t *schema)
{
    const char *format = format_of(schema);

    if (format != NULL && (strcmp(format, "uuid") == 0 || strncmp(format, "date", 4) == 0))
        return longest(schema);
    return integer_or(schema, "minLength", 0);
}

static void
compare_strings(comparison *c, const char *pointer, const json_t *before, const json_t *after)
{
    const char *format = format_of(after);

    if (format != NULL && (format_of(before) == NULL || strcmp(format, format_of(before)) != 0))
        finding(c, pointer, "the format is not what it was");
    if (shortest(after) > shortest(before))
        finding(c, pointer, "minLength is higher than it was");
    if (longest(after) < longest(before))
        finding(c, pointer, "maxLength is lower than it was");
    if (of(after, "pattern") != NULL && !json_equal(of(before, "pattern"), of(after, "pattern")))
        finding(c, pointer, "the pattern is not what it was");
}

static int64_t
code_points(const char *s)
{
    int64_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* One value that an enum allowed, now under a string's or an enum's rules. */
static void
compare_value(comparison *c, const char *pointer, const json_t *value, const shape *after)
{
    const char *s = json_string_value(value);

    if (s == NULL)
        return; /* null; shape.nullable says it */
    if (is_kind(after, "enum")) {
        if (!in_list(of(after->schema, "enum"), value) &&
            !json_equal(of(after->schema, "const"), value))
            finding(c, pointer, "the value %s is not accepted any more", s);
    } else if (format_of(after->schema) != NULL || of(after->schema, "pattern") != NULL ||
               code_points(s) < shortest(after->schema) ||
               code_points(s) > longest(after->schema)) {
        finding(c, pointer, "the value %s may not be accepted any more", s);
    }
}

static void
compare_enum(comparison *c, const char *pointer, const shape *before, const shape *after)
{
    const json_t *value;
    size_t        i;

    if (of(before->schema, "const") != NULL)
        compare_value(c, pointer, of(before->schema, "const"), after);
    json_array_foreach(of(before->schema, "enum"), i, value)
        compare_value(c, pointer, value, after);
}

/* --- what holds others
 * ---------------------------------------------------------------------------------- */

static void compare_shapes(comparison *c, const char *pointer, const json_t *before_schema,
                           const json_t *after_schema);

static void
compare_arrays(comparison *c, const char *pointer, const json_t *before, const json_t *after)
{
    if (integer_or(after, "minItems", 0) > integer_or(before, "minItems", 0))
        finding(c, pointer, "minItems is higher than it was");
    if (integer_or(after, "maxItems", INT64_MAX) < integer_or(before, "maxItems", INT64_MAX))
        finding(c, pointer, "maxItems is lower than it was");
    if (json_is_true(of(after, "uniqueItems")) && !json_is_true(of(before, "uniqueItems")))
        finding(c, pointer, "items must be unique now");
    compare_shapes(c, text("%s/items", pointer), of(before, "items"), of(after, "items"));
}

/* without: the tag of a union, which was compared already; or NULL. */
static void
compare_objects(comparison *c, const char *pointer, const json_t *before, const json_t *after,
                const char *without)
{
    json_t       *was = json_object_get(before, "properties");
    const json_t *now = of(after, "properties"), *item;
    const char   *name;
    json_t       *value;
    size_t        i;

    json_object_foreach(was, name, value)
    {
        const char *here = text("%s/properties/%s", pointer, name);

        if (without != NULL && strcmp(name, without) == 0)
            continue;
        if (of(now, name) != NULL)
            compare_shapes(c, here, value, of(now, name));
        else if (json_is_false(of(after, "additionalProperties")))
            finding(c, here, "is not accepted any more");
    }
    json_array_foreach(of(after, "required"), i, item) if (!in_list(of(before, "required"), item))
        finding(c, text("%s/required", pointer), "%s was not required before",
                json_string_value(item));
}

static const json_t *
branch_of(const json_t *schema, const char *tag, const json_t *value)
{
    const json_t *branch;
    size_t        i;

    json_array_foreach(of(schema, "oneOf"), i,
                       branch) if (json_equal(of(of(of(branch, "properties"), tag), "const"),
                                              value)) return branch;
    return NULL;
}

static void
compare_unions(comparison *c, const char *pointer, const json_t *before, const json_t *after)
{
    const char   *tag = json_string_value(of(before, "x-discriminator"));
    const json_t *branch;
    size_t        i;

    if (tag == NULL || !json_equal(of(before, "x-discriminator"), of(after, "x-discriminator"))) {
        finding(c, pointer, "x-discriminator is not what it was");
        return;
    }
    json_array_foreach(of(before, "oneOf"), i, branch)
    {
        const json_t *value = of(of(of(branch, "properties"), tag), "const");
        const json_t *other = branch_of(after, tag, value);

        if (other == NULL)
            finding(c, pointer, "%s %s is not accepted any more", tag, json_string_value(value));
        else
            compare_objects(c, text("%s/oneOf/%s", pointer, json_string_value(value)), branch,
                            other, tag);
    }
}

static void
compare_kinds(comparison *c, const char *pointer, const shape *before, const shape *after)
{
    const json_t *b = before->schema, *a = after->schema;

    if (is_kind(after, "json"))
        return; /* takes anything */
    if (is_kind(before, "enum") && (is_kind(after, "enum") || is_kind(after, "string")))
        compare_enum(c, pointer, before, after);
    else if (is_kind(before, "integer") && is_kind(after, "number"))
        compare_numbers(c, pointer, b, a);
    else if (strcmp(before->kind, after->kind) != 0)
        finding(c, pointer, "was of type %s and is of type %s", before->kind, after->kind);
    else if (is_kind(before, "integer"))
        compare_integers(c, pointer, b, a);
    else if (is_kind(before, "number"))
        compare_numbers(c, pointer, b, a);
    else if (is_kind(before, "string"))
        compare_strings(c, pointer, b, a);
    else if (is_kind(before, "array"))
        compare_arrays(c, pointer, b, a);
    else if (is_kind(before, "object"))
        compare_objects(c, pointer, b, a, NULL);
    else if (is_kind(before, "oneOf"))
        compare_unions(c, pointer, b, a);
    else if (!is_kind(before, "boolean"))
        finding(c, pointer, "type %s is not known to this comparison", before->kind);
}

static void
compare_shapes(comparison *c, const char *pointer, const json_t *before_schema,
               const json_t *after_schema)
{
    shape before = shape_of(&c->before, before_schema);
    shape after = shape_of(&c->after, after_schema);

    if (before.kind == NULL || after.kind == NULL || c->depth == DEPTH_MAX) {
        finding(c, pointer, "cannot be compared: no type, a $ref that leads nowhere, or too deep");
        return;
    }
    c->depth++;
    if (before.nullable && !after.nullable && !is_kind(&after, "json"))
        finding(c, pointer, "null is not accepted any more");
    if (before.personal != after.personal)
        finding(c, pointer,
                before.personal ? "was personal: the log holds it encrypted"
                                : "was not personal: the log holds it in clear");
    compare_kinds(c, pointer, &before, &after);
    c->depth--;
}

/* Each event that both have; one that the reader has not: may it be new? */
static void
compare_events(comparison *c, bool may_be_new)
{
    json_t       *aggregates = json_object_get(c->before.contract, "aggregates");
    const json_t *others = of(c->after.contract, "aggregates");
    const char   *aggregate_name, *event;
    json_t       *value, *written;

    json_object_foreach(aggregates, aggregate_name, value)
    {
        const json_t *events = of(of(others, aggregate_name), "events");

        json_object_foreach(json_object_get(value, "events"), event, written)
        {
            const char   *pointer = text("/aggregates/%s/events/%s", aggregate_name, event);
            const json_t *other = of(events, event);

            if (other != NULL)
                compare_shapes(c, text("%s/schema", pointer), of(written, "schema"),
                               of(other, "schema"));
            else if (!may_be_new)
                finding(c, pointer, "a published event may not vanish");
        }
    }
}

int
compare_contracts(const json_t *old_json, const json_t *old_common, const json_t *new_json,
                  const json_t *new_common, const char *name, compatibility wanted)
{
    const side old_side = {name, old_json, old_common}, new_side = {name, new_json, new_common};
    comparison backward = {.before = old_side, .after = new_side, .reader = ""};
    comparison forward = {
        .before = new_side, .after = old_side, .reader = ", for readers of the older contract"};

    if ((wanted & BACKWARD) != 0)
        compare_events(&backward, false);
    if ((wanted & FORWARD) != 0)
        compare_events(&forward, true);
    return backward.findings + forward.findings;
}
