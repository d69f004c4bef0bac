/* memory.c - the conformance of the memory store.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/conformance/conformance.h"
#include "bus/store/memory/faults.h"

#define NAME "conformance"

static void
expire(void *context, const char *domain)
{
    (void)context;
    (void)domain;
    bus_store_memory_expire(NAME);
}

int
main(void)
{
    conformance_subject subject = {
        .ops = &bus_store_memory, .options = {.url = NAME}, .expire = expire};
    int failed = conformance_run("store memory", &subject);

    bus_store_memory_forget(NAME);
    return failed;
}
