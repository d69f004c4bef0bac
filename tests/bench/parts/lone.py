"""A lone command, beside one HTTP round trip and one commit of one row.

SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import inserts, make_rows_table, wrk

NAME = "lone"
ABOUT = "latency of a lone command, beside one HTTP round trip and one commit"
TAKES_S = (15, 80)


def run(ctx):
    shina = ctx.shina()
    shina.make_vehicles(100)
    make_rows_table(shina.home)
    command, trip, commit = ctx.measure(lambda s: wrk(shina, "command", 1, s)["p50_ms"],
                                        lambda s: wrk(shina, "health", 1, s)["p50_ms"],
                                        lambda s: inserts(shina.home, 1, s)["mean_ms"])
    shina.stop()
    ctx.drop(shina.home)
    return [Row("a lone command", "ms", command, [a + b for a, b in zip(trip, commit, strict=True)],
                "a round trip and a commit", target=1.5, better="less"),
            Row("of it a round trip to /healthz", "ms", trip, better="less"),
            Row("of it pgbench's insert of a row", "ms", commit, better="less")]
