/* schedule.c - when to try again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/schedule.h"

#include <math.h>
#include <stdlib.h>

#define LONGEST_S (7 * 86400)

bus_code
webhook_schedule_parse(const char *text, webhook_schedule *out, bus_error *err)
{
    const char *at = text;

    out->count = 0;
    for (;;) {
        char  *end;
        double s = strtod(at, &end);

        if (end == at || !isfinite(s) || s < 0 || s > LONGEST_S || (*end != ',' && *end != '\0'))
            return bus_fail(err, BUS_INVALID,
                            "SHINA_WEBHOOK_RETRIES: number %d must be seconds, 0 to %d",
                            out->count + 1, LONGEST_S);
        if (out->count == WEBHOOK_RETRIES_MAX)
            return bus_fail(err, BUS_INVALID, "SHINA_WEBHOOK_RETRIES has more than %d numbers",
                            WEBHOOK_RETRIES_MAX);
        out->after_us[out->count++] = (int64_t)(s * 1e6);
        if (*end == '\0')
            return BUS_OK;
        at = end + 1;
    }
}

int64_t
webhook_schedule_after_us(const webhook_schedule *schedule, int failures, uint32_t random)
{
    double factor = 0.8 + 0.4 * ((double)random / UINT32_MAX);

    BUS_INVARIANT(failures >= 1);
    return failures > schedule->count
               ? -1
               : (int64_t)((double)schedule->after_us[failures - 1] * factor);
}
