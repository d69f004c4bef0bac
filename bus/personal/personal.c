/* personal.c - between values in clear and values encrypted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/personal.h"
#include "bus/contract/upcast.h"
#include "bus/personal/keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_BYTES (sizeof(BUS_SEALED_PREFIX) - 1)
#define HEAD_BYTES (PREFIX_BYTES + BUS_ID_TEXT_BYTES) /* "enc:1:<subject>:" */
#define BOUND_MAX (16 + 16 + 128)

struct bus_personal {
    key_ring ring;
};

bus_personal *
bus_personal_create(const bus_personal_options *options)
{
    bus_personal *p = calloc(1, sizeof(*p));

    if (p == NULL)
        abort();
    keys_init(&p->ring, options);
    return p;
}

void
bus_personal_destroy(bus_personal *p)
{
    if (p == NULL)
        return;
    keys_fini(&p->ring);
    free(p);
}

bus_code
bus_personal_prepare(bus_personal *p, const bus_subject *subjects, int count, bool make,
                     bus_error *err)
{
    return keys_prepare(&p->ring, subjects, count, make, err);
}

bus_code
bus_personal_forget(bus_personal *p, bus_id tenant, bus_id subject, bus_error *err)
{
    return keys_forget(&p->ring, (bus_subject){tenant, subject}, err);
}

/* --- whose ---------------------------------------------------------------------------- */

void
bus_subjects_add(bus_subjects *list, bus_id tenant, bus_id subject, bus_arena *arena)
{
    const bus_subject of = {tenant, subject};

    if (list->count > 0 && memcmp(&list->items[list->count - 1], &of, sizeof(of)) == 0)
        return; /* members of one value mostly have one subject */
    if (list->count == list->room) {
        int          room = list->room == 0 ? 16 : list->room * 2;
        bus_subject *all = BUS_ARENA_ARRAY(arena, bus_subject, (size_t)room);

        if (list->count > 0)
            memcpy(all, list->items, (size_t)list->count * sizeof(*all));
        list->items = all;
        list->room = room;
    }
    list->items[list->count++] = of;
}

/* Going through the personal members of one value. */
typedef struct {
    bus_personal *p;
    bus_id        tenant, stream;
    bus_arena    *arena;
    bus_subjects *subjects;
} going;

static bus_code
note_subject(void *context, const bus_field *field, const bus_id *subject, bus_str *text,
             bus_error *err)
{
    going *g = context;

    (void)field;
    (void)err;
    if (text->len > 0)
        bus_subjects_add(g->subjects, g->tenant, subject != NULL ? *subject : g->stream, g->arena);
    return BUS_OK;
}

void
bus_subjects_of(bus_subjects *list, bus_id tenant, bus_id stream, const bus_shape *shape,
                void *value, bus_arena *arena)
{
    going     g = {.tenant = tenant, .stream = stream, .arena = arena, .subjects = list};
    bus_error never;

    BUS_INVARIANT(bus_personal_each(shape, value, note_subject, &g, &never) == BUS_OK);
}

static bus_code
no_keys(bus_error *err)
{
    return bus_fail(err, BUS_UNAVAILABLE, "there are no keys for personal data here");
}

/* --- one value -------------------------------------------------------------------------- */

/* What an encrypted value is tied to. */
static size_t
bound_of(bus_subject of, const char *label, uint8_t bound[BOUND_MAX])
{
    bus_str text = bus_str_of(label);

    BUS_INVARIANT(text.len <= BOUND_MAX - sizeof(of));
    memcpy(bound, &of, sizeof(of));
    memcpy(bound + sizeof(of), text.at, text.len);
    return sizeof(of) + text.len;
}

/* Mark, nonce, text, tag into out. */
static void
seal_raw(bus_personal *p, const held_key *k, const char *label, bus_str text, uint8_t *out)
{
    const bus_clock *clock = p->ring.options.clock;
    uint8_t          bound[BOUND_MAX], nonce[CIPHER_NONCE_BYTES];
    size_t           bound_bytes = bound_of(k->of, label, bound);

    clock->random(clock->context, nonce, sizeof(nonce));
    memcpy(out, k->mark, KEY_MARK_BYTES);
    cipher_seal(p->ring.cipher, k->key, nonce, bound, bound_bytes, text.at, text.len,
                out + KEY_MARK_BYTES);
}

/* BUS_NOT_FOUND: the key is gone. */
static bus_code
open_raw(bus_personal *p, bus_subject of, const char *label, const uint8_t *sealed,
         size_t sealed_bytes, bus_arena *arena, bus_str *out, bus_error *err)
{
    const held_key *k;
    uint8_t         bound[BOUND_MAX];
    size_t          len;
    char           *text;
    bus_code        rc;

    if (sealed_bytes < KEY_MARK_BYTES + CIPHER_EXTRA_BYTES)
        return bus_fail(err, BUS_FAULT, "%s: the encrypted value is cut off", label);
    if ((rc = keys_to_open(&p->ring, of, sealed, &k, err)) != BUS_OK)
        return rc;
    if (k == NULL)
        return bus_fail(err, BUS_NOT_FOUND, "%s: its key is gone", label);
    len = sealed_bytes - KEY_MARK_BYTES - CIPHER_EXTRA_BYTES;
    text = bus_arena_alloc(arena, len + 1);
    if (!cipher_open(p->ring.cipher, k->key, bound, bound_of(of, label, bound),
                     sealed + KEY_MARK_BYTES, sealed_bytes - KEY_MARK_BYTES, text))
        return bus_fail(err, BUS_FAULT,
                        "%s: the encrypted value is damaged, or stands where it does not belong",
                        label);
    *out = (bus_str){text, (uint32_t)len};
    return BUS_OK;
}

/* --- members ------------------------------------------------------------------------------ */

static bus_code
seal_member(void *context, const bus_field *field, const bus_id *subject, bus_str *text,
            bus_error *err)
{
    going          *g = context;
    bus_subject     of = {g->tenant, subject != NULL ? *subject : g->stream};
    size_t          raw_bytes = KEY_MARK_BYTES + CIPHER_EXTRA_BYTES + text->len;
    size_t          text_bytes = HEAD_BYTES + (raw_bytes + 2) / 3 * 4;
    const held_key *k;
    uint8_t        *raw;
    char           *sealed;
    bus_code        rc;

    if (text->len == 0)
        return BUS_OK;
    if ((rc = keys_to_seal(&g->p->ring, of, &k, err)) != BUS_OK)
        return rc;
    if (k == NULL) { /* what is said of who was forgotten is forgotten at once */
        *text = BUS_STR("");
        return BUS_OK;
    }
    raw = bus_arena_alloc(g->arena, raw_bytes);
    seal_raw(g->p, k, field->name, *text, raw);
    sealed = bus_arena_alloc(g->arena, text_bytes + 1);
    memcpy(sealed, BUS_SEALED_PREFIX, PREFIX_BYTES);
    (void)bus_id_format(of.subject, sealed + PREFIX_BYTES);
    sealed[HEAD_BYTES - 1] = ':';
    (void)EVP_EncodeBlock((uint8_t *)sealed + HEAD_BYTES, raw, (int)raw_bytes);
    *text = (bus_str){sealed, (uint32_t)text_bytes};
    return BUS_OK;
}

/* The bytes of the base64 behind the head. False: it is none. */
static bool
decode_base64(bus_str text, bus_arena *arena, uint8_t **out, size_t *bytes)
{
    const char *at = text.at + HEAD_BYTES;
    size_t      len = text.len - HEAD_BYTES, padding = 0;
    int         decoded;

    if (len == 0 || len % 4 != 0)
        return false;
    while (padding < 2 && at[len - 1 - padding] == '=')
        padding++;
    *out = bus_arena_alloc(arena, len / 4 * 3 + 1);
    decoded = EVP_DecodeBlock(*out, (const uint8_t *)at, (int)len);
    if (decoded < 0)
        return false;
    *bytes = (size_t)decoded - padding;
    return true;
}

static bus_code
open_member(void *context, const bus_field *field, const bus_id *subject, bus_str *text,
            bus_error *err)
{
    going      *g = context;
    bus_subject of = {g->tenant, subject != NULL ? *subject : g->stream};
    bus_id      named;
    uint8_t    *raw;
    size_t      raw_bytes;
    bus_code    rc;

    if (text->len == 0)
        return BUS_OK;
    if (text->len <= HEAD_BYTES || memcmp(text->at, BUS_SEALED_PREFIX, PREFIX_BYTES) != 0 ||
        text->at[HEAD_BYTES - 1] != ':' ||
        !bus_id_parse((bus_str){text->at + PREFIX_BYTES, BUS_ID_TEXT_BYTES - 1}, &named) ||
        !decode_base64(*text, g->arena, &raw, &raw_bytes))
        return bus_fail(err, BUS_FAULT, "%s: is personal and not encrypted as it must be",
                        field->name);
    if (!bus_id_equal(named, of.subject))
        return bus_fail(err, BUS_FAULT, "%s: is encrypted for another subject", field->name);
    rc = open_raw(g->p, of, field->name, raw, raw_bytes, g->arena, text, err);
    if (rc != BUS_NOT_FOUND)
        return rc;
    *text = BUS_STR("");
    return BUS_OK;
}

static bus_code
each(bus_personal *p, bus_id tenant, bus_id stream, const bus_shape *shape, void *value,
     bus_arena *arena, bus_personal_visit visit, bus_error *err)
{
    going g = {.p = p, .tenant = tenant, .stream = stream, .arena = arena};

    if (!shape->personal)
        return BUS_OK;
    if (p == NULL)
        return no_keys(err);
    return bus_personal_each(shape, value, visit, &g, err);
}

bus_code
bus_personal_seal(bus_personal *p, bus_id tenant, bus_id stream, const bus_shape *shape,
                  void *value, bus_arena *arena, bus_error *err)
{
    return each(p, tenant, stream, shape, value, arena, seal_member, err);
}

bus_code
bus_personal_open(bus_personal *p, bus_id tenant, bus_id stream, const bus_shape *shape,
                  void *value, bus_arena *arena, bus_error *err)
{
    return each(p, tenant, stream, shape, value, arena, open_member, err);
}

static bus_code
open_event(void *context, const bus_shape *shape, void *data, bus_error *err)
{
    going *g = context;

    return each(g->p, g->tenant, g->stream, shape, data, g->arena, open_member, err);
}

bus_code
bus_personal_event_json(bus_personal *p, bus_id tenant, bus_id stream, const bus_message **type,
                        const json_t *value, bus_arena *arena, void **data, bus_error *err)
{
    going g = {.p = p, .tenant = tenant, .stream = stream, .arena = arena};

    return bus_event_decode_json(BUS_PERSONAL_SEALED, type, value, open_event, &g, arena, data,
                                 err);
}

bus_code
bus_personal_event(bus_personal *p, bus_id tenant, bus_id stream, const bus_message **type,
                   bus_str json, bus_arena *arena, void **data, bus_error *err)
{
    going g = {.p = p, .tenant = tenant, .stream = stream, .arena = arena};

    return bus_event_decode_as(BUS_PERSONAL_SEALED, type, json, open_event, &g, arena, data, err);
}

bus_code
bus_personal_open_data(bus_personal *p, bus_id tenant, bus_id stream, const bus_message *message,
                       bus_str data, bus_arena *arena, bus_str *out, bus_error *err)
{
    bus_problems problems = {0};
    bus_buf      buf = {0};
    void        *value;
    bus_code     rc;

    *out = data;
    if (message->shape == NULL || !message->shape->personal)
        return BUS_OK;
    value = bus_arena_alloc(arena, message->shape->size);
    if (bus_decode_as(BUS_PERSONAL_SEALED, message->shape, data, arena, value, &problems) != BUS_OK)
        return bus_fail(err, BUS_FAULT, "%s: %s: %s", message->type, problems.items[0].pointer,
                        problems.items[0].message);
    rc = bus_personal_open(p, tenant, stream, message->shape, value, arena, err);
    if (rc != BUS_OK)
        return rc;
    bus_encode(message->shape, value, &buf);
    *out = bus_arena_copy(arena, buf.at, buf.len);
    bus_buf_fini(&buf);
    return BUS_OK;
}

/* --- bytes, claims ------------------------------------------------------------------------ */

bus_code
bus_personal_seal_bytes(bus_personal *p, bus_id tenant, bus_id subject, const char *label,
                        bus_str bytes, bus_arena *arena, bus_str *out, bus_error *err)
{
    size_t          len = KEY_MARK_BYTES + CIPHER_EXTRA_BYTES + bytes.len;
    const held_key *k;
    uint8_t        *raw;
    bus_code        rc;

    if (p == NULL)
        return no_keys(err);
    if ((rc = keys_there(&p->ring, (bus_subject){tenant, subject}, &k, err)) != BUS_OK)
        return rc;
    if (k == NULL)
        return bus_fail(err, BUS_NOT_FOUND, "%s: there is no key", label);
    raw = bus_arena_alloc(arena, len);
    seal_raw(p, k, label, bytes, raw);
    *out = (bus_str){(const char *)raw, (uint32_t)len};
    return BUS_OK;
}

bus_code
bus_personal_open_bytes(bus_personal *p, bus_id tenant, bus_id subject, const char *label,
                        bus_str sealed, bus_arena *arena, bus_str *out, bus_error *err)
{
    if (p == NULL)
        return no_keys(err);
    return open_raw(p, (bus_subject){tenant, subject}, label, (const uint8_t *)sealed.at,
                    sealed.len, arena, out, err);
}

bus_code
bus_personal_claim(bus_personal *p, bus_id tenant, const char *kind, bus_str value,
                   bus_arena *arena, bus_str *out, bus_error *err)
{
    const held_key *k;
    size_t          kind_len = strlen(kind);
    uint8_t         digest[EVP_MAX_MD_SIZE], *text;
    unsigned        len = 0;
    char            hex[2 * 32 + 1];
    bus_code        rc;

    if (p == NULL)
        return no_keys(err);
    if ((rc = keys_to_seal(&p->ring, (bus_subject){tenant, BUS_ID_NIL}, &k, err)) != BUS_OK)
        return rc;
    BUS_INVARIANT(k != NULL); /* a tenant's own key is never forgotten */
    text = bus_arena_alloc(arena, kind_len + 1 + value.len);
    memcpy(text, kind, kind_len + 1);
    if (value.len > 0)
        memcpy(text + kind_len + 1, value.at, value.len);
    BUS_INVARIANT(HMAC(EVP_sha256(), k->key, CIPHER_KEY_BYTES, text, kind_len + 1 + value.len,
                       digest, &len) != NULL &&
                  len == 32);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
    *out = bus_arena_printf(arena, "hmac:1:%s", hex);
    return BUS_OK;
}
