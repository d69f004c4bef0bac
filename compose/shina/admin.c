/* admin.c - `shina admin create`: the first ADMIN of a carrier, or another one.
 * It asks the shina that runs on SHINA_HTTP, by a token of this operator's own: opens the tenant,
 * invites the ADMIN, and accepts the invitation for him with the password that is typed here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/token.h"
#include "api-edge/login/password.h"
#include "bus/base/clock.h"
#include "compose/process/home.h"
#include "compose/shina/tls.h"
#include "compose/shina/verbs.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_BYTES 256
#define TOKEN_S 60
#define TIMEOUT_S 30L
#define ANSWER_BYTES_MAX ((size_t)64 * 1024)

/* --- the password -------------------------------------------------------------------------- */

/* How the terminal was before it was silent. */
typedef struct {
    struct termios   modes;
    struct sigaction interrupt;
} loud;

static void
on_interrupt(int number)
{
    (void)number; /* the read ends, and then the echo is put back */
}

/* Takes the echo away. False: nothing has changed. */
static bool
silence(loud *before)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt}; /* without SA_RESTART */
    struct termios   silent;

    if (tcgetattr(STDIN_FILENO, &before->modes) != 0)
        return false;
    silent = before->modes;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    if (sigaction(SIGINT, &interrupt, &before->interrupt) != 0)
        return false;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0)
        return true;
    (void)sigaction(SIGINT, &before->interrupt, NULL);
    return false;
}

static void
speak_again(const loud *before)
{
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &before->modes) != 0)
        (void)fputs("shina admin: the terminal's echo could not be put back\n", stderr);
    (void)sigaction(SIGINT, &before->interrupt, NULL);
    (void)fputc('\n', stderr);
}

/* A line of standard input; without echo where that is a terminal. False: there is none. */
static bool
read_line(const char *prompt, char out[PASSWORD_BYTES])
{
    bool terminal = isatty(STDIN_FILENO) == 1, there;
    loud before;

    if (terminal) {
        (void)fputs(prompt, stderr);
        if (!silence(&before))
            return false;
    }
    there = fgets(out, PASSWORD_BYTES, stdin) != NULL && strchr(out, '\n') != NULL;
    if (terminal)
        speak_again(&before);
    out[strcspn(out, "\n")] = '\0';
    return there;
}

/* Typed twice at a terminal; else one line, for scripts. False: said on stderr. */
static bool
read_password(char out[PASSWORD_BYTES])
{
    char again[PASSWORD_BYTES];
    bool same = true;

    if (!read_line("Password: ", out) || out[0] == '\0') {
        (void)fputs("shina admin: a password is needed, as a line of standard input\n", stderr);
        return false;
    }
    if (isatty(STDIN_FILENO) == 1) {
        same = read_line("Again: ", again) && strcmp(out, again) == 0;
        OPENSSL_cleanse(again, sizeof(again));
    }
    if (!same)
        (void)fputs("shina admin: these are two passwords\n", stderr);
    return same;
}

/* Takes it. The texts of its members may be secrets. */
static void
wipe_json(json_t *object)
{
    const char *name;
    json_t     *value;

    json_object_foreach(object, name, value) if (json_is_string(value))
        OPENSSL_cleanse((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(object);
}

/* Looked at before anything is asked for. False: said on stderr. */
static bool
is_fit(const bus_config *config, const char *password, const char *email)
{
    int     chars = (int)bus_config_int(config, "SHINA_PASSWORD_CHARS");
    json_t *text = json_string(password); /* none: it is no UTF-8 */
    bool    fit = text != NULL &&
               edge_password_check(bus_str_of(password), chars, email) == EDGE_PASSWORD_FINE;

    if (text != NULL)
        OPENSSL_cleanse((char *)(uintptr_t)json_string_value(text), json_string_length(text));
    json_decref(text);
    if (!fit)
        (void)fprintf(
            stderr,
            "shina admin: the password needs %d characters or more, at most %d bytes, and "
            "must not be a common one\n",
            chars, EDGE_PASSWORD_BYTES_MAX);
    return fit;
}

/* --- requests -------------------------------------------------------------------------------- */

typedef struct {
    const char *base;  /* "http://127.0.0.1:8080" */
    const char *token; /* NULL: none */
    bool        keyed; /* under an Idempotency-Key */
} asker;

static size_t
collect(char *bytes, size_t size, size_t count, void *to)
{
    bus_buf *buf = to;

    if (buf->len + size * count > ANSWER_BYTES_MAX)
        return 0;
    bus_buf_add(buf, bytes, size * count);
    return size * count;
}

static long
perform(CURL *curl, const asker *a, const char *path, const char *body, bus_buf *answer)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char               url[600], line[EDGE_TOKEN_BYTES_MAX + 64];
    long               status = 0;

    if (a->token != NULL) {
        (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", a->token);
        headers = curl_slist_append(headers, line);
    }
    if (a->keyed)
        headers = curl_slist_append(headers, "Idempotency-Key: shina admin create");
    (void)snprintf(url, sizeof(url), "%s%s", a->base, path);
    if (curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) != CURLE_OK ||
        curl_easy_perform(curl) != CURLE_OK ||
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        status = 0;
    curl_slist_free_all(headers);
    OPENSSL_cleanse(line, sizeof(line));
    return status;
}

/* What is wrong, as the answer says it. */
static void
complain(const asker *a, long status, const json_t *answer)
{
    const json_t *errors = json_object_get(answer, "errors");
    const json_t *first = json_array_get(errors, 0);
    const char   *detail = json_string_value(json_object_get(answer, "detail"));

    if (status == 0)
        (void)fprintf(stderr, "shina admin: nobody answers at %s; is shina running?\n", a->base);
    else if (first != NULL)
        (void)fprintf(stderr, "shina admin: %s %s\n",
                      json_string_value(json_object_get(first, "pointer")),
                      json_string_value(json_object_get(first, "message")));
    else
        (void)fprintf(stderr, "shina admin: %s (%ld)\n", detail == NULL ? "refused" : detail,
                      status);
}

/* Takes body. The answer, or NULL: said on stderr. */
static json_t *
post(const asker *a, const char *path, json_t *body)
{
    char   *text = json_dumps(body, JSON_COMPACT);
    CURL   *curl = curl_easy_init();
    bus_buf answer = {0};
    json_t *out = NULL;
    long    status = 0;

    if (text == NULL || curl == NULL)
        abort();
    status = perform(curl, a, path, text, &answer);
    out = answer.len == 0 ? NULL : json_loadb(answer.at, answer.len, 0, NULL);
    if (status != 200 && status != 201) {
        complain(a, status, out);
        json_decref(out);
        out = NULL;
    }
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    wipe_json(body);
    if (answer.len > 0)
        OPENSSL_cleanse(answer.at, answer.len);
    bus_buf_fini(&answer);
    curl_easy_cleanup(curl);
    return out;
}

/* --- the steps ---------------------------------------------------------------------------------
 */

typedef struct {
    bus_id      tenant;
    const char *email, *name, *tenant_name;
} wanted;

static bool
open_tenant(const asker *a, const wanted *w)
{
    char    path[100], id[BUS_ID_TEXT_BYTES];
    json_t *answer;

    (void)snprintf(path, sizeof(path), "/api/v1/tenants/%s/open", bus_id_format(w->tenant, id));
    answer = post(a, path, json_pack("{s:s}", "name", w->tenant_name));
    json_decref(answer);
    return answer != NULL;
}

/* The id of the new user is printed: the one thing that this verb says. */
static bool
accept_invitation(const asker *a, const wanted *w, const json_t *invited, const char *password)
{
    const asker nobody = {.base = a->base};
    const char *user = json_string_value(json_object_get(invited, "id"));
    const char *code = json_string_value(json_object_get(invited, "secret"));
    char        tenant[BUS_ID_TEXT_BYTES];
    json_t     *answer;

    if (user == NULL || code == NULL) {
        (void)fputs("shina admin: the invitation has no code; it was accepted before\n", stderr);
        return false;
    }
    answer = post(&nobody, "/api/v1/auth/set-password",
                  json_pack("{s:s, s:s, s:s, s:s}", "tenant", bus_id_format(w->tenant, tenant),
                            "user_id", user, "code", code, "password", password));
    if (answer != NULL)
        (void)puts(user);
    json_decref(answer);
    return answer != NULL;
}

static bool
create(const asker *a, const wanted *w, const char *password)
{
    const asker again = {.base = a->base, .token = a->token, .keyed = true};
    json_t     *invited;
    bool        done;

    if (!open_tenant(a, w))
        return false;
    invited = post(
        &again, "/api/v1/users",
        json_pack("{s:s, s:s, s:s}", "email", w->email, "full_name", w->name, "role", "ADMIN"));
    done = invited != NULL && accept_invitation(a, w, invited, password);
    wipe_json(invited);
    return done;
}

/* The same caller for the same ADMIN, so that what is asked again under the same key is told the
 * same code: an attempt that broke off goes on. */
static bus_code
operator_token(const bus_config *config, const wanted *w, char **out, bus_error *err)
{
    edge_token_request request = {.now_s = bus_now_ms(bus_clock_system()) / 1000,
                                  .ttl_s = TOKEN_S,
                                  .user = bus_id_v5_text(w->tenant, w->email),
                                  .tenant = w->tenant,
                                  .roles = "ADMIN"};
    shina_home         home;
    char              *keys = NULL;
    bus_code           rc = shina_home_open(&home, config, false, err);

    if (rc == BUS_OK)
        rc = shina_home_jwt_keys(&home, config, &keys, err);
    if (rc == BUS_OK)
        rc = edge_token_make(out, keys, &request, err);
    if (keys != NULL)
        OPENSSL_cleanse(keys, strlen(keys));
    free(keys);
    return rc;
}

/* ":8080" and "0.0.0.0:8080" listen everywhere: here, too. */
static const char *
base_of(const bus_config *config, char out[300])
{
    const char *listen = bus_config_text(config, "SHINA_HTTP");
    const char *port = strrchr(listen, ':');

    if (port != NULL &&
        (port == listen || strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0))
        (void)snprintf(out, 300, "%s://127.0.0.1%s", shina_tls_scheme(config), port);
    else
        (void)snprintf(out, 300, "%s://%s", shina_tls_scheme(config), listen);
    return out;
}

/* False: said on stderr. */
static bool
read_arguments(int argc, char **argv, wanted *w)
{
    const char *tenant = option_of(argc, argv, "--tenant");

    w->email = option_of(argc, argv, "--email");
    w->name = option_of(argc, argv, "--name");
    w->tenant_name = option_of(argc, argv, "--tenant-name");
    if (w->tenant_name == NULL)
        w->tenant_name = "Carrier";
    if (tenant != NULL && bus_id_parse(bus_str_of(tenant), &w->tenant) && w->email != NULL &&
        w->name != NULL)
        return true;
    (void)fputs("shina admin create: --tenant UUID, --email and --name are needed. See shina help "
                "admin\n",
                stderr);
    return false;
}

int
verb_admin(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--tenant=", "--email=", "--name=", "--tenant-name=", NULL};
    wanted                   w = {.email = NULL};
    char                     password[PASSWORD_BYTES] = "", base[300];
    asker                    a = {.base = base_of(config, base)};
    char                    *token = NULL;
    bus_error                err = {0};
    int                      rc = 1;

    if (argc < 2 || strcmp(argv[1], "create") != 0) {
        (void)fputs("shina admin: what? See shina help admin\n", stderr);
        return 2;
    }
    if (!options_known(argc - 1, argv + 1, known, 0) || !read_arguments(argc, argv, &w))
        return 2;
    if (!read_password(password)) {
        OPENSSL_cleanse(password, sizeof(password));
        return 2;
    }
    if (!is_fit(config, password, w.email)) {
        rc = 1;
    } else if (operator_token(config, &w, &token, &err) != BUS_OK) {
        rc = failed(&err);
    } else {
        a.token = token;
        rc = create(&a, &w, password) ? 0 : 1;
    }
    OPENSSL_cleanse(password, sizeof(password));
    if (token != NULL)
        OPENSSL_cleanse(token, strlen(token));
    free(token);
    return rc;
}
