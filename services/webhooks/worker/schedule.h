/* schedule.h - when to try again. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_WEBHOOKS_WORKER_SCHEDULE_H
#define SERVICES_WEBHOOKS_WORKER_SCHEDULE_H

#include "bus/base/error.h"

#include <stdint.h>

#define WEBHOOK_RETRIES_MAX 32

typedef struct {
    int64_t after_us[WEBHOOK_RETRIES_MAX]; /* the first try, the second ... */
    int     count;
} webhook_schedule;

/* "5,300,0.5": seconds, each up to a week. BUS_INVALID: says which is none. */
BUS_CHECKED bus_code webhook_schedule_parse(const char *text, webhook_schedule *out,
                                            bus_error *err);
/* How long to wait after so many failures, 1 and up; off by up to a fifth, as random says (0 to
 * UINT32_MAX), so that those who failed together do not come back together. -1: no more. */
int64_t webhook_schedule_after_us(const webhook_schedule *schedule, int failures, uint32_t random);

#endif
