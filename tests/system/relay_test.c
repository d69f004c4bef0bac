/* relay_test.c - `shina relay` as users run it: into a real Apache Kafka, two of them, killed at
 * each of their fail points, and stopped for longer than their leases; and with
 * SHINA_TEST_LAYOUT=kafka within three hosts, which are killed in turn, as the broker is. In the
 * end the topics are what the logs are. Where no real broker can be had it is skipped, and says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "77777777-7777-4777-8777-777777777777"
#define PATIENCE_MS 60000
#define VEHICLE                                                                           \
    "{'plate':'A%03dBC77','vin':'XTA21099%09d','odometer_m':1000,'specs':{'class':'VAN'," \
    "'payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"             \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"         \
    "'fixed_kop_day':250000}}"

static tests_kafka *kafka;
static tests_shina *shina;
static char        *token;
static int          registered, relay; /* relay: the number of its process */

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void
register_vehicles(int count)
{
    for (int i = 0; i < count; i++) {
        char           body[500];
        tests_response r;

        registered++;
        (void)snprintf(body, sizeof(body), VEHICLE, registered, registered);
        r = tests_shina_post(shina, token, "/api/v1/vehicles", body);
        assert_int_equal(r.status, 201);
        json_decref(r.json);
    }
}

/* The line of `shina verify --topics` about topics; there must be no faults. */
static void
verify_topics(long long *events, long long *repeats, long long *behind)
{
    char       *text = tests_shina_verb(shina, (const char *[]){"verify", "--topics", NULL}, NULL);
    const char *line = strstr(text, "topics: ");
    long long   aged_out, faults;

    assert_non_null(line);
    assert_int_equal(sscanf(line,
                            "topics: %lld events, %lld repeats, %lld aged out, %lld behind, "
                            "%lld faults",
                            events, repeats, &aged_out, behind, &faults),
                     5);
    assert_int_equal(aged_out, 0);
    assert_int_equal(faults, 0);
    free(text);
}

/* Until the topic has all events. Returns how many came again. */
static long long
wait_complete(void)
{
    long long events, repeats, behind = 1;

    for (int ms = 0; ms < PATIENCE_MS; ms += 500) {
        verify_topics(&events, &repeats, &behind);
        if (behind == 0)
            break;
        pause_ms(500);
    }
    if (behind != 0) {
        tests_shina_print_logs(shina);
        fail_msg("%lld events never came", behind);
    }
    assert_true(events >= registered);
    return repeats;
}

static bool
readyz_says(const char *part, int partitions)
{
    tests_response r = tests_shina_get(shina, NULL, "/readyz");
    const json_t  *one;
    size_t         i;
    bool           said = false;

    json_array_foreach(json_object_get(r.json, "parts"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "part")), part) == 0)
            said = json_integer_value(json_object_get(one, "partitions")) == partitions;
    }
    json_decref(r.json);
    return said;
}

static void
wait_readyz(const char *part, int partitions)
{
    for (int ms = 0; !readyz_says(part, partitions); ms += 200) {
        if (ms > PATIENCE_MS)
            fail_msg("/readyz never says that %s has %d partitions", part, partitions);
        pause_ms(200);
    }
}

/* Three hosts share the relaying, over the brokers that they talk over. */
static int
start_hosts(void **state)
{
    (void)state;
    shina = tests_shina_start();
    kafka = tests_shina_kafka(shina);
    if (!tests_kafka_is_real(kafka)) {
        tests_shina_stop(shina);
        kafka = NULL;
        return 0;
    }
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    return 0;
}

static int
stop_hosts(void **state)
{
    (void)state;
    if (kafka == NULL)
        return 0;
    free(token);
    tests_shina_stop(shina); /* and the brokers */
    return 0;
}

static int
start(void **state)
{
    (void)state;
    kafka = tests_kafka_start(1);
    if (!tests_kafka_is_real(kafka)) {
        tests_kafka_stop(kafka);
        kafka = NULL;
        return 0;
    }
    assert_int_equal(setenv("SHINA_KAFKA", tests_kafka_servers(kafka), 1), 0);
    shina = tests_shina_start_processes(NULL);
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    if (kafka == NULL)
        return 0;
    free(token);
    tests_shina_stop(shina);
    tests_kafka_stop(kafka);
    return 0;
}

static void
killed_at_each_of_its_places_it_loses_nothing(void **state)
{
    static const char *const places[] = {"relay.sent", "relay.delivered", "relay.checkpointed"};

    (void)state;
    if (kafka == NULL)
        skip();
    register_vehicles(20);
    relay = tests_shina_add(shina, "relay", "vehicles");
    (void)wait_complete();
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char variable[64];
        int  ms = 0;

        (void)snprintf(variable, sizeof(variable), "SHINA_TEST_FAIL_POINT=%s:2", places[i]);
        tests_shina_kill(shina, relay);
        tests_shina_restart_with(shina, relay, variable);
        for (; !tests_shina_has_ended(shina, relay); ms += 100) {
            if (ms > PATIENCE_MS)
                fail_msg("%s was not passed", places[i]);
            register_vehicles(1);
            pause_ms(100);
        }
        tests_shina_restart(shina, relay);
        (void)wait_complete();
    }
    wait_readyz("relay vehicles", 8);
}

static void
one_that_was_stopped_past_its_lease_does_no_harm(void **state)
{
    int second;

    (void)state;
    if (kafka == NULL)
        skip();
    second = tests_shina_add(shina, "relay", "vehicles");
    pause_ms(3000); /* until they share */
    register_vehicles(20);
    tests_shina_signal(shina, relay, SIGSTOP);
    register_vehicles(20);
    (void)wait_complete(); /* the other has taken over */
    tests_shina_signal(shina, relay, SIGCONT);
    register_vehicles(20);
    (void)wait_complete();
    wait_readyz("relay vehicles", 8);
    tests_shina_kill(shina, second);
    register_vehicles(20);
    (void)wait_complete();
    tests_shina_restart(shina, second); /* so that it ends well: */
    pause_ms(3000);
}

static void
hosts_that_die_leave_the_relaying_to_the_others(void **state)
{
    (void)state;
    if (kafka == NULL)
        skip();
    register_vehicles(20);
    (void)wait_complete();
    for (int host = 1; host <= 3; host++) {
        char name[16];
        int  nth;

        (void)snprintf(name, sizeof(name), "host %d", host);
        nth = tests_shina_process_named(shina, name);
        register_vehicles(5);
        tests_shina_kill(shina, nth);
        register_vehicles(10);
        (void)wait_complete();
        tests_shina_restart(shina, nth);
        assert_true(tests_shina_wait_ready(shina, 90));
    }
}

static void
a_broker_that_was_away_gets_all(void **state)
{
    (void)state;
    if (kafka == NULL)
        skip();
    register_vehicles(10);
    tests_kafka_kill(kafka, 0);
    pause_ms(15000);
    tests_kafka_restart(kafka, 0);
    assert_true(tests_kafka_wait(kafka, tests_kafka_nodes(kafka), 60));
    assert_true(tests_shina_wait_ready(shina, 90));
    register_vehicles(10);
    (void)wait_complete();
}

static int
run_hosts(void)
{
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(hosts_that_die_leave_the_relaying_to_the_others),
        cmocka_unit_test(a_broker_that_was_away_gets_all),
    };

    return cmocka_run_group_tests_name("hosts", stories, start_hosts, stop_hosts);
}

int
main(void)
{
    const char             *layout = getenv("SHINA_TEST_LAYOUT");
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(killed_at_each_of_its_places_it_loses_nothing),
        cmocka_unit_test(one_that_was_stopped_past_its_lease_does_no_harm),
    };

    if (layout != NULL && strcmp(layout, "kafka") == 0)
        return run_hosts();
    return cmocka_run_group_tests(stories, start, stop);
}
