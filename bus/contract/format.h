/* format.h - the string formats of contracts. Private to bus/contract.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_FORMAT_H
#define BUS_CONTRACT_FORMAT_H

#include "bus/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define BUS_NUMBER_TEXT_BYTES 32

/* Days and times are of the years 0001 to 9999 in UTC: four digits, and PostgreSQL has no year 0.
 * Writing any other breaks an invariant. */

/* "2026-11-23", a day that exists (RFC 3339 full-date). *days since 1970-01-01. */
bool bus_format_date(bus_str s, int32_t *days);
void bus_format_date_text(int32_t days, char out[16]);
/* RFC 3339 date-time; fractions beyond milliseconds are cut, a leap second (23:59:60Z) counts as
 * the second after. *at_ms in UTC. */
bool bus_format_time(bus_str s, int64_t *at_ms);
void bus_format_time_text(int64_t at_ms, char out[32]);
/* The first of 15, 16 and 17 significant digits that reads back as the same double; 0 for -0.
 * A NaN or an infinity breaks an invariant. */
void bus_format_number_text(double n, char out[BUS_NUMBER_TEXT_BYTES]);
/* Is n a multiple of `of`, both taken as the decimals that they are written as? 0.07 is one of
 * 0.01, whatever their binary forms say. */
bool bus_format_number_multiple(double n, double of);
/* One "@", a local part of RFC 5321 dot-atoms (at most 64 bytes), a domain of LDH labels with a
 * dot (at most 253). No quoted local parts, address literals or bare host names. */
bool bus_format_email(bus_str s);
/* "+" and 2 to 15 digits, the first not 0 (ITU-T E.164). */
bool bus_format_e164(bus_str s);

#endif
