"""Memory of the process with many streams, at rest and after commands to all of them; of processes apart.

SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import wrk
from long_log import BUILT_S, ODOMETER_M, say

NAME = "memory"
ABOUT = "memory with many streams, after commands to random ones"
TAKES_S = (30, 120)
CLIENTS = 256
TARGET_MB = 200


def run(ctx):
    long = ctx.long_log()
    shina = long.settled()
    at_rest = shina.memory_mb()
    seconds = 30 if ctx.full else 8
    say(f"commands to all streams for {seconds} s")
    found = wrk(shina, "command", CLIENTS, seconds, ODOMETER_M)
    shina.wait_for_views(BUILT_S, say)
    note = f"{found['rate'] * seconds:.0f} commands at {found['rate']:.0f}/s to {long.streams} streams"
    rows = [Row("shina run, after the start", "MB", [at_rest], better="less"),
            Row("shina run, after commands to random streams", "MB", [shina.memory_mb()],
                better="less", note=note),
            Row("shina run, at most", "MB", [shina.memory_mb("VmHWM")], target=TARGET_MB,
                better="less", note=note)]
    shina.stop()
    long.verify()
    return rows
