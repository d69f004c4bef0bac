"""Reads the events of a domain from Kafka, each once: a line of JSON for each.

    python3 consumer.py localhost:9092 shina.vehicles.events    # pip install confluent-kafka

Where it is in each partition it would keep together with what it makes of the events; here it begins
at the beginning and ends at the end.
SPDX-License-Identifier: Apache-2.0
"""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

servers, topic = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": servers, "group.id": "nobody", "enable.auto.commit": False,
                     "enable.partition.eof": True})
known = consumer.list_topics(topic, 30).topics[topic]
if known.error:
    sys.exit(f"{topic}: {known.error}")
partitions = known.partitions
consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])

last = {p: 0 for p in partitions}  # ce_offset of the last event of each partition
at_end = set()
while len(at_end) < len(partitions):
    message = consumer.poll(30)
    if message is None:
        sys.exit("the brokers do not answer")
    if message.error():
        if message.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        at_end.add(message.partition())
        continue
    attributes = {name: value.decode() for name, value in message.headers()}
    offset = int(attributes["ce_offset"])
    if offset <= last[message.partition()]:
        continue  # it came before: the relay repeats after a crash
    last[message.partition()] = offset
    print(json.dumps({"type": attributes["ce_type"], "stream": attributes["ce_subject"],
                      "offset": offset, "data": json.loads(message.value())}, ensure_ascii=False))
consumer.close()
