/* end.h - where a partition ends, asked for within a time.
 * rd_kafka_query_watermark_offsets() minds its time only until it has found the leader; then it
 * waits for a reply as long as it takes, minutes when the leader has gone
 * (https://github.com/confluentinc/librdkafka, rdkafka.c). This asks the same by
 * rd_kafka_offsets_for_times(), whose question is the same request of the protocol (ListOffsets).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_END_H
#define BUS_TRANSPORT_KAFKA_END_H

#include <librdkafka/rdkafka.h>

/* which: RD_KAFKA_OFFSET_BEGINNING for the offset of the first message that is still there,
 * RD_KAFKA_OFFSET_END for the one behind the last. Blocks at most timeout_ms. Threads: any. */
rd_kafka_resp_err_t bus_kafka_end_ask(rd_kafka_t *handle, const char *topic, int32_t partition,
                                      int64_t which, int timeout_ms, int64_t *out);

#endif
