"""A view made anew from the log, beside COPY of as much, the same fold in plain SQL, and Emmett's.

SPDX-License-Identifier: Apache-2.0
"""
import os
import time

from figures import Row
from long_log import VIEW, say
from scratch import Failed
from stores import emmett, require_packages

NAME = "rebuild"
ABOUT = "a view made anew, beside COPY, a fold by INSERT ... SELECT, and Emmett's projection"
TAKES_S = (35, 1200)
EMMETT = ((2000, 20000), (20000, 200000))  # streams and events
# What the view makes of the two types of events that the long log has.
FOLD = """
insert into bench.rows (tenant, id, version, body, status, plate, class, registered_at, odometer_m)
select tenant, stream, last.version,
       json_build_object('id', stream, 'version', last.version, 'status', 'AVAILABLE',
           'plate', data ->> 'plate', 'vin', data ->> 'vin', 'class', data #>> '{specs,class}',
           'specs', data -> 'specs', 'odometer_m', last.odometer_m, 'odometer_at', last.odometer_at,
           'suspect_readings', 0, 'registered_at', (data ->> 'registered_at')::bigint,
           'reservations', '[]'::json, 'documents', '[]'::json, 'windows', '[]'::json)::text,
       'AVAILABLE', data ->> 'plate', data #>> '{specs,class}', (data ->> 'registered_at')::bigint,
       last.odometer_m
from (select tenant, stream, data::json from vehicles.events where type = 'vehicles.registered.v1') first
join (select distinct on (stream) stream, version, (data::json ->> 'odometer_m')::bigint as odometer_m,
             coalesce(data::json ->> 'read_at', data::json ->> 'registered_at')::bigint as odometer_at
      from vehicles.events order by stream, version desc) last using (stream)"""
SAME = """
select count(*) from bench.rows a join views."{table}" b using (tenant, id)
where a.version = b.version and a.body::jsonb = b.body::jsonb and
    (a.status, a.plate, a.class, a.registered_at, a.odometer_m) =
    (b.status, b.plate, b.class, b.registered_at, b.odometer_m)"""


def timed(action, *args):
    began = time.monotonic()
    action(*args)
    return time.monotonic() - began


def copy_events(home):
    """Seconds of COPY of the log's rows into an equal table, indexes and all."""
    path = home.dir + "/events.copy"
    home.sql(f"\\copy (select * from vehicles.events) to '{path}' (format binary)",
             "create table bench.events (like vehicles.events including all)", "checkpoint")
    seconds = timed(home.sql, f"\\copy bench.events from '{path}' (format binary)")
    home.sql("drop table bench.events")
    os.remove(path)
    return seconds


def refill(home, table, statement, rows):
    """Seconds of filling an equal table with the view's rows, its indexes made afterwards."""
    indexes = home.sql("select replace(indexdef, ' ON views.', ' ON bench.') from pg_indexes "
                       f"where schemaname = 'views' and tablename = '{table}'").splitlines()
    home.sql(f"create table bench.rows (like views.\"{table}\" including storage "
             "including compression including defaults)", "checkpoint")
    seconds = timed(home.sql, statement, *[i.replace(table, "rows") for i in indexes])
    if int(home.sql(SAME.format(table=table))) != rows:
        raise Failed(f"other rows than those of the view: {statement[:60]}")
    home.sql("drop table bench.rows")
    return seconds


def copy_rows(home, table, rows):
    path = home.dir + "/rows.copy"
    home.sql(f"\\copy views.\"{table}\" to '{path}'")
    seconds = refill(home, table, f"\\copy bench.rows from '{path}'", rows)
    os.remove(path)
    return seconds


def measure(ctx, long):
    """Seconds of each, a dict a round."""
    home = long.home
    home.sql("create schema if not exists bench")
    found = []
    for number in range(1 if ctx.full else ctx.count(short_rounds=2)):
        say(f"rebuilding the view {VIEW} and its peers, round {number + 1}")
        seconds = {"rebuild": long.rebuild()}
        table = long.table()
        select = f'insert into bench.rows select * from views."{table}"'
        seconds["select"] = refill(home, table, select, long.streams)
        seconds["fold"] = refill(home, table, FOLD, long.streams)
        seconds["rows"] = copy_rows(home, table, long.streams)
        seconds["events"] = copy_events(home)
        found.append(seconds)
    return found


def emmett_rates(ctx, rounds):
    """Events a second of Emmett's rebuild, a round each."""
    require_packages()
    rates = []
    for _ in range(rounds):
        home = ctx.home()
        say("Emmett's projection")
        found = emmett("rebuild", home.url, *EMMETT[ctx.full])
        rates.append(found["events"] / found["seconds"])
        ctx.drop(home)
    return rates


def run(ctx):
    long = ctx.long_log()
    found = measure(ctx, long)

    def rates(count, key):
        return [count / seconds[key] for seconds in found]

    ours = rates(long.events, "rebuild")
    streams, events = EMMETT[ctx.full]
    return [Row("rebuild", "events/s", ours, rates(long.events, "events"), "COPY of the log's rows", target=1,
                note=f"{long.events} events of {long.streams} streams"),
            Row("rebuild", "events/s", ours, rates(long.events, "fold"), "the same fold, INSERT ... SELECT",
                note="whose rows are compared with the view's"),
            Row("rebuild", "events/s", ours, emmett_rates(ctx, len(found)), "Emmett's projection",
                note=f"in plain SQL, of {events} events of {streams} streams"),
            Row("rebuild", "rows/s", rates(long.streams, "rebuild"), rates(long.streams, "rows"),
                "COPY of the view's rows"),
            Row("rebuild", "rows/s", rates(long.streams, "rebuild"), rates(long.streams, "select"),
                "INSERT ... SELECT of the view's rows")]
