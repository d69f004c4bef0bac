/* main.c - the programs shina-<domain>: one domain as a process of its own, by its registry alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/arguments.h"
#include "compose/process/last_word.h"
#include "compose/process/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int
print_help(const char *domain)
{
    (void)printf(
        "Usage: shina-%s [--service] [--projection]\n\n"
        "Runs the service of %s and fills its views, over nng, beside the other processes\n"
        "of the same database: SHINA_DATABASE_URL, or the embedded one of SHINA_HOME that\n"
        "`shina servers` runs. Several may run at once; they share the partitions.\n"
        "  --service      its service only\n"
        "  --projection   its views only\n"
        "Configuration: the environment and .env; `shina config --markdown` lists the "
        "keys.\n",
        domain, domain);
    return 0;
}

int
main(int argc, char **argv)
{
    static const char *const known[] = {"--service", "--projection", NULL};
    const bus_module        *module = shina_modules[0];
    const char              *domain = module->contract->module;
    bool                     service = flag_of(argc, argv, "--service");
    bool                     projection = flag_of(argc, argv, "--projection");
    char                     what[64];
    bus_config              *config;
    bus_error                err = {0};
    int                      rc;

    (void)signal(SIGPIPE, SIG_IGN);
    shina_standard_files();
    shina_last_word();
    if (flag_of(argc, argv, "--help") || flag_of(argc, argv, "-h"))
        return print_help(domain);
    if (!options_known(argc, argv, known, 0))
        return 2;
    if (projection && !service && shina_views_count == 0) {
        (void)fprintf(stderr, "shina: %s has no views\n", domain);
        return 2;
    }
    if (bus_config_load(&config, ".env", &err) != BUS_OK)
        return failed(&err);
    if (!service && !projection)
        service = projection = true;
    (void)snprintf(what, sizeof(what), "%s%.40s",
                   !projection ? "service-"
                   : !service  ? "projection-"
                               : "",
                   domain);
    rc = shina_process_run(config, what, &module, service, &module,
                           projection && shina_views_count > 0);
    bus_config_free(config);
    return rc;
}
