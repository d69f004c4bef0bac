/* limits_test.c - limits of rate against a whole shina: shared by edges, without Redis, and what a
 * flood of log-ins does to others. Addresses are told by X-Forwarded-For, as a trusted proxy does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/feed_client.h"
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define PASSWORD "kr7-wolke-zimt"
#define QUERIES 120
#define COMMANDS 600
#define ANONYMOUS 60
#define WRONG 10000
#define FLOODERS 8
#define GUESSERS 2 /* addresses: together they may try fewer hashes a second than a core makes */
#define WORK 150
#define FEEDS_OF_USER 16
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define CROWD 160 /* at once, each time from another address */

static tests_shina *shina;
static char         token[2048];

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* From an address, at an edge, or at the next one: -1. */
static tests_response
ask(int edge, const char *method, const char *path, const char *bearer, const char *body,
    const char *address)
{
    char                forwarded[100];
    const char *const   headers[] = {forwarded, NULL};
    const tests_request request = {
        .method = method, .path = path, .token = bearer, .body = body, .headers = headers};

    (void)snprintf(forwarded, sizeof(forwarded), "X-Forwarded-For: %s", address);
    return edge < 0 ? tests_shina_ask(shina, &request)
                    : tests_shina_ask_edge(shina, edge, &request);
}

static long
status(tests_response r)
{
    json_decref(r.json);
    return r.status;
}

/* The same, so many times: how many were answered so. */
static int
count(int times, int edge, const char *path, const char *bearer, const char *address, long wanted)
{
    int found = 0;

    for (int i = 0; i < times; i++)
        found += status(ask(edge, "GET", path, bearer, NULL, address)) == wanted;
    return found;
}

static size_t
gather(char *bytes, size_t size, size_t many, void *to)
{
    char  *text = to;
    size_t used = strlen(text);

    (void)snprintf(text + used, 8000 - used, "%.*s", (int)(size * many), bytes);
    return size * many;
}

static long
heads(const char *path, const char *bearer, const char *address, char text[8000])
{
    CURL              *curl = curl_easy_init();
    char               url[300], line[2200];
    struct curl_slist *headers = NULL;
    long               got = 0;

    (void)snprintf(url, sizeof(url), "%s%s", tests_shina_url(shina), path);
    (void)snprintf(line, sizeof(line), "X-Forwarded-For: %s", address);
    headers = curl_slist_append(headers, line);
    if (bearer != NULL) {
        (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", bearer);
        headers = curl_slist_append(headers, line);
    }
    text[0] = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, gather);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, text);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, gather);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &got);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return got;
}

static tests_response
log_in_at(int edge, const char *tenant, const char *email, const char *password,
          const char *address)
{
    char body[400];

    (void)snprintf(body, sizeof(body), "{\"tenant\":\"%s\",\"email\":\"%s\",\"password\":\"%s\"}",
                   tenant, email, password);
    return ask(edge, "POST", "/api/v1/auth/login", NULL, body, address);
}

static tests_response
log_in(const char *email, const char *password, const char *address)
{
    return log_in_at(-1, TENANT, email, password, address);
}

/* Views may be a moment behind, and who comes after a flood waits his turn. */
static void
must_log_in(const char *email, const char *address, char out[2048])
{
    long last = 0;

    for (int i = 0; i < 300; i++) {
        tests_response r = log_in(email, PASSWORD, address);

        last = r.status;
        (void)snprintf(out, 2048, "%s", text_of(r.json, "access_token"));
        json_decref(r.json);
        if (last == 200)
            return;
        pause_ms(100);
    }
    fail_msg("%s cannot log in: %ld", email, last);
}

/* --- stories ---------------------------------------------------------------------------------- */

static void
test_anonymous(void **state)
{
    const char *const   lines[] = {"X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 198.51.100.1",
                                   NULL};
    const tests_request two_lines = {.method = "GET", .path = "/openapi.json", .headers = lines};
    char                text[8000];
    int                 edges = tests_shina_edges(shina), held = 0;
    long                got = 0;

    (void)state;
    assert_int_equal(heads("/openapi.json", NULL, "198.51.100.1", text), 200);
    assert_non_null(strcasestr(text, "\r\nRateLimit-Policy: \"anonymous\";q=60;w=60\r\n"));
    assert_non_null(strcasestr(text, "\r\nRateLimit: \"anonymous\";r=59;t="));
    /* One a second comes back, and edges hear of each other every 100 ms. */
    assert_in_range(count(2 * ANONYMOUS, -1, "/openapi.json", NULL, "198.51.100.1", 200),
                    ANONYMOUS - 1, ANONYMOUS * edges + 30);
    pause_ms(300);
    for (int i = 0; i < 5 && got != 429; i++) /* one may have come back meanwhile */
        got = heads("/openapi.json", NULL, "198.51.100.1", text);
    assert_int_equal(got, 429);
    assert_non_null(strcasestr(text, "\r\nRetry-After: "));
    assert_non_null(strstr(text, "\"RATE_LIMITED\""));
    assert_non_null(strcasestr(text, "\r\nRateLimit: \"anonymous\";r=0;t="));
    /* Tokens that are none are of the same bucket, and tell nothing any more. */
    assert_in_range(count(10, -1, "/api/v1/vehicles", "x.y.z", "198.51.100.1", 429), 7, 10);
    assert_int_equal(status(ask(-1, "GET", "/api/v1/vehicles", "x.y.z", NULL, "198.51.100.2")),
                     401);
    /* What a client invents stands in a line before that of the proxy, or before a comma. */
    for (int i = 0; i < 10; i++)
        held += status(tests_shina_ask(shina, &two_lines)) == 429;
    assert_in_range(held, 7, 10);
    assert_in_range(count(10, -1, "/openapi.json", NULL, "192.0.2.1, 198.51.100.1", 429), 7, 10);
    assert_in_range(count(10, -1, "/openapi.json", NULL, "198.51.100.1:4711", 429), 7, 10);
    assert_in_range(count(10, -1, "/nowhere", NULL, "198.51.100.1", 429), 7, 10);
    assert_in_range(count(10, -1, "/api/v1/auth/login", NULL, "198.51.100.1", 429), 7, 10);
    assert_int_equal(count(1, -1, "/nowhere", NULL, "198.51.100.14", 404), 1);
    assert_int_equal(count(1, -1, "/api/v1/auth/login", NULL, "198.51.100.14", 405), 1);
    /* Who looks after the machine is always answered, and users are not anonymous. */
    assert_int_equal(count(3, -1, "/healthz", NULL, "198.51.100.1", 200), 3);
    assert_int_equal(count(3, -1, "/api/v1/tenants", token, "198.51.100.1", 200), 3);
}

/* Who signs for a source that he is not. */
static void
test_strangers_push(void **state)
{
    static const char path[] = "/api/v1/ingest/" TENANT ".22222222-2222-4222-8222-222222222222";
    int               unknown = 0, held = 0;

    (void)state;
    for (int i = 0; i < 2 * ANONYMOUS; i++) {
        long s = status(ask(0, "POST", path, NULL, "{}", "198.51.100.12"));

        unknown += s == 404;
        held += s == 429;
    }
    assert_in_range(unknown, ANONYMOUS - 1, ANONYMOUS + 30);
    assert_int_equal(unknown + held, 2 * ANONYMOUS);
    assert_int_equal(status(ask(0, "POST", path, NULL, "{}", "198.51.100.13")), 404);
}

/* Else one could hold all that there are. */
static void
test_a_user_has_a_few_feeds(void **state)
{
    tests_feed_options how = {
        .url = tests_shina_url(shina), .domain = "drivers", .token = token, .way = TESTS_FEED_SSE};
    tests_feed *feeds[FEEDS_OF_USER];
    long        s = 0;

    (void)state;
    for (int i = 0; i < FEEDS_OF_USER; i++) {
        feeds[i] = tests_feed_open(&how, &s);
        assert_non_null(feeds[i]);
    }
    assert_null(tests_feed_open(&how, &s));
    assert_int_equal(s, 429);
    tests_feed_close(feeds[0]);
    for (int i = 0; i < 200 && (feeds[0] = tests_feed_open(&how, &s)) == NULL; i++)
        pause_ms(50);
    for (int i = 0; i < FEEDS_OF_USER; i++) {
        assert_non_null(feeds[i]);
        tests_feed_close(feeds[i]);
    }
}

/* Those who come again with a refresh token do not pay for what others ask from there. */
static void
test_refreshes_are_counted_apart(void **state)
{
    const char body[] = "{\"refresh_token\":\"none\"}";

    (void)state;
    assert_true(count(2 * ANONYMOUS, 0, "/api/v1/tenants", NULL, "198.51.100.14", 429) > 20);
    assert_int_equal(status(ask(0, "POST", "/api/v1/auth/refresh", NULL, body, "198.51.100.14")),
                     401);
}

/* What one edge lets through counts at the other. */
static void
test_edges_share_limits(void **state)
{
    int  edges = tests_shina_edges(shina), let = 0;
    bool again = false;

    (void)state;
    for (int i = 0; i < 3 * QUERIES; i++) {
        let +=
            status(ask(i % edges, "GET", "/api/v1/vehicles", token, NULL, "198.51.100.3")) == 200;
        if (i % 20 == 0)
            pause_ms(120);
    }
    /* Three times as many came within some seconds; two a second come back. */
    assert_in_range(let, QUERIES / 2, QUERIES + 80);
    /* Commands are counted apart. */
    assert_int_equal(status(ask(0, "POST", "/api/v1/drivers", token,
                                "{\"full_name\":\"Not Held Up\",\"phone_e164\":\"+79160000007\"}",
                                "198.51.100.3")),
                     201);
    /* What both let through before they heard of each other is paid back first. */
    for (int i = 0; i < 700 && !again; i++) {
        pause_ms(100);
        again = count(1, 0, "/api/v1/vehicles", token, "198.51.100.3", 200) == 1;
    }
    assert_true(again);
}

static void
wait_for_redis(const char *wanted)
{
    char seen[32] = "";

    for (int i = 0; i < 400 && strcmp(seen, wanted) != 0; i++) {
        tests_response r = ask(0, "GET", "/readyz", NULL, NULL, "198.51.100.9");

        (void)snprintf(seen, sizeof(seen), "%s", text_of(r.json, "redis"));
        assert_int_equal(r.status, 200);
        json_decref(r.json);
        pause_ms(50);
    }
    assert_string_equal(seen, wanted);
}

static pid_t
redis_pid(void)
{
    char  path[600];
    FILE *f;
    long  pid = 0;

    (void)snprintf(path, sizeof(path), "%s/run/redis.pid", tests_shina_home(shina));
    if ((f = fopen(path, "re")) == NULL)
        return 0;
    if (fscanf(f, "%ld", &pid) != 1)
        pid = 0;
    (void)fclose(f);
    return (pid_t)pid;
}

static void
signal_redis(int number)
{
    pid_t redis = redis_pid();

    if (redis == 0)
        fail_msg("where is Redis?");
    assert_int_equal(kill(redis, number), 0);
}

/* Stopped, not ended: so it is not started anew at once. */
static void
test_without_redis(void **state)
{
    (void)state;
    signal_redis(SIGSTOP);
    wait_for_redis("degraded");
    assert_in_range(count(2 * ANONYMOUS, 0, "/openapi.json", NULL, "198.51.100.4", 200),
                    ANONYMOUS - 1, ANONYMOUS + 30);
    signal_redis(SIGCONT);
    wait_for_redis("ok");
    assert_int_equal(count(5, 0, "/openapi.json", NULL, "198.51.100.5", 200), 5);
}

/* It comes back and knows nothing: at most a bucket more is let through, and nothing fails. */
static void
test_redis_is_killed(void **state)
{
    int let = 0;

    (void)state;
    assert_in_range(count(2 * ANONYMOUS, 0, "/openapi.json", NULL, "198.51.100.10", 200),
                    ANONYMOUS - 1, ANONYMOUS + 30);
    signal_redis(SIGKILL);
    assert_in_range(count(10, 0, "/openapi.json", NULL, "198.51.100.10", 429), 7, 10);
    wait_for_redis("ok");
    for (int i = 0; i < 4 * ANONYMOUS; i++) {
        long got = status(ask(0, "GET", "/openapi.json", NULL, NULL, "198.51.100.10"));

        assert_true(got == 200 || got == 429);
        let += got == 200;
        if (i % 20 == 0)
            pause_ms(120);
    }
    assert_in_range(let, 1, ANONYMOUS + 60);
    assert_int_equal(count(5, 0, "/openapi.json", NULL, "198.51.100.11", 200), 5);
}

/* --- the flood -------------------------------------------------------------------------------- */

static atomic_int wrong, got_in, refused, held_off, others;

static void *
flood(void *number)
{
    char email[64], address[64];

    for (int i = (int)(intptr_t)number; i < WRONG; i += FLOODERS) {
        long s;

        (void)snprintf(email, sizeof(email), i % 50 == 0 ? "boss@example.com" : "u%d@example.com",
                       i);
        (void)snprintf(address, sizeof(address), "203.0.113.%d", i / FLOODERS % GUESSERS);
        s = status(log_in(email, "not the password", address));
        atomic_fetch_add(&wrong, 1);
        atomic_fetch_add(s == 200   ? &got_in
                         : s == 401 ? &refused
                         : s == 429 ? &held_off
                                    : &others,
                         1);
    }
    return NULL;
}

static double
now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Commands of a user who works: how many were done, and how long they took, sorted. */
static int
work(int first, double took_ms[WORK])
{
    char body[200];
    int  done = 0;

    for (int i = 0; i < WORK; i++) {
        double began_ms = now_ms();

        (void)snprintf(body, sizeof(body),
                       "{\"full_name\":\"At Work\",\"phone_e164\":\"+7917%07d\"}", first + i);
        done += status(ask(-1, "POST", "/api/v1/drivers", token, body, "198.51.100.6")) == 201;
        took_ms[i] = now_ms() - began_ms;
    }
    qsort(took_ms, WORK, sizeof(took_ms[0]), compare);
    return done;
}

static void
test_ten_thousand_wrong_log_ins(void **state)
{
    pthread_t threads[FLOODERS];
    char      again[2048];
    double    calm_ms[WORK], flood_ms[WORK];
    int       done, wrong_then;

    (void)state;
    assert_int_equal(work(0, calm_ms), WORK);
    for (int i = 0; i < FLOODERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood, (void *)(intptr_t)i), 0);
    done = work(WORK, flood_ms);
    wrong_then = atomic_load(&wrong);
    for (int i = 0; i < FLOODERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    print_message("%d wrong log-ins: %d refused, %d held off, %d told to come again\n",
                  atomic_load(&wrong), atomic_load(&refused), atomic_load(&held_off),
                  atomic_load(&others));
    print_message("commands, median and slowest: %.1f and %.1f ms before, %.1f and %.1f ms during "
                  "the first %d of them\n",
                  calm_ms[WORK / 2], calm_ms[WORK - 1], flood_ms[WORK / 2], flood_ms[WORK - 1],
                  wrong_then);
    assert_int_equal(done, WORK);
    assert_true(wrong_then > 0);
    assert_int_equal(atomic_load(&wrong), WRONG);
    assert_int_equal(atomic_load(&got_in), 0);
    assert_true(atomic_load(&held_off) > WRONG / 2);
    /* Whom nobody guessed at comes in as before, from elsewhere. */
    must_log_in("worker@example.com", "198.51.100.7", again);
}

/* --- the crowd -------------------------------------------------------------------------------- */

static atomic_bool over;
static atomic_int  guesses, turned_away;

/* Each address stays below its rate. */
static void *
guess_from_everywhere(void *number)
{
    char email[64], address[64];
    int  own = (int)(intptr_t)number, edges = tests_shina_edges(shina);

    for (int i = 0; i < 5000 && !atomic_load(&over); i++) {
        long s;

        (void)snprintf(email, sizeof(email), "u%d@example.com", i);
        (void)snprintf(address, sizeof(address), "10.%d.%d.%d", own, i / 250, i % 250);
        s = status(log_in_at(own % edges, TENANT, email, "not the password", address));
        if (s == 200)
            atomic_fetch_add(&got_in, 1);
        atomic_fetch_add(&guesses, 1);
        if (s == 503) {
            atomic_fetch_add(&turned_away, 1);
            pause_ms(50);
        }
    }
    return NULL;
}

/* At each edge, at the first attempt. */
static void
come_in(const char *who, const char *tenant, const char *email, const char *address)
{
    for (int i = 0; i < tests_shina_edges(shina); i++) {
        double began_ms = now_ms();
        long   s = status(log_in_at(i, tenant, email, PASSWORD, address));

        print_message("%s: %ld after %.0f ms\n", who, s, now_ms() - began_ms);
        assert_int_equal(s, 200);
    }
}

static void
test_a_crowd_keeps_nobody_out(void **state)
{
    pthread_t threads[CROWD];

    (void)state;
    come_in("before it, the worker", TENANT, "worker@example.com", "198.51.100.20");
    pause_ms(1100); /* his address may try one a second */
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, guess_from_everywhere, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 600 && atomic_load(&turned_away) < CROWD; i++)
        pause_ms(50);
    for (int i = 0; i < 3; i++) {
        come_in("a network that was seen", TENANT, "worker@example.com", "198.51.100.20");
        pause_ms(1100);
    }
    come_in("a new one, of another tenant", OTHER_TENANT, "other@example.com", "198.51.100.21");
    atomic_store(&over, true);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    print_message("%d guesses from as many addresses, %d turned away\n", atomic_load(&guesses),
                  atomic_load(&turned_away));
    assert_int_equal(atomic_load(&got_in), 0);
    assert_true(atomic_load(&turned_away) >= CROWD);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static void
create_admin(const char *tenant, const char *email)
{
    const char *args[] = {"admin",  "create",   "--tenant",      tenant,    "--email", email,
                          "--name", "The Boss", "--tenant-name", "Carrier", NULL};
    FILE       *line = tmpfile();
    int         before = dup(STDIN_FILENO), code = 1;

    assert_non_null(line);
    assert_true(before >= 0 && fprintf(line, PASSWORD "\n") > 0);
    rewind(line);
    assert_int_equal(dup2(fileno(line), STDIN_FILENO), STDIN_FILENO);
    free(tests_shina_verb(shina, args, &code));
    assert_int_equal(code, 0);
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    (void)close(before);
    (void)fclose(line);
}

static int
start(void **state)
{
    char text[16];

    (void)state;
    (void)snprintf(text, sizeof(text), "%d", QUERIES);
    if (setenv("SHINA_RATE_QUERIES", text, 1) != 0 ||
        setenv("SHINA_RATE_COMMANDS", "600", 1) != 0 ||
        setenv("SHINA_RATE_ANONYMOUS", "60", 1) != 0 ||
        setenv("SHINA_TRUSTED_PROXIES", "127.0.0.0/8", 1) != 0 ||
        setenv("SHINA_BCRYPT_COST", "10", 1) != 0 || setenv("SHINA_LOGIN_RATE", "1", 1) != 0)
        return -1;
    shina = tests_shina_start();
    create_admin(TENANT, "boss@example.com");
    create_admin(TENANT, "worker@example.com");
    pause_ms(2100); /* sets a password, too */
    create_admin(OTHER_TENANT, "other@example.com");
    must_log_in("worker@example.com", "198.51.100.8", token);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anonymous),
        cmocka_unit_test(test_strangers_push),
        cmocka_unit_test(test_a_user_has_a_few_feeds),
        cmocka_unit_test(test_refreshes_are_counted_apart),
        cmocka_unit_test(test_edges_share_limits),
        cmocka_unit_test(test_without_redis),
        cmocka_unit_test(test_redis_is_killed),
        cmocka_unit_test(test_ten_thousand_wrong_log_ins),
        cmocka_unit_test(test_a_crowd_keeps_nobody_out),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
