#!/usr/bin/env python3
"""The decoders of all messages against a public JSON Schema validator.

For every command and event: documents that should be valid and mutations of such, made from its
published JSON Schema; each is judged by jsonschema (Draft 2020-12, formats checked) and by the
decoder (decide_documents). Compared are the verdict, the pointers of the problems, and, where a
document was accepted, what the decoder made of it: its canonical text must say what the document
said, be valid itself, and decode to the same again.

The seed is fixed and printed with every failure; --seed, --count and --only repeat or widen a run.

Where the two may differ, and only there:
- The text must be JSON as RFC 8259 has it, with unique names (I-JSON, RFC 7493); Python's json
  takes NaN, Infinity, duplicates and half surrogate pairs. See `parse`.
- Beyond JSON Schema, the decoders bound every document. See `bounds_of`.
- Formats: the validator's own checker, narrowed to what the RFC says where it is laxer, widened in
  one place where it is stricter. See `format_checker`.
- Patterns are ECMA 262, Python's are not quite. See `for_python`.
- multipleOf of a fraction is decimal, as people mean it: 0.07 is a multiple of 0.01. See
  `multiple_of`.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import concurrent.futures
import datetime
import fractions
import json
import math
import os
import pathlib
import re
import subprocess
import sys

import jsonschema

from make_documents import INT64, branches_for, documents

SEED = 20261123
DEPTH_MAX = 16
PROBLEMS_MAX = 32


# --- the validator ----------------------------------------------------------------------------

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]+)?"
                  r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])")
EMAIL = re.compile(r"(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
                   r"(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?=.{1,253}\Z)"
                   r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
                   r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
E164 = re.compile(r"\+[1-9][0-9]{1,14}")


def read_time(text):
    """A datetime in UTC; ValueError or OverflowError if it is none, or of no year 1 to 9999.

    RFC 3339's grammar and Python's calendar; finer than milliseconds is cut. Python knows no leap
    second (23:59:60 in UTC): it counts as the second after."""
    match = TIME.fullmatch(text)
    if not match:
        raise ValueError("not of RFC 3339's form")
    day, minute, second, fraction, zone = match.groups()
    leap = second == "60"
    at = datetime.datetime.fromisoformat(
        f"{day}T{minute}:{'59' if leap else second}{((fraction or '.') + '000')[:4]}"
        f"{'+00:00' if zone in 'Zz' else zone}").astimezone(datetime.timezone.utc)
    if leap:
        if (at.hour, at.minute) != (23, 59):
            raise ValueError("no leap second can be there")
        at += datetime.timedelta(seconds=1)
    return at


def format_checker():
    own = jsonschema.FormatChecker()
    checker = jsonschema.FormatChecker(formats=())

    def also(name, pattern):
        """What the validator says, and the form that the RFC gives: Python takes braces and
        underscores in a UUID, week dates as dates, and whatever has an @ as an address."""
        @checker.checks(name)
        def check(value):
            return not isinstance(value, str) or (
                pattern.fullmatch(value) is not None and own.conforms(value, name))

    also("uuid", UUID)
    also("date", DATE)
    also("email", EMAIL)

    @checker.checks("date-time", raises=(ValueError, OverflowError))
    def check_time(value):
        """jsonschema checks times only with a package that Debian lacks (rfc3339-validator); where
        it is there, it has its say too, except of leap seconds, which it refuses, and of the years
        0 and 10000 in UTC, which it takes."""
        if not isinstance(value, str):
            return True
        read_time(value)
        return ":60" in value or own.conforms(value, "date-time")

    return checker


def for_python(schema):
    """The schema with its patterns in Python's dialect: $ is the very end, \\d is ASCII."""
    if isinstance(schema, list):
        return [for_python(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: for_python(value) for name, value in schema.items()}
    if isinstance(out.get("pattern"), str):
        out["pattern"] = "(?a)" + re.sub(r"\$\Z", r"\\Z", out["pattern"])
    return out


def multiple_of(validator, of, value, schema):
    if not validator.is_type(value, "number"):
        return
    if fractions.Fraction(repr(value)) % fractions.Fraction(repr(of)) != 0:
        yield jsonschema.ValidationError(f"{value} is not a multiple of {of}")


def phone(validator, name, value, schema):
    """x-format is shina's own keyword: E.164 has no name among JSON Schema's formats."""
    if name == "e164" and isinstance(value, str) and not E164.fullmatch(value):
        yield jsonschema.ValidationError("is no E.164 number")


Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"multipleOf": multiple_of, "x-format": phone})


def pointer(path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def pointers_of(error, base=()):
    """Where the validator sees the problem, named as the decoders name places: a missing or unknown
    member by its own pointer, a repeated item at its list, a kind by what its branch says."""
    path = (*base, *error.relative_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return {pointer((*path, name)) for name in missing}
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return {pointer((*path, name)) for name in error.instance if name not in known}
    if error.validator == "oneOf":
        if not isinstance(error.instance, dict):
            return {pointer(path)}
        tag = error.schema["x-discriminator"]
        for branch, schema in enumerate(error.schema["oneOf"]):
            if schema["properties"][tag]["const"] == error.instance.get(tag):
                return set().union(*(pointers_of(inner, path) for inner in error.context
                                     if inner.schema_path[0] == branch))
        return {pointer((*path, tag))}
    return {pointer(path)}


# --- bounds that the decoders have beyond JSON Schema ------------------------------------------

class NotJson(ValueError):
    """The text is no I-JSON: only the verdict can be compared."""


def unique(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        raise NotJson("duplicate member")
    return out


def refuse_constant(name):
    raise NotJson(name)


def parse(text):
    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
    except RecursionError as error:
        raise NotJson("too deep") from error
    except json.JSONDecodeError as error:
        raise NotJson(str(error)) from error
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotJson("half a surrogate pair") from error
    return document


def bounds_of(value, depth=0):
    """Does the document keep to what the decoders bound: 16 levels, whole numbers of 64 bits,
    finite fractions, no U+0000?"""
    if isinstance(value, dict):
        return depth < DEPTH_MAX and all(
            "\0" not in name and bounds_of(item, depth + 1) for name, item in value.items())
    if isinstance(value, list):
        return depth < DEPTH_MAX and all(bounds_of(item, depth + 1) for item in value)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int):
        return INT64[0] <= value <= INT64[1]
    if isinstance(value, float):
        return math.isfinite(value)
    return "\0" not in value


def inexact(schema, value, path=()):
    """Pointers of integers written with a fraction or an exponent beyond 2^53: JSON Schema takes
    them, a double does not hold them exactly."""
    types = schema.get("type", [])
    if "integer" in (types if isinstance(types, list) else [types]):
        if isinstance(value, float) and abs(value) >= 2**53:
            yield pointer(path)
    elif isinstance(value, dict):
        for branch in [schema, *branches_for(schema, value)]:
            for name, inner in branch.get("properties", {}).items():
                if name in value:
                    yield from inexact(inner, value[name], (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from inexact(schema["items"], item, (*path, index))


# --- what a document says ---------------------------------------------------------------------

def said(schema, value):
    """The document as its canonical text must give it back."""
    if isinstance(value, dict) and ("properties" in schema or schema.get("type") == "object"):
        out = {}
        for name, inner in schema.get("properties", {}).items():
            needed = name in schema.get("required", []) or "default" in inner
            given = value[name] if name in value else inner.get("default")
            if given is not None or needed or (name in value and is_any(inner)):
                out[name] = said(inner, given)
        return out
    if isinstance(value, dict) and "oneOf" in schema:
        return said(branches_for(schema, value)[0], value)
    if isinstance(value, list) and "items" in schema:
        return [said(schema["items"], item) for item in value]
    if schema.get("type") == "number" and isinstance(value, int):
        return float(value)
    if isinstance(value, str) and schema.get("format") == "uuid":
        return value.lower()
    if isinstance(value, str) and schema.get("format") == "date-time":
        at = read_time(value)
        return (at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z").zfill(24)
    return value


def is_any(schema):
    return not ({"type", "oneOf", "enum", "const"} & schema.keys())


# --- comparing --------------------------------------------------------------------------------

class Judge:
    def __init__(self, schema):
        self.schema = schema
        self.validator = Validator(for_python(schema), format_checker=format_checker())

    def compare(self, text, answer):
        """None, or what is wrong with the answer; and whether the text should be accepted."""
        try:
            document = parse(text)
        except NotJson as error:
            return (f"no JSON: {error}", False) if answer["accepted"] else (None, False)
        if not bounds_of(document):
            return ("beyond the bounds", False) if answer["accepted"] else (None, False)
        beyond = set(inexact(self.schema, document))
        valid = not beyond and self.validator.is_valid(document)
        if valid != answer["accepted"]:
            errors = [error.message for error in self.validator.iter_errors(document)]
            return f"the validator says {errors or 'valid'}", valid
        return (self.check_meaning(document, answer) if valid
                else self.check_pointers(document, answer, beyond)), valid

    def check_meaning(self, document, answer):
        if not answer["stable"]:
            return "the canonical text does not come back as the same"
        back = json.loads(answer["text"])
        if back != said(self.schema, document):
            return f"it should have said {said(self.schema, document)}"
        if not self.validator.is_valid(back):
            return "the canonical text is not valid"
        return None

    def check_pointers(self, document, answer, beyond):
        want, got, shut, told = set(beyond), set(), [], False
        for error in self.validator.iter_errors(document):
            want |= pointers_of(error)
        for place, message in answer["problems"]:
            if message == "is there twice":  # the validator says so of the list
                place = place.rpartition("/")[0]
            if "must have at most" in message:  # and is not read further
                shut.append(place + "/")
            if "not known here: " in message:  # a name too long for a pointer, told at its object
                told = True
            else:
                got.add(place)
        want = {place for place in want if not place.startswith(tuple(shut))
                and not (told and len(place.rpartition("/")[2].encode()) > 60)}
        full = len(answer["problems"]) == PROBLEMS_MAX
        if got - want or (want - got and not full):
            return f"the validator's pointers: {sorted(want)}"
        return None


def run_message(decide, folder, kind, seed, count):
    """Findings, and how many documents of the message were accepted and refused."""
    schema = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
    judge = Judge(schema)
    made = list(documents(kind, schema, seed, count))
    lines = "".join(json.dumps({"type": kind, "text": text}) + "\n" for _, text in made)
    done = subprocess.run([decide], input=lines, capture_output=True, encoding="utf-8", check=False)
    answers = done.stdout.splitlines()
    if done.returncode != 0 or len(answers) != len(made):
        at = min(len(answers), len(made) - 1)
        return kind, [f"{kind}: decide_documents ended with {done.returncode} at document {at}: "
                      f"{made[at][1]!r}\n{done.stderr}"], 0, 0
    findings, accepted = [], 0
    for n, ((how, text), line) in enumerate(zip(made, answers)):
        finding, valid = judge.compare(text, json.loads(line))
        accepted += valid
        if how == "valid" and not valid:
            finding = finding or "the generator's own valid document is not"
        if finding is not None:
            findings.append(f"{kind} --seed {seed}, document {n} ({how}): {text}\n"
                            f"    decoder: {line}\n    {finding}")
    if accepted < count // 4 or count - accepted < count // 10:
        findings.append(f"{kind}: {accepted} of {count} accepted: the generator tests too little")
    return kind, findings, accepted, len(made) - accepted


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--decide", required=True, help="the program decide_documents")
    options.add_argument("--schemas", required=True, type=pathlib.Path)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--count", type=int, default=2000, help="documents per message")
    options.add_argument("--only", help="one message's type")
    args = options.parse_args()

    known = set(subprocess.run([args.decide, "--list"], capture_output=True, text=True,
                               check=True).stdout.split())
    published = {path.stem for path in args.schemas.glob("*.json")}
    failures = [f"{kind}: published, but no decoder has it" for kind in published - known]
    failures += [f"{kind}: has no published schema" for kind in known - published]
    kinds = sorted(known & published if args.only is None else {args.only})
    total = [0, 0]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(run_message, args.decide, args.schemas, kind, args.seed, args.count)
                for kind in kinds]
        for run in runs:
            _kind, findings, accepted, refused = run.result()
            failures += findings
            total = [total[0] + accepted, total[1] + refused]
    for failure in failures[:20]:
        print(failure)
    if len(failures) > 20:
        print(f"... and {len(failures) - 20} more")
    print(f"{len(kinds)} messages, {total[0]} documents accepted, {total[1]} refused by both, "
          f"seed {args.seed}")
    print(f"{len(failures)} disagreements")
    return 1 if failures or not kinds else 0


if __name__ == "__main__":
    sys.exit(main())
