/* demo.c - a day of a carrier, driven through the HTTP API as clients would: dispatchers register,
 * plan and assign, drivers drive and hand over, the owner settles and reads the report.
 *
 * The day is real: tests/data/loggibud-mit, 221 deliveries in Rio de Janeiro from one depot, for
 * vehicles that carry 180 units. A unit is taken as 5 kg and 50 litres. Trips are a sweep: points
 * sorted by their angle around the depot, a new trip when the vehicle is full, each driven to the
 * nearest point that is left. Distances are
 * straight lines times 1.3, speed is 40 km/h, handing over takes 4 minutes. The day driven is
 * yesterday, so that all its times have been.
 * Ends with 0 only if every delivery is in a final state, the trips' profits sum to the reports,
 * and `shina verify` finds nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "tests/support/leaks.h"
#include "tests/support/shina.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DELIVERIES_MAX 400
#define TRIPS_MAX 32
#define VEHICLES 4
#define UNIT_G 5000
#define UNIT_ML 50000
#define ROAD_FACTOR 1.3
#define METRES_PER_S 11.0
#define SERVICE_S 240
#define PRICE_PER_UNIT_KOP 12000
#define DAY_BEGINS_H 6
#define CUSTOMERS 3
#define POLLS 400

/* Personal values: none of them may stand in the log in clear. */
#define DRIVER_EVEN "Иван Петров"
#define DRIVER_ODD "Пётр Иванов"
#define SENDER "Depot of Zinaida"
#define BUYER "Serafima the buyer"
#define LICENCE "77318"
#define RECEIVER "Agafya, her aunt"

typedef struct {
    double  angle;
    int64_t lat_e6, lon_e6;
    int     size;
    char    id[40];
    int     customer;
    enum { WILL_DELIVER, WILL_RETURN, WILL_CANCEL } fate;
} delivery;

typedef struct {
    char    id[40], driver[40], vehicle[40], token[4200];
    int     first, count; /* among the sorted deliveries that are not cancelled */
    int     crew;
    int64_t begins_at, ends_at, metres;
    int64_t leg_m[DELIVERIES_MAX];
} trip;

typedef struct {
    char    vehicle[40], driver[40], token[4200];
    int64_t odometer_m, free_at;
} crew;

static struct {
    tests_shina *shina;
    char         tenant[40], admin[4200], dispatcher[4200], position[96];
    delivery     all[DELIVERIES_MAX];
    int          count;
    int64_t      depot_lat_e6, depot_lon_e6;
    int          capacity;
    trip         trips[TRIPS_MAX];
    int          trips_count;
    crew         crews[VEHICLES];
    char         customers[CUSTOMERS][40];
    int64_t      day_at; /* midnight, UTC */
    long         requests;
    int          failed;
} demo;

/* --- speaking ------------------------------------------------------------------------------ */

__attribute__((format(printf, 1, 2), noreturn)) static void
die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)fputs("demo: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void
say(const char *what, int n)
{
    (void)printf("  %-42s %d\n", what, n);
    (void)fflush(stdout);
}

static void
check(bool right, const char *what)
{
    (void)printf("  %-42s %s\n", what, right ? "yes" : "NO");
    if (!right)
        demo.failed++;
}

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- asking ---------------------------------------------------------------------------------- */

/* POST with a key of its own; times are what a device says. Repeats what may be repeated. */
static tests_response
post(const char *token, int64_t device_at, const char *path, json_t *body)
{
    char          *text = json_dumps(body, JSON_COMPACT);
    char           key[64], device[64];
    const char    *headers[] = {key, device_at == 0 ? NULL : device, NULL};
    tests_response r = {0};

    (void)snprintf(key, sizeof(key), "Idempotency-Key: %s-%ld", demo.tenant + 24, ++demo.requests);
    (void)snprintf(device, sizeof(device), "X-Device-At: %lld", (long long)device_at);
    for (int i = 0; i < 20; i++) {
        json_decref(r.json);
        r = tests_shina_ask(
            demo.shina,
            &(tests_request){
                .method = "POST", .path = path, .token = token, .body = text, .headers = headers});
        if (r.status != 503 && r.status != 504 && r.status != 0)
            break;
        pause_ms(250);
    }
    free(text);
    json_decref(body);
    return r;
}

static void
explain(const char *path, const tests_response *r)
{
    char *dump = r->json == NULL ? NULL : json_dumps(r->json, JSON_COMPACT);

    die("%s was answered %ld %s", path, r->status, dump == NULL ? "" : dump);
}

/* A command that must succeed. id: of what it made; may be NULL. */
static void
must(const char *token, int64_t device_at, char id[40], json_t *body, const char *fmt, ...)
{
    char           path[256];
    tests_response r;
    va_list        args;

    va_start(args, fmt);
    (void)vsnprintf(path, sizeof(path), fmt, args);
    va_end(args);
    r = post(token, device_at, path, body);
    if (r.status != 200 && r.status != 201)
        explain(path, &r);
    if (id != NULL)
        (void)snprintf(id, 40, "%s", json_string_value(json_object_get(r.json, "id")));
    (void)snprintf(demo.position, sizeof(demo.position), "%s",
                   json_string_value(json_object_get(r.json, "position")));
    json_decref(r.json);
}

/* An item that must be there; after: wait until the view has what was written last. */
static json_t *
item(const char *token, bool after, const char *fmt, ...)
{
    char           path[256], header[128];
    const char    *headers[] = {after ? header : NULL, NULL};
    tests_response r;
    va_list        args;

    va_start(args, fmt);
    (void)vsnprintf(path, sizeof(path), fmt, args);
    va_end(args);
    (void)snprintf(header, sizeof(header), "X-After: %s", demo.position);
    r = tests_shina_ask(
        demo.shina,
        &(tests_request){.method = "GET", .path = path, .token = token, .headers = headers});
    if (r.status != 200)
        explain(path, &r);
    return r.json;
}

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int64_t
int_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* All pages of a list; path may have a query. */
static json_t *
list(const char *path)
{
    json_t *all = json_array();
    char    cursor[1024] = "", url[1400];

    for (;;) {
        tests_response r;

        (void)snprintf(url, sizeof(url), "%s%slimit=200%s%s", path,
                       strchr(path, '?') == NULL ? "?" : "&",
                       *cursor == '\0' ? "" : "&cursor=", cursor);
        r = tests_shina_get(demo.shina, demo.admin, url);
        if (r.status != 200)
            explain(url, &r);
        (void)json_array_extend(all, json_object_get(r.json, "items"));
        (void)snprintf(cursor, sizeof(cursor), "%s", text_of(r.json, "next_cursor"));
        json_decref(r.json);
        if (*cursor == '\0')
            return all;
    }
}

/* --- the day's data ------------------------------------------------------------------------------
 */

static int64_t
e6(const json_t *point, const char *name)
{
    return (int64_t)llround(json_number_value(json_object_get(point, name)) * 1e6);
}

static double
metres(int64_t lat1, int64_t lon1, int64_t lat2, int64_t lon2)
{
    double north = (double)(lat2 - lat1) * 0.111195;
    double east =
        (double)(lon2 - lon1) * 0.111195 * cos((double)(lat1 + lat2) * 0.5e-6 * M_PI / 180);

    return sqrt(north * north + east * east) * ROAD_FACTOR;
}

static int
compare_angles(const void *a, const void *b)
{
    const delivery *x = a, *y = b;

    return x->angle < y->angle ? -1 : x->angle > y->angle;
}

static void
read_day(const char *file, int most)
{
    json_error_t  error;
    json_t       *day = json_load_file(file, 0, &error);
    const json_t *one;
    size_t        i;

    if (day == NULL)
        die("%s:%d: %s", file, error.line, error.text);
    demo.depot_lat_e6 = e6(json_object_get(day, "origin"), "lat");
    demo.depot_lon_e6 = e6(json_object_get(day, "origin"), "lng");
    demo.capacity = (int)int_of(day, "vehicle_capacity");
    json_array_foreach(json_object_get(day, "deliveries"), i, one)
    {
        delivery *d = &demo.all[demo.count];

        if (demo.count == most || demo.count == DELIVERIES_MAX)
            break;
        d->lat_e6 = e6(json_object_get(one, "point"), "lat");
        d->lon_e6 = e6(json_object_get(one, "point"), "lng");
        d->size = (int)int_of(one, "size");
        d->customer = (int)(i % CUSTOMERS);
        d->fate = i % 50 == 49 ? WILL_CANCEL : i % 17 == 16 ? WILL_RETURN : WILL_DELIVER;
        d->angle =
            atan2((double)(d->lat_e6 - demo.depot_lat_e6), (double)(d->lon_e6 - demo.depot_lon_e6));
        demo.count++;
    }
    json_decref(day);
    qsort(demo.all, (size_t)demo.count, sizeof(demo.all[0]), compare_angles);
}

/* --- vehicles, drivers, deliveries
 * ------------------------------------------------------------------ */

static void
date_text(int64_t at_ms, char out[16])
{
    int32_t year, month, day;

    bus_civil_from_days(bus_day_of(at_ms, 0), &year, &month, &day);
    (void)snprintf(out, 16, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
}

static void
register_vehicle(crew *c, int n)
{
    static const char *const kinds[] = {"OSAGO", "INSPECTION"};
    char                     plate[16], vin[32], from[16], to[16];

    (void)snprintf(plate, sizeof(plate), "A%03dBC77", n + 1);
    (void)snprintf(vin, sizeof(vin), "XTA21099%09d", n + 1);
    c->odometer_m = 50000000 + n * 1000000;
    c->free_at = demo.day_at + DAY_BEGINS_H * INT64_C(3600000);
    must(demo.dispatcher, 0, c->vehicle,
         json_pack("{s:s,s:s,s:I,s:{s:s,s:I,s:I,s:i,s:s,s:i,s:i,s:i,s:i}}", "plate", plate, "vin",
                   vin, "odometer_m", (json_int_t)c->odometer_m, "specs", "class", "VAN",
                   "payload_g", (json_int_t)demo.capacity * UNIT_G, "cargo_ml",
                   (json_int_t)demo.capacity * UNIT_ML, "tank_ml", 80000, "fuel", "DIESEL",
                   "norm_summer_ml_100km", 9500, "norm_winter_ml_100km", 10500, "wear_kop_km", 350,
                   "fixed_kop_day", 250000),
         "/api/v1/vehicles");
    date_text(demo.day_at - 100 * BUS_DAY_MS, from);
    date_text(demo.day_at + 200 * BUS_DAY_MS, to);
    for (int k = 0; k < 2; k++)
        must(demo.dispatcher, 0, NULL,
             json_pack("{s:s,s:s,s:s,s:s}", "kind", kinds[k], "number", vin, "from_on", from,
                       "to_on", to),
             "/api/v1/vehicles/%s/documents", c->vehicle);
}

static void
hire_driver(crew *c, int n)
{
    char  phone[24], licence[24], to[16];
    char *token;

    (void)snprintf(phone, sizeof(phone), "+7900%07d", n + 1);
    (void)snprintf(licence, sizeof(licence), LICENCE "%05d", n + 1);
    date_text(demo.day_at + 400 * BUS_DAY_MS, to);
    must(demo.admin, 0, c->driver,
         json_pack("{s:s,s:s,s:{s:s,s:[s],s:s},s:s,s:{s:i,s:i,s:i,s:i,s:i}}", "full_name",
                   n % 2 == 0 ? DRIVER_EVEN : DRIVER_ODD, "phone_e164", phone, "licence", "number",
                   licence, "categories", "B", "valid_to", to, "medical_valid_to", to, "pay",
                   "per_trip_kop", 50000, "per_km_kop", 500, "per_point_kop", 3000, "per_hour_kop",
                   20000, "pct_bp", 100),
         "/api/v1/drivers");
    must(demo.dispatcher, 0, NULL, json_object(), "/api/v1/drivers/%s/activate", c->driver);
    token = tests_shina_token(demo.shina, demo.tenant, "DRIVER", c->driver);
    (void)snprintf(c->token, sizeof(c->token), "%s", token);
    free(token);
}

static json_t *
place(int64_t lat_e6, int64_t lon_e6, const char *name)
{
    return json_pack("{s:I,s:I,s:s}", "lat_e6", (json_int_t)lat_e6, "lon_e6", (json_int_t)lon_e6,
                     "name", name);
}

static void
order_delivery(delivery *d)
{
    must(demo.dispatcher, 0, d->id,
         json_pack("{s:s,s:s,s:o,s:o,s:{s:I,s:I},s:i}", "kind", "DBS_TO_BUYER", "customer_id",
                   demo.customers[d->customer], "from",
                   place(demo.depot_lat_e6, demo.depot_lon_e6, SENDER), "to",
                   place(d->lat_e6, d->lon_e6, BUYER), "window", "from_at",
                   (json_int_t)(demo.day_at + 6 * INT64_C(3600000)), "to_at",
                   (json_int_t)(demo.day_at + 22 * INT64_C(3600000)), "price_kop",
                   d->size * PRICE_PER_UNIT_KOP),
         "/api/v1/deliveries");
    must(demo.dispatcher, 0, NULL, json_object(), "/api/v1/deliveries/%s/confirm", d->id);
    if (d->fate == WILL_CANCEL)
        must(demo.dispatcher, 0, NULL, json_pack("{s:s}", "reason", "the buyer changed his mind"),
             "/api/v1/deliveries/%s/cancel", d->id);
}

/* --- trips
 * --------------------------------------------------------------------------------------------- */

/* Cuts the sweep into trips that a vehicle can carry. */
static void
cut_trips(void)
{
    trip *t = NULL;
    int   load = 0, kept = 0;

    for (int i = 0; i < demo.count; i++) /* those that go, in their order */
        if (demo.all[i].fate != WILL_CANCEL) {
            delivery swap = demo.all[kept];

            demo.all[kept++] = demo.all[i];
            demo.all[i] = swap;
        }
    for (int i = 0; i < kept; i++) {
        if (t == NULL || load + demo.all[i].size > demo.capacity) {
            if (demo.trips_count == TRIPS_MAX)
                die("more than %d trips", TRIPS_MAX);
            t = &demo.trips[demo.trips_count++];
            t->first = i;
            load = 0;
        }
        load += demo.all[i].size;
        t->count++;
    }
}

/* Orders a trip's stops: always on to the nearest that is left. */
static void
order_stops(trip *t)
{
    int64_t lat = demo.depot_lat_e6, lon = demo.depot_lon_e6;

    for (int i = 0; i < t->count; i++) {
        delivery *left = &demo.all[t->first + i], swap;
        int       nearest = 0;

        for (int k = 1; k < t->count - i; k++)
            if (metres(lat, lon, left[k].lat_e6, left[k].lon_e6) <
                metres(lat, lon, left[nearest].lat_e6, left[nearest].lon_e6))
                nearest = k;
        swap = left[0];
        left[0] = left[nearest];
        left[nearest] = swap;
        lat = left[0].lat_e6;
        lon = left[0].lon_e6;
    }
}

static json_t *
stops_of(trip *t, int64_t *driving_s)
{
    json_t *stops = json_array();
    int64_t lat = demo.depot_lat_e6, lon = demo.depot_lon_e6;

    *driving_s = 0;
    for (int i = 0; i < t->count; i++) {
        const delivery *d = &demo.all[t->first + i];
        int64_t         leg_m = (int64_t)metres(lat, lon, d->lat_e6, d->lon_e6);
        int64_t         leg_s = (int64_t)((double)leg_m / METRES_PER_S) + 1;

        t->leg_m[i] = leg_m;
        t->metres += leg_m;
        *driving_s += leg_s;
        (void)json_array_append_new(stops, json_pack("{s:s,s:I,s:I,s:I,s:I,s:i}", "kind", "BUYER",
                                                     "lat_e6", (json_int_t)d->lat_e6, "lon_e6",
                                                     (json_int_t)d->lon_e6, "distance_m",
                                                     (json_int_t)leg_m, "duration_s",
                                                     (json_int_t)leg_s, "service_s", SERVICE_S));
        lat = d->lat_e6;
        lon = d->lon_e6;
    }
    t->leg_m[t->count] = (int64_t)metres(lat, lon, demo.depot_lat_e6, demo.depot_lon_e6);
    t->metres += t->leg_m[t->count];
    *driving_s += (int64_t)((double)t->leg_m[t->count] / METRES_PER_S) + 1;
    return stops;
}

static void
plan_trip(trip *t, int n)
{
    crew   *c = &demo.crews[0];
    int64_t driving_s, back_s;
    char    name[32];
    json_t *stops;

    order_stops(t);
    stops = stops_of(t, &driving_s);
    for (int i = 1; i < VEHICLES; i++) /* who is free first */
        if (demo.crews[i].free_at < c->free_at)
            c = &demo.crews[i];
    t->crew = (int)(c - demo.crews);
    t->begins_at = c->free_at;
    t->ends_at = t->begins_at + (driving_s + (int64_t)t->count * SERVICE_S + 5400) * 1000;
    c->free_at = t->ends_at + 1800000;
    back_s = (int64_t)((double)t->leg_m[t->count] / METRES_PER_S) + 1;
    (void)snprintf(name, sizeof(name), "Trip %d", n + 1);
    must(demo.dispatcher, 0, t->id, json_pack("{s:s}", "name", name), "/api/v1/trips");
    must(demo.dispatcher, 0, NULL,
         json_pack("{s:I,s:I,s:o,s:I,s:I}", "planned_from_at", (json_int_t)t->begins_at,
                   "planned_to_at", (json_int_t)t->ends_at, "stops", stops, "return_distance_m",
                   (json_int_t)t->leg_m[t->count], "return_duration_s", (json_int_t)back_s),
         "/api/v1/trips/%s/plan", t->id);
    for (int i = 0; i < t->count; i++) {
        const delivery *d = &demo.all[t->first + i];

        must(demo.dispatcher, 0, NULL,
             json_pack("{s:s,s:i,s:s,s:i,s:i,s:i}", "delivery_id", d->id, "stop_seq", i + 1,
                       "customer_id", demo.customers[d->customer], "load_g", d->size * UNIT_G,
                       "load_ml", d->size * UNIT_ML, "price_kop", d->size * PRICE_PER_UNIT_KOP),
             "/api/v1/trips/%s/deliveries", t->id);
    }
    must(demo.dispatcher, 0, NULL,
         json_pack("{s:s,s:s}", "vehicle_id", c->vehicle, "driver_id", c->driver),
         "/api/v1/trips/%s/assign", t->id);
}

static void
wait_for_status(const trip *t, const char *status)
{
    json_t *row = NULL;

    for (int i = 0; i < POLLS; i++) {
        json_decref(row);
        row = item(demo.dispatcher, true, "/api/v1/trips/%s", t->id);
        if (strcmp(text_of(row, "status"), status) == 0) {
            json_decref(row);
            return;
        }
        pause_ms(50);
    }
    die("trip %s is %s, not %s: %s %s", t->id, text_of(row, "status"), status,
        text_of(row, "failure_code"), text_of(row, "failure_detail"));
}

/* Dispatch waits until every delivery has agreed to the trip. */
static void
dispatch(const trip *t)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/dispatch", t->id);
    for (int i = 0; i < POLLS; i++) {
        tests_response r = post(demo.dispatcher, 0, path, json_object());
        bool           awaited = strcmp(text_of(r.json, "code"), "TRIP_DELIVERIES_AWAITED") == 0;

        if (r.status != 200 && !awaited)
            explain(path, &r);
        json_decref(r.json);
        if (!awaited)
            return;
        pause_ms(50);
    }
    die("trip %s: its deliveries do not agree", t->id);
}

static void
wait_until_out(const delivery *d)
{
    for (int i = 0; i < POLLS; i++) {
        json_t *row = item(demo.dispatcher, false, "/api/v1/deliveries/%s", d->id);
        bool    out = strcmp(text_of(row, "status"), "OUT") == 0;

        json_decref(row);
        if (out)
            return;
        pause_ms(25);
    }
    die("delivery %s does not start", d->id);
}

static void
hand_over(const trip *t, const crew *c, const delivery *d, int64_t at)
{
    must(c->token, at, NULL, json_pack("{s:I,s:s}", "arrived_at", (json_int_t)at, "trip_id", t->id),
         "/api/v1/deliveries/%s/arrival", d->id);
    if (d->fate == WILL_DELIVER)
        must(c->token, at, NULL,
             json_pack("{s:{s:s,s:s,s:I,s:I,s:I}}", "pod", "code", "741852", "receiver", RECEIVER,
                       "at", (json_int_t)(at + 60000), "lat_e6", (json_int_t)(d->lat_e6 + 100),
                       "lon_e6", (json_int_t)(d->lon_e6 - 100)),
             "/api/v1/deliveries/%s/complete", d->id);
    else
        must(c->token, at, NULL,
             json_pack("{s:s,s:I}", "reason", "CUSTOMER_ABSENT", "at", (json_int_t)(at + 120000)),
             "/api/v1/deliveries/%s/fail", d->id);
}

static void
drive(trip *t)
{
    crew   *c = &demo.crews[t->crew];
    int64_t at = t->begins_at;

    must(c->token, at, NULL, json_object(), "/api/v1/trips/%s/accept", t->id);
    must(c->token, at + 60000, NULL, json_object(), "/api/v1/trips/%s/start-loading", t->id);
    at += 1800000;
    must(c->token, at, NULL, json_pack("{s:I}", "odometer_m", (json_int_t)c->odometer_m),
         "/api/v1/trips/%s/depart", t->id);
    for (int i = 0; i < t->count; i++) {
        const delivery *d = &demo.all[t->first + i];
        json_t         *body = json_pack("{s:i}", "seq", i + 1);

        at += (int64_t)((double)t->leg_m[i] / METRES_PER_S + 1) * 1000;
        wait_until_out(d);
        must(c->token, at, NULL, json_pack("{s:i}", "seq", i + 1), "/api/v1/trips/%s/arrive-stop",
             t->id);
        hand_over(t, c, d, at);
        if (d->fate != WILL_DELIVER)
            (void)json_object_set_new(body, "undelivered", json_pack("[s]", d->id));
        at += SERVICE_S * 1000;
        must(c->token, at, NULL, body, "/api/v1/trips/%s/complete-stop", t->id);
    }
    at += (int64_t)((double)t->leg_m[t->count] / METRES_PER_S + 1) * 1000;
    c->odometer_m += t->metres + t->metres / 20;
    must(c->token, at, NULL, json_pack("{s:i,s:s}", "amount_kop", 15000, "kind", "TOLL"),
         "/api/v1/trips/%s/costs", t->id);
    must(c->token, at, NULL, json_pack("{s:I}", "odometer_m", (json_int_t)c->odometer_m),
         "/api/v1/trips/%s/finish", t->id);
    must(demo.admin, 0, NULL, json_pack("{s:i}", "cost_no", 1), "/api/v1/trips/%s/approve-cost",
         t->id);
}

static void
bring_back(const delivery *d)
{
    must(demo.dispatcher, 0, NULL, json_pack("{s:s}", "reason", "nobody at home"),
         "/api/v1/deliveries/%s/return", d->id);
    must(demo.dispatcher, 0, NULL, json_object(), "/api/v1/deliveries/%s/returned", d->id);
}

/* --- the report
 * ---------------------------------------------------------------------------------------------- */

static const char *const parts[] = {
    "revenue_fixed_kop",   "revenue_per_box_kop", "revenue_per_km_kop", "revenue_per_point_kop",
    "revenue_waiting_kop", "revenue_penalty_kop", "cost_fuel_kop",      "cost_driver_pay_kop",
    "cost_expenses_kop",   "cost_wear_kop",       "cost_day_share_kop", "cost_incidents_kop",
};

static int64_t
sum_of(const json_t *rows, const char *name)
{
    const json_t *row;
    int64_t       sum = 0;
    size_t        i;

    json_array_foreach(rows, i, row) sum += int_of(row, name);
    return sum;
}

static int
count_status(const json_t *rows, const char *status)
{
    const json_t *row;
    int           n = 0;
    size_t        i;

    json_array_foreach(rows, i, row) n += strcmp(text_of(row, "status"), status) == 0;
    return n;
}

static void
print_money(const char *name, int64_t kop)
{
    (void)printf("  %-28s %14lld.%02lld\n", name, (long long)(kop / 100),
                 (long long)((kop < 0 ? -kop : kop) % 100));
}

static void
report_profit(const json_t *cards, const json_t *days, const json_t *customers,
              const json_t *vehicles, const json_t *drivers)
{
    const json_t *card;
    size_t        i, p;

    (void)printf("\nProfit of the settled trips, roubles without VAT\n");
    for (p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        int64_t sum = 0;

        json_array_foreach(cards, i, card) sum += int_of(json_object_get(card, "final"), parts[p]);
        if (sum != 0)
            print_money(parts[p], sum);
    }
    print_money("revenue", sum_of(cards, "revenue_kop"));
    print_money("cost", sum_of(cards, "cost_kop"));
    print_money("profit", sum_of(cards, "profit_kop"));
    (void)printf("\nIs it right?\n");
    check(sum_of(cards, "profit_kop") == sum_of(days, "profit_kop"), "trips = days, to the kopeck");
    check(sum_of(cards, "profit_kop") == sum_of(customers, "profit_kop"),
          "trips = customers, to the kopeck");
    check(sum_of(cards, "profit_kop") == sum_of(vehicles, "profit_kop"),
          "trips = vehicles, to the kopeck");
    check(sum_of(cards, "profit_kop") == sum_of(drivers, "profit_kop"),
          "trips = drivers, to the kopeck");
    check(sum_of(cards, "revenue_kop") - sum_of(cards, "cost_kop") == sum_of(cards, "profit_kop"),
          "revenue - cost = profit");
}

static const char *const finals[] = {"DELIVERED", "RETURNED", "CANCELLED"};

static bool
all_final(void)
{
    json_t *deliveries = list("/api/v1/deliveries");
    int     final = 0;

    for (int i = 0; i < 3; i++)
        final += count_status(deliveries, finals[i]);
    json_decref(deliveries);
    return final == demo.count;
}

static void
report(void)
{
    json_t *deliveries = list("/api/v1/deliveries"), *cards = list("/api/v1/trip-cards");
    json_t *days = list("/api/v1/profit-days"), *customers = list("/api/v1/profit-customers");
    json_t *vehicles = list("/api/v1/profit-vehicles"), *drivers = list("/api/v1/profit-drivers");
    int     final = 0;

    (void)printf("\nTrips\n");
    say("settled", count_status(cards, "SETTLED"));
    say("all", (int)json_array_size(cards));
    (void)printf("Deliveries\n");
    for (int i = 0; i < 3; i++) {
        final += count_status(deliveries, finals[i]);
        say(finals[i], count_status(deliveries, finals[i]));
    }
    say("all", (int)json_array_size(deliveries));
    report_profit(cards, days, customers, vehicles, drivers);
    check(final == demo.count && (int)json_array_size(deliveries) == demo.count,
          "every delivery is in a final state");
    check(count_status(cards, "SETTLED") == demo.trips_count, "every trip is settled");
    json_decref(deliveries);
    json_decref(cards);
    json_decref(days);
    json_decref(customers);
    json_decref(vehicles);
    json_decref(drivers);
}

/* --- analytics
 * -------------------------------------------------------------------------------------------------
 */

static int
count_fate(int fate)
{
    int n = 0;

    for (int i = 0; i < demo.count; i++)
        n += (int)demo.all[i].fate == fate;
    return n;
}

static int64_t
sum_in(const char *path, const char *name)
{
    json_t *rows = list(path);
    int64_t sum = sum_of(rows, name);

    json_decref(rows);
    return sum;
}

/* Deliveries begun within two hours. */
static int64_t
most_begun(void)
{
    json_t       *rows = list("/api/v1/deliveries-in-flight?by=ALL");
    const json_t *row;
    int64_t       most = 0;
    size_t        i;

    json_array_foreach(rows, i, row) if (int_of(row, "begun") > most) most = int_of(row, "begun");
    json_decref(rows);
    return most;
}

/* Windows of event time, as they stand when all is read. */
static void
report_analytics(void)
{
    static const char *const kinds[] = {"CUSTOMER", "ROUTE", "VEHICLE", "DRIVER"};
    const int64_t            profit_kop = sum_in("/api/v1/profit-group-days?by=ALL", "profit_kop");
    const int64_t first = sum_in("/api/v1/delivery-attempt-days?by=ALL", "first_attempts");
    const int64_t delivered = sum_in("/api/v1/delivery-attempt-days?by=ALL", "first_delivered");
    const int64_t arrived = sum_in("/api/v1/delivery-on-time-days?by=ALL", "arrived");
    const int64_t stops = sum_in("/api/v1/stop-service-days?by=ALL", "stops");

    (void)printf("\nThe day's analytics\n");
    say("arrivals", (int)arrived);
    say("on time", (int)sum_in("/api/v1/delivery-on-time-days?by=ALL", "on_time"));
    say("handed over at the first attempt", (int)delivered);
    say("attempts that failed", (int)sum_in("/api/v1/delivery-attempt-days?by=ALL", "failed"));
    say("most begun within two hours", (int)most_begun());
    say("kilometres", (int)(sum_in("/api/v1/fleet-days?by=ALL", "driven_m") / 1000));
    say("vehicles out", (int)sum_in("/api/v1/fleet-days?by=ALL", "vehicles"));
    if (stops > 0)
        say("seconds at a stop, mean",
            (int)(sum_in("/api/v1/stop-service-days?by=ALL", "service_s") / stops));
    (void)printf("\nAre they right?\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char path[80], what[80];

        (void)snprintf(path, sizeof(path), "/api/v1/profit-group-days?by=%s", kinds[i]);
        (void)snprintf(what, sizeof(what), "profit of the day = by %s, to the kopeck", kinds[i]);
        check(sum_in(path, "profit_kop") == profit_kop, what);
    }
    check(profit_kop == sum_in("/api/v1/trip-cards", "profit_kop"), "and that of the trips");
    check(delivered == count_fate(WILL_DELIVER) && first == delivered + count_fate(WILL_RETURN),
          "first attempts are those of the day");
    check(sum_in("/api/v1/deliveries-in-flight?by=ALL", "in_flight") == 0,
          "nothing is in flight any more");
    check(arrived == first, "as many arrivals as attempts");
    check(sum_in("/api/v1/fleet-days?by=ALL", "trips") == demo.trips_count,
          "every trip is in the fleet's day");
}

/* The reports follow the last settlement, and analytics the logs. */
static void
wait_for_reports(void)
{
    for (int i = 0; i < POLLS; i++) {
        bool there = sum_in("/api/v1/profit-days", "trips") == demo.trips_count &&
                     sum_in("/api/v1/profit-customers", "trips") > 0 &&
                     sum_in("/api/v1/profit-group-days?by=ALL", "trips") == demo.trips_count &&
                     sum_in("/api/v1/fleet-days?by=ALL", "trips") == demo.trips_count &&
                     sum_in("/api/v1/stop-service-days?by=ALL", "stops") > 0 &&
                     sum_in("/api/v1/delivery-attempt-days?by=ALL", "attempts") ==
                         count_fate(WILL_DELIVER) + count_fate(WILL_RETURN) &&
                     sum_in("/api/v1/delivery-on-time-days?by=ALL", "arrived") ==
                         count_fate(WILL_DELIVER) + count_fate(WILL_RETURN);

        if (there && all_final())
            return;
        pause_ms(50);
    }
}

/* --- the feed of changes
 * -------------------------------------------------------------------------------------------------
 */

#define FEED "/api/v1/deliveries-in-flight?sort=change&limit=50&change.gt="

static struct {
    pthread_t   thread;
    atomic_bool ends;
    int64_t     change; /* of the row that was seen last */
    json_t     *rows;   /* by id, as each was seen last */
    int         seen, disorder;
} feed;

/* How many came. */
static size_t
follow_once(void)
{
    char           url[160];
    tests_response r;
    const json_t  *items;
    json_t        *row;
    size_t         i, count;

    (void)snprintf(url, sizeof(url), FEED "%lld", (long long)feed.change);
    r = tests_shina_get(demo.shina, demo.admin, url);
    if (r.status != 200)
        explain(url, &r);
    items = json_object_get(r.json, "items");
    count = json_array_size(items);
    json_array_foreach(items, i, row)
    {
        feed.disorder += int_of(row, "change") <= feed.change;
        feed.change = int_of(row, "change");
        feed.seen++;
        (void)json_object_set(feed.rows, text_of(row, "id"), row);
    }
    json_decref(r.json);
    return count;
}

/* From the number of the last change it has seen, while the day goes on and processes die. */
static void *
follow_changes(void *context)
{
    (void)context;
    while (!atomic_load(&feed.ends))
        if (follow_once() == 0)
            pause_ms(20);
    while (follow_once() > 0)
        continue;
    return NULL;
}

static void
start_following(void)
{
    feed.rows = json_object();
    if (pthread_create(&feed.thread, NULL, follow_changes, NULL) != 0)
        die("no thread to follow the changes");
}

/* Who followed has every window as it is, and no other. */
static void
check_followed(void)
{
    json_t       *now;
    const json_t *row;
    int           differ = 0;
    size_t        i;

    atomic_store(&feed.ends, true);
    if (pthread_join(feed.thread, NULL) != 0)
        die("the thread that follows does not end");
    do /* until nothing has changed meanwhile */
        now = list("/api/v1/deliveries-in-flight");
    while (follow_once() > 0 && (json_decref(now), true));
    json_array_foreach(now, i, row) differ +=
        !json_equal(row, json_object_get(feed.rows, text_of(row, "id")));
    say("changes followed", feed.seen);
    check(differ == 0 && json_object_size(feed.rows) == json_array_size(now) && feed.seen > 0,
          "who followed the changes has every window");
    check(feed.disorder == 0, "in order, each change once");
    json_decref(now);
    json_decref(feed.rows);
}

/* --- what if
 * -------------------------------------------------------------------------------------------------
 */

/* The windows that differ, as a list of {"today","replayed"}. */
static json_t *
replay(const char *analytic, const char *rules)
{
    const char *args[] = {"replay",  analytic, "--tenant", demo.tenant,
                          "--limit", "0",      "--json",   rules == NULL ? NULL : "--rules",
                          rules,     NULL};
    json_t     *lines = json_array();
    int         code;
    char       *out = tests_shina_verb(demo.shina, args, &code);

    check(code == 0, analytic);
    for (char *rest = out, *line; (line = strsep(&rest, "\n")) != NULL;) {
        json_t *value = json_loads(line, 0, NULL);

        if (value != NULL)
            (void)json_array_append_new(lines, value);
    }
    free(out);
    return lines;
}

static int64_t
sum_of_all(const json_t *lines, const char *side, const char *name)
{
    const json_t *line;
    int64_t       sum = 0;
    size_t        i;

    json_array_foreach(lines, i, line)
    {
        const json_t *row = json_object_get(line, side);

        if (strcmp(json_string_value(json_object_get(row, "by")), "ALL") == 0)
            sum += int_of(row, name);
    }
    return sum;
}

#define REPLAYS_MAX 30

/* Replayed as it is, every window is compared and is as it is. */
static void
check_unchanged(const char *analytic)
{
    const char *args[] = {"replay", analytic, "--tenant", demo.tenant, NULL};
    char        what[100], *out = NULL;
    int         code = 1;
    long long   windows = 0, differ = -1, moved = -1;
    const char *summary = NULL;

    for (int i = 0; i < REPLAYS_MAX; i++) { /* somebody else may replay it at the moment */
        out = tests_shina_verb(demo.shina, args, &code);
        summary = out == NULL ? NULL : strstr(out, "replay: ");
        if (summary != NULL)
            break;
        free(out);
        out = NULL;
        pause_ms(500);
    }
    if (code == 0 && summary != NULL)
        (void)sscanf(summary, "replay: %lld windows compared, %lld differ, %lld changed", &windows,
                     &differ, &moved);
    (void)snprintf(what, sizeof(what), "%s replayed is as it is", analytic);
    check(windows > 0 && differ == 0 && moved == 0, what);
    free(out);
}

static void
write_rules(char path[64])
{
    static const char rules[] = "{\"trips\":{\"price_bp\":20000}}";
    int               fd;

    (void)snprintf(path, 64, "/tmp/shina-demo-rules-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0 || write(fd, rules, sizeof(rules) - 1) != sizeof(rules) - 1 || close(fd) != 0)
        die("no file for rules");
}

/* The day once more: by itself it is the same, at twice the prices it earns twice as much. */
static void
report_what_if(void)
{
    static const char *const analytics[] = {"profit_group_days",
                                            "delivery_on_time_hours",
                                            "delivery_attempt_days",
                                            "deliveries_in_flight",
                                            "fleet_days",
                                            "stop_service_days"};
    const int64_t revenue_kop = sum_in("/api/v1/profit-group-days?by=ALL", "revenue_kop");
    char          path[64];
    json_t       *lines;

    (void)printf("\nWhat if?\n");
    for (size_t i = 0; i < sizeof(analytics) / sizeof(analytics[0]); i++)
        check_unchanged(analytics[i]);
    write_rules(path);
    lines = replay("profit_group_days", path);
    (void)unlink(path);
    say("roubles of revenue at twice the prices",
        (int)(sum_of_all(lines, "replayed", "revenue_kop") / 100));
    say("roubles of profit then", (int)(sum_of_all(lines, "replayed", "profit_kop") / 100));
    check(sum_of_all(lines, "today", "revenue_kop") == revenue_kop &&
              sum_of_all(lines, "replayed", "revenue_kop") == 2 * revenue_kop,
          "at twice the prices it is twice the revenue");
    json_decref(lines);
}

static void
verify(void)
{
    const char *args[] = {"verify", NULL};
    int         code;
    char       *out = tests_shina_verb(demo.shina, args, &code);

    (void)printf("\n%s\n", out);
    check(code == 0, "shina verify finds no fault");
    free(out);
}

/* --- the whole day
 * -----------------------------------------------------------------------------------------------
 */

static void
new_uuid(char out[40])
{
    (void)bus_id_format(bus_new_v7(bus_clock_system()), out);
}

static void
prepare(void)
{
    char *token;

    new_uuid(demo.tenant);
    for (int i = 0; i < CUSTOMERS; i++)
        new_uuid(demo.customers[i]);
    token = tests_shina_token(demo.shina, demo.tenant, "ADMIN", NULL);
    (void)snprintf(demo.admin, sizeof(demo.admin), "%s", token);
    free(token);
    token = tests_shina_token(demo.shina, demo.tenant, "DISPATCHER", NULL);
    (void)snprintf(demo.dispatcher, sizeof(demo.dispatcher), "%s", token);
    free(token);
    demo.day_at = (bus_now_ms(bus_clock_system()) / BUS_DAY_MS - 2) * BUS_DAY_MS;
}

static void
run_day(void)
{
    (void)printf("The day of tenant %s\n", demo.tenant);
    for (int i = 0; i < VEHICLES; i++) {
        register_vehicle(&demo.crews[i], i);
        hire_driver(&demo.crews[i], i);
    }
    say("vehicles and drivers", VEHICLES);
    for (int i = 0; i < demo.count; i++)
        order_delivery(&demo.all[i]);
    say("deliveries ordered", demo.count);
    cut_trips();
    for (int i = 0; i < demo.trips_count; i++)
        plan_trip(&demo.trips[i], i);
    say("trips planned", demo.trips_count);
    for (int i = 0; i < demo.trips_count; i++) {
        wait_for_status(&demo.trips[i], "ASSIGNED");
        dispatch(&demo.trips[i]);
    }
    say("trips assigned and dispatched", demo.trips_count);
    for (int i = 0; i < demo.trips_count; i++) {
        drive(&demo.trips[i]);
        say("trips driven", i + 1);
    }
    for (int i = 0; i < demo.count; i++)
        if (demo.all[i].fate == WILL_RETURN)
            bring_back(&demo.all[i]);
    for (int i = 0; i < demo.trips_count; i++)
        must(demo.admin, 0, NULL, json_object(), "/api/v1/trips/%s/settle", demo.trips[i].id);
    for (int i = 0; i < demo.trips_count; i++)
        wait_for_status(&demo.trips[i], "SETTLED");
    say("trips settled", demo.trips_count);
    wait_for_reports();
}

/* Views show personal values; nothing else may hold them. */
static void
look_for_leaks(void)
{
    static const char *const values[] = {DRIVER_EVEN, DRIVER_ODD, SENDER,         BUYER,
                                         RECEIVER,    "+7900000", LICENCE "0000", NULL};
    char                     database[2048];
    int                      leaks;

    tests_leaks_database(tests_shina_home(demo.shina), database, sizeof(database));
    leaks = tests_leaks(database, values);
    (void)printf("personal values outside of views: %d\n", leaks);
    demo.failed += leaks > 0;
}

int
main(int argc, char **argv)
{
    const char *file = DEMO_DATA, *url = NULL, *home = getenv("SHINA_HOME");
    int         most = DELIVERIES_MAX;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--url=", 6) == 0)
            url = argv[i] + 6;
        else if (strncmp(argv[i], "--home=", 7) == 0)
            home = argv[i] + 7;
        else if (strncmp(argv[i], "--deliveries=", 13) == 0)
            most = (int)strtol(argv[i] + 13, NULL, 10);
        else {
            (void)printf("Usage: shina-demo [--url=http://HOST:PORT --home=SHINA_HOME] "
                         "[--deliveries=N]\n\n"
                         "Drives a real day of deliveries through the HTTP API of a shina, its "
                         "own one or that at --url,\nand prints what came of it.\n");
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    if (most < 1)
        die("--deliveries must be at least 1");
    read_day(file, most);
    demo.shina =
        url == NULL ? tests_shina_start() : tests_shina_attach(url, home == NULL ? ".shina" : home);
    prepare();
    start_following();
    run_day();
    report();
    report_analytics();
    report_what_if();
    check_followed();
    verify();
    if (url == NULL)
        look_for_leaks();
    tests_shina_stop(demo.shina);
    (void)printf("\n%ld commands; %s\n", demo.requests,
                 demo.failed == 0 ? "all is right" : "NOT RIGHT");
    return demo.failed == 0 ? 0 : 1;
}
