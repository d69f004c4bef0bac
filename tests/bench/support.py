"""What the parts of `make bench` share: scratch processes, load, and figures.

Whatever is started or made here is stopped and removed when the program ends, however it ends.
SPDX-License-Identifier: Apache-2.0
"""
import atexit
import glob
import http.client
import json
import os
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
local body = '{"odometer_m":%(odometer_m)d,"source":"GPS"}'
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
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_S = 60  # a process that was told to end is killed after so long


class Scratch:
    """Processes and folders of this run, the last ones first out."""

    def __init__(self):
        self.processes, self.folders = [], []

    def folder(self):
        path = tempfile.mkdtemp(prefix="shina-bench-")
        os.chmod(path, 0o755)
        self.folders.append(path)
        return path

    def start(self, args, **options):
        """A group of its own: a Ctrl-C at the terminal reaches us alone, and we end it in order."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(args, start_new_session=True, **options)
        self.processes.append(process)
        return process

    def run(self, args, **options):
        """As subprocess.run(check=True) with its output, but ended with us. Returns (out, err)."""
        process = self.start(args, text=True, stdout=subprocess.PIPE, **options)
        out, err = process.communicate()
        self.processes.remove(process)
        if process.returncode != 0:
            sys.exit(f"bench: {' '.join(args[:2])} failed ({process.returncode}):\n{out}{err or ''}")
        return out, err

    def end(self, process):
        if process not in self.processes:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.remove(process)

    def remove(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        self.folders.remove(folder)

    def end_all(self):
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # whoever is impatient waits until it is clean
        for process in reversed(list(self.processes)):
            self.end(process)
        for folder in list(self.folders):
            self.remove(folder)


scratch = Scratch()
atexit.register(scratch.end_all)
for number in ENDING:
    signal.signal(number, lambda n, _: sys.exit(128 + n))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Kafka:
    """A broker of one node (tests/kafka); a mock where there is no Apache Kafka, and it says so."""

    def __init__(self, programs):
        self.program = os.path.join(programs, "..", "kafka", "shina-test-kafka")

    def __enter__(self):
        self.process = scratch.start([self.program], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.servers = self.process.stdout.readline().strip()
        if not self.servers:
            sys.exit("bench: the broker does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        scratch.end(self.process)


class Home:
    """A folder of shina's. The embedded servers are in it, or in another one that runs them."""

    def __init__(self, program, servers=None):
        self.program = program
        self.dir = scratch.folder()
        self.env = dict(os.environ, SHINA_HOME=self.dir)
        for key in [k for k in self.env if k.startswith("SHINA_") and k != "SHINA_HOME"]:
            self.env.pop(key)
        run = (servers or self).dir + "/run"
        self.url = f"postgres://shina@/postgres?host={run}&sslmode=disable"
        if servers:
            self.env.update(SHINA_DATABASE_URL=self.url, SHINA_REDIS_URL=f"unix:{run}/redis.sock")

    def verb(self, *args, **options):
        return scratch.run([self.program, *args], env=self.env, **options)[0].strip()

    def sql(self, *statements):
        args = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url]
        for statement in statements:
            args += ["-c", statement]
        return scratch.run(args)[0].strip()

    def remove(self):
        scratch.remove(self.dir)


class Shina:
    """`shina run`."""

    def __init__(self, home):
        self.home, self.port = home, free_port()
        env = dict(home.env, SHINA_HTTP=f"127.0.0.1:{self.port}")
        began = time.monotonic()
        with open(home.dir + "/bench.log", "a") as log:
            self.process = scratch.start([home.program, "run"], env=env, stdout=subprocess.DEVNULL,
                                         stderr=log)
        while self.get("/readyz")[0] != 200:
            if self.process.poll() is not None or time.monotonic() - began > 120:
                sys.exit("bench: shina does not start:\n" + self.last_lines())
            time.sleep(0.005)
        self.start_s = time.monotonic() - began
        self.token = home.verb("token", "--tenant", TENANT, "--role", "ADMIN", "--ttl", "36000")

    def last_lines(self):
        with open(self.home.dir + "/bench.log") as log:
            return "".join(log.readlines()[-5:])

    def get(self, path):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read()
        except (OSError, http.client.HTTPException):
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
        with open(self.home.dir + "/ids", "w") as f:
            f.write("\n".join(ids) + "\n")

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, what="VmRSS"):
        """VmRSS: now; VmHWM: the most so far."""
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith(what + ":"):
                    return int(line.split()[1]) / 1024
        return 0

    def idle_percent(self, seconds):
        """Of one core, while nobody asks anything."""
        time.sleep(2)
        before, began = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_s() - before) / (time.monotonic() - began) * 100

    def parts(self):
        return json.loads(self.get("/readyz")[1] or b"{}").get("parts", [])

    def wait_for_views(self, limit_s=120, say=None):
        """Seconds until the views have everything; the commands have stopped."""
        began = told = time.monotonic()
        while time.monotonic() - began < limit_s:
            parts = self.parts()
            behind = sum(p.get("behind", 0) for p in parts)
            if parts and behind == 0 and not any("build" in p.get("detail", "") for p in parts):
                return time.monotonic() - began
            if say and time.monotonic() - told > 5:
                told = time.monotonic()
                say(f"  {behind} events behind")
            time.sleep(0.05)
        sys.exit(f"bench: the views do not catch up: {self.parts()}")

    def stop(self):
        scratch.end(self.process)


def to_ms(text):
    """Of wrk's figures: "1.23ms"."""
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text)
    if not found:
        sys.exit(f"bench: wrk tells a time as {text!r}")
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000, "h": 3600000}[found[2]]


def wrk(shina, what, clients, seconds, odometer_m=1000):
    script = f"{shina.home.dir}/{what}.lua"
    with open(script, "w") as f:
        f.write(LUA % {"ids": shina.home.dir + "/ids", "token": shina.token,
                       "odometer_m": odometer_m, "request": REQUESTS[what]})
    out, _ = scratch.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", script,
                          f"http://127.0.0.1:{shina.port}"])
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"bench: {what} with {clients} clients had errors:\n{out}")
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            "p50_ms": to_ms(re.search(r"50%\s+(\S+)", out).group(1)),
            "p99_ms": to_ms(re.search(r"99%\s+(\S+)", out).group(1))}


def pgbench(home, clients, seconds):
    program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
    script = home.dir + "/insert.sql"
    with open(script, "w") as f:
        f.write("insert into bench_rows(stream, data) values (gen_random_uuid(), "
                "'{\"odometer_m\":1000,\"source\":\"GPS\"}');\n")
    home.sql("set client_min_messages = error",
             "create table if not exists bench_rows(id bigserial primary key, stream uuid, data json)")
    out, _ = scratch.run([program, home.url, "-n", "-M", "prepared", "-f", script, "-c", str(clients),
                          "-j", str(min(clients, 2)), "-T", str(seconds)], stderr=subprocess.PIPE)
    return {"rate": float(re.search(r"tps = ([\d.]+)", out).group(1)),
            "mean_ms": float(re.search(r"latency average = ([\d.]+)", out).group(1))}


def median_of(runs, key):
    return statistics.median(r[key] for r in runs)
