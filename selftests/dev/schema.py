#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Judges segment maps by the published JSON Schema: schema.py SCHEMA good|bad MAP...

Prints a TAP line per map. A bad map whose second line is "# schema: can't tell" is one that
only the parser can refuse: the schema has to take it, so that the mark stays true.
"""
import re
import sys

import jsonschema
import yaml


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, as the parser reads it; PyYAML by itself reads YAML 1.1."""


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), None)


def number(loader, node):
    text = loader.construct_scalar(node)
    # What YAML 1.1 would take for octal is refused by the parser, and is no number here either.
    return text if re.match(r"[-+]?0[0-9]", text) else int(text)


def mapping(loader, node):
    keys = [loader.construct_object(k, deep=True) for k, _ in node.value]
    if len(keys) != len(set(map(str, keys))):
        raise yaml.YAMLError("duplicate key")
    return dict(zip(keys, (loader.construct_object(v, deep=True) for _, v in node.value)))


CoreLoader.add_constructor("tag:yaml.org,2002:int", number)
CoreLoader.add_constructor("tag:yaml.org,2002:map", mapping)


def judge(validator, text):
    """Return: None if the map is valid, else why not."""
    try:
        documents = list(yaml.load_all(text, Loader=CoreLoader))
    except yaml.YAMLError as e:
        return str(e).replace("\n", " ")
    for error in validator.iter_errors(documents[0]):
        return error.message
    return None


def main():
    schema_path, kind, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(schema_path, encoding="utf-8") as f:
        schema = yaml.safe_load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    failed = 0
    for path in paths:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        valid = kind == "good" or "\n# schema: can't tell\n" in text
        why = judge(validator, text)
        if (why is None) != valid:
            print(f"{path}: {why or 'the schema takes it'}")
            failed += 1
    print(f"{len(paths)} maps, {failed} judged otherwise")
    return 1 if failed or not paths else 0


sys.exit(main())
