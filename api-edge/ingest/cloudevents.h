/* cloudevents.h - what a source has pushed, as the data of ingest.receive. Internal; pure.
 *
 * CloudEvents 1.0 over HTTP in its three modes (binary: headers ce-*; structured:
 * application/cloudevents+json; batched: application/cloudevents-batch+json), or a form of the
 * source's own, which is kept as it came. Whether a value fits is the contract's to say; here it is
 * only found.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_INGEST_CLOUDEVENTS_H
#define API_EDGE_INGEST_CLOUDEVENTS_H

#include "bus/base/id.h"
#include "bus/contract/codec.h"

#define EDGE_PUSH_EVENTS_MAX 100 /* of one request */
#define EDGE_PUSH_HEADERS_MAX 40

typedef struct {
    const char *name, *value; /* without "ce-", in lower case; as it came */
} edge_attribute;

typedef struct {
    bus_id         source_id;
    bool           own_form; /* of the source's own */
    const char    *content_type;
    bus_str        body;
    const char    *webhook_id;                        /* own form; NULL: none */
    edge_attribute attributes[EDGE_PUSH_HEADERS_MAX]; /* headers ce-* */
    int            attributes_count;
} edge_pushed;

typedef enum {
    EDGE_PUSH_OK,
    EDGE_PUSH_INVALID,     /* problems tells where */
    EDGE_PUSH_UNSUPPORTED, /* neither CloudEvents' headers nor one of its media types */
    EDGE_PUSH_TOO_MANY
} edge_push_code;

/* *out: an array of objects, owned by the caller, also when it is not OK (NULL then). */
edge_push_code edge_cloudevents_read(const edge_pushed *pushed, json_t **out,
                                     bus_problems *problems);
/* The pointer within what came, of a pointer within the data of ingest.receive: "/event_id" is
 * "/id". */
const char *edge_cloudevents_pointer(const char *pointer);

#endif
