#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One subject a file (600 lines), one thought a function (100 lines).
set -uo pipefail
python3 - <<'PY'
import pathlib, re, sys

bad = 0
files = [p for d in ("agent", "bpf", "include", "tools/bulkhead", "selftests")
         for p in pathlib.Path(d).rglob("*.[ch]")]
for path in sorted(files):
    lines = path.read_text().splitlines()
    if len(lines) > 600:
        print(f"{path}: {len(lines)} lines, at most 600")
        bad = 1
    start = None
    for n, line in enumerate(lines, 1):
        # clang-format puts a function's braces, and nothing else's, alone in column 0
        if line == "{":
            start = n
        elif line == "}" and start:
            if n - start - 1 > 100:
                name = re.sub(r"\(.*", "", " ".join(lines[max(0, start - 4):start - 1])).split()
                print(f"{path}:{start}: {name[-1] if name else '?'}: {n - start - 1} lines, at most 100")
                bad = 1
            start = None
if not files:
    print("no sources found")
sys.exit(bad or not files)
PY
