/* Written by shina-contract from schemas/common.json: do not edit. */
#ifndef CONTRACTS_COMMON_H
#define CONTRACTS_COMMON_H

#include "bus/module/module.h"

struct common_point {
    int64_t lat_e6;
    int64_t lon_e6;
};

enum common_colour {
    COMMON_COLOUR_RED,
    COMMON_COLOUR_GREEN
};

#endif
