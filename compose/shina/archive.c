/* archive.c - `shina archive`: old events of a log to files, beside a working system.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/archive.h"
#include "api-edge/http/header.h"
#include "compose/shina/interrupt.h"
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define DAY_MS INT64_C(86400000)

/* Once for the plan of a partition, and after each file. */
static void
print_progress(void *context, const bus_archive_plan *p)
{
    const bus_archive_wish *wish = context;
    int64_t                 left = p->up_to > p->archived ? p->up_to - p->archived : 0;

    (void)printf("%s partition %d: %lld events, %lld archived, %lld %s", wish->domain->module,
                 p->partition, (long long)p->head, (long long)p->archived, (long long)left,
                 wish->dry_run ? "would go" : "to go");
    if (p->held_by[0] != '\0')
        (void)printf("; more is held back by %s", p->held_by);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* "90d", or a time. */
static bool
parse_before(const char *text, int64_t *out)
{
    char     *end;
    long long days = strtoll(text, &end, 10);

    if (end != text && strcmp(end, "d") == 0 && days >= 0 && days <= 36500) {
        *out = bus_now_ms(bus_clock_system()) - days * DAY_MS;
        return true;
    }
    return edge_time_parse(bus_str_of(text), out) && *out > 0;
}

static bool
parse_wish(int argc, char **argv, bus_archive_wish *wish)
{
    const char *before = option_of(argc, argv, "--before");
    const char *keep = option_of(argc, argv, "--keep-events");
    char       *end;

    *wish = (bus_archive_wish){.progress = print_progress,
                               .go_on = until_interrupted,
                               .context = wish,
                               .dry_run = flag_of(argc, argv, "--dry-run")};
    if (before == NULL && keep == NULL) {
        (void)fputs("shina archive: what may go? Say --before or --keep-events, or both\n", stderr);
        return false;
    }
    if (before != NULL && !parse_before(before, &wish->before_ms)) {
        (void)fputs("shina archive: --before is a time such as 2026-01-31T00:00:00Z, or an age "
                    "such as 90d\n",
                    stderr);
        return false;
    }
    if (keep != NULL) {
        wish->keep = strtoll(keep, &end, 10);
        if (end == keep || *end != '\0' || wish->keep < 1) {
            (void)fputs("shina archive: --keep-events is a number above 0\n", stderr);
            return false;
        }
    }
    return true;
}

static const bus_contract *
contract_named(const char *domain)
{
    for (int i = 0; i < shina_modules_count; i++)
        if (strcmp(shina_modules[i]->contract->module, domain) == 0)
            return shina_modules[i]->contract;
    return NULL;
}

int
verb_archive(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--before=", "--keep-events=", "--dry-run", NULL};
    bus_runtime_options      options;
    bus_archive_wish         wish;
    bus_error                err = {0};
    shina_place              place = {0};
    const char              *name = word_of(argc, argv, known, 0);
    int64_t                  events;
    bus_code                 rc;

    if (!options_known(argc, argv, known, WORDS_MAX) || !parse_wish(argc, argv, &wish))
        return 2;
    if (name == NULL) {
        (void)fputs("shina archive: which domain? See shina help archive\n", stderr);
        return 2;
    }
    for (int i = 0; (name = word_of(argc, argv, known, i)) != NULL; i++)
        if (!shina_place_knows("archive", name))
            return 2;
    interrupt_note();
    if ((rc = shina_place_find(&place, config, &err)) != BUS_OK)
        return failed(&err);
    options = shina_place_runtime(&place);
    for (int i = 0; rc == BUS_OK && (name = word_of(argc, argv, known, i)) != NULL; i++) {
        wish.domain = contract_named(name);
        rc = bus_archive_run(&options, &wish, &events, &err);
        if (rc == BUS_OK && !wish.dry_run)
            (void)printf("%s: %lld events moved to %s\n", name, (long long)events,
                         options.store_options.archive);
    }
    shina_place_leave(&place);
    return rc == BUS_OK ? 0 : failed(&err);
}
