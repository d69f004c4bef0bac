/* shina_http.c - requests of a test, and what a client does when its edge is gone.
 *
 * With several edges each thread takes them in turn. When one does not answer, or says that it
 * cannot now (503, 504), the request goes to the other one. So that a command may be repeated it
 * has an Idempotency-Key, the same each time: one of ours if the test gave it none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"
#include "tests/support/shina_internal.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define RETRY_SECONDS 30
#define HEADERS_MAX 16

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
tests_shina_ask_edge(const tests_shina *shina, int edge, const tests_request *request)
{
    tests_response     r = {0};
    text               body = {0};
    struct curl_slist *list = NULL;
    CURL              *curl = connection();
    char               url[2048], bearer[4200];

    (void)snprintf(url, sizeof(url), "%s%s", shina->urls[edge], request->path);
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
    if (strcmp(request->method, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (curl_easy_perform(curl) == CURLE_OK) {
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r.status);
        r.json = body.len == 0 ? NULL : json_loadb(body.at, body.len, 0, NULL);
    }
    curl_slist_free_all(list);
    free(body.at);
    return r;
}

int
tests_shina_edges(const tests_shina *shina)
{
    return shina->edges;
}

/* The request under a key of ours, if it needs one to be repeated and has none. */
static tests_request
repeatable(const tests_request *request, const char *headers[HEADERS_MAX], char key[96])
{
    static atomic_uint last;
    tests_request      r = *request;
    int                count = 0;

    if (strcmp(r.method, "POST") != 0)
        return r;
    for (; r.headers != NULL && r.headers[count] != NULL && count < HEADERS_MAX - 2; count++) {
        if (strncasecmp(r.headers[count], "Idempotency-Key:", 16) == 0)
            return r;
        headers[count] = r.headers[count];
    }
    (void)snprintf(key, 96, "Idempotency-Key: test-%ld-%u", (long)getpid(),
                   atomic_fetch_add(&last, 1));
    headers[count++] = key;
    headers[count] = NULL;
    r.headers = headers;
    return r;
}

tests_response
tests_shina_ask(const tests_shina *shina, const tests_request *request)
{
    static _Thread_local int turn;
    const char              *headers[HEADERS_MAX];
    char                     key[96];
    tests_request            again;
    tests_response           r;

    if (shina->edges <= 1)
        return tests_shina_ask_edge(shina, 0, request);
    again = repeatable(request, headers, key);
    for (int try = 0;; try++) {
        turn = (turn + 1) % shina->edges;
        r = tests_shina_ask_edge(shina, turn, &again);
        if ((r.status != 0 && r.status != 503 && r.status != 504) || try >= RETRY_SECONDS * 10)
            return r;
        json_decref(r.json);
        tests_shina_pause_ms(100);
    }
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
