#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs and maps are called bh_* and fit bpftool's 15 characters. Asks the object that was
# built where there is one, so that a macro can't hide a name.
set -uo pipefail
bad=0 n=0
obj=${BUILD:-build}/bulkhead.bpf.o
if ! compgen -G 'bpf/*.bpf.c' > /dev/null && [ ! -e "$obj" ]; then
	echo "no kernel programs in this tree"
	exit 77
fi
[ -e "$obj" ] || { echo "no $obj: build first"; exit 1; }

while read -r name; do
	[ -n "$name" ] || continue
	n=$((n + 1))
	[[ $name == bh_* ]] || { echo "$name: programs and maps are called bh_*"; bad=1; }
	[ ${#name} -le 15 ] || { echo "$name: ${#name} characters, bpftool shows 15"; bad=1; }
done < <(python3 - "$obj" <<'PY'
# Programs are the functions in sections of their own, maps the variables in .maps.
import subprocess, sys
out = subprocess.run(["llvm-readelf", "-sSW", sys.argv[1]], capture_output=True, text=True, check=True).stdout
section, names = {}, set()
for line in out.splitlines():
    f = line.replace("[", " ").replace("]", " ").split()
    if len(f) > 6 and f[0].isdigit() and f[2] in ("PROGBITS", "NULL") and not f[0].endswith(":"):
        section[f[0]] = f[1]
    if len(f) == 8 and f[0].endswith(":"):
        kind, bind, where, name = f[3], f[4], section.get(f[6], ""), f[7]
        if where == ".maps" and kind == "OBJECT":
            names.add(name)
        if kind == "FUNC" and bind == "GLOBAL" and where not in ("", ".text"):
            names.add(name)
print("\n".join(sorted(names)))
PY
)
[ $n -gt 0 ] || { echo "$obj: no programs and no maps found"; bad=1; }
echo "$n names"
exit $bad
