/* address.h - which addresses a webhook may go to: those of the world, not those of our own house.
 * Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_WEBHOOKS_WORKER_ADDRESS_H
#define SERVICES_WEBHOOKS_WORKER_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Is it an address of the public internet? Private, loopback, link-local, shared, documentation,
 * multicast and reserved ones are not (IANA special-purpose registries), nor IPv6 addresses that
 * hold such an IPv4 one, nor any other family. */
bool webhook_address_is_public(const struct sockaddr *address);

#endif
