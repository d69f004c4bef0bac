#!/usr/bin/env python3
"""make bench: what shina does on this machine, beside its peers measured in the same run.

One scratch `shina run` with fsync on; pgbench inserts single rows into the same PostgreSQL, wrk
asks over HTTP with a bearer token. Machines differ, so only the ratios of one run count.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import glob
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TENANT = "55555555-5555-4555-8555-555555555555"
SPECS = {"class": "VAN", "payload_g": 1500000, "cargo_ml": 9000000, "tank_ml": 80000,
         "fuel": "DIESEL", "norm_summer_ml_100km": 9500, "norm_winter_ml_100km": 10500,
         "wear_kop_km": 350, "fixed_kop_day": 250000}
LUA = """
local ids = {}
for line in io.lines("%(ids)s") do ids[#ids + 1] = line end
local head = { ["Authorization"] = "Bearer %(token)s", ["Content-Type"] = "application/json" }
local body = '{"odometer_m":1000,"source":"GPS"}'
local wrong = 0
request = function()
  local id = ids[math.random(#ids)]
  %(request)s
end
response = function(status) if status ~= 200 then wrong = wrong + 1 end end
"""
REQUESTS = {
    "command": 'return wrk.format("POST", "/api/v1/vehicles/" .. id .. "/odometer", head, body)',
    "item": 'return wrk.format("GET", "/api/v1/vehicles/" .. id, head)',
    "list": 'return wrk.format("GET", "/api/v1/vehicles?limit=50&status=AVAILABLE", head)',
    "health": 'return wrk.format("GET", "/healthz")',
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Shina:
    def __init__(self, program):
        self.program = program
        self.home = tempfile.mkdtemp(prefix="shina-bench-")
        os.chmod(self.home, 0o755)
        self.port = free_port()
        self.env = dict(os.environ, SHINA_HOME=self.home, SHINA_HTTP=f"127.0.0.1:{self.port}")
        for key in ("SHINA_DATABASE_URL", "SHINA_REDIS_URL"):
            self.env.pop(key, None)
        began = time.monotonic()
        self.process = subprocess.Popen([program, "run"], env=self.env, stdout=subprocess.DEVNULL,
                                        stderr=open(self.home + "/bench.log", "w"))
        while self.get("/readyz")[0] != 200:
            if self.process.poll() is not None or time.monotonic() - began > 120:
                sys.exit("bench: shina does not start; see " + self.home + "/bench.log")
            time.sleep(0.05)
        self.start_s = time.monotonic() - began
        self.token = self.verb("token", "--tenant", TENANT, "--role", "ADMIN", "--ttl", "36000")

    def verb(self, *args):
        return subprocess.run([self.program, *args], env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()

    def get(self, path):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read()
        except OSError:
            return 0, b""

    def make_vehicles(self, count):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        ids = []
        for i in range(count):
            body = {"plate": "C%03dBC%d" % (i % 1000, 77 + i // 1000), "vin": "XTA2109%010d" % i,
                    "specs": SPECS, "odometer_m": 1000}
            c.request("POST", "/api/v1/vehicles", json.dumps(body),
                      {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
            r = c.getresponse()
            answer = json.loads(r.read())
            if r.status != 201:
                sys.exit(f"bench: a vehicle was refused: {answer}")
            ids.append(answer["id"])
        with open(self.home + "/ids", "w") as f:
            f.write("\n".join(ids) + "\n")

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        shutil.rmtree(self.home, ignore_errors=True)


def to_ms(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(shina, what, clients, seconds):
    script = f"{shina.home}/{what}.lua"
    with open(script, "w") as f:
        f.write(LUA % {"ids": shina.home + "/ids", "token": shina.token, "request": REQUESTS[what]})
    out = subprocess.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", script,
                          f"http://127.0.0.1:{shina.port}"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"bench: {what} with {clients} clients had errors:\n{out}")
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            "p50_ms": to_ms(re.search(r"50%\s+(\S+)", out).group(1)),
            "p99_ms": to_ms(re.search(r"99%\s+(\S+)", out).group(1))}


def pgbench(shina, clients, seconds):
    program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
    url = f"postgres://shina@/postgres?host={shina.home}/run&sslmode=disable"
    script = shina.home + "/insert.sql"
    with open(script, "w") as f:
        f.write("insert into bench_rows(stream, data) values (gen_random_uuid(), "
                "'{\"odometer_m\":1000,\"source\":\"GPS\"}');\n")
    subprocess.run(["psql", "-q", url, "-c", "set client_min_messages = error", "-c", "create table if not exists bench_rows("
                    "id bigserial primary key, stream uuid, data json)"], check=True)
    out = subprocess.run([program, url, "-n", "-M", "prepared", "-f", script, "-c", str(clients),
                          "-j", str(min(clients, 2)), "-T", str(seconds)], check=True, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    return {"rate": float(re.search(r"tps = ([\d.]+)", out).group(1)),
            "mean_ms": float(re.search(r"latency average = ([\d.]+)", out).group(1))}


def wait_for_views(shina):
    """Seconds until the views have everything; the commands have stopped."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        parts = json.loads(shina.get("/readyz")[1] or b"{}").get("parts", [])
        if parts and all(p.get("behind", 0) == 0 for p in parts):
            return time.monotonic() - began
        time.sleep(0.05)
    sys.exit("bench: the views do not catch up")


def median_of(runs, key):
    return statistics.median(r[key] for r in runs)


def commands(shina, args, results):
    print("\ndurable commands over HTTP (authenticated, views following) and pgbench's inserts")
    print(f"{'clients':>8} {'shina/s':>9} {'pgbench/s':>10} {'ratio':>6} {'p50 ms':>8} "
          f"{'p99 ms':>8} {'views +s':>9}")
    for clients in (1, 8, 64, 256):
        ours, theirs, lag = [], [], []
        for _ in range(args.rounds):
            ours.append(wrk(shina, "command", clients, args.seconds))
            lag.append(wait_for_views(shina))
            theirs.append(pgbench(shina, clients, args.seconds))
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
    commit = pgbench(shina, 1, args.seconds)["mean_ms"]
    results["lone"] = {"command_ms": command, "http_ms": trip, "commit_ms": commit,
                       "ratio": command / (trip + commit)}
    print(f"\na lone command {command:.3f} ms; one HTTP round trip {trip:.3f} ms + one commit "
          f"{commit:.3f} ms; ratio {results['lone']['ratio']:.2f}", flush=True)


def idle(shina, args, results):
    time.sleep(2)
    before, began = shina.cpu_s(), time.monotonic()
    time.sleep(args.idle)
    percent = (shina.cpu_s() - before) / (time.monotonic() - began) * 100
    results["idle"] = {"cpu_percent_of_a_core": percent, "memory_mb": shina.memory_mb()}
    print(f"\nidle: {percent:.2f} % of a core; memory {shina.memory_mb():.0f} MB; started in "
          f"{shina.start_s:.1f} s with a fresh database", flush=True)


def transports(args, results):
    """What carries commands from the edge to the services, without either."""
    rows = []
    for _ in range(args.rounds):
        out = subprocess.run([args.transport_bench, "1"], check=True, text=True, timeout=120,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
        rows += [json.loads(line) for line in out.splitlines()]
    print(f"\ncommands there and answers back, per second\n{'transport':>12} {'1 in flight':>12} "
          f"{'mean us':>8} {'64 in flight':>13}")
    for name in dict.fromkeys(row["transport"] for row in rows):
        one, many = ([row for row in rows if row["transport"] == name and row["in_flight"] == n]
                     for n in (1, 64))
        row = {"transport": name, "one": median_of(one, "per_s"), "mean_us": median_of(one, "mean_us"),
               "many": median_of(many, "per_s")}
        results["transports"].append(row)
        print(f"{name:>12} {row['one']:12.0f} {row['mean_us']:8.1f} {row['many']:13.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="shina beside its peers, in one run")
    parser.add_argument("--program", default="build/compose/shina/shina")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement; medians count")
    parser.add_argument("--idle", type=int, default=10, help="seconds of doing nothing")
    parser.add_argument("--vehicles", type=int, default=1000)
    parser.add_argument("--transport-bench", default="build/tests/bench/transport_bench")
    parser.add_argument("--json", help="file for the results")
    args = parser.parse_args()
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.processor())
    print(f"{os.cpu_count()} cores, {model}; load generator, PostgreSQL and shina share them; "
          f"medians of {args.rounds} rounds of {args.seconds} s", flush=True)
    results = {"cores": os.cpu_count(), "cpu": model, "transports": [], "commands": [], "reads": []}
    transports(args, results)
    shina = Shina(os.path.abspath(args.program))
    results["start_s"] = shina.start_s
    try:
        shina.make_vehicles(args.vehicles)
        wait_for_views(shina)
        idle(shina, args, results)
        commands(shina, args, results)
        reads(shina, args, results)
        lone(shina, args, results)
        wait_for_views(shina)
        print("\n" + shina.verb("verify"))
    finally:
        shina.stop()
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=2)


main()
