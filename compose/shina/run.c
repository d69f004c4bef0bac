/* run.c - `shina run`: servers, services, projections and the edge in one process.
 * Started in the order in which one needs the other, stopped in reverse.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/http.h"
#include "compose/shina/verbs.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static bus_code
start_all(shina_process *p, shina_http *h, bus_error *err)
{
    bus_code rc;

    if ((rc = shina_process_start_servers(p, err)) != BUS_OK ||
        (rc = shina_process_find_servers(p, err)) != BUS_OK)
        return rc;
    shina_say("applying the migrations");
    if ((rc = shina_process_migrate(p, err)) != BUS_OK)
        return rc;
    shina_say("starting services, projections and the edge");
    if ((rc = shina_process_open_bus(p, true, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < shina_modules_count; i++) {
        shina_process_add_part(p, "service", shina_modules[i]->contract->module);
        shina_process_add_part(p, "projector", shina_modules[i]->contract->module);
    }
    for (int i = 0; i < shina_modules_count && shina_process_relays(p); i++)
        shina_process_add_part(p, "relay", shina_modules[i]->contract->module);
    shina_process_add_part(p, "edge", bus_config_text(p->config, "SHINA_HTTP"));
    if ((rc = shina_process_join(p, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < shina_modules_count && rc == BUS_OK; i++)
        rc = shina_process_start_service(p, shina_modules[i], err);
    for (int i = 0; i < shina_modules_count && rc == BUS_OK; i++)
        rc = shina_process_start_projection(p, shina_modules[i], err);
    if (rc == BUS_OK && shina_process_relays(p))
        rc = shina_process_start_relay(p, shina_modules, shina_modules_count, err);
    return rc == BUS_OK ? shina_http_start(h, p, false, err) : rc;
}

static void
print_welcome(const shina_http *h)
{
    const char *at = edge_address(h->http);
    char        program[PATH_MAX];
    ssize_t     len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (len <= 0)
        len = snprintf(program, sizeof(program), "shina");
    program[len] = '\0';
    (void)printf("\nshina is running.\n"
                 "  open    %s/docs    every command and view, to try out\n"
                 "  token   %s token --tenant 00000000-0000-4000-8000-000000000001 --role ADMIN\n"
                 "  ready?  %s/readyz\n"
                 "  stop    Ctrl-C\n\n",
                 at, program, at);
    (void)fflush(stdout);
}

int
verb_run(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {NULL};
    shina_process           *p = NULL;
    shina_http               h = {0};
    bus_error                err = {0};
    bus_code                 rc;

    if (!options_known(argc, argv, known, 0))
        return 2;
    rc = shina_process_open(&p, config, "run", &err);
    if (rc == BUS_OK)
        rc = start_all(p, &h, &err);
    if (rc == BUS_OK) {
        print_welcome(&h);
        shina_process_wait(p);
        shina_say("stopping");
    } else if (rc != BUS_CLOSED) {
        (void)failed(&err);
    }
    shina_http_stop(&h);
    shina_process_close(p);
    if (rc == BUS_OK)
        shina_say("stopped");
    return rc == BUS_OK || rc == BUS_CLOSED ? 0 : 1;
}
