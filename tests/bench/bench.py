#!/usr/bin/env python3
"""make bench: what shina does on this machine, beside its peers measured in the same run.

Scratch servers with fsync on; pgbench inserts single rows into the same PostgreSQL, COPY fills
equal tables, wrk asks over HTTP with a bearer token. Machines differ, so only the ratios of one
run count. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import platform
import subprocess

import long_log
from support import Home, Kafka, Shina, median_of, pgbench, scratch, wrk

PARTS = ("transports", "relay", "windows", "append", "idle", "commands", "reads", "lone", "rebuild", "start", "memory")


def transports(args, results):
    """What carries commands from the edge to the services, without either."""
    rows = []
    with Kafka(args.programs) as kafka:
        for _ in range(args.rounds):
            out, _ = scratch.run([args.programs + "/transport_bench", "1", kafka.servers])
            rows += [json.loads(line) for line in out.splitlines()]
    print(f"\ncommands there and answers back, per second\n{'transport':>12} {'1 in flight':>12} "
          f"{'mean us':>8} {'64 in flight':>13} {'of inproc':>10}")
    found = results["transports"] = []
    for name in dict.fromkeys(row["transport"] for row in rows):
        one, many = ([row for row in rows if row["transport"] == name and row["in_flight"] == n]
                     for n in (1, 64))
        row = {"transport": name, "one": median_of(one, "per_s"), "mean_us": median_of(one, "mean_us"),
               "many": median_of(many, "per_s")}
        found.append(row)
        row["ratio"] = row["many"] / next((r["many"] for r in found if r["transport"] == "inproc"),
                                          row["many"])
        print(f"{name:>12} {row['one']:12.0f} {row['mean_us']:8.1f} {row['many']:13.0f} "
              f"{row['ratio']:10.2f}", flush=True)


def relay(args, results):
    """The log into Kafka, and kcat with as many bytes."""
    if not os.path.isdir(".tools/kafka/lib"):
        print("\nrelay: there is no Apache Kafka here (.tools/kafka), so nothing is measured")
        return
    with Kafka(args.programs) as kafka:
        out, _ = scratch.run([args.programs + "/relay_bench", str(args.rounds), kafka.servers])
    rows = [json.loads(line) for line in out.splitlines()]
    row = {key: median_of(rows, key) for key in ("bytes", "relay_per_s", "relay_cpu_us",
                                                 "kcat_per_s", "ratio")}
    results["relay"] = row
    print(f"\nevents a second from the log into Kafka, and kcat's, of {row['bytes']:.0f} bytes each\n"
          f"{'relay/s':>10} {'CPU us':>8} {'kcat/s':>10} {'ratio':>6}\n"
          f"{row['relay_per_s']:10.0f} {row['relay_cpu_us']:8.1f} {row['kcat_per_s']:10.0f} "
          f"{row['ratio']:6.2f}", flush=True)


def windows(args, results):
    """Windows of a second over 1,000 keys, durable, and the same in Kafka Streams."""
    ours, theirs = [], []
    for _ in range(args.rounds):
        out, _ = scratch.run([args.programs + "/streams/streams_bench", str(args.records)])
        ours.append(json.loads(out))
        if not os.path.isdir(".tools/streams/lib") or not os.path.isdir(".tools/kafka/lib"):
            continue
        folder = scratch.folder()
        with Kafka(args.programs) as kafka:
            out, _ = scratch.run(["java", "-cp", ".tools/streams/lib/*", "tests/bench/streams/StreamsPeer.java",
                                  kafka.servers, str(args.records), folder], stderr=subprocess.DEVNULL)
        scratch.remove(folder)
        theirs.append(json.loads(out.splitlines()[-1]))
    row = {key: median_of(ours, key) for key in ("per_s", "cpu_us", "mb")}
    if theirs:
        row.update({key: median_of(theirs, key) for key in ("peer_per_s", "peer_cpu_us", "peer_mb")})
        row["ratio"] = row["per_s"] / row["peer_per_s"]
    results["windows"] = row
    print(f"\nevents a second through durable windows of a second, 1,000 keys, {args.records} events of 200 bytes, "
          f"one thread\n{'':>16} {'per s':>9} {'CPU us':>7} {'MB':>6}\n"
          f"{'shina':>16} {row['per_s']:9.0f} {row['cpu_us']:7.1f} {row['mb']:6.0f}", flush=True)
    if theirs:
        print(f"{'Kafka Streams':>16} {row['peer_per_s']:9.0f} {row['peer_cpu_us']:7.1f} {row['peer_mb']:6.0f}\n"
              f"{'ratio':>16} {row['ratio']:9.2f}   (shina's CPU and memory are without PostgreSQL's, the peer's "
              "without the broker's)", flush=True)
    else:
        print("there is no Kafka Streams here (.tools/streams), so nothing is beside it")


def append(args, results):
    out, _ = scratch.run([args.programs + "/append_bench", "1"])
    results["append"] = [json.loads(line) for line in out.splitlines()]
    print(f"\nevents appended per second, one commit a batch, and COPY into an equal table\n"
          f"{'events':>8} {'append/s':>9} {'COPY/s':>9} {'ratio':>6}")
    for row in results["append"]:
        print(f"{row['rows']:8} {row['append_per_s']:9.0f} {row['copy_per_s']:9.0f} "
              f"{row['ratio']:6.2f}", flush=True)


def commands(shina, args, results):
    print("\ndurable commands over HTTP (authenticated, views following) and pgbench's inserts")
    print(f"{'clients':>8} {'shina/s':>9} {'pgbench/s':>10} {'ratio':>6} {'p50 ms':>8} "
          f"{'p99 ms':>8} {'views +s':>9}")
    results["commands"] = []
    for clients in (1, 8, 64, 256):
        ours, theirs, lag = [], [], []
        for _ in range(args.rounds):
            ours.append(wrk(shina, "command", clients, args.seconds))
            lag.append(shina.wait_for_views())
            theirs.append(pgbench(shina.home, clients, args.seconds))
        rate = median_of(ours, "rate")
        peer = median_of(theirs, "rate")
        row = {"clients": clients, "shina": rate, "pgbench": peer,
               "ratio": rate / peer, "p50_ms": median_of(ours, "p50_ms"),
               "p99_ms": median_of(ours, "p99_ms"), "views_behind_s": max(lag)}
        results["commands"].append(row)
        print(f"{clients:8} {rate:9.0f} {peer:10.0f} {row['ratio']:6.2f} {row['p50_ms']:8.2f} "
              f"{row['p99_ms']:8.2f} {row['views_behind_s']:9.2f}", flush=True)


def reads(shina, args, results):
    print("\nreads per second")
    results["reads"] = []
    for what, clients in (("item", 64), ("item", 256), ("list", 16), ("health", 64)):
        runs = [wrk(shina, what, clients, args.seconds) for _ in range(args.rounds)]
        row = {"what": what, "clients": clients, "rate": median_of(runs, "rate"),
               "p50_ms": median_of(runs, "p50_ms"), "p99_ms": median_of(runs, "p99_ms")}
        results["reads"].append(row)
        print(f"{what:>8} {clients:4} clients {row['rate']:9.0f}/s   p50 {row['p50_ms']:.2f} ms   "
              f"p99 {row['p99_ms']:.2f} ms", flush=True)


def lone(shina, args, results):
    command = wrk(shina, "command", 1, args.seconds)["p50_ms"]
    trip = wrk(shina, "health", 1, args.seconds)["p50_ms"]
    commit = pgbench(shina.home, 1, args.seconds)["mean_ms"]
    results["lone"] = {"command_ms": command, "http_ms": trip, "commit_ms": commit,
                       "ratio": command / (trip + commit)}
    print(f"\na lone command {command:.3f} ms; one HTTP round trip {trip:.3f} ms + one commit "
          f"{commit:.3f} ms; ratio {results['lone']['ratio']:.2f}", flush=True)


def idle(shina, args, results):
    percent = shina.idle_percent(args.idle)
    results["idle"] = {"cpu_percent_of_a_core": percent, "memory_mb": shina.memory_mb()}
    print(f"\nidle: {percent:.2f} % of a core; memory {shina.memory_mb():.0f} MB; started in "
          f"{shina.start_s:.1f} s with a fresh database", flush=True)


def over_http(args, results):
    parts = [(name, part) for name, part in (("idle", idle), ("commands", commands),
                                             ("reads", reads), ("lone", lone)) if name in args.only]
    if not parts:
        return
    home = Home(args.program)
    shina = Shina(home)
    results["start_s"] = shina.start_s
    shina.make_vehicles(args.vehicles)
    shina.wait_for_views()
    for _, part in parts:
        part(shina, args, results)
    shina.wait_for_views()
    print("\n" + home.verb("verify"), flush=True)
    shina.stop()
    home.remove()


def parse_args():
    parser = argparse.ArgumentParser(description="shina beside its peers, in one run")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,PART",
                        help="of " + ", ".join(PARTS))
    parser.add_argument("--program", default="build/compose/shina/shina")
    parser.add_argument("--programs", default="build/tests/bench", help="folder of the others")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement over HTTP")
    parser.add_argument("--rounds", type=int, default=2, help="of each; medians count")
    parser.add_argument("--idle", type=int, default=10, help="seconds of doing nothing")
    parser.add_argument("--vehicles", type=int, default=1000, help="of the parts over HTTP")
    parser.add_argument("--records", type=int, default=1000000, help="of the windows")
    parser.add_argument("--streams", type=int, default=50000, help="of the long log")
    parser.add_argument("--events", type=int, default=200000, help="of the long log")
    parser.add_argument("--full", action="store_true",
                        help="a long log of a million streams and a million events")
    parser.add_argument("--json", help="file for the results")
    args = parser.parse_args()
    args.only = [part for part in args.only.split(",") if part]
    wrong = [part for part in args.only if part not in PARTS]
    if wrong or not args.only:
        parser.error(f"--only: no such part {', '.join(wrong)}; there are {', '.join(PARTS)}")
    if args.full:
        args.streams = args.events = 1000000
    if not 1 <= args.streams <= args.events:
        parser.error("--events must be at least --streams, and that at least 1")
    args.program = os.path.abspath(args.program)
    return args


def main():
    args = parse_args()
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f
                      if line.startswith("model name")), platform.processor())
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {model}, load {load:.1f} before we began; load generator, "
          f"PostgreSQL and shina share them; medians of {args.rounds} rounds of {args.seconds} s",
          flush=True)
    results = {"cores": os.cpu_count(), "cpu": model, "load": load}
    if "transports" in args.only:
        transports(args, results)
    if "relay" in args.only:
        relay(args, results)
    if "windows" in args.only:
        windows(args, results)
    if "append" in args.only:
        append(args, results)
    over_http(args, results)
    long_log.measure(args, results)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=2)


main()
