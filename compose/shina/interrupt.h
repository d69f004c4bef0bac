/* interrupt.h - Ctrl-C amid long work that must leave nothing half done: told once, and looked at.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_INTERRUPT_H
#define COMPOSE_SHINA_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP do not end the process; they are only noted. */
void interrupt_note(void);
bool interrupted(void);
/* The go_on() of archive, rebuild and replay: until it is interrupted. */
bool until_interrupted(void *context);

#endif
