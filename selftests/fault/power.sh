#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The state directory's disk loses power while changes are made, again and again: ext4 is told to stop
# at once (EXT4_IOC_SHUTDOWN, no flush of its journal), the agent is killed, its pins go. What is there
# after the journal's replay is what was answered last, or what was being made, whole; quarantines and
# records that were answered are there. The same with a machine and its disk: vm/power.sh.
# Run by selftests/run; FAULT=full does it 100 times.
# LIMIT_S=1200
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/power.sh
. "$(dirname "$0")/../lib/power.sh"
need_agent

CUTS=6
[ "${FAULT:-}" = full ] && CUTS=100
SEED=${BH_SEED:-$RANDOM}

scope_begin bh-test
host_make shop || exit 1
dir=$SCOPE_DIR/shop
all=$SCOPE_DIR/all

say() { # words
	echo "$*" >> "$all"
}

power_serve() { # port
	serve shop $power_cache tcp :: "$1"
}

# The mount and its loop device end with the namespace.
disk_mount() {
	on shop mount -o loop "$SCOPE_DIR/disk" "$dir/state"
}

cat > "$SCOPE_DIR/cut.py" <<'PY'
import fcntl, os, random, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
time.sleep(random.Random(sys.argv[2]).uniform(0.02, 1.5))
with open(sys.argv[3], "a") as told:
    told.write("cut\n")
# EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
fcntl.ioctl(fd, 0x8004587D, struct.pack("I", 2))
PY

# From power on to power off.
life() { # number
	local n changes unit
	say "boot $1"
	found disk disk_mount
	found start agent_start shop ""
	power_tell
	say "ready"
	n=$(grep -oE '^(begin .*|plain) [0-9]+$' "$all" | grep -oE '[0-9]+$' | sort -n | tail -n 1)
	power_changes $((${n:-0} + 1)) 2> /dev/null &
	changes=$!
	disown
	on shop python3 "$SCOPE_DIR/cut.py" "$dir/state" "$SEED.$1" "$all"
	kill -KILL $changes
	for unit in bulkhead.service redis.service; do
		[ ! -d "$SCOPE_CG/shop/system.slice/$unit" ] ||
			echo 1 > "$SCOPE_CG/shop/system.slice/$unit/cgroup.kill"
	done
	wait_for 10 on shop umount "$dir/state" || say "found umount 1"
	on shop rm -rf "$dir/bpf/bulkhead/v3"
}

truncate -s 32M "$SCOPE_DIR/disk"
if ! { mkfs.ext4 -q -F "$SCOPE_DIR/disk" && disk_mount; }; then
	echo "no ext4 on a loop device here"
	exit 77
fi
on shop umount "$dir/state"
: > "$all"
echo "# BH_SEED=$SEED"
for ((i = 0; i <= CUTS; i++)); do life $i; done
power_judged "$all" $CUTS
tap_end
