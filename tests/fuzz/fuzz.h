/* fuzz.h - what the fuzzers share: inputs in memory of their own, and how they are cut.
 *
 * A target is one file <name>_fuzz.c with LLVMFuzzerTestOneInput(). Besides what the sanitizers
 * see it states what must hold with BUS_INVARIANT, which ends the process.
 * Threads: the fuzzer's one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "bus/base/arena.h"
#include "bus/base/error.h"
#include "bus/contract/codec.h"

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* libFuzzer's, called once before the first input; targets that need no start have none. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A copy on the heap with nothing behind it, so that a byte read too far is seen. The caller
 * frees it with free(); never NULL. */
char *fuzz_exact(bus_str bytes);
/* The same with a NUL behind it: strlen() of it is at most bytes.len. */
char *fuzz_text(bus_str bytes);

/* Cuts what is before the first `end` off rest and returns it; without one, all of rest. */
bus_str fuzz_cut(bus_str *rest, char end);

/* The input as a string: of at most 1 MiB, the rest is left out. Borrowed. */
bus_str fuzz_input(const uint8_t *data, size_t size);

/* A refusal names at least one problem, each with a pointer and words in UTF-8. */
void fuzz_check_problems(const bus_problems *problems);
/* A failure has a code and words. */
void fuzz_check_failure(bus_code rc, const bus_error *err);

#endif
