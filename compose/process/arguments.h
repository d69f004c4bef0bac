/* arguments.h - options and words of a command line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_ARGUMENTS_H
#define COMPOSE_PROCESS_ARGUMENTS_H

#include "bus/config/config.h"

/* The value of "--name VALUE" or "--name=VALUE", the last one given; NULL: not there. */
const char *option_of(int argc, char **argv, const char *name);
bool        flag_of(int argc, char **argv, const char *name);
/* False, with a line on stderr: something is not among the known options ("--json", or
 * "--after=" for one with a value); `words` is how many arguments without -- are taken. */
bool options_known(int argc, char **argv, const char *const *known, int words);
/* The nth argument that is no option; NULL: there is none. */
const char *word_of(int argc, char **argv, const char *const *known, int nth);

/* What was closed of standard input, output and error leads to /dev/null from now on: else the next
 * socket had its number, and got what we print. First of all. */
void shina_standard_files(void);

/* Prints "shina: text" to stderr; returns 1. */
int failed(const bus_error *err);

#endif
