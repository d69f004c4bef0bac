/* shina.c - spawning the real program and talking to it over HTTP.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

struct tests_shina {
    char  home[1024], http[128], url[160];
    pid_t pid;
};

static void
die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)fputs("tests/support/shina: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void
pause_ms(long ms)
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
        die("no free port: %s", strerror(errno));
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* In the child. */
static void
set_environment(const tests_shina *shina)
{
    if (setenv("SHINA_HOME", shina->home, 1) != 0 || setenv("SHINA_HTTP", shina->http, 1) != 0 ||
        unsetenv("SHINA_DATABASE_URL") != 0 || unsetenv("SHINA_REDIS_URL") != 0 || chdir("/") != 0)
        _exit(125);
}

static void
print_log(const tests_shina *shina)
{
    char  path[1100], line[1024];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s.log", shina->home);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        (void)fputs(line, stderr);
    if (f != NULL)
        (void)fclose(f);
}

static void
spawn(tests_shina *shina)
{
    char path[1100];
    int  fd;

    shina->pid = fork();
    if (shina->pid < 0)
        die("fork: %s", strerror(errno));
    if (shina->pid > 0)
        return;
    (void)snprintf(path, sizeof(path), "%s.log", shina->home);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(125);
    set_environment(shina);
    (void)execl(SHINA_PROGRAM, "shina", "run", (char *)NULL);
    _exit(127);
}

tests_shina *
tests_shina_start(void)
{
    tests_shina *shina = calloc(1, sizeof(*shina));
    const char  *tmp = getenv("TMPDIR");

    if (shina == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        abort();
    (void)snprintf(shina->home, sizeof(shina->home), "%.64s/shina-test-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(shina->home) == NULL || chmod(shina->home, 0755) != 0)
        die("cannot make %s: %s", shina->home, strerror(errno));
    (void)snprintf(shina->http, sizeof(shina->http), "127.0.0.1:%d", free_port());
    (void)snprintf(shina->url, sizeof(shina->url), "http://%s", shina->http);
    spawn(shina);
    for (int i = 0; i < START_SECONDS * 10; i++) {
        tests_response ready = tests_shina_get(shina, NULL, "/readyz");
        int            status;

        json_decref(ready.json);
        if (ready.status == 200)
            return shina;
        if (waitpid(shina->pid, &status, WNOHANG) == shina->pid)
            break;
        pause_ms(100);
    }
    print_log(shina);
    die("it does not start");
    return NULL;
}

tests_shina *
tests_shina_attach(const char *url, const char *home)
{
    tests_shina *shina = calloc(1, sizeof(*shina));

    if (shina == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        abort();
    (void)snprintf(shina->home, sizeof(shina->home), "%s", home);
    (void)snprintf(shina->url, sizeof(shina->url), "%s", url);
    (void)snprintf(shina->http, sizeof(shina->http), "%s",
                   strncmp(url, "http://", 7) == 0 ? url + 7 : url);
    return shina;
}

static int
remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

void
tests_shina_stop(tests_shina *shina)
{
    char log[1100];
    int  status = -1;

    if (shina == NULL)
        return;
    if (shina->pid == 0) { /* not ours */
        free(shina);
        return;
    }
    (void)kill(shina->pid, SIGTERM);
    for (int i = 0; i < STOP_SECONDS * 10; i++) {
        if (waitpid(shina->pid, &status, WNOHANG) == shina->pid)
            break;
        pause_ms(100);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_log(shina);
        die("it does not stop cleanly: status %d", status);
    }
    (void)nftw(shina->home, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    (void)snprintf(log, sizeof(log), "%s.log", shina->home);
    (void)unlink(log);
    free(shina);
}

const char *
tests_shina_url(const tests_shina *shina)
{
    return shina->url;
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
    if (out == NULL || pipe(pipes) != 0 || (pid = fork()) < 0)
        die("no process for shina %s", args[0]);
    if (pid == 0) {
        (void)dup2(pipes[1], 1);
        (void)close(pipes[0]);
        set_environment(shina);
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
        die("waitpid: %s", strerror(errno));
    if (exit_code != NULL)
        *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    else if (status != 0)
        die("shina %s ended with status %d: %s", args[0], status, out);
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

/* --- requests ----------------------------------------------------------------------------- */

typedef struct {
    char  *at;
    size_t len, room;
} text;

static size_t
collect(char *bytes, size_t size, size_t count, void *context)
{
    text *t = context;

    if (t->len + size * count + 1 > t->room) {
        t->room = (t->len + size * count + 1) * 2;
        if ((t->at = realloc(t->at, t->room)) == NULL)
            abort();
    }
    memcpy(t->at + t->len, bytes, size * count);
    t->len += size * count;
    t->at[t->len] = '\0';
    return size * count;
}

static void
take_header(const char *line, size_t len, const char *name, char *out, size_t room)
{
    size_t name_len = strlen(name);

    if (len <= name_len + 2 || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return;
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    (void)snprintf(out, room, "%.*s", (int)(len - name_len - 2), line + name_len + 2);
}

static size_t
header(char *line, size_t size, size_t count, void *context)
{
    tests_response *r = context;

    take_header(line, size * count, "content-type", r->content_type, sizeof(r->content_type));
    take_header(line, size * count, "etag", r->etag, sizeof(r->etag));
    take_header(line, size * count, "location", r->location, sizeof(r->location));
    return size * count;
}

/* A connection per thread. */
static pthread_key_t  curl_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
forget_curl(void *curl)
{
    curl_easy_cleanup(curl);
}

static void
make_key(void)
{
    if (pthread_key_create(&curl_key, forget_curl) != 0)
        abort();
}

static CURL *
connection(void)
{
    CURL *curl;

    (void)pthread_once(&once, make_key);
    curl = pthread_getspecific(curl_key);
    if (curl == NULL) {
        curl = curl_easy_init();
        (void)pthread_setspecific(curl_key, curl);
    }
    curl_easy_reset(curl);
    return curl;
}

tests_response
tests_shina_ask(const tests_shina *shina, const tests_request *request)
{
    tests_response     r = {0};
    text               body = {0};
    struct curl_slist *list = NULL;
    CURL              *curl = connection();
    char               url[2048], bearer[4200];

    (void)snprintf(url, sizeof(url), "%s%s", shina->url, request->path);
    if (request->token != NULL) {
        (void)snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", request->token);
        list = curl_slist_append(list, bearer);
    }
    if (request->body != NULL && !request->raw_content_type)
        list = curl_slist_append(list, "Content-Type: application/json");
    list = curl_slist_append(list, "Expect:");
    for (int i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        list = curl_slist_append(list, request->headers[i]);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &r);
    if (request->body != NULL) {
        (void)curl_easy_setopt(
            curl, CURLOPT_POSTFIELDSIZE_LARGE,
            (curl_off_t)(request->body_bytes != 0 ? request->body_bytes : strlen(request->body)));
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (curl_easy_perform(curl) == CURLE_OK) {
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r.status);
        r.json = body.len == 0 ? NULL : json_loadb(body.at, body.len, 0, NULL);
    }
    curl_slist_free_all(list);
    free(body.at);
    return r;
}

tests_response
tests_shina_post(const tests_shina *shina, const char *token, const char *path, const char *body)
{
    char          *json = strdup(body);
    tests_response r;

    if (json == NULL)
        abort();
    for (char *c = json; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    r = tests_shina_ask(
        shina, &(tests_request){.method = "POST", .path = path, .token = token, .body = json});
    free(json);
    return r;
}

tests_response
tests_shina_get(const tests_shina *shina, const char *token, const char *path)
{
    return tests_shina_ask(shina, &(tests_request){.method = "GET", .path = path, .token = token});
}
