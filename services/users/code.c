/* code.c - codes that are shown once, known by their hash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/user.h"

#include <string.h>

static bool
begins(bus_str text, const char *prefix, size_t bytes)
{
    return text.len > bytes && memcmp(text.at, prefix, bytes) == 0;
}

bool
user_is_hash(bus_str text)
{
    static const char prefix[] = "sha256:";

    return text.len == USER_HASH_BYTES - 1 && begins(text, prefix, sizeof(prefix) - 1);
}

bool
user_is_sealed(bus_str text)
{
    static const char prefix[] = "sec:1:";

    return begins(text, prefix, sizeof(prefix) - 1);
}

void
user_code_keep(struct user_code *code, bus_str hash, int64_t until_at)
{
    bus_str_store(code->hash, sizeof(code->hash), hash);
    code->until_at = until_at;
}

bus_verdict
user_code_check(const struct user_code *code, bus_str shown, int64_t at_ms, bus_decision *out)
{
    if (code->hash[0] == '\0' || !bus_str_is(shown, code->hash))
        return bus_refuse(out, USER_CODE_WRONG);
    if (at_ms >= code->until_at)
        return bus_refuse(out, USER_CODE_EXPIRED);
    return BUS_ACCEPTED;
}
