/* lifecycle_test.c - every command of a client in every state where it must not be.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/story_trips.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
a_cancelled_trip(void)
{
    a_load();
    when("trips.cancel", "{'reason':'x'}");
}

static void
an_aborted_trip(void)
{
    a_trip_on_the_road();
    when("trips.abort", "{'reason':'x'}");
}

static const struct {
    const char *name;
    void (*tell)(void);
    const char *code; /* of the refusal there */
} states[] = {
    {"DRAFT", a_draft, "TRIP_WRONG_STATE"},
    {"PLANNED", a_load, "TRIP_WRONG_STATE"},
    {"ASSIGNING", an_asking_trip, "TRIP_WRONG_STATE"},
    {"ASSIGNED", an_assigned_trip, "TRIP_WRONG_STATE"},
    {"DISPATCHED", a_dispatched_trip, "TRIP_WRONG_STATE"},
    {"LOADING", a_loading_trip, "TRIP_WRONG_STATE"},
    {"IN_TRANSIT", a_trip_on_the_road, "TRIP_WRONG_STATE"},
    {"COMPLETED", a_finished_trip, "TRIP_WRONG_STATE"},
    {"ABORTED", an_aborted_trip, "TRIP_WRONG_STATE"},
    {"SETTLED", a_settled_trip, "TRIP_SETTLED"},
    {"CANCELLED", a_cancelled_trip, "TRIP_WRONG_STATE"},
};

/* One letter per state above: '.' where the command is refused for the state, '+' where the
 * state allows it (the other stories tell what happens then). */
static const struct {
    const char *command, *json, *allowed;
} commands[] = {
    {"trips.plan", PLAN, "++........."},
    {"trips.add_delivery", DELIVER(INCIDENT, 1, CUSTOMER_A, 1, 1, 1), ".+.+......."},
    {"trips.remove_delivery", "{'delivery_id':'" DELIVERY_1 "'}", ".+.++......"},
    {"trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}", ".+........."},
    {"trips.dispatch", "{}", "...+......."},
    {"trips.accept", "{}", "....+......"},
    {"trips.refuse", "{'reason':'x'}", "....+......"},
    {"trips.start_loading", "{}", ".....+....."},
    {"trips.depart", "{'odometer_m':1}", ".....+....."},
    {"trips.arrive_stop", "{'seq':1}", "......+...."},
    {"trips.complete_stop", "{'seq':1}", "......+...."},
    {"trips.fail_stop", "{'seq':1,'reason':'OTHER'}", "......+...."},
    {"trips.skip_stop", "{'seq':1,'reason':'OTHER'}", "......+...."},
    {"trips.reorder_remaining", "{'seqs':[1,2]}", "......+...."},
    {"trips.finish", "{'odometer_m':2000000}", "......+...."},
    {"trips.abort", "{'reason':'x'}", ".....++...."},
    {"trips.cancel", "{'reason':'x'}", "+++++......"},
    {"trips.add_revenue", "{'kind':'FIXED','qty':1,'rate_kop':1}", "++.++++++.."},
    {"trips.void_revenue", "{'line_no':1,'reason':'x'}", "++.++++++.."},
    {"trips.add_cost", "{'kind':'TOLL','amount_kop':1}", "++.++++++.."},
    {"trips.approve_cost", "{'cost_no':1}", "++.++++++.."},
    {"trips.reject_cost", "{'cost_no':1,'reason':'x'}", "++.++++++.."},
    {"trips.settle", "{}", ".......++.."},
};

static void
test_nothing_out_of_turn(void **state)
{
    (void)state;
    for (int c = 0; c < BUS_COUNT(commands); c++)
        for (int s = 0; s < BUS_COUNT(states); s++) {
            if (commands[c].allowed[s] == '+')
                continue;
            print_message("%s while %s\n", commands[c].command, states[s].name);
            states[s].tell();
            when(commands[c].command, commands[c].json);
            then_refused(states[s].code);
        }
}

/* Commands for any sequence; %d is a small random number. */
static const char *const any[][2] = {
    {"trips.plan", PLAN},
    {"trips.add_delivery",
     "{'delivery_id':'00000000-0000-4000-8000-00000000000%d','stop_seq':2,"
     "'customer_id':'" CUSTOMER_A "','load_g':1000,'load_ml':1000,'price_kop':977}"},
    {"trips.add_delivery",
     "{'delivery_id':'00000000-0000-4000-8000-00000000001%d','stop_seq':1,"
     "'customer_id':'" CUSTOMER_B "','load_g':999,'load_ml':1,'price_kop':1013}"},
    {"trips.remove_delivery", "{'delivery_id':'00000000-0000-4000-8000-00000000001%d'}"},
    {"trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}"},
    {"trips.fail_assignment", "{'assignment_id':'" ASSIGNMENT "','code':'X','detail':'%d'}"},
    {"trips.dispatch", "{}"},
    {"trips.accept", "{}"},
    {"trips.refuse", "{'reason':'%d'}"},
    {"trips.start_loading", "{}"},
    {"trips.depart", "{'odometer_m':%d}"},
    {"trips.arrive_stop", "{'seq':1}"},
    {"trips.arrive_stop", "{'seq':2}"},
    {"trips.complete_stop", "{'seq':1,'undelivered':['00000000-0000-4000-8000-00000000001%d']}"},
    {"trips.complete_stop", "{'seq':1}"},
    {"trips.complete_stop", "{'seq':2}"},
    {"trips.fail_stop", "{'seq':1,'reason':'OTHER'}"},
    {"trips.skip_stop", "{'seq':2,'reason':'OTHER'}"},
    {"trips.reorder_remaining", "{'seqs':[2,1]}"},
    {"trips.finish", "{'odometer_m':10%d}"},
    {"trips.abort", "{'reason':'%d'}"},
    {"trips.cancel", "{'reason':'%d'}"},
    {"trips.add_revenue", "{'kind':'PENALTY','qty':%d,'rate_kop':300}"},
    {"trips.add_revenue", "{'kind':'PER_POINT','rate_kop':10%d}"},
    {"trips.void_revenue", "{'line_no':%d,'reason':'x'}"},
    {"trips.add_cost", "{'kind':'TOLL','amount_kop':7%d}"},
    {"trips.approve_cost", "{'cost_no':%d}"},
    {"trips.reject_cost", "{'cost_no':%d,'reason':'x'}"},
    {"trips.record_fuel_cost", "{'consumed_ml':1,'cost_kop':5%d,'basis':'NORM'}"},
    {"trips.note_unmatched_fuel",
     "{'transaction_id':'00000000-0000-4000-8000-00000000000%d','at':1795420800000}"},
    {"trips.clear_unmatched_fuel", "{'transaction_id':'00000000-0000-4000-8000-00000000000%d'}"},
    {"trips.record_incident_cost", "{'incident_id':'" INCIDENT "','amount_kop':%d}"},
    {"trips.record_boxes", "{'sorted':5,'loaded':%d}"},
    {"trips.record_gps", "{'gps_m':10%d}"},
    {"trips.take_day_share", "{'share_kop':%d}"},
    {"trips.settle", "{}"},
    {"trips.settlement_due", "{}"},
    {"trips.adjust_settled", "{'line':'COST_FUEL','amount_kop':-%d,'reason':'x','reference':'y'}"},
};

/* text with digit in the place of %d. */
static void
fill(char *to, size_t room, const char *text, char digit)
{
    size_t len = 0;

    for (; *text != '\0' && len + 1 < room; text++) {
        to[len++] = *text == '%' ? digit : *text;
        if (*text == '%')
            text++; /* the d */
    }
    to[len] = '\0';
}

/* Any sequence of commands and answers: no invariant breaks, and whatever is emitted reads back
 * by its contract (the harness sees to both). */
static void
test_any_sequence(void **state)
{
    uint64_t seed = 88172645463325252u;
    char     json[512];

    (void)state;
    for (int round = 0; round < 300; round++) {
        states[round % 7].tell();
        for (int i = 0; i < 150; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            later_ms((int64_t)(seed % 100000));
            if (seed % 9 == 0)
                when_answer_from(DELIVERY_1, "trips.delivery_answered", "deliveries.plan", NULL,
                                 NULL);
            else if (seed % 9 == 1)
                when_refusal_from(DELIVERY_3, "trips.delivery_answered", "deliveries.plan", "X");
            else if (seed % 9 == 2)
                when_refusal_from(VEHICLE, "trips.day_frozen", "trips.freeze_day_share", "X");
            else if (seed % 9 == 3)
                when("trips.confirm_assignment", CONFIRM(ASSIGNMENT));
            else {
                int nth = (int)(seed / 9 % (uint64_t)BUS_COUNT(any));

                fill(json, sizeof(json), any[nth][1], (char)('1' + seed / 1000 % 9));
                when(any[nth][0], json);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_out_of_turn),
        cmocka_unit_test(test_any_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
