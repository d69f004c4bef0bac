#!/usr/bin/env python3
"""make results: tests/RESULTS.md out of what the measuring tools have left in build/results/.

  results.py [--results FOLDER] [--texts FOLDER] [--out FILE]
A tool writes NAME.json; NAME.md in tests/results/, by hand, tells why a target is missed and what is next.

A row has what, figure, unit, target (or null), note; `better` may say whether the target is to be reached
("more") or kept below ("less"). Without it, a target of zero is one to keep, every other one to reach.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
ORDER = ("bench", "growth", "sim", "chaos", "fuzz")  # others behind them, by name
MEMBERS = {"name": str, "commit": str, "dirty": bool, "date": str, "machine": dict, "rows": list}
MACHINE = ("cores", "memory_mib", "kernel", "cpu")
ROW = ("what", "figure", "unit", "target", "note")
HEAD = """# Results

What the tools under `tests/` measured last, made by `make results`; only the texts between the tables are
written by hand (`tests/results/`). Machines differ, so a ratio counts more than a rate.
"""


class Wrong(Exception):
    """A file that does not have the shape it should."""


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_row(path, number, row):
    missing = [member for member in ROW if member not in row]
    if missing:
        raise Wrong(f"{path}: row {number} has no {', '.join(missing)}")
    if not is_number(row["figure"]):
        raise Wrong(f"{path}: row {number}: the figure is no number")
    if row["target"] is not None and not is_number(row["target"]):
        raise Wrong(f"{path}: row {number}: the target is neither a number nor null")
    if row.get("better") not in (None, "more", "less"):
        raise Wrong(f"{path}: row {number}: better is neither more nor less")


def read(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise Wrong(f"{path}: {wrong}") from wrong
    for member, kind in MEMBERS.items():
        if not isinstance(found.get(member), kind):
            raise Wrong(f"{path}: {member} is missing or of another type")
    if found["name"] != path.stem:
        raise Wrong(f"{path}: the name in it is {found['name']}")
    missing = [fact for fact in MACHINE if fact not in found["machine"]]
    if missing:
        raise Wrong(f"{path}: the machine has no {', '.join(missing)}")
    for number, row in enumerate(found["rows"], 1):
        check_row(path, number, row)
    return found


def keeps_below(row):
    return row["better"] == "less" if row.get("better") else row["target"] == 0


def is_met(row):
    """None without a target."""
    if row["target"] is None:
        return None
    return row["figure"] <= row["target"] if keeps_below(row) else row["figure"] >= row["target"]


def short(number):
    """Three figures that count; whole numbers as they are."""
    if number == int(number) or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"


def cell(text):
    """Within a table; what is in backticks stays so."""
    return str(text).replace("\n", " ").replace("|", "\\|")


def line(row):
    target, met = "", ""
    if row["target"] is not None:
        target = f"{'≤' if keeps_below(row) else '≥'} {short(row['target'])}"
        met = "yes" if is_met(row) else "**no**"
    return (f"| {cell(row['what'])} | {short(row['figure'])} | {cell(row['unit'])} | {target} | {met} | "
            f"{cell(row['note'])} |")


def facts(found):
    machine = found["machine"]
    text = (f"{found['date']}, commit {found['commit'][:12]}{' and changes' if found['dirty'] else ''}; "
            f"{machine['cores']} cores, {machine['cpu']}, {machine['memory_mib']:,} MiB, kernel "
            f"{machine['kernel']}")
    settings = machine.get("postgresql")
    if settings:
        text += (f"; PostgreSQL {settings['server_version']}, fsync {settings['fsync']}, "
                 f"synchronous_commit {settings['synchronous_commit']}")
    if "rounds" in found:
        text += f"; medians of {found['rounds']} rounds of {found['seconds']} s"
    return text + "."


def count(found):
    aimed = [row for row in found["rows"] if row["target"] is not None]
    if not aimed:
        return ""
    return f" {sum(is_met(row) for row in aimed)} of {len(aimed)} targets are met."


def section(found, text):
    lines = [f"## {found['name']}", "", facts(found) + count(found), ""]
    for trouble in found.get("failed", []):
        lines += [f"**Not measured**: {trouble['part']}: {cell(trouble['why'])[:200]}", ""]
    lines += ["| what | figure | unit | target | met | note |", "|---|--:|---|--:|---|---|"]
    lines += [line(row) for row in found["rows"]]
    if text:
        lines += ["", text.strip()]
    return "\n".join(lines) + "\n"


def rank(found):
    name = found["name"]
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def render(results, texts):
    """The document, and what its reader should be warned of."""
    found = sorted((read(path) for path in sorted(results.glob("*.json"))), key=rank)
    if not found:
        raise Wrong(f"{results}: nothing was measured: make bench, and the like")
    parts, warnings = [HEAD], []
    for one in found:
        path = texts / f"{one['name']}.md"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        missed = [row["what"] for row in one["rows"] if is_met(row) is False]
        if missed and not text:
            warnings.append(f"{path} should tell why these are missed: {'; '.join(missed)}")
        parts.append(section(one, text))
    return "\n".join(parts), warnings


def main():
    parser = argparse.ArgumentParser(description="tests/RESULTS.md out of build/results/")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build/results")
    parser.add_argument("--texts", type=pathlib.Path, default=ROOT / "tests/results")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/RESULTS.md")
    args = parser.parse_args()
    try:
        document, warnings = render(args.results, args.texts)
    except Wrong as wrong:
        print(f"results.py: {wrong}", file=sys.stderr)
        return 1
    args.out.write_text(document, encoding="utf-8")
    for warning in warnings:
        print(f"results.py: {warning}", file=sys.stderr)
    print(f"{args.out} is made of {len(list(args.results.glob('*.json')))} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
