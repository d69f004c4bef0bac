/* keys_fuzz.c - any bytes as keys of the configuration, or as a secret that was sealed by them.
 *
 * After "jwt\n" it is SHINA_JWT_KEYS, after "master\n" SHINA_MASTER_KEYS, after "seal\n" a secret,
 * else one as it stands in the log: "sec:1:<kid>:<base64>".
 * What must hold: what is refused says why, and never a secret of the text; what is sealed opens to
 * itself, in its own place only; what was not sealed by our keys does not open.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/token.h"
#include "bus/personal/secret.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MASTER_KEYS "m1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define LABEL "fuzz.secret"

static bus_master_keys *masters;
static const bus_id     tenant = {{1}}, stream = {{2}}, other = {{3}};

static void
stop(void)
{
    bus_master_keys_destroy(masters);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    bus_error err;

    (void)argc;
    (void)argv;
    BUS_INVARIANT(bus_master_keys_parse(&masters, MASTER_KEYS, &err) == BUS_OK);
    BUS_INVARIANT(atexit(stop) == 0);
    return 0;
}

/* The secret is what stands behind the first colon; a short one may be in the words by chance. */
static void
check_words(const char *text, const bus_error *err)
{
    const char *colon = strchr(text, ':');

    if (colon != NULL && strlen(colon + 1) >= 20)
        BUS_INVARIANT(strstr(err->text, colon + 1) == NULL);
}

static void
check_jwt(const char *text)
{
    edge_keys keys;
    bus_error err = {0};
    bus_code  rc = edge_keys_parse(&keys, text, &err);

    if (rc != BUS_OK) {
        fuzz_check_failure(rc, &err);
        check_words(text, &err);
        return;
    }
    BUS_INVARIANT(keys.count >= 1 && keys.count <= EDGE_KEYS_MAX);
    for (int i = 0; i < keys.count; i++)
        BUS_INVARIANT(keys.keys[i].id[0] != '\0' &&
                      keys.keys[i].secret_bytes >= EDGE_KEY_BYTES_MIN &&
                      keys.keys[i].secret_bytes <= EDGE_KEY_BYTES_MAX);
}

static void
check_masters(const char *text)
{
    bus_master_keys *parsed = NULL;
    bus_error        err = {0};
    bus_code         rc = bus_master_keys_parse(&parsed, text, &err);

    if (rc != BUS_OK) {
        BUS_INVARIANT(parsed == NULL);
        fuzz_check_failure(rc, &err);
        check_words(text, &err);
    }
    bus_master_keys_destroy(parsed);
}

static void
check_seal(bus_str secret)
{
    bus_arena arena = {0};
    bus_error err = {0};
    bus_str   sealed, opened;

    if (secret.len >= BUS_SECRET_MIN && secret.len <= BUS_SECRET_MAX) {
        sealed = bus_secret_seal(masters, tenant, stream, LABEL, secret, &arena);
        BUS_INVARIANT(sealed.len <= BUS_SEALED_SECRET_MAX);
        BUS_INVARIANT(bus_secret_open(masters, tenant, stream, LABEL, sealed, &arena, &opened,
                                      &err) == BUS_OK &&
                      bus_str_equal(secret, opened));
        BUS_INVARIANT(bus_secret_open(masters, tenant, other, LABEL, sealed, &arena, &opened,
                                      &err) == BUS_FAULT);
    }
    bus_arena_fini(&arena);
}

static void
check_open(bus_str text)
{
    char     *exact = fuzz_exact(text);
    bus_arena arena = {0};
    bus_error err = {0};
    bus_str   opened;
    bus_code  rc = bus_secret_open(masters, tenant, stream, LABEL, (bus_str){exact, text.len},
                                   &arena, &opened, &err);

    fuzz_check_failure(rc, &err);
    bus_arena_fini(&arena);
    free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str rest = fuzz_input(data, size), all = rest, first = fuzz_cut(&rest, '\n');
    char   *text = fuzz_text(rest);

    if (bus_str_is(first, "jwt"))
        check_jwt(text);
    else if (bus_str_is(first, "master"))
        check_masters(text);
    else if (bus_str_is(first, "seal"))
        check_seal(rest);
    else
        check_open(all);
    free(text);
    return 0;
}
