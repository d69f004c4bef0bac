/* archive_fuzz.c - any bytes as a line of an archive, which may lie where others write.
 * What must hold: a line is refused with words, or its record has the bounds of the log and texts
 * that are in the line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive_row.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void
check_record(const bus_record *record, uint32_t line_bytes)
{
    const bus_str texts[] = {record->aggregate, record->type,  record->causation_id,
                             record->actor,     record->sends, record->data};
    uint64_t      bytes = 0;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        bytes += texts[i].len;
    BUS_INVARIANT(bytes <= line_bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str    line = fuzz_input(data, size);
    char      *exact = fuzz_exact(line);
    bus_buf    scratch = {0}, bytes = {0};
    bus_record record;
    bus_error  err = {0};
    bus_code   rc;

    rc = archive_row_parse((bus_str){exact, line.len}, &scratch, &record, &err);
    if (rc == BUS_OK) {
        check_record(&record, line.len);
        bus_record_encode(&record, &bytes); /* reads all of it */
    } else {
        fuzz_check_failure(rc, &err);
    }
    bus_buf_fini(&bytes);
    bus_buf_fini(&scratch);
    free(exact);
    return 0;
}
