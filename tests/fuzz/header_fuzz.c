/* header_fuzz.c - any bytes as the headers and values that api-edge/http/header.h reads.
 * What must hold: a trace that is read is written and read as the same; times and dates are of the
 * calendar; a key has its bounds; what is borrowed lies within the text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/header.h"
#include "bus/base/clock.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define YEAR_10000_MS INT64_C(253402300800000)
#define YEAR_2000_MS INT64_C(946684800000)

static void
check_trace(const char *text)
{
    static const uint8_t span[8] = {1};
    char                 written[EDGE_TRACEPARENT_BYTES], id[EDGE_TRACE_ID_BYTES];
    edge_trace           trace, again;

    if (!edge_trace_parse(text, &trace))
        return;
    BUS_INVARIANT(!bus_id_is_nil(trace.trace_id));
    edge_trace_format(&trace, span, written);
    BUS_INVARIANT(strlen(written) == EDGE_TRACEPARENT_BYTES - 1);
    BUS_INVARIANT(edge_trace_parse(written, &again));
    BUS_INVARIANT(bus_id_equal(trace.trace_id, again.trace_id) && (trace.flags & 1) == again.flags);
    BUS_INVARIANT(strlen(edge_trace_id_format(trace.trace_id, id)) == EDGE_TRACE_ID_BYTES - 1);
}

static void
check_times(bus_str text)
{
    int64_t at_ms, device_ms, number;
    int32_t days, year, month, day;

    if (edge_time_parse(text, &at_ms))
        BUS_INVARIANT(at_ms >= 0 && at_ms < YEAR_10000_MS);
    if (edge_device_time_parse(text, &device_ms))
        BUS_INVARIANT(device_ms >= YEAR_2000_MS && edge_time_parse(text, &at_ms) &&
                      at_ms == device_ms);
    if (edge_date_parse(text, &days)) {
        bus_civil_from_days(days, &year, &month, &day);
        BUS_INVARIANT(month >= 1 && month <= 12 && day >= 1 && day <= 31);
        BUS_INVARIANT(bus_days_from_civil(year, month, day) == days);
    }
    if (edge_int_parse(text, &number))
        BUS_INVARIANT(text.len > 0 && text.len <= 20);
}

static void
check_words(const char *text)
{
    size_t      len = strlen(text);
    const char *path = edge_path_of_target(text);
    bus_str     key;
    int32_t     version;

    BUS_INVARIANT(edge_language_of(text) == EDGE_EN || edge_language_of(text) == EDGE_RU);
    if (edge_if_match_parse(text, &version)) {
        BUS_INVARIANT(version >= -1);
        BUS_INVARIANT(version < 0 || edge_if_none_match(text, version));
    }
    if (edge_idempotency_key_parse(text, &key))
        BUS_INVARIANT(key.len >= 1 && key.len <= EDGE_IDEMPOTENCY_KEY_MAX && key.at >= text &&
                      key.at + key.len <= text + len);
    BUS_INVARIANT(path != NULL);
    if (edge_is_json(text))
        BUS_INVARIANT(edge_is_media_type(text, "application/json"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str bytes = fuzz_input(data, size);
    char   *text = fuzz_text(bytes), *exact = fuzz_exact(bytes);

    check_trace(text);
    check_words(text);
    check_times((bus_str){exact, bytes.len});
    free(exact);
    free(text);
    return 0;
}
