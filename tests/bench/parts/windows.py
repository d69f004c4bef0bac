"""Windows of a second over 1,000 keys, durable, and the same in Kafka Streams.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess

from figures import Row
from load import column
from scratch import scratch
from support import Kafka

NAME = "windows"
ABOUT = "durable windows of event time, beside Kafka Streams"
TAKES_S = (30, 150)
RECORDS = 1000000


def streams_peer(ctx, records):
    folder = scratch.folder()
    with Kafka(ctx.programs) as kafka:
        out, _ = scratch.run(["java", "-cp", ".tools/streams/lib/*", "tests/bench/streams/StreamsPeer.java",
                              kafka.servers, str(records), folder, str(kafka.process.pid)],
                             stderr=subprocess.DEVNULL)
    scratch.remove(folder)
    return json.loads(out.splitlines()[-1])


def a_second_of(found, key):
    return [1e6 / us for us in column(found, key)]


def run(ctx):
    records = ctx.args.records or RECORDS
    sides = [lambda: ctx.program_rows("streams/streams_bench", records)[0]]
    if os.path.isdir(".tools/streams/lib") and os.path.isdir(".tools/kafka/lib"):
        sides.append(lambda: streams_peer(ctx, records))
    ours, *theirs = ctx.rounds_of(*sides, short_rounds=1)
    peer = theirs[0] if theirs else None

    def row(what, unit, key, **options):
        return Row(what, unit, column(ours, key), column(peer, "peer_" + key) if peer else None,
                   "Kafka Streams, exactly once", **options)

    shared = "shina's is without PostgreSQL's, the peer's without the broker's"
    rates = row(f"windows, {records} events, one thread", "events/s", "per_s")
    a_core = Row("windows, events a second of CPU, servers' included", "events/s", a_second_of(ours, "all_cpu_us"),
                 a_second_of(peer, "peer_all_cpu_us") if peer else None, "Kafka Streams and the broker",
                 target=3 if peer else None,
                 note="" if peer else "there is no Kafka Streams here (.tools/streams)")
    return [a_core, rates, row("CPU of an event", "us", "cpu_us", better="less", note=shared),
            row("memory", "MB", "mb", better="less", note=shared)]
