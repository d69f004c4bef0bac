/* main.c - shina-contract: the schema compiler's command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_MAX 512 /* older versions in one call */

static const char usage[] =
    "Usage: shina-contract generate   --schemas DIR --out DIR [DOMAIN...]\n"
    "       shina-contract openapi    --schemas DIR --out FILE\n"
    "       shina-contract asyncapi   --schemas DIR --out FILE\n"
    "       shina-contract schemas    --schemas DIR --out DIR\n"
    "       shina-contract compatible [--mode BACKWARD|FORWARD|FULL]\n"
    "                                 --old FILE|DIR [--old ...] --new FILE|DIR\n"
    "\n"
    "generate    writes <out>/<domain>.h and .c of these domains or all, and <out>/common.h\n"
    "openapi     writes the OpenAPI 3.1 document of all domains\n"
    "asyncapi    writes the AsyncAPI 3.0 document of all domains\n"
    "schemas     writes one JSON Schema 2020-12 per message\n"
    "compatible  says which events of older contracts (or folders of them, as schemas/ is one)\n"
    "            the new ones cannot read; FORWARD: which of the new ones those who know the\n"
    "            older contracts cannot; FULL: both. Exit 1 if there are any\n";

typedef struct {
    const char   *schemas, *out, *after;
    const char   *before[OLD_MAX];
    int           before_count;
    compatibility mode;
    char        **rest;
    int           rest_count;
} options;

__attribute__((noreturn)) static void
misused(const char *what)
{
    (void)fprintf(stderr, "shina-contract: %s\n%s", what, usage);
    exit(2);
}

static compatibility
mode_named(const char *name)
{
    if (strcmp(name, "BACKWARD") == 0)
        return BACKWARD;
    if (strcmp(name, "FORWARD") == 0)
        return FORWARD;
    if (strcmp(name, "FULL") == 0)
        return FULL;
    misused(text("--mode is BACKWARD, FORWARD or FULL, not %s", name));
}

static options
parse_options(int argc, char **argv)
{
    options o = {.mode = BACKWARD};
    int     i = 2;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (i + 1 == argc)
            misused(text("%s needs a value", argv[i]));
        if (strcmp(argv[i], "--schemas") == 0)
            o.schemas = argv[i + 1];
        else if (strcmp(argv[i], "--out") == 0)
            o.out = argv[i + 1];
        else if (strcmp(argv[i], "--mode") == 0)
            o.mode = mode_named(argv[i + 1]);
        else if (strcmp(argv[i], "--new") == 0)
            o.after = argv[i + 1];
        else if (strcmp(argv[i], "--old") == 0 && o.before_count < OLD_MAX)
            o.before[o.before_count++] = argv[i + 1];
        else
            misused(text("%s is not an option, or there too often", argv[i]));
    }
    o.rest = argv + i;
    o.rest_count = argc - i;
    return o;
}

/* --- writing ------------------------------------------------------------------------------ */

static bool
holds(const char *file, bus_str content)
{
    FILE  *f = fopen(file, "rb");
    char  *old;
    size_t got;
    bool   same;

    if (f == NULL)
        return false;
    old = malloc((size_t)content.len + 1);
    if (old == NULL)
        die(file, "", "no memory");
    got = fread(old, 1, (size_t)content.len + 1, f);
    same = got == content.len && memcmp(old, content.at, got) == 0;
    free(old);
    (void)fclose(f);
    return same;
}

/* Writes the file whole or not at all; leaves it alone if nothing changed, so that several runs
 * side by side may write the same one and make builds no more than they must. */
static void
write_file(const char *file, bus_str content)
{
    const char *part = text("%s.%ld.part", file, (long)getpid());
    FILE       *f;

    if (holds(file, content))
        return;
    f = fopen(part, "wb");
    if (f == NULL)
        die(part, "", "cannot be written: %s", strerror(errno));
    if (fwrite(content.at, 1, content.len, f) != content.len || fflush(f) != 0) {
        int error = errno;

        (void)fclose(f);
        (void)unlink(part);
        die(part, "", "cannot be written: %s", strerror(error));
    }
    if (fclose(f) != 0 || rename(part, file) != 0)
        die(file, "", "cannot be written: %s", strerror(errno));
}

static void
write_json(const char *file, const json_t *json)
{
    char *dump = json_dumps(json, JSON_INDENT(2));

    if (dump == NULL)
        die(file, "", "no memory");
    write_file(file, bus_str_of(text("%s\n", dump)));
    free(dump);
}

static void
make_folder(const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        die(folder, "", "cannot be made: %s", strerror(errno));
}

/* --- verbs ----------------------------------------------------------------------------------- */

static int
load_all(const char *schemas, contract **out)
{
    const char *domains[CONTRACTS_MAX];
    int         count = list_domains(schemas, domains, CONTRACTS_MAX);

    for (int i = 0; i < count; i++)
        out[i] = load_contract(schemas, domains[i]);
    check_all(out, count);
    return count;
}

static void
generate_one(contract *c, const char *out)
{
    bus_buf buf = {0};

    write_header(c, &buf);
    write_file(text("%s/%s.h", out, c->module), bus_buf_str(&buf));
    bus_buf_reset(&buf);
    write_tables(c, &buf);
    write_file(text("%s/%s.c", out, c->module), bus_buf_str(&buf));
    bus_buf_fini(&buf);
}

static void
generate(const options *o)
{
    contract *all[CONTRACTS_MAX];
    int       count = load_all(o->schemas, all);
    bus_buf   buf = {0};

    make_folder(o->out);
    write_common_header(load_common(o->schemas), &buf);
    write_file(text("%s/common.h", o->out), bus_buf_str(&buf));
    bus_buf_fini(&buf);
    for (int i = 0; i < count && o->rest_count == 0; i++)
        generate_one(all[i], o->out);
    for (int n = 0; n < o->rest_count; n++) {
        int i = 0;

        while (i < count && strcmp(o->rest[n], all[i]->module) != 0)
            i++;
        if (i == count)
            die(o->schemas, "", "there is no contract %s", o->rest[n]);
        generate_one(all[i], o->out);
    }
}

static void
write_schemas(const options *o)
{
    contract   *all[CONTRACTS_MAX];
    int         count = load_all(o->schemas, all);
    json_t     *files = schemas_of(all, count);
    const char *name;
    json_t     *value;

    make_folder(o->out);
    json_object_foreach(files, name, value) write_json(text("%s/%s", o->out, name), value);
    json_decref(files);
}

static void
write_openapi(const options *o)
{
    contract *all[CONTRACTS_MAX];
    int       count = load_all(o->schemas, all);
    json_t   *document = openapi_of(all, count, load_common(o->schemas));

    write_json(o->out, document);
    json_decref(document);
}

static void
write_asyncapi(const options *o)
{
    contract *all[CONTRACTS_MAX];
    int       count = load_all(o->schemas, all);
    json_t   *document = asyncapi_of(all, count);

    write_json(o->out, document);
    json_decref(document);
}

/* --- compatible
 * ------------------------------------------------------------------------------------ */

static bool
is_folder(const char *name)
{
    struct stat info;

    if (stat(name, &info) != 0)
        die(name, "", "%s", strerror(errno));
    return S_ISDIR(info.st_mode);
}

/* common.json beside the file, or NULL. */
static json_t *
common_beside(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *common =
        slash == NULL ? "common.json" : text("%.*s/common.json", (int)(slash - file), file);

    return access(common, R_OK) == 0 ? read_json(common) : NULL;
}

static int
compare_files(const char *before, const char *after, compatibility mode)
{
    json_t *old_json = read_json(before), *old_common = common_beside(before);
    json_t *new_json, *new_common;
    int     findings;

    if (access(after, F_OK) != 0 && mode == FORWARD) {
        json_decref(old_json);
        json_decref(old_common);
        return 0; /* nothing of it is written any more */
    }
    if (access(after, F_OK) != 0) {
        (void)printf("%s: /: a published contract may not vanish\n", after);
        json_decref(old_json);
        json_decref(old_common);
        return 1;
    }
    new_json = read_json(after);
    new_common = common_beside(after);
    findings = compare_contracts(old_json, old_common, new_json, new_common, after, mode);
    json_decref(old_json);
    json_decref(old_common);
    json_decref(new_json);
    json_decref(new_common);
    return findings;
}

/* All older versions, not only the last: the log holds events of each. */
static int
compare(const options *o)
{
    const char *domains[CONTRACTS_MAX];
    int         findings = 0;

    for (int i = 0; i < o->before_count; i++) {
        const char *before = o->before[i];
        int         count;

        if (is_folder(before) != is_folder(o->after))
            misused("--old and --new must both be files or both be folders");
        if (!is_folder(before)) {
            findings += compare_files(before, o->after, o->mode);
            continue;
        }
        count = list_domains(before, domains, CONTRACTS_MAX);
        for (int d = 0; d < count; d++)
            findings += compare_files(text("%s/%s.json", before, domains[d]),
                                      text("%s/%s.json", o->after, domains[d]), o->mode);
    }
    return findings;
}

int
main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    options     o = parse_options(argc, argv);
    int         status = 0;

    if (strcmp(verb, "--help") == 0 || strcmp(verb, "help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (strcmp(verb, "compatible") == 0) {
        if (o.before_count == 0 || o.after == NULL)
            misused("compatible needs --old and --new");
        status = compare(&o) > 0 ? 1 : 0;
    } else if (o.schemas == NULL || o.out == NULL)
        misused("--schemas and --out are needed");
    else if (strcmp(verb, "generate") == 0)
        generate(&o);
    else if (strcmp(verb, "openapi") == 0)
        write_openapi(&o);
    else if (strcmp(verb, "asyncapi") == 0)
        write_asyncapi(&o);
    else if (strcmp(verb, "schemas") == 0)
        write_schemas(&o);
    else
        misused(text("there is no verb %s", verb));
    unload_all();
    return status;
}
