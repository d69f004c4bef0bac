/* servers.c - starting, adopting, watching and stopping PostgreSQL and Redis.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/servers.h"
#include "bus/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES (HOME_PATH_BYTES + 64)
#define START_SECONDS 60
#define STOP_SECONDS 60
#define STARTS_MAX 30      /* of one that ends at once */
#define START_PAUSE_MS 300 /* between them */
#define BUFFERS_MAX_MB 1024

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

#define KEPT_MAX 1024 /* of the environment; what is beyond is left out, too */

/* The newest of Debian's versions, or what is in PATH. */
static void
find_program(const char *name, char out[PATH_BYTES])
{
    char   pattern[PATH_BYTES];
    glob_t found;

    (void)snprintf(out, PATH_BYTES, "%s", name);
    (void)snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", name);
    if (glob(pattern, 0, NULL, &found) == 0)
        (void)snprintf(out, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

void
shina_fresh_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
}

/* Without a lock: another thread may have held that of setenv(). */
void
shina_forget_environment(void)
{
    static char *kept[KEPT_MAX + 1];
    int          count = 0;

    for (char **at = environ; at != NULL && *at != NULL && count < KEPT_MAX; at++)
        if (strncmp(*at, "SHINA_", 6) != 0)
            kept[count++] = *at;
    kept[count] = NULL;
    environ = kept;
}

/* Starts argv as the unprivileged user in a session of its own, output to log. -1: no process. */
static pid_t
spawn(const shina_home *home, const char *const argv[], const char *log)
{
    pid_t pid = fork();
    int   fd;

    if (pid != 0)
        return pid;
    shina_fresh_signals();
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 || setsid() < 0)
        _exit(125);
    shina_home_drop_root(home);
    shina_forget_environment();
    if (chdir(home->data) != 0)
        _exit(125);
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* --- one server ------------------------------------------------------------------------- */

static void
look_after(shina_server *server, pid_t pid)
{
    if (server->pid > 0 && server->fd >= 0)
        (void)close(server->fd);
    server->pid = pid > 0 ? pid : 0;
    server->fd = pid > 0 ? pidfd_open(pid, 0) : -1;
}

/* Waits so long for its end. True: it has ended, or does not run. A zombie has ended: an adopted
 * one is another's child, who may never ask for it. */
static bool
has_ended(shina_server *server, int wait_ms)
{
    struct pollfd ends = {.fd = server->fd, .events = POLLIN};

    if (server->pid == 0)
        return true;
    if (server->fd >= 0) {
        if (poll(&ends, 1, wait_ms) < 1)
            return false;
    } else {
        for (; kill(server->pid, 0) == 0; wait_ms -= 20) {
            if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
                break;
            if (wait_ms <= 0)
                return false;
            pause_ms(20);
        }
    }
    (void)waitpid(server->pid, NULL, WNOHANG); /* if it is our child */
    look_after(server, 0);
    return true;
}

/* The first line of a pid file; 0: none. */
static pid_t
pid_in(const char *path)
{
    FILE *f = fopen(path, "re");
    long  pid = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld", &pid) != 1)
        pid = 0;
    (void)fclose(f);
    return (pid_t)pid;
}

/* Looks after one that others have started. Only one of the servers' user, who writes these files:
 * we may be root, and end whom they name. */
static void
adopt(shina_server *server, const shina_home *home, const char *pid_path)
{
    char        process[32];
    struct stat whose;

    look_after(server, pid_in(pid_path));
    (void)snprintf(process, sizeof(process), "/proc/%ld", (long)server->pid);
    if (server->pid > 0 && (stat(process, &whose) != 0 || whose.st_uid != home->uid)) {
        bus_log_warn("servers.not_adopted", BUS_KV("file", pid_path),
                     BUS_KV_INT("pid", server->pid));
        look_after(server, 0);
    }
}

static void
end_server(shina_server *server, int signal_number)
{
    pid_t pid = server->pid;

    if (has_ended(server, 0) || kill(pid, signal_number) != 0)
        return;
    if (!has_ended(server, STOP_SECONDS * 1000))
        bus_log_warn("servers.slow_to_stop", BUS_KV_INT("pid", pid));
}

static void
log_path(const shina_home *home, const char *name, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/log/%s", home->dir, name);
}

/* --- URLs ------------------------------------------------------------------------------- */

/* RFC 3986: everything but unreserved characters and '/' is escaped. */
static void
escape(const char *path, char *out, size_t room)
{
    size_t used = 0;

    for (; *path != '\0' && used + 4 < room; path++) {
        unsigned char c = (unsigned char)*path;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~/", c) != NULL;

        used += (size_t)snprintf(out + used, room - used, plain ? "%c" : "%%%02X", c);
    }
    out[used] = '\0';
}

static void
embedded_url(const shina_home *home, const char *database, char out[SERVER_URL_BYTES])
{
    char host[SERVER_URL_BYTES / 2];

    escape(home->run, host, sizeof(host));
    (void)snprintf(out, SERVER_URL_BYTES, "postgres://shina@/%s?host=%s&sslmode=disable", database,
                   host);
}

void
shina_servers_urls(shina_servers *servers, const shina_home *home, const bus_config *config)
{
    const char *database = bus_config_text(config, "SHINA_DATABASE_URL");
    const char *redis = bus_config_text(config, "SHINA_REDIS_URL");

    *servers = (shina_servers){.home = home, .postgres = database == NULL, .redis = redis == NULL};
    if (database != NULL)
        (void)snprintf(servers->database_url, sizeof(servers->database_url), "%s", database);
    else
        embedded_url(home, "shina", servers->database_url);
    if (redis != NULL)
        (void)snprintf(servers->redis_url, sizeof(servers->redis_url), "%s", redis);
    else
        (void)snprintf(servers->redis_url, sizeof(servers->redis_url), "unix:%s/redis.sock",
                       home->run);
}

/* --- PostgreSQL ----------------------------------------------------------------------------- */

/* A quarter of memory, up to 1 GB. */
static long
buffers_mb(void)
{
    long mb = sysconf(_SC_PHYS_PAGES) / 4 * (sysconf(_SC_PAGESIZE) / 1024) / 1024;

    return mb > BUFFERS_MAX_MB ? BUFFERS_MAX_MB : mb < 32 ? 32 : mb;
}

static bus_code
run_initdb(const shina_home *home, const char *data, bus_error *err)
{
    char  initdb[PATH_BYTES], log[PATH_BYTES];
    pid_t pid;
    int   status;

    find_program("initdb", initdb);
    log_path(home, "initdb.log", log);
    if (mkdir(data, 0700) != 0 && errno != EEXIST)
        return bus_fail(err, BUS_INVALID, "cannot make %.150s: %s", data, strerror(errno));
    if (geteuid() == 0 && chown(data, home->uid, home->gid) != 0)
        return bus_fail(err, BUS_INVALID, "chown %.150s: %s", data, strerror(errno));
    pid = spawn(home,
                (const char *const[]){initdb, "-D", data, "-U", "shina", "--auth=peer",
                                      "--auth-local=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                                      "--data-checksums", NULL},
                log);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return bus_fail(err, BUS_UNAVAILABLE, "initdb failed; see %.150s", log);
    return BUS_OK;
}

static pid_t
start_postgres(const shina_home *home)
{
    char postgres[PATH_BYTES], data[PATH_BYTES], log[PATH_BYTES], buffers[64];

    find_program("postgres", postgres);
    (void)snprintf(data, sizeof(data), "%s/postgres", home->data);
    (void)snprintf(buffers, sizeof(buffers), "shared_buffers=%ldMB", buffers_mb());
    log_path(home, "postgres.log", log);
    return spawn(home,
                 (const char *const[]){postgres,
                                       "-D",
                                       data,
                                       "-k",
                                       home->run,
                                       "-c",
                                       "listen_addresses=",
                                       "-c",
                                       buffers,
                                       "-c",
                                       "max_wal_size=8GB",
                                       "-c",
                                       "checkpoint_timeout=15min",
                                       "-c",
                                       "wal_compression=lz4",
                                       "-c",
                                       "max_connections=400",
                                       "-c",
                                       "log_min_messages=fatal",
                                       NULL},
                 log);
}

static bus_code
make_data(const shina_home *home, void (*say)(const char *what), bus_error *err)
{
    char data[PATH_BYTES], version[PATH_BYTES + 16];

    (void)snprintf(data, sizeof(data), "%s/postgres", home->data);
    (void)snprintf(version, sizeof(version), "%s/PG_VERSION", data);
    if (access(version, F_OK) == 0)
        return BUS_OK;
    say("making a PostgreSQL of our own");
    return run_initdb(home, data, err);
}

/* Until it answers. One that is there is waited for, be it recovering from a crash or stopping. One
 * that ends at once is started again for a while: after a crash of its postmaster alone, the old
 * backends hold its memory until each has noticed. */
static bus_code
find_or_start_postgres(shina_servers *servers, const char *url, void (*say)(const char *what),
                       bus_error *err)
{
    const shina_home *home = servers->home;
    int               starts = 0, waited_ms = 0;

    for (; waited_ms < START_SECONDS * 1000; waited_ms += 20) {
        bus_code rc;

        switch (PQping(url)) {
        case PQPING_OK: return BUS_OK;
        case PQPING_REJECT: break;
        case PQPING_NO_RESPONSE:
        case PQPING_NO_ATTEMPT:
            if (!has_ended(&servers->postgres_server, 0))
                break;
            if (starts == STARTS_MAX)
                goto failed;
            if (starts == 0) {
                if ((rc = make_data(home, say, err)) != BUS_OK)
                    return rc;
                say("starting PostgreSQL");
            } else {
                pause_ms(START_PAUSE_MS);
            }
            starts++;
            look_after(&servers->postgres_server, start_postgres(home));
        }
        pause_ms(20);
    }

failed:
    return bus_fail(err, BUS_UNAVAILABLE, "PostgreSQL does not start; see %.120s/log/postgres.log",
                    home->dir);
}

static bus_code
make_database(const char *admin_url, bus_error *err)
{
    PGconn   *conn = PQconnectdb(admin_url);
    PGresult *res = PQexec(conn, "select 1 from pg_database where datname = 'shina'");
    bus_code  rc = BUS_OK;

    if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 0) {
        PQclear(res);
        res = PQexec(conn, "create database shina");
    }
    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the database shina: %.200s", PQerrorMessage(conn));
    PQclear(res);
    PQfinish(conn);
    return rc;
}

static bus_code
begin_postgres(shina_servers *servers, void (*say)(const char *what), bus_error *err)
{
    const shina_home *home = servers->home;
    char              admin[SERVER_URL_BYTES], pid_path[PATH_BYTES];
    bus_code          rc;

    embedded_url(home, "postgres", admin);
    if ((rc = find_or_start_postgres(servers, admin, say, err)) != BUS_OK)
        return rc;
    (void)snprintf(pid_path, sizeof(pid_path), "%s/postgres/postmaster.pid", home->data);
    if (has_ended(&servers->postgres_server, 0)) /* the one that answers is not of our making */
        adopt(&servers->postgres_server, home, pid_path);
    return make_database(admin, err);
}

/* --- Redis ------------------------------------------------------------------------------------ */

static bool
redis_listens(const shina_home *home)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool               listens;

    if (fd < 0)
        return false;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/redis.sock", home->run);
    listens = connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return listens;
}

static pid_t
start_redis(const shina_home *home)
{
    char socket_path[PATH_BYTES], pid_path[PATH_BYTES], log[PATH_BYTES];

    (void)snprintf(socket_path, sizeof(socket_path), "%s/redis.sock", home->run);
    (void)snprintf(pid_path, sizeof(pid_path), "%s/redis.pid", home->run);
    log_path(home, "redis.log", log);
    return spawn(home,
                 (const char *const[]){"redis-server",
                                       "--port",
                                       "0",
                                       "--unixsocket",
                                       socket_path,
                                       "--unixsocketperm",
                                       "700",
                                       "--pidfile",
                                       pid_path,
                                       "--daemonize",
                                       "no",
                                       "--save",
                                       "",
                                       "--appendonly",
                                       "no",
                                       "--maxmemory",
                                       "128mb",
                                       "--maxmemory-policy",
                                       "volatile-lru",
                                       NULL},
                 log);
}

static bus_code
begin_redis(shina_servers *servers, void (*say)(const char *what), bus_error *err)
{
    char pid_path[PATH_BYTES];

    (void)snprintf(pid_path, sizeof(pid_path), "%s/redis.pid", servers->home->run);
    if (redis_listens(servers->home)) {
        adopt(&servers->redis_server, servers->home, pid_path);
        return BUS_OK;
    }
    say("starting Redis");
    look_after(&servers->redis_server, start_redis(servers->home));
    for (int i = 0; i < START_SECONDS * 50; i++) {
        if (redis_listens(servers->home))
            return BUS_OK;
        pause_ms(20);
    }
    return bus_fail(err, BUS_UNAVAILABLE, "Redis does not start; see %.150s/log/redis.log",
                    servers->home->dir);
}

/* --- all -----------------------------------------------------------------------------------------
 */

bus_code
shina_servers_start(shina_servers *servers, void (*say)(const char *what), bus_error *err)
{
    bus_code rc = BUS_OK;

    if (servers->postgres)
        rc = begin_postgres(servers, say, err);
    if (rc == BUS_OK && servers->redis)
        rc = begin_redis(servers, say, err);
    return rc;
}

void
shina_servers_watch(shina_servers *servers)
{
    if (servers->postgres && has_ended(&servers->postgres_server, 0)) {
        bus_log_error("servers.postgres_died", BUS_KV("then", "starting it again"));
        look_after(&servers->postgres_server, start_postgres(servers->home));
    }
    if (servers->redis && has_ended(&servers->redis_server, 0)) {
        bus_log_error("servers.redis_died", BUS_KV("then", "starting it again"));
        look_after(&servers->redis_server, start_redis(servers->home));
    }
}

void
shina_servers_stop(shina_servers *servers)
{
    if (servers->redis)
        end_server(&servers->redis_server, SIGTERM);
    if (servers->postgres)
        end_server(&servers->postgres_server, SIGINT);
}
