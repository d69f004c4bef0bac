/* journal.h - what clients asked and what they were told, written as it happens.
 *
 * A file of JSON lines: each call before it is sent, each answer after it came. The history check
 * reads the file, not the memory of those who wrote it.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_JOURNAL_H
#define TESTS_CHAOS_JOURNAL_H

#include "bus/base/id.h"

#include <stdbool.h>

#include <uthash.h>

typedef struct journal journal;

/* Ends the program when the file cannot be made. */
journal *journal_open(const char *path, bus_id tenant, bus_id actor);
void     journal_close(journal *j);

/* Before it is sent for the first time; the number of the call. */
long journal_call(journal *j, const char *key, const char *path, const char *body);
/* The answer that ended it. id, position and code may be NULL. */
void journal_answer(journal *j, long call, long status, const char *id, int version,
                    const char *position, const char *code, int sent);
/* What was acknowledged was read with X-After its position: the answer, and the row's version. */
void journal_read_back(journal *j, long call, long status, int version);
/* No answer came and it is not sent again: nobody knows. */
void journal_give_up(journal *j, long call, int sent);

/* --- reading it -------------------------------------------------------------------------- */

typedef struct {
    bus_id         command_id;   /* derived from the key as the edge does */
    long           call, status; /* status 0: unknown */
    int            version, partition, sent;
    long           read_status; /* of the read behind it; 0: there was none */
    int            read_version;
    long long      offset;
    char           domain[24], id[40], code[64], path[128];
    UT_hash_handle hh; /* by command_id */
} journal_entry;

/* All calls of a journal's file; the caller frees them with journal_forget. Ends the program when
 * the file is not a journal, or a key was used for two calls. */
journal_entry *journal_read(const char *path);
void           journal_forget(journal_entry *entries);

#endif
