/* lade.c - reading the sample.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/lade.h"
#include "bus/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 17

/* "09-25 11:32:00" */
static bool
time_of(const char *text, int year, int64_t *out)
{
    int month, day, hour, minute, second;

    if (sscanf(text, "%d-%d %d:%d:%d", &month, &day, &hour, &minute, &second) != 5)
        return false;
    *out = (int64_t)bus_days_from_civil(year, month, day) * BUS_DAY_MS +
           ((int64_t)hour * 3600 + minute * 60 + second) * 1000;
    return true;
}

static bool
read_order(char *line, int year, lade_order *out)
{
    char *fields[FIELDS], *at = line;
    int   n = 0;

    while (n < FIELDS && at != NULL)
        fields[n++] = strsep(&at, ",");
    if (n != FIELDS || !time_of(fields[8], year, &out->accepted_at) ||
        !time_of(fields[12], year, &out->delivered_at))
        return false;
    out->lng = strtod(fields[4], NULL);
    out->lat = strtod(fields[5], NULL);
    out->gps_lng = strtod(fields[14], NULL);
    out->gps_lat = strtod(fields[15], NULL);
    return true;
}

int
lade_read(const char *path, int year, lade_order *out, int max)
{
    FILE *file = fopen(path, "r");
    char  line[600];
    int   count = 0;

    if (file == NULL || fgets(line, sizeof(line), file) == NULL) /* names */
        count = -1;
    while (count >= 0 && fgets(line, sizeof(line), file) != NULL)
        count = count < max && read_order(line, year, &out[count]) ? count + 1 : -1;
    if (file != NULL)
        (void)fclose(file);
    return count;
}
