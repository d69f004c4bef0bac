/* batch.h - POST /api/v1/batch: many commands in one request. Internal.
 *
 * NDJSON in, one NDJSON answer per line, in order. Each line is what its route would be:
 * authorised, validated, scoped and answered alike. Lines of one stream go one after another, in
 * order; those of different streams side by side, a bounded number. A line that is refused, or is
 * not even JSON, is answered so, and the others go on. An empty line has no answer. Threads: the
 * loop's. SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_BATCH_H
#define API_EDGE_HTTP_BATCH_H

#include "api-edge/http/request.h"

/* handle() of its route. */
void edge_batch_handle(edge_request *r);

#endif
