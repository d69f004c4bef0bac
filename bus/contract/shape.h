/* shape.h - what a JSON value of a contract looks like, in JSON and in C.
 *
 * The schema compiler writes constant tables of these; decoding, encoding, copying
 * and comparing are then one small interpreter each (codec.h). All tables are
 * constant and shared between threads.
 *
 * How a shape lies in C memory, by kind:
 *   BOOL bool          INT int64_t       NUMBER double     STRING bus_str
 *   ENUM int32_t (an enum)               UUID bus_id       DATE int32_t, days since 1970-01-01
 *   TIME int64_t, UTC milliseconds (JSON: RFC 3339)        JSON bus_str (any value, its text)
 *   OBJECT struct      UNION struct { enum kind; union {...}; }
 *   ARRAY struct { T *items; uint32_t count, capacity; }
 * A field that may be absent or null has a `bool has_<name>` before it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_SHAPE_H
#define BUS_CONTRACT_SHAPE_H

#include "bus/base/id.h"
#include "bus/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    BUS_KIND_BOOL,
    BUS_KIND_INT,
    BUS_KIND_NUMBER,
    BUS_KIND_STRING,
    BUS_KIND_ENUM,
    BUS_KIND_UUID,
    BUS_KIND_DATE,
    BUS_KIND_TIME,
    BUS_KIND_OBJECT,
    BUS_KIND_ARRAY,
    BUS_KIND_UNION,
    BUS_KIND_JSON
} bus_kind;

typedef struct bus_shape   bus_shape;
typedef struct bus_field   bus_field;
typedef struct bus_variant bus_variant;

#define BUS_NO_OFFSET UINT32_MAX

/* A secret (x-secret) in clear, and as the bus and the log have it. */
#define BUS_SECRET_MIN 16
#define BUS_SECRET_MAX 128
#define BUS_SEALED_SECRET_MAX 256

struct bus_shape {
    bus_kind kind;
    uint32_t size; /* bytes of the C form */

    /* INT: inclusive bounds (exclusive ones are folded in), multiple_of 0 is none.
     * NUMBER: same meaning in number_*. STRING: code points. ARRAY: items. */
    int64_t minimum, maximum, multiple_of;
    double  number_minimum, number_maximum, number_multiple_of;
    bool    number_minimum_exclusive, number_maximum_exclusive;

    const char *pattern;      /* STRING: ECMA 262 regular expression or NULL */
    void      **pattern_code; /* STRING: where its compiled form is kept once it was needed */
    enum { BUS_FORMAT_NONE, BUS_FORMAT_EMAIL, BUS_FORMAT_E164 } format; /* STRING */

    const char *const *names; /* ENUM: JSON text by value; also const (one name) */
    uint32_t           names_count;

    const bus_field *fields; /* OBJECT */
    uint32_t         fields_count;
    bool             additional_properties; /* OBJECT: unknown members are passed over */

    const bus_shape *item; /* ARRAY */
    bool             unique_items;

    const char        *tag;      /* UNION: name of the discriminating member */
    const bus_variant *variants; /* UNION: by value of the C enum */
    uint32_t           variants_count, variants_offset; /* offset of the C union */

    bool personal; /* some member of it, at any depth, is personal */
};

struct bus_variant {
    const char      *tag_value;
    const bus_shape *shape; /* an OBJECT without the tag member */
};

struct bus_field {
    const char      *name;
    const bus_shape *shape;
    uint32_t         offset;     /* of the value in the struct */
    uint32_t         has_offset; /* of `bool has_<name>`; BUS_NO_OFFSET: always there */
    bool             required, nullable;
    const char      *default_json; /* used when absent; NULL is none */
    const char *personal;   /* x-personal: JSON pointer of the subject, "" is the stream, NULL: not
                               personal. Its shape is a STRING */
    const char *masked_for; /* x-masked: space separated roles that see null instead, X+grant: those
                               without that grant; NULL: none */
    bool secret;            /* x-secret: the edge seals it (bus/personal/secret.h), or makes one */
    bool hashed;            /* ... "hash": the edge puts its hash there instead: it is compared with
                               what is shown later, and need not be known again */
};

#endif
