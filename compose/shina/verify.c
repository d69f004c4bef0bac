/* verify.c - `shina verify`: the log and everything made of it; with --topics, what is in Kafka
 * too. SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/verify.h"
#include "bus/runtime/topic_check.h"
#include "bus/transport/kafka/walk.h"
#include "compose/process/process.h"
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <stdio.h>

/* --- the log -----------------------------------------------------------------------------------
 */

static void
print_fault(void *context, const bus_verify_fault *f)
{
    char text[BUS_ID_TEXT_BYTES];

    (void)context;
    (void)printf("FAULT %-10s %s%s%s", bus_verify_check_name(f->check), f->domain,
                 f->view != NULL ? " view " : "", f->view != NULL ? f->view : "");
    if (f->partition >= 0)
        (void)printf(" partition %d", f->partition);
    if (f->offset > 0)
        (void)printf(" offset %lld", (long long)f->offset);
    if (!bus_id_is_nil(f->stream))
        (void)printf(" %s", bus_id_format(f->stream, text));
    (void)printf(": %s\n", f->text);
}

static bus_code
verify_logs(const bus_runtime_options *options, int64_t *faults, bus_error *err)
{
    bus_verify_counts counts = {0};
    bus_code          rc = bus_verify(options, shina_contracts, shina_modules_count, shina_views,
                                      shina_views_count, print_fault, NULL, &counts, err);

    if (rc != BUS_OK)
        return rc;
    (void)printf(
        "verify: %lld events in %lld streams, %lld commands, %lld domains; %lld rows of "
        "%lld views; %lld snapshots; %lld archives; %lld parked, %lld unsure, %lld faults\n",
        (long long)counts.events, (long long)counts.streams, (long long)counts.commands,
        (long long)counts.domains, (long long)counts.rows, (long long)counts.views,
        (long long)counts.snapshots, (long long)counts.archives, (long long)counts.parked,
        (long long)counts.unsure, (long long)counts.faults);
    *faults += counts.faults;
    return BUS_OK;
}

/* --- topics ------------------------------------------------------------------------------------
 */

static void
print_topic_fault(void *context, const char *fault)
{
    (void)context;
    (void)printf("FAULT TOPIC      %s\n", fault);
}

static bus_code
check_event(void *context, const bus_record *record, int64_t message_offset, bus_error *err)
{
    return bus_topic_check_event(context, record, message_offset, err);
}

static void
check_foreign(void *context, int partition, int64_t message_offset, const char *why)
{
    bus_topic_check_foreign(context, partition, message_offset, why);
}

static bus_code
verify_topic(const bus_runtime_options *options, const bus_kafka_settings *settings,
             const char *domain, bus_topic_counts *sum, bus_error *err)
{
    bus_topic_check *check = NULL;
    bus_topic_counts counts = {0};
    bus_code rc = bus_topic_check_open(&check, options, domain, print_topic_fault, NULL, err);

    if (rc != BUS_OK)
        return rc;
    const bus_kafka_walk walk = {
        .domain = domain, .event = check_event, .foreign = check_foreign, .context = check};
    rc = bus_kafka_topic_walk(settings, &walk, err);
    if (rc == BUS_NOT_FOUND)
        rc = BUS_OK; /* nobody has relayed it: all of it is behind */
    if (rc == BUS_OK) {
        bus_topic_check_counts(check, &counts);
        if (counts.behind > 0)
            (void)printf("BEHIND TOPIC     %s: %lld events of the log are not in it\n", domain,
                         (long long)counts.behind);
        sum->events += counts.events;
        sum->repeats += counts.repeats;
        sum->aged_out += counts.aged_out;
        sum->behind += counts.behind;
        sum->faults += counts.faults;
    }
    bus_topic_check_close(check);
    return rc;
}

/* Before the logs, which may take long. */
static bus_code
find_brokers(const bus_config *config, const char *domains[SHINA_PARTS_MAX],
             bus_kafka_settings *settings, bus_error *err)
{
    shina_kafka_settings(config, "verify", domains, settings);
    if (settings->servers == NULL)
        return bus_fail(err, BUS_INVALID, "--topics: SHINA_KAFKA must name the brokers");
    return bus_kafka_settings_check(settings, err);
}

static bus_code
verify_topics(const bus_kafka_settings *settings, const bus_runtime_options *options,
              int64_t *faults, bus_error *err)
{
    bus_topic_counts sum = {0};
    bus_code         rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < shina_modules_count; i++)
        rc = verify_topic(options, settings, shina_modules[i]->contract->module, &sum, err);
    if (rc != BUS_OK)
        return rc;
    (void)printf("topics: %lld events, %lld repeats, %lld aged out, %lld behind, %lld faults\n",
                 (long long)sum.events, (long long)sum.repeats, (long long)sum.aged_out,
                 (long long)sum.behind, (long long)sum.faults);
    *faults += sum.faults;
    return BUS_OK;
}

/* --- the verb ------------------------------------------------------------------------------------
 */

int
verb_verify(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {"--topics", NULL};
    bus_runtime_options      options;
    const char              *domains[SHINA_PARTS_MAX];
    bus_kafka_settings       brokers;
    int64_t                  faults = 0;
    bus_error                err = {0};
    shina_place              p;
    bus_code                 rc;

    if (!options_known(argc, argv, known, 0))
        return 2;
    if (flag_of(argc, argv, "--topics") && find_brokers(config, domains, &brokers, &err) != BUS_OK)
        return failed(&err);
    if (shina_place_find(&p, config, &err) != BUS_OK || shina_place_keys(&p, &err) != BUS_OK)
        return failed(&err);
    options = shina_place_runtime(&p);
    options.partitions = 0; /* as they are */
    rc = verify_logs(&options, &faults, &err);
    if (rc == BUS_OK && flag_of(argc, argv, "--topics"))
        rc = verify_topics(&brokers, &options, &faults, &err);
    shina_place_leave(&p);
    if (rc != BUS_OK)
        return failed(&err);
    return faults == 0 ? 0 : 1;
}
