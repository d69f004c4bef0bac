/* webhook.h - signatures of webhooks, as Standard Webhooks (standardwebhooks.com) has them: ours on
 * what we send, others' on what comes in.
 *
 * The signature is "v1," and the base64 of HMAC-SHA-256 over "<id>.<timestamp>.<body>", in the
 * header webhook-signature, beside webhook-id and webhook-timestamp (seconds since 1970).
 * Threads: any; all pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_WEBHOOK_WEBHOOK_H
#define BUS_WEBHOOK_WEBHOOK_H

#include "bus/base/str.h"

#define BUS_WEBHOOK_TOLERANCE_S 300 /* a timestamp may be so far from our clock, either way */
#define BUS_WEBHOOK_KEY_MAX 128
#define BUS_WEBHOOK_ID_MAX 255
#define BUS_WEBHOOK_SIGNATURE_BYTES 48 /* "v1,", 44 of base64, a NUL */

typedef struct {
    uint8_t bytes[BUS_WEBHOOK_KEY_MAX];
    size_t  len;
} bus_webhook_key;

/* The key of a secret: of "whsec_<base64>" what it decodes to, else its own bytes. False: empty or
 * too long. The caller wipes it. */
bool bus_webhook_key_of(bus_str secret, bus_webhook_key *out);

void bus_webhook_sign(const bus_webhook_key *key, bus_str id, int64_t at_s, bus_str body,
                      char out[BUS_WEBHOOK_SIGNATURE_BYTES]);

/* Is one of the signatures (a list, by spaces; those of other versions are passed over) of this
 * key, and the timestamp within the tolerance? Takes the same time whichever is wrong; at the most
 * 16 signatures are looked at. */
bool bus_webhook_check(const bus_webhook_key *key, bus_str id, bus_str timestamp,
                       bus_str signatures, bus_str body, int64_t now_s);

/* Are two secrets the same? In a time that does not tell where they differ. */
bool bus_webhook_same_secret(bus_str a, bus_str b);

#endif
