#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each reason of include/bh_reason.h has to have come up in a test, but for what nothing can say
# yet.
set -uo pipefail

later=' QUARANTINE '
while read -r name; do
	[[ $later == *" $name "* ]] && continue
	grep -rqwE "BH_R_$name|$name|${name,,}" selftests --include='*.c' --include='*.sh' ||
		{ echo "no test has ever seen reason $name"; exit 1; }
done < <(sed -nE 's/^\tBH_REASON\([0-9]+, ([A-Z0-9_]+),.*$/\1/p' include/bh_reason.h)
