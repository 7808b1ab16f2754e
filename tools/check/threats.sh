#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every test that docs/threats.md names exists and is run; every bypass test and each of the 46
# classes is in it. The tests of each fault in docs/testing.md, too.
set -uo pipefail
python3 - <<'PY'
import pathlib, re, sys

page = pathlib.Path("docs/threats.md").read_text()
tests = pathlib.Path("selftests")
bad, named = [], set()

for where, name in re.findall(r"`([a-z0-9]+/[a-z0-9_.]+): ([^`]+)`", page):
    named.add((where, name))
    path = tests / (where if re.search(r"\.(sh|bats)$", where) else where + ".c")
    if not path.is_file():
        bad.append(f"{where}: no such file")
        continue
    text = path.read_text()
    if path.suffix == ".c":
        # defined, and in the list of main()
        if not re.search(rf"^static void {name}\((?:_unused_ )?void", text, re.M):
            bad.append(f"{where}: no function {name}")
        elif not re.search(rf"(TEST|cmocka_unit_test\w*)\(\s*{name}\b", text):
            bad.append(f"{where}: {name} is not run")
    elif f'"{name}"' not in text:
        bad.append(f"{where}: no test '{name}'")

for path in sorted(tests.glob("net/bypass_*.c")):
    for name in re.findall(r"^static void (test_\w+)\((?:_unused_ )?void", path.read_text(), re.M):
        if ("net/" + path.stem, name) not in named and name not in page:
            bad.append(f"docs/threats.md does not name net/{path.stem}: {name}")

rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page, re.M))
for i in range(1, 47):
    row = rows.get(str(i), "")
    if not re.search(r"`[^`]+: [^`]+`|not yet|not applicable: ", row):
        bad.append(f"docs/threats.md: class {i} has neither a test nor a reason")
if len(named) < 40:
    bad.append(f"docs/threats.md: only {len(named)} tests could be read")

page = pathlib.Path("docs/testing.md").read_text()
faults = dict(re.findall(r"^\| (F\d+) \|.*\| ([^|]*) \|$", page, re.M))
for where in re.findall(r"`([a-z0-9]+/[a-z0-9_./]+)`", " ".join(faults.values())):
    if not any((tests / (where + end)).exists() for end in ("", ".c")):
        bad.append(f"docs/testing.md: {where}: no such test")
if len(faults) < 20:
    bad.append(f"docs/testing.md: only {len(faults)} faults could be read")

print("\n".join(bad) if bad else f"{len(named)} tests are named")
sys.exit(bool(bad))
PY
