/* arguments.c - options and words of a command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/arguments.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
names(const char *argument, const char *name)
{
    size_t len = strlen(name);

    return strncmp(argument, name, len) == 0 && (argument[len] == '\0' || argument[len] == '=');
}

const char *
option_of(int argc, char **argv, const char *name)
{
    const char *value = NULL;

    for (int i = 1; i < argc; i++) {
        if (!names(argv[i], name))
            continue;
        if (argv[i][strlen(name)] == '=')
            value = argv[i] + strlen(name) + 1;
        else if (i + 1 < argc)
            value = argv[i + 1];
    }
    return value;
}

bool
flag_of(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

/* 0: not known; 1: a flag, or name=value in one; 2: its value is the next argument. */
static int
width_of(const char *argument, const char *const *known)
{
    for (; *known != NULL; known++) {
        size_t len = strlen(*known);
        bool   valued = (*known)[len - 1] == '=';

        if (!valued && strcmp(argument, *known) == 0)
            return 1;
        if (valued && strncmp(argument, *known, len) == 0)
            return 1;
        if (valued && strlen(argument) == len - 1 && strncmp(argument, *known, len - 1) == 0)
            return 2;
    }
    return 0;
}

bool
options_known(int argc, char **argv, const char *const *known, int words)
{
    for (int i = 1; i < argc; i++) {
        int width;

        if (strncmp(argv[i], "--", 2) != 0) {
            if (words-- > 0)
                continue;
            (void)fprintf(stderr, "shina %s: what is \"%s\"? See shina help %s\n", argv[0], argv[i],
                          argv[0]);
            return false;
        }
        width = width_of(argv[i], known);
        if (width == 0 || (width == 2 && i + 1 >= argc)) {
            (void)fprintf(stderr, "shina %s: %s %s. See shina help %s\n", argv[0], argv[i],
                          width == 0 ? "is not known" : "needs a value", argv[0]);
            return false;
        }
        i += width - 1;
    }
    return true;
}

const char *
word_of(int argc, char **argv, const char *const *known, int nth)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0)
            i += width_of(argv[i], known) == 2;
        else if (nth-- == 0)
            return argv[i];
    }
    return NULL;
}

void
shina_standard_files(void)
{
    int fd;

    do /* takes the lowest number that is free */
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int
failed(const bus_error *err)
{
    (void)fprintf(stderr, "shina: %s\n", err->text);
    return 1;
}
