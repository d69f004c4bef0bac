/* errors.c - what librdkafka's errors mean: one table, and a rule for what is not in it.
 * Source of the meanings: rdkafka.h and https://kafka.apache.org/protocol#protocol_error_codes
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/client.h"

#include <stdio.h>

static const struct {
    const char *name;
    bus_code    code;
} classes[BUS_KAFKA_CLASSES] = {
    [BUS_KAFKA_FINE] = {"fine", BUS_OK},
    [BUS_KAFKA_RETRIABLE] = {"retriable", BUS_UNAVAILABLE},
    [BUS_KAFKA_TIMED_OUT] = {"timed_out", BUS_TIMEOUT},
    [BUS_KAFKA_FULL] = {"full", BUS_FULL},
    [BUS_KAFKA_PURGED] = {"purged", BUS_CLOSED},
    [BUS_KAFKA_UNKNOWN_TOPIC] = {"unknown_topic", BUS_NOT_FOUND},
    [BUS_KAFKA_DENIED] = {"denied", BUS_DENIED},
    [BUS_KAFKA_REFUSED] = {"refused", BUS_INVALID},
    [BUS_KAFKA_FATAL] = {"fatal", BUS_UNAVAILABLE},
};

bus_kafka_class
bus_kafka_class_of(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return BUS_KAFKA_FINE;

    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT: return BUS_KAFKA_TIMED_OUT;

    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return BUS_KAFKA_FULL;

    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__DESTROY: return BUS_KAFKA_PURGED;

    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return BUS_KAFKA_UNKNOWN_TOPIC;

    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_EXPIRED:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return BUS_KAFKA_DENIED;

    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE:
    case RD_KAFKA_RESP_ERR__INCONSISTENT:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED: return BUS_KAFKA_FATAL;

    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__NOT_CONFIGURED:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return BUS_KAFKA_REFUSED;

    default: return BUS_KAFKA_RETRIABLE; /* brokers, leaders, connections: they come back */
    }
}

const char *
bus_kafka_class_name(bus_kafka_class class)
{
    BUS_INVARIANT((unsigned)class < BUS_KAFKA_CLASSES);
    return classes[class].name;
}

bus_code
bus_kafka_code_of(rd_kafka_resp_err_t error)
{
    return classes[bus_kafka_class_of(error)].code;
}

bus_code
bus_kafka_fail(bus_error *err, rd_kafka_resp_err_t error, const char *fmt, ...)
{
    char    text[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return bus_fail(err, bus_kafka_code_of(error), "%.150s: %.100s", text, rd_kafka_err2str(error));
}
