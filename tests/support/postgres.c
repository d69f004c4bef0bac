/* postgres.c - starting, migrating and stopping a private PostgreSQL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/postgres.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SHINA_SOURCE_DIR
#error "the build names the folder of the sources"
#endif

#define START_SECONDS 60
#define PATH_BYTES 512

struct tests_postgres {
    bool                   ours; /* the server */
    tests_postgres_options options;
    pid_t                  server;
    char                   dir[PATH_BYTES];   /* ours: data and socket */
    char                   admin[PATH_BYTES]; /* URL to make databases with */
    char                   database[64];      /* not ours: to be dropped */
    char                   url[PATH_BYTES];
};

static void
die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)fprintf(stderr, "tests/support/postgres: ");
    (void)vfprintf(stderr, fmt, args);
    (void)fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

/* The newest of Debian's versions, or what is in PATH. */
static void
find_program(const char *name, char out[PATH_BYTES])
{
    const char *bin = getenv("SHINA_PG_BIN");
    char        pattern[PATH_BYTES];
    glob_t      found;

    (void)snprintf(out, PATH_BYTES, "%s", name);
    if (bin != NULL) {
        (void)snprintf(out, PATH_BYTES, "%s/%s", bin, name);
        return;
    }
    (void)snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", name);
    if (glob(pattern, 0, NULL, &found) == 0)
        (void)snprintf(out, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

/* PostgreSQL does not run as root. */
static const struct passwd *
unprivileged(void)
{
    const struct passwd *user = getpwnam("postgres");

    if (user == NULL)
        user = getpwnam("nobody");
    if (user == NULL)
        die("running as root, and there is neither a user postgres nor nobody");
    return user;
}

static void
drop_root(void)
{
    const struct passwd *user;

    if (geteuid() != 0)
        return;
    user = unprivileged();
    if (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        _exit(126);
}

/* Starts a program, as an unprivileged user if `drop`, its output in the file `log`. preload: a
 * library, or NULL. */
static pid_t
start_program(const char *const argv[], bool drop, const char *cwd, const char *log,
              const char *preload)
{
    pid_t pid = fork();
    int   fd;

    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(cwd) != 0)
        _exit(125);
    if (drop)
        drop_root();
    if (preload != NULL && setenv("LD_PRELOAD", preload, 1) != 0)
        _exit(125);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT); /* a server must not outlive its test */
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void
print_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char  line[512];

    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        (void)fputs(line, stderr);
    (void)fclose(file);
}

static void
run_program(const char *const argv[], bool drop, const char *cwd, const char *log)
{
    pid_t pid = start_program(argv, drop, cwd, log, NULL);
    int   status;

    if (waitpid(pid, &status, 0) != pid)
        die("waitpid: %s", strerror(errno));
    if (status != 0) {
        print_file(log);
        die("%s ended with status %d", argv[0], status);
    }
}

static void
make_dir(tests_postgres *pg)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(pg->dir, sizeof(pg->dir), "%.64s/shina-pg-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(pg->dir) == NULL)
        die("cannot make %s: %s", pg->dir, strerror(errno));
    if (geteuid() == 0) {
        const struct passwd *user = unprivileged();

        if (chown(pg->dir, user->pw_uid, user->pw_gid) != 0)
            die("chown %s: %s", pg->dir, strerror(errno));
    }
}

static void
init_data(const tests_postgres *pg)
{
    char initdb[PATH_BYTES], data[PATH_BYTES + 16], log[PATH_BYTES + 16];

    find_program("initdb", initdb);
    (void)snprintf(data, sizeof(data), "%s/data", pg->dir);
    (void)snprintf(log, sizeof(log), "%s/initdb.log", pg->dir);
    run_program((const char *const[]){initdb, "-D", data, "-U", "shina", "--auth=trust",
                                      "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
                                      pg->options.wal == NULL ? NULL : "-X", pg->options.wal, NULL},
                true, pg->dir, log);
}

static void
wait_until_ready(const tests_postgres *pg)
{
    for (int i = 0; i < START_SECONDS * 50; i++) {
        int status;

        if (PQping(pg->admin) == PQPING_OK)
            return;
        if (waitpid(pg->server, &status, WNOHANG) == pg->server)
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    {
        char log[PATH_BYTES + 16];

        (void)snprintf(log, sizeof(log), "%s/server.log", pg->dir);
        print_file(log);
    }
    die("the server in %s does not start", pg->dir);
}

static void
start_server(tests_postgres *pg)
{
    const char *fsync = pg->options.durable ? "fsync=on" : "fsync=off";
    char        postgres[PATH_BYTES], data[PATH_BYTES + 16], log[PATH_BYTES + 16];

    find_program("postgres", postgres);
    (void)snprintf(data, sizeof(data), "%s/data", pg->dir);
    (void)snprintf(log, sizeof(log), "%s/server.log", pg->dir);
    pg->server = start_program(
        (const char *const[]){postgres, "-D", data, "-k", pg->dir, "-c", "listen_addresses=", "-c",
                              fsync, "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB", "-c",
                              "wal_compression=lz4", "-c", "max_connections=200", NULL},
        true, pg->dir, log, pg->options.preload);
    wait_until_ready(pg);
}

static void
run_sql(const char *url, const char *sql)
{
    PGconn   *conn = PQconnectdb(url);
    PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        die("%s: %s", sql, PQerrorMessage(conn));
    PQclear(res);
    PQfinish(conn);
}

static void
migrate(const char *url)
{
    char log[] = "/tmp/shina-migrate-XXXXXX";
    int  fd = mkstemp(log);

    if (fd < 0 || close(fd) != 0 || setenv("SHINA_DATABASE_URL", url, 1) != 0)
        die("cannot prepare sql-migrate: %s", strerror(errno));
    run_program((const char *const[]){"sql-migrate", "up", "-config=migrations/dbconfig.yml", NULL},
                false, SHINA_SOURCE_DIR, log);
    (void)unsetenv("SHINA_DATABASE_URL");
    (void)unlink(log);
}

/* The URL with another database; options such as host stand behind the '?'. */
static void
url_with_database(const char *url, const char *database, char out[PATH_BYTES])
{
    const char *authority = strstr(url, "://"), *slash, *query;

    if (authority == NULL)
        die("SHINA_TEST_DATABASE_URL must be a postgres:// URL");
    slash = strchr(authority + 3, '/');
    query = strchr(url, '?');
    if (slash == NULL || (query != NULL && slash > query))
        slash = query != NULL ? query : url + strlen(url);
    (void)snprintf(out, PATH_BYTES, "%.*s/%s%s", (int)(slash - url), url, database,
                   query == NULL ? "" : query);
}

char *
tests_postgres_database(tests_postgres *pg, const char *name)
{
    char sql[128], url[PATH_BYTES];

    (void)snprintf(sql, sizeof(sql), "create database %.60s", name);
    run_sql(pg->admin, sql);
    url_with_database(pg->admin, name, url);
    migrate(url);
    return strdup(url);
}

tests_postgres *
tests_postgres_start(bool durable)
{
    return tests_postgres_start_with(&(tests_postgres_options){.durable = durable});
}

tests_postgres *
tests_postgres_start_with(const tests_postgres_options *options)
{
    tests_postgres *pg = calloc(1, sizeof(*pg));
    const char     *given = getenv("SHINA_TEST_DATABASE_URL");
    char           *url;

    if (pg == NULL)
        abort();
    pg->options = *options;
    if (given != NULL) {
        (void)snprintf(pg->admin, sizeof(pg->admin), "%s", given);
    } else {
        pg->ours = true;
        make_dir(pg);
        (void)snprintf(pg->admin, sizeof(pg->admin),
                       "postgres://shina@/postgres?host=%.200s&sslmode=disable", pg->dir);
        init_data(pg);
        start_server(pg);
    }
    (void)snprintf(pg->database, sizeof(pg->database), "shina_test_%d", (int)getpid());
    url = tests_postgres_database(pg, pg->database);
    (void)snprintf(pg->url, sizeof(pg->url), "%s", url);
    free(url);
    return pg;
}

const char *
tests_postgres_url(const tests_postgres *pg)
{
    return pg->url;
}

static int
remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void
end_server(tests_postgres *pg, int signal_number)
{
    int status;

    if (pg->server <= 0)
        return;
    (void)kill(pg->server, signal_number);
    (void)waitpid(pg->server, &status, 0);
    pg->server = 0;
}

void
tests_postgres_stop(tests_postgres *pg)
{
    char sql[128];

    if (pg == NULL)
        return;
    if (pg->ours) {
        end_server(pg, SIGINT);
        (void)nftw(pg->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    } else {
        (void)snprintf(sql, sizeof(sql), "drop database %s with (force)", pg->database);
        run_sql(pg->admin, sql);
    }
    free(pg);
}

bool
tests_postgres_crash(tests_postgres *pg)
{
    if (!pg->ours)
        return false;
    end_server(pg, SIGQUIT); /* immediate: no checkpoint, recovery at the next start */
    return true;
}

bool
tests_postgres_has_ended(tests_postgres *pg)
{
    int status;

    if (pg->ours && pg->server > 0 &&
        (waitpid(pg->server, &status, WNOHANG) != 0 || kill(pg->server, 0) != 0))
        pg->server = 0;
    return pg->ours && pg->server == 0;
}

bool
tests_postgres_revive(tests_postgres *pg)
{
    if (!pg->ours)
        return false;
    start_server(pg);
    return true;
}

/* Ticks of a process: its own, and those of children that it has waited for. proc(5). */
static int64_t
ticks_of(const char *pid, pid_t *parent)
{
    char      path[64], line[1024];
    long long user = 0, system = 0, users = 0, systems = 0;
    FILE     *f;
    char     *rest = NULL;
    int       ppid = 0;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    if ((f = fopen(path, "re")) == NULL)
        return 0; /* it is over */
    if (fgets(line, sizeof(line), f) != NULL)
        rest = strrchr(line, ')');
    (void)fclose(f);
    if (rest == NULL ||
        sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld", &ppid,
               &user, &system, &users, &systems) != 5)
        return 0;
    *parent = ppid;
    return user + system + users + systems;
}

/* The server is the parent of who answers us. */
static pid_t
server_of(const char *url)
{
    PGconn *conn = PQconnectdb(url);
    char    backend[16];
    pid_t   server = 0;

    (void)snprintf(backend, sizeof(backend), "%d", PQbackendPID(conn));
    if (PQstatus(conn) != CONNECTION_OK || ticks_of(backend, &server) < 0 || server <= 1)
        die("%s: %s", url, PQerrorMessage(conn));
    PQfinish(conn);
    return server;
}

int64_t
tests_postgres_cpu_us(const tests_postgres *pg)
{
    const pid_t    server = server_of(pg->url);
    int64_t        ticks = 0;
    DIR           *all = opendir("/proc");
    struct dirent *entry;

    if (all == NULL)
        die("/proc: %s", strerror(errno));
    while ((entry = readdir(all)) != NULL) {
        pid_t   parent = 0;
        int64_t own = ticks_of(entry->d_name, &parent);

        if (parent == server || strtol(entry->d_name, NULL, 10) == server)
            ticks += own;
    }
    (void)closedir(all);
    return ticks * 1000000 / sysconf(_SC_CLK_TCK);
}
