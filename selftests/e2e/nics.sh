#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# New devices, each with forbidden frames from its first moment: sockets are judged from the first
# packet, what the kernel itself answers within 50 ms. LIMIT_S=300. Run by selftests/run;
# WINDOWS=full for a thousand; NICS for another number.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/probes.sh
. "$(dirname "$0")/../lib/probes.sh"
need_agent
NICS=${NICS:-$(how_many 1000 200)}

scope_begin bh-test
probes_hosts || exit 1
# frames come in at one device and are answered by another
for dev in all default; do
	on shop sysctl -qw net.ipv4.conf.$dev.rp_filter=0
done

nics() { # count
	on outside "$BUILD/test/helpers/nics" "$1" "$(host_pid shop)" eth1 6379 8080 \
		> "$SCOPE_DIR/nics" 2>&1 || cat "$SCOPE_DIR/nics"
}

number() { # name
	awk -v name="$1" '$1 == name { print $2 }' "$SCOPE_DIR/nics"
}

names=eth1=auto
for i in $(seq 0 49); do
	names+=,n$i=auto
done
agent_start shop "$names" || { tap "not ok" "the agent starts"; tap_end; }

nics 1
check "before any map forbidden frames pass ($(number forbidden_passed) of $(number forbidden))" \
	[ "$(number forbidden_passed)" -gt 0 ]
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
nics "$NICS"
is "new devices" "$NICS" "$(number devices)"
is "$(number forbidden) forbidden frames: passed" 0 "$(number forbidden_passed)"
check "of $(number allowed) allowed ones, $(number allowed_lost) were lost" \
	[ "$(number allowed)" -gt "$NICS" -a "$(number allowed_lost)" = 0 ]
is "devices that never got a program" 0 "$(number unguarded)"
# how soon the agent runs is the scheduler's word: on a busy machine some may be late
check "within 50 ms all but $(number late); the last after $(number worst_ms) ms" \
	[ "$(number late)" -le $((NICS / 10)) ]
tap_end
