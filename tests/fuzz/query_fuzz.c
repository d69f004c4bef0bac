/* query_fuzz.c - any bytes as the parameters of a list.
 *
 * The first line is "<role> <view>", what is not known picks by its hash; the rest is
 * "name=value&name=value", as libmicrohttpd gives it after unescaping: any byte may be in it. The
 * list's cursor cannot be guessed: of the value "NEXT" one is made that fits.
 * What must hold: what is refused is answered with 422; what is taken is one SQL statement of
 * known characters, whose parameters are those given, in UTF-8 and without control of the text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/metrics.h"
#include "api-edge/http/request.h"
#include "api-edge/query/cursor.h"
#include "api-edge/query/view.h"
#include "bus/log/log.h"
#include "compose/process/registry.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARAMETERS_MAX 64

typedef struct {
    char    *name, *value; /* value NULL: no '=' */
    uint32_t name_bytes, value_bytes;
} parameter;

/* What libmicrohttpd has parsed; there is no connection. */
static parameter parameters[PARAMETERS_MAX];
static int       parameters_count;
static edge      e;

/* Instead of libmicrohttpd's, by the linker's --wrap. */
int __wrap_MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                       MHD_KeyValueIteratorN iterator, void *context);

int
__wrap_MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                   MHD_KeyValueIteratorN iterator, void *context)
{
    int i = 0;

    (void)connection;
    while (i < parameters_count) {
        const parameter *p = &parameters[i++];

        if (iterator(context, kind, p->name, p->name_bytes, p->value, p->value_bytes) != MHD_YES)
            break;
    }
    return i;
}

static void
stop(void)
{
    edge_views_close(&e);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    bus_error err;

    (void)argc;
    (void)argv;
    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    edge_metrics_start();
    e.options = (edge_options){.clock = bus_clock_system(),
                               .contracts = shina_contracts,
                               .contracts_count = shina_contracts_count,
                               .views = shina_views,
                               .views_count = shina_views_count};
    if (edge_views_open(&e, &err) != BUS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    BUS_INVARIANT(atexit(stop) == 0);
    return 0;
}

static void
read_parameters(bus_str rest)
{
    parameters_count = 0;
    while (rest.len > 0 && parameters_count < PARAMETERS_MAX) {
        bus_str    value = fuzz_cut(&rest, '&'), name = fuzz_cut(&value, '=');
        parameter *p = &parameters[parameters_count++];
        bool       has_value = value.at != name.at + name.len;

        *p = (parameter){.name = fuzz_text(name), .name_bytes = name.len};
        p->value = has_value ? fuzz_text(value) : NULL;
        p->value_bytes = has_value ? value.len : 0;
    }
}

static void
free_parameters(void)
{
    for (int i = 0; i < parameters_count; i++) {
        free(parameters[i].name);
        free(parameters[i].value);
    }
}

static const edge_view *
pick_view(bus_str name)
{
    for (int i = 0; i < e.views_count; i++)
        if (bus_str_is(name, e.views[i].of->name))
            return &e.views[i];
    return &e.views[bus_fnv1a64(name.at, name.len) % (uint64_t)e.views_count];
}

static uint32_t
pick_role(bus_str name)
{
    uint32_t role = bus_role_parse(name);

    return role == 0 ? BUS_ROLE_ADMIN : role;
}

/* --- what must hold ---------------------------------------------------------- */

static void
check_sql(const edge_db_query *query)
{
    int highest = 0;

    BUS_INVARIANT(query->sql != NULL && query->count <= EDGE_PARAMS_MAX);
    for (const char *at = query->sql; *at != '\0'; at++) {
        BUS_INVARIANT(isalnum((unsigned char)*at) || strchr(" _.,:\"'$()<>=!-[]|{}@%+*/", *at));
        BUS_INVARIANT(*at != '-' || at[1] != '-');
        if (*at == '$' && isdigit((unsigned char)at[1])) {
            int number = (int)strtol(at + 1, NULL, 10);

            highest = number > highest ? number : highest;
            BUS_INVARIANT(number >= 1 && number <= query->count);
        }
    }
    BUS_INVARIANT(highest == query->count);
    for (int i = 0; i < query->count; i++) {
        json_t *text = query->values[i] == NULL ? json_null() : json_string(query->values[i]);

        BUS_INVARIANT(text != NULL); /* PostgreSQL takes nothing but UTF-8 */
        json_decref(text);
    }
}

static void
check_answer(edge_request *r)
{
    json_t *document;

    BUS_INVARIANT(r->answered && r->held != NULL && r->status == 422);
    document = json_loadb(r->out.at, r->out.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    BUS_INVARIANT(json_array_size(json_object_get(document, "errors")) > 0);
    json_decref(document);
    MHD_destroy_response(r->held);
}

/* Runs the list as one of the contract's callers; returns what a cursor of it is bound to. */
static uint64_t
ask(const edge_view *view, uint32_t role)
{
    edge_loop    loop = {.e = &e, .random_used = EDGE_RANDOM_BYTES};
    edge_route   route = {.class = EDGE_CLASS_LIST, .view = view};
    edge_request r = {.loop = &loop, .route = &route, .class = EDGE_CLASS_LIST};
    edge_scope   scope;
    uint64_t     binding;

    r.caller.actor = (bus_actor){.id = {{1}}, .roles = role, .driver_id = {{2}}};
    r.caller.tenant = (bus_id){{3}};
    scope = edge_view_scope(view, &r.caller.actor);
    if (!scope.allowed)
        return 0;
    r.query.query.values[0] = "00000000-0000-0000-0000-000000000003";
    r.query.query.count = 1;
    if (edge_list_query(&r, &scope)) {
        BUS_INVARIANT(!r.answered);
        check_sql(&r.query.query);
    } else {
        check_answer(&r);
    }
    binding = r.query.binding;
    bus_arena_fini(&r.arena);
    bus_buf_fini(&r.body);
    bus_buf_fini(&r.out);
    return binding;
}

/* The parameter cursor=NEXT, or NULL. */
static parameter *
find_next(void)
{
    for (int i = 0; i < parameters_count; i++)
        if (strcmp(parameters[i].name, "cursor") == 0 && parameters[i].value != NULL &&
            strncmp(parameters[i].value, "NEXT", 4) == 0)
            return &parameters[i];
    return NULL;
}

static bool
is_text(bus_str value)
{
    json_t *text =
        memchr(value.at, '\0', value.len) != NULL ? NULL : json_stringn(value.at, value.len);
    bool right = text != NULL;

    json_decref(text);
    return right;
}

static void
put_cursor(parameter *next, uint64_t binding)
{
    edge_cursor cursor = {.id = {{4}}, .is_null = next->value[4] == '-'};
    bus_buf     text = {0};
    char       *value = next->value;

    cursor.value = (bus_str){value + 4, next->value_bytes >= 4 ? next->value_bytes - 4 : 0};
    if (cursor.value.len > EDGE_CURSOR_VALUE_MAX || !is_text(cursor.value))
        cursor.value.len = 0; /* of no column: PostgreSQL gives UTF-8 */
    edge_cursor_encode(&cursor, binding, &text);
    next->value = fuzz_text(bus_buf_str(&text));
    next->value_bytes = (uint32_t)text.len;
    free(value);
    bus_buf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str          rest = fuzz_input(data, size), line = fuzz_cut(&rest, '\n');
    uint32_t         role = pick_role(fuzz_cut(&line, ' '));
    const edge_view *view = pick_view(line);
    parameter       *next;
    uint64_t         binding;

    read_parameters(rest);
    binding = ask(view, role);
    next = find_next();
    if (next != NULL) {
        put_cursor(next, binding);
        (void)ask(view, role);
    }
    free_parameters();
    return 0;
}
