#!/usr/bin/env python3
"""Builds the fuzzers and runs each for a while; the first crash, leak, hang or broken invariant ends it.

    tests/fuzz/run.py                  every target for FUZZ_SECONDS (30), on corpora that grow in
                                       build-fuzz/corpus; figures to build/results/fuzz.json
    tests/fuzz/run.py --only http,nng --seconds 600
    tests/fuzz/run.py --check          what CI runs: 3 s each, on the seeds alone, no figures

What is found lies in build-fuzz/found/<target>/, with the command that repeats it. Put it, made small
(-minimize_crash=1), among the seeds as found-<what> in the commit that mends it.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build-fuzz"
FUZZERS = BUILD / "tests" / "fuzz"
CHECK_SECONDS = 3
RSS_MB = 2048
HANG_S = 25
MAX_LEN = {"http": 16384, "socket": 8192}  # bytes; 4096 otherwise
FINDINGS = "crashes, leaks, hangs and broken invariants"
# What planted_fuzz must be found at, and by which words.
PLANTED = {"over": "heap-buffer-overflow", "leak": "detected memory leaks", "late": "broken invariant",
           "slow": "ERROR: libFuzzer: timeout"}


class Found(Exception):
    """A target ended badly; the text tells how to repeat it."""


def build(jobs):
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Debug",
                        "-DCMAKE_C_FLAGS_DEBUG=-O1 -gline-tables-only",
                        "-DSHINA_SANITIZE=fuzzer-no-link,address,undefined"],
                       check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CC": "clang"})
    log = BUILD / "ninja.log"
    with log.open("wb") as out:
        done = subprocess.run(["ninja", f"-j{jobs}", "-C", BUILD, "fuzzers"], stdout=out, check=False)
    if done.returncode != 0:
        sys.exit(log.read_text(errors="replace")[-6000:])


def environment():
    """No keys of shina in it: env_fuzz reads them. Undefined behaviour tells where."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHINA_")}
    return {**kept, "UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_OPTIONS": "detect_leaks=1"}


def targets():
    return sorted(path.name[:-len("_fuzz.c")] for path in HERE.glob("*_fuzz.c"))


def check_planted():
    """The runner can find: each planted fault is."""
    for fault, words in PLANTED.items():
        with tempfile.TemporaryDirectory() as folder:
            planted = pathlib.Path(folder) / fault
            planted.write_text(fault)
            done = subprocess.run([FUZZERS / "planted_fuzz", "-timeout=1", f"-artifact_prefix={folder}/", planted],
                                  capture_output=True, text=True, errors="replace", env=environment(),
                                  check=False)
        if done.returncode == 0 or words not in done.stderr:
            sys.exit(f"the planted fault \"{fault}\" was not found: exit code {done.returncode}\n"
                     + done.stderr[-2000:])


def seeds_of(target):
    folders = [HERE / "seeds" / target]
    if target == "decode":
        made = BUILD / "seeds" / target
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([sys.executable, "-B", HERE / "decode_seeds.py",
                        BUILD / "bus" / "contract" / "compiler" / "shina-contract", BUILD / "seeds" / "published",
                        made], check=True, env=environment())
        folders.append(made)
    return folders


def run(target, seconds, corpus):
    found, folder = BUILD / "found" / target, corpus / target
    for path in (found, folder):
        path.mkdir(parents=True, exist_ok=True)
    binary, dictionary = FUZZERS / f"{target}_fuzz", HERE / "dictionaries" / f"{target}.dict"
    command = [binary, f"-max_total_time={seconds}", f"-rss_limit_mb={RSS_MB}", f"-timeout={HANG_S}",
               f"-max_len={MAX_LEN.get(target, 4096)}", "-print_final_stats=1", f"-artifact_prefix={found}/",
               *([f"-dict={dictionary}"] if dictionary.exists() else []), folder, *seeds_of(target)]
    began = time.monotonic()
    log = BUILD / f"{target}.log"
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment(),
                              check=False).returncode
    text = log.read_text(errors="replace")
    if code != 0:
        raise Found(told(target, binary, code, text))
    return figures(target, text, time.monotonic() - began)


def told(target, binary, code, text):
    at = re.search(r"broken invariant|ERROR: |runtime error", text)
    artifact = re.search(r"Test unit written to (\S+)", text)
    again = f"repeat it: {binary} {artifact[1]}" if artifact else f"it left no input; see {BUILD}/{target}.log"
    return f"{target} ended with {code}\n{short(text[at.start() if at else -3000:])}\n{again}"


def short(text):
    """The words and the frames that tell where; what stands below main() does not."""
    return "\n".join(line[:200] for line in text.splitlines()[:16])


def figures(target, text, seconds):
    def number(pattern):
        matches = re.findall(pattern, text)
        return int(matches[-1]) if matches else 0

    return {"target": target, "executions": number(r"number_of_executed_units: (\d+)"),
            "edges": number(r"cov: (\d+)"), "features": number(r"ft: (\d+)"),
            "corpus": number(r"corp: (\d+)"), "seconds": seconds}


def table(rows):
    print(f"\n{'target':<12} {'executions':>11} {'a second':>9} {'edges':>6} {'features':>9} {'corpus':>7} {'seconds':>8}")
    for row in rows:
        print(f"{row['target']:<12} {row['executions']:>11,} {row['executions'] / row['seconds']:>9,.0f} "
              f"{row['edges']:>6,} {row['features']:>9,} {row['corpus']:>7,} {row['seconds']:>8.0f}")


def git(*words):
    return subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=ROOT, capture_output=True, text=True,
                          check=False).stdout.strip()


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count(), "memory_mib": memory >> 20, "kernel": platform.release(),
            "cpu": cpu[1] if cpu else platform.machine()}


def rows_kept(path, commit):
    """What is kept already of this commit: targets may be run one after another."""
    if not path.exists():
        return {}
    before = json.loads(path.read_text(encoding="utf-8"))
    return {row["what"]: row for row in before["rows"]} if before["commit"] == commit else {}


def keep(rows):
    path = ROOT / "build" / "results" / "fuzz.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    commit = git("rev-parse", "HEAD")
    kept = {**rows_kept(path, commit), **{row["what"]: row for row in (
        {"what": f"{row['target']}: inputs executed", "figure": row["executions"], "unit": "inputs",
         "target": None, "note": f"{row['features']} features, {row['edges']} edges, corpus of "
                                 f"{row['corpus']}, {row['seconds']:.0f} s"} for row in rows)}}
    found = {"what": FINDINGS, "figure": 0, "unit": "findings", "target": 0,
             "note": "of the runs below; the first would have ended its run"}
    kept.pop(FINDINGS, None)
    path.write_text(json.dumps(
        {"name": "fuzz", "commit": commit, "dirty": bool(git("status", "--porcelain")),
         "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
         "machine": machine(), "rows": [found, *(kept[what] for what in sorted(kept))]}, indent=1) + "\n",
        encoding="utf-8")


def run_all(names, seconds, corpus, jobs):
    rows = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run, name, seconds, corpus) for name in names]
        try:
            for done in concurrent.futures.as_completed(waiting):
                rows.append(done.result())
                print(f"{rows[-1]['target']}: {rows[-1]['executions']:,} inputs, nothing found", flush=True)
        except Found:
            for one in waiting:
                one.cancel() # those that run end by themselves
            raise
    return sorted(rows, key=lambda row: row["target"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS", "30")))
    parser.add_argument("--only", default=os.environ.get("FUZZ_ONLY", ""), help="targets, joined by commas")
    parser.add_argument("--check", action="store_true", help="as CI does")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS", os.cpu_count() or 1)))
    args = parser.parse_args()
    names = [name for name in args.only.split(",") if name] or [name for name in targets() if name != "planted"]
    unknown = set(names) - set(targets())
    if unknown:
        sys.exit(f"there is no target {', '.join(sorted(unknown))}")
    build(args.jobs)
    check_planted()
    try:
        if args.check:
            with tempfile.TemporaryDirectory() as corpus:
                rows = run_all(names, CHECK_SECONDS, pathlib.Path(corpus), args.jobs)
        else:
            rows = run_all(names, args.seconds, BUILD / "corpus", args.jobs)
            keep(rows)
    except Found as found:
        sys.exit(str(found))
    table(rows)


if __name__ == "__main__":
    main()
