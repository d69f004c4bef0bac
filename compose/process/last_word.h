/* last_word.h - what a process says when it ends in the middle of its work.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_LAST_WORD_H
#define COMPOSE_PROCESS_LAST_WORD_H

/* From now on abort(), whoever calls it, and signals of a bug (SIGSEGV and the like) say on stderr
 * what ends the process, whether it was for want of memory, and where; then it ends by that signal.
 * Where no memory is left the program has no other way, and should not go without a word. So
 * does exit(255), which a library calls. Once, before threads are started. */
void shina_last_word(void);

#endif
