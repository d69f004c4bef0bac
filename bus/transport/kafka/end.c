/* end.c - one question of one partition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/end.h"

rd_kafka_resp_err_t
bus_kafka_end_ask(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t which,
                  int timeout_ms, int64_t *out)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t      *at = rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t              error;

    at->offset = which;
    error = rd_kafka_offsets_for_times(handle, list, timeout_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = at->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && at->offset < 0)
        error = RD_KAFKA_RESP_ERR__TIMED_OUT; /* not told */
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        *out = at->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}
