#!/usr/bin/env python3
"""Makes seeds of decode_fuzz out of the contracts: for each message, documents near the bounds of its schema.

    decode_seeds.py <shina-contract> <folder for published schemas> <folder for seeds> [per message]

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "contracts" / "differential"))
from make_documents import documents  # noqa: E402


def main(contract, published, seeds, per_message="3"):
    published, seeds = pathlib.Path(published), pathlib.Path(seeds)
    seeds.mkdir(parents=True, exist_ok=True)
    for name, schemas in (("domains", ROOT / "schemas"),
                          ("specimen", HERE.parent / "contracts" / "differential" / "schemas")):
        out = published / name
        out.mkdir(parents=True, exist_ok=True)
        subprocess.run([contract, "schemas", "--schemas", schemas, "--out", out], check=True)
        for path in sorted(out.glob("*.json")):
            schema = json.loads(path.read_text(encoding="utf-8"))
            forms = ["clear", "opened", "sealed"] if "x-personal" in path.read_text(encoding="utf-8") else ["clear"]
            for n, (_how, text) in enumerate(documents(path.stem, schema, "seed", int(per_message))):
                form = forms[n % len(forms)]
                (seeds / f"{path.stem}-{n}").write_bytes(
                    f"{form} {path.stem}\n".encode() + text.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    main(*sys.argv[1:])
