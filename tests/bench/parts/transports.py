"""What carries commands from the edge to the services, without either.

SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import column
from support import Kafka

NAME = "transports"
ABOUT = "commands there and answers back over inproc, nng and Kafka"
TAKES_S = (0, 90)  # has no peer, so it is not of the short run


def run(ctx):
    with Kafka(ctx.programs) as kafka:
        lines = [row for _ in range(ctx.rounds)
                 for row in ctx.program_rows("transport_bench", 1, kafka.servers)]

    def rounds(name, in_flight, key="per_s"):
        return column([row for row in lines
                       if row["transport"] == name and row["in_flight"] == in_flight], key)

    rows = []
    for name in dict.fromkeys(row["transport"] for row in lines):
        peer = rounds("inproc", 64) if name != "inproc" else None
        rows.append(Row(f"{name}, 64 in flight", "commands/s", rounds(name, 64), peer, "inproc"))
        rows.append(Row(f"{name}, one alone", "us", rounds(name, 1, "mean_us"), better="less"))
    return rows
