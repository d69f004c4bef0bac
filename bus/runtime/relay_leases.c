/* relay_leases.c - whose the partitions are that a relay copies, by the leases of its checkpoints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/log/log.h"
#include "bus/runtime/relay_internal.h"

static int
held_partitions(const bus_relay *relay, const relay_log *log)
{
    int held = 0;

    for (int p = 0; p < relay->partitions; p++)
        held += log->place[p].checkpoint.held;
    return held;
}

static void
drop(relay_log *log, int partition)
{
    bus_follow_drop(log->follow, partition);
    log->place[partition] =
        (relay_place){.state = PLACE_NOT_OURS, .checkpoint.partition = (uint16_t)partition};
}

/* What is in the sink may still be delivered: the next owner looks at what is there. */
static void
lose_all(bus_relay *relay, relay_log *log)
{
    bus_log_warn("relay.leases_lost", BUS_KV("domain", log->domain));
    for (int p = 0; p < relay->partitions; p++)
        drop(log, p);
}

static void
release(bus_relay *relay, relay_log *log, const bus_checkpoint *surplus, int count)
{
    bus_error err = {0};

    for (int i = 0; i < count; i++)
        drop(log, surplus[i].partition);
    if (count > 0 &&
        relay->options->store->checkpoint_release(log->store, log->domain, BUS_RELAY_READER,
                                                  log->domain, surplus, count, &err) != BUS_OK)
        relay_store_trouble(log, "giving checkpoints back", &err); /* they run out */
}

/* Takes what is free, up to the share; what is held already is held on under a new epoch, what came
 * beyond the share goes back. */
static void
take(bus_relay *relay, relay_log *log, int share)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX], surplus[BUS_PARTITIONS_MAX];
    bus_error      err = {0};
    int            held = held_partitions(relay, log), surplus_count = 0;

    for (int p = 0; p < relay->partitions; p++)
        mine[p] = (bus_checkpoint){.partition = (uint16_t)p};
    if (relay->options->store->checkpoint_take(
            log->store, log->domain, BUS_RELAY_READER, log->domain, relay->options->process,
            relay->options->sole, mine, relay->partitions, &err) != BUS_OK) {
        relay_store_trouble(log, "taking checkpoints", &err);
        return;
    }
    log->store_down = false;
    for (int p = 0; p < relay->partitions; p++) {
        relay_place *place = &log->place[p];

        if (place->checkpoint.held && !mine[p].held) {
            bus_log_warn("relay.partition_lost", BUS_KV("domain", log->domain),
                         BUS_KV_INT("partition", p));
            drop(log, p);
        } else if (place->checkpoint.held) {
            place->checkpoint.epoch = mine[p].epoch;
        } else if (mine[p].held && held < share) {
            *place = (relay_place){.state = PLACE_TAKEN, .checkpoint = mine[p]};
            held++;
        } else if (mine[p].held) {
            surplus[surplus_count++] = mine[p];
        }
    }
    release(relay, log, surplus, surplus_count);
}

void
relay_share(bus_relay *relay, relay_log *log)
{
    bus_checkpoint surplus[BUS_PARTITIONS_MAX];
    int            share = bus_members_share(relay->options->members, log->part, relay->partitions);
    int            before = held_partitions(relay, log), held = before, count = 0;

    log->shared_us = relay_now_us(relay);
    if (held < share) {
        take(relay, log, share);
    } else if (held > share && relay_commit(relay, log) == BUS_OK) {
        for (int p = relay->partitions - 1; p >= 0 && held - count > share; p--)
            if (log->place[p].checkpoint.held)
                surplus[count++] = log->place[p].checkpoint;
        release(relay, log, surplus, count);
    }
    held = held_partitions(relay, log);
    if (held != before)
        bus_log_info("relay.leases", BUS_KV("domain", log->domain), BUS_KV_INT("held", held));
}

void
relay_renew(bus_relay *relay, relay_log *log)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX];
    bus_error      err = {0};
    int            count = 0;

    log->renewed_us = relay_now_us(relay);
    for (int p = 0; p < relay->partitions; p++)
        if (log->place[p].checkpoint.held)
            mine[count++] = log->place[p].checkpoint;
    if (count == 0)
        return;
    if (relay->options->store->checkpoint_renew(log->store, log->domain, BUS_RELAY_READER,
                                                log->domain, mine, count, &err) != BUS_OK) {
        relay_store_trouble(log, "renewing checkpoints", &err);
        return;
    }
    log->store_down = false;
    for (int i = 0; i < count; i++)
        if (!mine[i].held) {
            bus_log_warn("relay.partition_lost", BUS_KV("domain", log->domain),
                         BUS_KV_INT("partition", mine[i].partition));
            drop(log, mine[i].partition);
        }
}

bus_code
relay_commit(bus_relay *relay, relay_log *log)
{
    bus_checkpoint done[BUS_PARTITIONS_MAX];
    bus_effect     effect = {.home = log->domain,
                             .reader = BUS_RELAY_READER,
                             .domain = log->domain,
                             .checkpoints = done};
    bus_error      err = {0};
    bus_code       rc;

    log->committed_us = relay_now_us(relay);
    for (int p = 0; p < relay->partitions; p++) {
        const relay_place *place = &log->place[p];

        if (!place->checkpoint.held || place->delivered <= place->checkpoint.offset)
            continue;
        done[effect.checkpoints_count] = place->checkpoint;
        done[effect.checkpoints_count++].offset = place->delivered;
    }
    if (effect.checkpoints_count == 0)
        return BUS_OK;
    BUS_FAIL_POINT("relay.delivered");
    rc = relay->options->store->effect(log->store, &effect, &err);
    if (rc == BUS_FENCED || rc == BUS_UNKNOWN) { /* it could come late, after our next one */
        lose_all(relay, log);
        return rc;
    }
    if (rc != BUS_OK) {
        relay_store_trouble(log, "writing checkpoints", &err);
        return rc;
    }
    BUS_FAIL_POINT("relay.checkpointed");
    log->store_down = false;
    for (int i = 0; i < effect.checkpoints_count; i++)
        log->place[done[i].partition].checkpoint.offset = done[i].offset;
    return BUS_OK;
}

void
relay_give_back(bus_relay *relay, relay_log *log)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX];
    int            count = 0;

    if (relay_commit(relay, log) != BUS_OK)
        return;
    for (int p = 0; p < relay->partitions; p++)
        if (log->place[p].checkpoint.held)
            mine[count++] = log->place[p].checkpoint;
    release(relay, log, mine, count);
}
