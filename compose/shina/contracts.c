/* contracts.c - `shina contracts check`: may the contracts of schemas/ follow those that were
 * published before?
 *
 * git gives the older versions, shina-contract (bus/contract/compiler) compares. Nothing of the
 * work tree is touched.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/base/str.h"
#include "compose/shina/verbs.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSIONS_MAX 512
#define PATH_BYTES 1024
#define TOOL "shina-contract"

extern char **environ;

typedef struct {
    const char *schemas, *against, *mode; /* mode: as shina-contract knows it */
    bool        transitive;
    char        scratch[256];          /* empty: none was made */
    char       *folders[VERSIONS_MAX]; /* of older contracts; owned, as are their names */
    char       *names[VERSIONS_MAX];
    int         count;
} check;

/* --- other programs ----------------------------------------------------------------------- */

/* Runs it to its end; its exit code, or -1: it cannot be run. out: what it printed; NULL: it prints
 * where we do. */
static int
run(const char *const *argv, bus_buf *out)
{
    posix_spawn_file_actions_t actions;
    int                        ends[2] = {-1, -1}, status = -1;
    char                       bytes[4096];
    pid_t                      pid;
    ssize_t                    got;
    bool                       spawned;

    (void)fflush(stdout);
    if (out != NULL && pipe(ends) != 0)
        return -1;
    if (posix_spawn_file_actions_init(&actions) != 0)
        abort();
    if (out != NULL && (posix_spawn_file_actions_adddup2(&actions, ends[1], 1) != 0 ||
                        posix_spawn_file_actions_addclose(&actions, ends[0]) != 0))
        abort();
    spawned =
        posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    if (out != NULL)
        (void)close(ends[1]);
    while (out != NULL && (got = read(ends[0], bytes, sizeof(bytes))) > 0)
        bus_buf_add(out, bytes, (size_t)got);
    if (out != NULL)
        (void)close(ends[0]);
    if (!spawned || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

/* shina-contract beside us, else in the build that made us, else wherever the shell finds it. */
static const char *
tool(char path[PATH_BYTES])
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_BYTES - sizeof(TOOL) - 2);
    char   *slash;

    if (len > 0) {
        path[len] = '\0';
        slash = strrchr(path, '/');
        memcpy(slash + 1, TOOL, sizeof(TOOL));
        if (access(path, X_OK) == 0)
            return path;
    }
    (void)snprintf(path, PATH_BYTES, "%s", SHINA_CONTRACT_TOOL);
    return access(path, X_OK) == 0 ? path : TOOL;
}

/* --- older versions ------------------------------------------------------------------------- */

static bool
is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Has it any contract? One that is named by mistake would break nothing. */
static bool
has_contracts(const char *folder)
{
    char   pattern[PATH_BYTES];
    glob_t found = {0};
    bool   any;

    (void)snprintf(pattern, sizeof(pattern), "%.1000s/*.json", folder);
    any = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;
    globfree(&found);
    return any;
}

static void
add_version(check *c, const char *name, const char *folder)
{
    BUS_INVARIANT(c->count < VERSIONS_MAX);
    c->names[c->count] = strdup(name);
    c->folders[c->count] = strdup(folder);
    if (c->names[c->count] == NULL || c->folders[c->count] == NULL)
        abort();
    c->count++;
}

/* Takes the folder of the contracts out of a revision. False: it is not there. */
static bool
extract(check *c, const char *revision)
{
    char              folder[PATH_BYTES], file[PATH_BYTES];
    const char *const archive[] = {"git", "-C", c->schemas, "archive", "--format=tar",
                                   "-o",  file, revision,   NULL};
    const char *const unpack[] = {"tar", "-xf", file, "-C", folder, NULL};

    (void)snprintf(folder, sizeof(folder), "%s/%d", c->scratch, c->count);
    (void)snprintf(file, sizeof(file), "%s/%d.tar", c->scratch, c->count);
    if (mkdir(folder, 0700) != 0 || run(archive, NULL) != 0 || run(unpack, NULL) != 0)
        return false;
    add_version(c, revision, folder);
    return true;
}

/* Tags that the revision comes from: what was published before it. Those from before there were
 * contracts are passed over. */
static bool
extract_tags(check *c)
{
    const char *const list[] = {"git", "-C", c->schemas, "tag", "--merged", c->against, NULL};
    bus_buf           tags = {0};
    char             *rest, *tag;
    bool              done = run(list, &tags) == 0;

    bus_buf_add_char(&tags, '\0');
    rest = tags.at;
    while (done && (tag = strsep(&rest, "\n")) != NULL) {
        bus_buf           found = {0};
        char              tree[PATH_BYTES];
        const char *const look[] = {"git", "-C", c->schemas, "ls-tree", tree, ".", NULL};

        if (*tag == '\0' || strcmp(tag, c->against) == 0)
            continue;
        (void)snprintf(tree, sizeof(tree), "%s", tag);
        done = run(look, &found) == 0 && c->count < VERSIONS_MAX &&
               (found.len == 0 || extract(c, tag));
        bus_buf_fini(&found);
    }
    bus_buf_fini(&tags);
    return done;
}

static int
find_versions(check *c)
{
    char              commit[PATH_BYTES];
    const char *const verify[] = {"git",      "-C",      c->schemas, "rev-parse",
                                  "--verify", "--quiet", commit,     NULL};
    const char       *tmp = getenv("TMPDIR");
    bus_buf           ignored = {0};
    int               status;

    if (is_folder(c->against)) {
        if (!has_contracts(c->against)) {
            (void)fprintf(stderr, "shina: --against: there are no contracts in %s\n", c->against);
            return 2;
        }
        add_version(c, c->against, c->against);
        return 0;
    }
    if (c->against[0] == '-') {
        (void)fprintf(stderr, "shina: --against: %s is neither a folder nor a revision\n",
                      c->against);
        return 2;
    }
    (void)snprintf(commit, sizeof(commit), "%s^{commit}", c->against);
    status = run(verify, &ignored);
    bus_buf_fini(&ignored);
    if (status != 0) {
        (void)fprintf(stderr,
                      status < 0 || status == 127
                          ? "shina: git is needed to look for %s, and is not there\n"
                          : "shina: --against: %s is no folder, and no revision of the repository "
                            "of the contracts (a shallow clone has few)\n",
                      c->against);
        return 2;
    }
    (void)snprintf(c->scratch, sizeof(c->scratch), "%.200s/shina-contracts-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(c->scratch) == NULL) {
        c->scratch[0] = '\0';
        (void)fprintf(stderr, "shina: no folder for older contracts: %s\n", strerror(errno));
        return 2;
    }
    if (!extract(c, c->against) || (c->transitive && !extract_tags(c))) {
        (void)fprintf(stderr, "shina: the contracts of %s cannot be read from git\n", c->against);
        return 2;
    }
    return 0;
}

/* --- the comparison ------------------------------------------------------------------------- */

static int
compare(const check *c)
{
    char         path[PATH_BYTES];
    const char **argv = calloc(2 * (size_t)c->count + 8, sizeof(*argv));
    int          count = 0, status;

    if (argv == NULL)
        abort();
    argv[count++] = tool(path);
    argv[count++] = "compatible";
    argv[count++] = "--mode";
    argv[count++] = c->mode;
    for (int i = 0; i < c->count; i++) {
        argv[count++] = "--old";
        argv[count++] = c->folders[i];
    }
    argv[count++] = "--new";
    argv[count++] = c->schemas;
    status = run(argv, NULL);
    free(argv);
    if (status != 0 && status != 1) {
        (void)fprintf(stderr, "shina: " TOOL " did not compare the contracts\n");
        return 2;
    }
    (void)printf("%s: %s against", status == 0 ? "nothing is broken" : "broken", c->mode);
    for (int i = 0; i < c->count; i++)
        (void)printf("%s %s", i > 0 ? "," : "", c->names[i]);
    (void)putchar('\n');
    if (status == 1)
        (void)puts("A published event keeps its schema: publish the next version beside it, as in "
                   "departed.v2, and an upcaster from the old one (schemas/README.md).");
    return status;
}

static int
remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static void
finish(check *c)
{
    for (int i = 0; i < c->count; i++) {
        free(c->names[i]);
        free(c->folders[i]);
    }
    if (c->scratch[0] != '\0')
        (void)nftw(c->scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
take_mode(check *c, const char *mode)
{
    static const char *const modes[] = {"BACKWARD", "FORWARD", "FULL"};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        size_t len = strlen(modes[i]);

        if (strncmp(mode, modes[i], len) != 0)
            continue;
        c->mode = modes[i];
        c->transitive = strcmp(mode + len, "_TRANSITIVE") == 0;
        return c->transitive || mode[len] == '\0';
    }
    return false;
}

int
verb_contracts(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--against=", "--mode=", "--schemas=", NULL};
    check                    c = {.schemas = SHINA_SOURCE_DIR "/schemas"};
    const char              *mode = "BACKWARD_TRANSITIVE";
    int                      status;

    (void)config;
    if (!options_known(argc, argv, known, 1))
        return 2;
    if (word_of(argc, argv, known, 0) == NULL ||
        strcmp(word_of(argc, argv, known, 0), "check") != 0) {
        (void)fprintf(stderr,
                      "shina contracts: check is what it can do. See shina help contracts\n");
        return 2;
    }
    c.against = option_of(argc, argv, "--against");
    if (option_of(argc, argv, "--schemas") != NULL)
        c.schemas = option_of(argc, argv, "--schemas");
    if (option_of(argc, argv, "--mode") != NULL)
        mode = option_of(argc, argv, "--mode");
    if (!is_folder(c.schemas)) {
        (void)fprintf(stderr, "shina: --schemas: there is no folder %s\n", c.schemas);
        return 2;
    }
    if (c.against == NULL || !take_mode(&c, mode)) {
        (void)fprintf(stderr,
                      "shina: contracts check needs --against REVISION-OR-FOLDER; --mode is "
                      "BACKWARD, FORWARD or FULL, alone or with _TRANSITIVE\n");
        return 2;
    }
    status = find_versions(&c);
    if (status == 0)
        status = compare(&c);
    finish(&c);
    return status;
}
