/* envelope_fuzz.c - any bytes as what crosses between processes: an envelope, a batch, an actor.
 * The first byte picks which. What must hold: what is refused says why; what decodes encodes to the
 * very bytes that came (an actor: to a text that decodes to the same).
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/transport.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void
check_envelope(bus_str bytes)
{
    bus_envelope *env = NULL;
    bus_error     err = {0};
    bus_buf       again = {0};
    bus_code      rc = bus_envelope_decode(bytes, &env, &err);

    if (rc != BUS_OK) {
        fuzz_check_failure(rc, &err);
        return;
    }
    bus_envelope_encode(env, &again);
    BUS_INVARIANT(bus_str_equal(bytes, bus_buf_str(&again)));
    bus_buf_fini(&again);
    bus_envelope_release(env);
}

static void
check_batch(bus_str bytes)
{
    bus_batch *batch = NULL, *copy;
    bus_error  err = {0};
    bus_buf    again = {0};
    bus_code   rc = bus_batch_decode(bytes, &batch, &err);

    if (rc != BUS_OK) {
        fuzz_check_failure(rc, &err);
        return;
    }
    for (uint32_t i = 0; batch->records != NULL && i < batch->count; i++)
        BUS_INVARIANT(batch->records[i].partition == batch->partition &&
                      batch->records[i].offset == batch->first_offset + i);
    copy = bus_batch_of(batch);
    bus_batch_release(batch);
    bus_batch_encode(copy, &again);
    BUS_INVARIANT(bus_str_equal(bytes, bus_buf_str(&again)));
    bus_buf_fini(&again);
    bus_batch_release(copy);
}

static void
check_actor(bus_str text)
{
    bus_actor actor = {0}, again = {0};
    bus_id    id, id_again;
    bus_error err = {0};
    bus_buf   written = {0};
    bus_code  rc = bus_actor_decode(text, &actor, &err);

    if (rc != BUS_OK) {
        fuzz_check_failure(rc, &err);
        if (bus_actor_id(text, &id, &err) != BUS_OK)
            BUS_INVARIANT(err.text[0] != '\0');
        return;
    }
    BUS_INVARIANT(bus_actor_id(text, &id, &err) == BUS_OK && bus_id_equal(id, actor.id));
    bus_actor_encode(&actor, &written);
    BUS_INVARIANT(bus_actor_decode(bus_buf_str(&written), &again, &err) == BUS_OK);
    BUS_INVARIANT(bus_id_equal(actor.id, again.id) && actor.roles == again.roles &&
                  actor.grants == again.grants && bus_id_equal(actor.driver_id, again.driver_id));
    BUS_INVARIANT(bus_actor_id(bus_buf_str(&written), &id_again, &err) == BUS_OK &&
                  bus_id_equal(id, id_again));
    bus_buf_fini(&written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str input = fuzz_input(data, size), rest;
    char   *exact;

    if (input.len == 0)
        return 0;
    rest = (bus_str){input.at + 1, input.len - 1};
    exact = fuzz_exact(rest);
    rest.at = exact;
    switch (input.at[0]) {
    case 'b': check_batch(rest); break;
    case 'a': check_actor(rest); break;
    default: check_envelope(rest); break;
    }
    free(exact);
    return 0;
}
