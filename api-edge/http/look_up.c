/* look_up.c - getaddrinfo in libuv's pool.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/look_up.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* May outlive whom it is for. */
struct edge_look_up {
    uv_getaddrinfo_t of;
    edge_looked_up  *done; /* NULL: nobody waits */
    void            *context;
};

/* False: it is none in digits. */
static bool
add(const struct addrinfo *found, char *all, size_t room)
{
    char   one[INET6_ADDRSTRLEN];
    size_t used = strlen(all);

    if (getnameinfo(found->ai_addr, found->ai_addrlen, one, sizeof(one), NULL, 0, NI_NUMERICHOST) !=
        0)
        return false;
    (void)snprintf(all + used, room - used, "%s%s", used == 0 ? "" : ",", one);
    return true;
}

static void
on_found(uv_getaddrinfo_t *of, int status, struct addrinfo *found)
{
    edge_look_up *l = of->data;
    char          all[EDGE_ADDRESSES_MAX * INET6_ADDRSTRLEN] = "";
    int           count = 0;

    for (const struct addrinfo *a = status == 0 ? found : NULL;
         a != NULL && count < EDGE_ADDRESSES_MAX; a = a->ai_next)
        count += add(a, all, sizeof(all));
    if (l->done != NULL && count > 0)
        l->done(l->context, all, NULL);
    else if (l->done != NULL)
        l->done(l->context, NULL, status == 0 ? "it has no address" : uv_strerror(status));
    uv_freeaddrinfo(found);
    free(l);
}

edge_look_up *
edge_look_up_begin(uv_loop_t *loop, const char *host, edge_looked_up *done, void *context)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    edge_look_up         *l = calloc(1, sizeof(*l));

    if (l == NULL)
        abort();
    *l = (edge_look_up){.done = done, .context = context};
    l->of.data = l;
    if (uv_getaddrinfo(loop, &l->of, on_found, host, NULL, &hints) == 0)
        return l;
    free(l);
    return NULL;
}

void
edge_look_up_cancel(edge_look_up *look_up)
{
    look_up->done = NULL;
    (void)uv_cancel((uv_req_t *)&look_up->of);
}

bool
edge_is_numeric(const char *host)
{
    uint8_t address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}
