#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Judges lines of flows by the published JSON Schema: flow_schema.py SCHEMA FILE|-

Every line has to be JSON without duplicate keys, and valid. Prints how many there were of each type.
"""
import collections
import json
import sys

import jsonschema


def unique(pairs):
    keys = [k for k, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"duplicate key in {keys}")
    return dict(pairs)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    source = sys.stdin.buffer if sys.argv[2] == "-" else open(sys.argv[2], "rb")
    types, bad = collections.Counter(), 0
    for number, line in enumerate(source, 1):
        if not line.endswith(b"\n"):
            print(f"{number}: has no end")
            bad += 1
        try:
            record = json.loads(line.decode("utf-8", "strict"), object_pairs_hook=unique)
        except ValueError as e:
            print(f"{number}: {e}: {line[:120]!r}")
            bad += 1
            continue
        error = next(validator.iter_errors(record), None)
        if error:
            print(f"{number}: {error.json_path}: {error.message}")
            bad += 1
        types[record.get("type")] += 1
    print(" ".join(f"{k}={v}" for k, v in sorted(types.items())) or "no line")
    return 1 if bad or not types else 0


sys.exit(main())
