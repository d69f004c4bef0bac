/* fold.c - codes as they are compared: Latin capitals and digits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/fold.h"

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
    for (size_t i = 0; i < sizeof(look_alikes) / sizeof(look_alikes[0]); i++)
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

int
bus_fold_latin(bus_str text, char *out, int max)
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
