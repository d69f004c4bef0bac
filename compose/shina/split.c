/* split.c - the parts of shina as processes of their own: `shina servers`, `shina service`,
 * `shina projection`, `shina edge`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/http.h"
#include "compose/shina/verbs.h"

#include <stdio.h>
#include <string.h>

static const char *const no_options[] = {NULL};

/* --- the embedded servers ---------------------------------------------------------- */

int
verb_servers(const bus_config *config, int argc, char **argv)
{
    shina_process *p = NULL;
    bus_error      err = {0};
    bus_code       rc;

    if (!options_known(argc, argv, no_options, 0))
        return 2;
    rc = shina_process_open(&p, config, "servers", &err);
    if (rc == BUS_OK && !p->servers.postgres && !p->servers.redis)
        rc = bus_fail(&err, BUS_INVALID,
                      "SHINA_DATABASE_URL and SHINA_REDIS_URL name servers that run elsewhere");
    if (rc == BUS_OK)
        rc = shina_process_start_servers(p, &err);
    if (rc == BUS_OK)
        rc = shina_process_migrate(p, &err);
    if (rc == BUS_OK) {
        (void)printf("shina: the servers of %s run\n", p->home.dir);
        (void)fflush(stdout);
        shina_process_wait(p);
        shina_say("stopping");
    } else {
        (void)failed(&err);
    }
    shina_process_close(p);
    return rc == BUS_OK ? 0 : 1;
}

/* --- services and projections -------------------------------------------------------- */

static bool
has_views(const bus_module *module)
{
    for (int i = 0; i < shina_views_count; i++)
        if (shina_views[i]->of->contract == module->contract)
            return true;
    return false;
}

/* The modules that argv names, each once; -1, with a line on stderr: something is wrong. */
static int
named_modules(int argc, char **argv, bool with_views, const bus_module **out)
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        const bus_module *module = shina_module_named(argv[i]);

        if (module == NULL || (with_views && !has_views(module))) {
            (void)fprintf(stderr, "shina %s: there is no %s \"%s\"; there are", argv[0],
                          with_views                      ? "projection"
                          : strcmp(argv[0], "relay") == 0 ? "domain"
                                                          : "service",
                          argv[i]);
            count = -1;
            break;
        }
        for (int k = 0; k < count && module != NULL; k++)
            if (out[k] == module)
                module = NULL; /* named twice */
        if (module != NULL)
            out[count++] = module;
    }
    if (argc == 1)
        (void)fprintf(stderr, "shina %s: which one? There are", argv[0]);
    for (int i = 0; count <= 0 && i < shina_modules_count; i++)
        if (!with_views || has_views(shina_modules[i]))
            (void)fprintf(stderr, " %s", shina_modules[i]->contract->module);
    if (count <= 0)
        (void)fputc('\n', stderr);
    return count <= 0 ? -1 : count;
}

static int
run_named(const bus_config *config, int argc, char **argv, bool projection)
{
    const bus_module *modules[SHINA_PARTS_MAX];
    char              what[64];
    int               count;

    if (!options_known(argc, argv, no_options, SHINA_PARTS_MAX / 2))
        return 2;
    if ((count = named_modules(argc, argv, projection, modules)) < 0)
        return 2;
    (void)snprintf(what, sizeof(what), "%s-%.20s%s", argv[0], modules[0]->contract->module,
                   count > 1 ? "-and-more" : "");
    return projection ? shina_process_run(config, what, NULL, 0, modules, count)
                      : shina_process_run(config, what, modules, count, NULL, 0);
}

int
verb_service(const bus_config *config, int argc, char **argv)
{
    return run_named(config, argc, argv, false);
}

int
verb_projection(const bus_config *config, int argc, char **argv)
{
    return run_named(config, argc, argv, true);
}

/* --- the relay --------------------------------------------------------------------------- */

int
verb_relay(const bus_config *config, int argc, char **argv)
{
    const bus_module *modules[SHINA_PARTS_MAX];
    int               count;

    if (!options_known(argc, argv, no_options, SHINA_PARTS_MAX / 2))
        return 2;
    if (argc == 1)
        return shina_process_run_relay(config, shina_modules, shina_modules_count);
    if ((count = named_modules(argc, argv, false, modules)) < 0)
        return 2;
    return shina_process_run_relay(config, modules, count);
}

/* --- the edge --------------------------------------------------------------------------- */

static bus_code
start_edge(shina_process *p, shina_http *h, bus_error *err)
{
    bus_code rc;

    if ((rc = shina_process_find_servers(p, err)) != BUS_OK ||
        (rc = shina_process_migrate(p, err)) != BUS_OK ||
        (rc = shina_process_open_bus(p, false, err)) != BUS_OK)
        return rc;
    shina_process_add_part(p, "edge", bus_config_text(p->config, "SHINA_HTTP"));
    if ((rc = shina_process_join(p, err)) != BUS_OK)
        return rc;
    return shina_http_start(h, p, true, err);
}

int
verb_edge(const bus_config *config, int argc, char **argv)
{
    shina_process *p = NULL;
    shina_http     h = {0};
    bus_error      err = {0};
    bus_code       rc;

    if (!options_known(argc, argv, no_options, 0))
        return 2;
    rc = shina_process_open(&p, config, "edge", &err);
    if (rc == BUS_OK)
        rc = start_edge(p, &h, &err);
    if (rc == BUS_OK) {
        (void)printf("shina: %s serves %s\n", p->name, edge_address(h.http));
        (void)fflush(stdout);
        shina_process_wait(p);
        shina_say("stopping");
    } else if (rc != BUS_CLOSED) {
        (void)failed(&err);
    }
    shina_http_stop(&h);
    shina_process_close(p);
    return rc == BUS_OK || rc == BUS_CLOSED ? 0 : 1;
}
