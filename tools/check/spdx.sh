#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every source says its licence within its first three lines, and it is the right one for its place.
set -uo pipefail
bad=0 n=0
while read -r f; do
	case $f in
	./bpf/* | ./include/*) want='GPL-2.0-only OR BSD-2-Clause' ;;
	*) want='Apache-2.0' ;;
	esac
	n=$((n + 1))
	head -n 3 "$f" | grep -qF "SPDX-License-Identifier: $want" ||
		{ echo "$f: its first lines lack 'SPDX-License-Identifier: $want'"; bad=1; }
done < <(find . \( -name .git -o -path "./${BUILD:-build}" -o -path ./build \) -prune -o -type f \( \
	-name '*.[ch]' -o -name '*.sh' -o -name '*.bats' -o -name '*.py' -o -name Makefile \
	-o -path './selftests/run' -o -path './.ci/run' -o -name '*.service' \) -print)
[ $n -gt 0 ] || { echo "no sources found"; bad=1; }
exit $bad
