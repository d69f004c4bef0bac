/* properties.h - librdkafka's properties: ours, and those of the user's file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_PROPERTIES_H
#define BUS_TRANSPORT_KAFKA_PROPERTIES_H

#include "bus/transport/kafka/client.h"

/* Sets them in the order defaults, file, needs; what is in needs (key, value, ..., NULL; or NULL)
 * and what is always ours may not stand in the file. BUS_INVALID: with file and line. */
BUS_CHECKED bus_code bus_kafka_properties_set(rd_kafka_conf_t          *conf,
                                              const bus_kafka_settings *settings,
                                              const char *const *needs, bus_error *err);

#endif
