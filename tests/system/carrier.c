/* carrier.c - a carrier at work, through the HTTP API.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/system/carrier.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLLS 600
#define HOUR_MS INT64_C(3600000)

__attribute__((noreturn)) static void
die(const char *what, const tests_response *r)
{
    char *dump = r == NULL || r->json == NULL ? NULL : json_dumps(r->json, JSON_COMPACT);

    (void)fprintf(stderr, "%s: %ld %s\n", what, r == NULL ? 0 : r->status,
                  dump == NULL ? "" : dump);
    exit(1);
}

static void
pause_a_moment(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *
carrier_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

char *
carrier_token(const carrier *c, const char *role, const char *grant, const char *driver)
{
    const char *args[14] = {"token", "--tenant", c->tenant, "--role", role, "--ttl", "36000"};
    int         count = 7;

    if (grant != NULL) {
        args[count++] = "--grant";
        args[count++] = grant;
    }
    if (driver != NULL) {
        args[count++] = "--driver";
        args[count++] = driver;
    }
    return tests_shina_verb(c->shina, args, NULL);
}

static void
take_answer(carrier *c, char id[40], const char *path, tests_response r)
{
    if (r.status != 200 && r.status != 201)
        die(path, &r);
    if (id != NULL)
        (void)snprintf(id, 40, "%s", carrier_text(r.json, "id"));
    (void)snprintf(c->position, sizeof(c->position), "%s", carrier_text(r.json, "position"));
    json_decref(r.json);
}

void
carrier_must(carrier *c, const char *token, char id[40], const char *path, const char *format, ...)
{
    char    body[2048];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(body, sizeof(body), format, args);
    va_end(args);
    take_answer(c, id, path, tests_shina_post(c->shina, token, path, body));
}

json_t *
carrier_get(const carrier *c, const char *token, const char *path)
{
    char           after[128];
    const char    *headers[] = {after, NULL};
    tests_response r;

    (void)snprintf(after, sizeof(after), "X-After: %s", c->position);
    r = tests_shina_ask(
        c->shina,
        &(tests_request){.method = "GET", .path = path, .token = token, .headers = headers});
    if (r.status != 200)
        die(path, &r);
    return r.json;
}

/* --- what it has ------------------------------------------------------------------------- */

static void
on(carrier *c, const char *token, const char *what, const char *id, const char *command,
   const char *body)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s/%s", what, id, command);
    carrier_must(c, token, NULL, path, "%s", body);
}

static void
buy_vehicle(carrier *c, carrier_driver *d, int number)
{
    static const char *const kinds[] = {"OSAGO", "INSPECTION"};
    char                     path[160];

    carrier_must(c, c->dispatcher, d->vehicle, "/api/v1/vehicles",
                 "{'plate':'A%03dBC77','vin':'XTA21099%09d','odometer_m':1000000,'specs':{"
                 "'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':"
                 "'DIESEL','norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,"
                 "'wear_kop_km':350,'fixed_kop_day':250000}}",
                 number, number);
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/documents", d->vehicle);
    for (int i = 0; i < 2; i++)
        carrier_must(c, c->dispatcher, NULL, path,
                     "{'kind':'%s','number':'N%d','from_on':'2020-01-01','to_on':'2099-01-01'}",
                     kinds[i], number);
    on(c, c->dispatcher, "vehicles", d->vehicle, "service-plans",
       "{'plan_id':'0192f7c1-0000-7000-8000-000000000099','name':'oil','every_m':15000000}");
}

static void
hire(carrier *c, carrier_driver *d, int number)
{
    (void)snprintf(d->phone, sizeof(d->phone), "+7900%07d", number);
    carrier_must(c, c->admin, d->id, "/api/v1/drivers",
                 "{'full_name':'Driver %d','phone_e164':'%s','licence':{'number':'77%08d',"
                 "'categories':['B'],'valid_to':'2099-01-01'},'medical_valid_to':'2099-01-01',"
                 "'pay':{'per_trip_kop':50000,'per_km_kop':500,'per_point_kop':3000,"
                 "'per_hour_kop':0,'pct_bp':100}}",
                 number, d->phone, number);
    on(c, c->dispatcher, "drivers", d->id, "activate", "{}");
    carrier_must(c, c->admin, d->user, "/api/v1/users",
                 "{'email':'driver%d@example.com','full_name':'Driver %d','phone_e164':"
                 "'+7917%07d','role':'DRIVER','driver_id':'%s'}",
                 number, number, number, d->id);
}

static void
make_users(carrier *c, int number)
{
    char          *operator_is = carrier_token(c, "ADMIN", "tenants.manage", NULL), code[160];
    char           path[160];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/tenants/%s/open", c->tenant);
    carrier_must(c, operator_is, NULL, path, "{'name':'Carrier %d'}", number);
    free(operator_is);
    (void)snprintf(c->email, sizeof(c->email), "anna%d@example.com", number);
    (void)snprintf(path, sizeof(path),
                   "{'email':'%s','full_name':'Anna','phone_e164':'+7916%07d','role':'ADMIN'}",
                   c->email, number);
    r = tests_shina_post(c->shina, c->admin, "/api/v1/users", path);
    (void)snprintf(code, sizeof(code), "%s", carrier_text(r.json, "secret"));
    take_answer(c, c->user, "/api/v1/users", r);
    carrier_must(c, NULL, NULL, "/api/v1/auth/set-password",
                 "{'tenant':'%s','user_id':'%s','code':'%s','password':'" CARRIER_PASSWORD "'}",
                 c->tenant, c->user, code);
    (void)snprintf(path, sizeof(path), "{'tenant':'%s','email':'%s','password':'%s'}", c->tenant,
                   c->email, CARRIER_PASSWORD);
    for (int i = 0; i < POLLS; i++) {
        r = tests_shina_post(c->shina, NULL, "/api/v1/auth/login", path);
        (void)snprintf(c->session, sizeof(c->session), "%s", carrier_text(r.json, "access_token"));
        if (r.status == 200)
            break;
        json_decref(r.json);
        r.json = NULL;
        pause_a_moment(); /* the view may be behind */
    }
    if (r.status != 200)
        die("nobody can log in", &r);
    json_decref(r.json);
}

static void
push_event(carrier *c)
{
    char           path[160], line[200];
    const char    *headers[] = {line, "Content-Type: application/cloudevents+json", NULL};
    tests_response r = {0};

    (void)snprintf(path, sizeof(path), "/api/v1/ingest/%s.%s", c->tenant, c->source);
    (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", c->secret);
    for (int i = 0; i < POLLS && r.status != 202; i++) {
        json_decref(r.json);
        r = tests_shina_ask(c->shina,
                            &(tests_request){.method = "POST",
                                             .path = path,
                                             .body = "{\"specversion\":\"1.0\",\"id\":\"1\","
                                                     "\"source\":\"/shop\",\"type\":\"shop.sold\","
                                                     "\"data\":{}}",
                                             .headers = headers,
                                             .raw_content_type = true});
        if (r.status != 202)
            pause_a_moment();
    }
    if (r.status != 202)
        die("nothing is taken from the source", &r);
    json_decref(r.json);
}

static void
connect_others(carrier *c)
{
    tests_response r = tests_shina_post(c->shina, c->admin, "/api/v1/ingest/sources",
                                        "{'name':'shop','kind':'CLOUDEVENTS','scheme':'BEARER'}");

    (void)snprintf(c->secret, sizeof(c->secret), "%s", carrier_text(r.json, "secret"));
    take_answer(c, c->source, "/api/v1/ingest/sources", r);
    carrier_must(c, c->admin, c->subscription, "/api/v1/webhooks",
                 "{'url':'https://example.com/hook','types':['trips.trip_settled.v1']}");
    on(c, c->admin, "webhooks", c->subscription, "pause", "{}");
    push_event(c);
}

/* --- its trips ------------------------------------------------------------------------------ */

static void
await_status(carrier *c, const char *what, const char *id, const char *status)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s", what, id);
    for (int i = 0; i < POLLS; i++) {
        json_t *row = carrier_get(c, c->admin, path);
        bool    there = strcmp(carrier_text(row, "status"), status) == 0;

        json_decref(row);
        if (there)
            return;
        pause_a_moment();
    }
    die(path, &(tests_response){.json = carrier_get(c, c->admin, path)});
}

/* A command that is refused with `code` until something else has happened. */
static void
in_the_end(carrier *c, const char *what, const char *id, const char *command, const char *code)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s/%s", what, id, command);
    for (int i = 0; i < POLLS; i++) {
        tests_response r = tests_shina_post(c->shina, c->admin, path, "{}");

        if (strcmp(carrier_text(r.json, "code"), code) != 0) {
            take_answer(c, NULL, path, r);
            return;
        }
        json_decref(r.json);
        pause_a_moment();
    }
    (void)fprintf(stderr, "%s is %s for ever\n", path, code);
    exit(1);
}

static void
order(carrier *c, char id[40], int64_t from_at)
{
    carrier_must(
        c, c->dispatcher, id, "/api/v1/deliveries",
        "{'kind':'DBS_TO_BUYER','customer_id':'%s','from':{'lat_e6':55700000,'lon_e6':"
        "37600000,'name':'Depot'},'to':{'lat_e6':55750000,'lon_e6':37650000,'name':'Buyer',"
        "'phone_e164':'+79167778899'},'window':{'from_at':%lld,'to_at':%lld},"
        "'price_kop':120000}",
        c->customer, (long long)from_at, (long long)(from_at + 8 * HOUR_MS));
    on(c, c->dispatcher, "deliveries", id, "confirm", "{}");
}

/* Planned, with its delivery, and assigned. */
static void
prepare(carrier *c, const carrier_driver *d, int nth, int64_t at)
{
    const char *trip = d->trips[nth];
    char        path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/plan", trip);
    carrier_must(
        c, c->dispatcher, NULL, path,
        "{'planned_from_at':%lld,'planned_to_at':%lld,'stops':[{'kind':'BUYER','lat_e6':"
        "55750000,'lon_e6':37650000,'distance_m':9000,'duration_s':1200,'service_s':600}]}",
        (long long)at, (long long)(at + 4 * HOUR_MS));
    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/deliveries", trip);
    carrier_must(
        c, c->dispatcher, NULL, path,
        "{'delivery_id':'%s','stop_seq':1,'customer_id':'%s','load_g':5000,'load_ml':50000,"
        "'price_kop':120000}",
        d->deliveries[nth], c->customer);
    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/assign", trip);
    carrier_must(c, c->dispatcher, NULL, path, "{'vehicle_id':'%s','driver_id':'%s'}", d->vehicle,
                 d->id);
    await_status(c, "trips", trip, "ASSIGNED");
}

static void
send_out(carrier *c, const carrier_driver *d, const char *token, int nth)
{
    const char *trip = d->trips[nth];
    char        path[160];

    in_the_end(c, "trips", trip, "dispatch", "TRIP_DELIVERIES_AWAITED");
    on(c, token, "trips", trip, "accept", "{}");
    on(c, token, "trips", trip, "start-loading", "{}");
    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/depart", trip);
    carrier_must(c, token, NULL, path, "{'odometer_m':%d}", 1000000 + nth * 20000);
    await_status(c, "deliveries", d->deliveries[nth], "OUT");
}

static void
hand_over(carrier *c, const carrier_driver *d, const char *token)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/deliveries/%s/complete", d->deliveries[0]);
    carrier_must(c, token, NULL, path,
                 "{'pod':{'code':'741852','receiver':'An aunt','at':%lld,'lat_e6':55750000,"
                 "'lon_e6':37650000}}",
                 (long long)now_ms());
}

static void
bring_home(carrier *c, const carrier_driver *d, const char *token)
{
    const char *trip = d->trips[0];
    int64_t     at = now_ms();
    char        path[160];

    on(c, token, "trips", trip, "arrive-stop", "{'seq':1}");
    (void)snprintf(path, sizeof(path), "/api/v1/deliveries/%s/arrival", d->deliveries[0]);
    carrier_must(c, token, NULL, path, "{'arrived_at':%lld,'trip_id':'%s'}", (long long)at, trip);
    if (d == &c->drivers[1]) { /* nobody is at home */
        (void)snprintf(path, sizeof(path), "/api/v1/deliveries/%s/fail", d->deliveries[0]);
        carrier_must(c, token, NULL, path, "{'reason':'CUSTOMER_ABSENT','at':%lld}",
                     (long long)now_ms());
        (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/complete-stop", trip);
        carrier_must(c, token, NULL, path, "{'seq':1,'undelivered':['%s']}", d->deliveries[0]);
    } else {
        hand_over(c, d, token);
        on(c, token, "trips", trip, "complete-stop", "{'seq':1}");
    }
    on(c, token, "trips", trip, "costs", "{'amount_kop':15000,'kind':'TOLL'}");
    on(c, token, "trips", trip, "finish", "{'odometer_m':1009000}");
    on(c, c->admin, "trips", trip, "approve-cost", "{'cost_no':1}");
    on(c, c->admin, "trips", trip, "settle", "{}");
    await_status(c, "trips", trip, "SETTLED");
}

static void
drive(carrier *c, carrier_driver *d, int64_t at)
{
    char *token = carrier_token(c, "DRIVER", NULL, d->id);
    char  path[160];

    for (int nth = 0; nth < 3; nth++) {
        carrier_must(c, c->dispatcher, d->trips[nth], "/api/v1/trips", "{}");
        order(c, d->deliveries[nth], at + nth * 5 * HOUR_MS);
        prepare(c, d, nth, at + nth * 5 * HOUR_MS);
    }
    send_out(c, d, token, 0);
    bring_home(c, d, token);
    send_out(c, d, token, 1);
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/duty", d->id);
    carrier_must(c, token, NULL, path, "{'kind':'ON_DUTY','from_at':%lld,'to_at':%lld}",
                 (long long)at, (long long)(at + HOUR_MS));
    on(c, token, "drivers", d->id, "duty/start", "{}");
    free(token);
}

/* --- the whole --------------------------------------------------------------------------- */

void
carrier_open(carrier *c, tests_shina *shina, const char *tenant, int number)
{
    int64_t at = ((int64_t)time(NULL) / 86400 - 1) * 24 * HOUR_MS + 6 * HOUR_MS;

    *c = (carrier){.shina = shina, .tenant = tenant};
    c->admin = carrier_token(c, "ADMIN", NULL, NULL);
    c->dispatcher = carrier_token(c, "DISPATCHER", NULL, NULL);
    (void)snprintf(c->customer, sizeof(c->customer), "0192f7c1-0000-7000-8000-00000000000%d",
                   number);
    make_users(c, number);
    connect_others(c);
    for (int i = 0; i < CARRIER_DRIVERS; i++) {
        buy_vehicle(c, &c->drivers[i], number * 10 + i);
        hire(c, &c->drivers[i], number * 10 + i);
    }
    for (int i = 0; i < CARRIER_DRIVERS; i++)
        drive(c, &c->drivers[i], at);
}

void
carrier_close(carrier *c)
{
    free(c->admin);
    free(c->dispatcher);
}
