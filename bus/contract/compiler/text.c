/* text.c - messages, and names from JSON to C.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/contract/compiler/model.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bus_arena compiler_memory;

void
die(const char *file, const char *pointer, const char *fmt, ...)
{
    va_list args;

    (void)fprintf(stderr, "%s: %s: ", file, *pointer == '\0' ? "/" : pointer);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

const char *
text(const char *fmt, ...)
{
    va_list args;
    char   *out;
    int     len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    BUS_INVARIANT(len >= 0);
    out = bus_arena_alloc(&compiler_memory, (size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(out, (size_t)len + 1, fmt, args);
    va_end(args);
    return out;
}

static const char *
changed(const char *name, int (*change)(int c))
{
    char *out = bus_arena_alloc(&compiler_memory, strlen(name) + 1);

    for (size_t i = 0; name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];

        out[i] = c < 0x80 && isalnum(c) ? (char)change(c) : '_';
    }
    return out;
}

const char *
upper(const char *name)
{
    return changed(name, toupper);
}

const char *
lower(const char *name)
{
    return changed(name, tolower);
}

bool
is_identifier(const char *name)
{
    if (!islower((unsigned char)name[0]))
        return false;
    for (size_t i = 0; name[i] != '\0'; i++)
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) && name[i] != '_')
            return false;
    return strlen(name) < 64;
}

const char *
c_member(const char *name)
{
    static const char *const keywords[] = {
        "asm",      "auto",    "bool",     "break",    "case",     "char",    "const",
        "continue", "default", "do",       "double",   "else",     "enum",    "extern",
        "false",    "float",   "for",      "goto",     "if",       "inline",  "int",
        "linux",    "long",    "register", "restrict", "return",   "short",   "signed",
        "sizeof",   "static",  "struct",   "switch",   "true",     "typedef", "typeof",
        "union",    "unix",    "unsigned", "void",     "volatile", "while",
    };

    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (strcmp(name, keywords[i]) == 0)
            return text("%s_", name);
    return name;
}

const char *
upcast_symbol(const char *module, const message *event)
{
    return text("%s_upcast_%s", module, event->c_name);
}

const char *
domain_of(const char *full_type)
{
    const char *dot = strchr(full_type, '.');

    return text("%.*s", dot == NULL ? 0 : (int)(dot - full_type), full_type);
}

const char *
event_symbol(const char *full_type)
{
    const char *version = strrchr(full_type, '.');
    const char *dot = strchr(full_type, '.');
    int         name = (int)(version - dot - 1);

    if (strcmp(version, ".v1") == 0)
        return text("%s_%.*s_event", domain_of(full_type), name, dot + 1);
    return text("%s_%.*s_%s_event", domain_of(full_type), name, dot + 1, version + 1);
}

const char *
command_symbol(const char *full_type)
{
    return text("%s_%s_command", domain_of(full_type), strchr(full_type, '.') + 1);
}

const char *
canonical(const json_t *json)
{
    char       *dump = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    const char *out;

    BUS_INVARIANT(dump != NULL);
    out = bus_arena_copy(&compiler_memory, dump, strlen(dump)).at;
    free(dump);
    return out;
}
