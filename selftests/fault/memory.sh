#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A commit in which an allocation fails, or all from one on, in the agent or any of its libraries: the
# new map is enforced and on the disk, or the old one is, never something of both; the next apply is
# taken. A kernel that kills the agent for want of memory: vm/guest/clock.sh.
# Run by selftests/run; FAULT=full tries every allocation.
# LIMIT_S=900
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
plan=$dir/plan
truncate -s 32 "$plan"
AGENT_UNDER=(env "LD_PRELOAD=$BUILD/test/alloc.so" "BH_ALLOC=$plan")
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
apply shop one && apply shop two
is "two maps are taken" two "$(whole shop)"

MANY=150
[ "${FAULT:-}" = full ] && MANY=0

fail() { # what more
	local tried unsaid wrong
	python3 "$SELFTESTS_LIB/allocs.py" "$dir/run/control.sock" "$dir/state" "$plan" \
		"$(agent_pid shop)" "$dir/one.yaml" "$dir/two.yaml" $MANY "$2" > "$dir/tries" 2>&1
	grep -E '^#|Error' "$dir/tries"
	read -r tried refused unsaid wrong _ < <(tail -n 1 "$dir/tries")
	is "$1: $tried tried, $unsaid without an answer: wrong" 0 "$wrong"
	check "$1: many are not taken ($((refused + unsaid)))" [ $(((refused + unsaid) * 3)) -gt "$tried" ]
	check "$1: the next map is taken" apply shop one
	is "$1: and enforced" one "$(whole shop)"
}

probes_start shop
fail "one allocation" 0
# where few fail there is a word
check "and $refused of them say so" [ "$refused" -gt 10 ]
fail "all from one on" 1000000
probes_end shop "while there was no memory"
check "status is content" bh shop status
is "the history is whole" "" "$(past shop)"
tap_end
