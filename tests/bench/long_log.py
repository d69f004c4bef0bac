"""A long log: rebuilding a view of it beside COPY, starting with it, and memory with many streams.

load_events appends it through the store; `shina verify` tells whether it is a log that shina could
have written. SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import statistics
import subprocess
import sys
import time

from support import TENANT, Home, Shina, scratch, wrk

VIEW = "vehicles"
CLIENTS = 256
VERIFIED_MAX = 300000  # events; a longer log would take minutes to be verified
STARTS = 3
BUILT_S = 1800


def say(text):
    print(text, file=sys.stderr, flush=True)


def start_servers(home):
    process = scratch.start([home.program, "servers"], env=home.env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in process.stdout:
        if line.endswith(" run\n"):
            return process
    sys.exit("bench: the servers do not start")


def start_s(home):
    """A cold process, a warm database."""
    times = []
    for _ in range(STARTS):
        shina = Shina(home)
        times.append(shina.start_s)
        shina.wait_for_views()
        shina.stop()
    return statistics.median(times)


def timed(action, *args, **options):
    began = time.monotonic()
    action(*args, **options)
    return time.monotonic() - began


def table_of(home):
    return home.sql(f"select table_name from views.registry where view = '{VIEW}' and live")


def load(home, args, results):
    say(f"loading {args.events} events of {args.streams} streams")
    out, _ = scratch.run([args.programs + "/load_events", home.url, TENANT, str(args.streams),
                          str(args.events), home.dir + "/ids"])
    results["load"] = json.loads(out)
    print(f"\na log of {args.events} events of {args.streams} streams, loaded in "
          f"{results['load']['seconds']:.0f} s", flush=True)
    home.sql("vacuum (analyze) vehicles.events", "checkpoint")


def copy_events(home):
    """Seconds of COPY of the log's rows into an equal table, indexes and all."""
    path = home.dir + "/events.copy"
    home.sql(f"\\copy (select * from vehicles.events) to '{path}' (format binary)",
             "create table bench.events (like vehicles.events including all)")
    seconds = timed(home.sql, f"\\copy bench.events from '{path}' (format binary)")
    home.sql("drop table bench.events", "checkpoint")
    os.remove(path)
    return seconds


def refill(home, table, statement):
    """Seconds of filling an equal table with the view's rows, its indexes made afterwards."""
    indexes = home.sql("select replace(indexdef, ' ON views.', ' ON bench.') from pg_indexes "
                       f"where schemaname = 'views' and tablename = '{table}'").splitlines()
    home.sql(f"create table bench.rows (like views.\"{table}\" including storage "
             "including compression including defaults)")
    seconds = timed(home.sql, statement,
                    *[i.replace(table, "rows") for i in indexes])
    home.sql("drop table bench.rows", "checkpoint")
    return seconds


def rebuild(home, args, results):
    say(f"rebuilding the view {VIEW}")
    seconds = timed(home.verb, "rebuild", VIEW)
    table = table_of(home)
    rows = int(home.sql(f'select count(*) from views."{table}"'))
    if rows != args.streams:
        sys.exit(f"bench: the view has {rows} rows instead of {args.streams}")
    home.sql("create schema bench")
    say("COPY of its rows, insert ... select of them, COPY of the events")
    path = home.dir + "/rows.copy"
    home.sql(f"\\copy views.\"{table}\" to '{path}'", "checkpoint")
    copied = refill(home, table, f"\\copy bench.rows from '{path}'")
    os.remove(path)
    selected = refill(home, table, f'insert into bench.rows select * from views."{table}"')
    events = copy_events(home)
    row = {"events": args.events, "rows": rows, "seconds": seconds,
           "events_per_s": args.events / seconds, "rows_per_s": rows / seconds,
           "copy_events_per_s": args.events / events, "copy_rows_per_s": rows / copied,
           "insert_select_rows_per_s": rows / selected}
    row["ratio_events"] = row["events_per_s"] / row["copy_events_per_s"]
    row["ratio_rows"] = row["rows_per_s"] / row["copy_rows_per_s"]
    results["rebuild"] = row
    print(f"\nshina rebuild {VIEW}: {seconds:.1f} s\n{'':>22} {'events/s':>9} {'rows/s':>9}")
    print(f"{'rebuild':>22} {row['events_per_s']:9.0f} {row['rows_per_s']:9.0f}")
    print(f"{'COPY of the same':>22} {row['copy_events_per_s']:9.0f} {row['copy_rows_per_s']:9.0f}")
    print(f"{'insert ... select':>22} {'':>9} {row['insert_select_rows_per_s']:9.0f}")
    print(f"{'rebuild to COPY':>22} {row['ratio_events']:9.2f} {row['ratio_rows']:9.2f}", flush=True)


def build_at_start(home, args, results):
    """The view's table is not there, as after a change of its contract."""
    home.sql(f'drop table views."{table_of(home)}"',
             f"delete from views.registry where view = '{VIEW}'")
    say("starting without the view's table")
    began = time.monotonic()
    shina = Shina(home)
    while not table_of(home):
        if time.monotonic() - began > BUILT_S:
            sys.exit("bench: the view is not built")
        time.sleep(0.1)
    built = time.monotonic() - began
    caught_up = built + shina.wait_for_views(BUILT_S, say)
    results["build_at_start"] = {"ready_s": shina.start_s, "built_s": built,
                                 "caught_up_s": caught_up, "events_per_s": args.events / built,
                                 "most_mb": shina.memory_mb("VmHWM")}
    print(f"\nstart without the view's table: ready after {shina.start_s:.1f} s, built after "
          f"{built:.1f} s ({args.events / built:.0f} events/s beside all else), every reader caught "
          f"up after {caught_up:.1f} s; at most {shina.memory_mb('VmHWM'):.0f} MB", flush=True)
    shina.stop()


def starts(home, args, results, empty_s):
    row = results["start"] = {"empty_s": empty_s, "events": args.events, "full_s": start_s(home)}
    row["ratio"] = row["full_s"] / empty_s
    print(f"\nstart of the process until /readyz, medians of {STARTS}: empty log {empty_s:.2f} s, "
          f"{args.events} events {row['full_s']:.2f} s; ratio {row['ratio']:.2f}", flush=True)


def memory(home, args, results):
    shina = Shina(home)
    shina.wait_for_views(BUILT_S, say)
    before = shina.memory_mb()
    seconds = max(2 * args.seconds, 10)
    say(f"commands to all streams for {seconds} s")
    load_row = wrk(shina, "command", CLIENTS, seconds, odometer_m=1000000000)
    shina.wait_for_views(BUILT_S, say)
    row = results["memory"] = {"streams": args.streams, "started_mb": before,
                               "commands": int(load_row["rate"] * seconds),
                               "commands_per_s": load_row["rate"], "after_mb": shina.memory_mb(),
                               "most_mb": shina.memory_mb("VmHWM"),
                               "idle_percent": shina.idle_percent(args.idle)}
    print(f"\nmemory with {args.streams} streams: {before:.0f} MB after the start; after "
          f"{row['commands']} commands to random ones ({load_row['rate']:.0f}/s, {CLIENTS} clients, "
          f"p99 {load_row['p99_ms']:.1f} ms) {row['after_mb']:.0f} MB, at most {row['most_mb']:.0f} MB; "
          f"then idle {row['idle_percent']:.2f} % of a core", flush=True)
    shina.stop()


def measure(args, results):
    if not {"rebuild", "start", "memory"} & set(args.only):
        return
    server_home = Home(args.program)
    servers = start_servers(server_home)
    home = Home(args.program, server_home)
    Shina(home).stop()  # makes the schemas
    empty_s = start_s(home) if "start" in args.only else 0
    load(home, args, results)
    if "rebuild" in args.only:
        rebuild(home, args, results)
        build_at_start(home, args, results)
    if "start" in args.only:
        starts(home, args, results, empty_s)
    if "memory" in args.only:
        memory(home, args, results)
    if args.events <= VERIFIED_MAX:
        print("\n" + home.verb("verify"), flush=True)
    scratch.end(servers)
    server_home.remove()
    home.remove()
