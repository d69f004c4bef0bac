/* verify_archives.c - is every file of archived events what was written, and does the table have
 * its rows? What is not so is one fault, and the rest is looked at without the events of the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/verify_internal.h"

#include <inttypes.h>

static bus_code
check_log(verify *v, verify_log *log, bus_error *err)
{
    const bus_store_ops *ops = v->options->store;
    const char          *domain = log->contract->module;
    int64_t              next[BUS_PARTITIONS_MAX];
    int                  count;
    bus_archive_info    *list;
    bus_code             rc = ops->archives(log->store, domain, &v->arena, &list, &count, err);

    if (rc != BUS_OK)
        return rc;
    for (int p = 0; p < BUS_PARTITIONS_MAX; p++)
        next[p] = 1;
    log->lost = BUS_ARENA_ARRAY(&v->arena, verify_span, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        const bus_archive_info *a = &list[i];
        bus_verify_fault        fault = {.check = BUS_VERIFY_ARCHIVE,
                                         .domain = domain,
                                         .partition = a->partition,
                                         .offset = a->first};
        bus_error               why = {0};

        v->counts->archives++;
        if (a->first != next[a->partition])
            verify_report(v, fault, "%.*s: the file before it ends at offset %" PRId64,
                          BUS_STR_ARG(a->file), next[a->partition] - 1);
        next[a->partition] = a->last + 1;
        if (ops->archive_check(log->store, domain, a, &why) == BUS_OK)
            continue;
        verify_report(v, fault, "%s", why.text);
        log->lost[log->lost_count++] = (verify_span){a->partition, a->first, a->last};
    }
    return BUS_OK;
}

bus_code
verify_archives(verify *v, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < v->logs_count; i++)
        if (v->logs[i].partitions > 0)
            rc = check_log(v, &v->logs[i], err);
    verify_views_without_lost(v);
    return rc;
}

const verify_span *
verify_lost_after(const verify_log *log, int partition, int64_t after)
{
    for (int i = 0; i < log->lost_count; i++)
        if (log->lost[i].partition == partition && log->lost[i].last > after)
            return &log->lost[i];
    return NULL;
}
