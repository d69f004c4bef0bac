/* archive_row.h - an event as a line of PostgreSQL's COPY text format, taken apart. Internal.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_POSTGRES_ARCHIVE_ROW_H
#define BUS_STORE_POSTGRES_ARCHIVE_ROW_H

#include "bus/base/error.h"
#include "bus/envelope/record.h"

/* The line is without its newline, its columns are ARCHIVE_COLUMNS. The record's strings lie in
 * scratch, which is overwritten. BUS_INVALID: it is not such a line. */
BUS_CHECKED bus_code archive_row_parse(bus_str line, bus_buf *scratch, bus_record *out,
                                       bus_error *err);

#endif
