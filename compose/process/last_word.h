/* last_word.h - what a process says when it is ended by abort().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_LAST_WORD_H
#define COMPOSE_PROCESS_LAST_WORD_H

/* From now on abort(), whoever calls it, says why and from where on stderr before the process ends
 * by SIGABRT: where no memory is left the program has no other way, and should not go without a
 * word. Once, before threads are started. */
void shina_last_word(void);

#endif
