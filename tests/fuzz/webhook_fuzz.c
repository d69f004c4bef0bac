/* webhook_fuzz.c - any bytes as the signature headers of a webhook, and as its secret.
 *
 * Lines: secret, webhook-id, webhook-timestamp (also read as a schedule of retries),
 * webhook-signature; the rest is the body.
 * What must hold: what is not signed by the key is not taken, whatever it says; what is signed is,
 * within the tolerance and with that body only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/webhook/webhook.h"
#include "services/webhooks/worker/schedule.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1700000000)

static void
check_own(const bus_webhook_key *key, bus_str id, bus_str body)
{
    char    signature[BUS_WEBHOOK_SIGNATURE_BYTES];
    bus_str at = BUS_STR("1700000000"), other = BUS_STR("another body, not that one");

    bus_webhook_sign(key, id, NOW_S, body, signature);
    BUS_INVARIANT(strlen(signature) == BUS_WEBHOOK_SIGNATURE_BYTES - 1);
    BUS_INVARIANT(bus_webhook_check(key, id, at, bus_str_of(signature), body, NOW_S) ==
                  (id.len > 0 && id.len <= BUS_WEBHOOK_ID_MAX));
    BUS_INVARIANT(!bus_webhook_check(key, id, at, bus_str_of(signature), body,
                                     NOW_S + BUS_WEBHOOK_TOLERANCE_S + 1));
    if (!bus_str_equal(body, other))
        BUS_INVARIANT(!bus_webhook_check(key, id, at, bus_str_of(signature), other, NOW_S));
}

static void
check_schedule(const char *text)
{
    webhook_schedule schedule;
    bus_error        err = {0};
    bus_code         rc = webhook_schedule_parse(text, &schedule, &err);

    if (rc != BUS_OK) {
        fuzz_check_failure(rc, &err);
        return;
    }
    BUS_INVARIANT(schedule.count >= 1 && schedule.count <= WEBHOOK_RETRIES_MAX);
    for (int i = 1; i <= schedule.count; i++)
        BUS_INVARIANT(webhook_schedule_after_us(&schedule, i, UINT32_MAX) >= 0);
    BUS_INVARIANT(webhook_schedule_after_us(&schedule, schedule.count + 1, 0) == -1);
}

static void
check_given(const bus_webhook_key *key, bus_str id, bus_str at, bus_str given, bus_str body)
{
    char *exact = fuzz_exact(given);

    /* A signature of 32 bytes by a key that the input does not have cannot be right. */
    BUS_INVARIANT(!bus_webhook_check(key, id, at, (bus_str){exact, given.len}, body, NOW_S));
    free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bus_webhook_key hidden = {.bytes = "a key that no input knows, 32 by", .len = 32};
    bus_str                      rest = fuzz_input(data, size);
    bus_str                      secret = fuzz_cut(&rest, '\n'), id = fuzz_cut(&rest, '\n');
    bus_str                      at = fuzz_cut(&rest, '\n'), given = fuzz_cut(&rest, '\n');
    char                        *exact = fuzz_exact(secret), *text = fuzz_text(at);
    bus_webhook_key              key;

    check_schedule(text);
    check_given(&hidden, id, at, given, rest);
    if (bus_webhook_key_of((bus_str){exact, secret.len}, &key)) {
        BUS_INVARIANT(key.len > 0 && key.len <= BUS_WEBHOOK_KEY_MAX);
        (void)bus_webhook_check(&key, id, at, given, rest, NOW_S);
        check_own(&key, id, rest);
    }
    BUS_INVARIANT(bus_webhook_same_secret(secret, (bus_str){exact, secret.len}));
    free(exact);
    free(text);
    return 0;
}
