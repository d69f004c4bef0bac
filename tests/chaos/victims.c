/* victims.c - finding processes in /proc, killing and reaping them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/victims.h"
#include "tests/chaos/say.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 1024
#define GONE_TRIES 1000 /* of 10 ms */

const char *const victim_names[VICTIM_COUNT] = {
    [VICTIM_SHINA] = "shina",         [VICTIM_BOTH] = "shina and PostgreSQL",
    [VICTIM_POSTGRES] = "PostgreSQL", [VICTIM_POSTMASTER] = "the postmaster",
    [VICTIM_BACKEND] = "a backend",   [VICTIM_REDIS] = "Redis",
};

typedef struct {
    pid_t pids[PROCESSES_MAX];
    int   count;
} group;

/* --- finding ------------------------------------------------------------------------------- */

/* The parent of a process, and its state: 'R', 'S', 'Z'...; 0: there is no such process. */
static pid_t
parent_of(pid_t pid, char *state)
{
    char  path[64], text[512];
    FILE *f;
    char *after_name;
    long  parent = 0;

    *state = '?';
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(text, sizeof(text), f) != NULL && (after_name = strrchr(text, ')')) != NULL) {
        *state = after_name[2]; /* ") S 123" */
        parent = strtol(after_name + 4, NULL, 10);
    }
    (void)fclose(f);
    return (pid_t)parent;
}

char
victims_state(pid_t pid)
{
    char state;

    (void)parent_of(pid, &state);
    return state;
}

/* Adds all children of a process. */
static void
add_children(group *g, pid_t parent)
{
    DIR                 *proc = opendir("/proc");
    const struct dirent *entry;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        char  state;

        if (pid > 0 && g->count < PROCESSES_MAX && parent_of(pid, &state) == parent)
            g->pids[g->count++] = pid;
    }
    if (proc != NULL)
        (void)closedir(proc);
}

static pid_t
pid_in(const tests_shina *shina, const char *file)
{
    char  path[1200];
    FILE *f;
    long  pid = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", tests_shina_home(shina), file);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld", &pid) != 1)
        pid = 0;
    (void)fclose(f);
    return pid > 0 && kill((pid_t)pid, 0) == 0 ? (pid_t)pid : 0;
}

pid_t
victims_postmaster(const tests_shina *shina)
{
    return pid_in(shina, "postgres/postmaster.pid");
}

pid_t
victims_redis(const tests_shina *shina)
{
    return pid_in(shina, "run/redis.pid");
}

/* --- reaping --------------------------------------------------------------------------------- */

static bool
is_server(pid_t pid)
{
    char  path[64], name[32] = "";
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    if (fgets(name, sizeof(name), f) == NULL)
        name[0] = '\0';
    (void)fclose(f);
    return strcmp(name, "postgres\n") == 0 || strcmp(name, "redis-server\n") == 0;
}

/* Does what init does: servers that lost their parent to a kill end as our children. And when the
 * test itself is told to end, nothing is left of it. */
static void *
reap(void *context)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    const sigset_t       *signals = context;

    for (;;) {
        group g = {0};

        if (sigtimedwait(signals, NULL, &pause) > 0)
            chaos_die("told to end");

        add_children(&g, getpid());
        for (int i = 0; i < g.count; i++) {
            char state;

            if (parent_of(g.pids[i], &state) == getpid() && state == 'Z' && is_server(g.pids[i]))
                (void)waitpid(g.pids[i], NULL, WNOHANG);
        }
    }
    return NULL;
}

/* --- killing --------------------------------------------------------------------------------- */

/* Gone, also from the table of processes: whoever was its parent. */
static bool
is_gone(pid_t pid)
{
    (void)waitpid(pid, NULL, WNOHANG);
    return kill(pid, 0) != 0 && errno == ESRCH;
}

static void
wait_until_gone(const group *g)
{
    for (int i = 0; i < g->count; i++) {
        char state;
        int  tries = 0;

        while (!is_gone(g->pids[i])) {
            if (++tries > GONE_TRIES)
                chaos_die("process %d, child of %d, does not go away", (int)g->pids[i],
                          (int)parent_of(g->pids[i], &state));
            chaos_pause_ms(10);
        }
    }
}

static void
kill_group(const group *g)
{
    for (int i = 0; i < g->count; i++)
        (void)kill(g->pids[i], SIGKILL);
}

/* Every process of shina. */
static void
kill_processes(tests_shina *shina)
{
    for (int i = 0; i < tests_shina_processes(shina); i++)
        if (!tests_shina_has_ended(shina, i))
            tests_shina_kill(shina, i);
}

static bool
kill_postgres(tests_shina *shina, bool with_shina)
{
    group g = {0};
    pid_t postmaster = victims_postmaster(shina);

    if (postmaster != 0) {
        (void)kill(postmaster, SIGSTOP); /* starts no more children */
        g.pids[g.count++] = postmaster;
        add_children(&g, postmaster);
    }
    if (with_shina)
        kill_processes(shina);
    kill_group(&g);
    wait_until_gone(&g);
    return postmaster != 0;
}

/* The postmaster first: stopped, it starts no more children. */
bool
victims_signal_postgres(const tests_shina *shina, int signal_number)
{
    group g = {.count = 1};

    g.pids[0] = victims_postmaster(shina);
    if (g.pids[0] == 0 || kill(g.pids[0], signal_number) != 0)
        return false;
    add_children(&g, g.pids[0]);
    for (int i = 1; i < g.count; i++)
        (void)kill(g.pids[i], signal_number);
    return true;
}

static bool
kill_postmaster(const tests_shina *shina)
{
    group g = {.count = 1};

    g.pids[0] = victims_postmaster(shina);
    if (g.pids[0] == 0)
        return false;
    add_children(&g, g.pids[0]);
    (void)kill(g.pids[0], SIGKILL);
    wait_until_gone(&(group){.pids = {g.pids[0]}, .count = 1});
    return true;
}

static bool
kill_backend(const tests_shina *shina, uint64_t random)
{
    group g = {0};
    pid_t postmaster = victims_postmaster(shina);

    if (postmaster != 0)
        add_children(&g, postmaster);
    return g.count > 0 && kill(g.pids[random % (uint64_t)g.count], SIGKILL) == 0;
}

bool
victims_kill(tests_shina *shina, victim who, uint64_t random)
{
    group g = {.count = 1};

    switch (who) {
    case VICTIM_SHINA: kill_processes(shina); return true;
    case VICTIM_BOTH: return kill_postgres(shina, true);
    case VICTIM_POSTGRES: return kill_postgres(shina, false);
    case VICTIM_POSTMASTER: return kill_postmaster(shina);
    case VICTIM_BACKEND: return kill_backend(shina, random);
    case VICTIM_REDIS:
        g.pids[0] = victims_redis(shina);
        if (g.pids[0] == 0)
            return false;
        kill_group(&g);
        wait_until_gone(&g);
        return true;
    case VICTIM_COUNT: break;
    }
    abort();
}

/* --- the end -----------------------------------------------------------------------------------
 */

void
victims_end_all(void)
{
    for (int rounds = 0; rounds < 100; rounds++) {
        group g = {0};

        add_children(&g, getpid());
        if (g.count == 0)
            return;
        kill_group(&g);
        for (int i = 0; i < g.count; i++)
            (void)waitpid(g.pids[i], NULL, 0);
    }
}

void
victims_begin(void)
{
    static sigset_t signals;
    pthread_t       reaper;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* of all threads to come */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        chaos_die("prctl: %s", strerror(errno));
    if (pthread_create(&reaper, NULL, reap, &signals) != 0)
        chaos_die("no thread to reap");
    (void)pthread_detach(reaper);
    chaos_at_death(victims_end_all);
}
