"""What an event takes on disk, in the log and in the archive, and a row of the view.

It archives the long log, so it comes last. SPDX-License-Identifier: Apache-2.0
"""
import os

from figures import Row
from stores import SIZE

NAME = "disk"
ABOUT = "size on disk of an event, of an archived one, of a row of a view"
TAKES_S = (10, 300)


def folder_bytes(path):
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(path) for name in names)


def run(ctx):
    long = ctx.long_log()
    long.settled().stop()
    home = long.home
    events = int(home.sql("select count(*) from vehicles.events"))
    home.sql("vacuum full vehicles.events")
    log = int(home.sql(SIZE.format(schema="vehicles")))
    table = long.table()
    view = int(home.sql(f"select pg_total_relation_size('views.\"{table}\"')"))
    home.verb("archive", "vehicles", "--keep-events", "1")
    home.sql("vacuum full vehicles.events")
    left = int(home.sql(SIZE.format(schema="vehicles")))
    files = folder_bytes(home.dir + "/archive")
    return [Row("an event in the log, with its indexes", "bytes", [log / events], better="less",
                note=f"{events} events of {long.streams} streams"),
            Row("of it left when it is archived", "bytes", [left / events], better="less"),
            Row("the same event in the archive's file", "bytes", [files / events], better="less"),
            Row("a row of the view, with its indexes", "bytes", [view / long.streams], better="less")]
