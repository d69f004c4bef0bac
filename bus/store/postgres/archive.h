/* archive.h - how the calls that read the log see through its table into the archives. Internal.
 *
 * An archived event keeps a row in the table, with what indexes and time-outs need; the column
 * `archive` names the file that has the rest by its first offset.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_POSTGRES_ARCHIVE_H
#define BUS_STORE_POSTGRES_ARCHIVE_H

#include "bus/store/postgres/connection.h"

typedef struct pg_archives pg_archives;

/* Takes from its file what `record`, read from a row of that archive, does not have. Its strings
 * live until the next call. Asks the database nothing, so it may be called between rows. */
BUS_CHECKED bus_code pg_archive_fill(bus_store *st, const char *domain, int64_t archive,
                                     bus_record *record, bus_error *err);

/* The last offset of a partition that is known to stand in files; there may be more. */
int64_t pg_archive_known(bus_store *st, const char *domain, uint16_t partition);
/* Asks the database for it. */
BUS_CHECKED bus_code pg_archive_learn(bus_store *st, const char *domain, bus_error *err);
/* Visits up to *left events after *after, of those that are known to stand in files; moves both. */
BUS_CHECKED bus_code pg_archive_read(bus_store *st, const char *domain, uint16_t partition,
                                     int64_t *after, int *left, bus_record_visit visit,
                                     void *context, bus_error *err);

void pg_archive_free(bus_store *st);

#endif
