/* properties.c - puts librdkafka's properties together. The rule: the user may set what is about
 * reaching the brokers and about pace; what the bus relies on is not for anyone to set, and no
 * value of a secret is ever told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/properties.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 16384 /* a certificate may be written in one line */
#define SERVERS_BYTES 4096
#define PORT_MAX 65535

/* What the user may set otherwise. */
static const char *const defaults[] = {
    "reconnect.backoff.ms",
    "50",
    "reconnect.backoff.max.ms",
    "1000", /* brokers that come back are found within a second */
    "socket.keepalive.enable",
    "true",
    "socket.timeout.ms",
    "10000",
    "topic.metadata.refresh.interval.ms",
    "60000",
    NULL,
};

/* What all clients of the bus rely on. */
static const char *const fixed[] = {
    "socket.nagle.disable",
    "true",
    "statistics.interval.ms",
    "1000",
    "message.max.bytes",
    "88080384", /* beyond BUS_KAFKA_MESSAGE_BYTES_MAX with its headers */
    "receive.message.max.bytes",
    "400000000",
    "log.connection.close",
    "false", /* idle connections come and go */
    NULL,
};

/* Set by the settings or by what a client is for, whether or not this client sets them. */
static const char *const reserved[] = {
    "bootstrap.servers",
    "metadata.broker.list",
    "client.id",
    "group.id",
    "group.instance.id",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "linger.ms",
    "queue.buffering.max.ms",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "transactional.id",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "isolation.level",
    "allow.auto.create.topics",
    "log.queue",
    "log_level",
    "opaque",
    "enable.gapless.guarantee",
    "check.crcs",
    "fetch.wait.max.ms",
    NULL,
};

/* May its value, or a message that quotes it, be shown? */
static bool
is_secret(const char *key)
{
    static const char *const signs[] = {"password", "secret", "pem",      "jaas",
                                        "oauth",    "token",  "username", "credential"};

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strstr(key, signs[i]) != NULL)
            return true;
    return false;
}

static bus_code
set_one(rd_kafka_conf_t *conf, const char *key, const char *value, const char *place,
        bus_error *err)
{
    char why[200];

    switch (rd_kafka_conf_set(conf, key, value, why, sizeof(why))) {
    case RD_KAFKA_CONF_OK: return BUS_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return bus_fail(err, BUS_INVALID, "%.120s: librdkafka has no property %.60s", place, key);
    case RD_KAFKA_CONF_INVALID: break;
    }
    if (is_secret(key))
        return bus_fail(err, BUS_INVALID, "%.120s: the value of %.60s is not allowed", place, key);
    return bus_fail(err, BUS_INVALID, "%.100s: %.140s", place, why);
}

static bus_code
set_all(rd_kafka_conf_t *conf, const char *const *pairs, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (; pairs != NULL && pairs[0] != NULL && rc == BUS_OK; pairs += 2)
        rc = set_one(conf, pairs[0], pairs[1], "kafka", err);
    return rc;
}

static bool
in_pairs(const char *const *pairs, const char *key)
{
    for (; pairs != NULL && pairs[0] != NULL; pairs += 2)
        if (strcmp(pairs[0], key) == 0)
            return true;
    return false;
}

static bool
is_ours(const char *const *needs, const char *key)
{
    for (int i = 0; reserved[i] != NULL; i++)
        if (strcmp(reserved[i], key) == 0)
            return true;
    return in_pairs(fixed, key) || in_pairs(needs, key) || strstr(key, "_cb") != NULL ||
           strncmp(key, "test.", 5) == 0;
}

/* Cuts white space off both ends. */
static char *
trimmed(char *text)
{
    char *end;

    while (isspace((unsigned char)*text))
        text++;
    end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

static bus_code
take_line(rd_kafka_conf_t *conf, const char *const *needs, char *line, const char *place,
          bus_error *err)
{
    char *key = trimmed(line), *equals = strchr(key, '=');

    if (*key == '\0' || *key == '#')
        return BUS_OK;
    if (equals == NULL || equals == key)
        return bus_fail(err, BUS_INVALID, "%.200s: key=value is wanted", place);
    *equals = '\0';
    key = trimmed(key);
    if (is_ours(needs, key))
        return bus_fail(err, BUS_INVALID, "%.150s: %.60s is set by shina itself", place, key);
    return set_one(conf, key, trimmed(equals + 1), place, err);
}

static bus_code
read_file(rd_kafka_conf_t *conf, const char *path, const char *const *needs, bus_error *err)
{
    FILE    *file = fopen(path, "re");
    char     line[LINE_BYTES], place[160];
    bus_code rc = BUS_OK;

    if (file == NULL)
        return bus_fail(err, BUS_INVALID, "SHINA_KAFKA_PROPERTIES: cannot read %.120s: %s", path,
                        strerror(errno));
    for (int number = 1; rc == BUS_OK && fgets(line, sizeof(line), file) != NULL; number++) {
        (void)snprintf(place, sizeof(place), "%.140s:%d", path, number);
        if (strchr(line, '\n') == NULL && !feof(file))
            rc = bus_fail(err, BUS_INVALID, "%.150s: a line of more than %d bytes", place,
                          LINE_BYTES - 2);
        else
            rc = take_line(conf, needs, line, place, err);
    }
    if (rc == BUS_OK && ferror(file))
        rc = bus_fail(err, BUS_INVALID, "cannot read %.150s: %s", path, strerror(errno));
    (void)fclose(file);
    explicit_bzero(line, sizeof(line));
    return rc;
}

/* --- bootstrap.servers
 * ---------------------------------------------------------------------------- */

/* librdkafka passes over a server whose scheme is not its security.protocol, and all behind it. */
static bus_code
check_scheme(rd_kafka_conf_t *conf, const char *server, size_t len, bus_error *err)
{
    char   protocol[32];
    size_t room = sizeof(protocol);

    if (rd_kafka_conf_get(conf, "security.protocol", protocol, &room) != RD_KAFKA_CONF_OK ||
        (strlen(protocol) == len && strncasecmp(protocol, server, len) == 0))
        return BUS_OK;
    return bus_fail(err, BUS_INVALID, "SHINA_KAFKA: \"%.80s\": security.protocol is %s", server,
                    protocol);
}

static bool
is_port(const char *text)
{
    char *rest;
    long  port;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    port = strtol(text, &rest, 10);
    return *rest == '\0' && errno == 0 && port >= 1 && port <= PORT_MAX;
}

/* "host:port", "[::1]:9092", "SASL_SSL://host:port"; librdkafka would take port 99999 for another,
 * and wait for what can never answer. */
static bus_code
check_server(rd_kafka_conf_t *conf, const char *server, bus_error *err)
{
    const char *scheme = strstr(server, "://"), *host = scheme != NULL ? scheme + 3 : server;
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strrchr(bracket != NULL ? bracket : host, ':');
    const char *end = colon != NULL ? colon : host + strlen(host);

    if (end == host || strpbrk(host, " \t\r\n/;") != NULL || (*host == '[' && bracket == NULL) ||
        (bracket != NULL && bracket + 1 != end) ||
        (bracket == NULL && memchr(host, ':', (size_t)(end - host)) != NULL))
        return bus_fail(err, BUS_INVALID, "SHINA_KAFKA: \"%.80s\" is no host:port", server);
    if (colon != NULL && !is_port(colon + 1))
        return bus_fail(err, BUS_INVALID, "SHINA_KAFKA: \"%.80s\": a port is 1 to %d", server,
                        PORT_MAX);
    return scheme == NULL ? BUS_OK : check_scheme(conf, server, (size_t)(scheme - server), err);
}

static bus_code
check_servers(rd_kafka_conf_t *conf, const char *servers, bus_error *err)
{
    char     copy[SERVERS_BYTES], *next = copy;
    int      count = 0;
    bus_code rc = BUS_OK;

    if (snprintf(copy, sizeof(copy), "%s", servers) >= (int)sizeof(copy))
        return bus_fail(err, BUS_INVALID, "SHINA_KAFKA has more than %d bytes", SERVERS_BYTES - 1);
    while (rc == BUS_OK && next != NULL) {
        const char *server = trimmed(strsep(&next, ","));

        if (*server == '\0')
            continue;
        rc = check_server(conf, server, err);
        count++;
    }
    if (rc == BUS_OK && count == 0)
        return bus_fail(err, BUS_INVALID, "SHINA_KAFKA names no broker: host:port,host:port");
    return rc;
}

bus_code
bus_kafka_properties_set(rd_kafka_conf_t *conf, const bus_kafka_settings *settings,
                         const char *const *needs, bus_error *err)
{
    bus_code rc;

    if ((rc = set_all(conf, defaults, err)) != BUS_OK ||
        (settings->properties != NULL &&
         (rc = read_file(conf, settings->properties, needs, err)) != BUS_OK) ||
        (rc = set_all(conf, fixed, err)) != BUS_OK || (rc = set_all(conf, needs, err)) != BUS_OK ||
        (rc = check_servers(conf, settings->servers == NULL ? "" : settings->servers, err)) !=
            BUS_OK)
        return rc;
    return set_one(conf, "bootstrap.servers", settings->servers, "SHINA_KAFKA", err);
}
