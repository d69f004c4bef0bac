/* rebuild.c - `shina rebuild`: makes the tables of views anew beside a working system.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/rebuild.h"
#include "compose/shina/interrupt.h"
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 64

/* On a terminal one line that moves on, else a line each time. */
static void
print_progress(void *context, const bus_rebuild_progress *p)
{
    const char *domain = context;
    int         percent = p->total == 0 ? 100 : (int)(p->done * 100 / p->total);
    bool        moves = isatty(STDERR_FILENO);

    (void)fprintf(stderr, "%s%s: %d %% of %lld events, pass %d, %lld rows%s", moves ? "\r" : "",
                  domain, percent, (long long)p->total, p->pass, (long long)p->rows,
                  moves ? "   " : "\n");
    (void)fflush(stderr);
}

static bool
can_be_rebuilt(const bus_view *view)
{
    return view->of->windows == NULL && view->of->part_of == NULL;
}

static const bus_view *
view_named(const char *name)
{
    for (int i = 0; i < shina_views_count; i++)
        if (can_be_rebuilt(shina_views[i]) && strcmp(shina_views[i]->of->name, name) == 0)
            return shina_views[i];
    return NULL;
}

static int
no_such_view(const char *name)
{
    (void)fprintf(stderr,
                  "shina rebuild: there is no view \"%s\" (analytics are filled anew when their "
                  "version is raised); there are",
                  name);
    for (int i = 0; i < shina_views_count; i++)
        if (can_be_rebuilt(shina_views[i]))
            (void)fprintf(stderr, " %s", shina_views[i]->of->name);
    (void)fputc('\n', stderr);
    return 2;
}

static bus_code
rebuild(shina_place *place, const bus_view *view, bus_error *err)
{
    bus_runtime_options options = shina_place_runtime(place);
    char                builder[64];
    const bus_rebuild   what = {.home = view->of->contract,
                                .views = &view,
                                .views_count = 1,
                                .builder = builder,
                                .go_on = until_interrupted,
                                .progress = print_progress,
                                .context = (char *)(uintptr_t)view->of->name};
    bus_code            rc;

    (void)snprintf(builder, sizeof(builder), "rebuild:%ld", (long)getpid());
    rc = bus_rebuild_run(&options, &what, err);
    if (isatty(STDERR_FILENO))
        (void)fputc('\n', stderr);
    return rc;
}

int
verb_rebuild(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {NULL};
    const char              *name = word_of(argc, argv, known, 0);
    bus_error                err = {0};
    shina_place              place = {0};
    bus_code                 rc;

    if (!options_known(argc, argv, known, WORDS_MAX))
        return 2;
    if (name == NULL) {
        (void)fputs("shina rebuild: which view? See shina help rebuild\n", stderr);
        return 2;
    }
    for (int i = 0; (name = word_of(argc, argv, known, i)) != NULL; i++)
        if (view_named(name) == NULL)
            return no_such_view(name);
    interrupt_note();
    if ((rc = shina_place_find(&place, config, &err)) == BUS_OK)
        rc = shina_place_keys(&place, &err);
    for (int i = 0; rc == BUS_OK && (name = word_of(argc, argv, known, i)) != NULL; i++) {
        rc = rebuild(&place, view_named(name), &err);
        if (rc == BUS_OK)
            (void)printf("%s is rebuilt\n", name);
    }
    shina_place_leave(&place);
    return rc == BUS_OK ? 0 : failed(&err);
}
