"""A long log of vehicles: load_events appends it through the store, as a writer would have.

`shina verify` tells whether it is a log that shina could have written.
SPDX-License-Identifier: Apache-2.0
"""
import json
import sys
import time

from scratch import Failed, scratch
from support import TENANT, write_tokens

VIEW = "vehicles"
VERIFIED_MAX = 300000  # events; a longer log would take minutes to be verified
BUILT_S = 3600
SOME = 1000
ODOMETER_M = 1000000000  # beyond what any vehicle of the log has


def say(text):
    print(text, file=sys.stderr, flush=True)


def tenants_of(count):
    """As load_events numbers them."""
    return [TENANT] + [f"{TENANT[:-4]}{n:04x}" for n in range(1, count)]


class LongLog:
    """Loaded when it is made; its views are empty until settled() or rebuild()."""

    def __init__(self, ctx, streams, events, tenants=1):
        self.ctx, self.streams, self.events = ctx, streams, events
        self.home = ctx.home()
        ctx.shina(self.home).stop()  # makes the schemas
        say(f"loading {events} events of {streams} streams")
        out, _ = scratch.run([ctx.programs + "/load_events", self.home.url, TENANT, str(streams),
                              str(events), self.home.dir + "/ids", str(tenants)])
        self.load_s = json.loads(out)["seconds"]
        write_tokens(self.home.dir, tenants_of(tenants))
        self.write_some_ids()
        self.home.sql("vacuum (analyze) vehicles.events", "checkpoint")

    def write_some_ids(self):
        """ids has all streams; some_ids a thousand of them, spread evenly: those that work goes on in."""
        with open(self.home.dir + "/ids") as f:
            ids = f.readlines()
        with open(self.home.dir + "/some_ids", "w") as f:
            f.writelines(ids[::max(1, len(ids) // SOME)][:SOME])

    def table(self):
        return self.home.sql(f"select table_name from views.registry where view = '{VIEW}' and live")

    def rebuild(self):
        """Seconds of `shina rebuild`; the view must come out complete."""
        began = time.monotonic()
        self.home.verb("rebuild", VIEW)
        seconds = time.monotonic() - began
        rows = int(self.home.sql(f'select count(*) from views."{self.table()}"'))
        if rows != self.streams:
            raise Failed(f"the view has {rows} rows instead of {self.streams}")
        return seconds

    def settled(self):
        """A shina on it whose views have everything."""
        shina = self.ctx.long_shina(self.home)
        shina.wait_for_views(BUILT_S, say)
        return shina

    def verify(self):
        if self.events <= VERIFIED_MAX:
            say(self.home.verb("verify"))

    def drop(self):
        self.ctx.drop(self.home)
