/* personal_test.c - personal data from the first event to a deleted key: nothing of it stands in
 * the log in clear; who deletes a key leaves tombstones and nothing broken; master keys are proven.
 * All processes are killed and started again with other master keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/leaks.h"
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENANT "55555555-5555-4555-8555-555555555555"
#define KEY_OLD "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_NEW "new:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHiA="
#define KEY_WRONG "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHiE="

#define NAME "Евдокия Прохорова"
#define PHONE "+79161112233"
#define LATER_NAME "Евдокия Замужняя"
#define LATER_PHONE "+79164445566"
#define LICENCE "9955443322"
#define CARD "RUD7766554433"
#define BUYER "Пелагея Ниловна"
#define BUYER_PHONE "+79167778899"
#define ADDRESS "Кривоколенный переулок, 14"
#define RECEIVER "Павел Власов"

static const char *const values[] = {
    NAME,          "79161112233", LATER_NAME, "79164445566", LICENCE,   CARD,       BUYER,
    "79167778899", ADDRESS,       RECEIVER,   "Евдокия",     "Пелагея", "переулок", NULL};

static tests_shina *shina;
static char        *admin, database[2048], driver[40], other[40], delivery[40];

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int
start(void **state)
{
    (void)state;
    /* snapshots soon, so that they are searched as well */
    if (setenv("SHINA_MASTER_KEYS", KEY_OLD, 1) != 0 ||
        setenv("SHINA_SNAPSHOT_EVENTS", "2", 1) != 0)
        return -1;
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    tests_leaks_database(tests_shina_home(shina), database, sizeof(database));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    tests_shina_stop(shina);
    return 0;
}

/* --- asking ------------------------------------------------------------------------------- */

static long
post(char id[40], char code[64], const char *path, const char *body)
{
    tests_response r = tests_shina_post(shina, admin, path, body);

    if (id != NULL)
        (void)snprintf(id, 40, "%s", text_of(r.json, "id"));
    if (code != NULL)
        (void)snprintf(code, 64, "%s", text_of(r.json, "code"));
    if (id == NULL && code == NULL && r.status >= 400)
        fail_msg("%s %s: %ld %s", path, body, r.status, text_of(r.json, "detail"));
    json_decref(r.json);
    return r.status;
}

__attribute__((format(printf, 2, 3))) static void
must(const char *body, const char *path, ...)
{
    char    full[256];
    va_list args;

    va_start(args, path);
    (void)vsnprintf(full, sizeof(full), path, args);
    va_end(args);
    (void)post(NULL, NULL, full, body);
}

/* Waits until the member of the item shows the value. */
static void
wait_for(const char *path, const char *id, const char *member, const char *value)
{
    char full[256], seen[256] = "";

    (void)snprintf(full, sizeof(full), "/api/v1/%s/%s", path, id);
    for (int i = 0; i < 400; i++) {
        tests_response r = tests_shina_get(shina, admin, full);
        const json_t  *at = r.json;
        char           name[64];

        for (const char *dot = member; dot != NULL;
             dot = strchr(dot, '.') ? strchr(dot, '.') + 1 : NULL) {
            (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(dot, "."), dot);
            at = json_object_get(at, name);
        }
        (void)snprintf(seen, sizeof(seen), "%s",
                       json_is_string(at) ? json_string_value(at) : "nothing");
        json_decref(r.json);
        if (strcmp(seen, value) == 0)
            return;
        (void)usleep(50000);
    }
    fail_msg("%s of %s is \"%s\", not \"%s\"", member, full, seen, value);
}

static void
must_verify(void)
{
    const char *args[] = {"verify", NULL};
    int         code = -1;
    char       *out = tests_shina_verb(shina, args, &code);

    if (code != 0)
        fail_msg("%s", out);
    free(out);
}

/* The first cell of the first row, or "". */
static char *
sql(const char *text)
{
    static char cell[256];
    PGconn     *conn = PQconnectdb(database);
    PGresult   *res = PQexec(conn, text);

    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    (void)snprintf(cell, sizeof(cell), "%s", PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    PQfinish(conn);
    return cell;
}

/* All but the servers, which have no need of keys. */
static bool
has_keys(int process)
{
    return strcmp(tests_shina_process_name(shina, process), "servers") != 0;
}

static void
kill_all(void)
{
    for (int i = 0; i < tests_shina_processes(shina); i++)
        if (has_keys(i))
            tests_shina_kill(shina, i);
}

static void
start_all_with(const char *keys)
{
    assert_int_equal(setenv("SHINA_MASTER_KEYS", keys, 1), 0);
    for (int i = 0; i < tests_shina_processes(shina); i++)
        if (has_keys(i))
            tests_shina_restart(shina, i);
}

static void
assert_all_end(void)
{
    for (int i = 0; i < tests_shina_processes(shina); i++) {
        if (!has_keys(i))
            continue;
        for (int k = 0; k < 600 && !tests_shina_has_ended(shina, i); k++)
            (void)usleep(50000);
        assert_true(tests_shina_has_ended(shina, i));
    }
}

static void
restart_with(const char *keys)
{
    kill_all();
    start_all_with(keys);
    assert_true(tests_shina_wait_ready(shina, 60));
}

/* --- the story, one step after another ---------------------------------------------------------
 */

static void
test_nothing_personal_is_in_the_log(void **state)
{
    (void)state;
    assert_int_equal(
        post(driver, NULL, "/api/v1/drivers",
             "{'full_name':'" NAME "','phone_e164':'" PHONE "','tacho_card':'" CARD "',"
             "'licence':{'number':'" LICENCE "','categories':['B'],'valid_to':'2099-01-01'},"
             "'medical_valid_to':'2099-01-01'}"),
        201);
    must("{}", "/api/v1/drivers/%s/activate", driver);
    must("{'full_name':'" LATER_NAME "','phone_e164':'" LATER_PHONE "'}",
         "/api/v1/drivers/%s/contact", driver);
    assert_int_equal(
        post(delivery, NULL, "/api/v1/deliveries",
             "{'kind':'DBS_TO_BUYER','customer_id':'11111111-1111-4111-8111-111111111111',"
             "'from':{'lat_e6':55750000,'lon_e6':37610000,'name':'" BUYER "'},"
             "'to':{'lat_e6':55760000,'lon_e6':37620000,'name':'" BUYER "',"
             "'address':'" ADDRESS "','phone_e164':'" BUYER_PHONE "'},"
             "'window':{'from_at':1,'to_at':4102444800000},'price_kop':100}"),
        201);
    must("{}", "/api/v1/deliveries/%s/confirm", delivery);
    wait_for("drivers", driver, "full_name", LATER_NAME);
    wait_for("drivers", driver, "phone_e164", LATER_PHONE);
    wait_for("drivers", driver, "licence_number", LICENCE);
    wait_for("deliveries", delivery, "to.name", BUYER);
    for (int i = 0; i < 100 && strcmp(sql("select count(*) > 0 from drivers.snapshots"), "t") != 0;
         i++)
        (void)usleep(50000);
    assert_string_equal(sql("select count(*) > 0 from drivers.snapshots"), "t");
    assert_string_equal(sql("select count(*) from drivers.events where data::text like '%enc:1:%'"),
                        "2");
    assert_string_equal(sql("select count(*) from drivers.claims where value like 'hmac:1:%'"),
                        "2");
    assert_int_equal(tests_leaks(database, values), 0);
    must_verify();
}

static void
test_claims_hold_without_their_values(void **state)
{
    char code[64], id[40];

    (void)state;
    assert_int_equal(post(NULL, code, "/api/v1/drivers",
                          "{'full_name':'Somebody Else','phone_e164':'" LATER_PHONE "'}"),
                     409);
    assert_string_equal(code, "DRIVER_PHONE_TAKEN");
    /* the phone that she gave up is free */
    assert_int_equal(
        post(id, NULL, "/api/v1/drivers", "{'full_name':'Somebody Else','phone_e164':'" PHONE "'}"),
        201);
    assert_int_equal(tests_leaks(database, values), 0);
}

static void
test_events_are_printed_encrypted_unless_asked(void **state)
{
    const char *sealed[] = {"events", "drivers", NULL};
    const char *clear[] = {"events", "drivers", "--clear", NULL};
    char       *text = tests_shina_verb(shina, sealed, NULL);

    (void)state;
    assert_null(strstr(text, NAME));
    assert_non_null(strstr(text, "\"full_name\":\"enc:1:"));
    free(text);
    text = tests_shina_verb(shina, clear, NULL);
    assert_non_null(strstr(text, "\"full_name\":\"" NAME "\""));
    assert_null(strstr(text, "enc:1:"));
    free(text);
}

/* Until the keys are back nothing personal is written, and nothing is lost. */
static void
test_without_the_keys_commands_fail_and_others_go_on(void **state)
{
    char before[32], code[64];

    (void)state;
    tests_shina_await_kills(shina); /* nothing starts without its keys */
    (void)snprintf(before, sizeof(before), "%s", sql("select count(*) from drivers.events"));
    (void)sql("alter schema keys rename to keys_gone");
    assert_int_equal(
        post(NULL, code, "/api/v1/drivers", "{'full_name':'Nobody','phone_e164':'+79990000001'}"),
        503);
    assert_string_equal(sql("select count(*) from drivers.events"), before);
    assert_int_equal(
        post(NULL, code, "/api/v1/vehicles",
             "{'plate':'A001AA77','vin':'XTA21099000000077','odometer_m':1000,'specs':{'class':"
             "'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"
             "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"
             "'fixed_kop_day':250000}}"),
        201);
    (void)sql("alter schema keys_gone rename to keys");
    assert_int_equal(
        post(other, NULL, "/api/v1/drivers", "{'full_name':'Nobody','phone_e164':'+79990000001'}"),
        201);
    wait_for("drivers", other, "full_name", "Nobody");
    must_verify();
}

static void
test_a_master_key_is_changed_by_putting_a_new_one_in_front(void **state)
{
    char id[40], keys[160];

    (void)state;
    restart_with(KEY_NEW "," KEY_OLD);
    assert_int_equal(
        post(id, NULL, "/api/v1/drivers", "{'full_name':'Newcomer','phone_e164':'+79990000002'}"),
        201);
    (void)snprintf(keys, sizeof(keys),
                   "select string_agg(kid, ',') from keys.subjects where subject = '%s'", id);
    assert_string_equal(sql(keys), "new");
    must("{'full_name':'" NAME "'}", "/api/v1/drivers/%s/contact", driver);
    wait_for("drivers", driver, "full_name", NAME);
    assert_int_equal(tests_leaks(database, values), 0);
    must_verify();
}

static void
test_a_wrong_master_key_stops_the_start(void **state)
{
    static const char *const wrong[][2] = {
        {KEY_WRONG "," KEY_NEW, "the key of old is not the one that this database was begun with"},
        {KEY_NEW, "lacks old"},
        {"old:short", "key 1 must be 32 bytes"},
    };
    const char *args[] = {"verify", NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int   code = 0;
        char *out;

        kill_all();
        start_all_with(wrong[i][0]);
        assert_all_end();
        out = tests_shina_verb(shina, args, &code); /* verify neither says that all is broken */
        assert_int_equal(code, 1);
        assert_null(strstr(out, "FAULT"));
        free(out);
        start_all_with(KEY_NEW "," KEY_OLD);
        assert_true(tests_shina_wait_ready(shina, 60));
    }
}

static void
test_who_deletes_a_key_leaves_tombstones(void **state)
{
    char text[512];

    (void)state;
    (void)snprintf(text, sizeof(text), "delete from keys.subjects where subject in ('%s','%s')",
                   driver, delivery);
    (void)sql(text);
    /* as if the views were built anew: their tables and checkpoints go */
    kill_all();
    (void)sql(
        "do $$ declare t record; begin"
        " for t in select tablename from pg_tables"
        "          where schemaname = 'views' and tablename <> 'registry' loop"
        "   execute format('drop table views.%I cascade', t.tablename); end loop;"
        " delete from views.registry;"
        " for t in select name from shina.domains loop"
        "   execute format('delete from %I.checkpoints where reader like ''view.%%''', t.name);"
        " end loop; end $$");
    start_all_with(KEY_NEW "," KEY_OLD);
    assert_true(tests_shina_wait_ready(shina, 60));
    wait_for("drivers", driver, "full_name", "");
    wait_for("drivers", driver, "phone_e164", "");
    wait_for("drivers", driver, "licence_number", "");
    wait_for("drivers", other, "full_name", "Nobody"); /* another's data is untouched */
    wait_for("deliveries", delivery, "to.name", "");
    must_verify();
    /* what was forgotten goes on living, and can be told anew */
    must("{'reason':'leave'}", "/api/v1/drivers/%s/suspend", driver);
    must("{'reason':'no more'}", "/api/v1/deliveries/%s/cancel", delivery);
    must("{'full_name':'Told Anew','phone_e164':'+79990000003'}", "/api/v1/drivers/%s/contact",
         driver);
    wait_for("drivers", driver, "full_name", "Told Anew");
    wait_for("drivers", driver, "licence_number", "");
    wait_for("deliveries", delivery, "status", "CANCELLED");
    must_verify();
    assert_int_equal(tests_leaks(database, values), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_personal_is_in_the_log),
        cmocka_unit_test(test_claims_hold_without_their_values),
        cmocka_unit_test(test_events_are_printed_encrypted_unless_asked),
        cmocka_unit_test(test_without_the_keys_commands_fail_and_others_go_on),
        cmocka_unit_test(test_a_master_key_is_changed_by_putting_a_new_one_in_front),
        cmocka_unit_test(test_a_wrong_master_key_stops_the_start),
        cmocka_unit_test(test_who_deletes_a_key_leaves_tombstones),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
