#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine loses power while its agent changes things, again and again: each time it starts with the
# map that was answered last, or the one that was being made, whole; with the quarantines that were
# answered; with an audit log that has all that was answered, and is not taken for tampered with.
# Its disk has a volatile cache (selftests/lib/lossy.py): what was not flushed is lost, in part or
# wholly. LIMIT_S=3600 (in the usual case a minute or two); VM=full cuts 60 times.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
# shellcheck source=selftests/lib/vm.sh
. selftests/lib/vm.sh
# shellcheck source=selftests/lib/power.sh
. selftests/lib/power.sh
need_root
vm_need

DIR=/tmp/bh-test-$$
SCOPE_DIR=$DIR
trap 'rm -rf "$DIR"' EXIT
trap 'exit 143' TERM INT
mkdir -p "$DIR"

CUTS=2
[ "${VM:-}" = full ] && CUTS=60
SEED=${BH_SEED:-$RANDOM}
BOOT_S=300

image() { # directory kernel
	vm_image_begin "$1" "$2" virtio_pci virtio_blk sch_ingress cls_bpf tcp_diag
	vm_add_tool ip nsenter unshare timeout setsid sleep date find awk
	vm_add selftests/vm/guest/power.sh
	vm_add selftests/lib/host.sh
	vm_add selftests/lib/power.sh
	vm_add "$BUILD/bulkheadd" w/build/bulkheadd
	vm_add "$BUILD/bulkhead" w/build/bulkhead
	echo "vm/guest/power $BOOT_S" > "$VM_ROOT/tests"
	vm_image_end "$1"
}

said() { # words: in this boot
	grep -q "^$1" "$DIR/vm/said"
}

# From power on to power off.
life() { # number kernel
	local n pid dir=$DIR/vm
	rm -f "$dir"/{out.tar,said} "$DIR/disk.socket"
	setpriv --pdeathsig KILL python3 selftests/lib/lossy.py "$DIR/disk" "$DIR/disk.socket" "$SEED.$1" >> "$DIR/lost" 2>&1 &
	wait_for 10 test -S "$DIR/disk.socket" || return
	n=$(grep -ohE '^(begin|plain) .*' "$DIR/all" | grep -oE '[0-9]+$' | sort -n | tail -n 1)
	vm_machine "$dir" "$2" 1 512 "power=$((${n:-0} + 1))"
	# it must not outlive us
	setpriv --pdeathsig KILL "${VM_QEMU[@]}" -serial "file:$dir/said" \
		-drive "file=nbd:unix:$DIR/disk.socket,format=raw,if=virtio,cache=writeback" \
		> "$dir/qemu" 2>&1 < /dev/null &
	pid=$!
	wait_for "$BOOT_S" eval "said ready || ! kill -0 $pid"
	# somewhere in a change, and sometimes in the first one
	python3 -c "import random; print(random.Random('$SEED.$1').uniform(0.05, 4))" > "$DIR/wait"
	sleep "$(cat "$DIR/wait")"
	kill -KILL $pid
	wait 2> /dev/null
	{ echo "boot $1" && cat "$dir/said"; } >> "$DIR/all"
	said ready || { echo "# boot $1 did not get there:"; tail -n 20 "$dir/console" | sed 's/^/#   /'; }
}

kernel=$(vm_kernel "${POWER_KERNEL:-6.1}") ||
	vm_fail "no Debian kernel of series 6.1: not in $VM_CACHE, and apt-get gives none"
mkdir -p "$DIR/vm"
: > "$DIR/all"
image "$DIR/vm" "$kernel"
truncate -s 32M "$DIR/disk"
mkfs.ext4 -q -F "$DIR/disk" || vm_fail "no file system can be made"
echo "# BH_SEED=$SEED"
# the last one only tells what it found
for ((i = 0; i <= CUTS; i++)); do
	life $i "$kernel"
done
sed 's/^/# /' "$DIR/lost"
power_judged "$DIR/all" $CUTS
tap_end
