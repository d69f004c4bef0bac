/* view_table.h - the table of a view: the one place that knows its name and columns, for
 * the store that fills it and the edge that reads it.
 *
 *   views.<name>_<hash: 8 hex digits>(tenant uuid, id uuid, version int, body text not null,
 *                                     <one per bus_column>, primary key (tenant, id))
 * with an index (tenant, <sort column>, id) per sort, row level security by the setting
 * shina.tenant, owned by the projector's role.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_VIEW_TABLE_H
#define BUS_STORE_VIEW_TABLE_H

#include "bus/contract/contract.h"

#define BUS_VIEW_TABLE_BYTES 64

/* "vehicles_1a2b3c4d", without schema. The hash is over view->hash and view_version. */
void bus_view_table_name(const bus_view_contract *view, int view_version,
                         char out[BUS_VIEW_TABLE_BYTES]);
/* "views.vehicles.1a2b3c4d": the topic of a projector that fills all these views of one domain; its
 * hash is over their tables, so that two releases at work at once do not take each other's
 * progress for their own. */
#define BUS_VIEWS_TOPIC_BYTES 96
void bus_views_topic(const char *domain, const bus_view_contract *const *views,
                     const int *view_versions, int count, char out[BUS_VIEWS_TOPIC_BYTES]);
/* "text", "bigint", "uuid", "boolean", "date", "double precision" by the column's shape. */
const char *bus_view_column_type(const bus_column *column);
/* The whole DDL: create table if not exists, indexes, policy, and its row of views.registry. */
void bus_view_table_ddl(const bus_view_contract *view, int view_version, bus_buf *out);

/* The steps of a table that is built beside the one that is read, as bus_view_build_name(). */
void bus_view_build_name(const bus_view_contract *view, int view_version,
                         char out[BUS_VIEW_TABLE_BYTES]);
void bus_view_build_ddl(const bus_view_contract *view, int view_version, bus_buf *out);
void bus_view_build_index_ddl(const bus_view_contract *view, int view_version, bus_buf *out);
/* The built table takes the name and the place of the other. */
void bus_view_build_swap_ddl(const bus_view_contract *view, int view_version, bus_buf *out);

#endif
