/* plate.c - what is a plate and what a VIN, folded to Latin capitals and digits.
 * Plates use no other letters than the twelve that both alphabets have (GOST R 50577-2018).
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/vehicle.h"

#include <string.h>

bool
vehicle_fold_plate(bus_str text, char out[16])
{
    return bus_fold_latin(text, out, 9) >= 6;
}

bool
vehicle_fold_vin(bus_str text, char out[20])
{
    if (bus_fold_latin(text, out, 17) != 17)
        return false;
    return strchr(out, 'I') == NULL && strchr(out, 'O') == NULL && strchr(out, 'Q') == NULL;
}
