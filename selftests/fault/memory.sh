#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A commit in which an allocation fails, or all from one on, in the agent or any of its libraries: the
# new map is enforced and on the disk, or the old one is, never something of both; the next apply is
# taken. Only libfyaml and glibc's fts_open(), which do not look at each of their own, may end the agent: the
# next one finds one of both. A kernel that kills the agent for want of memory: vm/guest/clock.sh.
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
truncate -s 40 "$plan"
AGENT_UNDER=(env "LD_PRELOAD=$BUILD/test/alloc.so" "BH_ALLOC=$plan")
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
apply shop one && apply shop two
is "two maps are taken" two "$(whole shop)"

MANY=60
[ "${FAULT:-}" = full ] && MANY=0

# From an allocation on; in t, r, u, w and died what came of it.
some_tries() { # from more
	t=0 r=0 u=0 w=0 died=0
	python3 "$SELFTESTS_LIB/allocs.py" "$dir/run/control.sock" "$dir/state" "$plan" \
		"$(agent_pid shop)" "$dir/one.yaml" "$dir/two.yaml" $MANY "$2" "$1" > "$dir/tries" 2>&1
	grep -E '^#|Error' "$dir/tries"
	tail -n 1 "$dir/tries" | grep -qxE '[0-9]+( [0-9]+){4}' || { w=1; return; }
	read -r t r u w died < <(tail -n 1 "$dir/tries")
}

fail() { # what more
	local tried=0 unsaid=0 wrong=0 ends=0 from=1 t r u w died
	refused=0
	while [ $from != 0 ]; do
		some_tries $from "$2"
		tried=$((tried + t)) refused=$((refused + r)) unsaid=$((unsaid + u)) wrong=$((wrong + w))
		from=0
		[ "$died" != 0 ] || continue
		ends=$((ends + 1)) from=$((died + 1))
		agent_end shop
		agent_start shop eth1=auto || from=0
		[[ $(whole shop) =~ ^(one|two)$ ]] || { wrong=$((wrong + 1)); echo "# $(whole shop)"; }
	done
	is "$1: $tried tried, $unsaid without an answer, $ends ends in libraries: wrong" 0 "$wrong"
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
