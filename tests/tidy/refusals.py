#!/usr/bin/env python3
"""Every refusal of a contract has a story in its domain's tests: its code stands in
then_refused(), then_refused_with() or, where the store is who refuses, in then_claimed().

refusals.py [CONTRACT.json...]; without any: all domains'.
SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPECTED = re.compile(r'\bthen_(?:refused|refused_with|claimed)\(([^;]*);')


def told(domain):
    """The codes that the stories of a domain expect."""
    codes = set()
    for test in (ROOT / 'services' / domain).rglob('*_test.c'):
        for call in EXPECTED.findall(test.read_text(encoding='utf-8')):
            codes.update(re.findall(r'"([A-Z][A-Z0-9_]+)"', call))
    return codes


def main(paths):
    faults = seen = 0
    for path in paths or sorted((ROOT / 'schemas').glob('*.json')):
        contract = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
        domain = contract.get('module')
        if domain is None:
            continue  # types that domains share
        seen += 1
        for code in sorted(contract.get('refusals', {}).keys() - told(domain)):
            print(f'{path}: {code} has no story in services/{domain}/', file=sys.stderr)
            faults += 1
    if seen == 0:
        print('refusals.py: there is no contract to look at', file=sys.stderr)
    return 1 if faults or seen == 0 else 0


sys.exit(main(sys.argv[1:]))
