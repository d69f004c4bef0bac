"""Durable commands over HTTP, authenticated, all views following, and pgbench's inserts.

SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import column, inserts, make_rows_table, wrk

NAME = "commands"
ABOUT = "durable commands over HTTP at 1, 8, 64, 256 clients, beside pgbench's single-row inserts"
TAKES_S = (35, 220)
CLIENTS = (1, 8, 64, 256)
TARGET_FROM = 64  # clients; what the target is about
VEHICLES = 1000


def commands(ctx, shina, clients, lags):
    def run_s(seconds):
        found = wrk(shina, "command", clients, seconds)
        lags.append(shina.wait_for_views())
        return found
    return run_s


def run(ctx):
    shina = ctx.shina()
    shina.make_vehicles(VEHICLES)
    make_rows_table(shina.home)
    rows = []
    for clients in CLIENTS:
        lags = []
        ours, theirs = ctx.measure(commands(ctx, shina, clients, lags),
                                   lambda seconds, n=clients: inserts(shina.home, n, seconds))
        rows.append(Row(f"commands, {clients} clients", "per s", column(ours, "rate"),
                        column(theirs, "rate"), "pgbench's inserts",
                        target=1 if clients >= TARGET_FROM else None,
                        note=f"views complete {max(lags):.2f} s after the last answer at most"))
        rows.append(Row(f"p99 of a command, {clients} clients", "ms", column(ours, "p99_ms"),
                        better="less"))
    ctx.log(shina.home.verb("verify"))
    shina.stop()
    ctx.drop(shina.home)
    return rows
