#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What was built here, on the kernels we promise to run on and in the ways a host may be set up: a
# line for each test of each boot. "6.1: datapath/kern" is that test on Linux 6.1. LIMIT_S=1500
# VM=full runs everything everywhere (half an hour); VM=6.12 only boots whose name has that in it.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
# shellcheck source=selftests/lib/vm.sh
. selftests/lib/vm.sh
need_root
vm_need

VM=${VM:-}
DIR=/tmp/bh-test-$$
trap 'rm -rf "$DIR"' EXIT
trap 'exit 143' TERM INT
mkdir -p "$DIR"

# --- what runs where -----------------------------------------------------------------------------

# On 6.1 the cut of idle connections asks INET_DIAG, which are modules there.
MODULES="veth dummy tun bridge vxlan 8021q sch_ingress cls_bpf inet_diag tcp_diag udp_diag raw_diag"
BASE="datapath/insns datapath/packets"

BOOTS=()
declare -A SERIES CPUS MEMORY ARGS TESTS

boot() { # name series cpus memory_mb kernel-arguments test...
	if [ -n "$VM" ] && [ "$VM" != full ] && [[ $1 != *"$VM"* ]]; then
		return
	fi
	BOOTS+=("$1")
	SERIES[$1]=$2 CPUS[$1]=$3 MEMORY[$1]=$4 ARGS[$1]=$5
	shift 5
	TESTS[${BOOTS[-1]}]=$*
}

# All that the tree has, by directory.
built() { # directory...
	local dir src
	for dir in "$@"; do
		for src in selftests/"$dir"/*.c; do
			[ -e "$src" ] && echo "$dir/$(basename "$src" .c)"
		done
	done
}

# shellcheck disable=SC2046,SC2086  # lists of names
plan() {
	boot 6.1 6.1 2 1024 "" $(built datapath net fault) vm/guest/agent
	boot 6.12 6.12 2 1024 "" $(built datapath net fault) vm/guest/agent
	boot "6.12 lockdown, 4 CPUs" 6.12 4 1024 "lockdown=integrity" $BASE net/promise_mix
	boot "6.1 no IPv6, 1 CPU" 6.1 1 1024 "ipv6.disable=1" $BASE vm/guest/agent
	boot "6.12 160 MB" 6.12 2 160 "" $BASE vm/guest/agent
}

# --- a boot --------------------------------------------------------------------------------------

image() { # boot kernel-directory
	local name
	# shellcheck disable=SC2086  # a list of names
	vm_image_begin "$DIR/$1" "$2" $MODULES
	vm_add_tool ip tc bpftool ss nsenter unshare timeout setsid sleep date find awk ping
	for name in ${TESTS[$1]}; do
		if [ -e "$BUILD/test/$name" ]; then
			vm_add "$BUILD/test/$name" "w/build/test/$name"
		else
			vm_add "selftests/$name.sh"
		fi
		echo "$name $TEST_S"
	done > "$VM_ROOT/tests"
	vm_add selftests/datapath/insns.txt
	vm_add selftests/lib/host.sh
	vm_add "$BUILD/bulkheadd" w/build/bulkheadd
	vm_add "$BUILD/bulkhead" w/build/bulkhead
	vm_image_end "$DIR/$1"
}

run_boot() { # boot
	local kernel
	kernel=$(cat "$DIR/kernel-${SERIES[$1]}")
	mkdir -p "$DIR/$1"
	image "$1" "$kernel"
	# shellcheck disable=SC2086  # a list of words
	vm_boot "$DIR/$1" "$kernel" "${CPUS[$1]}" "${MEMORY[$1]}" "$BOOT_S" ${ARGS[$1]}
	echo $? > "$DIR/$1/status"
}

# One after the other, beside the boots of the other kernel: two cores are all we count on.
run_series() { # series
	local name
	for name in "${BOOTS[@]}"; do
		[ "${SERIES[$name]}" = "$1" ] && run_boot "$name"
	done
}

# --- what came of it -----------------------------------------------------------------------------

tell() { # text file: why it failed
	tap "not ok" "$1"
	tail -n 30 "$2" | sed 's/^/#   /'
}

report_test() { # boot test
	local log=$DIR/$1/out/test/$2.log result=$DIR/$1/out/test/$2.result status took good bad skip plan
	if [ ! -e "$result" ]; then
		tell "$1: $2: did not run" "$DIR/$1/console"
		return
	fi
	read -r status took < "$result"
	skip=$(grep -cE '^(not )?ok\b.*# ?SKIP' "$log")
	good=$(grep -E '^ok\b' "$log" | grep -cvE '# ?SKIP')
	bad=$(grep -E '^not ok\b' "$log" | grep -cvE '# ?SKIP')
	plan=$(grep -oE '^1\.\.[0-9]+' "$log" | cut -d. -f3 | awk '{ n += $1 } END { print n + 0 }')
	if [ "$status" != 0 ] || [ "$bad" != 0 ] || [ "$plan" != $((good + bad + skip)) ]; then
		tell "$1: $2 (exit $status, $bad of $plan failed, $took s)" "$log"
	elif [ "$good" = 0 ]; then
		tap ok "$1: $2 # SKIP all $skip of it"
	else
		tap ok "$1: $2 ($good passed, $skip skipped, $took s)"
	fi
	[ "$2" != datapath/insns ] || grep -E '^# (program|bh_)' "$log"
}

# A slow host stalls a guest: those two say nothing about us. All else that a kernel complains of,
# from a lock taken the wrong way round to a page it could not get, is told here.
HARMLESS='soft lockup|rcu.*(self-detected stall|detected stalls|kthread (starved|timer wakeup))'
COMPLAINTS='WARNING:|BUG:|INFO: |Oops|general protection|Internal error|unregister_netdevice|refcount_t|UBSAN|KASAN|allocation failure|Out of memory|oom-kill|segfault|RCU used illegally'

report_kernel() { # boot
	local out=$DIR/$1/out found
	if [ ! -e "$out/end" ]; then
		tell "$1: came to its end (qemu: $(cat "$DIR/$1/status"))" "$DIR/$1/console"
		sed 's/^/#   /' "$DIR/$1/qemu"
		return
	fi
	found=$(grep -E "$COMPLAINTS" "$out/dmesg" | grep -vE "$HARMLESS")
	is "$1: the kernel has nothing to complain of" "" "$found"
	# Bit 14 is set by a soft lockup.
	is "$1: the kernel is not tainted" 0 $(($(cat "$out/tainted") & ~(1 << 14)))
}

report() {
	local name test
	for name in "${BOOTS[@]}"; do
		for test in ${TESTS[$name]}; do
			report_test "$name" "$test"
		done
		report_kernel "$name"
	done
}

TEST_S=300 BOOT_S=1200
[ -z "$VM" ] || TEST_S=900 BOOT_S=3600
plan
for series in 6.1 6.12; do
	vm_kernel $series > "$DIR/kernel-$series" ||
		vm_fail "no Debian kernel of series $series: not in $VM_CACHE, and apt-get gives none"
done
for series in 6.1 6.12; do
	run_series $series &
done
wait
report
tap_end
