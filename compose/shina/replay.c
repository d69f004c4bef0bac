/* replay.c - `shina replay`: an analytic over the old log at other rates, beside a working system.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/replay.h"
#include "api-edge/http/header.h"
#include "bus/contract/codec.h"
#include "compose/shina/interrupt.h"
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_DEFAULT 100
#define RULES_BYTES_MAX 65536

typedef struct {
    const bus_view *analytic;
    void          **rules; /* by module; NULL: as it was */
    bus_arena       arena; /* of the rules */
    int64_t         from_ms, to_ms;
    bus_id          tenant;
    bool            json, by_rules;
    int64_t         lines, lines_max; /* printed; 0: all */
    bool            unprinted;        /* nobody reads what we print */
} wish;

static bool
go_on(void *context)
{
    const wish *w = context;

    return !interrupted() && !w->unprinted;
}

static void
print_progress(void *context, const bus_replay_counts *c)
{
    (void)context;
    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r%lld of %lld events, %lld windows compared   ", (long long)c->events,
                  (long long)c->total, (long long)c->windows);
    (void)fflush(stderr);
}

/* --- what differs ------------------------------------------------------------------------------
 */

static void
print_value(const json_t *value)
{
    char *text = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    (void)fputs(text == NULL ? "none" : text, stdout);
    free(text);
}

/* "2026-11-23T05:00 by=DRIVER driver_id=...", from whichever is there. */
static void
print_key(const wish *w, const json_t *row)
{
    const bus_windows *windows = w->analytic->of->windows;
    char               text[BUS_MINUTE_TEXT_BYTES];
    bus_str            at =
        bus_minute_text(json_integer_value(json_object_get(row, windows->from_at->name)), 0, text);

    (void)printf("%.10sT%.5sZ", at.at, at.at + 11);
    for (int i = 0; i < windows->key_count; i++) {
        const json_t *value = json_object_get(row, windows->key[i]->name);

        if (value == NULL || json_is_null(value))
            continue;
        if (json_is_string(value))
            (void)printf(" %s=%s", windows->key[i]->name, json_string_value(value));
        else
            (void)printf(" %s=%lld", windows->key[i]->name, (long long)json_integer_value(value));
    }
}

static void
print_member(const char *name, const json_t *was, const json_t *is, int *count)
{
    if (json_equal(was, is))
        return;
    (void)printf("%s %s ", (*count)++ == 0 ? ":" : ",", name);
    print_value(was);
    (void)fputs(" -> ", stdout);
    print_value(is);
}

static void
print_members(const json_t *today, const json_t *replayed)
{
    const char *name;
    json_t     *value;
    int         count = 0;

    if (today == NULL || replayed == NULL) {
        (void)puts(today == NULL ? ": only in the replay" : ": not in the replay");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)today, name, value)
        print_member(name, value, json_object_get(replayed, name), &count);
    json_object_foreach((json_t *)(uintptr_t)replayed, name,
                        value) if (json_object_get(today, name) == NULL)
        print_member(name, NULL, value, &count);
    (void)putchar('\n');
}

/* What was not compared. */
static void
strip(json_t *row)
{
    (void)json_object_del(row, "version");
    (void)json_object_del(row, "change");
    (void)json_object_del(row, "closed");
}

static void
print_json(bus_id tenant, json_t *today, json_t *replayed)
{
    char    text[BUS_ID_TEXT_BYTES];
    json_t *line;

    strip(today);
    strip(replayed);
    line = json_pack("{s:s, s:O?, s:O?}", "tenant", bus_id_format(tenant, text), "today", today,
                     "replayed", replayed);

    BUS_INVARIANT(line != NULL);
    (void)json_dumpf(line, stdout, JSON_COMPACT); /* ferror() tells */
    (void)putchar('\n');
    json_decref(line);
}

static void
print_difference(void *context, bus_id tenant, bus_str today, bus_str replayed)
{
    wish   *w = context;
    json_t *was = today.at == NULL ? NULL : json_loadb(today.at, today.len, 0, NULL);
    json_t *is = replayed.at == NULL ? NULL : json_loadb(replayed.at, replayed.len, 0, NULL);
    char    text[BUS_ID_TEXT_BYTES];

    if (w->lines_max == 0 || w->lines++ < w->lines_max) {
        if (w->json) {
            print_json(tenant, was, is);
        } else {
            if (bus_id_is_nil(w->tenant))
                (void)printf("%s ", bus_id_format(tenant, text));
            print_key(w, was != NULL ? was : is);
            print_members(was, is);
        }
    }
    w->unprinted = ferror(stdout) != 0;
    json_decref(was);
    json_decref(is);
}

/* --- rules --------------------------------------------------------------------------------------
 */

/* One domain's member of the file. */
static bus_code
read_rules_of(wish *w, const char *path, const char *domain, const json_t *value, bus_error *err)
{
    bus_problems     problems = {0};
    const bus_shape *shape;

    for (int m = 0; m < shina_modules_count; m++) {
        if (strcmp(shina_modules[m]->contract->module, domain) != 0)
            continue;
        if ((shape = shina_modules[m]->contract->what_if) == NULL)
            break;
        w->rules[m] = bus_arena_alloc(&w->arena, shape->size);
        if (bus_decode_json(shape, value, &w->arena, w->rules[m], &problems) == BUS_OK)
            return BUS_OK;
        return bus_fail(err, BUS_INVALID, "%.80s: /%s%s: %s", path, domain,
                        problems.items[0].pointer, problems.items[0].message);
    }
    return bus_fail(err, BUS_INVALID, "%.80s: /%.60s: no domain of that name takes rules", path,
                    domain);
}

static bus_code
read_rules(wish *w, const char *path, bus_error *err)
{
    FILE        *file = fopen(path, "re");
    char        *text = bus_arena_alloc(&w->arena, RULES_BYTES_MAX + 1);
    bus_problems problems = {0};
    size_t       len;
    json_t      *json, *value;
    const char  *domain;
    bus_code     rc = BUS_OK;

    if (file == NULL)
        return bus_fail(err, BUS_INVALID, "%.200s cannot be read", path);
    len = fread(text, 1, RULES_BYTES_MAX + 1, file);
    if (ferror(file) || len > RULES_BYTES_MAX)
        rc = bus_fail(err, BUS_INVALID, "%.160s cannot be read, or has more than %d bytes", path,
                      RULES_BYTES_MAX);
    (void)fclose(file);
    if (rc != BUS_OK)
        return rc;
    json = bus_json_parse((bus_str){text, (uint32_t)len}, &problems);
    if (json == NULL)
        return bus_fail(err, BUS_INVALID, "%.80s: %s%s%s", path, problems.items[0].pointer,
                        problems.items[0].pointer[0] == '\0' ? "" : ": ",
                        problems.items[0].message);
    if (!json_is_object(json))
        rc = bus_fail(err, BUS_INVALID, "%.160s: must be an object of domains", path);
    json_object_foreach(json, domain, value) if (rc == BUS_OK) rc =
        read_rules_of(w, path, domain, value, err);
    json_decref(json);
    return rc;
}

static const void *
rules_of(void *context, const bus_module *module)
{
    const wish *w = context;

    for (int m = 0; m < shina_modules_count; m++)
        if (shina_modules[m] == module)
            return w->rules[m];
    return NULL;
}

/* --- what is asked for -------------------------------------------------------------------------
 */

static const bus_view *
analytic_named(const char *name)
{
    const bus_view *found = NULL;

    for (int i = 0; name != NULL && i < shina_views_count; i++)
        if (shina_views[i]->analytic != NULL && strcmp(shina_views[i]->of->name, name) == 0)
            found = shina_views[i];
    if (found != NULL)
        return found;
    if (name == NULL)
        (void)fputs("shina replay: which analytic? There are", stderr);
    else
        (void)fprintf(stderr, "shina replay: there is no analytic \"%s\"; there are", name);
    for (int i = 0; i < shina_views_count; i++)
        if (shina_views[i]->analytic != NULL)
            (void)fprintf(stderr, " %s", shina_views[i]->of->name);
    (void)fputc('\n', stderr);
    return NULL;
}

/* A time, or a day: its midnight UTC. */
static bool
parse_time(const char *name, const char *text, int64_t absent, int64_t *out)
{
    char day[40];

    *out = absent;
    if (text == NULL || edge_time_parse(bus_str_of(text), out))
        return true;
    if (snprintf(day, sizeof(day), "%.12sT00:00:00Z", text) < (int)sizeof(day) &&
        edge_time_parse(bus_str_of(day), out))
        return true;
    (void)fprintf(stderr,
                  "shina replay: %s is a time such as 2026-11-23T00:00:00Z, or a day such as "
                  "2026-11-23\n",
                  name);
    return false;
}

static bool
parse_wish(int argc, char **argv, const char *const *known, wish *w)
{
    const char *tenant = option_of(argc, argv, "--tenant"),
               *limit = option_of(argc, argv, "--limit");
    char *end = NULL;

    w->json = flag_of(argc, argv, "--json");
    w->lines_max = LINES_DEFAULT;
    if ((w->analytic = analytic_named(word_of(argc, argv, known, 0))) == NULL ||
        !parse_time("--from", option_of(argc, argv, "--from"), INT64_MIN, &w->from_ms) ||
        !parse_time("--to", option_of(argc, argv, "--to"), INT64_MAX, &w->to_ms))
        return false;
    if (w->from_ms >= w->to_ms) {
        (void)fputs("shina replay: nothing begins at --from or later and before --to\n", stderr);
        return false;
    }
    if (tenant != NULL &&
        (!bus_id_parse(bus_str_of(tenant), &w->tenant) || bus_id_is_nil(w->tenant))) {
        (void)fputs("shina replay: --tenant is a UUID\n", stderr);
        return false;
    }
    errno = 0;
    if (limit != NULL)
        w->lines_max = strtoll(limit, &end, 10);
    if (limit != NULL &&
        (end == limit || *end != '\0' || limit[0] < '0' || limit[0] > '9' || errno != 0)) {
        (void)fputs("shina replay: --limit is a number of lines; 0: all\n", stderr);
        return false;
    }
    return true;
}

/* --- the verb ------------------------------------------------------------------------------------
 */

static bus_code
replay(wish *w, shina_place *place, bus_replay_counts *counts, bus_error *err)
{
    bus_runtime_options options = shina_place_runtime(place);
    char                builder[64];
    const bus_replay    what = {.analytic = w->analytic,
                                .builder = builder,
                                .rules_of = rules_of,
                                .from_ms = w->from_ms,
                                .to_ms = w->to_ms,
                                .tenant = w->tenant,
                                .differs = print_difference,
                                .go_on = go_on,
                                .progress = print_progress,
                                .context = w};
    bus_code            rc;

    options.modules = shina_modules;
    options.modules_count = shina_modules_count;
    (void)snprintf(builder, sizeof(builder), "replay:%ld", (long)getpid());
    rc = bus_replay_run(&options, &what, counts, err);
    if (isatty(STDERR_FILENO))
        (void)fputc('\n', stderr);
    return rc;
}

int
verb_replay(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {
        "--from=", "--to=", "--rules=", "--tenant=", "--limit=", "--json", NULL};
    bus_replay_counts counts = {0};
    bus_error         err = {0};
    shina_place       place = {0};
    wish              w = {0};
    bus_code          rc = BUS_OK;

    if (!options_known(argc, argv, known, 1) || !parse_wish(argc, argv, known, &w))
        return 2;
    w.rules = BUS_ARENA_ARRAY(&w.arena, void *, (size_t)shina_modules_count + 1);
    interrupt_note();
    if (option_of(argc, argv, "--rules") != NULL)
        rc = read_rules(&w, option_of(argc, argv, "--rules"), &err);
    w.by_rules = option_of(argc, argv, "--rules") != NULL;
    if (rc == BUS_OK && (rc = shina_place_find(&place, config, &err)) == BUS_OK)
        rc = shina_place_keys(&place, &err);
    if (rc == BUS_OK)
        rc = replay(&w, &place, &counts, &err);
    shina_place_leave(&place);
    bus_arena_fini(&w.arena);
    if (rc != BUS_OK)
        return failed(&err);
    if (w.lines_max > 0 && w.lines > w.lines_max)
        (void)fprintf(w.json ? stderr : stdout, "... and %lld more; --limit 0 prints all\n",
                      (long long)(w.lines - w.lines_max));
    (void)fprintf(w.json ? stderr : stdout,
                  "replay: %lld windows compared, %lld differ, %lld changed meanwhile; %lld events "
                  "read, %lld made anew by rules\n",
                  (long long)counts.windows, (long long)counts.differ, (long long)counts.moved,
                  (long long)counts.events, (long long)counts.computed);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("shina replay: not all could be printed\n", stderr);
        return 1;
    }
    return w.by_rules || counts.differ == 0 ? 0 : 1;
}
