"""What a part of `make bench` gets: how long to measure, and the one PostgreSQL of the run.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import sys

import long_log
import machine
from support import Home, Shina, scratch, start_servers


class Context:
    """args are those of bench.py."""

    def __init__(self, args):
        self.args = args
        self.program, self.programs = args.program, args.programs
        self.seconds, self.rounds, self.warm_up_s = args.seconds, args.rounds, args.warm_up
        self.full = args.full
        self.settings = None
        self.servers = self._long_log = None
        self._databases = 0

    def start_servers(self):
        """The embedded PostgreSQL and Redis, with fsync on, that all parts use."""
        self.servers = Home(self.program)
        start_servers(self.servers)
        self.settings = machine.postgres_settings(self.servers.sql)

    def home(self):
        """A shina of its own, in a new database of that PostgreSQL."""
        self._databases += 1
        name = f"bench_{self._databases}"
        self.servers.sql(f"create database {name}")
        return Home(self.program, self.servers, name)

    def drop(self, home):
        """Of home(): what it kept is gone, and the next part begins with a quiet disk."""
        self.servers.sql(f"drop database {home.database} with (force)", "checkpoint")
        home.remove()

    @staticmethod
    def log(text):
        """What a reader should see, but no figure."""
        print(text, file=sys.stderr, flush=True)

    def shina(self, home=None):
        return Shina(home or self.home())

    @staticmethod
    def long_shina(home):
        """On a long log, whose views may have to be filled first."""
        return Shina(home, long_log.BUILT_S)

    def long_log(self):
        """The log of many events that several parts measure on; loaded once."""
        if self._long_log is None:
            self._long_log = long_log.LongLog(self, self.args.streams, self.args.events)
        return self._long_log

    def program_rows(self, name, *args):
        """The lines of JSON of one of our programs, on the PostgreSQL of this run."""
        env = dict(os.environ, SHINA_TEST_DATABASE_URL=self.servers.url)
        out, _ = scratch.run([f"{self.programs}/{name}", *map(str, args)], env=env)
        return [json.loads(line) for line in out.splitlines()]

    def measure(self, *sides, seconds=None, short_rounds=None):
        """A list a side: what it returned a round. Each gets the seconds to run; a first run warms
        it up; the sides take turns, so that what disturbs one disturbs the other."""
        for side in sides:
            side(self.warm_up_s)
        return self.rounds_of(*[lambda s=side: s(seconds or self.seconds) for side in sides],
                              short_rounds=short_rounds)

    def rounds_of(self, *sides, short_rounds=None):
        """As measure(), of what takes as long as it takes and warms itself up."""
        rounds = [[side() for side in sides] for _ in range(self.count(short_rounds))]
        return [list(column) for column in zip(*rounds, strict=True)]

    def count(self, short_rounds=None):
        """Rounds; at most short_rounds in the short run, of what takes long and varies little."""
        if self.full or self.args.rounds_given or not short_rounds:
            return self.rounds
        return min(self.rounds, short_rounds)
