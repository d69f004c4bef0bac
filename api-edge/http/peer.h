/* peer.h - from where a request comes. Internal.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_PEER_H
#define API_EDGE_HTTP_PEER_H

#include "api-edge/http/request.h"

#define EDGE_ADDRESS_BYTES 64 /* with NUL */
#define EDGE_AGENT_BYTES 201  /* with NUL; what is longer is cut */

/* The numeric address of the client: of whom we speak with, or, if that is a proxy that we trust
 * (edge_options.trusted_proxies), the last one in X-Forwarded-For that is not. False: it is not
 * known. */
bool edge_peer_address(const edge_request *r, char out[EDGE_ADDRESS_BYTES]);
/* The same as an id: of IPv4 the address, of IPv6 the network (/64), in which a host has as many
 * addresses as it likes. */
bool edge_peer_network(const edge_request *r, bus_id *out);

/* Do we speak with a proxy that we trust? */
bool edge_peer_is_proxy(const edge_request *r);
/* The network of a socket's address, as edge_peer_network. False: of no kind that we know. */
bool edge_address_network(const struct sockaddr *from, bus_id *out);

/* Reads "10.0.0.0/8,::1". BUS_INVALID: not that, or more than EDGE_PROXIES_MAX. */
BUS_CHECKED bus_code edge_proxies_parse(const char *text, edge_network *out, int *count,
                                        bus_error *err);
/* Is it in one of them? address: as IPv6. Pure. */
bool edge_proxies_have(const edge_network *proxies, int count, const uint8_t address[16]);
/* What it calls itself (User-Agent), in printable ASCII: anything else reads "?". False: it does
 * not. */
bool edge_peer_agent(const edge_request *r, char out[EDGE_AGENT_BYTES]);

#endif
