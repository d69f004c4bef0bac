/* admin.h - documents, health, metrics: what needs no token. Internal.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_ADMIN_ADMIN_H
#define API_EDGE_ADMIN_ADMIN_H

#include "api-edge/http/request.h"

/* handle() of each. */
void edge_healthz_handle(edge_request *r);
void edge_readyz_handle(edge_request *r);
void edge_metrics_handle(edge_request *r);
void edge_openapi_handle(edge_request *r);
void edge_asyncapi_handle(edge_request *r);
void edge_schema_handle(edge_request *r);
void edge_docs_handle(edge_request *r);
void edge_docs_file_handle(edge_request *r);

/* May a file of this name be served? One plain name: no folder, no leading dot. Its content type,
 * or NULL. */
const char *edge_file_type(bus_str name);

#endif
