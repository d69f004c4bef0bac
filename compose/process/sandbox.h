/* sandbox.h - what a process of shina gives up, so that whoever takes it over gets little.
 *
 * Where the kernel does not let it (some containers), it says so and goes on: the sandbox is a
 * second wall. Threads: the main one. The systemd unit (compose/deploy/systemd) is the third.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_SANDBOX_H
#define COMPOSE_PROCESS_SANDBOX_H

#include <stdbool.h>

/* Before the process has other threads, which inherit it: no more rights by exec
 * (PR_SET_NO_NEW_PRIVS), no core dump and no debugger of the same user (PR_SET_DUMPABLE: memory
 * holds the master keys), and of root's capabilities only those that the embedded servers and a
 * port below 1024 need. */
void shina_sandbox_enter(void);

/* When the servers run and the database is migrated, in all threads: system calls that no part of
 * shina makes are refused with EPERM (seccomp-bpf): tracing, mounting, modules, namespaces, clocks.
 * starts_programs: false: so is exec. */
void shina_sandbox_seal(bool starts_programs);

#endif
