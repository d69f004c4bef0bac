/* bucket.h - a bucket of tokens that fills by itself. Internal. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIMITS_BUCKET_H
#define API_EDGE_LIMITS_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Tokens are counted in thousandths; below zero is a debt. */
typedef struct {
    int64_t tokens_m, at_us;
} edge_bucket;

/* A full one: it holds what comes in a minute. */
void edge_bucket_fill(edge_bucket *bucket, int per_min, int64_t now_us);
/* What has come since; never more than a full one. Time that goes back brings nothing. */
void edge_bucket_refill(edge_bucket *bucket, int per_min, int64_t now_us);
/* Whole seconds, at least one, until there is a token. */
int edge_bucket_wait_s(const edge_bucket *bucket, int per_min);
/* Whole seconds until it is full. */
int edge_bucket_full_s(const edge_bucket *bucket, int per_min);

#endif
