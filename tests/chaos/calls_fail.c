/* calls_fail.c - calls of the C library fail in a shina's process, by libfiu: memory, reading and
 * writing, syncing, sockets. The process may die of it, with a word in its log; it must not lie.
 *
 *   CALLS=6 SEED=123 chaos no_memory
 *
 * The process is started anew with libfiu before it and works; then failures are switched on for a
 * while, by libfiu's own pipe, and off. Its servers are the test's own, which nothing happens to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/servers.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIU_RUN "/usr/lib/fiu/fiu_run_preload.so"
#define FIU_POSIX "/usr/lib/fiu/fiu_posix_preload.so"
#define CALLS 8
#define THREADS 6
#define PATIENCE_S 90
#define SETTLE_S 120
#define REPLY_MS 2000
#define FAILING_MIN_MS 1500
#define FAILING_MS 3000
#define WORD_BYTES 400

/* What fails: names of libfiu, how often, with which errno (0: any that the call has). */
typedef struct {
    const char *points, *probability;
    int         number;
} failing;

static const failing memory[] = {
    {"libc/mm/malloc", "0.0001", ENOMEM}, {"libc/mm/*", "0.001", ENOMEM},
    {"libc/mm/calloc", "0.01", ENOMEM},   {"libc/mm/realloc", "0.01", ENOMEM},
    {"posix/mm/mmap", "0.3", ENOMEM},     {"libc/str/*", "0.02", ENOMEM},
};
/* Not send: libpq takes the failure of a send on a connection that lives for the death of it, and
 * waits for an end that never comes. */
static const failing calls[] = {
    {"posix/io/net/recv", "0.01", 0},      {"posix/io/net/poll", "0.005", ENOMEM},
    {"posix/io/rw/*", "0.002", EIO},       {"posix/io/sync/*", "0.5", EIO},
    {"posix/io/oc/open", "0.5", EMFILE},   {"posix/io/net/connect", "0.5", ENETUNREACH},
    {"posix/io/rw/write", "0.01", ENOSPC}, {"posix/io/net/accept", "0.5", ENFILE},
};

/* --- libfiu's pipe ---------------------------------------------------------------------------- */

/* Tells a process what is to fail. False: it does not listen any more. */
static bool
tell(const char *prefix, pid_t pid, const char *command)
{
    char          in[128], out[128], reply[32];
    int           in_fd, out_fd;
    ssize_t       len = (ssize_t)strlen(command);
    bool          told;
    struct pollfd answer;

    (void)snprintf(in, sizeof(in), "%s-%d.in", prefix, (int)pid);
    (void)snprintf(out, sizeof(out), "%s-%d.out", prefix, (int)pid);
    in_fd = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* RDWR: does not wait for the other end */
    out_fd = open(out, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    answer = (struct pollfd){.fd = out_fd, .events = POLLIN};
    told = in_fd >= 0 && out_fd >= 0 && write(in_fd, command, (size_t)len) == len &&
           poll(&answer, 1, REPLY_MS) == 1 && read(out_fd, reply, sizeof(reply)) > 0 &&
           reply[0] == '0';
    if (in_fd >= 0)
        (void)close(in_fd);
    if (out_fd >= 0)
        (void)close(out_fd);
    return told;
}

/* Also those of what the process started. */
static void
remove_pipes(const char *prefix)
{
    char   pattern[128];
    glob_t found;

    (void)snprintf(pattern, sizeof(pattern), "%s-*", prefix);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            (void)unlink(found.gl_pathv[i]);
    globfree(&found);
}

/* --- a process under it ------------------------------------------------------------------------
 */

static pid_t
start_under_fiu(scene *s, int process, const char *prefix)
{
    char              fifo[128];
    const char *const variables[] = {"LD_PRELOAD=" FIU_RUN ":" FIU_POSIX, fifo, NULL};

    (void)snprintf(fifo, sizeof(fifo), "FIU_CTRL_FIFO=%s", prefix);
    if (!tests_shina_has_ended(s->shina, process))
        tests_shina_kill(s->shina, process);
    tests_shina_restart_in(s->shina, process, variables);
    scene_wait_ready(s);
    scene_wait_acknowledged(s, 20, PATIENCE_S);
    return tests_shina_process_pid(s->shina, process);
}

static long
log_bytes(const scene *s, int process)
{
    char        path[1200];
    struct stat log;

    tests_shina_log_path(s->shina, process, path);
    return stat(path, &log) == 0 ? (long)log.st_size : 0;
}

/* The first line on why it ended in its log, from a place on. */
static void
last_word(const scene *s, int process, long from, char out[WORD_BYTES])
{
    char  path[1200], line[1024];
    FILE *f;

    tests_shina_log_path(s->shina, process, path);
    out[0] = '\0';
    f = fopen(path, "re");
    if (f != NULL && fseek(f, from, SEEK_SET) != 0)
        chaos_die("%s: %s", path, strerror(errno));
    while (f != NULL && out[0] == '\0' && fgets(line, sizeof(line), f) != NULL)
        if (line[0] != '{' && line[0] != '\n')
            (void)snprintf(out, WORD_BYTES, "%.*s", (int)strcspn(line, "\n"), line);
    if (f != NULL)
        (void)fclose(f);
}

static bool
died_without_word(scene *s, int process, long from)
{
    char word[WORD_BYTES];

    last_word(s, process, from, word);
    chaos_say("%s died with status 0x%x: %s", tests_shina_process_name(s->shina, process),
              (unsigned)tests_shina_end_status(s->shina, process), word);
    return word[0] == '\0';
}

/* Fails for a while. The number of deaths of which its log says nothing. */
static int
fail_for_a_while(scene *s, uint64_t *random, const failing *what, const char *prefix)
{
    int   count = tests_shina_processes(s->shina);
    int   process = count == 1 ? 0 : 1 + (int)chaos_random(random, (uint64_t)count - 1);
    pid_t pid = start_under_fiu(s, process, prefix);
    long  from = log_bytes(s, process);
    char  command[160];
    int   silent = 0;

    (void)snprintf(command, sizeof(command), "enable_random name=%s,probability=%s,failinfo=%d\n",
                   what->points, what->probability, what->number);
    scene_fault(s, "%s of %s fails, %s of all", what->points,
                tests_shina_process_name(s->shina, process), what->probability);
    if (!tell(prefix, pid, command) && !tests_shina_has_ended(s->shina, process))
        chaos_die("libfiu does not take: %s", command);
    for (long ms = FAILING_MIN_MS + (long)chaos_random(random, FAILING_MS);
         ms > 0 && !tests_shina_has_ended(s->shina, process); ms -= 10)
        chaos_pause_ms(10);
    if (tests_shina_has_ended(s->shina, process)) {
        silent = died_without_word(s, process, from);
    } else {
        (void)snprintf(command, sizeof(command), "disable name=%s\n", what->points);
        if (!tell(prefix, pid, command) && !tests_shina_has_ended(s->shina, process)) {
            chaos_say("libfiu's thread died of it: the process is killed");
            tests_shina_kill(s->shina, process);
        }
    }
    scene_over(s, PATIENCE_S);
    return silent;
}

static int
play(const failing *kinds, size_t count)
{
    uint64_t      random = chaos_seed(), rounds = chaos_number("CALLS", CALLS);
    chaos_servers servers;
    scene         s;
    char          prefix[64];
    uint64_t      only = chaos_number("KIND", count); /* of them, else in turn */
    int           silent = 0, wrong;

    if (access(FIU_POSIX, R_OK) != 0) {
        chaos_say("SKIPPED: there is no libfiu");
        return PLAY_SKIPPED;
    }
    (void)snprintf(prefix, sizeof(prefix), "/tmp/shina-fiu-%d", (int)getpid());
    chaos_servers_start(&servers);
    scene_start(&s, servers.database_url, servers.redis_url);
    scene_load(&s, NULL, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < rounds; i++)
        silent += fail_for_a_while(&s, &random, &kinds[only < count ? only : i % count], prefix);
    wrong = scene_close(&s, SETTLE_S);
    remove_pipes(prefix);
    chaos_servers_stop(&servers);
    if (silent > 0)
        chaos_say("WRONG: %d processes died without a word", silent);
    return wrong == 0 && silent == 0 ? 0 : 1;
}

int
play_no_memory(void)
{
    return play(memory, sizeof(memory) / sizeof(memory[0]));
}

int
play_bad_calls(void)
{
    return play(calls, sizeof(calls) / sizeof(calls[0]));
}
