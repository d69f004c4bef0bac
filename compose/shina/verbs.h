/* verbs.h - what `shina` can be asked to do.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_VERBS_H
#define COMPOSE_SHINA_VERBS_H

#include "compose/process/arguments.h"

/* argv[0] is the verb. Returns the exit code: 0 done, 1 failed, 2 asked wrongly. */
typedef int (*shina_verb)(const bus_config *config, int argc, char **argv);

int verb_run(const bus_config *config, int argc, char **argv);
int verb_servers(const bus_config *config, int argc, char **argv);
int verb_edge(const bus_config *config, int argc, char **argv);
int verb_service(const bus_config *config, int argc, char **argv);
int verb_projection(const bus_config *config, int argc, char **argv);
int verb_relay(const bus_config *config, int argc, char **argv);
int verb_admin(const bus_config *config, int argc, char **argv);
int verb_token(const bus_config *config, int argc, char **argv);
int verb_status(const bus_config *config, int argc, char **argv);
int verb_events(const bus_config *config, int argc, char **argv);
int verb_keys(const bus_config *config, int argc, char **argv);
int verb_parked(const bus_config *config, int argc, char **argv);
int verb_rebuild(const bus_config *config, int argc, char **argv);
int verb_replay(const bus_config *config, int argc, char **argv);
int verb_archive(const bus_config *config, int argc, char **argv);
int verb_audit(const bus_config *config, int argc, char **argv);
int verb_verify(const bus_config *config, int argc, char **argv);
int verb_contracts(const bus_config *config, int argc, char **argv);
int verb_migrate(const bus_config *config, int argc, char **argv);

#endif
