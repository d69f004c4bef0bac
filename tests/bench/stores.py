"""Event stores on PostgreSQL beside ours: Emmett by its own client, message-db by pgbench.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os

from load import pgbench
from scratch import Failed, scratch

MODULES = os.path.abspath(".tools/peers/node_modules")
MESSAGE_DB = MODULES + "/@eventide/message-db/database"
PROGRAM = "tests/bench/peers/emmett.cjs"
CONNECTIONS = 16  # of message-db, as of Emmett: it writes one at a time in a category in any case
# The data and the metadata of append_bench's events.
WRITE = """select message_store.write_message(gen_random_uuid()::text, %s, 'OdometerRecorded',
 '{"odometer_m":128400500,"plate":"A123BC77","driver_id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
   "visible_from_at":"2026-11-23T10:00:00.000Z","status":"AVAILABLE",
   "note":"a line of text as a dispatcher writes it"}',
 '{"command_id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
   "correlation_id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","actor":{"id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c","roles":["DISPATCHER"],"grants":[],
   "driver_id": null}}');
"""
NEW_STREAM = "'vehicle-' || gen_random_uuid()"
SIZE = ("select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on "
        "n.oid = c.relnamespace where c.relkind = 'r' and n.nspname = '{schema}'")


def require_packages():
    if not os.path.isdir(MESSAGE_DB):
        raise Failed("there are no packages of npm here (.tools/peers)")


def emmett(*args):
    out, _ = scratch.run(["node", PROGRAM, *map(str, args)], env=dict(os.environ, NODE_PATH=MODULES))
    return json.loads(out)


class Emmett:
    name = "Emmett"

    @staticmethod
    def how(shape):
        return "the peer has one asker: more only take each other's version" if shape == "hot" else (
            f"the peer has {CONNECTIONS} connections")

    def __init__(self, ctx):
        self.home = ctx.home()

    def append(self, shape, asks, seconds):
        """Events a second."""
        asks = 1 if shape == "hot" else asks
        return emmett("append", self.home.url, shape, asks, seconds)["per_s"]

    def bytes_per_event(self):
        size = int(self.home.sql(SIZE.format(schema="public")))
        tables = self.home.sql("select count(*) from emt_messages")
        return size / int(tables)


class MessageDb:
    name = "message-db"

    @staticmethod
    def how(_shape):
        return f"the peer has {CONNECTIONS} connections"

    def __init__(self, ctx):
        self.home = ctx.home()
        env = dict(os.environ, DATABASE_NAME=self.home.database, CREATE_DATABASE="off", PGUSER="shina",
                   PGHOST=self.home.run, PGOPTIONS="-c client_min_messages=warning")
        scratch.run(["bash", MESSAGE_DB + "/install.sh"], env=env)
        self.home.sql(f"alter database {self.home.database} set search_path = message_store, public")

    def append(self, shape, asks, seconds):
        """Events a second. Ten events of a stream are one transaction."""
        connections = min(asks, CONNECTIONS)
        if shape == "ten":
            script = ("select 'vehicle-' || gen_random_uuid() as stream \\gset\nbegin;\n"
                      + 10 * (WRITE % ":stream") + "commit;\n")
            return 10 * pgbench(self.home, script, connections, seconds)["rate"]
        stream = "'vehicle-hot'" if shape == "hot" else NEW_STREAM
        return pgbench(self.home, WRITE % stream, connections, seconds)["rate"]

    def bytes_per_event(self):
        size = int(self.home.sql(SIZE.format(schema="message_store")))
        return size / int(self.home.sql("select count(*) from messages"))
