/* rows.h - in place of the edge's database: queries are answered at the loop's next turn with rows
 * that their text asks for. The target is linked with --wrap of the functions of
 * api-edge/query/database.h.
 * Threads: the loop's; one loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_ROWS_H
#define TESTS_FUZZ_ROWS_H

#include "bus/personal/master.h"

/* Of every source of pushed events, sealed by masters, which is borrowed. */
#define FUZZ_SOURCE_SECRET "a secret of a source"
void fuzz_rows_start(const bus_master_keys *masters);

#endif
