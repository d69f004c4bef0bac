/* delivery_proofs_test.c - the archive of proofs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view delivery_proofs_projection;

static void
test_the_last_proof_is_kept(void **state)
{
    (void)state;
    view_story(&delivery_proofs_projection);
    projects("deliveries.created.v1", DELIVERY, CREATED);
    then_row(DELIVERY, "{'customer_id':'" CUSTOMER_A
                       "','kind':'FBS_TO_WB','partly':false,'pod':null,'at':null}");
    projects("deliveries.completed_partly.v1", DELIVERY, PARTLY(CUSTOMER_A, "2026-11-23", 1));
    then_row(DELIVERY, "{'partly':true,'at':1795431900000,'distance_m':null,"
                       "'pod':{'receiver':'Anna','office_id':'15','photo':null}}");
    projects("deliveries.completed.v1", DELIVERY, COMPLETED(CUSTOMER_A, "2026-11-23", 2));
    then_row(DELIVERY, "{'partly':false,'at':1795431900000,'distance_m':349}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_proof_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
