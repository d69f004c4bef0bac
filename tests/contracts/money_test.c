/* money_test.c - who sees which money, by the contracts: what model and README promise the roles,
 * member by member.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/view.h"
#include "contracts/deliveries.h"
#include "contracts/drivers.h"
#include "contracts/trips.h"
#include "contracts/vehicles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static const bus_field *
member_of(const bus_shape *shape, const char *name, size_t len)
{
    while (shape->kind == BUS_KIND_ARRAY)
        shape = shape->item;
    for (uint32_t i = 0; i < shape->fields_count; i++)
        if (strlen(shape->fields[i].name) == len && memcmp(shape->fields[i].name, name, len) == 0)
            return &shape->fields[i];
    fail_msg("no member %s", name);
    return NULL;
}

/* Is the member at path "specs.wear_kop_km" null for one with that role and those grants, by
 * itself or with what it is in? */
static bool
is_hidden(const bus_view_contract *view, const char *path, uint32_t role, uint32_t grants)
{
    const edge_reader reader = {.roles = role, .grants = grants};
    const bus_shape  *shape = view->row;

    for (const char *at = path;; at++) {
        size_t           len = strcspn(at, ".");
        const bus_field *field = member_of(shape, at, len);

        if (edge_is_masked(field->masked_for, &reader))
            return true;
        at += len;
        if (*at == '\0')
            return false;
        shape = field->shape;
    }
}

typedef struct {
    const bus_view_contract *view;
    const char              *path;
    uint32_t                 hidden_from; /* without grants */
    uint32_t                 shown_with_grant;
} money;

#define D BUS_ROLE_DISPATCHER
#define R BUS_ROLE_DRIVER
#define V BUS_ROLE_VIEWER

/* A dispatcher sees profit without pay: neither the pay nor a total that it is in, of which the
 * other parts would leave it. */
#define PROFIT_TOTALS(view, in)                                      \
    {(view), in "revenue_kop", 0, 0}, {(view), in "cost_kop", D, 0}, \
        {(view), in "profit_kop", D, 0},                             \
    {                                                                \
        (view), in "margin_bp", D, 0                                 \
    }
#define PROFIT_PARTS(view, in)                                         \
    PROFIT_TOTALS(view, in), {(view), in "cost_driver_pay_kop", D, 0}, \
    {                                                                  \
        (view), in "cost_fuel_kop", 0, 0                               \
    }
#define PROFIT_REPORT(view) \
    PROFIT_TOTALS(view, ""), { (view), "adjusted_kop", D, 0 }

static const money members[] = {
    {&deliveries_view, "price_kop", R | V, V},
    {&deliveries_view, "to.phone_e164", V, 0},
    {&drivers_view, "pay.per_trip_kop", D | V, V},
    {&drivers_view, "phone_e164", V, 0},
    {&drivers_view, "licence_number", V, 0},
    PROFIT_PARTS(&trip_cards_view, "estimated."),
    PROFIT_PARTS(&trip_cards_view, "provisional."),
    PROFIT_PARTS(&trip_cards_view, "final."),
    PROFIT_PARTS(&trip_cards_view, "adjusted."),
    PROFIT_TOTALS(&trip_cards_view, ""),
    {&trip_cards_view, "adjustments.amount_kop", D, 0},
    {&trip_cards_view, "customers.revenue_kop", 0, 0},
    {&trip_cards_view, "customers.cost_kop", D, 0},
    PROFIT_REPORT(&profit_customers_view),
    PROFIT_REPORT(&profit_routes_view),
    PROFIT_REPORT(&profit_vehicles_view),
    PROFIT_REPORT(&profit_drivers_view),
    PROFIT_REPORT(&profit_days_view),
    PROFIT_PARTS(&profit_days_view, "profit."),
    PROFIT_REPORT(&profit_group_days_view),
    {&vehicles_view, "specs.wear_kop_km", R | V, V},
    {&vehicles_view, "specs.fixed_kop_day", R | V, V},
};

static void
check(const money *m, uint32_t role)
{
    bool hidden = (m->hidden_from & role) != 0;

    if (is_hidden(m->view, m->path, role, 0) != hidden)
        fail_msg("%s of %s, role %u: must be %s", m->path, m->view->name, role,
                 hidden ? "hidden" : "shown");
    hidden = hidden && (m->shown_with_grant & role) == 0;
    if (is_hidden(m->view, m->path, role, BUS_GRANT_FINANCE_READ) != hidden)
        fail_msg("%s of %s, role %u with the grant: must be %s", m->path, m->view->name, role,
                 hidden ? "hidden" : "shown");
}

static void
test_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        check(&members[i], BUS_ROLE_ADMIN);
        check(&members[i], D);
        check(&members[i], R);
        check(&members[i], V);
    }
}

static void
test_payroll(void **state)
{
    (void)state;
    assert_int_equal(payroll_view.roles, BUS_ROLE_ADMIN);
    assert_int_equal(payroll_view.roles_own, R);
    assert_int_equal(payroll_view.roles_granted, V);
    assert_int_equal(payroll_view.grants, BUS_GRANT_FINANCE_READ);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_payroll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
