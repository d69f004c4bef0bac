/* env_fuzz.c - any bytes as the file .env.
 * What must hold: a refusal is BUS_INVALID with words, and never shows the value of the line; what
 * is loaded has every number within its bounds and prints no secret.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/config/config.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int  file = -1;
static char path[64];

static void
close_file(void)
{
    (void)close(file);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("env", MFD_CLOEXEC);
    BUS_INVARIANT(file >= 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    BUS_INVARIANT(atexit(close_file) == 0);
    return 0;
}

static void
write_file(bus_str bytes)
{
    uint32_t written = 0;

    BUS_INVARIANT(ftruncate(file, 0) == 0);
    while (written < bytes.len) {
        ssize_t n = pwrite(file, bytes.at + written, bytes.len - written, written);

        BUS_INVARIANT(n > 0);
        written += (uint32_t)n;
    }
}

/* A secret long enough not to be there by chance. */
static void
check_secret(const bus_config *config, const bus_config_key *key, const bus_buf *printed)
{
    const char *value = bus_config_text(config, key->name);
    char        line[256];

    if (value == NULL)
        return;
    (void)snprintf(line, sizeof(line), "%s=***", key->name);
    BUS_INVARIANT(memmem(printed->at, printed->len, line, strlen(line)) != NULL);
}

static void
check_loaded(const bus_config *config)
{
    bus_buf printed = {0};

    bus_config_print(config, &printed);
    for (const bus_config_key *key = bus_config_keys; key->name != NULL; key++) {
        if (key->type == BUS_CONFIG_INT && bus_config_text(config, key->name) != NULL) {
            int64_t n = bus_config_int(config, key->name);

            BUS_INVARIANT(n >= key->minimum && n <= key->maximum);
        }
        if (key->type == BUS_CONFIG_BOOL)
            (void)bus_config_bool(config, key->name);
        if (key->secret)
            check_secret(config, key, &printed);
    }
    (void)bus_config_text_of(config, "SHINA_DATABASE_URL", "trips");
    bus_buf_fini(&printed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const domains[] = {"trips", "vehicles"};
    bus_config              *config = NULL;
    bus_error                err = {0}, unknown = {0};
    bus_code                 rc;

    write_file(fuzz_input(data, size));
    rc = bus_config_load(&config, path, &err);
    if (rc != BUS_OK) {
        BUS_INVARIANT(rc == BUS_INVALID && config == NULL);
        fuzz_check_failure(rc, &err);
        return 0;
    }
    check_loaded(config);
    rc = bus_config_check_domains(config, domains, 2, &unknown);
    if (rc != BUS_OK)
        fuzz_check_failure(rc, &unknown);
    bus_config_free(config);
    return 0;
}
