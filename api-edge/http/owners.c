/* owners.c - who owns which partition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/owners.h"
#include "bus/log/log.h"

#include <stdlib.h>
#include <string.h>

#define DOMAINS_MAX 64
#define PAUSE_MS 50 /* between two readings */

/* Owners of one domain; addresses are in the arena of the table. */
typedef struct {
    int          partitions; /* 0: not known */
    const char **addresses;  /* NULL in it: nobody */
} domain;

typedef struct {
    bus_arena arena;
    domain    domains[DOMAINS_MAX];
} table;

struct edge_owners {
    edge_loop *loop;
    void (*on_fresh)(void *context);
    void      *context;
    table     *now;
    table     *next;   /* being read */
    bool       wanted; /* once more after the pause */
    bool       reading, closing;
    uv_work_t  work;
    uv_timer_t pause;
    bus_store *stores[DOMAINS_MAX]; /* used by the reading thread alone; those of one URL are one */
};

static const char *
url_of(const edge_owners *owners, int i)
{
    const edge_options *o = &owners->loop->e->options;
    const char *own = o->url_of == NULL ? NULL : o->url_of(o->url_context, o->contracts[i]->module);

    return own != NULL ? own : o->store_options.url;
}

/* The store of a domain, opened the first time. NULL: out of reach. */
static bus_store *
store_of(edge_owners *owners, int i, bus_error *err)
{
    const edge_options *o = &owners->loop->e->options;
    bus_store_options   options = o->store_options;

    options.url = url_of(owners, i);
    for (int j = 0; j < o->contracts_count && owners->stores[i] == NULL; j++)
        if (owners->stores[j] != NULL && options.url != NULL && url_of(owners, j) != NULL &&
            strcmp(options.url, url_of(owners, j)) == 0)
            owners->stores[i] = owners->stores[j];
    if (owners->stores[i] == NULL && o->store->open(&owners->stores[i], &options, err) != BUS_OK)
        owners->stores[i] = NULL;
    return owners->stores[i];
}

static void
read_domain(edge_owners *owners, int i)
{
    const edge_options *o = &owners->loop->e->options;
    table              *t = owners->next;
    bus_partition_info *info = NULL;
    int                 count = 0;
    bus_error           err;
    bus_store          *st = store_of(owners, i, &err);

    if (st == NULL || o->store->partitions(st, o->contracts[i]->module, &t->arena, &info, &count,
                                           &err) != BUS_OK) {
        bus_log_debug("edge.owners_unknown", BUS_KV("domain", o->contracts[i]->module),
                      BUS_KV_ERR(&err));
        return;
    }
    t->domains[i].partitions = count;
    t->domains[i].addresses = BUS_ARENA_ARRAY(&t->arena, const char *, (size_t)count + 1);
    for (int p = 0; p < count; p++)
        if (info[p].partition < count && info[p].owner.len > 0)
            t->domains[i].addresses[info[p].partition] =
                bus_arena_copy(&t->arena, info[p].owner.at, info[p].owner.len).at;
}

/* In a thread of the pool. */
static void
read_all(uv_work_t *work)
{
    edge_owners *owners = work->data;

    for (int i = 0; i < owners->loop->e->options.contracts_count; i++)
        read_domain(owners, i);
}

static table *
new_table(void)
{
    table *t = calloc(1, sizeof(*t));

    if (t == NULL)
        abort();
    return t;
}

static void
free_table(table *t)
{
    if (t == NULL)
        return;
    bus_arena_fini(&t->arena);
    free(t);
}

/* What could not be read keeps nothing: better no owner than a wrong one. */
static void
swap_in(edge_owners *owners)
{
    free_table(owners->now);
    owners->now = owners->next;
    owners->next = NULL;
    owners->reading = false;
}

static void on_pause_over(uv_timer_t *pause);

static void
after_reading(uv_work_t *work, int status)
{
    edge_owners *owners = work->data;

    (void)status;
    swap_in(owners);
    if (owners->closing)
        return;
    (void)uv_timer_start(&owners->pause, on_pause_over, PAUSE_MS, 0);
    owners->on_fresh(owners->context);
}

static void
begin_reading(edge_owners *owners)
{
    owners->wanted = false;
    owners->reading = true;
    owners->next = new_table();
    owners->work.data = owners;
    BUS_INVARIANT(uv_queue_work(&owners->loop->uv, &owners->work, read_all, after_reading) == 0);
}

static void
on_pause_over(uv_timer_t *pause)
{
    edge_owners *owners = pause->data;

    if (owners->wanted && !owners->reading)
        begin_reading(owners);
}

edge_owners *
edge_owners_open(edge_loop *loop, void (*on_fresh)(void *context), void *context)
{
    edge_owners *owners = calloc(1, sizeof(*owners));

    if (owners == NULL)
        abort();
    BUS_INVARIANT(loop->e->options.contracts_count <= DOMAINS_MAX);
    owners->loop = loop;
    owners->on_fresh = on_fresh;
    owners->context = context;
    BUS_INVARIANT(uv_timer_init(&loop->uv, &owners->pause) == 0);
    owners->pause.data = owners;
    owners->next = new_table();
    owners->work.data = owners;
    read_all(&owners->work);
    swap_in(owners);
    return owners;
}

void
edge_owners_close(edge_owners *owners)
{
    owners->closing = true;
    uv_close((uv_handle_t *)&owners->pause, NULL);
}

void
edge_owners_free(edge_owners *owners)
{
    const edge_options *o = &owners->loop->e->options;

    for (int i = 0; i < o->contracts_count; i++) {
        bus_store *st = owners->stores[i];

        for (int j = i; j < o->contracts_count; j++)
            if (owners->stores[j] == st)
                owners->stores[j] = NULL;
        if (st != NULL)
            o->store->close(st);
    }
    free_table(owners->now);
    free(owners);
}

static int
index_of(const edge_owners *owners, const bus_contract *contract)
{
    const edge_options *o = &owners->loop->e->options;

    for (int i = 0; i < o->contracts_count; i++)
        if (o->contracts[i] == contract)
            return i;
    BUS_UNREACHABLE();
}

bool
edge_owners_find(const edge_owners *owners, const bus_contract *contract, bus_id stream,
                 uint16_t *partition, const char **address)
{
    const domain *d = &owners->now->domains[index_of(owners, contract)];

    if (d->partitions == 0)
        return false;
    *partition = (uint16_t)bus_id_partition(stream, d->partitions);
    *address = d->addresses[*partition];
    return *address != NULL;
}

int
edge_owners_partitions(const edge_owners *owners, const bus_contract *contract)
{
    return owners->now->domains[index_of(owners, contract)].partitions;
}

void
edge_owners_refresh(edge_owners *owners)
{
    owners->wanted = true;
    if (!owners->reading && !owners->closing && !uv_is_active((uv_handle_t *)&owners->pause))
        begin_reading(owners);
}
