#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a change has put on the disk by the time its caller hears of it: the record of the audit log
# and the state, each synced, the state by way of a new name and its directory. The agent's own
# calls are looked at; power that goes: fault/power.sh, vm/power.sh. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
dir=$SCOPE_DIR/shop
trace=$dir/trace
cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

# In the order of the calls: what was done to which file of the state directory, and "answer".
traced() { # command...
	local pid
	rm -f "$trace" "$dir/strace.said"
	strace -f -y -s 16 -p "$(agent_pid shop)" -o "$trace" \
		-e trace=write,fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg \
		2> "$dir/strace.said" &
	pid=$!
	wait_for 10 grep -q attached "$dir/strace.said"
	"$@" > /dev/null
	kill -INT "$pid"
	wait "$pid"
	sed -nE -e 's/^[0-9]+ +//' \
		-e "s,^(write|fsync|fdatasync)\\([0-9]+<$dir/state/?([^>]*)>.*,\\1 \\2,p" \
		-e "s,^rename[a-z0-9]*\\(.*\"$dir/state/([^\"]*)\".*\"$dir/state/([^\"]*)\".*,rename \\1 \\2,p" \
		-e 's,^(sendto|sendmsg|write)\([0-9]+<(socket|UNIX)[^>]*>.*"\{\\"ok.*,answer,p' "$trace"
}

# shellcheck disable=SC2317  # called by check
in_order() { # steps, one each
	local done=0 step
	for step; do
		at=$(tail -n "+$((done + 1))" <<< "$steps" | grep -nxF -m1 -- "$step" | cut -d: -f1)
		[ -n "$at" ] || { printf '# not there, or too late: %s\n# %s\n' "$step" "${steps//$'\n'/; }"; return 1; }
		done=$((done + at))
	done
}

agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"

steps=$(traced bh shop mode observe)
check "the audit log: written, synced, then answered" \
	in_order "write audit.jsonl" "fdatasync audit.jsonl" answer
check "the state: aside, synced, renamed, its directory synced, then answered" \
	in_order "write state.new" "fsync state.new" "rename state.new state" "fsync " answer
steps=$(traced bh shop apply --yes "$SCOPE_DIR/shop.yaml")
check "with another map, too" \
	in_order "write state.new" "fsync state.new" "rename state.new state" "fsync " answer
steps=$(traced bh shop quarantine 192.0.2.7 --reason x)
check "a quarantine" in_order "write holds.new" "fsync holds.new" "rename holds.new holds" "fsync " answer
check "and its record" in_order "write audit.jsonl" "fdatasync audit.jsonl" answer
tap_end
