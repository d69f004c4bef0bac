#!/usr/bin/env python3
"""make bench: what shina does on this machine, beside its peers measured in the same run.

One PostgreSQL with fsync on for all; every figure is a median of rounds in which shina and its peer
take turns. Machines differ, so only the ratios of one run count.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import datetime
import json
import os
import sys
import time

import figures
import machine
import parts
from context import Context
from scratch import Failed, scratch

NAMES = [part.NAME for part in parts.ALL]


def times():
    lines = [f"  {part.NAME:<13} {part.TAKES_S[0]:>4} s {part.TAKES_S[1]:>6} s   {part.ABOUT}"
             for part in parts.ALL]
    total = [sum(part.TAKES_S[i] for part in parts.ALL) for i in (0, 1)]
    lines.append(f"  {'all':<13} {total[0]:>4} s {total[1]:>6} s")
    return ("how long the parts take on a quiet machine, by default (0 s: not among them) and with --full:\n"
            + "\n".join(lines))


def parse_args():
    parser = argparse.ArgumentParser(description="shina beside its peers, in one run", epilog=times(),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PART,PART")
    parser.add_argument("--program", default="build/compose/shina/shina")
    parser.add_argument("--programs", default="build/tests/bench", help="folder of the others")
    parser.add_argument("--seconds", type=int, help="of each measurement; 1, with --full 5")
    parser.add_argument("--rounds", type=int,
                        help="of each, medians count; 3, or 2 or 1 of what takes long; with --full 5")
    parser.add_argument("--warm-up", type=int, default=1, help="seconds before the first round")
    parser.add_argument("--idle", type=int, default=5, help="seconds of doing nothing")
    parser.add_argument("--records", type=int, help="of the windows")
    parser.add_argument("--streams", type=int, help="of the long log; 20,000, with --full a million")
    parser.add_argument("--events", type=int, help="of the long log; ten times its streams")
    parser.add_argument("--full", action="store_true", help="longer, up to ten million events")
    parser.add_argument("--json", default="build/results/bench.json", help="file for the results")
    args = parser.parse_args()
    wrong = [name for name in (args.only or "").split(",") if name and name not in NAMES]
    if wrong:
        parser.error(f"--only: no such part {', '.join(wrong)}; there are {', '.join(NAMES)}")
    set_defaults(args)
    if min(args.seconds, args.rounds, args.warm_up, args.idle) < 1:
        parser.error("seconds and rounds are at least 1")
    if not 1 <= args.streams <= args.events:
        parser.error("--events must be at least --streams, and that at least 1")
    return args


def set_defaults(args):
    args.seconds = args.seconds or (5 if args.full else 1)
    args.rounds_given = args.rounds is not None
    args.rounds = args.rounds or (5 if args.full else 3)
    args.streams = args.streams or (1000000 if args.full else 20000)
    args.events = args.events or 10 * args.streams
    usual = [part.NAME for part in parts.ALL if part.TAKES_S[args.full] > 0]
    args.only = args.only.split(",") if args.only else usual
    args.program = os.path.abspath(args.program)


def run_part(part, ctx, results):
    """What fails is told and stands in the results; the other parts go on."""
    began, kept = time.monotonic(), list(scratch.processes)
    try:
        rows = part.run(ctx)
    except (Failed, OSError, RuntimeError) as trouble:
        scratch.end_but(kept)
        print(f"\n{part.NAME}: FAILED: {trouble}", flush=True)
        results["failed"].append({"part": part.NAME, "why": str(trouble)})
        return
    figures.show(f"{part.NAME}: {part.ABOUT} ({time.monotonic() - began:.0f} s)", rows)
    results["rows"] += [row.to_json(part.NAME) for row in rows]


def write(results, path):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as f:
        json.dump(results, f, indent=2)
        f.write("\n")


def last_words(results, path, seconds):
    aimed = [row for row in results["rows"] if row["target"] is not None]
    missed = [row for row in aimed if not is_met(row)]
    print(f"\n{len(aimed) - len(missed)} of {len(aimed)} targets met in {seconds:.0f} s; "
          f"{path} has every round")
    for row in missed:
        print(f"  missed: {row['what']}: {figures.short(row['figure'])}, aimed at "
              f"{figures.short(row['target'])}")
    for trouble in results["failed"]:
        print(f"  failed: {trouble['part']}")


def is_met(row):
    return row["figure"] >= row["target"] if row["better"] == "more" else row["figure"] <= row["target"]


def main():
    args = parse_args()
    ctx = Context(args)
    began = time.monotonic()
    results = {"name": "bench", **machine.source(),
               "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
               "machine": machine.facts(), "rounds": args.rounds, "seconds": args.seconds,
               "full": args.full, "rows": [], "failed": []}
    facts = results["machine"]
    print(f"{facts['cores']} cores, {facts['cpu']}, {facts['memory_mib']} MiB, kernel {facts['kernel']}, "
          f"load {facts['load_before']:.1f} before we began; load generator, PostgreSQL and shina share "
          f"them; medians of {args.rounds} rounds of {args.seconds} s", flush=True)
    ctx.start_servers()
    facts["postgresql"] = ctx.settings
    for part in (part for part in parts.ALL if part.NAME in args.only):
        run_part(part, ctx, results)
        write(results, args.json)
    last_words(results, args.json, time.monotonic() - began)
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
