"""Time from the start of the process until /readyz: on nothing at all, on an empty log, on a long one.

SPDX-License-Identifier: Apache-2.0
"""
import statistics
import time

from figures import Row
from long_log import BUILT_S, VIEW, say
from scratch import Failed
from support import Home, Shina

NAME = "start"
ABOUT = "start until /readyz, with an empty and a long log, and without the view's table"
TAKES_S = (20, 600)


def start_s(ctx, home):
    """A cold process, a warm database."""
    shina = ctx.long_shina(home)
    shina.wait_for_views(BUILT_S, say)
    shina.stop()
    return shina.start_s


def first_start_s(ctx):
    """In an empty folder, with a PostgreSQL to be made."""
    home = Home(ctx.program)
    shina = Shina(home)
    shina.stop()
    home.remove()
    return shina.start_s


def build_at_start(ctx, long):
    """The view's table is not there, as after a change of its contract."""
    long.home.sql(f'drop table views."{long.table()}"',
                  f"delete from views.registry where view = '{VIEW}'")
    say("starting without the view's table")
    began = time.monotonic()
    shina = ctx.long_shina(long.home)
    while not long.table():
        if time.monotonic() - began > BUILT_S:
            raise Failed("the view is not built")
        time.sleep(0.1)
    built_s = time.monotonic() - began
    shina.wait_for_views(BUILT_S, say)
    most_mb = shina.memory_mb("VmHWM")
    shina.stop()
    return [Row("start without the view's table, until it is built", "events/s",
                [long.events / built_s],
                note=f"beside all else; /readyz after {shina.start_s:.1f} s, built after {built_s:.1f} s"),
            Row("memory while it is built, at most", "MB", [most_mb], better="less")]


def run(ctx):
    empty = ctx.home()
    start_s(ctx, empty)
    long = ctx.long_log()
    start_s(ctx, long.home)
    full_s, empty_s = ctx.rounds_of(lambda: start_s(ctx, long.home), lambda: start_s(ctx, empty))
    rows = [Row("first start, PostgreSQL made", "s", [first_start_s(ctx)], better="less"),
            Row("start, empty log", "s", empty_s, better="less",
                note=f"median {statistics.median(empty_s):.2f} s"),
            Row(f"start, {long.events} events", "s", full_s, empty_s, "an empty log", better="less")]
    ctx.drop(empty)
    return rows + build_at_start(ctx, long)
