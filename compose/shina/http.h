/* http.h - the HTTP edge as a part of a process.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_HTTP_H
#define COMPOSE_SHINA_HTTP_H

#include "api-edge/edge.h"
#include "bus/runtime/watch.h"
#include "compose/process/process.h"

typedef struct {
    edge      *http;
    bus_watch *watch; /* of the other processes; NULL: all parts are in this one */
    char      *jwt_keys;
    char      *certificate, *key; /* of TLS, in PEM; NULL: none */
} shina_http;

/* Serves on SHINA_HTTP. others: the services and projections are other processes'. What was
 * started is stopped by shina_http_stop also after a failure. */
BUS_CHECKED bus_code shina_http_start(shina_http *h, shina_process *p, bool others, bus_error *err);
void                 shina_http_stop(shina_http *h);

#endif
