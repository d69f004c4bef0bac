"""Events into the log, beside two other event stores on the same PostgreSQL.

As many asks are under way at once. Ours are carried out by a writer, a batch of them in a commit; the
peers use a connection each, up to 16. None of them checks a business rule here.
SPDX-License-Identifier: Apache-2.0
"""
from figures import Row
from load import column
from stores import Emmett, MessageDb, require_packages

NAME = "append_stores"
ABOUT = "events appended, beside message-db and Emmett: one a stream, ten a stream, a hot stream"
TAKES_S = (35, 250)
ASKS = 64
SHAPES = (("one", "one event a stream"), ("ten", "ten events a stream"), ("hot", "a hot stream"))


def run(ctx):
    require_packages()
    peers, rows, sizes = [MessageDb(ctx), Emmett(ctx)], [], []
    for shape, what in SHAPES:
        ours, *theirs = ctx.measure(
            lambda seconds, s=shape: ctx.program_rows("append_bench", seconds, s, ASKS)[0],
            *[lambda seconds, s=shape, p=p: p.append(s, ASKS, seconds) for p in peers], short_rounds=2)
        rows += [Row(f"append, {what}", "events/s", column(ours, "per_s"), rates, peer.name,
                     note=f"{ASKS} asks at once; {peer.how(shape)}")
                 for peer, rates in zip(peers, theirs, strict=True)]
        sizes += [row["bytes"] / row["events"] for row in ours]
    rows += [Row("on disk, of an event with its indexes", "bytes", [min(sizes)], [peer.bytes_per_event()],
                 peer.name, better="less", note="the same data and actor") for peer in peers]
    for peer in peers:
        ctx.drop(peer.home)
    return rows
