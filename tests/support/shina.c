/* shina.c - spawning the real programs, killing and stopping them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"
#include "tests/support/shina_internal.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SHINA_PROGRAM
#error "the build names the program"
#endif

#define START_SECONDS 90
#define STOP_SECONDS 90
#define KILL_EVERY_MS 400 /* unless SHINA_TEST_KILL_EVERY_MS says otherwise */
#define RESTART_MS 100

void
tests_shina_die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)fputs("tests/support/shina: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void
tests_shina_pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)(void *)&address, &len) != 0)
        tests_shina_die("no free port: %s", strerror(errno));
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* --- one process ---------------------------------------------------------------------- */

/* value: empty for none. */
static bool
set_or_unset(const char *name, const char *value)
{
    return (*value == '\0' ? unsetenv(name) : setenv(name, value, 1)) == 0;
}

/* Tests ask as fast as they can, but for those of the limits, which set their own. */
static bool
lift_limits(void)
{
    static const char *const limits[] = {
        "SHINA_RATE_QUERIES", "SHINA_RATE_COMMANDS",  "SHINA_RATE_STREAMS", "SHINA_RATE_TENANT",
        "SHINA_RATE_ADDRESS", "SHINA_RATE_ANONYMOUS", "SHINA_RATE_REFRESH"};
    bool done = true;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        done = setenv(limits[i], "0", 0) == 0 && done;
    return done;
}

/* In the child. home: of a host of its own, which looks for its servers elsewhere; or empty. */
static void
set_environment(const tests_shina *shina, const char *http, const char *home)
{
    bool own_host = *home != '\0', elsewhere = own_host || shina->kafka == NULL;

    if (!lift_limits() || setenv("SHINA_HOME", own_host ? home : shina->home, 1) != 0 ||
        (*http != '\0' && setenv("SHINA_HTTP", http, 1) != 0) ||
        !set_or_unset("SHINA_DATABASE_URL", elsewhere ? shina->database_url : "") ||
        !set_or_unset("SHINA_REDIS_URL", elsewhere ? shina->redis_url : "") || chdir("/") != 0)
        _exit(125);
}

static void
log_path(const tests_shina *shina, const tests_child *child, char out[1200])
{
    int len = snprintf(out, 1200, "%s.%s.log", shina->home, child->name);

    for (int i = (int)strlen(shina->home); i < len; i++)
        if (out[i] == ' ')
            out[i] = '-';
}

static void
print_log(const tests_shina *shina, const tests_child *child)
{
    char  path[1200], line[1024];
    FILE *f;

    log_path(shina, child, path);
    (void)fprintf(stderr, "--- the log of %s:\n", child->name);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        (void)fputs(line, stderr);
    if (f != NULL)
        (void)fclose(f);
}

/* variables: more of the environment, ending with NULL; may be NULL. */
static void
spawn(const tests_shina *shina, tests_child *child, const char *const *variables)
{
    const char *argv[6] = {"shina"};
    char        path[1200];
    sigset_t    term, before;
    int         fd;

    for (int i = 0; i < 4 && child->args[i] != NULL; i++)
        argv[i + 1] = child->args[i];
    log_path(shina, child, path);
    /* It inherits the blocked signal: told to stop before it has got so far as to handle that, it
     * stops as one told later does, and is not killed by it. */
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &term, &before);
    child->pid = fork();
    if (child->pid < 0)
        tests_shina_die("fork: %s", strerror(errno));
    if (child->pid > 0) {
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(125);
    set_environment(shina, child->http, child->home);
    for (int i = 0; variables != NULL && variables[i] != NULL; i++)
        if (putenv((char *)(uintptr_t)variables[i]) != 0)
            _exit(125);
    (void)execv(child->program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static tests_child *
add_child(tests_shina *shina, const char *program, const char *name)
{
    tests_child *child = &shina->children[shina->children_count++];

    if (shina->children_count > TESTS_CHILDREN_MAX)
        tests_shina_die("more than %d processes", TESTS_CHILDREN_MAX);
    (void)snprintf(child->name, sizeof(child->name), "%s", name);
    (void)snprintf(child->program, sizeof(child->program), "%s", program);
    return child;
}

static tests_child *
add_edge(tests_shina *shina, const char *verb, const char *name, const char *host)
{
    tests_child *child = add_child(shina, SHINA_PROGRAM, name);
    int          port = free_port();

    child->args[0] = verb;

    (void)snprintf(child->http, sizeof(child->http), "%s:%d", host, port);
    (void)snprintf(shina->urls[shina->edges++], sizeof(shina->urls[0]), "http://%s:%d", host, port);
    return child;
}

/* --- many ------------------------------------------------------------------------------- */

static tests_child *
add_service(tests_shina *shina, const char *domain, const char *name)
{
    tests_child *child = add_child(shina, SHINA_PROGRAM, name);

    (void)snprintf(child->arg, sizeof(child->arg), "%s", domain);
    child->args[0] = "service";
    child->args[1] = child->arg;
    return child;
}

static void
add_domain(tests_shina *shina, const char *domain)
{
    char         name[64], program[1024];
    tests_child *child;

    (void)snprintf(name, sizeof(name), "service %.40s", domain);
    (void)add_service(shina, domain, name);
    (void)snprintf(name, sizeof(name), "projection %.40s", domain);
    (void)snprintf(program, sizeof(program), "%s/shina-%s", SHINA_DOMAIN_PROGRAMS, domain);
    child = add_child(shina, program, name);
    child->args[0] = "--projection";
}

static void
add_processes(tests_shina *shina)
{
    static const char *const domains[] = {SHINA_DOMAINS};
    char                     name[64];

    if (shina->database_url[0] == '\0' || shina->redis_url[0] == '\0')
        add_child(shina, SHINA_PROGRAM, "servers")->args[0] = "servers";
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
        add_domain(shina, domains[i]);
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(name, sizeof(name), "edge %d", i);
        (void)add_edge(shina, "edge", name, "127.0.0.1");
    }
}

/* --- hosts ------------------------------------------------------------------------------ */

#define HOSTS 3
#define JWT_KEYS "test:c2hpbmEtdGVzdHMtc2hpbmEtdGVzdHMtc2hpbmEtdGVzdHM="
#define MASTER_KEYS "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* What hosts must have in common, and our own verbs with them. */
static void
set_common(const tests_shina *shina)
{
    char archive[1100];

    (void)snprintf(archive, sizeof(archive), "%s/archive", shina->home);
    if (setenv("SHINA_BUS", "kafka", 1) != 0 ||
        setenv("SHINA_KAFKA", tests_kafka_servers(shina->kafka), 1) != 0 ||
        setenv("SHINA_JWT_KEYS", JWT_KEYS, 1) != 0 ||
        setenv("SHINA_MASTER_KEYS", MASTER_KEYS, 0) != 0 ||
        setenv("SHINA_ARCHIVE", archive, 1) != 0)
        abort();
}

static void
add_hosts(tests_shina *shina)
{
    const char *nodes = getenv("SHINA_TEST_KAFKA_NODES");

    shina->kafka = tests_kafka_start(nodes == NULL ? 1 : (int)strtol(nodes, NULL, 10));
    set_common(shina);
    (void)snprintf(shina->database_url, sizeof(shina->database_url),
                   "host=%s/run dbname=shina user=shina sslmode=disable", shina->home);
    (void)snprintf(shina->redis_url, sizeof(shina->redis_url), "unix:%s/run/redis.sock",
                   shina->home);
    add_child(shina, SHINA_PROGRAM, "servers")->args[0] = "servers";
    for (int i = 1; i <= HOSTS; i++) {
        char         name[64], host[32];
        tests_child *child;

        (void)snprintf(name, sizeof(name), "host %d", i);
        (void)snprintf(host, sizeof(host), "127.0.0.%d", i);
        child = add_edge(shina, "run", name, host);
        (void)snprintf(child->home, sizeof(child->home), "%s/host%d", shina->home, i);
        if (mkdir(child->home, 0755) != 0)
            tests_shina_die("cannot make %s: %s", child->home, strerror(errno));
    }
}

/* Kills each once, in turn, and starts it again. */
static void *
kill_each(void *context)
{
    tests_shina *shina = context;
    const char  *every = getenv("SHINA_TEST_KILL_EVERY_MS");
    long         every_ms = every == NULL ? KILL_EVERY_MS : strtol(every, NULL, 10);

    for (int i = 0; i < shina->children_count; i++) {
        tests_shina_pause_ms(every_ms);
        tests_shina_kill(shina, i);
        tests_shina_pause_ms(every_ms < RESTART_MS ? every_ms : RESTART_MS);
        tests_shina_restart(shina, i);
    }
    return NULL;
}

static bool
is_set(const char *variable, const char *value)
{
    const char *set = getenv(variable);

    return set != NULL && strcmp(set, value) == 0;
}

/* Of what runs when the program ends otherwise than by tests_shina_stop. */
static tests_shina *running;

static void
end_running(void)
{
    for (int i = running == NULL ? -1 : running->children_count - 1; i >= 0; i--) {
        pid_t pid = running->children[i].pid;

        if (pid <= 0)
            continue;
        (void)kill(pid, SIGTERM);
        if (i == 0) /* it ends the embedded servers */
            (void)waitpid(pid, NULL, 0);
    }
}

/* Ends the program, with the logs, if it does not start, or one of its processes ends. */
static void
await_start(tests_shina *shina)
{
    int status;

    for (int i = 0; i < START_SECONDS; i++) {
        if (tests_shina_wait_ready(shina, 1))
            return;
        for (int k = 0; k < shina->children_count; k++)
            if (waitpid(shina->children[k].pid, &status, WNOHANG) == shina->children[k].pid) {
                (void)fprintf(stderr, "%s ended with status %d\n", shina->children[k].name, status);
                shina->children[k].pid = 0;
                i = START_SECONDS;
            }
    }
    tests_shina_print_logs(shina);
    tests_shina_die("it does not start");
}

typedef enum { ONE, PROCESSES, HOSTS_OVER_KAFKA } layout;

static tests_shina *
start(layout as, const char *database_url, const char *redis_url)
{
    tests_shina *shina = calloc(1, sizeof(*shina));
    const char  *tmp = getenv("TMPDIR");

    if (shina == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
        pthread_mutex_init(&shina->lock, NULL) != 0)
        abort();
    (void)snprintf(shina->home, sizeof(shina->home), "%.64s/shina-test-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(shina->home) == NULL || chmod(shina->home, 0755) != 0)
        tests_shina_die("cannot make %s: %s", shina->home, strerror(errno));
    if (database_url != NULL)
        (void)snprintf(shina->database_url, sizeof(shina->database_url), "%s", database_url);
    if (redis_url != NULL)
        (void)snprintf(shina->redis_url, sizeof(shina->redis_url), "%s", redis_url);
    switch (as) {
    case ONE: (void)add_edge(shina, "run", "run", "127.0.0.1"); break;
    case PROCESSES: add_processes(shina); break;
    case HOSTS_OVER_KAFKA: add_hosts(shina); break;
    }
    running = shina;
    (void)atexit(end_running);
    for (int i = 0; i < shina->children_count; i++)
        spawn(shina, &shina->children[i], NULL);
    await_start(shina);
    if (is_set("SHINA_TEST_KILLS", "each")) {
        shina->kills = true;
        if (pthread_create(&shina->killer, NULL, kill_each, shina) != 0)
            tests_shina_die("no thread to kill from");
    }
    return shina;
}

tests_shina *
tests_shina_start(void)
{
    if (is_set("SHINA_TEST_LAYOUT", "kafka"))
        return start(HOSTS_OVER_KAFKA, NULL, NULL);
    return tests_shina_start_on(NULL, NULL);
}

tests_shina *
tests_shina_start_on(const char *database_url, const char *redis_url)
{
    return start(is_set("SHINA_TEST_LAYOUT", "processes") ? PROCESSES : ONE, database_url,
                 redis_url);
}

tests_shina *
tests_shina_start_processes(const char *database_url)
{
    return start(PROCESSES, database_url, NULL);
}

int
tests_shina_add(tests_shina *shina, const char *verb, const char *word)
{
    char         name[64];
    tests_child *child;
    int          nth;

    (void)snprintf(name, sizeof(name), "%.20s %.30s 2", verb, word);
    (void)pthread_mutex_lock(&shina->lock);
    nth = shina->children_count;
    child = add_child(shina, SHINA_PROGRAM, name);
    (void)snprintf(child->arg, sizeof(child->arg), "%s", word);
    child->args[0] = verb;
    child->args[1] = child->arg;
    spawn(shina, child, NULL);
    (void)pthread_mutex_unlock(&shina->lock);
    return nth;
}

tests_shina *
tests_shina_attach(const char *url, const char *home)
{
    tests_shina *shina = calloc(1, sizeof(*shina));

    if (shina == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
        pthread_mutex_init(&shina->lock, NULL) != 0)
        abort();
    (void)snprintf(shina->home, sizeof(shina->home), "%s", home);
    (void)snprintf(shina->urls[0], sizeof(shina->urls[0]), "%s", url);
    shina->edges = 1;
    return shina;
}

bool
tests_shina_wait_ready(const tests_shina *shina, int seconds)
{
    const tests_request request = {.method = "GET", .path = "/readyz"};

    for (int i = 0; i < seconds * 10; i++) {
        int ready = 0;

        for (int edge = 0; edge < shina->edges; edge++) {
            tests_response r = tests_shina_ask_edge(shina, edge, &request);

            json_decref(r.json);
            ready += r.status == 200;
        }
        if (ready == shina->edges)
            return true;
        tests_shina_pause_ms(100);
    }
    return false;
}

/* --- the end ------------------------------------------------------------------------------- */

static int
remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void
await_clean_end(tests_shina *shina, tests_child *child)
{
    int status = -1;

    for (int i = 0; child->pid > 0 && i < STOP_SECONDS * 50; i++) {
        if (waitpid(child->pid, &status, WNOHANG) == child->pid)
            child->pid = 0;
        else
            tests_shina_pause_ms(20);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_log(shina, child);
        tests_shina_die("%s does not stop cleanly: status %d", child->name, status);
    }
}

static void
end_kills(tests_shina *shina)
{
    int late = 0;

    if (!shina->kills)
        return;
    for (int i = 0; i < shina->children_count; i++)
        late += shina->children[i].kills == 0;
    (void)pthread_join(shina->killer, NULL);
    if (late == shina->children_count)
        tests_shina_die("the test was over before any process was killed");
    (void)printf("killed each of %d processes once, %d of them after the stories\n",
                 shina->children_count, late);
    if (!tests_shina_wait_ready(shina, START_SECONDS))
        tests_shina_die("it is not ready after the kills");
}

void
tests_shina_stop(tests_shina *shina)
{
    char log[1200];

    if (shina == NULL)
        return;
    end_kills(shina);
    /* All at once, but the servers last: what the others write at their end must arrive. */
    for (int i = shina->children_count - 1; i >= 0; i--) {
        tests_child *child = &shina->children[i];

        if (child->pid > 0 && (i > 0 || shina->children_count == 1))
            (void)kill(child->pid, SIGTERM);
    }
    for (int i = shina->children_count - 1; i >= 0; i--) {
        tests_child *child = &shina->children[i];

        if (i == 0 && shina->children_count > 1)
            (void)kill(child->pid, SIGTERM);
        await_clean_end(shina, child);
    }
    if (shina->children_count > 0)
        (void)nftw(shina->home, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    for (int i = 0; i < shina->children_count; i++) {
        log_path(shina, &shina->children[i], log);
        (void)unlink(log);
    }
    running = NULL;
    tests_kafka_stop(shina->kafka);
    (void)pthread_mutex_destroy(&shina->lock);
    free(shina);
}

int
tests_shina_add_service(tests_shina *shina, const char *domain)
{
    return tests_shina_add(shina, "service", domain);
}

/* --- killing and starting again ------------------------------------------------------------ */

const char *
tests_shina_url(const tests_shina *shina)
{
    return shina->urls[0];
}

tests_kafka *
tests_shina_kafka(const tests_shina *shina)
{
    return shina->kafka;
}

const char *
tests_shina_home(const tests_shina *shina)
{
    return shina->home;
}

void
tests_shina_database_url(const tests_shina *shina, char out[2048])
{
    if (shina->database_url[0] != '\0')
        (void)snprintf(out, 2048, "%s", shina->database_url);
    else
        (void)snprintf(out, 2048, "host=%s/run dbname=shina user=shina sslmode=disable",
                       shina->home);
}

int
tests_shina_processes(const tests_shina *shina)
{
    return shina->children_count;
}

const char *
tests_shina_process_name(const tests_shina *shina, int nth)
{
    return shina->children[nth].name;
}

int
tests_shina_process_named(const tests_shina *shina, const char *name)
{
    for (int i = 0; i < shina->children_count; i++)
        if (strcmp(shina->children[i].name, name) == 0)
            return i;
    tests_shina_die("there is no process %s", name);
}

pid_t
tests_shina_process_pid(tests_shina *shina, int nth)
{
    pid_t pid;

    (void)pthread_mutex_lock(&shina->lock);
    pid = shina->children[nth].pid;
    (void)pthread_mutex_unlock(&shina->lock);
    return pid;
}

void
tests_shina_kill(tests_shina *shina, int nth)
{
    tests_child *child = &shina->children[nth];
    int          status;

    (void)pthread_mutex_lock(&shina->lock);
    if (child->pid > 0) {
        if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
            print_log(shina, child);
            tests_shina_die("%s ended by itself: status %d", child->name, status);
        }
        (void)kill(child->pid, SIGKILL);
        (void)waitpid(child->pid, &status, 0);
        child->pid = 0;
        child->kills++;
    }
    (void)pthread_mutex_unlock(&shina->lock);
}

void
tests_shina_restart(tests_shina *shina, int nth)
{
    tests_shina_restart_in(shina, nth, NULL);
}

void
tests_shina_restart_with(tests_shina *shina, int nth, const char *variable)
{
    tests_shina_restart_in(shina, nth, (const char *const[]){variable, NULL});
}

void
tests_shina_restart_in(tests_shina *shina, int nth, const char *const *variables)
{
    (void)pthread_mutex_lock(&shina->lock);
    if (shina->children[nth].pid == 0)
        spawn(shina, &shina->children[nth], variables);
    (void)pthread_mutex_unlock(&shina->lock);
}

void
tests_shina_log_path(const tests_shina *shina, int nth, char out[1200])
{
    log_path(shina, &shina->children[nth], out);
}

void
tests_shina_print_logs(const tests_shina *shina)
{
    for (int i = 0; i < shina->children_count; i++)
        print_log(shina, &shina->children[i]);
}

bool
tests_shina_has_ended(tests_shina *shina, int nth)
{
    tests_child *child = &shina->children[nth];
    bool         ended;
    int          status;

    (void)pthread_mutex_lock(&shina->lock);
    if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) {
        child->pid = 0;
        child->status = status;
        child->kills++;
    }
    ended = child->pid == 0;
    (void)pthread_mutex_unlock(&shina->lock);
    return ended;
}

int
tests_shina_end_status(const tests_shina *shina, int nth)
{
    return shina->children[nth].status;
}

void
tests_shina_await_kills(tests_shina *shina)
{
    for (int i = 0; shina->kills && i < shina->children_count; i++)
        for (;;) {
            bool killed;

            (void)pthread_mutex_lock(&shina->lock);
            killed = shina->children[i].kills > 0 && shina->children[i].pid > 0;
            (void)pthread_mutex_unlock(&shina->lock);
            if (killed)
                break;
            tests_shina_pause_ms(20);
        }
    if (!tests_shina_wait_ready(shina, START_SECONDS))
        tests_shina_die("it is not ready after the kills");
}

void
tests_shina_signal(tests_shina *shina, int nth, int signal_number)
{
    pid_t pid = tests_shina_process_pid(shina, nth);

    if (pid > 0)
        (void)kill(pid, signal_number);
}

/* --- verbs ------------------------------------------------------------------------------ */

char *
tests_shina_verb(const tests_shina *shina, const char *const *args, int *exit_code)
{
    const char *argv[32] = {"shina"};
    size_t      used = 0, room = 4096;
    char       *out = malloc(room);
    int         pipes[2], status;
    ssize_t     got;
    pid_t       pid = -1;

    for (int i = 0; args[i] != NULL && i < 30; i++)
        argv[i + 1] = args[i];
    if (out == NULL || pipe2(pipes, O_CLOEXEC) != 0 || (pid = fork()) < 0)
        tests_shina_die("no process for shina %s", args[0]);
    if (pid == 0) {
        const char *http = shina->urls[0];

        (void)dup2(pipes[1], 1);
        set_environment(shina, strncmp(http, "http://", 7) == 0 ? http + 7 : http, "");
        (void)execv(SHINA_PROGRAM, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(pipes[1]);
    while ((got = read(pipes[0], out + used, room - used - 1)) > 0) {
        used += (size_t)got;
        if (room - used < 2 && (out = realloc(out, room *= 2)) == NULL)
            abort();
    }
    (void)close(pipes[0]);
    while (used > 0 && out[used - 1] == '\n')
        used--;
    out[used] = '\0';
    if (waitpid(pid, &status, 0) != pid)
        tests_shina_die("waitpid: %s", strerror(errno));
    if (exit_code != NULL)
        *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    else if (status != 0)
        tests_shina_die("shina %s ended with status %d: %s", args[0], status, out);
    return out;
}

char *
tests_shina_token(const tests_shina *shina, const char *tenant, const char *roles,
                  const char *driver)
{
    const char *args[] = {"token", "--tenant", tenant,  "--role",
                          roles,   "--ttl",    "36000", driver == NULL ? NULL : "--driver",
                          driver,  NULL};

    return tests_shina_verb(shina, args, NULL);
}
