#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Somebody takes away what holds enforcement, under a running agent: links are detached by force,
# pins removed, the bpffs unmounted and mounted again. It is told, put back where that is possible,
# and a later agent finds all it needs; what is forbidden by another hook meanwhile never passes.
# Run by selftests/run.
# LIMIT_S=400
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
pins=$dir/bpf/bulkhead/v3

is_content() {
	bh shop status > "$dir/status" 2>&1
}

problems() {
	status_of shop '"; ".join(d["problems"])'
}

# Every pin there is, in few letters.
pinned() {
	on shop find "$pins" -type f -printf '%P\n' | sort | cksum
}

agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one
check "status is content" is_content
all=$(pinned)
probes_start shop

# `status` says it, or the agent has seen and mended it in between and said so.
log_lines() {
	wc -l < "$dir/agent.log"
}

told() { # lines of the log before
	! is_content || [ "$(log_lines)" -gt "$1" ]
}

# --- one hook at a time -------------------------------------------------------------------------
# What connect() is asked at is asked again at the packet, and at the other end's.

for link in $(on shop ls "$pins/links"); do
	before=$(log_lines)
	on shop bpftool link detach pinned "$pins/links/$link" > /dev/null 2>&1 || continue
	told "$before" || { tap "not ok" "$link detached: nobody says so"; continue; }
	check "$link detached: it comes back" wait_for 8 is_content
done
is "all pins are there" "$all" "$(pinned)"

before=$(log_lines)
for pin in links/bh_connect4 links/bh_cg_mkdir maps/bh_ctl maps/bh_policy progs/bh_judge; do
	on shop rm "$pins/$pin"
done
check "pins removed: told" told "$before"
check "they come back" wait_for 8 is_content
is "all of them" "$all" "$(pinned)"

before=$(log_lines)
on shop rm -r "$pins"
check "all pins removed: told" told "$before"
check "they come back" wait_for 8 is_content
is "all of them again" "$all" "$(pinned)"
# Denied by the next hook it takes a while to notice; a socket that was born without a hook is denied.
probes_stop shop
check "what is forbidden never passed ($(outcomes shop forbidden), $(probed shop forbidden) probes)" \
	test -z "$(grep connected "$dir/forbidden.probe")"
check "what is allowed was tried ($(probed shop allowed) probes)" \
	grep -q connected "$dir/allowed.probe"

agent_end shop
is "the agent is gone: forbidden" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
check "the next agent takes up what was pinned again" agent_start shop eth1=auto
is "and knows the map" one "$(whole shop)"
check "status is content" is_content

# --- no bpffs ---------------------------------------------------------------------------------------
# The links are held by descriptors: they outlive the mount for as long as the agent lives.

probes_start shop
on shop umount -l "$dir/bpf"
is_content
is "bpffs unmounted: 'no' to status" 3 $?
check "and what is wrong" grep -q "bpffs" <<< "$(problems)"
check "what to do is in the log" wait_for 8 grep -q "mount -t bpf" "$dir/agent.log"
check "a map can be applied all the same" apply shop two
sleep 1
check "nothing was left in the place of the pins" test -z "$(on shop ls "$dir/bpf")"
check "it is said once" test "$(grep -c "mount -t bpf" "$dir/agent.log")" = 1
on shop mount -t bpf bpf "$dir/bpf"
check "mounted again: everything is pinned" wait_for 8 is_content
is "all of it" "$all" "$(pinned)"
probes_end shop "the bpffs unmounted and mounted"

agent_end shop
is "the agent is gone: forbidden" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
check "an agent that finds no bpffs ends at once" eval "
	on shop umount -l $dir/bpf
	agent_spawn shop eth1=auto
	! agent_settles shop"
check "and says what to do" grep -q "mount one: mount -t bpf" "$dir/agent.log"
on shop mount -t bpf bpf "$dir/bpf"
check "with one it enforces the map on the disk" agent_start shop eth1=auto
is "all of it" two "$(whole shop)"
tap_end
