/* projector_parked.c - streams that a view leaves out from an event on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/runtime/projector_internal.h"

#include <stdlib.h>
#include <string.h>

projector_skip *
projector_skip_of(const bus_projector *p, int nth_table, bus_id stream)
{
    projector_skip probe, *s;

    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.stream = stream;
    probe.key.table = nth_table;
    HASH_FIND(hh, p->skip, &probe.key, sizeof(probe.key), s);
    return s;
}

void
projector_add_skip(bus_projector *p, int nth_table, bus_id stream, int64_t from_offset,
                   bool written)
{
    projector_skip *s;

    if (projector_skip_of(p, nth_table, stream) != NULL)
        return;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    s->key.stream = stream;
    s->key.table = nth_table;
    s->from_offset = from_offset;
    s->written = written;
    HASH_ADD(hh, p->skip, key, sizeof(s->key), s);
    atomic_fetch_add(&p->parked, 1);
}

void
projector_forget_skips(bus_projector *p, bool all)
{
    projector_skip *s, *next;

    HASH_ITER(hh, p->skip, s, next)
    {
        if (s->written && !all)
            continue;
        HASH_DELETE(hh, p->skip, s);
        free(s);
        atomic_fetch_sub(&p->parked, 1);
    }
}

bus_code
projector_load_skips(bus_projector *p, bus_error *err)
{
    projector_forget_skips(p, true);
    for (int t = 0; t < p->tables_count; t++) {
        bus_parked *parked;
        int         count;
        bus_code rc = p->options->store->parked(p->store, p->home, p->tables[t].reader, &p->arena,
                                                &parked, &count, err);

        if (rc != BUS_OK)
            return rc;
        for (int i = 0; i < count; i++)
            projector_add_skip(p, t, parked[i].stream, parked[i].from_offset, true);
    }
    return BUS_OK;
}
