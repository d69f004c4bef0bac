/* peer.h - from where a request comes. Internal.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_PEER_H
#define API_EDGE_HTTP_PEER_H

#include "api-edge/http/request.h"

#define EDGE_ADDRESS_BYTES 64 /* with NUL */
#define EDGE_AGENT_BYTES 201  /* with NUL; what is longer is cut */

/* The numeric address of whom we speak with; a proxy's, behind one. False: it is not known. */
bool edge_peer_address(const edge_request *r, char out[EDGE_ADDRESS_BYTES]);
/* What it calls itself (User-Agent), in printable ASCII: anything else reads "?". False: it does
 * not. */
bool edge_peer_agent(const edge_request *r, char out[EDGE_AGENT_BYTES]);

#endif
