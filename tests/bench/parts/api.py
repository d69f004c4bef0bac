"""The same small API on the stack that carriers run today: a trip is posted, read, listed with a filter.

Both check the token, the tenant and the body; both are asked by the same wrk with the same connections,
over one PostgreSQL. shina has its views following, and its log to keep.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import os
import subprocess

from figures import Row
from load import column, post, wrk
from scratch import Failed, scratch
from support import JWT_KEY, TENANT, free_port, make_token, memory_mb, tail_of, wait_ready, write_tokens

NAME = "api"
ABOUT = "POST, GET and list of trips, beside FastAPI, SQLAlchemy, asyncpg and uvicorn"
TAKES_S = (45, 180)
CLIENTS = 64
TRIPS = 1000
SECONDS_MIN = 2  # what the slower side has begun and not ended is not counted for it: it must be little
WORKERS = 2
PYTHON = os.path.abspath(".tools/venv/bin/python")
APP = "tests/bench/peers/fastapi"
# what, request, target of the ratio; reads first, while both have the same trips
MEASURED = (("GET of a trip", "trip item", 50), ("list of 50 drafts", "trip list", 50),
            ("POST of a trip", "trip", 40))


class FastApi:
    """The peer in a database of its own, its uvicorn workers started."""

    def __init__(self, ctx):
        self.home, self.port, self.token = ctx.home(), free_port(), make_token(TENANT)
        self.dir = self.home.dir
        env = dict(os.environ, BENCH_JWT_KEY=JWT_KEY.decode(), PYTHONDONTWRITEBYTECODE="1",
                   BENCH_DATABASE_URL=f"postgresql+asyncpg://shina@/{self.home.database}?host={self.home.run}")
        scratch.run([PYTHON, "app.py", "create"], env=env, cwd=APP)
        log_path = self.dir + "/uvicorn.log"
        with open(log_path, "w") as log:
            self.process = scratch.start(
                [PYTHON, "-m", "uvicorn", "app:app", "--workers", str(WORKERS), "--loop", "uvloop",
                 "--http", "httptools", "--no-access-log", "--log-level", "warning", "--port",
                 str(self.port)], env=env, cwd=APP, stdout=log, stderr=log)
        wait_ready(self.process, self.port, "/healthz", lambda: tail_of(log_path))

    def memory_mb(self):
        """Of all its processes."""
        out, _ = scratch.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)])
        return sum(memory_mb(int(pid)) for pid in [self.process.pid, *out.split()])

    def stop(self):
        scratch.end(self.process)


def make_trips(api):
    """As many as shina has, through the API; their ids are for wrk."""
    c = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    ids = [post(c, api, "/api/v1/trips", {"name": f"Koledino, {n}"})["id"] for n in range(TRIPS)]
    with open(api.dir + "/ids", "w") as f:
        f.write("\n".join(ids) + "\n")


def loaded(api, request):
    return lambda seconds: wrk(api, request, CLIENTS, seconds)


def settled(shina, request):
    """Views that still follow the last load would take from the next one."""
    def run_s(seconds):
        found = wrk(shina, request, CLIENTS, seconds)
        shina.wait_for_views()
        return found
    return run_s


def measure(ctx, shina, peer):
    rows = []
    for what, request, target in MEASURED:
        ours, theirs = ctx.measure(settled(shina, request), loaded(peer, request),
                                   seconds=max(SECONDS_MIN, ctx.seconds), short_rounds=2)
        rows.append(Row(what, "per s", column(ours, "rate"), column(theirs, "rate"), "FastAPI", target,
                        note=f"{CLIENTS} connections, {WORKERS} uvicorn workers"))
        rows.append(Row(f"{what}, p99", "ms", column(ours, "p99_ms"), column(theirs, "p99_ms"), "FastAPI",
                        better="less"))
    rows.append(Row("memory of all processes but PostgreSQL", "MB", [shina.memory_mb()],
                    [peer.memory_mb()], "FastAPI", better="less"))
    return rows


def run(ctx):
    if subprocess.run([PYTHON, "-c", "import fastapi"], check=False, capture_output=True).returncode:
        raise Failed("there is no FastAPI here (.tools/venv)")
    shina, peer = ctx.shina(), FastApi(ctx)
    for api in (shina, peer):
        write_tokens(api.dir)
        make_trips(api)
    shina.wait_for_views()
    for api in (shina, peer):
        api.home.sql("analyze")  # as autovacuum does within a minute
    rows = measure(ctx, shina, peer)
    shina.stop()
    peer.stop()
    for api in (shina, peer):
        ctx.drop(api.home)
    return rows
