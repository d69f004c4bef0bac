/* panes.c - from events to contributions, from contributions to panes, from panes to windows.
 *
 * A pane is the stretch of time between two beginnings of windows, so that a window is the sum of
 * its panes. Whether a contribution is late is asked of its pane: all windows of it take it, or
 * none does, and the equation holds whatever came late.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "projections/stream/stream_internal.h"

#include <string.h>

typedef struct {
    void   *one;
    int64_t pane_ms; /* its beginning */
    int     sign;
} contribution;

struct bus_stream_out {
    bus_stream_batch       *batch;
    const bus_event        *event;
    const bus_stream_place *place;
    bus_stream_row         *memory; /* NULL: none */
    int64_t                 judges_ms;
    bool                    ticked;
    int64_t                 time_ms; /* if ticked: the latest that was told */
    contribution            puts[BUS_STREAM_PUTS_MAX];
    int                     puts_count;
    int                     refused;
    int64_t                 refused_ms, refused_end_ms; /* of the one that is latest by most */
};

/* --- what map() calls ---------------------------------------------------------- */

static int64_t
pane_of(const bus_windows *w, int64_t at_ms, int32_t zone_min)
{
    int64_t zone_ms = (int64_t)zone_min * 60000;
    int64_t local_ms = at_ms + zone_ms, into_ms = local_ms % w->every_ms;

    return local_ms - (into_ms < 0 ? into_ms + w->every_ms : into_ms) - zone_ms;
}

/* When its pane takes nothing more. */
static int64_t
ends_at(const bus_windows *w, int64_t pane_ms)
{
    return pane_ms + w->every_ms + w->grace_ms;
}

bool
bus_stream_is_late(const bus_stream_out *out, int64_t at_ms, int32_t zone_min)
{
    const bus_windows *w = out->batch->of->windows;

    return out->judges_ms >= ends_at(w, pane_of(w, at_ms, zone_min));
}

void
bus_stream_tick(bus_stream_out *out, int64_t at_ms)
{
    if (!out->ticked || at_ms > out->time_ms)
        out->time_ms = at_ms;
    out->ticked = true;
}

void
bus_stream_correct(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min, int sign)
{
    const bus_stream *stream = out->batch->of;
    contribution     *c;

    BUS_INVARIANT(out->puts_count < BUS_STREAM_PUTS_MAX && (sign == 1 || sign == -1));
    c = &out->puts[out->puts_count++];
    c->one = bus_arena_alloc(out->batch->arena, stream->row->size);
    memcpy(c->one, one, stream->row->size);
    c->pane_ms = pane_of(stream->windows, at_ms, zone_min);
    c->sign = sign;
}

static void
put(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min, int sign)
{
    const bus_windows *w = out->batch->of->windows;
    int64_t            end_ms = ends_at(w, pane_of(w, at_ms, zone_min));

    bus_stream_tick(out, at_ms);
    if (out->judges_ms < end_ms) {
        bus_stream_correct(out, one, at_ms, zone_min, sign);
        return;
    }
    if (out->refused == 0 || at_ms < out->refused_ms) {
        out->refused_ms = at_ms;
        out->refused_end_ms = end_ms;
    }
    out->refused++;
}

void
bus_stream_put(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min)
{
    put(out, one, at_ms, zone_min, 1);
}

void
bus_stream_take_back(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min)
{
    put(out, one, at_ms, zone_min, -1);
}

void
bus_stream_forget(bus_stream_out *out)
{
    BUS_INVARIANT(out->memory != NULL);
    out->memory->there = false;
}

bus_stream_place
bus_stream_place_of(const bus_stream_out *out)
{
    return *out->place;
}

void *
bus_stream_push(bus_stream_out *out, void *items_pointer, uint32_t *count, uint32_t *capacity,
                size_t item_bytes)
{
    void *items;
    char *all;

    memcpy(&items, items_pointer, sizeof(items)); /* any T **; not read through void ** */
    all = items;
    if (*count >= *capacity) {
        uint32_t room = *count < 4 ? 8 : *count * 2;

        all = bus_arena_alloc(out->batch->arena, room * item_bytes);
        if (*count > 0)
            memcpy(all, items, *count * item_bytes);
        *capacity = room;
        items = all;
        memcpy(items_pointer, &items, sizeof(items));
    }
    memset(all + *count * item_bytes, 0, item_bytes);
    *count += 1;
    return all + (*count - 1) * item_bytes;
}

/* --- panes --------------------------------------------------------------------- */

#define NAME_PREFIX (sizeof(bus_id) + sizeof(int64_t)) /* before the members of the key */

/* The name of a contribution's pane, until the next is asked for. The members of the key are
 * written as bytes that no other key has. */
static bus_str
name_of(bus_stream_batch *batch, bus_id tenant, const contribution *c)
{
    const bus_windows *w = batch->of->windows;
    bus_buf           *name = &batch->name;

    bus_buf_reset(name);
    bus_buf_add(name, tenant.bytes, sizeof(tenant.bytes));
    bus_buf_add(name, &c->pane_ms, sizeof(c->pane_ms));
    for (int i = 0; i < w->key_count; i++) {
        const bus_field *field = w->key[i];
        const char      *at = c->one;

        if (field->has_offset == BUS_NO_OFFSET || *(const bool *)(at + field->has_offset))
            bus_encode(field->shape, at + field->offset, name);
        bus_buf_add_char(name, '\n'); /* is in no canonical JSON */
    }
    return bus_buf_str(name);
}

/* The id of what begins at from_ms for a key. */
static bus_id
window_id(bus_str of, int64_t from_ms, bus_arena *arena)
{
    bus_str name = bus_arena_printf(arena, "%lld\n%.*s", (long long)from_ms, BUS_STR_ARG(of));

    return bus_id_v5(BUS_ID_NIL, name.at, name.len);
}

static void
copy_key(const bus_stream *stream, const void *from, void *to)
{
    for (int i = 0; i < stream->windows->key_count; i++) {
        const bus_field *field = stream->windows->key[i];

        memcpy((char *)to + field->offset, (const char *)from + field->offset, field->shape->size);
        if (field->has_offset != BUS_NO_OFFSET)
            memcpy((char *)to + field->has_offset, (const char *)from + field->has_offset,
                   sizeof(bool));
    }
}

static bus_stream_pane *
pane_for(bus_stream_batch *batch, bus_id tenant, const contribution *c)
{
    bus_str          name = name_of(batch, tenant, c);
    bus_stream_pane *pane;

    HASH_FIND(hh, batch->panes, name.at, name.len, pane);
    if (pane != NULL)
        return pane;
    pane = BUS_ARENA_NEW(batch->arena, bus_stream_pane);
    pane->name = bus_arena_copy(batch->arena, name.at, name.len);
    pane->of = (bus_str){pane->name.at + NAME_PREFIX, pane->name.len - (uint32_t)NAME_PREFIX};
    pane->tenant = tenant;
    pane->from_ms = c->pane_ms;
    pane->sum = bus_arena_alloc(batch->arena, batch->of->row->size);
    copy_key(batch->of, c->one, pane->sum);
    HASH_ADD_KEYPTR(hh, batch->panes, pane->name.at, pane->name.len, pane);
    return pane;
}

typedef struct {
    const bus_analytic *how;
    void               *window;
    const void         *one;
    int                 sign;
} stepping;

static void
step_guarded(void *context)
{
    stepping *s = context;

    s->how->step(s->window, s->one, s->sign);
}

static void
finish_guarded(void *context)
{
    stepping *s = context;

    s->how->finish(s->window);
}

typedef struct {
    bus_stream_out     *out;
    const contribution *one;
} filling;

/* The pane's name is guarded too: a module may put a key that its contract has no text for. */
static void
fill_guarded(void *context)
{
    filling         *f = context;
    bus_stream_pane *pane = pane_for(f->out->batch, f->out->event->tenant, f->one);

    pane->last = *f->out->place;
    pane->count++;
    f->out->batch->of->how->step(pane->sum, f->one->one, f->one->sign);
}

static bus_code
fill_panes(bus_stream_out *out, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < out->puts_count; i++)
        rc = bus_guarded(fill_guarded, &(filling){out, &out->puts[i]}, err);
    return rc;
}

/* --- one event ----------------------------------------------------------------- */

static void
map_guarded(void *context)
{
    bus_stream_out *out = context;

    out->batch->of->how->map(out->memory == NULL ? NULL : out->memory->row, out->event, out);
}

/* Whether an event has memory, and under which id. */
typedef struct {
    const bus_stream *stream;
    const bus_event  *event;
    bus_id            id;
    bool              has;
} remembering;

static void
remember_guarded(void *context)
{
    remembering *r = context;

    r->has = r->stream->how->remember(r->event, &r->id);
}

static bus_code
memory_of(const bus_stream *stream, const bus_event *event, remembering *r, bus_error *err)
{
    *r = (remembering){stream, event, event->stream, true};
    if (stream->tables[BUS_STREAM_MEMORY] == NULL) {
        r->has = false;
        return BUS_OK;
    }
    return stream->how->remember == NULL ? BUS_OK : bus_guarded(remember_guarded, r, err);
}

bus_code
bus_stream_remember(bus_stream_batch *batch, const bus_event *event, bus_error *err)
{
    remembering r;
    bus_code    rc = memory_of(batch->of, event, &r, err);

    if (rc == BUS_OK && r.has)
        (void)bus_stream_touch(batch, BUS_STREAM_MEMORY, event->tenant, r.id);
    return rc;
}

/* The event goes to the side output, under the id of its place: once, however often it is read. */
static void
put_aside(const bus_stream_out *out)
{
    bus_stream_batch       *batch = out->batch;
    const bus_stream_place *place = out->place;
    const bus_shape        *shape = batch->of->tables[BUS_STREAM_LATE]->row;
    const char             *domain = bus_stream_domain(batch->of, place->source);
    bus_str name = bus_arena_printf(batch->arena, "%s:%d:%lld", domain, place->partition,
                                    (long long)place->offset);
    void   *row = bus_stream_write(batch, BUS_STREAM_LATE, out->event->tenant,
                                   bus_id_v5(BUS_ID_NIL, name.at, name.len))
                    ->row;

    bus_stream_set_text(shape, row, "domain", bus_str_of(domain));
    bus_stream_set_int(shape, row, "partition", place->partition);
    bus_stream_set_int(shape, row, "offset", place->offset);
    bus_stream_set_text(shape, row, "event", bus_str_of(out->event->type->type));
    *(bus_id *)(void *)((char *)row + bus_stream_member(shape, "stream")->offset) =
        out->event->stream;
    bus_stream_set_int(shape, row, "logged_at", place->at_ms);
    bus_stream_set_int(shape, row, "event_at", out->refused_ms);
    bus_stream_set_int(shape, row, "watermark_at", out->judges_ms);
    bus_stream_set_int(shape, row, "late_s", (out->judges_ms - out->refused_end_ms) / 1000);
    bus_stream_set_int(shape, row, "refused", out->refused);
}

static bus_code
take_event(bus_stream_batch *batch, bus_stream_clock *clock, const bus_stream_place *place,
           const bus_event *event, bus_error *err)
{
    bus_stream_out out = {.batch = batch, .event = event, .place = place};
    remembering    r;
    bus_code       rc;

    out.judges_ms = bus_stream_clock_judges(clock, &batch->of->pace, place->at_ms);
    if ((rc = memory_of(batch->of, event, &r, err)) != BUS_OK)
        return rc;
    if (r.has) {
        out.memory = bus_stream_find(batch, BUS_STREAM_MEMORY, event->tenant, r.id);
        BUS_INVARIANT(out.memory != NULL && out.memory->loaded);
        out.memory->there = out.memory->changed = true;
        out.memory->version++;
    }
    if ((rc = bus_guarded(map_guarded, &out, err)) != BUS_OK ||
        (rc = fill_panes(&out, err)) != BUS_OK)
        return rc;
    if (out.memory != NULL && !out.memory->there) {
        memset(out.memory->row, 0, batch->of->tables[BUS_STREAM_MEMORY]->row->size);
        out.memory->version = 0;
    }
    if (out.refused > 0) {
        clock->late++;
        put_aside(&out);
    }
    if (out.ticked)
        bus_stream_clock_tick(clock, &batch->of->pace, place->at_ms, out.time_ms);
    return BUS_OK;
}

bus_code
bus_stream_take(bus_stream_batch *batch, const bus_stream_place *place, const bus_event *event,
                bus_error *err)
{
    bus_stream_clock *clock =
        &batch->clocks[place->source * batch->of->partitions + place->partition];

    if (!bus_stream_clock_read(clock, place->offset, place->at_ms) || event == NULL)
        return BUS_OK;
    return take_event(batch, clock, place, event, err);
}

/* --- windows ------------------------------------------------------------------- */

/* The first beginning of a window that the pane is in. */
static int64_t
first_window(const bus_windows *w, const bus_stream_pane *pane)
{
    return pane->from_ms - w->size_ms + w->every_ms;
}

/* Windows that a pane is in. */
static int
windows_count(const bus_windows *w)
{
    return (int)(w->size_ms / w->every_ms);
}

void
bus_stream_name(bus_stream_batch *batch)
{
    const bus_windows *w = batch->of->windows;

    for (bus_stream_pane *pane = batch->panes; pane != NULL; pane = pane->hh.next) {
        pane->windows = BUS_ARENA_ARRAY(batch->arena, bus_stream_row *, (size_t)windows_count(w));
        for (int i = 0; i < windows_count(w); i++)
            pane->windows[i] = bus_stream_touch(
                batch, BUS_STREAM_WINDOWS, pane->tenant,
                window_id(pane->of, first_window(w, pane) + i * w->every_ms, batch->arena));
    }
}

static bus_code
step_window(const bus_stream_batch *batch, const bus_stream_pane *pane, int nth, bus_error *err)
{
    const bus_windows *w = batch->of->windows;
    int64_t            from_ms = first_window(w, pane) + nth * w->every_ms;
    bus_stream_row    *row = pane->windows == NULL ? NULL : pane->windows[nth];
    stepping           s = {batch->of->how, NULL, pane->sum, 1};

    BUS_INVARIANT(row != NULL && row->loaded); /* bus_stream_name named it */
    s.window = row->row;
    if (!row->there) {
        copy_key(batch->of, pane->sum, row->row);
        *bus_stream_int(row->row, w->from_at) = from_ms;
        *bus_stream_int(row->row, w->to_at) = from_ms + w->size_ms;
    }
    row->there = row->changed = true;
    row->version += pane->count;
    return bus_guarded(step_guarded, &s, err);
}

bus_code
bus_stream_step(bus_stream_batch *batch, bus_stream_place *culprit, bus_error *err)
{
    const int count = windows_count(batch->of->windows);
    bus_code  rc = BUS_OK;

    for (const bus_stream_pane *pane = batch->panes; pane != NULL; pane = pane->hh.next)
        for (int i = 0; i < count; i++) {
            *culprit = pane->last;
            if ((rc = step_window(batch, pane, i, err)) != BUS_OK)
                return rc;
        }
    for (const bus_stream_pane *pane = batch->panes; pane != NULL; pane = pane->hh.next)
        for (int i = 0; batch->of->how->finish != NULL && i < count; i++) {
            stepping s = {.how = batch->of->how, .window = pane->windows[i]->row};

            *culprit = pane->last;
            if ((rc = bus_guarded(finish_guarded, &s, err)) != BUS_OK)
                return rc;
        }
    return BUS_OK;
}
