/* leaks.h - does a value stand where it must not: in a table, in Redis, in a file, in an answer?
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

/* --- whoever was forgotten, in every spelling ------------------------------------------------- */

/* A value as it may stand somewhere: as it is, in upper and lower case, escaped for JSON (\uXXXX)
 * and for addresses (%XX), in hexadecimal digits, and in base64 wherever in the coded text it
 * begins. What is found is printed with its place. */
typedef struct tests_spellings tests_spellings;

/* values ends with NULL; letters outside of ASCII must be Cyrillic. The caller destroys it. */
tests_spellings *tests_spellings_of(const char *const *values);
void             tests_spellings_destroy(tests_spellings *spellings);

/* 1: some spelling stands in the bytes. */
int tests_spelt_in(const tests_spellings *spellings, const char *place, const char *bytes,
                   size_t len);
/* All tables of all schemas, those of views too, and what connections run; how many rows. */
int tests_spelt_in_tables(const tests_spellings *spellings, const char *database_url);
/* All keys and values of all databases of the Redis of a home; how many. */
int tests_spelt_in_redis(const tests_spellings *spellings, const char *home);
/* All files below a folder, .zst ones unpacked, but not the data of PostgreSQL, where rows that are
 * dead stay until a vacuum, and the WAL until it is used again; how many lines. Or of one file. */
int tests_spelt_in_files(const tests_spellings *spellings, const char *path);
/* All files of a home, its data and archive too, wherever they lie. */
int tests_spelt_in_home(const tests_spellings *spellings, const char *home);
/* What a program prints; how many lines. */
int tests_spelt_in_output(const tests_spellings *spellings, const char *const *argv);
/* Each line that a program prints, without its end. It must end with 0. argv ends with NULL. */
void tests_lines_of(const char *const *argv, void (*visit)(void *context, char *line, size_t len),
                    void              *context);

#endif
