"""Load for shina and for its peers, from the same generators: wrk over HTTP, pgbench over SQL.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import json
import random
import re
import subprocess

from scratch import Failed, scratch

LUA = """
math.randomseed(%(seed)d)
local ids, tenants, heads, default = {}, {}, {}, nil
for line in io.lines("%(tokens)s") do
  local tenant, token = line:match("(%%S+) (%%S+)")
  heads[tenant] = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
  default = default or heads[tenant]
end
for line in io.lines("%(ids)s") do
  local id, tenant = line:match("(%%S+) ?(%%S*)")
  ids[#ids + 1] = id
  tenants[#ids] = heads[tenant] or default
end
request = function()
  local n = math.random(#ids)
  local id, head = ids[n], tenants[n]
  return %(request)s
end
"""
ODOMETER = '{"odometer_m":%d,"source":"GPS"}'
REQUESTS = {
    "command": 'wrk.format("POST", "/api/v1/vehicles/" .. id .. "/odometer", head, \'%(body)s\')',
    "item": 'wrk.format("GET", "/api/v1/vehicles/" .. id, head)',
    "list": 'wrk.format("GET", "/api/v1/vehicles?limit=50&status=AVAILABLE", head)',
    "health": 'wrk.format("GET", "/healthz")',
    "trip": 'wrk.format("POST", "/api/v1/trips", head, \'{"name":"Koledino, morning"}\')',
    "trip item": 'wrk.format("GET", "/api/v1/trips/" .. id, head)',
    "trip list": 'wrk.format("GET", "/api/v1/trips?limit=50&status=DRAFT", head)',
}
INSERT = ("insert into bench_rows(stream, data) values (gen_random_uuid(), "
          "'{\"odometer_m\":1000,\"source\":\"GPS\"}');\n")


def to_ms(text):
    """Of wrk's figures: "1.23ms"."""
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text)
    if not found:
        raise Failed(f"wrk tells a time as {text!r}")
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000, "h": 3600000}[found[2]]


def write_script(api, what, odometer_m, ids):
    """api: has a folder `dir` with the file tokens, and with ids, which names one."""
    script = f"{api.dir}/{what.replace(' ', '_')}.lua"
    request = REQUESTS[what].replace("%(body)s", ODOMETER % odometer_m)
    with open(script, "w") as f:
        f.write(LUA % {"seed": random.getrandbits(31), "ids": f"{api.dir}/{ids}",
                       "tokens": api.dir + "/tokens", "request": request})
    return script


def wrk(api, what, clients, seconds, odometer_m=1000, ids="ids"):
    """Requests a second and latencies; any answer but 2xx is a failure. Who is too slow to answer
    anything has more time."""
    script = write_script(api, what, odometer_m, ids)
    for longer_s in (0, 2, 8):
        out, _ = scratch.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds + longer_s}s", "--timeout", "30s",
                              "--latency", "-s", script, f"http://127.0.0.1:{api.port}"])
        if "Non-2xx" in out or "Socket errors" in out:
            raise Failed(f"{what} with {clients} clients had errors:\n{out}")
        if not re.search(r"(?m)^  0 requests in ", out):
            break
    else:
        raise Failed(f"{what} with {clients} clients: no answer at all")
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            "p50_ms": to_ms(re.search(r"(?m)^\s+50%\s+(\S+)", out).group(1)),
            "p99_ms": to_ms(re.search(r"(?m)^\s+99%\s+(\S+)", out).group(1))}


def pgbench(home, script, clients, seconds):
    """script: text of one transaction. Transactions a second and the mean latency. Connecting is
    within pgbench's time, though not within its rate, so who gets no further has more time."""
    program = max(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))
    path = home.dir + "/pgbench.sql"
    with open(path, "w") as f:
        f.write(script)
    for longer_s in (0, 2, 8):
        out, _ = scratch.run([program, home.url, "-n", "-M", "prepared", "-f", path, "-c", str(clients),
                              "-j", str(min(clients, 2)), "-T", str(seconds + longer_s)],
                             stderr=subprocess.PIPE)
        if "tps = " in out:
            return {"rate": float(re.search(r"tps = ([\d.]+)", out).group(1)),
                    "mean_ms": float(re.search(r"latency average = ([\d.]+)", out).group(1))}
    raise Failed(f"pgbench does nothing with {clients} clients:\n{out}")


def make_rows_table(home):
    home.sql("create table bench_rows(id bigserial primary key, stream uuid, data json)")


def inserts(home, clients, seconds):
    """Durable single-row inserts, each a transaction; make_rows_table() comes first."""
    return pgbench(home, INSERT, clients, seconds)


def column(rounds, key):
    return [row[key] for row in rounds]


def post(connection, api, path, body):
    """The answer's members; for what is made before measuring."""
    connection.request("POST", path, json.dumps(body),
                       {"Authorization": "Bearer " + api.token, "Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 201:
        raise Failed(f"{path} was refused: {answer.status} {text!r}")
    return json.loads(text)
