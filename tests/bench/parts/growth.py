"""The same rates with few events and with many, and with many tenants.

Both logs are served at once, and asked in turns. Streams grow with the events, ten for each. Commands go to
a thousand of them, whose states are in memory as those of the base are, and to all, of which most are not.
SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import column, wrk
from long_log import ODOMETER_M, LongLog

NAME = "growth"
ABOUT = "rates with many events, streams, and 200 tenants, beside those with ten thousand events"
TAKES_S = (55, 1000)
BASE = (1000, 10000)            # streams and events
MIDDLE = (100000, 1000000)      # with --full, between the base and the long log
TENANTS = 200
# request, name, clients, streams
REQUESTS = (("command", "commands to a thousand streams", 64, "some_ids"),
            ("command", "commands to all streams", 64, "ids"),
            ("item", "reads by id", 64, "ids"), ("list", "lists of 50", 16, "ids"))
SECONDS = (1, 5)


def asked(shina, request, clients, ids):
    """Views that still follow the last load would take from the next one."""
    def run_s(seconds):
        found = wrk(shina, request, clients, seconds, ODOMETER_M, ids)
        shina.wait_for_views()
        return found
    return run_s


def compare(ctx, case, base, what):
    """A row a request: of the log `case`, beside the shina on the base."""
    shina, rows = case.settled(), []
    case.home.sql("analyze")
    for request, name, clients, ids in REQUESTS:
        ours, theirs = ctx.measure(asked(shina, request, clients, ids), asked(base, request, clients, ids),
                                   seconds=SECONDS[ctx.full], short_rounds=2)
        rows.append(Row(f"{name}, {what}", "per s", column(ours, "rate"), column(theirs, "rate"),
                        f"{BASE[1]:,} events of {BASE[0]:,} streams", target=1,
                        note=f"{clients} clients"))
    shina.stop()
    return rows


def sized(long):
    return f"{long.events:,} events of {long.streams:,} streams"


def once(ctx, base, streams, events, tenants=1):
    case = LongLog(ctx, streams, events, tenants)
    rows = compare(ctx, case, base, sized(case) if tenants == 1 else f"{tenants} tenants, {events:,} events")
    case.drop()
    return rows


def run(ctx):
    few, long, rows = LongLog(ctx, *BASE), ctx.long_log(), []
    base = few.settled()
    few.home.sql("analyze")
    if ctx.full:
        rows += once(ctx, base, *MIDDLE)
    rows += compare(ctx, long, base, sized(long))
    rows += once(ctx, base, *(MIDDLE if ctx.full else (long.streams, long.events)), TENANTS)
    base.stop()
    few.drop()
    return rows
