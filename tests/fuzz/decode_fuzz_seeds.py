#!/usr/bin/env python3
"""Writes a first corpus for decode_fuzz: documents of the specimen, the message's number before each.

    decode_fuzz_seeds.py <decide_documents> <folder of published schemas> <corpus folder>

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "contracts" / "differential"))
from make_documents import documents  # noqa: E402

PER_MESSAGE = 60


def main(decide, schemas, corpus):
    kinds = subprocess.run([decide, "--list"], capture_output=True, text=True,
                           check=True).stdout.split()
    corpus = pathlib.Path(corpus)
    corpus.mkdir(parents=True, exist_ok=True)
    # in the contract's order: what pick_shape of decode_fuzz.c counts in
    for number, kind in enumerate(kind for kind in kinds if kind.startswith("specimen.")):
        schema = json.loads((pathlib.Path(schemas) / f"{kind}.json").read_text(encoding="utf-8"))
        for n, (_how, text) in enumerate(documents(kind, schema, "seed", PER_MESSAGE)):
            (corpus / f"{kind}-{n}").write_bytes(
                bytes([number]) + text.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    main(*sys.argv[1:])
