/* impure.c - what pure_modules.sh has to find: it asks for the time and counts its calls.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <time.h>

int64_t impure_calls(void);

int64_t
impure_calls(void)
{
    static int64_t calls;

    calls += time(NULL) > 0 ? 1 : 0;
    return calls;
}
