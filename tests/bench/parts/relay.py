"""The log into Kafka, and kcat with as many bytes.

SPDX-License-Identifier: Apache-2.0
"""
import os

from figures import Row
from load import column
from scratch import Failed
from support import Kafka

NAME = "relay"
ABOUT = "events from the log into Kafka, beside kcat"
TAKES_S = (15, 40)
EVENTS = (200000, 500000)  # of a round; the first one warms up the broker, which has just started


def run(ctx):
    if not os.path.isdir(".tools/kafka/lib"):
        raise Failed("there is no Apache Kafka here (.tools/kafka)")
    with Kafka(ctx.programs) as kafka:
        lines = ctx.program_rows("relay_bench", 1 + ctx.rounds, kafka.servers, EVENTS[ctx.full])[1:]
    return [Row("events from the log into Kafka", "events/s", column(lines, "relay_per_s"),
                column(lines, "kcat_per_s"), "kcat", target=0.7,
                note=f"{lines[0]['bytes']:.0f} bytes each; "
                     f"{lines[0]['relay_cpu_us']:.1f} us of the relay's CPU an event")]
