/* client.c - one handle of librdkafka, made of our properties, with its log in ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/client.h"
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/figures.h"
#include "bus/transport/kafka/properties.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define COMPLAINT_US 5000000

struct bus_kafka_client {
    rd_kafka_t         *handle;
    char                role[BUS_KAFKA_ROLE_BYTES];
    bus_kafka_delivered delivered;
    void               *context;
    bus_kafka_figures   figures;
    atomic_int          fatal; /* rd_kafka_resp_err_t */
    atomic_bool         down;
    int64_t             complained_us; /* when an error was last logged; of who polls */
};

/* --- librdkafka's callbacks -------------------------------------------------- */

/* From any thread of librdkafka. Its lines name brokers and requests, never what is in messages. */
static void
on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    const bus_kafka_client *client = handle != NULL ? rd_kafka_opaque(handle) : NULL;
    bus_log_level           ours = level <= LOG_ERR       ? BUS_LOG_ERROR
                                   : level <= LOG_WARNING ? BUS_LOG_WARN
                                   : level <= LOG_INFO    ? BUS_LOG_INFO
                                                          : BUS_LOG_DEBUG;

    /* One file of properties serves producers and consumers: that each leaves some of it unused
     * is as it should be. And a broker that is away is no error of ours. */
    if (strcmp(facility, "CONFWARN") == 0)
        ours = BUS_LOG_DEBUG;
    else if (ours == BUS_LOG_ERROR && strcmp(facility, "FATAL") != 0)
        ours = BUS_LOG_WARN;
    BUS_LOG(ours, "kafka.says", BUS_KV("client", client != NULL ? client->role : ""),
            BUS_KV("facility", facility), BUS_KV("text", text));
}

/* On the thread that polls. */
static void
on_error(rd_kafka_t *handle, int error, const char *reason, void *opaque)
{
    bus_kafka_client   *client = opaque;
    rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)error;
    char                text[256];

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = rd_kafka_fatal_error(handle, text, sizeof(text));
        atomic_store(&client->fatal, (int)code);
        bus_log_error("kafka.fatal", BUS_KV("client", client->role),
                      BUS_KV("code", rd_kafka_err2name(code)), BUS_KV("text", text));
        bus_kafka_figures_count(&client->figures, BUS_KAFKA_FATAL);
        return;
    }
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        atomic_store(&client->down, true);
    bus_kafka_client_count(client, code);
    /* Each try to connect fails while brokers are away: once in a while is enough to know. */
    if (bus_mono_us(bus_clock_system()) - client->complained_us < COMPLAINT_US)
        return;
    client->complained_us = bus_mono_us(bus_clock_system());
    bus_log_warn("kafka.error", BUS_KV("client", client->role),
                 BUS_KV("class", bus_kafka_class_name(bus_kafka_class_of(code))),
                 BUS_KV("code", rd_kafka_err2name(code)), BUS_KV("text", reason));
}

/* On the thread that polls; 0: librdkafka frees json. */
static int
on_statistics(rd_kafka_t *handle, char *json, size_t bytes, void *opaque)
{
    bus_kafka_client *client = opaque;

    (void)handle;
    bus_kafka_figures_read(&client->figures, json, bytes);
    if (client->figures.metrics[FIGURE_BROKERS_UP].value > 0)
        atomic_store(&client->down, false);
    return 0;
}

/* On the thread that polls. */
static void
on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    bus_kafka_client *client = opaque;

    (void)handle;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        atomic_store(&client->down, false);
    else
        bus_kafka_client_count(client, message->err);
    if (client->delivered != NULL)
        client->delivered(client->context, message);
}

/* --- making one ---------------------------------------------------------------- */

static bus_code
make_conf(rd_kafka_conf_t **out, const bus_kafka_settings *settings, const char *role,
          const char *const *needs, bus_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char             id[200], why[200];
    bus_code         rc = bus_kafka_properties_set(conf, settings, needs, err);

    (void)snprintf(id, sizeof(id), "shina.%.120s.%.40s", settings->process, role);
    if (rc == BUS_OK &&
        rd_kafka_conf_set(conf, "client.id", id, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        rc = bus_fail(err, BUS_INVALID, "kafka: %s", why);
    if (rc != BUS_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    *out = conf;
    return BUS_OK;
}

bus_code
bus_kafka_settings_check(const bus_kafka_settings *settings, bus_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    bus_code         rc = make_conf(&conf, settings, "check", NULL, err);

    if (rc == BUS_OK)
        rd_kafka_conf_destroy(conf);
    return rc;
}

bus_code
bus_kafka_client_create(bus_kafka_client **out, const bus_kafka_settings *settings,
                        const bus_kafka_client_options *options, bus_error *err)
{
    bus_kafka_client *client;
    rd_kafka_conf_t  *conf = NULL;
    char              why[200];
    bus_code          rc = make_conf(&conf, settings, options->role, options->properties, err);

    if (rc != BUS_OK)
        return rc;
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        abort();
    (void)snprintf(client->role, sizeof(client->role), "%s", options->role);
    client->delivered = options->delivered;
    client->context = options->context;
    bus_kafka_figures_init(&client->figures, client->role);
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    if (options->type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    client->handle = rd_kafka_new(options->type, conf, why, sizeof(why)); /* takes conf if it can */
    if (client->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        bus_kafka_figures_fini(&client->figures);
        free(client);
        return bus_fail(err, BUS_INVALID, "kafka: %s", why); /* names files and keys, no values */
    }
    *out = client;
    return BUS_OK;
}

void
bus_kafka_client_destroy(bus_kafka_client *client)
{
    if (client == NULL)
        return;
    rd_kafka_destroy_flags(client->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    bus_kafka_figures_fini(&client->figures);
    free(client);
}

rd_kafka_t *
bus_kafka_client_handle(const bus_kafka_client *client)
{
    return client->handle;
}

void
bus_kafka_client_count(bus_kafka_client *client, rd_kafka_resp_err_t error)
{
    bus_kafka_figures_count(&client->figures, bus_kafka_class_of(error));
}

rd_kafka_resp_err_t
bus_kafka_client_fatal(const bus_kafka_client *client)
{
    return (rd_kafka_resp_err_t)atomic_load(&client->fatal);
}

bool
bus_kafka_client_down(const bus_kafka_client *client)
{
    return atomic_load(&client->down);
}
