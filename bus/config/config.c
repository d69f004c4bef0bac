/* config.c - reads the keys from `.env` and the environment, checks them against the table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/config/config.h"
#include "bus/base/failpoint.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

#define LINE_BYTES_MAX 8192
#define OF_DOMAIN "SHINA_DATABASE_URL_"
#define KEYS_MAX 64
#define EXTRA_MAX 64 /* keys with a domain in their name */

struct bus_config {
    char *values[KEYS_MAX]; /* by row of the table; NULL: unset */
    struct {
        char *name, *value;
    } extra[EXTRA_MAX];
    int extra_count;
};

static int
row_of(const char *name)
{
    for (int i = 0; bus_config_keys[i].name != NULL; i++)
        if (strcmp(bus_config_keys[i].name, name) == 0)
            return i;
    return -1;
}

static bool
parse_int(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

/* Keys whose values are, or begin with, one of a few words. */
static const struct {
    const char *name;
    const char *words[5];
    bool        whole; /* the value is the word; else it begins with it */
    const char *rule;  /* for people */
} worded[] = {
    {"SHINA_LOG", {"debug", "info", "warn", "error"}, true, "debug, info, warn or error"},
    {"SHINA_BUS", {"inproc", "nng", "kafka", ""}, true, "inproc, nng or kafka"},
    {"SHINA_REDIS_URL",
     {"redis://", "unix:", ""},
     false,
     "redis://[:password@]host[:port][/db] or unix:/path"},
    {"SHINA_CORS_ORIGINS",
     {"https://", "http://", ""},
     false,
     "origins like https://crm.example, with commas"},
    {"SHINA_BUS_URL", {"ipc://", "tcp://", ""}, false, "ipc:///path or tcp://host:port"},
};

static bool
has_word(const char *value, const char *const *words, bool whole)
{
    for (; *words != NULL; words++) {
        bool all = whole || **words == '\0'; /* the empty word allows only itself: unset */

        if (all ? strcmp(value, *words) == 0 : strncmp(value, *words, strlen(*words)) == 0)
            return true;
    }
    return false;
}

static bus_code
check_words(const bus_config_key *key, const char *value, const char *place, bus_error *err)
{
    for (size_t i = 0; i < sizeof(worded) / sizeof(worded[0]); i++)
        if (strcmp(key->name, worded[i].name) == 0 &&
            !has_word(value, worded[i].words, worded[i].whole))
            return bus_fail(err, BUS_INVALID, "%s: %s must be %s", place, key->name,
                            worded[i].rule);
    return BUS_OK;
}

/* The value is never shown: it may be a secret. */
static bus_code
check(const bus_config_key *key, const char *value, const char *place, bus_error *err)
{
    int64_t n;

    switch (key->type) {
    case BUS_CONFIG_INT:
        if (!parse_int(value, &n) || n < key->minimum || n > key->maximum)
            return bus_fail(err, BUS_INVALID, "%s: %s must be a whole number from %lld to %lld",
                            place, key->name, (long long)key->minimum, (long long)key->maximum);
        return BUS_OK;
    case BUS_CONFIG_BOOL:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return bus_fail(err, BUS_INVALID, "%s: %s must be true or false", place, key->name);
        return BUS_OK;
    case BUS_CONFIG_TEXT:
        n = (int64_t)strlen(value);
        if (key->maximum > 0 && (n < key->minimum || n > key->maximum))
            return bus_fail(err, BUS_INVALID, "%s: %s must have %lld to %lld bytes", place,
                            key->name, (long long)key->minimum, (long long)key->maximum);
        return check_words(key, value, place, err);
    }
    return BUS_OK;
}

static char *
copy_of(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        abort();
    return copy;
}

static bus_code
set(bus_config *config, const char *name, const char *value, const char *place, bus_error *err)
{
    int      row = row_of(name);
    bus_code rc;

    if (row >= 0) {
        if ((rc = check(&bus_config_keys[row], value, place, err)) != BUS_OK)
            return rc;
        free(config->values[row]);
        config->values[row] = *value == '\0' ? NULL : copy_of(value);
        return BUS_OK;
    }
    if (strncmp(name, OF_DOMAIN, sizeof(OF_DOMAIN) - 1) != 0 || name[sizeof(OF_DOMAIN) - 1] == '\0')
        return bus_fail(err, BUS_INVALID, "%s: there is no key %.100s; see shina help config",
                        place, name);
    if (config->extra_count == EXTRA_MAX)
        return bus_fail(err, BUS_INVALID, "%s: more than %d keys of domains", place, EXTRA_MAX);
    for (int i = 0; i < config->extra_count; i++)
        if (strcmp(config->extra[i].name, name) == 0) {
            free(config->extra[i].value);
            config->extra[i].value = copy_of(value);
            return BUS_OK;
        }
    config->extra[config->extra_count].name = copy_of(name);
    config->extra[config->extra_count++].value = copy_of(value);
    return BUS_OK;
}

/* --- .env ------------------------------------------------------------------------ */

/* Cuts blanks off both ends, and one pair of quotes. */
static char *
trimmed(char *text)
{
    size_t len;

    while (isspace((unsigned char)*text))
        text++;
    len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
        text[len - 1] = '\0';
        text++;
    }
    return text;
}

static bus_code
take_line(bus_config *config, char *line, const char *place, bus_error *err)
{
    char *start = trimmed(line), *equals;

    if (*start == '\0' || *start == '#')
        return BUS_OK;
    if (strncmp(start, "export ", 7) == 0)
        start = trimmed(start + 7);
    equals = strchr(start, '=');
    if (equals == NULL)
        return bus_fail(err, BUS_INVALID, "%s: not NAME=value", place);
    *equals = '\0';
    start = trimmed(start);
    if (strncmp(start, "SHINA_", 6) != 0)
        return BUS_OK; /* for others */
    return set(config, start, trimmed(equals + 1), place, err);
}

static bus_code
load_file(bus_config *config, const char *file, bus_error *err)
{
    FILE    *f = fopen(file, "r");
    char     line[LINE_BYTES_MAX], place[300];
    int      number = 0;
    bus_code rc = BUS_OK;

    if (f == NULL)
        return errno == ENOENT ? BUS_OK
                               : bus_fail(err, BUS_INVALID, "%s: %s", file, strerror(errno));
    while (rc == BUS_OK && fgets(line, sizeof(line), f) != NULL) {
        (void)snprintf(place, sizeof(place), "%s:%d", file, ++number);
        rc = strlen(line) + 1 == sizeof(line)
                 ? bus_fail(err, BUS_INVALID, "%s: the line is too long", place)
                 : take_line(config, line, place, err);
    }
    (void)fclose(f);
    return rc;
}

static bus_code
load_environment(bus_config *config, bus_error *err)
{
    for (char **at = environ; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        char        name[128];
        bus_code    rc;

        if (strncmp(*at, "SHINA_", 6) != 0 || equals == NULL ||
            strncmp(*at, "SHINA_TEST_", 11) == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - *at), *at);
        if ((rc = set(config, name, equals + 1, "environment", err)) != BUS_OK)
            return rc;
    }
    return BUS_OK;
}

bus_code
bus_config_load(bus_config **out, const char *env_file, bus_error *err)
{
    bus_config *config = calloc(1, sizeof(*config));
    bus_code    rc = BUS_OK;

    if (config == NULL)
        abort();
    for (int i = 0; bus_config_keys[i].name != NULL; i++) {
        BUS_INVARIANT(i < KEYS_MAX);
        if (bus_config_keys[i].default_value != NULL)
            config->values[i] = copy_of(bus_config_keys[i].default_value);
    }
    if ((env_file != NULL && (rc = load_file(config, env_file, err)) != BUS_OK) ||
        (rc = load_environment(config, err)) != BUS_OK ||
        (rc = bus_fail_points_arm(getenv("SHINA_TEST_FAIL_POINT"), err)) != BUS_OK) {
        bus_config_free(config);
        return rc;
    }
    *out = config;
    return BUS_OK;
}

void
bus_config_free(bus_config *config)
{
    if (config == NULL)
        return;
    for (int i = 0; i < KEYS_MAX; i++)
        free(config->values[i]);
    for (int i = 0; i < config->extra_count; i++) {
        free(config->extra[i].name);
        free(config->extra[i].value);
    }
    free(config);
}

/* --- asking ------------------------------------------------------------------------- */

const char *
bus_config_text(const bus_config *config, const char *name)
{
    int row = row_of(name);

    BUS_INVARIANT(row >= 0);
    return config->values[row];
}

int64_t
bus_config_int(const bus_config *config, const char *name)
{
    int64_t     n = 0;
    const char *text = bus_config_text(config, name);

    BUS_INVARIANT(text != NULL && parse_int(text, &n));
    return n;
}

bool
bus_config_bool(const bus_config *config, const char *name)
{
    const char *text = bus_config_text(config, name);

    return text != NULL && strcmp(text, "true") == 0;
}

static bool
names_one_of(const char *name, const char *const *domains, int count)
{
    for (int i = 0; i < count; i++)
        if (strcasecmp(name, domains[i]) == 0)
            return true;
    return false;
}

bus_code
bus_config_check_domains(const bus_config *config, const char *const *domains, int count,
                         bus_error *err)
{
    for (int i = 0; i < config->extra_count; i++)
        if (!names_one_of(config->extra[i].name + sizeof(OF_DOMAIN) - 1, domains, count))
            return bus_fail(err, BUS_INVALID, "there is no domain for the key %.100s",
                            config->extra[i].name);
    return BUS_OK;
}

const char *
bus_config_text_of(const bus_config *config, const char *prefix, const char *domain)
{
    char name[128];
    int  len = snprintf(name, sizeof(name), "%s_%s", prefix, domain);

    if (len < 0 || (size_t)len >= sizeof(name))
        return NULL;
    for (char *c = name; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    for (int i = 0; i < config->extra_count; i++)
        if (strcmp(config->extra[i].name, name) == 0)
            return *config->extra[i].value == '\0' ? NULL : config->extra[i].value;
    return NULL;
}

void
bus_config_print(const bus_config *config, bus_buf *out)
{
    for (int i = 0; bus_config_keys[i].name != NULL; i++) {
        const char *value = config->values[i] == NULL ? "" : config->values[i];

        bus_buf_printf(out, "%s=%s\n", bus_config_keys[i].name,
                       bus_config_keys[i].secret && *value != '\0' ? "***" : value);
    }
    for (int i = 0; i < config->extra_count; i++)
        bus_buf_printf(out, "%s=***\n", config->extra[i].name);
}

void
bus_config_reference(bus_buf *out)
{
    bus_buf_add_text(out, "| key | default | bounds | meaning |\n|---|---|---|---|\n");
    for (int i = 0; bus_config_keys[i].name != NULL; i++) {
        const bus_config_key *key = &bus_config_keys[i];

        bus_buf_printf(out, "| `%s` | %s%s%s | ", key->name, key->default_value != NULL ? "`" : "",
                       key->default_value != NULL ? key->default_value : "unset",
                       key->default_value != NULL ? "`" : "");
        if (key->type == BUS_CONFIG_INT)
            bus_buf_printf(out, "%lld to %lld", (long long)key->minimum, (long long)key->maximum);
        bus_buf_printf(out, " | %s%s |\n", key->help, key->secret ? " Secret." : "");
    }
}
