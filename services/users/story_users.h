/* story_users.h - what the stories of users share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_USERS_STORY_USERS_H
#define SERVICES_USERS_STORY_USERS_H

#include "services/users/user.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

extern const bus_module users_module;

#define HASH(digit)                                                                               \
    "sha256:" digit digit digit digit digit digit digit digit digit digit digit digit digit digit \
        digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit \
            digit digit digit
#define CODE HASH("ab")
#define OTHER HASH("cd")
#define T0 INT64_C(1700000000000)
#define MIN_MS INT64_C(60000)

/* The stream of a driver, as text until the next call. */
static inline const char *
account_of(const char *driver)
{
    static char text[BUS_ID_TEXT_BYTES];
    bus_id      tenant, id;

    assert_true(bus_id_parse(bus_str_of(STORY_TENANT), &tenant));
    assert_true(bus_id_parse(bus_str_of(driver), &id));
    return bus_id_format(driver_account_stream(tenant, id), text);
}

/* An active user, of generation 2. */
static inline void
a_user(const char *role)
{
    char invited[600];

    story(&users_module, "user");
    at_time(T0);
    (void)snprintf(invited, sizeof(invited),
                   "{'email':'ivan@example.com','full_name':'Иванов Иван','role':'%s','code':'" CODE
                   "','expires_at':1700259200000}",
                   role);
    given("users.invited.v1", invited);
    given("users.invitation_accepted.v1", "{'password':'sec:1:k:AAAA','generation':2}");
}

#endif
