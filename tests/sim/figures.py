#!/usr/bin/env python3
"""figures.py NAME BUILD: rows from standard input, as a table and as BUILD/results/NAME.json.

A row is a line of: what, figure, unit, target or nothing, note; with tabs between them. Targets are bounds: the
figure is to stay below.
SPDX-License-Identifier: Apache-2.0
"""
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys


def git(*words):
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


def machine():
    cpu = "?"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    return {"cores": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(), "cpu": cpu}


def row_of(line):
    what, figure, unit, target, note = line.rstrip("\n").split("\t")
    return {"what": what, "figure": float(figure), "unit": unit,
            "target": float(target) if target else None, "better": "less", "note": note}


def main():
    name, build = sys.argv[1:]
    rows = [row_of(line) for line in sys.stdin]
    for row in rows:
        target = "" if row["target"] is None else f" (target {row['target']:g})"
        print(f"{row['what']:<38} {row['figure']:>12g} {row['unit']}{target}  {row['note']}")
    folder = pathlib.Path(build) / "results"
    folder.mkdir(parents=True, exist_ok=True)
    out = {"name": name, "commit": git("rev-parse", "HEAD"),
           "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
           "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
           "machine": machine(), "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(out, indent=2) + "\n")


main()
