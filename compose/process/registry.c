/* registry.c - looking into the lists of the binary.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/registry.h"

#include <string.h>

int
shina_views_of(const bus_contract *contract, const bus_view **out)
{
    int count = 0;

    for (int i = 0; i < shina_views_count; i++)
        if (shina_views[i]->of->contract == contract)
            out[count++] = shina_views[i];
    return count;
}

const bus_module *
shina_module_named(const char *name)
{
    for (int i = 0; i < shina_modules_count; i++)
        if (strcmp(shina_modules[i]->contract->module, name) == 0)
            return shina_modules[i];
    return NULL;
}
