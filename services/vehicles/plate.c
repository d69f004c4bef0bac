/* plate.c - plates as they are compared: Latin capitals and digits.
 * Twelve Cyrillic letters look like Latin ones; plates use no others (GOST R 50577-2018).
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/vehicle.h"

#include <string.h>

/* Second byte after 0xd0 (capital) or 0xd0/0xd1 (small) of UTF-8, and the Latin letter. */
static const struct {
    const char *cyrillic;
    char        latin;
} look_alikes[] = {
    {"А", 'A'}, {"В", 'B'}, {"Е", 'E'}, {"К", 'K'}, {"М", 'M'}, {"Н", 'H'}, {"О", 'O'}, {"Р", 'P'},
    {"С", 'C'}, {"Т", 'T'}, {"У", 'Y'}, {"Х", 'X'}, {"а", 'A'}, {"в", 'B'}, {"е", 'E'}, {"к", 'K'},
    {"м", 'M'}, {"н", 'H'}, {"о", 'O'}, {"р", 'P'}, {"с", 'C'}, {"т", 'T'}, {"у", 'Y'}, {"х", 'X'},
};

static char
latin_of(const char *two_bytes)
{
    for (int i = 0; i < BUS_COUNT(look_alikes); i++)
        if (memcmp(two_bytes, look_alikes[i].cyrillic, 2) == 0)
            return look_alikes[i].latin;
    return '\0';
}

/* The next letter or digit of text at *at; 0 with *at moved on: a separator; -1: neither. */
static int
next_sign(bus_str text, uint32_t *at)
{
    char c = text.at[*at];

    *at += 1;
    if (c == ' ' || c == '-')
        return 0;
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))
        return c;
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 'A';
    if (((unsigned char)c == 0xd0 || (unsigned char)c == 0xd1) && *at < text.len) {
        char latin = latin_of(text.at + *at - 1);

        *at += 1;
        return latin != '\0' ? latin : -1;
    }
    return -1;
}

/* Letters and digits of text, at most max; -1: something else is in it, or more. */
static int
fold(bus_str text, char *out, int max)
{
    int      length = 0;
    uint32_t at = 0;

    while (at < text.len) {
        int sign = next_sign(text, &at);

        if (sign < 0 || (sign > 0 && length == max))
            return -1;
        if (sign > 0)
            out[length++] = (char)sign;
    }
    out[length] = '\0';
    return length;
}

bool
vehicle_fold_plate(bus_str text, char out[16])
{
    return fold(text, out, 9) >= 6;
}

bool
vehicle_fold_vin(bus_str text, char out[20])
{
    if (fold(text, out, 17) != 17)
        return false;
    return strchr(out, 'I') == NULL && strchr(out, 'O') == NULL && strchr(out, 'Q') == NULL;
}
