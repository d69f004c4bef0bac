"""Figures of `make bench`: a figure a round, its median and spread, beside a peer's and a target.

SPDX-License-Identifier: Apache-2.0
"""
import dataclasses
import statistics

HEAD = f" {'shina':>10} {'min..max':>19} {'peer':>10} {'min..max':>19} {'ratio':>6} {'target':>6}"


def spread(rounds):
    return {"median": statistics.median(rounds), "min": min(rounds), "max": max(rounds),
            "rounds": list(rounds)}


def short(number):
    """Three figures that count, without exponents."""
    if number == 0 or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"


def between(figures):
    if len(figures["rounds"]) < 2:
        return ""
    return f"{short(figures['min'])}..{short(figures['max'])}"


@dataclasses.dataclass
class Row:
    """One thing measured. With a peer, the target is one of the ratio, ours to the peer's."""
    what: str
    unit: str
    ours: list                 # a figure a round
    peer: list = None          # likewise, in the same rounds
    peer_name: str = ""
    target: float = None
    better: str = "more"       # or "less"
    note: str = ""

    def ratio(self):
        """Of the medians; its spread is that of the rounds, pair by pair."""
        pairs = [a / b for a, b in zip(self.ours, self.peer, strict=True)]
        found = spread(pairs)
        found["median"] = statistics.median(self.ours) / statistics.median(self.peer)
        return found

    def met(self):
        if self.target is None:
            return None
        figure = self.ratio()["median"] if self.peer else statistics.median(self.ours)
        return figure >= self.target if self.better == "more" else figure <= self.target

    def to_json(self, part):
        ours = spread(self.ours)
        row = {"part": part, "what": self.what, "figure": ours["median"], "unit": self.unit,
               "target": self.target, "better": self.better, "note": self.note, "shina": ours}
        if not self.peer:
            row["note"] = join(self.note, between(ours))
            return row
        peer, ratio = spread(self.peer), self.ratio()
        row.update(what=f"{self.what}, to {self.peer_name}", figure=ratio["median"], unit="ratio",
                   measured_unit=self.unit, peer=dict(peer, name=self.peer_name), ratio=ratio,
                   note=join(f"{short(ours['median'])} {brackets(ours)}to {short(peer['median'])} "
                             f"{brackets(peer)}{self.unit}", self.note))
        return row

    def label(self):
        return f"{self.what}, {self.unit}"

    def line(self, width):
        """Of a table, whose first column is so wide."""
        ours = spread(self.ours)
        text = f"{self.label():<{width}} {short(ours['median']):>10} {between(ours):>19}"
        if self.peer:
            peer = spread(self.peer)
            text += f" {short(peer['median']):>10} {between(peer):>19} {self.ratio()['median']:6.2f}"
        elif self.target is not None:
            text += " " * 38
        if self.target is not None:
            text += f" {short(self.target):>6} {'met' if self.met() else 'MISSED'}"
        return text.rstrip()


def brackets(figures):
    return f"({between(figures)}) " if between(figures) else ""


def join(*texts):
    return "; ".join(text for text in texts if text)


def show(title, rows):
    width = max(len(row.label()) for row in rows)
    print(f"\n{title}\n{'':<{width}}{HEAD}")
    for row in rows:
        print(row.line(width))
        if row.peer:
            print(f"    beside {row.peer_name}" + (f"; {row.note}" if row.note else ""))
        elif row.note:
            print(f"    {row.note}")
    print(end="", flush=True)
