/* view_table.c - names, columns and DDL of the tables of views.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/view_table.h"
#include "bus/base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A PostgreSQL identifier has at most 63 bytes; the name of a view leaves room for the hash and
 * for the suffix of a table that is being built. */
#define VIEW_NAME_MAX 50
#define BUILD_SUFFIX "_new"

void
bus_view_table_name(const bus_view_contract *view, int view_version, char out[BUS_VIEW_TABLE_BYTES])
{
    uint8_t  bytes[12];
    uint64_t hash;

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(view->hash >> (8 * i));
    for (int i = 0; i < 4; i++)
        bytes[8 + i] = (uint8_t)((uint32_t)view_version >> (8 * i));
    hash = bus_fnv1a64(bytes, sizeof(bytes));
    (void)snprintf(out, BUS_VIEW_TABLE_BYTES, "%.*s_%08" PRIx32, VIEW_NAME_MAX, view->name,
                   (uint32_t)(hash ^ (hash >> 32)));
}

void
bus_views_topic(const char *domain, const bus_view_contract *const *views, const int *view_versions,
                int count, char out[BUS_VIEWS_TOPIC_BYTES])
{
    uint64_t sum = 0; /* whatever their order */

    for (int i = 0; i < count; i++) {
        char table[BUS_VIEW_TABLE_BYTES];

        bus_view_table_name(views[i], view_versions[i], table);
        sum += bus_fnv1a64(table, strlen(table));
    }
    (void)snprintf(out, BUS_VIEWS_TOPIC_BYTES, "views.%.64s.%08" PRIx32, domain,
                   (uint32_t)(sum ^ (sum >> 32)));
}

const char *
bus_view_column_type(const bus_column *column)
{
    switch (column->field->shape->kind) {
    case BUS_KIND_BOOL: return "boolean";
    case BUS_KIND_INT:
    case BUS_KIND_TIME: return "bigint";
    case BUS_KIND_NUMBER: return "double precision";
    case BUS_KIND_STRING:
    case BUS_KIND_ENUM: return "text";
    case BUS_KIND_UUID: return "uuid";
    case BUS_KIND_DATE: return "date";
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION:
    case BUS_KIND_JSON: break; /* the contract compiler lets only scalars be columns */
    }
    BUS_UNREACHABLE();
}

void
bus_view_build_name(const bus_view_contract *view, int view_version, char out[BUS_VIEW_TABLE_BYTES])
{
    size_t len;

    bus_view_table_name(view, view_version, out);
    len = strlen(out);
    (void)snprintf(out + len, BUS_VIEW_TABLE_BYTES - len, BUILD_SUFFIX);
}

static void
write_table(const bus_view_contract *view, const char *table, bus_buf *out)
{
    bus_buf_printf(out,
                   "create table views.\"%s\" (tenant uuid not null, id uuid not null,"
                   " version int not null, body text not null",
                   table);
    for (int i = 0; i < view->columns_count; i++)
        bus_buf_printf(out, ", \"%s\" %s", view->columns[i].name,
                       bus_view_column_type(&view->columns[i]));
    bus_buf_add_text(out, ") with (fillfactor = 80);\n");
    /* Statistics hold copies of values, which outlive the rows of who is forgotten. */
    bus_buf_printf(out, "alter table views.\"%s\" alter column body set statistics 0;\n", table);
    for (int i = 0; i < view->columns_count; i++)
        if (view->columns[i].field->personal != NULL)
            bus_buf_printf(out, "alter table views.\"%s\" alter column \"%s\" set statistics 0;\n",
                           table, view->columns[i].name);
}

static void
write_key(const char *table, bus_buf *out)
{
    bus_buf_printf(out, "alter table views.\"%s\" add primary key (tenant, id);\n", table);
}

static void
write_indexes(const bus_view_contract *view, const char *table, bus_buf *out)
{
    for (int i = 0; i < view->columns_count; i++) {
        if (view->columns[i].sort)
            bus_buf_printf(out, "create index on views.\"%s\" (tenant, \"%s\", id);\n", table,
                           view->columns[i].name);
    }
    if (view->windows != NULL) /* those that wait to be closed */
        bus_buf_printf(out, "create index on views.\"%s\" (to_at) where not closed;\n", table);
}

/* Row level security by the setting shina.tenant; the owner, a projector, passes it by. */
static void
write_policy(const char *table, bus_buf *out)
{
    bus_buf_printf(out,
                   "alter table views.\"%s\" enable row level security;\n"
                   "create policy tenant on views.\"%s\" using"
                   " (tenant = nullif(current_setting('shina.tenant', true), '')::uuid);\n"
                   "if exists (select from pg_roles where rolname = 'shina_edge') then\n"
                   "grant select on views.\"%s\" to shina_edge;\n"
                   "end if;\n",
                   table, table, table);
}

void
bus_view_table_ddl(const bus_view_contract *view, int view_version, bus_buf *out)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_table_name(view, view_version, table);
    /* One statement, so one transaction; the lock lets one process at a time make tables. After
     * a wait for it the catalogue is read as a table: to_regclass may answer from a cache. */
    bus_buf_printf(out,
                   "do $view$\nbegin\n"
                   "perform pg_advisory_xact_lock(hashtextextended('shina.views', 0));\n"
                   "if not exists (select from pg_catalog.pg_class where relname = '%s'"
                   " and relnamespace = 'views'::regnamespace) then\n",
                   table);
    write_table(view, table, out);
    write_key(table, out);
    write_indexes(view, table, out);
    write_policy(table, out);
    bus_buf_printf(out,
                   "insert into views.registry (table_name, view, domain, live)"
                   " values ('%s', '%s', '%s', true) on conflict (table_name)"
                   " do update set live = true, used_at = clock_timestamp();\n",
                   table, view->name, view->contract->module);
    bus_buf_add_text(out, "end if;\nend\n$view$");
}

void
bus_view_build_ddl(const bus_view_contract *view, int view_version, bus_buf *out)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_build_name(view, view_version, table);
    bus_buf_printf(out, "drop table if exists views.\"%s\";\n", table);
    write_table(view, table, out);
}

void
bus_view_build_index_ddl(const bus_view_contract *view, int view_version, bus_buf *out)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_build_name(view, view_version, table);
    write_key(table, out);
    write_indexes(view, table, out);
    bus_buf_add_text(out, "do $policy$\nbegin\n");
    write_policy(table, out);
    bus_buf_add_text(out, "end\n$policy$;\n");
    bus_buf_printf(out, "analyze views.\"%s\"", table);
}

void
bus_view_build_swap_ddl(const bus_view_contract *view, int view_version, bus_buf *out)
{
    char table[BUS_VIEW_TABLE_BYTES], built[BUS_VIEW_TABLE_BYTES];

    bus_view_table_name(view, view_version, table);
    bus_view_build_name(view, view_version, built);
    bus_buf_printf(out,
                   "drop table if exists views.\"%s\";\n"
                   "alter table views.\"%s\" rename to \"%s\"",
                   table, built, table);
}
