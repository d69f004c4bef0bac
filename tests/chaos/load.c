/* load.c - each thread is a dispatcher's day in random order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/load.h"
#include "tests/chaos/say.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define POOL_MAX 24       /* vehicles and drivers that trips choose from */
#define NAMES 40          /* plates, phones, orders, boxes: few, so that they collide */
#define GIVE_UP_PERCENT 3 /* calls that are not sent again when no answer comes */
#define REPEAT_PERCENT 8  /* acknowledged calls that are sent once more */
#define READ_PERCENT 10   /* acknowledged calls whose row is read with X-After */
#define HOUR_MS INT64_C(3600000)
#define PATH_BYTES 128
#define BODY_BYTES 1024

typedef struct {
    pthread_mutex_t lock;
    char            ids[POOL_MAX][40];
    int             count;
} pool;

/* The call that a client is at, for load_say_calls. */
typedef struct {
    pthread_mutex_t lock;
    char            path[PATH_BYTES], code[64];
    int64_t         since_ms;
    int             sent;
    long            status; /* of the last answer */
} progress;

typedef struct {
    load     *of;
    pthread_t thread;
    int       number;
    uint64_t  random;
    long      calls;
    int       edge;         /* asked last */
    char      delivery[40]; /* the last one that it made, or empty */
    progress  at;
} worker;

struct load {
    const tests_shina *shina;
    journal           *j;
    const char        *token;
    uint64_t           seed;
    pool               vehicles, drivers;
    worker             workers[THREADS_MAX];
    int                threads;
    int64_t            day_at;
    atomic_bool        stopping;
    atomic_int         running;
    atomic_long        calls, acknowledged, refused, unknown, retried, unavailable, repeats, faults;
    atomic_long        reads, answered_ms, silence_ms;
};

/* What came of a call. */
typedef struct {
    long status; /* 0: unknown */
    char id[40], position[64], code[64];
    int  version;
} outcome;

static uint64_t
chance(worker *w, uint64_t n)
{
    return chaos_random(&w->random, n);
}

/* --- calls -------------------------------------------------------------------------------- */

static outcome
ask_once(worker *w, const char *key, const char *path, const char *body)
{
    char           header[96];
    const char    *headers[] = {header, NULL};
    outcome        o = {0};
    tests_response r;
    const char    *text;

    (void)snprintf(header, sizeof(header), "Idempotency-Key: %s", key);
    w->edge = (w->edge + 1) % tests_shina_edges(w->of->shina);
    r = tests_shina_ask_edge(w->of->shina, w->edge,
                             &(tests_request){.method = "POST",
                                              .path = path,
                                              .token = w->of->token,
                                              .body = body,
                                              .headers = headers});
    o.status = r.status;
    o.version = (int)json_integer_value(json_object_get(r.json, "version"));
    text = json_string_value(json_object_get(r.json, "id"));
    (void)snprintf(o.id, sizeof(o.id), "%s", text == NULL ? "" : text);
    text = json_string_value(json_object_get(r.json, "position"));
    (void)snprintf(o.position, sizeof(o.position), "%s", text == NULL ? "" : text);
    text = json_string_value(json_object_get(r.json, "code"));
    (void)snprintf(o.code, sizeof(o.code), "%s", text == NULL ? "" : text);
    json_decref(r.json);
    return o;
}

/* No answer, or one that says: ask again. */
static bool
is_open(const outcome *o)
{
    return o->status == 0 || o->status == 429 || o->status == 502 || o->status == 503 ||
           o->status == 504;
}

static bool
is_done(const outcome *o)
{
    return o->status == 200 || o->status == 201;
}

static void
fault(load *l, const char *path, const char *body, const outcome *o, const char *what)
{
    atomic_fetch_add(&l->faults, 1);
    chaos_say("FAULT %s: %s %s: %ld %s %s %d %s", what, path, body, o->status, o->code, o->id,
              o->version, o->position);
}

/* An acknowledged call, once more: its first answer comes again. */
static void
repeat(worker *w, const char *key, const char *path, const char *body, const outcome *first)
{
    outcome o = ask_once(w, key, path, body);

    if (is_open(&o))
        return;
    atomic_fetch_add(&w->of->repeats, 1);
    if (o.status != first->status || o.version != first->version || strcmp(o.id, first->id) != 0 ||
        strcmp(o.position, first->position) != 0)
        fault(w->of, path, body, &o, "a repeat has another answer");
}

/* The row behind an acknowledged call, as whoever made it must see it. */
static void
read_back(worker *w, long number, const char *path, const outcome *o)
{
    char           after[96], row[PATH_BYTES];
    const char    *headers[] = {after, NULL};
    size_t         collection = strcspn(path + strlen("/api/v1/"), "/");
    tests_response r;

    (void)snprintf(after, sizeof(after), "X-After: %s", o->position);
    (void)snprintf(row, sizeof(row), "/api/v1/%.*s/%s", (int)collection, path + strlen("/api/v1/"),
                   o->id);
    r = tests_shina_ask_edge(
        w->of->shina, w->edge,
        &(tests_request){.method = "GET", .path = row, .token = w->of->token, .headers = headers});
    if (!is_open(&(outcome){.status = r.status})) {
        atomic_fetch_add(&w->of->reads, 1);
        journal_read_back(w->of->j, number, r.status,
                          (int)json_integer_value(json_object_get(r.json, "version")));
    }
    json_decref(r.json);
}

/* Some client got an answer that ended its call. */
static void
end_silence(load *l)
{
    long now = (long)chaos_now_ms(), silence = now - atomic_exchange(&l->answered_ms, now);
    long longest = atomic_load(&l->silence_ms);

    while (silence > longest && !atomic_compare_exchange_weak(&l->silence_ms, &longest, silence)) {
    }
}

static void
count_outcome(worker *w, const char *path, const char *body, const outcome *o, int sent)
{
    load *l = w->of;

    if (sent > 1)
        atomic_fetch_add(&l->retried, 1);
    if (o->status == 0)
        atomic_fetch_add(&l->unknown, 1);
    else if (is_done(o))
        atomic_fetch_add(&l->acknowledged, 1);
    else if (o->status == 404 || o->status == 409 || o->status == 422)
        atomic_fetch_add(&l->refused, 1);
    else
        fault(l, path, body, o, "no answer for a client");
    if (o->status == 422 && strcmp(o->code, "INVALID") == 0)
        fault(l, path, body, o, "the load is at fault");
}

/* Before (o is NULL) and after each time that a call is sent. */
static void
note(worker *w, const char *path, int sent, const outcome *o)
{
    (void)pthread_mutex_lock(&w->at.lock);
    if (o == NULL && sent == 0) {
        (void)snprintf(w->at.path, sizeof(w->at.path), "%s", path);
        w->at.since_ms = chaos_now_ms();
        w->at.status = 0;
        w->at.code[0] = '\0';
    } else if (o != NULL) {
        w->at.status = o->status;
        memcpy(w->at.code, o->code, sizeof(w->at.code));
    }
    w->at.sent = sent;
    (void)pthread_mutex_unlock(&w->at.lock);
}

/* POST of a body in single quotes, until it is answered. */
__attribute__((format(printf, 3, 4))) static outcome
call(worker *w, const char *path, const char *fmt, ...)
{
    load   *l = w->of;
    outcome o = {0};
    bool    gives_up = chance(w, 100) < GIVE_UP_PERCENT;
    char    body[BODY_BYTES], key[64];
    int     sent = 0;
    long    number;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(body, sizeof(body), fmt, args);
    va_end(args);
    for (char *c = body; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    (void)snprintf(key, sizeof(key), "%llx-%d-%ld", (unsigned long long)l->seed, w->number,
                   ++w->calls);
    atomic_fetch_add(&l->calls, 1);
    number = journal_call(l->j, key, path, body);
    for (;;) {
        note(w, path, sent, NULL);
        o = ask_once(w, key, path, body);
        note(w, path, ++sent, &o);
        if (o.status == 503 || o.status == 504)
            atomic_fetch_add(&l->unavailable, 1);
        if (!is_open(&o) || gives_up)
            break;
        chaos_pause_ms((long)(20 + chance(w, 200)));
    }
    if (is_open(&o)) {
        o = (outcome){0};
        journal_give_up(l->j, number, sent);
    } else {
        end_silence(l);
        journal_answer(l->j, number, o.status, o.id[0] == '\0' ? NULL : o.id, o.version,
                       o.position[0] == '\0' ? NULL : o.position, o.code[0] == '\0' ? NULL : o.code,
                       sent);
    }
    count_outcome(w, path, body, &o, sent);
    if (is_done(&o) && chance(w, 100) < REPEAT_PERCENT)
        repeat(w, key, path, body, &o);
    if (is_done(&o) && chance(w, 100) < READ_PERCENT)
        read_back(w, number, path, &o);
    return o;
}

/* --- pools -------------------------------------------------------------------------------- */

static void
put(pool *p, const char *id)
{
    (void)pthread_mutex_lock(&p->lock);
    if (p->count < POOL_MAX)
        memcpy(p->ids[p->count++], id, 40);
    (void)pthread_mutex_unlock(&p->lock);
}

/* Any one, and out of the pool if take. False: there is none. */
static bool
pick(worker *w, pool *p, bool take, char id[40])
{
    bool got;
    int  at;

    (void)pthread_mutex_lock(&p->lock);
    got = p->count > 0;
    if (got) {
        at = (int)chance(w, (uint64_t)p->count);
        memcpy(id, p->ids[at], 40);
        if (take && at != --p->count)
            memcpy(p->ids[at], p->ids[p->count], 40);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return got;
}

static const char *
path_of(char path[PATH_BYTES], const char *collection, const char *id, const char *command)
{
    (void)snprintf(path, PATH_BYTES, "/api/v1/%s/%s/%s", collection, id, command);
    return path;
}

/* --- what a dispatcher does ---------------------------------------------------------------- */

static void
register_vehicle(worker *w)
{
    outcome made;
    char    path[PATH_BYTES];

    made = call(w, "/api/v1/vehicles",
                "{'plate':'B%03uBC77','vin':'XTA21099%09u','odometer_m':1000,'specs':{'class':"
                "'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"
                "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"
                "'fixed_kop_day':250000}}",
                (unsigned)chance(w, NAMES), (unsigned)chance(w, NAMES));
    if (!is_done(&made))
        return;
    (void)call(w, path_of(path, "vehicles", made.id, "documents"),
               "{'kind':'OSAGO','number':'1','from_on':'2020-01-01','to_on':'2099-01-01'}");
    (void)call(w, path_of(path, "vehicles", made.id, "documents"),
               "{'kind':'INSPECTION','number':'1','from_on':'2020-01-01','to_on':'2099-01-01'}");
    put(&w->of->vehicles, made.id);
}

static void
hire_driver(worker *w)
{
    outcome made, active;
    char    path[PATH_BYTES];

    made = call(w, "/api/v1/drivers",
                "{'full_name':'Driver','phone_e164':'+7900%07u','licence':{'number':'77%08u',"
                "'categories':['B'],'valid_to':'2099-01-01'},'medical_valid_to':'2099-01-01'}",
                (unsigned)chance(w, NAMES), (unsigned)chance(w, NAMES));
    if (!is_done(&made))
        return;
    active = call(w, path_of(path, "drivers", made.id, "activate"), "{}");
    if (is_done(&active))
        put(&w->of->drivers, made.id);
}

static void
retire_one(worker *w)
{
    char id[40], path[PATH_BYTES];

    if (pick(w, &w->of->vehicles, true, id)) {
        outcome o =
            call(w, path_of(path, "vehicles", id, "retire"), "{'reason':'the end of its days'}");

        if (o.status == 409)
            put(&w->of->vehicles, id);
    }
    if (pick(w, &w->of->drivers, true, id)) {
        outcome o = call(w, path_of(path, "drivers", id, "dismiss"), "{'reason':'went away'}");

        if (o.status == 409)
            put(&w->of->drivers, id);
    }
}

static void
use_vehicle(worker *w)
{
    char id[40], path[PATH_BYTES];

    if (!pick(w, &w->of->vehicles, false, id))
        return;
    switch (chance(w, 4)) {
    case 0: (void)call(w, path_of(path, "vehicles", id, "block"), "{'reason':'brakes'}"); return;
    case 1: (void)call(w, path_of(path, "vehicles", id, "unblock"), "{}"); return;
    default:
        (void)call(w, path_of(path, "vehicles", id, "odometer"),
                   "{'odometer_m':%u,'source':'SERVICE'}", 1000 + (unsigned)chance(w, 1000000));
    }
}

static void
order_delivery(worker *w)
{
    outcome made;
    char    path[PATH_BYTES];

    made = call(w, "/api/v1/deliveries",
                "{'kind':'DBS_TO_BUYER','customer_id':'77777777-7777-4777-8777-777777777777',"
                "'wb_order_id':'wb-%u','from':{'lat_e6':55000000,'lon_e6':37000000},'to':{'lat_e6':"
                "55100000,'lon_e6':37100000},'window':{'from_at':%lld,'to_at':%lld},'price_kop':"
                "15000,'boxes':[{'barcode':'box-%u','gross_g':5000,'volume_ml':20000}]}",
                (unsigned)chance(w, NAMES * 3), (long long)w->of->day_at,
                (long long)(w->of->day_at + 9 * HOUR_MS), (unsigned)chance(w, NAMES * 3));
    if (!is_done(&made))
        return;
    (void)call(w, path_of(path, "deliveries", made.id, "confirm"), "{}");
    if (w->delivery[0] != '\0')
        (void)call(w, path_of(path, "deliveries", w->delivery, "cancel"), "{'reason':'no more'}");
    memcpy(w->delivery, made.id, 40);
}

/* Drafts, plans and assigns a trip; most are called off after, so that vehicles stay free. */
static void
run_trip(worker *w)
{
    outcome made, assigned = {0};
    char    path[PATH_BYTES], vehicle[40], driver[40];
    int64_t from_at = w->of->day_at + (int64_t)chance(w, 48) * HOUR_MS;

    if (!pick(w, &w->of->vehicles, false, vehicle) || !pick(w, &w->of->drivers, false, driver))
        return;
    made = call(w, "/api/v1/trips", "{}");
    if (!is_done(&made))
        return;
    (void)call(w, path_of(path, "trips", made.id, "plan"),
               "{'planned_from_at':%lld,'planned_to_at':%lld,'stops':[{'kind':'PVZ','distance_m':"
               "9000,'duration_s':1200,'service_s':600}]}",
               (long long)from_at, (long long)(from_at + 4 * HOUR_MS));
    if (w->delivery[0] != '\0' && chance(w, 2) == 0) {
        (void)call(w, path_of(path, "trips", made.id, "deliveries"),
                   "{'delivery_id':'%s','stop_seq':1,'customer_id':"
                   "'77777777-7777-4777-8777-777777777777','load_g':5000,'load_ml':20000,"
                   "'price_kop':15000}",
                   w->delivery);
        w->delivery[0] = '\0';
    }
    assigned = call(w, path_of(path, "trips", made.id, "assign"),
                    "{'vehicle_id':'%s','driver_id':'%s'}", vehicle, driver);
    if (chance(w, 10) < 2)
        return; /* it stays */
    if (is_done(&assigned) && chance(w, 2) == 0)
        chaos_pause_ms((long)chance(w, 60)); /* else right in the middle of P1 */
    (void)call(w, path_of(path, "trips", made.id, "cancel"), "{'reason':'changed my mind'}");
}

static void *
work(void *context)
{
    worker *w = context;

    while (!atomic_load(&w->of->stopping)) {
        uint64_t n = chance(w, 100);

        if (n < 12)
            register_vehicle(w);
        else if (n < 24)
            hire_driver(w);
        else if (n < 32)
            retire_one(w);
        else if (n < 50)
            use_vehicle(w);
        else if (n < 70)
            order_delivery(w);
        else
            run_trip(w);
    }
    atomic_fetch_sub(&w->of->running, 1);
    return NULL;
}

/* --- starting and stopping ------------------------------------------------------------------ */

load *
load_start(const tests_shina *shina, journal *j, const char *token, uint64_t seed, int threads)
{
    load *l = calloc(1, sizeof(*l));

    if (l == NULL || threads > THREADS_MAX || pthread_mutex_init(&l->vehicles.lock, NULL) != 0 ||
        pthread_mutex_init(&l->drivers.lock, NULL) != 0)
        abort();
    l->shina = shina;
    l->j = j;
    l->token = token;
    l->seed = seed;
    l->threads = threads;
    l->day_at = ((int64_t)time(NULL) / 86400 + 2) * 24 * HOUR_MS;
    atomic_store(&l->running, threads);
    atomic_store(&l->answered_ms, (long)chaos_now_ms());
    for (int i = 0; i < threads; i++) {
        l->workers[i] = (worker){.of = l, .number = i, .random = seed + (uint64_t)i * 7919 + 1};
        if (pthread_mutex_init(&l->workers[i].at.lock, NULL) != 0)
            abort();
        if (pthread_create(&l->workers[i].thread, NULL, work, &l->workers[i]) != 0)
            chaos_die("no thread for the load");
    }
    return l;
}

load_counts
load_so_far(load *l)
{
    return (load_counts){.calls = atomic_load(&l->calls),
                         .acknowledged = atomic_load(&l->acknowledged),
                         .refused = atomic_load(&l->refused),
                         .unknown = atomic_load(&l->unknown),
                         .retried = atomic_load(&l->retried),
                         .unavailable = atomic_load(&l->unavailable),
                         .repeats = atomic_load(&l->repeats),
                         .reads = atomic_load(&l->reads),
                         .silence_ms = atomic_load(&l->silence_ms)};
}

void
load_say_calls(load *l)
{
    for (int i = 0; i < l->threads; i++) {
        progress *at = &l->workers[i].at;

        (void)pthread_mutex_lock(&at->lock);
        chaos_say("client %d: %s, for %lld ms, sent %d times, last answer %ld %s", i, at->path,
                  (long long)(chaos_now_ms() - at->since_ms), at->sent, at->status, at->code);
        (void)pthread_mutex_unlock(&at->lock);
    }
}

long
load_faults(const load *l)
{
    return atomic_load(&l->faults);
}

load_counts
load_stop(load *l, int patience_s)
{
    int64_t until = chaos_now_ms() + (int64_t)patience_s * 1000;

    atomic_store(&l->stopping, true);
    while (atomic_load(&l->running) > 0) {
        if (chaos_now_ms() > until)
            chaos_die("%d clients got no answer for %d s", atomic_load(&l->running), patience_s);
        chaos_pause_ms(20);
    }
    for (int i = 0; i < l->threads; i++)
        (void)pthread_join(l->workers[i].thread, NULL);
    return load_so_far(l);
}

void
load_destroy(load *l)
{
    for (int i = 0; i < l->threads; i++)
        (void)pthread_mutex_destroy(&l->workers[i].at.lock);
    (void)pthread_mutex_destroy(&l->vehicles.lock);
    (void)pthread_mutex_destroy(&l->drivers.lock);
    free(l);
}
