/* files_out.c - no file descriptor is left in a shina's process, just when its connections to the
 * database break and new clients come.
 *
 *   TIMES=6 SEED=123 chaos files_out
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/proxy.h"
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/servers.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMES 6
#define THREADS 6
#define PATIENCE_S 60
#define SETTLE_S 120
#define STRANGERS 40 /* clients that connect and say nothing */
#define OUT_MIN_MS 2000
#define OUT_MS 5000
#define CPU_SHARE_MAX 0.9 /* of one core, while it can take nothing: it must not spin */

/* The limit that leaves so many. */
static rlim_t
limit_for(pid_t pid, int left)
{
    char                 path[64];
    DIR                 *dir;
    const struct dirent *entry;
    rlim_t               highest = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    if (dir == NULL)
        chaos_die("%s: %s", path, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        rlim_t fd = strtoul(entry->d_name, NULL, 10);

        if (fd > highest)
            highest = fd;
    }
    (void)closedir(dir);
    return highest + 1 + (rlim_t)left;
}

static void
set_limit(pid_t pid, rlim_t limit, struct rlimit *before)
{
    struct rlimit now;

    if (prlimit(pid, RLIMIT_NOFILE, NULL, &now) != 0)
        chaos_die("prlimit: %s", strerror(errno));
    if (before != NULL)
        *before = now;
    now.rlim_cur = limit;
    if (prlimit(pid, RLIMIT_NOFILE, &now, NULL) != 0)
        chaos_die("prlimit: %s", strerror(errno));
}

static void
connect_strangers(const char *url, int fds[STRANGERS])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    address.sin_port = htons((uint16_t)strtol(strrchr(url, ':') + 1, NULL, 10));
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 ||
            connect(fds[i], (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0)
            chaos_die("a stranger cannot connect: %s", strerror(errno));
    }
}

/* Seconds of CPU that it has used. */
static double
cpu_of(pid_t pid)
{
    char          path[64], text[1024];
    unsigned long user = 0, system = 0;
    FILE         *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f == NULL || fgets(text, sizeof(text), f) == NULL ||
        sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        chaos_die("%s cannot be read", path);
    (void)fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void
run_out(scene *s, proxy *database, uint64_t *random)
{
    pid_t         pid = tests_shina_process_pid(s->shina, 0);
    int           left = (int)chaos_random(random, 4), strangers[STRANGERS];
    long          ms = OUT_MIN_MS + (long)chaos_random(random, OUT_MS);
    struct rlimit before;
    double        cpu;

    set_limit(pid, limit_for(pid, left), &before);
    scene_fault(s, "room for %d more files for %ld ms, with %d strangers", left, ms, STRANGERS);
    connect_strangers(tests_shina_url(s->shina), strangers);
    chaos_pause_ms(ms / 2);
    proxy_reset(database);
    cpu = cpu_of(pid);
    chaos_pause_ms(ms / 2);
    cpu = (cpu_of(pid) - cpu) / ((double)(ms / 2) / 1000);
    chaos_say("it used %.0f %% of a core meanwhile", cpu * 100);
    set_limit(pid, before.rlim_cur, NULL);
    for (int i = 0; i < STRANGERS; i++)
        (void)close(strangers[i]);
    if (cpu > CPU_SHARE_MAX)
        chaos_die("it spins when it has no file left");
    scene_over(s, PATIENCE_S);
}

int
play_files_out(void)
{
    uint64_t      random = chaos_seed(), times = chaos_number("TIMES", TIMES);
    chaos_servers servers;
    char          url[CHAOS_URL_BYTES];
    proxy        *database;
    scene         s;
    int           wrong;

    chaos_servers_start(&servers);
    database = proxy_start(servers.postgres_socket);
    chaos_servers_database_by(&servers, "127.0.0.1", proxy_port(database), url);
    scene_start(&s, url, servers.redis_url);
    scene_load(&s, NULL, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < times; i++) {
        chaos_pause_ms((long)chaos_random(&random, 1000));
        run_out(&s, database, &random);
    }
    if (s.starts != 0)
        chaos_die("shina did not stay up");
    wrong = scene_close(&s, SETTLE_S);
    proxy_stop(database);
    chaos_servers_stop(&servers);
    return wrong == 0 ? 0 : 1;
}
