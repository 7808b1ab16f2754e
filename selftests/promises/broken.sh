#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tests of the agent's promises can fail: each promise is broken on purpose, in a build of its
# own that knows how (agent/base/broken.h), and its test has to notice. Run by selftests/run. It
# builds everything anew: LIMIT_S=600.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
broken=$BUILD/broken
n=0 bad=0

result() { # verdict text
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || bad=1
}

# The test must fail, and at what belongs to the promise.
must_fail() { # promise text pattern command...
	local promise=$1 text=$2 pattern=$3 log=$broken/p$1.log
	shift 3
	BUILD=$broken BH_BROKEN=$promise CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 100 "$@" > "$log" 2>&1
	if grep -qE "^not ok.*$pattern" "$log"; then
		result ok "P$promise broken: $text"
	else
		result "not ok" "P$promise broken, and nobody noticed: $text"
		tail -n 20 "$log" | sed 's/^/# /'
	fi
}

mkdir -p "$broken"
if ! make -j2 BREAK=1 BUILD="$broken" programs "$broken/test/net/promise_mix" \
	"$broken/test/net/promise_memory" "$broken/test/helpers/prober" > "$broken/make.log" 2>&1; then
	tail -n 20 "$broken/make.log"
	exit 1
fi

must_fail 1 "a verdict mixes two generations" no_verdict_mixes "$broken/test/net/promise_mix"
must_fail 2 "the agent's death ends enforcement" "killed: report -> cache" \
	bash selftests/e2e/lifecycle.sh
must_fail 3 "a start opens a window" "killed and started: forbidden" \
	env RESTARTS=3 COMMITS=1 BIRTHS=1 bash selftests/e2e/windows.sh
must_fail 4 "no memory means pass" no_memory "$broken/test/net/promise_memory"
must_fail 5 "half of a bad map is taken" "(a bad map is refused|the generation stays)" bash selftests/e2e/lifecycle.sh
echo "1..$n"
exit $bad
