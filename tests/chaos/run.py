#!/usr/bin/env python3
"""`make chaos`: faults of every kind under load, then proof.

    make chaos                               all scenes, ten to fifteen minutes on two cores
    make chaos SEED=7 SCENES="kills clock"   these, as an earlier run said
    make chaos SCENES="kills@processes"      with each service, projection and edge as a process
    python3 tests/chaos/run.py --help        what scenes there are

KILLS, ROUNDS, CUTS, STOPS, CALLS, TIMES, JUMPS: how many faults a scene makes. Each scene's own words
are in build/chaos/SCENE.log, the figures in build/results/chaos.json.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
SCENE_S_MAX = 600
DEFAULTS = {"KILLS": "15", "ROUNDS": "1", "CUTS": "4", "STOPS": "3", "TIMES": "4", "JUMPS": "4"}
# Tests of the kernel alone, without figures.
TESTS = {
    "lease": "writers that lose their lease at every place",
    "places": "the kernel dies at every place that a load does not pass",
    "silence": "a server that goes without a word while its answer is awaited",
}
ALSO = ["cut_postgres@processes"]
ONLY_NAMED = {"hosts"}


def scenes_of(program):
    """Names and what they are, in the order of play."""
    lines = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    return TESTS | dict(line.split(maxsplit=1) for line in lines.splitlines())


def wanted(scenes, names):
    if not names:
        return [name for name in scenes if name not in ONLY_NAMED] + ALSO
    for name in names:
        if name.split("@")[0] not in scenes or name.partition("@")[2] not in ("", "processes"):
            sys.exit(f"there is no scene {name}; --help lists them")
    return names


def play(build, name, seed, log):
    """The exit code, the seconds it took and its figures."""
    scene, _, layout = name.partition("@")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)  # PostgreSQL is another user
    figures = folder / "figures"
    env = DEFAULTS | dict(os.environ) | {"SEED": str(seed), "TMPDIR": str(folder), "CHAOS_FIGURES": str(figures)}
    if layout:
        env["SHINA_TEST_LAYOUT"] = layout
    bin_folder = build / "tests/chaos"
    command = [bin_folder / f"chaos_{scene}"] if scene in TESTS else [bin_folder / "chaos", scene]
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
        try:
            code = child.wait(SCENE_S_MAX)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as why:
            child.send_signal(signal.SIGTERM)  # it ends all that it started
            child.wait()
            if isinstance(why, KeyboardInterrupt):
                raise
            code = "too long"
        finally:
            text = figures.read_text("utf-8") if figures.exists() else ""
            shutil.rmtree(folder, ignore_errors=True)
    return code, time.monotonic() - began, json.loads(text.splitlines()[-1]) if text else {}


def line_of(name, code, took_s, f):
    ends = "skipped" if code == SKIPPED else "proven" if code == 0 else f"FAILED ({code})"
    if not f:
        return f"{name:24} {ends:10} {took_s:5.0f} s"
    return (f"{name:24} {ends:10} {took_s:5.0f} s {f['calls']:7} {f['acknowledged']:7} {f['refused']:7} "
            f"{f['unknown']:7} {f['reads']:6} {f['faults']:6} {f['silence_ms'] / 1000:8.1f} "
            f"{f['recovery_ms'] / 1000 if f['recovery_ms'] else '-':>8.4} "
            f"{f['wrong']:5}")


HEAD = (f"{'scene':24} {'ends':10} {'took':>7} {'calls':>7} {'acked':>7} {'refused':>7} {'unknown':>7} "
        f"{'reads':>6} {'faults':>6} {'silent s':>8} {'again s':>8} {'wrong':>5}")


def rows_of(name, code, f):
    """For the page of results; wrong and failed have 0 as their target."""
    rows = [(f"{name}: failed", 0 if code in (0, SKIPPED) else 1, "", 0, "skipped" if code == SKIPPED else "")]
    if f:
        rows += [
            (f"{name}: commands acknowledged", f["acknowledged"], "", None, f"{f['unknown']} unknown"),
            (f"{name}: faults made", f["faults"], "", None, ""),
            (f"{name}: acknowledged and not found, doubled or left over", f["wrong"], "", 0, ""),
            (f"{name}: longest time without an answer", f["silence_ms"] / 1000, "s", None, ""),
            (f"{name}: longest until it went on again", f["recovery_ms"] / 1000, "s", None, "after the fault's end"),
        ]
    return [dict(zip(("what", "figure", "unit", "target", "note"), row)) for row in rows]


def git(*words):
    return subprocess.run(["git", "-c", "safe.directory=*", *words], capture_output=True, text=True,
                          check=False).stdout.strip()


def write_results(path, rows):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        "name": "chaos",
        "commit": git("rev-parse", "HEAD"),
        "dirty": git("status", "--porcelain", "--untracked-files=no") != "",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cores": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(),
            "cpu": next((l.split(":", 1)[1].strip() for l in cpuinfo if l.startswith("model name")), ""),
        },
        "rows": rows,
    }, indent=1) + "\n", "utf-8")


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends the scene first
    os.chdir(pathlib.Path(__file__).resolve().parents[2])
    build = pathlib.Path(os.environ.get("BUILD", "build"))
    scenes = scenes_of(build / "tests/chaos/chaos")
    listed = "\n".join(f"  {name:20} {what}" for name, what in scenes.items())
    parser = argparse.ArgumentParser(description=f"{__doc__}\nScenes:\n{listed}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", metavar="SCENE[@processes]", help="default: those of SCENES, or all")
    names = wanted(scenes, parser.parse_args().scenes or os.environ.get("SCENES", "").split())
    seed = int(os.environ.get("SEED") or random.randrange(1, 1_000_000))
    logs = build / "chaos"
    logs.mkdir(parents=True, exist_ok=True)
    rows, failed, began = [], [], time.monotonic()
    print(f"SEED={seed}\n{HEAD}", flush=True)
    for name in names:
        log = logs / f"{name}.log"
        code, took_s, figures = play(build, name, seed, log)
        print(line_of(name, code, took_s, figures), flush=True)
        rows += rows_of(name, code, figures)
        if code not in (0, SKIPPED):
            failed.append(f"{name}: {log}")
    write_results(build / "results/chaos.json", rows)
    print(f"{time.monotonic() - began:.0f} s; " + ("nothing was lost, doubled or left over" if not failed else
                                                   "FAILED\n" + "\n".join(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
