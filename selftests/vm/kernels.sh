#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What was built here, on the kernels we promise to run on and in the ways a host may be set up: a
# line for each test of each boot. "6.1: datapath/kern" is that test on Linux 6.1. LIMIT_S=14400
# (each boot has a limit of its own); four minutes where two cores are idle.
# VM=full runs everything in every way (an hour or two); VM=6.12 only boots with that in their name.
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
SCOPE_DIR=$DIR
trap 'rm -rf "$DIR"' EXIT
trap 'exit 143' TERM INT
mkdir -p "$DIR"

# --- what runs where -----------------------------------------------------------------------------

# 6.1 has INET_DIAG, which cuts idle connections there, as modules.
MODULES="veth dummy tun bridge vxlan 8021q sch_ingress cls_bpf inet_diag tcp_diag udp_diag raw_diag"
AGENT=vm/guest/agent
# Sets the clock; and what it enforces holds while the kernel kills the agent for want of memory.
CLOCK=vm/guest/clock

BOOTS=()
declare -A SERIES CPUS MEMORY ARGS TESTS

boot() { # name series cpus memory_mb kernel-arguments test...
	local name=$1
	if [ -n "$VM" ] && [ "$VM" != full ] && [[ $name != *"$VM"* ]]; then
		return
	fi
	BOOTS+=("$name")
	SERIES[$name]=$2 CPUS[$name]=$3 MEMORY[$name]=$4 ARGS[$name]=$5
	shift 5
	TESTS[$name]=$*
}

# Compares the parser in userspace with the one in the kernel. On 6.1 BPF_PROG_TEST_RUN of the
# cgroup programs ends without a reason; with real sockets they work.
HERE_ALONE=selftests/datapath/parse.c

# All that the tree has, by directory.
built() { # directory...
	local dir src
	for dir in "$@"; do
		for src in selftests/"$dir"/*.c; do
			[ -e "$src" ] && [ "$src" != "$HERE_ALONE" ] &&
				echo "$dir/$(basename "$src" .c)"
		done
	done
}

# What takes the time is the verifier: loading the object costs a guest 3 s of a core on 6.1, 7 s on
# 6.12, and each test program does it anew. So 6.1, the floor, which differs most from where the
# tests usually run, gets the larger part; 6.12 what depends on features that came between. Left
# out (VM=full runs them):
#   net/matrix, ways, modes, tcp, udp, bypass_*   the same programs and paths as in the rest of
#                                                 net/; 25 to 75 s each
#   datapath/{kern,kern_nic,seed,workload*}       9 to 26 loads each
#   net/promise_memory and the like on 6.1        its optmem_max is one for all namespaces
# Boots in the order of how long they take, the longest first.
plan() {
	boot "6.1 traffic" 6.1 2 1024 "" net/rig net/cut net/tcp_turns net/promise_mix $AGENT
	boot "6.1" 6.1 2 1024 "" datapath/insns datapath/judge datapath/packets \
		datapath/workload datapath/workload_map
	boot "6.12" 6.12 2 1024 "" datapath/insns datapath/packets net/cut net/promise_mix \
		net/promise_memory
	boot "6.1 no IPv6 1 CPU" 6.1 1 1024 ipv6.disable=1 $AGENT datapath/packets
	boot "6.12 160 MB" 6.12 2 160 "" $AGENT
	boot "6.1 clock" 6.1 2 512 "" $CLOCK
	boot "6.12 lockdown 4 CPUs" 6.12 4 1024 lockdown=integrity datapath/packets
}

# shellcheck disable=SC2046
plan_full() {
	local series
	for series in 6.1 6.12; do
		boot "$series" $series 2 1024 "" $(built datapath net fault) $AGENT
		boot "$series clock" $series 2 512 "" $CLOCK
		boot "$series lockdown" $series 2 1024 lockdown=integrity $(built datapath net) $AGENT
		boot "$series 1 CPU" $series 1 1024 "" $(built datapath net) $AGENT
		boot "$series 4 CPUs" $series 4 1024 "" $(built datapath net) $AGENT
		# the hosts of net/ have IPv6 addresses
		boot "$series no IPv6" $series 2 1024 ipv6.disable=1 datapath/insns datapath/packets \
			datapath/kern datapath/workload datapath/workload_map $AGENT
		boot "$series 160 MB" $series 2 160 "" datapath/insns datapath/packets net/matrix $AGENT
	done
}

# --- a boot --------------------------------------------------------------------------------------

image() { # directory boot kernel-directory
	local name
	# shellcheck disable=SC2086  # a list of names
	vm_image_begin "$1" "$3" $MODULES
	vm_add_tool ip tc bpftool ss nsenter unshare timeout setsid sleep date find awk ping
	for name in ${TESTS[$2]}; do
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
	vm_image_end "$1"
}

run_boot() { # number
	local name=${BOOTS[$1]} dir=$DIR/$1 kernel
	kernel=$(cat "$DIR/kernel-${SERIES[$name]}")
	mkdir -p "$dir"
	image "$dir" "$name" "$kernel"
	# shellcheck disable=SC2086  # a list of words
	vm_boot "$dir" "$kernel" "${CPUS[$name]}" "${MEMORY[$name]}" "$BOOT_S" ${ARGS[$name]}
	echo $? > "$dir/status"
	rm -f "$dir/initrd"
}

# Two at a time: two cores are all we count on.
run_all() {
	local i
	for i in "${!BOOTS[@]}"; do
		[ "$i" -lt 2 ] || wait -n
		run_boot "$i" &
	done
	wait
}

# --- what came of it -----------------------------------------------------------------------------

tell() { # text file: why it failed
	tap "not ok" "$1"
	tail -n 30 "$2" | sed 's/^/#   /'
}

report_test() { # number test
	local text="${BOOTS[$1]}: $2" log=$DIR/$1/out/test/$2.log status took good bad skip plan
	if [ ! -e "${log%.log}.result" ]; then
		tell "$text: did not run" "$DIR/$1/console"
		return
	fi
	read -r status took < "${log%.log}.result"
	skip=$(grep -cE '^(not )?ok\b.*# ?SKIP' "$log")
	good=$(grep -E '^ok\b' "$log" | grep -cvE '# ?SKIP')
	bad=$(grep -E '^not ok\b' "$log" | grep -cvE '# ?SKIP')
	plan=$(grep -oE '^1\.\.[0-9]+' "$log" | cut -d. -f3 | awk '{ n += $1 } END { print n + 0 }')
	if [ "$status" != 0 ] || [ "$bad" != 0 ] || [ "$plan" != $((good + bad + skip)) ]; then
		tell "$text (exit $status, $bad of $plan failed, $took s)" "$log"
	elif [ "$good" = 0 ]; then
		tap ok "$text # SKIP all $skip of it"
	else
		tap ok "$text ($good passed, $skip skipped, $took s)"
	fi
	[ "$2" != datapath/insns ] || grep -E '^# (program|bh_)' "$log"
}

# A busy host stalls its guests: these say nothing about us. All else that a kernel complains of
# is told, from a lock taken the wrong way round to a page it could not get.
HARMLESS='soft lockup|rcu.*(self-detected stall|detected stalls|kthread (starved|timer wakeup))|hrtimer: interrupt took'
COMPLAINTS='WARNING:|BUG:|INFO: |Oops|general protection|Internal error|unregister_netdevice|refcount_t'
COMPLAINTS="$COMPLAINTS|UBSAN|KASAN|allocation failure|Out of memory|oom-kill|segfault|RCU used illegally"
# Of $CLOCK alone, where the agent is killed for want of memory.
MEANT='invoked oom-killer|oom-kill:|Out of memory|out of memory'

report_kernel() { # number
	local out=$DIR/$1/out name=${BOOTS[$1]} found harmless=$HARMLESS
	if [ ! -e "$out/end" ]; then
		tell "$name: came to its end (qemu: $(cat "$DIR/$1/status"))" "$DIR/$1/console"
		sed 's/^/#   /' "$DIR/$1/qemu"
		return
	fi
	[[ ${TESTS[$name]} != *$CLOCK* ]] || harmless="$HARMLESS|$MEANT"
	found=$(grep -E "$COMPLAINTS" "$out/dmesg" | grep -vE "$harmless")
	is "$name: the kernel has nothing to complain of" "" "$found"
	# Bit 14 is set by a soft lockup.
	is "$name: the kernel is not tainted" 0 $(($(cat "$out/tainted") & ~(1 << 14)))
	sed 's/^/# /' "$out/end"
}

report() {
	local i test
	for i in "${!BOOTS[@]}"; do
		for test in ${TESTS[${BOOTS[$i]}]}; do
			report_test "$i" "$test"
		done
		report_kernel "$i"
	done
}

# For a machine that is ten times slower than it should be; what hangs is ended all the same.
TEST_S=900 BOOT_S=1800
if [ "$VM" = full ]; then
	BOOT_S=7200
	plan_full
else
	plan
fi
[ ${#BOOTS[@]} != 0 ] || vm_fail "no boot has '$VM' in its name"
for series in 6.1 6.12; do
	vm_kernel $series > "$DIR/kernel-$series" ||
		vm_fail "no Debian kernel of series $series: not in $VM_CACHE, and apt-get gives none"
done
run_all
report
tap_end
