#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/reasons.md lists include/bh_reason.h. `tools/check/reasons.sh --write` makes it again.
set -uo pipefail

page() {
	# shellcheck disable=SC2016  # Markdown's backticks
	{
		echo '# Reasons'
		echo
		echo 'Why a packet, a connection or a socket was let through or denied: the names that'
		echo '`bulkhead explain`, `flows`, `get reasons` and the metrics use. The list is'
		echo '`include/bh_reason.h`; this page is made from it by `tools/check/reasons.sh --write`.'
		echo
		echo '| number | reason | class | meaning |'
		echo '|---|---|---|---|'
	}
	sed -z 's/[ \t]*\\\n[ \t]*\([^B/ \t]\)/ \1/g' include/bh_reason.h |
		sed -nE 's/^\tBH_REASON\(([0-9]+), ([A-Z0-9_]+), ([A-Z]+), "(.*)"\).*$/\1|\2|\3|\4/p' |
		while IFS='|' read -r number name class text; do
			echo "| $number | \`${name,,}\` | ${class,,} | $text |"
		done
}

if [ "${1:-}" = --write ]; then
	mkdir -p docs && page > docs/reasons.md
	exit
fi
# An entry that the expression above can't read would be missed by both sides.
listed=$(page | grep -c '^| [0-9]')
defined=$(grep -cE '^\s+BH_REASON\(' include/bh_reason.h)
if [ "$listed" != "$defined" ] || [ "$listed" = 0 ]; then
	echo "include/bh_reason.h has $defined reasons, this script could read $listed"
	exit 1
fi
diff -u docs/reasons.md <(page) || { echo "run tools/check/reasons.sh --write"; exit 1; }
