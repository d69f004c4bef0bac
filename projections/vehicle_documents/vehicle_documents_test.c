/* vehicle_documents_test.c - the paper of a kind that ends last is the one that counts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view vehicle_documents_projection;

#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
/* v5(VEHICLE, "OSAGO"), v5(VEHICLE, "TACHOGRAPH") */
#define OSAGO_ROW "427c475f-5346-5f01-8697-9ecdde0b4b28"
#define TACHOGRAPH_ROW "74dfa486-7057-5563-9355-095328b64a20"
#define INSPECTION_ROW "10d7a88f-4c2f-5fd1-a03a-35e2c08b29f1"
#define MOSCOW_ROW "062c6f2e-46b1-5b0b-a096-7737fad7a171"
#define PAPER(kind, number, from, to) \
    "{'kind':'" kind "','number':'" number "','from_on':'" from "','to_on':'" to "'}"

static void
test_a_renewal_takes_the_old_paper_off_the_list(void **state)
{
    (void)state;
    view_story(&vehicle_documents_projection);
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "1", "2026-01-01", "2026-12-31"));
    then_row(OSAGO_ROW, "{'vehicle_id':'" VEHICLE "','kind':'OSAGO','number':'1',"
                        "'valid_from_on':'2026-01-01','valid_to_on':'2026-12-31'}");
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "2", "2027-01-01", "2027-12-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "0", "2025-01-01", "2025-12-31"));
    then_row(OSAGO_ROW, "{'number':'2','valid_to_on':'2027-12-31'}");
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "2", "2027-01-01", "2027-06-30"));
    then_row(OSAGO_ROW, "{'number':'2','valid_to_on':'2027-06-30'}"); /* put right */
    then_no_row(TACHOGRAPH_ROW);
}

static void
test_each_kind_has_a_row(void **state)
{
    (void)state;
    view_story(&vehicle_documents_projection);
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("TACHOGRAPH", "1", "2026-01-01", "2026-12-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("INSPECTION", "1", "2026-01-01", "2026-11-30"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("MOSCOW_PASS", "1", "2026-01-01", "2026-10-31"));
    then_row(TACHOGRAPH_ROW, "{'kind':'TACHOGRAPH','valid_to_on':'2026-12-31'}");
    then_row(INSPECTION_ROW, "{'kind':'INSPECTION','valid_to_on':'2026-11-30'}");
    then_row(MOSCOW_ROW, "{'kind':'MOSCOW_PASS','valid_to_on':'2026-10-31'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_renewal_takes_the_old_paper_off_the_list),
        cmocka_unit_test(test_each_kind_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
