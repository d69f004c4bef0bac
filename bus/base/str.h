/* str.h - borrowed bytes, and a growing buffer to write into.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_STR_H
#define BUS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed UTF-8 bytes, not necessarily NUL-terminated. {NULL, 0} is empty. */
typedef struct {
    const char *at;
    uint32_t    len; /* bytes */
} bus_str;

#define BUS_STR(literal) ((bus_str){(literal), (uint32_t)(sizeof(literal) - 1)})
/* For printf: "%.*s", BUS_STR_ARG(s) */
#define BUS_STR_ARG(s) (int)(s).len, (s).at ? (s).at : ""

bus_str bus_str_of(const char *nul_terminated); /* NULL gives empty */
bool    bus_str_equal(bus_str a, bus_str b);
bool    bus_str_is(bus_str a, const char *nul_terminated);

/* Copies s into a fixed char array, NUL-terminated. BUS_INVARIANT that it fits:
 * bounds live in the contract. Pure: for states of modules. */
void bus_str_store(char *to, size_t to_bytes, bus_str s);
/* The other way: a borrowed view of a NUL-terminated fixed array. */
bus_str bus_str_load(const char *fixed);

/* Bytes of the well-formed sequence (RFC 3629) that at[0..room) begins with; 0: with none. */
size_t bus_utf8_sequence(const char *at, size_t room);
/* Code points of well-formed UTF-8. */
int64_t bus_utf8_length(bus_str s);

/* A growing byte buffer on the heap. Zero-initialised is valid and empty.
 * Always NUL-terminated once something was added. Aborts without memory. */
typedef struct {
    char  *at;
    size_t len, capacity; /* bytes */
} bus_buf;

void bus_buf_add(bus_buf *buf, const void *bytes, size_t len);
void bus_buf_add_str(bus_buf *buf, bus_str s);
void bus_buf_add_text(bus_buf *buf, const char *nul_terminated);
void bus_buf_add_char(bus_buf *buf, char c);
void bus_buf_add_int(bus_buf *buf, int64_t value);
void bus_buf_printf(bus_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds s as a JSON string with quotes (RFC 8259; s must be valid UTF-8). */
void    bus_buf_add_json(bus_buf *buf, bus_str s);
bus_str bus_buf_str(const bus_buf *buf);
void    bus_buf_reset(bus_buf *buf); /* empties, keeps memory */
void    bus_buf_fini(bus_buf *buf);  /* gives memory back */

#endif
