/* verbs.h - what `shina` can be asked to do.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_VERBS_H
#define COMPOSE_SHINA_VERBS_H

#include "bus/config/config.h"

/* argv[0] is the verb. Returns the exit code: 0 done, 1 failed, 2 asked wrongly. */
typedef int (*shina_verb)(const bus_config *config, int argc, char **argv);

int verb_run(const bus_config *config, int argc, char **argv);
int verb_token(const bus_config *config, int argc, char **argv);
int verb_status(const bus_config *config, int argc, char **argv);
int verb_events(const bus_config *config, int argc, char **argv);
int verb_verify(const bus_config *config, int argc, char **argv);
int verb_migrate(const bus_config *config, int argc, char **argv);

/* The value of "--name VALUE" or "--name=VALUE", the last one given; NULL: not there. */
const char *option_of(int argc, char **argv, const char *name);
bool        flag_of(int argc, char **argv, const char *name);
/* False, with a line on stderr: something is not among the known options ("--json", or
 * "--after=" for one with a value); `words` is how many arguments without -- are taken. */
bool options_known(int argc, char **argv, const char *const *known, int words);
/* The nth argument that is no option; NULL: there is none. */
const char *word_of(int argc, char **argv, const char *const *known, int nth);

/* Prints "shina: text" to stderr; returns 1. */
int failed(const bus_error *err);

#endif
