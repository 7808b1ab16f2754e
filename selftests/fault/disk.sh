#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The state directory of a host that rebooted: unreadable, read-only, cut short, of another version of
# the agent. It never starts open, says what is wrong, and enforces the map once it is mended. Every
# byte of the files themselves: unit/control_state.c; a full disk: e2e/agent.sh. Run by selftests/run.
# LIMIT_S=400
# shellcheck disable=SC2317  # called by name
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one
agent_end shop
cp -a "$dir/state" "$dir/kept"

# The agent has no right to pass over permissions: it gave that away.
no_right() { chmod 0 "$dir/state/state"; }
no_right_to_any() { chmod 0 "$dir/state/state" "$dir/state/enforced"; }
cut() { truncate -s 100 "$dir/state/state"; }
newer() { sed -i '1s/^bulkhead-state 1 /bulkhead-state 2 /' "$dir/state/state"; }
both_cut() { truncate -s 0 "$dir/state/state" "$dir/state/enforced"; }

after() { # what pattern
	on shop rm -rf "$dir/bpf/bulkhead/v3"
	rm -rf "$dir/state"
	cp -a "$dir/kept" "$dir/state"
	"$1"
	: > "$dir/agent.log"
	agent_start shop eth1=auto > /dev/null
	is "$1: what is forbidden" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
	is "$1: what the map allowed" EPERM "$(ask shop $web tcp fd77::1 6379)"
	bh shop status > "$dir/answer" 2>&1
	is "$1: 'no' to status" 3 $?
	check "$1: which says why" grep -q "$2" "$dir/answer"
	agent_end shop
}

after no_right "Permission denied"
after no_right_to_any "Permission denied"
after cut "cut short"
after newer "another version"
after both_cut "no such file of the agent, or it is damaged"

# Mended, and rebooted: the map that was there before.
on shop rm -rf "$dir/bpf/bulkhead/v3"
rm -rf "$dir/state"
mv "$dir/kept" "$dir/state"
check "mended: it starts" agent_start shop eth1=auto
is "and enforces the map" one "$(whole shop)"
agent_end shop

# Read-only: the map that is on it holds, and no other is taken.
on shop mount --bind -o ro "$dir/state" "$dir/state"
on shop mount -o remount,bind,ro "$dir/state"
check "read-only: it starts" agent_start shop eth1=auto
is "what is forbidden" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
is "what is allowed" answered "$(ask shop $web tcp fd77::1 6379)"
apply shop two
is "a map is refused" 1 $?
check "with the reason" grep -q "Read-only file system" "$dir/answer"
is "and not enforced" one "$(whole shop)"
tap_end
