/* peer.c - from where a request comes: the socket's other end, or what trusted proxies say of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/peer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FORWARDED_MAX 16 /* proxies one behind another */

static const uint8_t of_ipv4[12] = {[10] = 0xff, [11] = 0xff};

/* --- addresses, as IPv6 ----------------------------------------------------------------------- */

static bool
parse_address(const char *text, size_t len, uint8_t out[16])
{
    char copy[EDGE_ADDRESS_BYTES];

    if (len == 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    memcpy(out, of_ipv4, sizeof(of_ipv4));
    return inet_pton(AF_INET, copy, out + sizeof(of_ipv4)) == 1 ||
           inet_pton(AF_INET6, copy, out) == 1;
}

static bool
is_ipv4(const uint8_t address[16])
{
    return memcmp(address, of_ipv4, sizeof(of_ipv4)) == 0;
}

static bool
address_of(const struct sockaddr *address, uint8_t out[16])
{
    struct sockaddr_in6 v6;
    struct sockaddr_in  v4;

    if (address != NULL && address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        memcpy(out, &v6.sin6_addr, 16);
        return true;
    }
    if (address != NULL && address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        memcpy(out, of_ipv4, sizeof(of_ipv4));
        memcpy(out + sizeof(of_ipv4), &v4.sin_addr, 4);
        return true;
    }
    return false;
}

static bool
socket_address(const edge_request *r, uint8_t out[16])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return info != NULL && address_of(info->client_addr, out);
}

static bus_id
network_of(const uint8_t address[16])
{
    bus_id out = {{0}};

    memcpy(out.bytes, address, is_ipv4(address) ? 16 : 8);
    return out;
}

/* --- proxies ---------------------------------------------------------------------------------- */

static bool
parse_network(const char *text, size_t len, edge_network *out)
{
    const char *slash = memchr(text, '/', len);
    size_t      address_len = slash == NULL ? len : (size_t)(slash - text);
    char       *end;
    long        bits;

    if (!parse_address(text, address_len, out->first))
        return false;
    out->bits = 128;
    if (slash == NULL)
        return true;
    if (slash[1] < '0' || slash[1] > '9')
        return false;
    bits = strtol(slash + 1, &end, 10);
    if (end != text + len || bits > (is_ipv4(out->first) ? 32 : 128))
        return false;
    out->bits = (int)bits + (is_ipv4(out->first) ? 96 : 0);
    return true;
}

bus_code
edge_proxies_parse(const char *text, edge_network *out, int *count, bus_error *err)
{
    *count = 0;
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");

        if (*count == EDGE_PROXIES_MAX)
            return bus_fail(err, BUS_INVALID, "SHINA_TRUSTED_PROXIES: more than %d",
                            EDGE_PROXIES_MAX);
        if (!parse_network(text, len, &out[(*count)++]))
            return bus_fail(
                err, BUS_INVALID,
                "SHINA_TRUSTED_PROXIES: \"%.*s\" is no address and no network like 10.0.0.0/8",
                len > 60 ? 60 : (int)len, text);
        text += len;
        text += *text == ',' ? 1 : 0;
    }
    return BUS_OK;
}

bool
edge_proxies_have(const edge_network *proxies, int count, const uint8_t address[16])
{
    for (int i = 0; i < count; i++) {
        const int whole = proxies[i].bits / 8, rest = proxies[i].bits % 8;
        const int mask = (0xff << (8 - rest)) & 0xff;

        if (memcmp(proxies[i].first, address, (size_t)whole) == 0 &&
            (rest == 0 || ((proxies[i].first[whole] ^ address[whole]) & mask) == 0))
            return true;
    }
    return false;
}

/* Some proxies tell the port, too: "192.0.2.1:4711", "[2001:db8::1]:4711". */
static bool
parse_forwarded(const char *text, size_t len, uint8_t out[16])
{
    const char *close = len > 0 && text[0] == '[' ? memchr(text, ']', len) : NULL;
    const char *colon = close == NULL ? memchr(text, ':', len) : NULL;

    if (close != NULL)
        return parse_address(text + 1, (size_t)(close - text) - 1, out);
    if (colon != NULL && memchr(text, '.', (size_t)(colon - text)) != NULL)
        len = (size_t)(colon - text);
    return parse_address(text, len, out);
}

/* From its end each proxy has added whom it spoke with; what stands before the first stranger may
 * be invented. What is no address ends it: then it is the proxy whom we know. */
static void
follow_forwarded(const edge_request *r, const char *forwarded, uint8_t address[16])
{
    const edge *e = r->loop->e;
    size_t      len = strlen(forwarded);

    for (int i = 0; i < FORWARDED_MAX && len > 0; i++) {
        size_t  end = len, begin;
        uint8_t next[16];

        while (end > 0 && (forwarded[end - 1] == ' ' || forwarded[end - 1] == '\t'))
            end--;
        for (begin = end; begin > 0 && strchr(", \t", forwarded[begin - 1]) == NULL;)
            begin--;
        if (!parse_forwarded(forwarded + begin, end - begin, next))
            return;
        memcpy(address, next, 16);
        if (!edge_proxies_have(e->proxies, e->proxies_count, address))
            return;
        for (len = begin; len > 0 && forwarded[len - 1] != ',';)
            len--;
        len -= len > 0 ? 1 : 0;
    }
}

/* A proxy may add a line instead of adding to one: then the last line is its own, and those before
 * are told by whoever spoke with it. */
static enum MHD_Result
note_forwarded(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const char **last = context;

    (void)kind;
    if (strcasecmp(name, "X-Forwarded-For") == 0)
        *last = value == NULL ? "" : value;
    return MHD_YES;
}

bool
edge_peer_is_proxy(const edge_request *r)
{
    uint8_t address[16];

    return socket_address(r, address) &&
           edge_proxies_have(r->loop->e->proxies, r->loop->e->proxies_count, address);
}

static bool
client_address(const edge_request *r, uint8_t out[16])
{
    const edge *e = r->loop->e;
    const char *forwarded = NULL;

    if (!socket_address(r, out))
        return false;
    if (!edge_proxies_have(e->proxies, e->proxies_count, out))
        return true;
    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, note_forwarded, &forwarded);
    if (forwarded != NULL)
        follow_forwarded(r, forwarded, out);
    return true;
}

/* --- what is asked ---------------------------------------------------------------------------- */

bool
edge_peer_address(const edge_request *r, char out[EDGE_ADDRESS_BYTES])
{
    uint8_t address[16];

    if (!client_address(r, address))
        return false;
    return is_ipv4(address)
               ? inet_ntop(AF_INET, address + sizeof(of_ipv4), out, EDGE_ADDRESS_BYTES) != NULL
               : inet_ntop(AF_INET6, address, out, EDGE_ADDRESS_BYTES) != NULL;
}

bool
edge_peer_network(const edge_request *r, bus_id *out)
{
    uint8_t address[16];

    if (!client_address(r, address))
        return false;
    *out = network_of(address);
    return true;
}

bool
edge_address_network(const struct sockaddr *from, bus_id *out)
{
    uint8_t address[16];

    if (!address_of(from, address))
        return false;
    *out = network_of(address);
    return true;
}

bool
edge_peer_agent(const edge_request *r, char out[EDGE_AGENT_BYTES])
{
    const char *agent = edge_request_header(r, "User-Agent");
    size_t      len = agent == NULL ? 0 : strlen(agent);

    if (len >= EDGE_AGENT_BYTES)
        len = EDGE_AGENT_BYTES - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(agent[i] < ' ' || agent[i] > '~' ? '?' : agent[i]);
    out[len] = '\0';
    return len > 0;
}
