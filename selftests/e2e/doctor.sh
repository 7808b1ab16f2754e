#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `bulkhead doctor` on a real host: content where all is well; where a hook, a pin or a device's
# program was taken away it says which one, and that a canary was not refused; and it leaves nothing.
# Run by selftests/run.
# LIMIT_S=300
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1

dir=$SCOPE_DIR/shop
pins=$dir/bpf/bulkhead/v3
said=$SCOPE_DIR/said

map() { # mode egress: to stdout
	cat <<- MAP
		version: 1
		name: shop
		mode: $1
		default: { ingress: deny, egress: $2 }
		segments:
		  web: { match: { unit: nginx.service } }
		failsafe:
		  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
	MAP
}

doctor() { # options...; its exit code, what it said in $said
	on shop "$BUILD/bulkhead" --control "$dir/run/control.sock" doctor "$@" > "$said" 2>&1
}

says() { # text line...: an extended regexp that a line matches
	check "$1" grep -qE -- "$2" "$said"
}

apply() { # mode egress
	map "$@" > "$SCOPE_DIR/shop.yaml"
	bh shop apply --yes "$SCOPE_DIR/shop.yaml" > /dev/null 2>&1
}

left_over() {
	find "$SCOPE_CG/shop" -name 'bulkhead-canary-*'
}

# The agent mends within a second: until the doctor came before it.
# shellcheck disable=SC2317  # called by check
caught() { # line options... -- command...: it takes something away
	local line=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$@" > /dev/null 2>&1 || return 1
		doctor "${options[@]}"
		[ $? = 3 ] && grep -qE -- "$line" "$said" && return
		wait_for 5 bh shop status
	done
	cat "$said"
	return 1
}

on shop ip link set lo up
map enforce deny > "$SCOPE_DIR/shop.yaml"
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }

# --- no map ------------------------------------------------------------------------------------------

doctor
is "without a map: not content" 3 $?
says "and why" '^FAIL +policy +no map was applied yet'
says "a canary would say nothing" '^- +canary +not tested: no map is enforced'
says "the hooks run all the same" '^ok +hooks ran +14 of the 14 '

# --- all is well ---------------------------------------------------------------------------------------

apply enforce deny
on outside ping -c 3 -i 0.1 -W 1 10.77.0.1 > /dev/null
doctor
is "all is well" 0 $?
check "no line of another kind: $(grep -vE '^(ok|$|what the policy needs)' "$said" | tr '\n' ';')" \
	test -z "$(grep -E '^(warn|FAIL|-) ' "$said")"
for hook in connect4 connect6 sendmsg4 sendmsg6; do
	says "the canary's $hook is refused" "^ok +canary $hook .*EPERM, as the policy says \\(default_deny\\)"
	says "$hook is attached" "^ok +cgroup/$hook +attached"
done
says "every hook ran" '^ok +hooks ran +14 of the 14 '
says "the device" '^ok +xdp eth1 +(native|generic)'
says "a quiet device is none that is ill" '^ok +traffic eth1 +(quiet|[0-9]+ came in, the program ran [1-9])'
says "where identity comes from" '^ok +identity +tp_btf/cgroup_mkdir'
says "how full the tables are" '^ok +cgroups +[0-9]+ of 65536 \(0 %\)'
says "how old the agent is" '^ok +agent +version .* for [0-9]+ s'
says "the sum" '^what the policy needs is enforced: [0-9]+ ok, 0 warnings, 0 failed$'
is "nothing is left" "" "$(left_over)"

on outside ping -i 0.02 -w 15 10.77.0.1 > /dev/null 2>&1 &
doctor
is "with traffic" 0 $?
says "its program ran" '^ok +traffic eth1 +[1-9][0-9]* came in, the program ran [1-9]'
pkill -P $! 2> /dev/null
wait

doctor -o json
is "as JSON" 0 $?
is "it has the same" "True 0 0 EPERM" "$(python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
rows = {r["check"]: r for r in d["data"]["checks"]}
print(d["ok"], d["data"]["counts"]["fail"], d["data"]["counts"]["warn"],
      "EPERM" if "EPERM" in rows["canary connect4"]["text"] else rows["canary connect4"])' "$said")"
doctor --quick
is "--quick" 0 $?
is "--quick sends no canary" 0 "$(grep -c canary "$said")"

# --- the policy has its say ------------------------------------------------------------------------------

apply enforce allow
doctor
is "the policy allows it: content" 0 $?
says "and says so" '^ok +canary connect4 .*was not refused: the policy allows it'
apply observe deny
doctor
is "the map observes: content, as status is" 0 $?
says "and says so" '^ok +canary connect4 .*was not refused: the policy only observes'
apply enforce deny
bh shop mode observe > /dev/null 2>&1
doctor
is "the map would enforce, but for the mode: not content" 3 $?
says "and why" '^FAIL +policy +.bulkhead mode observe. is on'
says "the canary was let out" '^ok +canary connect4 .*only observes'
bh shop mode enforce > /dev/null 2>&1

# --- not as root ---------------------------------------------------------------------------------------------

on shop setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$BUILD/bulkhead" \
	--control "$dir/run/control.sock" doctor > "$said" 2>&1
is "without CAP_SYS_ADMIN" 0 $?
says "runs are not counted" '^- +hooks ran +not tested: the kernel counts'
says "the canary is refused all the same" '^ok +canary connect4 .*EPERM'
on shop unshare -m bash -c "mount --bind $SCOPE_CG/shop $SCOPE_CG/shop && mount -o remount,bind,ro $SCOPE_CG/shop &&
	$BUILD/bulkhead --control $dir/run/control.sock doctor" > "$said" 2>&1
is "where cgroups can't be made" 0 $?
says "it says so" '^- +canary +not tested: can.t make a cgroup below .*: Read-only'

# --- what is taken away --------------------------------------------------------------------------------------

check "connect4 detached: it says which hook" caught '^FAIL +cgroup/connect4 +hook cgroup/connect4 is missing' -- \
	on shop bpftool link detach pinned "$pins/links/bh_connect4"
says "and the sum" '^NOT ALL that the policy needs is enforced'
wait_for 5 bh shop status
check "the canary finds it, too" caught '^FAIL +canary connect4 .*was not refused \(ENETUNREACH\), but the policy denies it' -- \
	on shop bpftool link detach pinned "$pins/links/bh_connect4"
is "nothing is left" "" "$(left_over)"
wait_for 5 bh shop status
check "a pin removed" caught '^FAIL +cgroup/sendmsg6 +hook cgroup/sendmsg6 is unpinned' --quick -- \
	on shop rm "$pins/links/bh_sendmsg6"
wait_for 5 bh shop status
xdp=$(on shop ls "$pins/links" | grep '^xdp_.*_eth1$')
check "a device's program removed" caught '^FAIL +xdp eth1 +hook xdp eth1 is missing' --quick -- \
	on shop bpftool link detach pinned "$pins/links/$xdp"
check "put back within a second or two" wait_for 3 bh shop status
doctor
is "all is well again" 0 $?

# --- a kernel that lacks what can be missed -----------------------------------------------------------------------

agent_kill shop TERM && agent_start shop eth1=tc --without tcx,cgroup_mkdir
doctor
is "without tcx and cgroup_mkdir: content" 0 $?
says "where identity comes from then" '^warn +identity +inotify'
says "the hook is not there" '^warn +tp_btf/cgroup_mkdir +unsupported on this kernel'
says "the device at tc" '^ok +ingress eth1 +clsact'
says "the canary is refused" '^ok +canary connect4 .*EPERM'
says "the others ran" '^ok +hooks ran +13 of the 13 '
agent_kill shop TERM && agent_start shop eth1=auto

# --- it ends early ---------------------------------------------------------------------------------------------

on shop "$BUILD/bulkhead" --control "$dir/run/control.sock" doctor > /dev/null 2>&1 &
pid=$!
wait_for 2 test -n "$(left_over)"
kill -INT $pid 2> /dev/null
wait $pid
is "interrupted: nothing is left" "" "$(left_over)"
mkdir "$SCOPE_CG/shop/bulkhead-canary-4194303"
doctor
is "what a killed one left is removed" "" "$(left_over)"
agent_kill shop KILL
doctor
is "without an agent: it failed" 1 $?
says "and says what to do" 'no agent at|goes on with the last policy'
is "nothing is left" "" "$(left_over)"
tap_end
