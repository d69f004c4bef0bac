/* analytics.c - an entry of "analytics" becomes views: its windows, the events that came too late
 * for them, how far each partition is, and what its map() remembers. From there on they are loaded,
 * checked, routed and documented like any other view.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/contract/compiler/model.h"

#include <string.h>

#define NAME_MAX_BYTES 33      /* "_clocks" and "_memory" fit behind it into a view's name */
#define SIZE_S_MAX 31622400    /* 366 days */
#define PANE_WINDOWS_MAX 256   /* as projections/stream/stream.h */
#define DURATION_S_MAX 8640000 /* of bound, grace, idle: 100 days */

static const char late_schema[] =
    "{'type':'object','additionalProperties':false,'required':['domain','partition','offset',"
    "'event','stream','logged_at','event_at','watermark_at','late_s','refused'],'properties':{"
    "'domain':{'type':'string','maxLength':64},"
    "'partition':{'type':'integer','minimum':0,'maximum':255},"
    "'offset':{'type':'integer','minimum':0},"
    "'event':{'type':'string','maxLength':160},"
    "'stream':{'type':'string','format':'uuid'},"
    "'logged_at':{'type':'integer','description':'When it was appended.'},"
    "'event_at':{'type':'integer','description':'The earliest time that was refused.'},"
    "'watermark_at':{'type':'integer','description':'How far its partition was.'},"
    "'late_s':{'type':'integer','description':'After the end of the grace.'},"
    "'refused':{'type':'integer','minimum':1,'description':'Contributions.'}}}";

static const char clocks_schema[] =
    "{'type':'object','additionalProperties':false,'required':['domain','partition','offset',"
    "'seen_at','known','watermark_at','ticked_at','late','change','closed_to_at'],'properties':{"
    "'domain':{'type':'string','maxLength':64},"
    "'partition':{'type':'integer','minimum':0,'maximum':255},'offset':{'type':'integer'},"
    "'seen_at':{'type':'integer'},'known':{'type':'boolean'},'watermark_at':{'type':'integer'},"
    "'ticked_at':{'type':'integer'},'late':{'type':'integer'},'change':{'type':'integer'},"
    "'closed_to_at':{'type':'integer'}}}";

/* What every window has besides what its author declares. */
static const char window_members[] =
    "{'from_at':{'type':'integer','description':'The window begins; UTC milliseconds.'},"
    "'to_at':{'type':'integer','description':'It ends, not included.'},"
    "'closed':{'type':'boolean','description':'No event will change it any more.'},"
    "'change':{'type':'integer','minimum':0,'description':'The number of its last change: sort by "
    "it"
    " and ask for change.gt to follow all changes.'}}";

static int64_t
seconds(const contract *c, const char *pointer, const json_t *json, const char *name, int64_t least,
        int64_t most, int64_t otherwise)
{
    const json_t *value = json_object_get(json, name);

    if (value == NULL && otherwise >= 0)
        return otherwise;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        die(c->file, text("%s/%s", pointer, name), "must be whole seconds, %lld to %lld",
            (long long)least, (long long)most);
    return json_integer_value(value);
}

static void
load_times(const contract *c, const char *pointer, const json_t *json, analytic *a)
{
    static const char *const known[] = {"size_s", "every_s", NULL};
    const json_t            *window = json_object_get(json, "window");
    const char              *here = text("%s/window", pointer);
    const char              *emit = string_member(c->file, pointer, json, "emit", false);

    if (window == NULL)
        die(c->file, pointer, "needs a window");
    check_keywords(c->file, here, window, known);
    a->size_s = seconds(c, here, window, "size_s", 1, SIZE_S_MAX, -1);
    a->every_s = seconds(c, here, window, "every_s", 1, a->size_s, a->size_s);
    if (a->size_s % a->every_s != 0 || a->size_s / a->every_s > PANE_WINDOWS_MAX)
        die(c->file, text("%s/every_s", here), "must go into size_s, at most %d times",
            PANE_WINDOWS_MAX);
    a->out_of_order_s = seconds(c, pointer, json, "out_of_order_s", 0, DURATION_S_MAX, -1);
    a->grace_s = seconds(c, pointer, json, "grace_s", 0, DURATION_S_MAX, -1);
    a->idle_s = seconds(c, pointer, json, "idle_s", 1, DURATION_S_MAX, -1);
    a->on_close = emit != NULL && strcmp(emit, "close") == 0;
    if (emit != NULL && !a->on_close && strcmp(emit, "update") != 0)
        die(c->file, text("%s/emit", pointer), "must be update or close");
}

/* A copy of the author's schema with the members that every window has. */
static json_t *
window_schema(const contract *c, const char *pointer, const json_t *json)
{
    json_t     *schema = json_deep_copy(json_object_get(json, "schema"));
    json_t     *properties = json_object_get(schema, "properties"), *value;
    json_t     *required = json_object_get(schema, "required");
    json_t     *more = parsed(window_members);
    const char *name;

    if (!json_is_object(properties) || json_object_get(schema, "$ref") != NULL)
        die(c->file, text("%s/schema", pointer), "must be an object with properties");
    if (required == NULL)
        put(schema, "required", required = json_array());
    json_object_foreach(more, name, value)
    {
        if (json_object_get(properties, name) != NULL)
            die(c->file, text("%s/schema/properties/%s", pointer, name),
                "every window has such a member");
        (void)json_object_set(properties, name, value);
        add(required, json_string(name));
    }
    json_decref(more);
    return schema;
}

/* The author's list with more at its end. */
static json_t *
longer(const json_t *list, const char *more)
{
    json_t *all = json_is_array(list) ? json_deep_copy(list) : json_array();
    json_t *rest = parsed(more);

    (void)json_array_extend(all, rest);
    json_decref(rest);
    return all;
}

static void
copy_member(json_t *made, const json_t *json, const char *name)
{
    json_t *value = json_object_get(json, name);

    if (value != NULL)
        (void)json_object_set(made, name, value);
}

static json_t *
windows_view(const contract *c, const char *pointer, const json_t *json)
{
    static const char *const same[] = {"description", "roles", "follows", "joins", NULL};
    json_t                  *made = parsed("{'key':true,'default_sort':'-from_at'}");
    const char              *http = string_member(c->file, pointer, json, "http", false);

    for (int i = 0; same[i] != NULL; i++)
        copy_member(made, json, same[i]);
    copy_member(made, json, "default_sort");
    if (http != NULL && strncmp(http, "GET /", 5) != 0)
        die(c->file, text("%s/http", pointer), "must be GET /path");
    if (http != NULL)
        put(made, "http", json_pack("{ss}", "list", http));
    put(made, "filters",
        longer(json_object_get(json, "filters"), "['from_at','to_at','closed','change']"));
    put(made, "sorts", longer(json_object_get(json, "sorts"), "['from_at','change']"));
    put(made, "schema", window_schema(c, pointer, json));
    return made;
}

static json_t *
late_view(const json_t *json)
{
    json_t     *made = parsed("{'key':true,'description':'Events that came too late for the "
                                  "windows.','filters':['event','stream','event_at','logged_at'],"
                                  "'sorts':['logged_at','event_at'],'default_sort':'-logged_at'}");
    const char *http = json_string_value(json_object_get(json, "http"));

    copy_member(made, json, "roles");
    copy_member(made, json, "follows");
    if (http != NULL)
        put(made, "http", json_pack("{so}", "list", json_string(text("%s/late", http))));
    put(made, "schema", parsed(late_schema));
    return made;
}

static json_t *
hidden_view(const json_t *json, json_t *schema)
{
    json_t *made = parsed("{'key':true}");

    copy_member(made, json, "follows");
    put(made, "schema", schema);
    return made;
}

static void
check_key(const contract *c, analytic *a, const char *pointer, const json_t *json)
{
    const json_t *properties = json_object_get(json_object_get(json, "schema"), "properties");

    a->key_count = load_list(c, text("%s/key", pointer), json_object_get(json, "key"), a->key);
    for (int i = 0; i < a->key_count; i++)
        if (json_object_get(properties, a->key[i]) == NULL)
            die(c->file, text("%s/key/%d", pointer, i), "%s is no member of the row", a->key[i]);
}

/* The members of the key are scalars, and nothing of it is personal: windows hold no names. */
static void
check_loaded(const contract *c, const analytic *a, const view *v, const char *pointer)
{
    for (int i = 0; is_analytic(v) && i < a->key_count; i++)
        if (member_named(v->row, a->key[i])->type->kind >= BUS_KIND_OBJECT)
            die(c->file, text("%s/key/%d", pointer, i), "%s is no scalar", a->key[i]);
    if (is_personal(v->row))
        die(c->file, pointer, "an analytic holds no personal members");
}

static void
add_part(contract *c, analytic *a, const char *pointer, const char *name, json_t *json)
{
    view *v = &c->views[c->views_count++];

    (void)json_object_set_new(c->expanded, name, json);
    v->analytic = a;
    load_view(c, name, text("%s", pointer), json, v);
    check_loaded(c, a, v, pointer);
}

static void
load_analytic(contract *c, const char *name, const json_t *json, analytic *a)
{
    static const char *const known[] = {
        "description", "http",         "roles",          "key",     "window", "filters",
        "sorts",       "default_sort", "out_of_order_s", "grace_s", "idle_s", "emit",
        "follows",     "memory",       "schema",         "joins",   NULL};
    const char *pointer = text("/analytics/%s", name);
    json_t     *memory = json_object_get(json, "memory");

    check_keywords(c->file, pointer, json, known);
    if (!is_identifier(name) || strlen(name) > NAME_MAX_BYTES)
        die(c->file, pointer, "a name is lower case letters, digits and _, at most %d",
            NAME_MAX_BYTES);
    if (json_array_size(json_object_get(json, "follows")) == 0)
        die(c->file, pointer, "needs follows");
    a->name = text("%s", name);
    a->json = json;
    a->has_memory = memory != NULL;
    load_times(c, pointer, json, a);
    check_key(c, a, pointer, json);
    add_part(c, a, pointer, a->name, windows_view(c, pointer, json));
    add_part(c, a, pointer, text("%s_late", name), late_view(json));
    add_part(c, a, pointer, text("%s_clocks", name), hidden_view(json, parsed(clocks_schema)));
    if (memory != NULL)
        add_part(c, a, text("%s/memory", pointer), text("%s_memory", name),
                 hidden_view(json, json_incref(memory)));
}

void
load_analytics(contract *c)
{
    const json_t *all = json_object_get(c->json, "analytics");
    const char   *name;
    json_t       *value;
    int           i = 0;

    if (all == NULL)
        return;
    if (!json_is_object(all))
        die(c->file, "/analytics", "must be an object, by name");
    c->expanded = json_object();
    c->analytics = BUS_ARENA_ARRAY(&compiler_memory, analytic, json_object_size(all) + 1);
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
        load_analytic(c, name, value, &c->analytics[i++]);
}

/* --- what it is in C ------------------------------------------------------------- */

bool
is_analytic(const view *v)
{
    return v->analytic != NULL && strcmp(v->name, v->analytic->name) == 0;
}

/* "&fields_12[3]" */
static const char *
field_of(const view *v, const char *name)
{
    int i = 0;

    while (strcmp(v->row->members[i].name, name) != 0)
        i++;
    return text("&fields_%d[%d]", v->row->shape, i);
}

void
write_windows(const view *v, bus_buf *out)
{
    const analytic *a = v->analytic;

    if (a->key_count > 0) {
        bus_buf_printf(out, "static const bus_field *const %s_key[] = {\n", v->name);
        for (int i = 0; i < a->key_count; i++)
            bus_buf_printf(out, "    %s,\n", field_of(v, a->key[i]));
        bus_buf_add_text(out, "};\n");
    }
    bus_buf_printf(out,
                   "static const bus_windows %s_windows = {\n"
                   "    .size_ms = INT64_C(%lld), .every_ms = INT64_C(%lld),\n"
                   "    .bound_ms = INT64_C(%lld), .grace_ms = INT64_C(%lld),\n"
                   "    .idle_ms = INT64_C(%lld), .on_close = %s,\n",
                   v->name, (long long)a->size_s * 1000, (long long)a->every_s * 1000,
                   (long long)a->out_of_order_s * 1000, (long long)a->grace_s * 1000,
                   (long long)a->idle_s * 1000, a->on_close ? "true" : "false");
    if (a->key_count > 0)
        bus_buf_printf(out, "    .key = %s_key, .key_count = %d,\n", v->name, a->key_count);
    bus_buf_printf(out,
                   "    .from_at = %s, .to_at = %s,\n    .closed = %s, .change = %s,\n"
                   "    .late = &%s_late_view, .clocks = &%s_clocks_view,\n",
                   field_of(v, "from_at"), field_of(v, "to_at"), field_of(v, "closed"),
                   field_of(v, "change"), v->name, v->name);
    if (a->has_memory)
        bus_buf_printf(out, "    .memory = &%s_memory_view,\n", v->name);
    bus_buf_add_text(out, "};\n");
}
