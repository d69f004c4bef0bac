"""Where the time of a command goes: CPU and allocations of each thread, CPU of PostgreSQL for each.

SPDX-License-Identifier: Apache-2.0
"""
import collections
import os
import struct

from figures import Row
from load import wrk

NAME = "budget"
ABOUT = "CPU and allocations of a command, by thread: edge, writer, views; and of PostgreSQL for each"
TAKES_S = (15, 40)
CLIENTS = 64
VEHICLES = 1000
SLOT = struct.Struct("=QQQ")  # of allocations.c
# Threads and connections, as they are named, to parts of a command's way.
THREADS = {"edge": "edge", "writer vehicles": "writer", "views vehicles": "views"}
CONNECTIONS = {"shina writer vehicles": "PostgreSQL, the writer's", "projector vehicles": "PostgreSQL, the views'"}
OTHERS, OTHER_SERVERS = "all other threads", "PostgreSQL, the rest"


def cpu_ns(path):
    """What a process or thread has run so far (Linux: sched/sched-stats); 0 when it is gone."""
    try:
        with open(path + "/schedstat") as f:
            return int(f.read().split()[0])
    except OSError:
        return 0


def threads_of(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        path = f"/proc/{pid}/task/{thread}"
        try:
            with open(path + "/comm") as f:
                yield int(thread), path, THREADS.get(f.read().strip(), OTHERS)
        except OSError:
            continue


def look(shina, counts):
    """Of each part so far: nanoseconds, allocations."""
    found = collections.defaultdict(lambda: [0, 0])
    with open(counts, "rb") as f:
        calls = {thread: n for thread, n, _ in SLOT.iter_unpack(f.read())}
    for thread, path, part in threads_of(shina.process.pid):
        found[part][0] += cpu_ns(path)
        found[part][1] += calls.get(thread, 0)
    for line in shina.home.sql("select pid, application_name from pg_stat_activity "
                               "where pid <> pg_backend_pid()").splitlines():
        pid, application = line.split("|")
        found[CONNECTIONS.get(application, OTHER_SERVERS)][0] += cpu_ns(f"/proc/{pid}")
    return found


def a_round(ctx, shina, counts):
    before = look(shina, counts)
    commands = wrk(shina, "command", CLIENTS, ctx.seconds)["rate"] * ctx.seconds
    shina.wait_for_views()
    after = look(shina, counts)
    return {part: [(b - a) / commands for a, b in zip(before[part], after[part], strict=True)]
            for part in after}


def run(ctx):
    home = ctx.home()
    counts = home.dir + "/allocations"
    home.env.update(LD_PRELOAD=os.path.abspath(f"{ctx.programs}/liballocations.so"), BENCH_ALLOCATIONS=counts)
    shina = ctx.shina(home)
    for name in ("LD_PRELOAD", "BENCH_ALLOCATIONS"):  # not in psql and its like
        home.env.pop(name)
    shina.make_vehicles(VEHICLES)
    wrk(shina, "command", CLIENTS, ctx.warm_up_s)
    rounds = [a_round(ctx, shina, counts) for _ in range(ctx.rounds)]
    rows = []
    for part in (*THREADS.values(), OTHERS, *CONNECTIONS.values(), OTHER_SERVERS):
        rows.append(Row(f"{part}, of a command", "us of CPU", [r[part][0] / 1000 for r in rounds], better="less",
                        note="commits and checkpoints among them" if part == OTHER_SERVERS else ""))
        if part in THREADS.values() or part == OTHERS:
            rows.append(Row(f"{part}, of a command", "allocations", [r[part][1] for r in rounds], better="less"))
    shina.stop()
    ctx.drop(home)
    return rows
