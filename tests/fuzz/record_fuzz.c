/* record_fuzz.c - any bytes as an event in a topic of Kafka: lines "header: value", an empty line,
 * the message's value. What must hold: a refusal names why; what is read as a record is written as
 * headers again, and those read as the same record.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/cloudevent.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define HEADERS_MAX 64
#define DOMAIN "vehicles"

static bool
take_headers(bus_str *rest, bus_cloudevent *event, char *names[HEADERS_MAX], int *count)
{
    bus_error err = {0};
    bus_code  rc = BUS_OK;

    while (rest->len > 0 && rc == BUS_OK && *count < HEADERS_MAX) {
        bus_str line = fuzz_cut(rest, '\n'), name;

        if (line.len == 0)
            return true;
        name = fuzz_cut(&line, ':');
        names[*count] = fuzz_text(name);
        rc = bus_cloudevent_take(event, names[(*count)++], line, &err);
        if (rc != BUS_OK)
            fuzz_check_failure(rc, &err);
    }
    return rc == BUS_OK;
}

static void
check_record(const bus_record *record, bus_str data)
{
    static bus_cloudevent written, again;
    bus_record            back;
    bus_error             err = {0};
    bus_buf               bytes = {0}, bytes_again = {0};

    BUS_INVARIANT(bus_cloudevent_of(record, DOMAIN, &written, &err) == BUS_OK);
    again = (bus_cloudevent){0};
    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++)
        if (written.values[i].at != NULL)
            BUS_INVARIANT(bus_cloudevent_take(&again,
                                              bus_cloudevent_header((bus_cloudevent_attribute)i),
                                              written.values[i], &err) == BUS_OK);
    BUS_INVARIANT(bus_cloudevent_record(&again, DOMAIN, data, &back, &err) == BUS_OK);
    bus_record_encode(record, &bytes);
    bus_record_encode(&back, &bytes_again);
    BUS_INVARIANT(bus_str_equal(bus_buf_str(&bytes), bus_buf_str(&bytes_again)));
    bus_buf_reset(&bytes);
    bus_cloudevent_json(&written, true, &bytes);
    BUS_INVARIANT(bytes.len > 0);
    bus_buf_fini(&bytes);
    bus_buf_fini(&bytes_again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str        rest = fuzz_input(data, size);
    char          *exact = fuzz_exact(rest), *names[HEADERS_MAX];
    int            count = 0;
    bus_cloudevent event = {0};
    bus_record     record;
    bus_error      err = {0};
    bus_code       rc;

    rest.at = exact;
    if (take_headers(&rest, &event, names, &count)) {
        rc = bus_cloudevent_record(&event, DOMAIN, rest, &record, &err);
        if (rc == BUS_OK)
            check_record(&record, rest);
        else
            fuzz_check_failure(rc, &err);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(exact);
    return 0;
}
