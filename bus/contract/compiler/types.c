/* types.c - schemas to types, every keyword checked.
 *
 * What is written but means nothing (a length on an integer, a bound that cannot be met) is an
 * error too: a contract says what it means or does not build.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/contract/compiler/model.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <float.h>
#include <pcre2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFINITIONS_DEPTH_MAX 32 /* of definitions that refer to each other */

static contract *shared; /* common.json, or NULL */

static const char *const shape_keywords[] = {"type",
                                             "properties",
                                             "required",
                                             "additionalProperties",
                                             "enum",
                                             "const",
                                             "minimum",
                                             "maximum",
                                             "exclusiveMinimum",
                                             "exclusiveMaximum",
                                             "multipleOf",
                                             "minLength",
                                             "maxLength",
                                             "pattern",
                                             "format",
                                             "x-format",
                                             "items",
                                             "minItems",
                                             "maxItems",
                                             "uniqueItems",
                                             "oneOf",
                                             "$ref",
                                             "x-discriminator",
                                             "default",
                                             "title",
                                             "description",
                                             "examples",
                                             "x-personal",
                                             "x-masked",
                                             "x-secret",
                                             "x-json",
                                             NULL};

/* What goes with every shape. */
#define ANNOTATIONS \
    "default", "title", "description", "examples", "x-personal", "x-masked", "x-secret"
#define LIST_OF(...) ((const char *const[]){__VA_ARGS__, ANNOTATIONS, NULL})

static bool
is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

void
check_keywords(const char *file, const char *pointer, const json_t *object,
               const char *const *known)
{
    const char *name;
    json_t     *value;

    if (!json_is_object(object))
        die(file, pointer, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)object, name, value) if (!is_one_of(name, known))
        die(file, text("%s/%s", pointer, name), "keyword not supported");
}

const char *
string_member(const char *file, const char *pointer, const json_t *object, const char *name,
              bool needed)
{
    const json_t *value = json_object_get(object, name);

    if (value == NULL && !needed)
        return NULL;
    if (value == NULL)
        die(file, pointer, "needs %s", name);
    if (!json_is_string(value))
        die(file, text("%s/%s", pointer, name), "must be a string");
    return json_string_value(value);
}

const member *
member_named(const type *t, const char *name)
{
    for (int i = 0; i < t->members_count; i++)
        if (strcmp(t->members[i].name, name) == 0)
            return &t->members[i];
    return NULL;
}

bool
is_personal(const type *t)
{
    if (t->item != NULL && is_personal(t->item))
        return true;
    for (int i = 0; i < t->variants_count; i++)
        if (is_personal(t->variants[i]))
            return true;
    for (int i = 0; i < t->members_count; i++)
        if (t->members[i].personal != NULL || is_personal(t->members[i].type))
            return true;
    return false;
}

static where
inside(const where *at, const char *pointer, const char *c_name)
{
    return (where){at->in, text("%s/%s", at->pointer, pointer), c_name};
}

__attribute__((noreturn, format(printf, 3, 4))) static void
die_at(const where *at, const char *keyword, const char *fmt, ...)
{
    va_list args;
    char    what[512];

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    die(at->in->file, *keyword == '\0' ? at->pointer : text("%s/%s", at->pointer, keyword), "%s",
        what);
}

/* Only these keywords mean something on this kind of shape. */
static void
allow(const where *at, const json_t *schema, const char *kind, const char *const *keywords)
{
    const char *name;
    json_t     *value;

    json_object_foreach((json_t *)(uintptr_t)schema, name, value) if (!is_one_of(name, keywords))
        die_at(at, name, "does not go with %s", kind);
}

/* --- scalars ------------------------------------------------------------------------------- */

static int64_t
integer(const where *at, const json_t *schema, const char *keyword, int64_t otherwise)
{
    const json_t *value = json_object_get(schema, keyword);

    if (value == NULL)
        return otherwise;
    if (!json_is_integer(value))
        die_at(at, keyword, "must be an integer");
    return json_integer_value(value);
}

/* A bound of a length: not negative, and fits what counts it. */
static int64_t
length(const where *at, const json_t *schema, const char *keyword, int64_t otherwise)
{
    int64_t n = integer(at, schema, keyword, otherwise);

    if (json_object_get(schema, keyword) != NULL && (n < 0 || n > INT32_MAX))
        die_at(at, keyword, "must be 0 to %d", INT32_MAX);
    return n;
}

static void
build_integer(const where *at, const json_t *schema, type *t)
{
    int64_t low = integer(at, schema, "exclusiveMinimum", INT64_MIN);
    int64_t high = integer(at, schema, "exclusiveMaximum", INT64_MAX);

    allow(at, schema, "type integer",
          LIST_OF("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                  "multipleOf"));
    t->kind = BUS_KIND_INT;
    t->minimum = integer(at, schema, "minimum", INT64_MIN);
    t->maximum = integer(at, schema, "maximum", INT64_MAX);
    if (low == INT64_MAX || high == INT64_MIN)
        die_at(at, "", "no integer is within the bounds");
    if (low != INT64_MIN && low + 1 > t->minimum)
        t->minimum = low + 1;
    if (high != INT64_MAX && high - 1 < t->maximum)
        t->maximum = high - 1;
    if (t->minimum > t->maximum)
        die_at(at, "", "no integer is within the bounds");
    t->multiple_of = integer(at, schema, "multipleOf", 0);
    if (json_object_get(schema, "multipleOf") != NULL && t->multiple_of < 1)
        die_at(at, "multipleOf", "must be above 0");
}

static double
number(const where *at, const json_t *schema, const char *keyword, double otherwise)
{
    const json_t *value = json_object_get(schema, keyword);

    if (value == NULL)
        return otherwise;
    if (!json_is_number(value))
        die_at(at, keyword, "must be a number");
    return json_number_value(value);
}

static void
build_number(const where *at, const json_t *schema, type *t)
{
    double low = number(at, schema, "exclusiveMinimum", -DBL_MAX);
    double high = number(at, schema, "exclusiveMaximum", DBL_MAX);

    allow(at, schema, "type number",
          LIST_OF("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                  "multipleOf"));
    t->kind = BUS_KIND_NUMBER;
    t->number_minimum = number(at, schema, "minimum", -DBL_MAX);
    t->number_maximum = number(at, schema, "maximum", DBL_MAX);
    if (json_object_get(schema, "exclusiveMinimum") != NULL && low >= t->number_minimum) {
        t->number_minimum = low;
        t->number_minimum_exclusive = true;
    }
    if (json_object_get(schema, "exclusiveMaximum") != NULL && high <= t->number_maximum) {
        t->number_maximum = high;
        t->number_maximum_exclusive = true;
    }
    if (t->number_minimum > t->number_maximum)
        die_at(at, "", "no number is within the bounds");
    t->number_multiple_of = number(at, schema, "multipleOf", 0);
    if (json_object_get(schema, "multipleOf") != NULL && t->number_multiple_of <= 0)
        die_at(at, "multipleOf", "must be above 0");
}

static void
check_pattern(const where *at, const char *pattern)
{
    int           error;
    PCRE2_SIZE    offset;
    unsigned char words[256];
    pcre2_code   *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                       PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &offset, NULL);

    if (code == NULL) {
        (void)pcre2_get_error_message(error, words, sizeof(words));
        die_at(at, "pattern", "is no regular expression: %s, at byte %zu", (char *)words, offset);
    }
    pcre2_code_free(code);
}

static void
add_name(const where *at, const char *keyword, type *t, const json_t *value)
{
    const char *name = json_string_value(value);

    if (name == NULL || *name == '\0')
        die_at(at, keyword, "must be a string, not empty");
    for (int i = 0; i < t->names_count; i++)
        if (strcmp(upper(t->names[i]), upper(name)) == 0)
            die_at(at, keyword, "%s and %s are one name in C", t->names[i], name);
    t->names[t->names_count++] = name;
}

static void
build_enum(const where *at, const json_t *schema, type *t)
{
    const json_t *list = json_object_get(schema, "enum");
    const json_t *constant = json_object_get(schema, "const");
    const json_t *value;
    bool          null = false;
    size_t        i;

    allow(at, schema, constant != NULL ? "const" : "enum",
          LIST_OF("type", constant != NULL ? "const" : "enum"));
    t->kind = BUS_KIND_ENUM;
    t->c_name = at->c_name;
    t->names = BUS_ARENA_ARRAY(&compiler_memory, const char *, json_array_size(list) + 1);
    if (constant != NULL) {
        if (t->nullable)
            die_at(at, "const", "cannot be null as well");
        add_name(at, "const", t, constant);
        return;
    }
    if (json_array_size(list) == 0 || json_array_size(list) > LIST_MAX)
        die_at(at, "enum", "must be a list of 1 to %d strings", LIST_MAX);
    json_array_foreach(list, i, value)
    {
        if (json_is_null(value) && t->nullable && !null)
            null = true;
        else
            add_name(at, text("enum/%zu", i), t, value);
    }
    if (t->nullable && !null)
        die_at(at, "enum", "type allows null, so null must be listed (JSON Schema asks for both)");
}

static void
build_format(const where *at, const json_t *schema, type *t)
{
    const char *format = string_member(at->in->file, at->pointer, schema, "format", false);
    const char *own = string_member(at->in->file, at->pointer, schema, "x-format", false);

    if (format != NULL && own != NULL)
        die_at(at, "x-format", "does not go with format");
    if (format != NULL && strcmp(format, "uuid") == 0)
        t->kind = BUS_KIND_UUID;
    else if (format != NULL && strcmp(format, "date") == 0)
        t->kind = BUS_KIND_DATE;
    else if (format != NULL && strcmp(format, "date-time") == 0)
        t->kind = BUS_KIND_TIME;
    else if (format != NULL && strcmp(format, "email") == 0)
        t->format = BUS_FORMAT_EMAIL;
    else if (format != NULL)
        die_at(at, "format", "format %s is not supported", format);
    if (own != NULL && strcmp(own, "e164") != 0)
        die_at(at, "x-format", "x-format %s is not supported", own);
    if (own != NULL)
        t->format = BUS_FORMAT_E164;
}

static void
build_string(const where *at, const json_t *schema, type *t)
{
    if (json_object_get(schema, "enum") != NULL || json_object_get(schema, "const") != NULL) {
        build_enum(at, schema, t);
        return;
    }
    allow(at, schema, "type string",
          LIST_OF("type", "minLength", "maxLength", "pattern", "format", "x-format"));
    t->kind = BUS_KIND_STRING;
    build_format(at, schema, t);
    if (t->kind != BUS_KIND_STRING) {
        static const char *const not_here[] = {"minLength", "maxLength", "pattern"};

        for (size_t i = 0; i < sizeof(not_here) / sizeof(not_here[0]); i++)
            if (json_object_get(schema, not_here[i]) != NULL)
                die_at(at, not_here[i], "does not go with this format");
        return;
    }
    t->minimum = length(at, schema, "minLength", 0);
    t->maximum = length(at, schema, "maxLength", -1);
    if (t->maximum < 0) {
        if (t->format == BUS_FORMAT_NONE)
            die_at(at, "", "a string needs maxLength (or enum, const, format)");
        t->maximum = 320; /* RFC 5321: 64 + "@" + 255; E.164 is shorter */
    }
    if (t->minimum > t->maximum)
        die_at(at, "minLength", "is above maxLength");
    t->pattern = string_member(at->in->file, at->pointer, schema, "pattern", false);
    if (t->pattern != NULL)
        check_pattern(at, t->pattern);
}

static type *build_any(const where *at, const json_t *schema);
static void  refuse_personal(const where *at, const json_t *schema);

/* --- arrays, objects, unions --------------------------------------------------------------------
 */

static void
build_array(const where *at, const json_t *schema, type *t)
{
    where         here = inside(at, "items", text("%s_item", at->c_name));
    const json_t *unique = json_object_get(schema, "uniqueItems");

    allow(at, schema, "type array",
          LIST_OF("type", "items", "minItems", "maxItems", "uniqueItems"));
    t->kind = BUS_KIND_ARRAY;
    t->c_name = at->c_name;
    t->minimum = length(at, schema, "minItems", 0);
    t->maximum = length(at, schema, "maxItems", -1);
    if (t->maximum < 0)
        die_at(at, "", "an array needs maxItems");
    if (t->minimum > t->maximum)
        die_at(at, "minItems", "is above maxItems");
    if (unique != NULL && !json_is_boolean(unique))
        die_at(at, "uniqueItems", "must be true or false");
    t->unique = json_is_true(unique);
    if (json_object_get(schema, "items") == NULL)
        die_at(at, "", "an array needs items");
    t->item = build_type(&here, json_object_get(schema, "items"));
    if (t->item->nullable)
        die_at(&here, "", "items cannot be null");
}

/* "_kop" in a name asks for an integer, or an array of them. */
static void
check_unit(const where *at, const char *name, const type *t)
{
    static const char *const units[] = {"_m",  "_ml", "_g",        "_kop",    "_s",       "_min",
                                        "_at", "_bp", "_ml_100km", "_kop_km", "_kop_day", "_e6"};
    size_t                   len = strlen(name);

    while (t->kind == BUS_KIND_ARRAY)
        t = t->item;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && t->kind != BUS_KIND_INT; i++) {
        size_t tail = strlen(units[i]);

        if (len > tail && strcmp(name + len - tail, units[i]) == 0)
            die_at(at, "", "the unit %s in the name asks for an integer", units[i]);
    }
}

/* "DISPATCHER", or "VIEWER+finance.read": who has the grant sees it. */
static uint32_t
masked_role(const where *at, const char *pointer, const char *entry)
{
    const char *mark = entry == NULL ? NULL : strpbrk(entry, ":+");
    size_t      len = entry == NULL ? 0 : mark == NULL ? strlen(entry) : (size_t)(mark - entry);
    uint32_t    role = entry == NULL ? 0 : bus_role_parse((bus_str){entry, (uint32_t)len});

    if (role == 0)
        die_at(at, pointer, "is no role");
    if (mark != NULL && (*mark != '+' || bus_grant_parse(bus_str_of(mark + 1)) == 0))
        die_at(at, pointer, "%s is not known here", mark);
    return role;
}

static const char *
masked_roles(const where *at, const json_t *list)
{
    const json_t *item;
    const char   *out = NULL;
    uint32_t      roles = 0;
    size_t        i;

    if (list == NULL)
        return NULL;
    if (json_array_size(list) == 0)
        die_at(at, "x-masked", "must be a list of roles");
    json_array_foreach(list, i, item)
    {
        const char *entry = json_string_value(item);
        const char *pointer = text("x-masked/%zu", i);
        uint32_t    role = masked_role(at, pointer, entry);

        if ((roles & role) != 0)
            die_at(at, pointer, "the role is there twice");
        roles |= role;
        out = out == NULL ? entry : text("%s %s", out, entry);
    }
    return out;
}

/* A member of an object is personal; a definition is where it is used, an array never is. */
static void
refuse_personal(const where *at, const json_t *schema)
{
    if (json_object_get(schema, "x-personal") != NULL)
        die_at(at, "x-personal", "stands on members of objects, beside $ref too, and nowhere else");
}

/* true, or {"subject": pointer}; whether the pointer leads to an id is checked when the whole
 * document is known. */
/* x-secret: true (sealed), "hash", or left out. */
static void
read_secret(const where *here, const json_t *value, member *m)
{
    const char *word = json_string_value(value);

    m->hashed = word != NULL && strcmp(word, "hash") == 0;
    m->secret = m->hashed || json_is_true(value);
    if (value != NULL && !m->secret)
        die_at(here, "x-secret", "must be true or \"hash\", or left out");
}

static const char *
personal_subject(const where *at, const json_t *personal)
{
    static const char *const known[] = {"subject", NULL};
    where                    here = inside(at, "x-personal", NULL);
    const char              *subject;

    if (personal == NULL)
        return NULL;
    if (json_is_true(personal))
        return "";
    if (!json_is_object(personal))
        die_at(at, "x-personal", "must be true or {\"subject\": pointer}");
    check_keywords(at->in->file, here.pointer, personal, known);
    subject = string_member(at->in->file, here.pointer, personal, "subject", true);
    if (*subject != '\0' && *subject != '/')
        die_at(&here, "subject", "must be a JSON pointer, or \"\" for the stream");
    return subject;
}

void
build_member(const where *at, const char *name, const json_t *schema, bool required, member *m)
{
    where         here = inside(at, text("properties/%s", name), text("%s_%s", at->c_name, name));
    const json_t *standard = json_object_get(schema, "default"), *masked;

    if (!is_identifier(name))
        die_at(&here, "", "a name is lower case letters, digits and _, at most 63");
    m->name = name;
    m->c_name = c_member(name);
    m->pointer = here.pointer;
    m->json = schema;
    m->type = build_any(&here, schema);
    check_unit(&here, name, m->type);
    m->required = required;
    m->nullable = m->type->nullable;
    if (standard != NULL && required)
        die_at(&here, "default", "a required member has no default");
    m->default_json = standard == NULL ? NULL : canonical(standard);
    m->has = m->nullable || (!required && standard == NULL);
    m->personal = personal_subject(&here, json_object_get(schema, "x-personal"));
    masked = json_object_get(schema, "x-masked");
    if (masked == NULL && m->type->schema != NULL) /* as the definition says that it refers to */
        masked = json_object_get(m->type->schema, "x-masked");
    m->masked_for = masked_roles(&here, masked);
    read_secret(&here, json_object_get(schema, "x-secret"), m);
}

static bool
is_required(const json_t *required, const char *name)
{
    const json_t *item;
    size_t        i;

    json_array_foreach(required, i,
                       item) if (strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

static void
check_required(const where *at, const json_t *required, const json_t *properties)
{
    const json_t *item;
    size_t        i;

    if (required != NULL && !json_is_array(required))
        die_at(at, "required", "must be a list");
    json_array_foreach(required, i, item)
    {
        if (!json_is_string(item) || json_object_get(properties, json_string_value(item)) == NULL)
            die_at(at, text("required/%zu", i), "names no property");
        for (size_t k = 0; k < i; k++)
            if (json_equal(item, json_array_get(required, k)))
                die_at(at, text("required/%zu", i), "is there twice");
    }
}

/* has_x of an optional x beside a member has_x. */
static void
check_has(const where *at, const type *t)
{
    for (int i = 0; i < t->members_count; i++)
        if (t->members[i].has && member_named(t, text("has_%s", t->members[i].name)) != NULL)
            die_at(at, text("properties/has_%s", t->members[i].name),
                   "is what C calls the presence of %s", t->members[i].name);
}

/* without: the member that belongs to the union around this object, or NULL. */
static void
build_object(const where *at, const json_t *schema, type *t, const char *without)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    const json_t *more = json_object_get(schema, "additionalProperties");
    const char   *name;
    json_t       *value;

    allow(at, schema, "type object",
          LIST_OF("type", "properties", "required", "additionalProperties"));
    t->kind = BUS_KIND_OBJECT;
    t->c_name = at->c_name;
    if (properties != NULL && !json_is_object(properties))
        die_at(at, "properties", "must be an object");
    if (more != NULL && !json_is_boolean(more))
        die_at(at, "additionalProperties", "must be true or false");
    t->additional = more == NULL || json_is_true(more);
    if (json_object_size(properties) > MEMBERS_MAX)
        die_at(at, "properties", "more than %d", MEMBERS_MAX);
    check_required(at, required, properties);
    t->members = BUS_ARENA_ARRAY(&compiler_memory, member, json_object_size(properties) + 1);
    json_object_foreach((json_t *)(uintptr_t)properties, name,
                        value) if (without == NULL || strcmp(name, without) != 0)
        build_member(at, name, value, is_required(required, name), &t->members[t->members_count++]);
    check_has(at, t);
}

static type *
new_type(const where *at, const json_t *schema)
{
    type *t = BUS_ARENA_NEW(&compiler_memory, type);

    t->schema = schema;
    t->home = at->in->module;
    t->file = at->in->file;
    t->pointer = at->pointer;
    t->minimum = INT64_MIN;
    t->maximum = INT64_MAX;
    return t;
}

type *
empty_object(const contract *c, const char *pointer, const char *c_name)
{
    type *t = BUS_ARENA_NEW(&compiler_memory, type);

    t->kind = BUS_KIND_OBJECT;
    t->c_name = c_name;
    t->home = c->module;
    t->file = c->file;
    t->pointer = pointer;
    return t;
}

static type *
build_variant(const where *at, const type *t, size_t i, const json_t *branch)
{
    where         here = inside(at, text("oneOf/%zu", i), NULL);
    const json_t *properties = json_object_get(branch, "properties");
    const json_t *tag = json_object_get(properties, t->tag);
    const char   *value = json_string_value(json_object_get(tag, "const"));
    type         *variant = new_type(&here, branch);

    check_keywords(at->in->file, here.pointer, branch, shape_keywords);
    refuse_personal(&here, branch);
    if (value == NULL || *value == '\0')
        die_at(&here, text("properties/%s", t->tag),
               "must be a const string: it tells the branches apart");
    here.c_name = text("%s_%s", at->c_name, lower(value));
    check_keywords(at->in->file, text("%s/properties/%s", here.pointer, t->tag), tag,
                   LIST_OF("type", "const"));
    if (!json_is_string(json_object_get(branch, "type")) ||
        strcmp(json_string_value(json_object_get(branch, "type")), "object") != 0)
        die_at(&here, "type", "must be object");
    build_object(&here, branch, variant, t->tag);
    if (!is_required(json_object_get(branch, "required"), t->tag))
        die_at(&here, "required", "must name %s", t->tag);
    for (int k = 0; k < t->variants_count; k++)
        if (strcmp(upper(t->tag_values[k]), upper(value)) == 0)
            die_at(&here, text("properties/%s/const", t->tag), "%s and %s are one name in C",
                   t->tag_values[k], value);
    if (strcmp(lower(value), "kind") == 0)
        die_at(&here, text("properties/%s/const", t->tag), "kind is the name of the tag in C");
    return variant;
}

static void
build_union(const where *at, const json_t *schema, type *t)
{
    const json_t *list = json_object_get(schema, "oneOf"), *branch;
    const json_t *type_of = json_object_get(schema, "type");
    size_t        i, count = json_array_size(list);

    allow(at, schema, "oneOf", LIST_OF("type", "oneOf", "x-discriminator"));
    if (type_of != NULL &&
        (!json_is_string(type_of) || strcmp(json_string_value(type_of), "object") != 0))
        die_at(at, "type", "oneOf is of objects, and never null");
    if (count == 0 || count > LIST_MAX)
        die_at(at, "oneOf", "must be a list of 1 to %d branches", LIST_MAX);
    t->kind = BUS_KIND_UNION;
    t->c_name = at->c_name;
    t->tag = string_member(at->in->file, at->pointer, schema, "x-discriminator", true);
    t->variants = BUS_ARENA_ARRAY(&compiler_memory, type *, count);
    t->tag_values = BUS_ARENA_ARRAY(&compiler_memory, const char *, count);
    json_array_foreach(list, i, branch)
    {
        type *variant = build_variant(at, t, i, branch);

        t->tag_values[t->variants_count] = json_string_value(json_object_get(
            json_object_get(json_object_get(branch, "properties"), t->tag), "const"));
        t->variants[t->variants_count++] = variant;
    }
}

/* --- references
 * ----------------------------------------------------------------------------------- */

static type *
build_definition(contract *in, const where *from, const char *def)
{
    static int    depth;
    const json_t *schema = json_object_get(json_object_get(in->json, "$defs"), def);
    const where   here = {in, text("/$defs/%s", def), text("%s_%s", in->module, def)};
    type         *t;

    if (schema == NULL)
        die_at(from, "$ref", "%s has no $defs/%s", in->file, def);
    if (!is_identifier(def))
        die(in->file, here.pointer, "a name is lower case letters, digits and _, at most 63");
    for (int i = 0; i < in->defs_count; i++)
        if (in->defs[i]->schema == schema)
            return in->defs[i];
    if (++depth > DEFINITIONS_DEPTH_MAX)
        die_at(from, "$ref", "refers to itself");
    t = build_type(&here, schema);
    depth--;
    if (t->schema != schema)
        return t; /* only another name for a definition that is there */
    if (in->defs_count == LIST_MAX)
        die(in->file, "/$defs", "more than %d", LIST_MAX);
    in->defs[in->defs_count++] = t; /* after what it is made of */
    return t;
}

/* "#/$defs/x" or "common.json#/$defs/x". */
static type *
build_reference(const where *at, const json_t *schema)
{
    static const char marker[] = "#/$defs/";
    const char       *ref = string_member(at->in->file, at->pointer, schema, "$ref", true);
    const char       *def = strstr(ref, marker);
    contract         *in = at->in;

    check_keywords(at->in->file, at->pointer, schema, LIST_OF("$ref"));
    if (def == NULL)
        die_at(at, "$ref", "must be [common.json]#/$defs/<name>");
    if (def != ref) {
        if (strncmp(ref, "common.json#", 12) != 0)
            die_at(at, "$ref", "only common.json can be referred to");
        if (shared == NULL)
            die_at(at, "$ref", "there is no common.json");
        in = shared;
    }
    return build_definition(in, at, def + sizeof(marker) - 1);
}

void
build_definitions(contract *in, contract *common)
{
    const json_t *defs = json_object_get(in->json, "$defs");
    const where   at = {in, "/$defs", NULL};
    const char   *name;
    json_t       *value;

    shared = common;
    if (defs != NULL && !json_is_object(defs))
        die(in->file, "/$defs", "must be an object");
    json_object_foreach((json_t *)(uintptr_t)defs, name, value)(void)
        build_definition(in, &at, name);
}

json_t *
resolved(const contract *c, const json_t *schema)
{
    const char   *ref = json_string_value(json_object_get(schema, "$ref"));
    const char   *name;
    json_t       *out, *value;
    const json_t *item;
    size_t        i;

    if (json_is_array(schema)) {
        out = json_array();
        json_array_foreach(schema, i, item)(void) json_array_append_new(out, resolved(c, item));
        return out;
    }
    if (!json_is_object(schema))
        return json_deep_copy(schema);
    if (ref != NULL) {
        const contract *in = ref[0] == '#' ? c : shared;

        out = resolved(
            in, json_object_get(json_object_get(in->json, "$defs"), strstr(ref, "#/$defs/") + 8));
    } else {
        out = json_object();
    }
    json_object_foreach((json_t *)(uintptr_t)schema, name,
                        value) if (ref == NULL || strcmp(name, "$ref") != 0)(void)
        json_object_set_new(out, name, resolved(c, value));
    return out;
}

/* --- all
 * -----------------------------------------------------------------------------------------------
 */

/* "string", or the other of ["string", "null"]. */
static const char *
type_name(const where *at, const json_t *schema, type *t)
{
    const json_t *value = json_object_get(schema, "type"), *item;
    const char   *name = NULL;
    size_t        i;

    if (json_is_string(value))
        return json_string_value(value);
    json_array_foreach(value, i, item)
    {
        const char *one = json_string_value(item);

        if (one != NULL && strcmp(one, "null") == 0 && !t->nullable)
            t->nullable = true;
        else if (one != NULL && strcmp(one, "null") != 0 && name == NULL)
            name = one;
        else
            die_at(at, "type", "must be one type, with null beside it if need be");
    }
    if (name == NULL)
        die_at(at, "", "needs a type");
    return name;
}

static void
check_annotations(const where *at, const json_t *schema)
{
    (void)string_member(at->in->file, at->pointer, schema, "title", false);
    (void)string_member(at->in->file, at->pointer, schema, "description", false);
    if (json_object_get(schema, "examples") != NULL &&
        !json_is_array(json_object_get(schema, "examples")))
        die_at(at, "examples", "must be a list");
}

static void
build_by_type(const where *at, const json_t *schema, type *t)
{
    const char *name = type_name(at, schema, t);

    if (strcmp(name, "integer") == 0)
        build_integer(at, schema, t);
    else if (strcmp(name, "number") == 0)
        build_number(at, schema, t);
    else if (strcmp(name, "string") == 0)
        build_string(at, schema, t);
    else if (strcmp(name, "array") == 0)
        build_array(at, schema, t);
    else if (strcmp(name, "object") == 0)
        build_object(at, schema, t, NULL);
    else if (strcmp(name, "boolean") == 0) {
        allow(at, schema, "type boolean", LIST_OF("type"));
        t->kind = BUS_KIND_BOOL;
    } else
        die_at(at, "type", "type %s is not supported", name);
}

static type *
build_any(const where *at, const json_t *schema)
{
    type *t = new_type(at, schema);

    check_keywords(at->in->file, at->pointer, schema, shape_keywords);
    check_annotations(at, schema);
    if (json_object_get(schema, "$ref") != NULL)
        return build_reference(at, schema);
    if (json_object_get(schema, "x-json") != NULL) {
        allow(at, schema, "x-json", LIST_OF("x-json"));
        if (!json_is_true(json_object_get(schema, "x-json")))
            die_at(at, "x-json", "must be true");
        t->kind = BUS_KIND_JSON;
    } else if (json_object_get(schema, "oneOf") != NULL)
        build_union(at, schema, t);
    else if (json_object_get(schema, "type") == NULL && json_object_get(schema, "const") != NULL)
        build_enum(at, schema, t);
    else
        build_by_type(at, schema, t);
    return t;
}

type *
build_type(const where *at, const json_t *schema)
{
    refuse_personal(at, schema);
    return build_any(at, schema);
}
