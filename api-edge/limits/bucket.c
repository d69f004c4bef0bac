/* bucket.c - arithmetic of tokens. SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/limits/bucket.h"

#define MINUTE_US INT64_C(60000000)
#define THOUSAND 1000

void
edge_bucket_fill(edge_bucket *bucket, int per_min, int64_t now_us)
{
    *bucket = (edge_bucket){.tokens_m = (int64_t)per_min * THOUSAND, .at_us = now_us};
}

void
edge_bucket_refill(edge_bucket *bucket, int per_min, int64_t now_us)
{
    const int64_t full_m = (int64_t)per_min * THOUSAND, passed_us = now_us - bucket->at_us;
    int64_t       come_m;

    if (passed_us <= 0)
        return;
    if (passed_us >= 2 * MINUTE_US) { /* also out of the deepest debt */
        edge_bucket_fill(bucket, per_min, now_us);
        return;
    }
    come_m = full_m * passed_us / MINUTE_US;
    if (come_m == 0)
        return; /* what is less than a thousandth is not lost: its time still counts */
    bucket->tokens_m += come_m;
    bucket->at_us = now_us;
    if (bucket->tokens_m > full_m)
        bucket->tokens_m = full_m;
}

/* Rounded up. */
static int
seconds_for(int64_t missing_m, int per_min)
{
    const int64_t rate = (int64_t)per_min * THOUSAND;

    return missing_m <= 0 ? 0 : (int)((missing_m * 60 + rate - 1) / rate);
}

int
edge_bucket_wait_s(const edge_bucket *bucket, int per_min)
{
    const int wait_s = seconds_for(THOUSAND - bucket->tokens_m, per_min);

    return wait_s < 1 ? 1 : wait_s;
}

int
edge_bucket_full_s(const edge_bucket *bucket, int per_min)
{
    return seconds_for((int64_t)per_min * THOUSAND - bucket->tokens_m, per_min);
}
