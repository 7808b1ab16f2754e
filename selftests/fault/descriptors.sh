#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent runs out of file descriptors, a little or wholly, while it is asked, told to look at
# everything, and given maps: nothing that is enforced comes off, users don't vanish, it does not
# spin, and with room again it is as before. Run by selftests/run.
# LIMIT_S=400
# shellcheck disable=SC2016  # for eval, and for other shells
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop && host_make outside || exit 1
host_wire shop eth2 10.77.1.1/24,fd78::1/64 outside eth2 10.77.1.2/24,fd78::2/64 || exit 1
dir=$SCOPE_DIR/shop

# Somebody whom only the user database knows.
for map in one two; do
	sed -i 's|^  desk: .*|&\n  staff: { match: { cgroup: /user.slice, user: games } }|' "$dir/$map.yaml"
done

inject_agents shop
inject_off shop
agent_start shop eth1=auto,eth2=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one
pid=$(agent_pid shop)
hard=$(prlimit --pid "$pid" --nofile -o HARD --noheadings | tr -d " ")

pings() { # from outside: the kernel itself would answer, only XDP keeps it from that
	on outside ping -c 1 -W 0.3 -q "$1" > /dev/null 2>&1
}

# The links on the devices by their numbers: one that was away for a moment has another.
guards() {
	on shop bash -c "cd $dir/bpf/bulkhead/v3/links && for l in xdp_* tcx_*; do
		bpftool -j link show pinned \$l; done" | grep -o '^{"id":[0-9]*' | tr '\n' ' '
}

has_guards() {
	[ "$(guards)" = "$links" ] && ! pings 10.77.1.1 && ! pings fd78::1
}

# So many more may be opened: the limit is about numbers, and there are free ones between. "none"
# takes it off.
leave_room() { # n
	local n=$hard
	[ "$1" = none ] || n=$(comm -13 <(find "/proc/$pid/fd" -printf '%f\n' | sort) <(seq 0 4096 | sort) |
		sort -n | sed -n "$(($1 + 1))p")
	prlimit --pid "$pid" --nofile="$n:"
}

cpu_ticks() {
	awk '{ print $14 + $15 }' "/proc/$pid/stat"
}

links=$(guards)
is "links on both devices, and where lo's frames leave" 5 "$(wc -w <<< "$links")"
check "both devices are guarded" has_guards

# --- one by one -----------------------------------------------------------------------------------

live=one bad=0 refused=0
for room in 0 1 2 3 4 6 8 10 12 15 20 25 30; do
	want=$([ "$live" = one ] && echo two || echo one)
	leave_room "$room"
	kill -HUP "$pid"
	apply shop "$want"
	code=$?
	[ $code = 0 ] || refused=$((refused + 1))
	[ $code = 0 ] || grep -q "error: ." "$dir/answer" || { echo "# room for $room: no word"; bad=$((bad + 1)); }
	leave_room none
	[ $code = 0 ] && live=$want
	has_guards || { echo "# room for $room: $(guards)"; bad=$((bad + 1)); }
	now=$(whole shop)
	[ "$now" = "$live" ] || { echo "# room for $room, exit $code: $now"; bad=$((bad + 1)); }
done
is "room for few descriptors: wrong" 0 $bad
check "for some of it there were too few ($refused)" [ $refused -gt 2 ]
check "and enough for others" [ $refused -lt 13 ]
check "status is content" bh shop status

# --- none for long ------------------------------------------------------------------------------------

leave_room 0
before=$(cpu_ticks)
# they wait in the backlog, and the agent can't take them
timeout 3 bash -c '
	for _ in 1 2 3 4 5; do "$0" --control "$1" status > /dev/null 2>&1 & done
	wait' "$BUILD/bulkhead" "$dir/run/control.sock"
sleep 6
used=$(($(cpu_ticks) - before))
check "it does not spin ($used of 600 or more ticks)" [ $used -lt 150 ]
check "the devices are guarded" has_guards
is "what is forbidden" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
is "what is allowed" answered "$(ask shop $web tcp fd77::1 6379)"
leave_room none
check "with room again it answers" wait_for 3 bh shop status

# --- the user database can't be read --------------------------------------------------------------------

generation=$(status_of shop 'd["generation"]')
for error in EMFILE EIO; do
	inject shop openat /etc/passwd 1+ $error
	kill -HUP "$pid"
	check "$error at the user database" wait_for 2 eval '[ $(hits shop) -gt 0 ]'
	sleep 0.2
	is "is no other map" "$generation" "$(status_of shop 'd["generation"]')"
	bh shop status > "$dir/answer" 2>&1
	is "and 'no' to status" 3 $?
	check "which says why" grep -q "users, groups or the clock" "$dir/answer"
	inject_off shop
	check "it is looked at again" wait_for 5 bh shop status
done
tap_end
