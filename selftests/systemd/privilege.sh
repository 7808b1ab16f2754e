#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The sandbox of bulkhead.service (LIMIT_S=600 on a busy machine): systemd's own score of it; each
# capability, address family, path and group of system calls that it leaves is needed, for without
# it the agent says what it can't do; and nothing that the agent does in a whole life is missing.
# Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/machine.sh
. "$(dirname "$0")/../lib/machine.sh"
need_agent

scope_begin bh-test
if ! { machine_make && machine_boot; }; then
	tap "not ok" "the machine boots"
	tap_end
fi

map() { # port
	cat <<-YAML
		version: 1
		name: shop
		mode: enforce
		default: { ingress: deny, egress: deny }
		segments:
		  web:   { match: { unit: "web*.service", user: root } }
		  cache: { match: { unit: cache.service } }
		allow:
		  - { id: web-cache, from: web, to: cache, port: tcp/$1 }
		failsafe:
		  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
	YAML
}

nic="ExecStart=
ExecStart=/usr/sbin/bulkheadd --interfaces eth1=auto"
map 6379 | inside_write /etc/bulkhead/shop.yaml
map 6380 | inside_write /etc/bulkhead/other.yaml
service cache python3 $MACHINE_PEER serve tcp :: 6379
drop_in nic "$nic
Restart=no"

# --- what is left is needed ----------------------------------------------------------------------

check "started with all it may" inside systemctl start bulkhead.service
check "and applies a map" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml
check "exposure is 2.0 or less" inside systemd-analyze security --threshold=20 bulkhead.service
status_of() { # field of /proc/PID/status
	inside sed -n "s/^$1:\t//p" "/proc/$(property MainPID)/status"
}
is "it is nobody but itself" "$(inside id -u bulkhead) bulkhead" \
	"$(status_of Uid | cut -f2) $(inside stat -c %U /var/lib/bulkhead)"
check "which is not root" [ "$(inside id -u bulkhead)" != 0 ]
is "an exec of its would inherit nothing" "0 0" \
	"$((0x$(status_of CapInh))) $((0x$(status_of CapAmb)))"
is "of /sys/fs it sees" "bpf cgroup" "$(inside nsenter -t "$(property MainPID)" -m ls /sys/fs | xargs)"
is "of the bpffs it sees its own" bulkhead \
	"$(inside nsenter -t "$(property MainPID)" -m ls /sys/fs/bpf | xargs)"
is "a reader's group owns the socket" "bulkhead-read 660" \
	"$(inside stat -c '%G %a' /run/bulkhead/control.sock)"

# What it can't see of the device from in there it says, and takes for unknown; docs/attestation.md has
# the list. The rest it has to see.
posture() { # expression of by: its claims by name
	inside bulkhead attest -o json | python3 -c '
import json, sys
by = {r["claim"]: r for r in json.load(sys.stdin)["data"]["claims"]}
print(eval(sys.argv[1]))' "$1"
}
hidden='["bpf_programs", "auditd", "time_sync"]'
is "what the sandbox hides of the device is unknown" '[("unknown", "EPERM")]' \
	"$(posture "sorted({(by[n]['state'], by[n]['error']) for n in $hidden})" | tr "'" '"')"
is "and nothing else, but what is root's alone to read" "[]" \
	"$(posture "[(n, r['error']) for n, r in by.items() if r['error'] not in (None, 'ENOENT') and n not in $hidden + ['net.core.bpf_jit_harden', 'ima', 'mac_lsm']]")"

# A life as short as it can be, to where it fails. Return: 0 if nothing did.
works() {
	inside systemctl restart bulkhead.service && inside bulkhead apply --force --enforce --yes /etc/bulkhead/other.yaml &&
		inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml &&
		! grep problem <<< "$(inside bulkhead status)"
}

# @pattern: in the words of the agent, of its client, or of the dynamic linker. None where it may
# have lost what it would say it with; then systemd has to call it failed.
fails_without() { # what line [pattern]
	local since said words
	since=$(journal_now)
	drop_in without "$2"
	if said=$(works 2>&1); then
		tap "not ok" "without $1 it fails"
		return
	fi
	said=$(agent_said "$since"
		grep -vE '^(Job for|See "systemctl)' <<< "$said")
	words=$(grep -iE -m1 "${3:-.}" <<< "$said" | cut -c -100)
	if [ -n "${3:-}" ]; then
		check "without $1 it says: $words" test -n "$words"
	else
		check "without $1 it fails: ${words:-silently}" test -n "$words$(grep failed <<< "$(property ActiveState)")"
	fi
	[ -n "$words" ] || printf '# it says: %s\n' "${said//$'\n'/$'\n# '}"
}

for cap in $(property CapabilityBoundingSet); do
	fails_without "$cap" "CapabilityBoundingSet=~${cap^^}
AmbientCapabilities=~${cap^^}" "${cap^^} is missing"
done
is "enforced all the same" EPERM "$(asks report-ask 10.77.0.1 6379)"
for family in $(property RestrictAddressFamilies); do
	fails_without "$family" "RestrictAddressFamilies=~$family" "address family|network devices"
done
fails_without "its pins" "BindPaths=
BindReadOnlyPaths=/sys/fs/cgroup /sys/fs/bpf/bulkhead" "read-only file system"
# systemd has a mode for the mount and the kernel none for who it is: 0700, root
fails_without "a /sys/fs of its own" "TemporaryFileSystem=" "pin directory.*permission denied"

# The groups of @system-service that the unit does not take away, but the one all programs need.
left() {
	local group taken
	taken=$(sed -n 's/^SystemCallFilter=~//p' "$MACHINE_TREE/tools/systemd/bulkhead.service")
	for group in $(inside systemd-analyze syscall-filter @system-service | grep -oE '^ +@[a-z-]+'); do
		[ "$group" = @default ] || grep -qwF -- "$group" <<< "$taken" || echo "$group"
	done
}

for group in $(left) bpf capset; do
	fails_without "$group" "SystemCallFilter=~$group"
done
is "enforced all the same" EPERM "$(asks report-ask 10.77.0.1 6379)"
drop_in without ""
check "with all of it it works again" works

# --- and nothing is missing ----------------------------------------------------------------------

allowed() {
	local call
	for call in $(property SystemCallFilter); do
		echo "$call"
	done
}

# Without a filter, so that what it would stop is seen, too.
drop_in without "SystemCallFilter=
SystemCallErrorNumber=
ExecStart=
ExecStart=strace -f -qq -c -U name -o /var/lib/bulkhead/calls /usr/sbin/bulkheadd --interfaces eth1=auto
NotifyAccess=all
WatchdogSec=0"
check "a life under strace: it starts" inside systemctl restart bulkhead.service
check "applies" inside bulkhead apply --force --enforce --yes /etc/bulkhead/other.yaml
for ask in "get segments" "get workloads" "get listeners" "flows" "diff /etc/bulkhead/other.yaml" \
	"explain web cache:6380/tcp" "mode observe" "mode enforce" "version" "attest" "status"; do
	# shellcheck disable=SC2086  # several words
	check "answers $ask" inside bulkhead $ask
done
inside ip link add eth2 type veth peer name peer2
check "reload" inside systemctl reload bulkhead.service
check "detach" inside bulkhead detach --yes
check "and ends" wait_for 30 is_state inactive
# shellcheck disable=SC2016  # for awk
calls=$(inside awk 'NR > 2 && $1 != "total" && /^[a-z0-9_]+$/' /var/lib/bulkhead/calls)
drop_in without ""
check "strace saw it ($(wc -w <<< "$calls") calls)" grep -qx bpf <<< "$calls"
# how well the clock runs is asked, refused with ProtectClock=, and unknown then: see above
is "the unit allows all of them" "" "$(grep -vxFf <(allowed) <<< "$calls" | grep -vx clock_adjtime)"
tap_end
