/* leaks.h - does a value stand in the database where it must not?
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_LEAKS_H
#define TESTS_SUPPORT_LEAKS_H

#include <stddef.h>

/* The URL of the embedded database of a home. */
void tests_leaks_database(const char *home, char *url, size_t url_bytes);

/* Reads every table but those of the schema `views` and of PostgreSQL itself, row by row, and looks
 * for each of the values (ends with NULL), as text and, in bytea, as bytes. Prints where; returns
 * how many rows hold one. What it cannot read, or a database without events, ends the program. */
int tests_leaks(const char *database_url, const char *const *values);

#endif
