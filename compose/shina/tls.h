/* tls.h - the certificate and the key of the edge, from files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_TLS_H
#define COMPOSE_SHINA_TLS_H

#include "bus/base/error.h"
#include "bus/config/config.h"

#include <curl/curl.h>

/* Texts in PEM, owned by the caller; both NULL: no TLS. BUS_INVALID: only one of the files is
 * named, one cannot be read, is none, or they do not belong together; the text names the key of the
 * configuration. A certificate that is over is a warning. */
BUS_CHECKED bus_code shina_tls_load(const bus_config *config, char **certificate, char **key,
                                    bus_error *err);
void                 shina_tls_free(char *certificate, char *key); /* accepts NULL */

/* "http" or "https", as the edge of this configuration speaks. */
const char *shina_tls_scheme(const bus_config *config);
/* A verb that asks the edge of this machine trusts the very certificate that it was given, under
 * whatever name it listens. */
void shina_tls_trust(const bus_config *config, CURL *curl);

#endif
