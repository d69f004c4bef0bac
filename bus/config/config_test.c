/* config_test.c - where values come from, what stops the start, what never shows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char env_file[] = "/tmp/shina-config-XXXXXX";

static void
write_env(const char *text)
{
    FILE *f = fopen(env_file, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bus_config *
load(const char *text)
{
    bus_config *config = NULL;
    bus_error   err = {0};

    write_env(text);
    if (bus_config_load(&config, env_file, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return config;
}

/* The load fails, and its words hold what is expected and not what is forbidden. */
static void
refused(const char *text, const char *expected, const char *forbidden)
{
    bus_config *config = NULL;
    bus_error   err = {0};

    write_env(text);
    assert_int_equal(bus_config_load(&config, env_file, &err), BUS_INVALID);
    assert_null(config);
    if (strstr(err.text, expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, expected);
    if (forbidden != NULL)
        assert_null(strstr(err.text, forbidden));
}

static int
clear_environment(void **state)
{
    (void)state;
    for (int i = 0; bus_config_keys[i].name != NULL; i++)
        if (unsetenv(bus_config_keys[i].name) != 0)
            return -1;
    return unsetenv("SHINA_DATABASE_URL_TRIPS");
}

static void
test_defaults(void **state)
{
    bus_config *config;
    bus_error   err = {0};

    (void)state;
    assert_int_equal(bus_config_load(&config, "/nonexistent/.env", &err), BUS_OK);
    assert_string_equal(bus_config_text(config, "SHINA_HTTP"), "127.0.0.1:8080");
    assert_int_equal(bus_config_int(config, "SHINA_PARTITIONS"), 8);
    assert_null(bus_config_text(config, "SHINA_DATABASE_URL"));
    bus_config_free(config);
    bus_config_free(NULL);
}

static void
test_the_environment_beats_the_file(void **state)
{
    bus_config *config;

    (void)state;
    assert_int_equal(setenv("SHINA_BATCH", "7", 1), 0);
    config = load("SHINA_BATCH=8\nSHINA_QUEUE=64\n");
    assert_int_equal(bus_config_int(config, "SHINA_BATCH"), 7);
    assert_int_equal(bus_config_int(config, "SHINA_QUEUE"), 64);
    bus_config_free(config);
}

static void
test_forms_of_a_line(void **state)
{
    bus_config *config = load("# a comment\n\n  export SHINA_HOME = \"/a b\"  \n"
                              "SHINA_LOG='debug'\r\nOTHER=1\nSHINA_BATCH=9\nSHINA_BUS=nng\n"
                              "SHINA_BUS_URL=tcp://10.0.0.1:0");

    (void)state;
    assert_string_equal(bus_config_text(config, "SHINA_HOME"), "/a b");
    assert_string_equal(bus_config_text(config, "SHINA_LOG"), "debug");
    assert_int_equal(bus_config_int(config, "SHINA_BATCH"), 9);
    assert_string_equal(bus_config_text(config, "SHINA_BUS"), "nng");
    assert_string_equal(bus_config_text(config, "SHINA_BUS_URL"), "tcp://10.0.0.1:0");
    bus_config_free(config);
}

static void
test_what_stops_the_start(void **state)
{
    char long_line[9000];

    (void)state;
    refused("\nSHINA_HTPP=x\n", ":2: there is no key SHINA_HTPP", NULL);
    refused("SHINA_BATCH=0\n", ":1: SHINA_BATCH must be a whole number from 1 to 16384", NULL);
    refused("SHINA_BATCH=16385\n", "SHINA_BATCH", NULL);
    refused("SHINA_BATCH=12x\n", "SHINA_BATCH", NULL);
    refused("SHINA_BATCH=99999999999999999999\n", "SHINA_BATCH", NULL);
    refused("SHINA_LOG=loud!\n", "SHINA_LOG", NULL);
    refused("SHINA_LOG=fatal\n", "SHINA_LOG must be debug", NULL);
    refused("SHINA_BUS=pigeon\n", "SHINA_BUS must be inproc, nng or kafka", NULL);
    refused("SHINA_REDIS_URL=sekret\n", "SHINA_REDIS_URL must be redis://", "sekret");
    refused("SHINA_CORS_ORIGINS=*\n", "SHINA_CORS_ORIGINS must be origins", NULL);
    refused("SHINA_BUS_URL=http://x\n", ":1: SHINA_BUS_URL must be ipc:///path or tcp://", NULL);
    refused("SHINA_HOME\n", "not NAME=value", NULL);
    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    refused(long_line, "too long", NULL);
    assert_int_equal(setenv("SHINA_QUEUE", "many", 1), 0);
    refused("", "environment: SHINA_QUEUE", "many");
}

static void
test_bounds_are_inclusive(void **state)
{
    bus_config *config = load("SHINA_BATCH=16384\nSHINA_QUEUE=16\n");

    (void)state;
    assert_int_equal(bus_config_int(config, "SHINA_BATCH"), 16384);
    assert_int_equal(bus_config_int(config, "SHINA_QUEUE"), 16);
    bus_config_free(config);
}

static void
test_a_database_per_domain(void **state)
{
    bus_config *config;

    (void)state;
    assert_int_equal(setenv("SHINA_DATABASE_URL_TRIPS", "postgresql://b", 1), 0);
    config = load("SHINA_DATABASE_URL_TRIPS=postgresql://a\n");
    assert_string_equal(bus_config_text_of(config, "SHINA_DATABASE_URL", "trips"),
                        "postgresql://b");
    assert_null(bus_config_text_of(config, "SHINA_DATABASE_URL", "vehicles"));
    bus_config_free(config);
    assert_int_equal(setenv("SHINA_DATABASE_URL_TRIPS", "", 1), 0); /* as any key: unset */
    config = load("");
    assert_null(bus_config_text_of(config, "SHINA_DATABASE_URL", "trips"));
    bus_config_free(config);
}

/* A misspelt one would leave the domain in the default database without a word. */
static void
test_a_database_of_no_domain(void **state)
{
    const char *const domains[] = {"vehicles", "trips"};
    bus_config       *config = load("SHINA_DATABASE_URL_TRIPS=postgresql://a\n");
    bus_error         err = {0};

    (void)state;
    assert_int_equal(bus_config_check_domains(config, domains, 2, &err), BUS_OK);
    bus_config_free(config);
    config = load("SHINA_DATABASE_URL_TRIP=postgresql://a\n");
    assert_int_equal(bus_config_check_domains(config, domains, 2, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "SHINA_DATABASE_URL_TRIP"));
    bus_config_free(config);
}

static void
test_secrets_never_show(void **state)
{
    bus_config *config = load("SHINA_DATABASE_URL=postgresql://u:hunter2@h/d\n"
                              "SHINA_DATABASE_URL_TRIPS=postgresql://u:hunter3@h/d\n"
                              "SHINA_JWT_KEYS=k:aHVudGVyNA==\n");
    bus_buf     out = {0};
    char        too_long[8100] = "SHINA_JWT_KEYS=hunter5";

    (void)state;
    bus_config_print(config, &out);
    assert_non_null(strstr(out.at, "SHINA_DATABASE_URL=***\n"));
    assert_non_null(strstr(out.at, "SHINA_DATABASE_URL_TRIPS=***\n"));
    assert_non_null(strstr(out.at, "SHINA_REDIS_URL=\n"));
    assert_non_null(strstr(out.at, "SHINA_BATCH=1024\n"));
    assert_null(strstr(out.at, "hunter"));
    assert_null(strstr(out.at, "aHVudGVy"));
    bus_buf_fini(&out);
    bus_config_free(config);
    memset(too_long + strlen(too_long), 'y', sizeof(too_long) - strlen(too_long) - 1);
    refused(too_long, "SHINA_JWT_KEYS must have", "hunter");
}

static void
test_the_table_is_sound(void **state)
{
    bus_buf out = {0};

    (void)state;
    bus_config_reference(&out);
    for (int i = 0; bus_config_keys[i].name != NULL; i++) {
        const bus_config_key *key = &bus_config_keys[i];
        char                  row[160];

        assert_int_equal(strncmp(key->name, "SHINA_", 6), 0);
        assert_true(key->help != NULL && key->help[strlen(key->help) - 1] == '.');
        if (key->type == BUS_CONFIG_INT) {
            int64_t value;

            assert_non_null(key->default_value);
            value = strtoll(key->default_value, NULL, 10);
            assert_true(value >= key->minimum && value <= key->maximum);
        }
        for (int other = 0; other < i; other++)
            assert_string_not_equal(key->name, bus_config_keys[other].name);
        (void)snprintf(row, sizeof(row), "\n| `%s` | ", key->name);
        assert_non_null(strstr(out.at, row));
    }
    bus_buf_fini(&out);
}

static int
make_env_file(void **state)
{
    int fd = mkstemp(env_file);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int
remove_env_file(void **state)
{
    (void)state;
    return unlink(env_file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clear_environment),
        cmocka_unit_test_setup(test_the_environment_beats_the_file, clear_environment),
        cmocka_unit_test_setup(test_forms_of_a_line, clear_environment),
        cmocka_unit_test_setup(test_what_stops_the_start, clear_environment),
        cmocka_unit_test_setup(test_bounds_are_inclusive, clear_environment),
        cmocka_unit_test_setup(test_a_database_per_domain, clear_environment),
        cmocka_unit_test_setup(test_a_database_of_no_domain, clear_environment),
        cmocka_unit_test_setup(test_secrets_never_show, clear_environment),
        cmocka_unit_test_setup(test_the_table_is_sound, clear_environment),
    };

    return cmocka_run_group_tests(tests, make_env_file, remove_env_file);
}
