/* planted.c - the table of planted bugs, and which of them is there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"

#ifdef SHINA_PLANTED

#include <stddef.h>
#include <string.h>

/* clang-format off */
const bus_plant bus_plants[] = {
    { "store.no_epoch_check", "an append does not look at the epochs" },
    { "store.epoch_not_raised", "a partition changes hands under the same epoch" },
    { "store.no_dedup", "an append does not look whether the command is in the log" },
    { "writer.ack_before_commit", "a batch is acknowledged whatever becomes of its append" },
    { "writer.unknown_is_done", "a commit of unknown outcome is taken for one that happened" },
    { "writer.no_confirm", "an answer that appends nothing is given without asking the log" },
    { "writer.send_refusal_forgotten", "the refusal of something sent leaves no event" },
    { "writer.claim_leaks", "a unique value that is given up stays taken" },
    { "writer.time_goes_back", "the time of events is the clock's, whatever stood before" },
    { "writer.fired_timer_stays", "a timer that was fired is not deleted" },
    { "writer.unknown_not_fenced", "a commit of unknown outcome is looked up under the same epoch" },
    { "courier.unknown_goes_on", "a checkpoint of unknown outcome is written anew under the same epoch" },
    { "courier.checkpoint_before_effect", "the checkpoint passes errands that are not done" },
    { "courier.all_at_once", "the sends of one stream do not wait for each other" },
    { "follow.gap_ignored", "a reader goes on behind a batch that it missed" },
    { "projector.unknown_is_lost", "a turn of unknown outcome is folded again without asking" },
    { "stream.restore_forgotten", "who takes an analytic over does not read how far it is" },
    { "stream.idle_forgotten", "the watermark of an idle partition stands still" },
    { "relay.hole_after_trouble", "after trouble a relay goes on behind what it had sent" },
    { NULL, NULL },
};
/* clang-format on */

static const char *chosen;

bool
bus_plant_choose(const char *name)
{
    for (const bus_plant *p = bus_plants; p->name != NULL; p++)
        if (strcmp(p->name, name) == 0) {
            chosen = p->name;
            return true;
        }
    return false;
}

bool
bus_is_planted(const char *name)
{
    return chosen != NULL && strcmp(chosen, name) == 0;
}

#endif
