/* carrier.h - a carrier at work for tests of who sees what: vehicles, two drivers, each with a
 * settled trip, one that is on the road and one that he has not been told of, users, sessions,
 * sources, subscriptions; made through the HTTP API, so that every view of the tenant has rows.
 * What fails prints why and ends the program. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SYSTEM_CARRIER_H
#define TESTS_SYSTEM_CARRIER_H

#include "tests/support/shina.h"

#include <stdint.h>

#define CARRIER_DRIVERS 2
#define CARRIER_PASSWORD "kr7-wolke-zimt"

typedef struct {
    char id[40], phone[24];
    char vehicle[40];
    char user[40];
    char trips[3][40];      /* settled; on the road; assigned, not dispatched */
    char deliveries[3][40]; /* of each trip */
} carrier_driver;

typedef struct {
    tests_shina   *shina;
    const char    *tenant;
    char          *admin, *dispatcher;
    char           customer[40], user[40], email[64], source[40], secret[128], subscription[40];
    char           session[2400]; /* an access token of that user, an ADMIN */
    carrier_driver drivers[CARRIER_DRIVERS];
    char           position[96]; /* of the last command */
} carrier;

/* number: tells one carrier's plates and phones from another's, 0 to 9. */
void carrier_open(carrier *c, tests_shina *shina, const char *tenant, int number);
void carrier_close(carrier *c);

/* A token with a grant ("finance.read") and a driver, either may be NULL; the caller frees it. */
char *carrier_token(const carrier *c, const char *role, const char *grant, const char *driver);
/* A command that must succeed; single quotes stand for double ones. id: of what it made, or NULL.
 */
void carrier_must(carrier *c, const char *token, char id[40], const char *path, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));
/* A list or an item that must be there, once the view has the last command; the caller's. */
json_t *carrier_get(const carrier *c, const char *token, const char *path);
/* A text member, "" if there is none. */
const char *carrier_text(const json_t *object, const char *name);

#endif
