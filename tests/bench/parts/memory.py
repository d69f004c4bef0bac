"""Memory of the process with many streams, at rest and after commands to all of them; of processes apart.

SPDX-License-Identifier: Apache-2.0
"""
import time

from figures import Row
from load import wrk
from long_log import BUILT_S, ODOMETER_M, say
from support import Apart

NAME = "memory"
ABOUT = "memory with many streams, after commands to random ones; of each process when they are apart"
TAKES_S = (25, 150)
CLIENTS = 256
TARGET_MB = 200
VEHICLES = 1000


def with_many_streams(ctx):
    long = ctx.long_log()
    shina = long.settled()
    at_rest = shina.memory_mb()
    seconds = 30 if ctx.full else 6
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


def of_processes(ctx):
    apart = Apart(ctx.home())
    apart.make_vehicles(VEHICLES)
    at_rest = apart.memory_mb()
    seconds = 10 if ctx.full else 4
    found = wrk(apart, "command", CLIENTS, seconds)
    time.sleep(1)  # the views follow
    most = apart.memory_mb("VmHWM")
    apart.stop()
    ctx.drop(apart.home)
    note = f"under {found['rate']:.0f} commands/s to {VEHICLES} streams; at rest "
    return [Row(f"shina {verb} of all domains, at most", "MB", [most[verb]], better="less",
                note=f"{note}{at_rest[verb]:.0f} MB") for verb in most]


def run(ctx):
    return with_many_streams(ctx) + of_processes(ctx)
