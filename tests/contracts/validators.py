"""The published documents under public validators: OpenAPI 3.1 (openapi-spec-validator), JSON
Schema 2020-12 (its metaschema), and the contracts' own examples under the published schemas.
AsyncAPI is asyncapi.js's.

    validators.py TOOL SCHEMAS...

SPDX-License-Identifier: Apache-2.0
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator

TYPES = ("commands", "events")
failures = []


def fail(where, what):
    failures.append(f"{where}: {what}")


def made(tool, schemas, verb, out):
    subprocess.run([tool, verb, "--schemas", schemas, "--out", out], check=True)


def load(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def check_openapi(document, where):
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        fail(where, f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def check_references(document, where):
    for ref in references(document):
        node = document
        for step in ref.removeprefix("#/").split("/"):
            node = node.get(step) if isinstance(node, dict) else None
        if not ref.startswith("#/") or node is None:
            fail(where, f"{ref} leads nowhere")


def messages(contract):
    for aggregate in contract["aggregates"].values():
        for kind in TYPES:
            for name, message in aggregate[kind].items():
                if message.get("by") not in ("wake", "answer"):
                    yield f"{contract['module']}.{name}", kind, message


def contracts(schemas):
    for path in sorted(pathlib.Path(schemas).glob("*.json")):
        if path.name != "common.json":
            yield load(path)


def check_schemas(schemas, folder, where):
    """One file per message, right by itself, and of one mind with the contract's examples."""
    expected = set()
    for contract in contracts(schemas):
        for name, _, message in messages(contract):
            file = folder / f"{name}.json"
            expected.add(file.name)
            schema = load(file)
            jsonschema.Draft202012Validator.check_schema(schema)
            if any(True for _ in references(schema)):
                fail(f"{where}/{file.name}", "is not self-contained")
            validator = jsonschema.Draft202012Validator(
                schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            )
            examples = message.get("examples", {})
            for example in examples.get("valid", []):
                for error in validator.iter_errors(example):
                    fail(f"{where}/{file.name}", f"refuses a valid example: {error.message[:200]}")
            for example in examples.get("invalid", []):
                if validator.is_valid(example):
                    fail(f"{where}/{file.name}", f"takes the invalid example {example}")
    there = {path.name for path in folder.iterdir()}
    if there != expected:
        fail(where, f"files that should not be, or are missing: {sorted(there ^ expected)}")


def check_complete(schemas, openapi, where):
    """Nothing that a contract publishes is left out."""
    for contract in contracts(schemas):
        for name, _, message in messages(contract):
            if "http" in message:
                method, path = message["http"].split(" ")
                op = openapi["paths"].get(f"/api/v1{path}", {}).get(method.lower())
                if op is None or op["operationId"] != name:
                    fail(where, f"{name} is not in the OpenAPI document")
        for name, view in contract.get("views", {}).items():
            for kind, route in view.get("http", {}).items():
                op = openapi["paths"].get(f"/api/v1{route.split(' ')[1]}", {}).get("get")
                if op is None or not op["operationId"].endswith(f"_{name}"):
                    fail(where, f"the {kind} of {name} is not in the OpenAPI document")
        for code in contract.get("refusals", {}):
            if code not in openapi["x-refusals"]:
                fail(where, f"{code} is not in the OpenAPI document")


def check_that_it_can_fail(openapi):
    """A validator that takes anything proves nothing."""
    before = len(failures)
    broken = copy.deepcopy(openapi)
    del broken["info"]["title"]
    check_openapi(broken, "broken")
    found = len(failures) > before
    del failures[before:]
    if not found:
        fail("openapi-spec-validator", "finds nothing wrong in a broken document")


def main():
    tool, *folders = sys.argv[1:]
    for schemas in folders:
        with tempfile.TemporaryDirectory() as name:
            out = pathlib.Path(name)
            made(tool, schemas, "openapi", out / "openapi.json")
            made(tool, schemas, "schemas", out / "schemas")
            openapi = load(out / "openapi.json")
            check_openapi(openapi, f"{schemas}: openapi.json")
            check_references(openapi, f"{schemas}: openapi.json")
            check_schemas(schemas, out / "schemas", f"{schemas}: schemas")
            check_complete(schemas, openapi, schemas)
            check_that_it_can_fail(openapi)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
