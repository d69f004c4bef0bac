/* head.c - what is unclear in a request's head (RFC 9112 5 and 6).
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/head.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

typedef enum {
    HEAD_CONTENT_LENGTH,
    HEAD_TRANSFER_ENCODING,
    HEAD_FRAMING, /* so many of them tell where the request ends */
    HEAD_HOST = HEAD_FRAMING,
    HEAD_AUTHORIZATION,
    HEAD_CONTENT_TYPE,
    HEAD_IDEMPOTENCY_KEY,
    HEAD_IF_MATCH,
    HEAD_X_AFTER,
    HEAD_X_DEVICE_AT,
    HEAD_X_WEBHOOK_SECRET,
    HEAD_SINGLE
} single_header;

typedef struct {
    const char *name;
    size_t      name_bytes;
    const char *twice;
} single_text;

#define SINGLE(name)                                        \
    {                                                       \
        name, sizeof(name) - 1, name " must be given once." \
    }

static const single_text singles[HEAD_SINGLE] = {
    [HEAD_CONTENT_LENGTH] = SINGLE("Content-Length"),
    [HEAD_TRANSFER_ENCODING] = SINGLE("Transfer-Encoding"),
    [HEAD_HOST] = SINGLE("Host"),
    [HEAD_AUTHORIZATION] = SINGLE("Authorization"),
    [HEAD_CONTENT_TYPE] = SINGLE("Content-Type"),
    [HEAD_IDEMPOTENCY_KEY] = SINGLE("Idempotency-Key"),
    [HEAD_IF_MATCH] = SINGLE("If-Match"),
    [HEAD_X_AFTER] = SINGLE("X-After"),
    [HEAD_X_DEVICE_AT] = SINGLE("X-Device-At"),
    [HEAD_X_WEBHOOK_SECRET] = SINGLE("X-Webhook-Secret"),
};

typedef struct {
    edge_head_faults faults;
    const char      *values[HEAD_SINGLE]; /* NULL: has not come */
} head;

/* Libmicrohttpd leaves a space before the colon in the name, and then does not know the header. */
static bool
is_token(const char *text, size_t len)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(others, c) != NULL)))
            return false;
    }
    return len > 0;
}

/* A line that begins with a space goes on with the one before. Libmicrohttpd copies the name of
 * that header and appends the line to the name, not to the value, so the value does not follow
 * its name in memory any more. */
static bool
is_folded(const char *name, size_t name_bytes, const char *value)
{
    uintptr_t   from = (uintptr_t)name + name_bytes + 1, to = (uintptr_t)value;
    const char *gap = name + name_bytes + 1;

    return to < from || strspn(gap, " \t") != to - from;
}

/* Libmicrohttpd overwrites the end of a line with a NUL for each of CR and LF. Where there is
 * another byte the line ended in something else, and a CR within a value is an end of line to
 * others. The empty line that follows makes sure that there is a byte to look at. */
static bool
ends_in_crlf(const char *value, size_t value_bytes)
{
    return memchr(value, '\r', value_bytes) == NULL && value[value_bytes] == '\0' &&
           value[value_bytes + 1] == '\0';
}

static enum MHD_Result
look_at(void *context, enum MHD_ValueKind kind, const char *name, size_t name_bytes,
        const char *value, size_t value_bytes)
{
    head *h = context;

    (void)kind;
    if (!is_token(name, name_bytes))
        h->faults.framing = "The name of a header is not a token.";
    else if (is_folded(name, name_bytes, value))
        h->faults.framing = "A header must be on one line.";
    else if (!ends_in_crlf(value, value_bytes))
        h->faults.framing = "A header must end in CR LF and hold neither of them.";
    for (int i = 0; i < HEAD_SINGLE; i++) {
        const single_text *single = &singles[i];

        if (single->name_bytes != name_bytes || strncasecmp(single->name, name, name_bytes) != 0)
            continue;
        if (h->values[i] != NULL && i < HEAD_FRAMING)
            h->faults.framing = single->twice;
        else if (h->values[i] != NULL)
            h->faults.twice = single->twice;
        h->values[i] = value;
    }
    return MHD_YES;
}

static const char *
fault_of_coding(const head *h, const char *version)
{
    const char *coding = h->values[HEAD_TRANSFER_ENCODING];

    if (coding == NULL)
        return NULL;
    if (h->values[HEAD_CONTENT_LENGTH] != NULL)
        return "Content-Length and Transfer-Encoding must not come together.";
    if (strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return "HTTP/1.0 has no Transfer-Encoding.";
    return strcasecmp(coding, "chunked") == 0 ? NULL : "The only Transfer-Encoding is chunked.";
}

/* It names the server; HTTP/1.0 had none. */
static const char *
fault_of_host(const head *h, const char *version)
{
    if (h->values[HEAD_HOST] != NULL || strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return NULL;
    return "Host is missing.";
}

edge_head_faults
edge_head_check(struct MHD_Connection *connection, const char *version)
{
    head h = {0};

    (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look_at, &h);
    if (h.faults.framing == NULL)
        h.faults.framing = fault_of_coding(&h, version);
    if (h.faults.framing == NULL)
        h.faults.framing = fault_of_host(&h, version);
    return h.faults;
}
