/* upcast.h - events as they are read: in the newest version that the contract has.
 *
 * A published event never changes; `.v2` comes beside `.v1`, and an upcaster makes the one of the
 * other whenever an event is read as a struct. In the log and in feeds it stays what it was.
 * Upcasters are part of a contract, so whoever links the contract can read its whole log.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_UPCAST_H
#define BUS_CONTRACT_UPCAST_H

#include "bus/contract/codec.h"
#include "bus/contract/contract.h"

/* Decodes the data of an event of *type and upcasts it step by step; *type is then the newest
 * version and *data its struct, in the arena. Personal members stand in clear or as tombstones.
 * BUS_FAULT: the data breaks the contract of its own version, or an upcaster broke an invariant. */
BUS_CHECKED bus_code bus_event_decode(const bus_message **type, bus_str json, bus_arena *arena,
                                      void **data, bus_error *err);
/* The same of text or a parsed value in which personal members stand as `form` says; before the
 * first step `open` makes them clear, NULL: they are. */
typedef bus_code (*bus_event_open)(void *context, const bus_shape *shape, void *data,
                                   bus_error *err);
BUS_CHECKED bus_code bus_event_decode_as(bus_personal_form form, const bus_message **type,
                                         bus_str json, bus_event_open open, void *context,
                                         bus_arena *arena, void **data, bus_error *err);
BUS_CHECKED bus_code bus_event_decode_json(bus_personal_form form, const bus_message **type,
                                           const json_t *value, bus_event_open open, void *context,
                                           bus_arena *arena, void **data, bus_error *err);

#endif
