"""The servers of `make bench`: shina and its home, PostgreSQL, Kafka, and the tokens for them.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import subprocess
import time

import load
from scratch import Failed, scratch

TENANT = "55555555-5555-4555-8555-555555555555"
USER = "66666666-6666-4666-8666-666666666666"
JWT_KEY = b"0123456789abcdef0123456789abcdef"  # of a run on this machine alone
TOKEN_S = 36000
SPECS = {"class": "VAN", "payload_g": 1500000, "cargo_ml": 9000000, "tank_ml": 80000,
         "fuel": "DIESEL", "norm_summer_ml_100km": 9500, "norm_winter_ml_100km": 10500,
         "wear_kop_km": 350, "fixed_kop_day": 250000}
START_S = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(tenant):
    """An administrator's, as `shina token` makes it; shina and the peer get the same ones."""
    now = int(time.time())
    claims = {"sub": USER, "tenant": tenant, "roles": ["ADMIN"], "grants": [], "iat": now,
              "exp": now + TOKEN_S}
    parts = [base64url(json.dumps(part, separators=(",", ":")).encode())
             for part in ({"alg": "HS256", "typ": "JWT", "kid": "bench"}, claims)]
    signed = ".".join(parts)
    return signed + "." + base64url(hmac.digest(JWT_KEY, signed.encode(), hashlib.sha256))


def write_tokens(folder, tenants=(TENANT,)):
    with open(folder + "/tokens", "w") as f:
        f.writelines(f"{tenant} {make_token(tenant)}\n" for tenant in tenants)


def memory_mb(pid, what="VmRSS"):
    """VmRSS: now; VmHWM: the most so far."""
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
    return 0


class Kafka:
    """A broker of one node (tests/kafka); a mock where there is no Apache Kafka, and it says so."""

    def __init__(self, programs):
        self.program = os.path.join(programs, "..", "kafka", "shina-test-kafka")

    def __enter__(self):
        self.process = scratch.start([self.program], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.servers = self.process.stdout.readline().strip()
        if not self.servers:
            raise Failed("the broker does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        scratch.end(self.process)


class Home:
    """A folder of shina's. The embedded servers are in it, or in another one that runs them; there
    it has a database of its own."""

    def __init__(self, program, servers=None, database="postgres"):
        self.program, self.database = program, database
        self.dir = scratch.folder()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SHINA_")}
        self.env.update(SHINA_HOME=self.dir,
                        SHINA_JWT_KEYS="bench:" + base64.b64encode(JWT_KEY).decode())
        self.run = (servers or self).dir + "/run"
        self.url = f"postgres://shina@/{database}?host={self.run}&sslmode=disable"
        if servers:
            self.env.update(SHINA_DATABASE_URL=self.url, SHINA_REDIS_URL=f"unix:{self.run}/redis.sock")
        write_tokens(self.dir)

    def verb(self, *args, **options):
        return scratch.run([self.program, *args], env=self.env, **options)[0].strip()

    def sql(self, *statements):
        args = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url]
        for statement in statements:
            args += ["-c", statement]
        return scratch.run(args)[0].strip()

    def sql_files(self, *paths, options=""):
        args = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url]
        for path in paths:
            args += ["-f", path]
        return scratch.run(args, env=dict(self.env, PGOPTIONS=options))[0].strip()

    def remove(self):
        scratch.remove(self.dir)


def start_servers(home):
    """The PostgreSQL and Redis of a home."""
    process = scratch.start([home.program, "servers"], env=home.env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in process.stdout:
        if line.endswith(" run\n"):
            return process
    raise Failed("the servers do not start")


def get(port, path):
    """Status and body; (0, b"") while nobody answers."""
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def wait_ready(process, port, path, last_lines, limit_s=START_S):
    """Until path answers 200."""
    began = time.monotonic()
    while get(port, path)[0] != 200:
        if process.poll() is not None or time.monotonic() - began > limit_s:
            raise Failed("it does not start:\n" + last_lines())
        time.sleep(0.005)


def tail_of(path):
    with open(path) as log:
        return "".join(log.readlines()[-8:])


class Api:
    """What answers over HTTP; whoever is derived starts it."""

    def __init__(self, home):
        self.home, self.dir, self.port = home, home.dir, free_port()
        self.token = make_token(TENANT)

    def start(self, *verb):
        """A process of shina's; its log is in the home."""
        env = dict(self.home.env, SHINA_HTTP=f"127.0.0.1:{self.port}")
        with open(self.dir + "/bench.log", "a") as log:
            return scratch.start([self.home.program, *verb], env=env, stdout=subprocess.DEVNULL, stderr=log)

    def wait_ready(self, process, limit_s=START_S):
        wait_ready(process, self.port, "/readyz", lambda: tail_of(self.dir + "/bench.log"), limit_s)

    def make_all(self, path, bodies):
        """Posts each; their ids are what the load is spread over."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        ids = [load.post(c, self, path, body)["id"] for body in bodies]
        with open(self.dir + "/ids", "w") as f:
            f.write("\n".join(ids) + "\n")

    def make_vehicles(self, count):
        self.make_all("/api/v1/vehicles",
                      ({"plate": f"C{i % 1000:03}BC{77 + i // 1000}", "vin": f"XTA2109{i:010}",
                        "specs": SPECS, "odometer_m": 1000} for i in range(count)))


class Shina(Api):
    """`shina run`. It is ready when its views are, which takes long once a long log was loaded."""

    def __init__(self, home, limit_s=START_S):
        super().__init__(home)
        began = time.monotonic()
        self.process = self.start("run")
        self.wait_ready(self.process, limit_s)
        self.start_s = time.monotonic() - began

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, what="VmRSS"):
        return memory_mb(self.process.pid, what)

    def idle_percent(self, seconds):
        """Of one core, while nobody asks anything."""
        time.sleep(2)
        before, began = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_s() - before) / (time.monotonic() - began) * 100

    def parts(self):
        return json.loads(get(self.port, "/readyz")[1] or b"{}").get("parts", [])

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
        raise Failed(f"the views do not catch up: {self.parts()}")

    def stop(self):
        scratch.end(self.process)


class Apart(Api):
    """The same in processes of their own over nng: services, projections, and an edge, of all domains."""

    VERBS = ("service", "projection", "edge")

    def __init__(self, home):
        super().__init__(home)
        domains = sorted(os.path.splitext(name)[0] for name in os.listdir("schemas")
                         if os.path.isdir("services/" + os.path.splitext(name)[0]))
        self.processes = {verb: self.start(verb, *(domains if verb != "edge" else ()))
                          for verb in self.VERBS}
        self.wait_ready(self.processes["edge"])

    def memory_mb(self, what="VmRSS"):
        """Of each."""
        return {verb: memory_mb(process.pid, what) for verb, process in self.processes.items()}

    def stop(self):
        for verb in reversed(self.VERBS):
            scratch.end(self.processes[verb])
