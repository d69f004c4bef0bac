/* inspect.c - looking at a system: `shina status`, `shina events`, and `migrate`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/personal.h"
#include "bus/runtime/sends.h"
#include "bus/store/store.h"
#include "compose/process/migrate.h"
#include "compose/shina/place.h"
#include "compose/shina/tls.h"
#include "compose/shina/verbs.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- status ---------------------------------------------------------------------------------- */

static size_t
collect(char *bytes, size_t size, size_t count, void *buf)
{
    bus_buf_add(buf, bytes, size * count);
    return size * count;
}

/* GET of a path of the running shina. 0: nobody there. */
static long
get(const bus_config *config, const char *listen, const char *path, bus_buf *out)
{
    CURL *curl = curl_easy_init();
    char  url[512];
    long  status = 0;

    (void)snprintf(url, sizeof(url), "%s://%s%.200s%s", shina_tls_scheme(config),
                   listen[0] == ':' ? "127.0.0.1" : "", listen, path);
    shina_tls_trust(config, curl);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 5L);
    if (curl_easy_perform(curl) == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

static void
print_parts(const json_t *answer)
{
    const json_t *parts = json_object_get(answer, "parts"), *part;
    const char   *name;
    json_t       *value;
    size_t        i;

    json_array_foreach(parts, i, part)
    {
        (void)printf("  %-28s %-9s", json_string_value(json_object_get(part, "part")),
                     json_is_true(json_object_get(part, "ready")) ? "ready" : "not ready");
        json_object_foreach((json_t *)(uintptr_t)part, name, value) if (json_is_integer(value))(
            void) printf(" %s %lld", name, (long long)json_integer_value(value));
        (void)printf(" %s\n", json_is_string(json_object_get(part, "detail"))
                                  ? json_string_value(json_object_get(part, "detail"))
                                  : "");
    }
}

/* --- status of all --------------------------------------------------------------------------- */

/* The processes that the store knows, as a JSON array; NULL: out of reach. */
static json_t *
processes_of(const shina_place *p)
{
    json_t     *list = NULL;
    bus_store  *st = NULL;
    bus_arena   arena = {0};
    bus_member *members;
    bus_error   err = {0};
    int         count;

    if (bus_store_postgres.open(&st, &p->options, &err) != BUS_OK ||
        bus_store_postgres.member_beat(st, NULL, &arena, &members, &count, &err) != BUS_OK)
        goto done;
    list = json_array();
    for (int i = 0; i < count; i++) {
        json_t *parts = json_array();

        for (int k = 0; k < members[i].parts_count; k++)
            (void)json_array_append_new(parts, json_string(members[i].parts[k].at));
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:o}", "process",
                                                    members[i].process.at, "url", members[i].url.at,
                                                    "live", members[i].live, "parts", parts));
    }

done:
    bus_arena_fini(&arena);
    bus_store_postgres.close(st);
    return list;
}

static void
print_processes(const json_t *list)
{
    const json_t *process, *part;
    size_t        i, k;

    if (list == NULL) {
        (void)puts("the database does not answer");
        return;
    }
    json_array_foreach(list, i, process)
    {
        (void)printf("%-7s %s %s\n",
                     json_is_true(json_object_get(process, "live")) ? "live" : "gone",
                     json_string_value(json_object_get(process, "process")),
                     json_string_value(json_object_get(process, "url")));
        json_array_foreach(json_object_get(process, "parts"), k, part)(void)
            printf("          %s\n", json_string_value(part));
    }
}

int
verb_status(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--json", NULL};
    bus_buf                  body = {0};
    bus_error                err = {0};
    const char              *listen = bus_config_text(config, "SHINA_HTTP");
    json_t                  *answer, *processes;
    shina_place              p;
    long                     status;

    if (!options_known(argc, argv, known, 0))
        return 2;
    if (shina_place_find(&p, config, &err) != BUS_OK)
        return failed(&err);
    status = get(config, listen, "/readyz", &body);
    processes = processes_of(&p);
    answer = status == 0 || body.at == NULL ? NULL : json_loads(body.at, 0, NULL);
    if (flag_of(argc, argv, "--json")) {
        if (answer == NULL)
            answer = json_object();
        (void)json_object_set(answer, "processes", processes == NULL ? json_null() : processes);
        (void)json_dumpf(answer, stdout, JSON_COMPACT);
        (void)putchar('\n');
    } else {
        (void)printf("%s at %s\n",
                     status == 0     ? "nobody answers"
                     : status == 200 ? "ready"
                                     : "not ready",
                     listen);
        print_parts(answer);
        print_processes(processes);
    }
    json_decref(answer);
    json_decref(processes);
    bus_buf_fini(&body);
    return status == 200 ? 0 : 1;
}

/* --- events
 * -------------------------------------------------------------------------------------------- */

static void
add_member(bus_buf *line, const char *name, bus_str text)
{
    bus_buf_printf(line, ",\"%s\":", name);
    bus_buf_add_json(line, text);
}

/* Printing one partition. */
typedef struct {
    bus_personal *personal; /* NULL: personal members are printed as they stand in the log */
    bus_arena     arena;    /* of one event */
    int64_t       last;     /* offset */
} printing;

/* CloudEvents 1.0, structured mode, with the log's own attributes. */
static bus_code
print_record(void *context, const bus_record *r, bus_error *err)
{
    printing          *p = context;
    const bus_message *type =
        bus_find_event(shina_contracts, shina_contracts_count, r->type); /* NULL: the kernel's */
    bus_str  data = r->data;
    bus_buf  line = {0};
    char     text[BUS_ID_TEXT_BYTES];
    bus_code rc;

    bus_arena_reset(&p->arena);
    if (p->personal != NULL && type != NULL &&
        (rc = bus_personal_open_data(p->personal, r->tenant, r->stream, type, r->data, &p->arena,
                                     &data, err)) != BUS_OK)
        return rc;
    bus_buf_printf(&line, "{\"specversion\":\"1.0\",\"id\":\"%s:%d\"",
                   bus_id_format(r->command_id, text), (int)r->nth);
    bus_buf_printf(&line, ",\"source\":\"shina/%.*s\"", (int)strcspn(r->type.at, "."), r->type.at);
    add_member(&line, "type", r->type);
    bus_buf_printf(&line, ",\"subject\":\"%s\"", bus_id_format(r->stream, text));
    bus_buf_printf(&line, ",\"tenant\":\"%s\"", bus_id_format(r->tenant, text));
    bus_buf_printf(&line, ",\"partition\":%d,\"offset\":%lld,\"streamversion\":%d,\"timems\":%lld",
                   r->partition, (long long)r->offset, (int)r->version, (long long)r->at_ms);
    bus_buf_printf(&line, ",\"correlation\":\"%s\"", bus_id_format(r->correlation_id, text));
    if (r->causation_id.len > 0)
        add_member(&line, "causation", r->causation_id);
    if (r->actor.len > 0) {
        bus_buf_add_text(&line, ",\"actor\":");
        bus_buf_add_str(&line, r->actor);
    }
    bus_buf_add_text(&line, ",\"datacontenttype\":\"application/json\",\"data\":");
    bus_buf_add_str(&line, data);
    (void)printf("%s}\n", line.at);
    bus_buf_fini(&line);
    p->last = r->offset;
    return BUS_OK;
}

typedef struct {
    int     only; /* partition, or -1 */
    int64_t after, limit;
    bool    follow, clear;
} wish;

static bool
parse_wish(int argc, char **argv, wish *w)
{
    const char *after = option_of(argc, argv, "--after"), *limit = option_of(argc, argv, "--limit");
    char       *end;

    *w = (wish){.only = -1,
                .limit = INT64_MAX,
                .follow = flag_of(argc, argv, "--follow"),
                .clear = flag_of(argc, argv, "--clear")};
    if (after != NULL) {
        w->only = (int)strtol(after, &end, 10);
        if (end == after || *end != ':' || w->only < 0 || w->only >= BUS_PARTITIONS_MAX)
            return false;
        after = end + 1;
        w->after = strtoll(after, &end, 10);
        if (end == after || *end != '\0' || w->after < 0)
            return false;
    }
    if (limit != NULL) {
        w->limit = strtoll(limit, &end, 10);
        if (*end != '\0' || w->limit < 1)
            return false;
    }
    return true;
}

/* Prints what there is; *some: there was something. */
static bus_code
print_partition(bus_store *st, const char *domain, int partition, printing *p, int64_t *at,
                int64_t *left, bool *some, bus_error *err)
{
    bus_code rc = BUS_OK;

    while (rc == BUS_OK && *left > 0) {
        int64_t before = *at;
        int     room = *left < 1000 ? (int)*left : 1000;

        p->last = before;
        rc = bus_store_postgres.read(st, domain, (uint16_t)partition, before, room, print_record, p,
                                     err);
        *at = p->last;
        if (*at == before)
            break;
        *left -= *at - before;
        *some = true;
    }
    return rc;
}

static bus_code
print_events(bus_store *st, const char *domain, const wish *w, printing *p, bus_error *err)
{
    int64_t             at[BUS_PARTITIONS_MAX] = {0}, left[BUS_PARTITIONS_MAX];
    bus_arena           arena = {0};
    bus_partition_info *infos;
    int                 count;
    bus_code            rc = bus_store_postgres.partitions(st, domain, &arena, &infos, &count, err);

    bus_arena_fini(&arena);
    for (int i = 0; i < BUS_PARTITIONS_MAX; i++)
        left[i] = w->limit;
    if (w->only >= 0)
        at[w->only] = w->after;
    do {
        bool some = false;

        for (int part = 0; rc == BUS_OK && part < count; part++)
            if (w->only < 0 || w->only == part)
                rc = print_partition(st, domain, part, p, &at[part], &left[part], &some, err);
        (void)fflush(stdout);
        if (w->follow && !some)
            (void)usleep(200000);
    } while (rc == BUS_OK && w->follow);
    return rc;
}

int
verb_events(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--after=", "--limit=", "--follow", "--clear", NULL};
    const char              *domain = word_of(argc, argv, known, 0);
    bus_store               *st = NULL;
    bus_error                err = {0};
    printing                 printed = {0};
    shina_place              p;
    wish                     w;
    bus_code                 rc;

    if (!options_known(argc, argv, known, 1))
        return 2;
    if (domain == NULL || !shina_place_knows("events", domain)) {
        if (domain == NULL)
            (void)fputs("shina events: which domain? See shina help events\n", stderr);
        return 2;
    }
    if (!parse_wish(argc, argv, &w)) {
        (void)fputs("shina events: --after is PARTITION:OFFSET, --limit a number\n", stderr);
        return 2;
    }
    if ((rc = shina_place_find(&p, config, &err)) == BUS_OK && w.clear &&
        (rc = shina_place_keys(&p, &err)) == BUS_OK)
        printed.personal = shina_place_personal(&p);
    if (rc == BUS_OK && (rc = shina_place_log(&st, &p, domain, &err)) == BUS_OK)
        rc = print_events(st, domain, &w, &printed, &err);
    if (st != NULL)
        bus_store_postgres.close(st);
    bus_personal_destroy(printed.personal);
    bus_arena_fini(&printed.arena);
    shina_place_leave(&p);
    return rc == BUS_OK ? 0 : failed(&err);
}

/* --- migrate
 * --------------------------------------------------------------------------------------------------
 */

int
verb_migrate(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {NULL};
    bus_error                err = {0};
    shina_place              p;

    if (!options_known(argc, argv, known, 0))
        return 2;
    if (shina_place_find(&p, config, &err) != BUS_OK ||
        shina_migrate(p.servers.database_url, config, &err) != BUS_OK)
        return failed(&err);
    (void)puts("the migrations are applied");
    return 0;
}
