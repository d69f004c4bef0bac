/* config.h - one table of keys; values from the environment, then `.env`, then defaults.
 * An unknown SHINA_ key or a bad value stops the start with a line that names the key (and
 * file and line for `.env`). Secrets print as ***.
 * Threads: read only after bus_config_load.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONFIG_CONFIG_H
#define BUS_CONFIG_CONFIG_H

#include "bus/base/error.h"
#include "bus/base/str.h"

#include <stdint.h>

typedef enum { BUS_CONFIG_TEXT, BUS_CONFIG_INT, BUS_CONFIG_BOOL } bus_config_type;

typedef struct {
    const char     *name; /* "SHINA_HTTP" */
    bus_config_type type;
    const char     *default_value;    /* as text; NULL: unset */
    int64_t         minimum, maximum; /* INT: value; TEXT: bytes, 0 0 is unbounded */
    bool            secret;
    const char     *help;
} bus_config_key;

/* The table; ends with a row whose name is NULL. */
extern const bus_config_key bus_config_keys[];

typedef struct bus_config bus_config;

/* env_file may be NULL or missing on disk. BUS_INVALID: err names key and place. */
BUS_CHECKED bus_code bus_config_load(bus_config **out, const char *env_file, bus_error *err);
void                 bus_config_free(bus_config *config);

/* Asking for a key that is not in the table is a bug (BUS_INVARIANT). Text: NULL if unset. */
const char *bus_config_text(const bus_config *config, const char *name);
int64_t     bus_config_int(const bus_config *config, const char *name);
bool        bus_config_bool(const bus_config *config, const char *name);
/* SHINA_DATABASE_URL_<DOMAIN> or NULL: keys with a domain in their name. */
const char *bus_config_text_of(const bus_config *config, const char *prefix, const char *domain);
/* BUS_INVALID: a key has something in its name that is none of these domains; err names it. For a
 * program that knows all domains there are. */
BUS_CHECKED bus_code bus_config_check_domains(const bus_config *config, const char *const *domains,
                                              int count, bus_error *err);

/* "name=value" lines with secrets as ***; and the README's table in Markdown. */
void bus_config_print(const bus_config *config, bus_buf *out);
void bus_config_reference(bus_buf *out);

#endif
