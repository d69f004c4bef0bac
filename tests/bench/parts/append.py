"""Events into the log, a commit a batch, and COPY into an equal table.

SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import column

NAME = "append"
ABOUT = "batches appended to the log, beside COPY into an equal table"
TAKES_S = (30, 70)
TARGET_FROM = 256  # events in a batch; what the target is about


def run(ctx):
    lines = [row for _ in range(ctx.count(short_rounds=2)) for row in ctx.program_rows("append_bench", 1)]
    rows = []
    for size in dict.fromkeys(row["rows"] for row in lines):
        found = [row for row in lines if row["rows"] == size]
        rows.append(Row(f"append, batches of {size}", "events/s", column(found, "append_per_s"),
                        column(found, "copy_per_s"), "COPY",
                        target=0.8 if size >= TARGET_FROM else None))
    return rows
