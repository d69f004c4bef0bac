/* peer.c - from where a request comes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/peer.h"

#include <arpa/inet.h>
#include <string.h>

bool
edge_peer_address(const edge_request *r, char out[EDGE_ADDRESS_BYTES])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    struct sockaddr_in6    v6;
    struct sockaddr_in     v4;

    if (address != NULL && address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        return inet_ntop(AF_INET6, &v6.sin6_addr, out, EDGE_ADDRESS_BYTES) != NULL;
    }
    if (address != NULL && address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        return inet_ntop(AF_INET, &v4.sin_addr, out, EDGE_ADDRESS_BYTES) != NULL;
    }
    return false;
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
