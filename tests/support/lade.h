/* lade.h - the sample of LaDe (Cainiao; tests/data/README.md): real deliveries of couriers, with
 * the times at which each was accepted and handed over. It has no year, and no time of arrival.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_LADE_H
#define TESTS_SUPPORT_LADE_H

#include <stdint.h>

typedef struct {
    double  lng, lat;                  /* of the address, degrees */
    double  gps_lng, gps_lat;          /* of the courier at delivery; NAN: none */
    int64_t accepted_at, delivered_at; /* UTC milliseconds, as if of that year */
} lade_order;

/* Reads the file; how many orders, at most max. -1: it cannot be read, or is not as it should be.
 */
int lade_read(const char *path, int year, lade_order *out, int max);

#endif
