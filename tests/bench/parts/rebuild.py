"""A view made anew from the log, beside COPY of as much, and beside a fold in plain SQL.

SPDX-License-Identifier: Apache-2.0
"""
import os
import time

from figures import Row
from long_log import VIEW, say

NAME = "rebuild"
ABOUT = "a view made anew, beside COPY and INSERT ... SELECT"
TAKES_S = (30, 900)


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


def refill(home, table, statement):
    """Seconds of filling an equal table with the view's rows, its indexes made afterwards."""
    indexes = home.sql("select replace(indexdef, ' ON views.', ' ON bench.') from pg_indexes "
                       f"where schemaname = 'views' and tablename = '{table}'").splitlines()
    home.sql(f"create table bench.rows (like views.\"{table}\" including storage "
             "including compression including defaults)", "checkpoint")
    seconds = timed(home.sql, statement, *[i.replace(table, "rows") for i in indexes])
    home.sql("drop table bench.rows")
    return seconds


def copy_rows(home, table):
    path = home.dir + "/rows.copy"
    home.sql(f"\\copy views.\"{table}\" to '{path}'")
    seconds = refill(home, table, f"\\copy bench.rows from '{path}'")
    os.remove(path)
    return seconds


def measure(ctx, long):
    """Seconds of each, a dict a round."""
    home = long.home
    home.sql("create schema if not exists bench")
    found = []
    for number in range(1 if ctx.full else ctx.rounds):
        say(f"rebuilding the view {VIEW} and its peers, round {number + 1}")
        seconds = {"rebuild": long.rebuild()}
        table = long.table()
        seconds["select"] = refill(home, table, f'insert into bench.rows select * from views."{table}"')
        seconds["rows"] = copy_rows(home, table)
        seconds["events"] = copy_events(home)
        found.append(seconds)
    return found


def run(ctx):
    long = ctx.long_log()
    found = measure(ctx, long)

    def rates(count, key):
        return [count / seconds[key] for seconds in found]

    return [Row("rebuild", "events/s", rates(long.events, "rebuild"), rates(long.events, "events"),
                "COPY of the log's rows", target=1,
                note=f"{long.events} events of {long.streams} streams"),
            Row("rebuild", "rows/s", rates(long.streams, "rebuild"), rates(long.streams, "rows"),
                "COPY of the view's rows"),
            Row("rebuild", "rows/s", rates(long.streams, "rebuild"), rates(long.streams, "select"),
                "insert ... select of the view's rows")]
