/* scene.c - setting up and taking down.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/scene.h"
#include "tests/chaos/history.h"
#include "tests/chaos/left_over.h"
#include "tests/chaos/say.h"
#include "tests/chaos/victims.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENANT "55555555-5555-4555-8555-555555555555"
#define USER "66666666-6666-4666-8666-666666666666"
#define READY_S 120
#define FAILED_STARTS_MAX 10 /* one after another */
#define ANSWERS_S 120
#define READS_AGAIN 8
#define AGAIN 20 /* commands acknowledged: it goes on */

static bus_id
id_of(const char *text)
{
    bus_id id;

    if (!bus_id_parse(bus_str_of(text), &id))
        abort();
    return id;
}

void
scene_start(scene *s, const char *database_url, const char *redis_url)
{
    const char *const token[] = {"token",  "--tenant", TENANT,  "--user", USER,
                                 "--role", "ADMIN",    "--ttl", "36000",  NULL};

    *s = (scene){0};
    victims_begin();
    if (setenv("SHINA_SNAPSHOT_EVENTS", "4", 1) != 0) /* many, so that they are in the way */
        abort();
    s->shina = database_url == NULL && redis_url == NULL
                   ? tests_shina_start()
                   : tests_shina_start_on(database_url, redis_url);
    s->front = s->shina;
    s->token = tests_shina_verb(s->shina, token, NULL);
    (void)snprintf(s->journal_path, sizeof(s->journal_path), "/tmp/shina-chaos-%ld.journal",
                   (long)getpid());
    s->j = journal_open(s->journal_path, id_of(TENANT), id_of(USER));
}

void
scene_load(scene *s, const char *client_url, uint64_t seed, int threads)
{
    if (client_url != NULL)
        s->front = tests_shina_attach(client_url, tests_shina_home(s->shina));
    s->clients = load_start(s->front, s->j, s->token, seed, threads);
}

void
scene_open(scene *s, uint64_t seed, int threads)
{
    scene_start(s, NULL, NULL);
    scene_load(s, NULL, seed, threads);
}

int
scene_process(const scene *s, const char *name)
{
    return tests_shina_processes(s->shina) == 1 ? 0 : tests_shina_process_named(s->shina, name);
}

void
scene_keep_running(scene *s)
{
    for (int i = 0; i < tests_shina_processes(s->shina); i++) {
        if (!tests_shina_has_ended(s->shina, i))
            continue;
        tests_shina_restart(s->shina, i);
        s->starts++;
    }
}

/* What /readyz says of each part that is not ready. */
static void
say_not_ready(const scene *s)
{
    tests_response r = tests_shina_get(s->shina, NULL, "/readyz");
    char          *text = r.json == NULL ? NULL : json_dumps(r.json, JSON_COMPACT);

    chaos_say("/readyz: %ld %.900s", r.status, text == NULL ? "" : text);
    for (size_t i = 0; i < json_array_size(json_object_get(r.json, "parts")); i++) {
        json_t *part = json_array_get(json_object_get(r.json, "parts"), i);
        char   *one = json_dumps(part, JSON_COMPACT);

        if (!json_is_true(json_object_get(part, "ready")))
            chaos_say("not ready: %s", one == NULL ? "" : one);
        free(one);
    }
    free(text);
    json_decref(r.json);
}

/* What everybody is at when the clients get no answers. */
static void
say_stuck(scene *s)
{
    load_say_calls(s->clients);
    left_over_sessions(s->shina);
    say_not_ready(s);
}

void
scene_wait_ready(scene *s)
{
    int64_t until = chaos_now_ms() + READY_S * 1000;
    int     before = s->starts;

    scene_keep_running(s);
    before = s->starts;
    while (!tests_shina_wait_ready(s->shina, 1)) {
        scene_keep_running(s);
        if (chaos_now_ms() > until || s->starts - before > FAILED_STARTS_MAX) {
            tests_shina_print_logs(s->shina);
            say_not_ready(s);
            chaos_die("shina is not ready after %d s and %d starts", READY_S, s->starts - before);
        }
    }
    if (s->starts > before)
        chaos_say("%d processes could not start at once", s->starts - before);
    s->failed_starts += s->starts - before;
}

void
scene_wait_acknowledged(scene *s, long more, int patience_s)
{
    long    wanted = load_so_far(s->clients).acknowledged + more;
    int64_t until = chaos_now_ms() + (int64_t)patience_s * 1000;

    while (load_so_far(s->clients).acknowledged < wanted) {
        if (chaos_now_ms() > until) {
            tests_shina_print_logs(s->shina);
            say_stuck(s);
            chaos_die("%ld commands were not acknowledged in %d s", more, patience_s);
        }
        scene_keep_running(s);
        chaos_pause_ms(10);
    }
}

/* --- faults ---------------------------------------------------------------------------------- */

void
scene_fault(scene *s, const char *fmt, ...)
{
    load_counts c = load_so_far(s->clients);
    char        text[256];
    va_list     args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    s->faults++;
    chaos_say("fault %d: %s, after %ld calls, %ld acknowledged", s->faults, text, c.calls,
              c.acknowledged);
}

/* Until a view answers, several times in turn: each of the edge's connections. */
static void
wait_until_read(scene *s, int patience_s)
{
    int64_t until = chaos_now_ms() + (int64_t)patience_s * 1000;

    for (int good = 0; good < READS_AGAIN;) {
        tests_response r = tests_shina_get(s->shina, s->token, "/api/v1/trips?limit=1");

        good = r.status == 200 ? good + 1 : 0;
        json_decref(r.json);
        if (chaos_now_ms() > until) {
            tests_shina_print_logs(s->shina);
            say_stuck(s);
            chaos_die("views do not answer after %d s: %ld", patience_s, r.status);
        }
    }
}

void
scene_over(scene *s, int patience_s)
{
    int64_t began = chaos_now_ms(), took;

    scene_wait_acknowledged(s, AGAIN, patience_s);
    scene_wait_ready(s);
    wait_until_read(s, patience_s);
    took = chaos_now_ms() - began;
    if (took > s->recovery_ms)
        s->recovery_ms = took;
}

/* One line of JSON for tests/chaos/run.py. */
static void
write_figures(const scene *s, const load_counts *c, int wrong)
{
    const char *path = getenv("CHAOS_FIGURES"), *name = getenv("CHAOS_SCENE");
    FILE       *f = path == NULL ? NULL : fopen(path, "ae");

    if (path == NULL)
        return;
    if (f == NULL ||
        fprintf(f,
                "{\"scene\":\"%s\",\"calls\":%ld,\"acknowledged\":%ld,\"refused\":%ld,"
                "\"unknown\":%ld,\"reads\":%ld,\"faults\":%d,\"silence_ms\":%ld,"
                "\"recovery_ms\":%lld,\"wrong\":%d}\n",
                name == NULL ? "" : name, c->calls, c->acknowledged, c->refused, c->unknown,
                c->reads, s->faults, c->silence_ms, (long long)s->recovery_ms, wrong) < 0 ||
        fclose(f) != 0)
        chaos_die("the figures cannot be written: %s", path);
}

static void
say_figures(const scene *s, const load_counts *c, int settled, int wrong)
{
    chaos_say("clients: %ld calls, %ld acknowledged, %ld refused, %ld unknown; %ld sent again, %ld "
              "repeated, %ld read back; %d started again (%d could not at once)",
              c->calls, c->acknowledged, c->refused, c->unknown, c->retried, c->repeats, c->reads,
              s->starts, s->failed_starts);
    chaos_say("%d faults; longest without an answer %.1f s, until it went on again %.1f s, quiet "
              "after %d s; %d wrong",
              s->faults, (double)c->silence_ms / 1000, (double)s->recovery_ms / 1000, settled,
              wrong);
}

int
scene_close(scene *s, int settle_s)
{
    load_counts c;
    int         wrong, settled;

    scene_wait_ready(s);
    c = load_stop(s->clients, ANSWERS_S);
    journal_close(s->j);
    settled = history_settle(s->shina, s->token, settle_s);
    wrong = history_check(s->shina, s->token, s->journal_path) + (int)load_faults(s->clients);
    say_figures(s, &c, settled, wrong);
    write_figures(s, &c, wrong);
    if (wrong == 0)
        (void)unlink(s->journal_path);
    else
        chaos_say("the journal is %s", s->journal_path);
    load_destroy(s->clients);
    if (wrong != 0)
        tests_shina_print_logs(s->shina);
    if (s->front != s->shina)
        tests_shina_stop(s->front);
    tests_shina_stop(s->shina);
    free(s->token);
    victims_end_all();
    return wrong;
}
