/* wait.h - until something is so that threads bring about. Who includes it says how long at most:
 * PATIENCE_MS.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_WAIT_H
#define TESTS_SUPPORT_WAIT_H

#include <unistd.h>

#define WAIT_UNTIL(condition)                        \
    do {                                             \
        int waited_ms = 0;                           \
        while (!(condition)) {                       \
            if ((waited_ms += 10) > PATIENCE_MS)     \
                fail_msg("in vain: %s", #condition); \
            (void)usleep(10000);                     \
        }                                            \
    } while (0)

#endif
