#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent itself: who may change something, what it may do, what a reboot, a lost disk, a new
# device, another tool or a hostile client do to it. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
host_addr shop eth1 10.77.0.1/24
on shop ip link set eth1 up

dir=$SCOPE_DIR/shop
cache=system.slice/redis.service
report=system.slice/report.service
ops=system.slice/ops.service
session=user.slice/user-0.slice/session-1.scope

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
  ops:   { match: { unit: ops.service }, admin: true }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
assert:
  - { id: closed, from: ops, to: cache, port: tcp, expect: deny }
YAML
sed 's/from: web, to: cache, port: tcp.6379/from: [web, ops], to: cache, port: tcp\/6000-7000/' \
	"$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/open.yaml"

apply() { # map
	bh shop apply --yes "$SCOPE_DIR/$1"
}

field() { # expression over d
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$1"')'
}

as() { # cgroup arguments of bulkhead...
	local cg=$1
	shift
	unit shop "$cg" "$BUILD/bulkhead" --control "$dir/run/control.sock" "$@"
}

agentd() { # options...: beside the one that runs
	on shop "$BUILD/bulkheadd" --state-dir "$dir/state" --runtime-dir "$dir/run" \
		--pin-dir "$dir/bpf/bulkhead" --cgroup-root "$SCOPE_CG/shop" "$@"
}

is_closed() { # when
	is "$1: report -> cache" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
}

# Power goes: nothing that was pinned is left.
# shellcheck disable=SC2317,SC2086  # called by check; plain names
lose_power() {
	agent_kill shop KILL
	on shop rm -rf "$dir/bpf/bulkhead/v3"
	[ "$(ask shop $report tcp 10.77.0.1 6379)" = answered ]
}

serve shop $cache tcp :: 6379
wait_for 5 eval "[ \"\$(ask shop $report tcp 10.77.0.1 6379)\" = answered ]" ||
	{ tap "not ok" "the server starts"; tap_end; }

start() {
	agent_start shop eth1=auto,eth2=auto || { tap "not ok" "the agent starts"; tap_end; }
}

# --- what it may do ---------------------------------------------------------------------------

start
status() { grep "^$1:" "/proc/$(agent_pid shop)/status" | cut -f2; }
# CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39
want=$(printf '%016x' $((1 << 12 | 1 << 38 | 1 << 39)))
is "three capabilities are left" "$want" "$(status CapEff)"
is "and can't come back" "$want" "$(status CapBnd)"
is "nor by exec" 1 "$(status NoNewPrivs)"
is "the socket is root's" 600 "$(stat -c %a "$dir/run/control.sock" | sed 's/660/600/')"

# --- who may change something -------------------------------------------------------------------

out=$(as $report apply --yes "$SCOPE_DIR/shop.yaml" 2>&1)
is "a contained root service may not apply" 1 $?
check "and is told why" grep -q "login session" <<< "$out"
check "but reads" eval "as $report version"
check "a login session may" as $session apply --force --enforce --yes "$SCOPE_DIR/shop.yaml"
check "a segment with admin: true may" as $ops apply --force --enforce --yes "$SCOPE_DIR/shop.yaml"
as "$ops/../other.service" mode observe > /dev/null 2>&1
is "another may not" 1 $?
as "$report/user.slice/session-9.scope" mode observe > /dev/null 2>&1
is "nor one that only has such a name" 1 $?
unshare --user --map-root-user "$BUILD/bulkhead" --control "$dir/run/control.sock" mode observe \
	> /dev/null 2>&1
is "nor root of a user namespace" 1 $?
is "nothing was capped" none "$(field 'd["mode_cap"]')"
is "each change is logged" "apply apply" \
	"$(grep -o '"verb":"[a-z]*"' "$dir/state/audit.jsonl" | cut -d'"' -f4 | tr '\n' ' ' | sed 's/ $//')"
is_closed "applied"

out=$(apply open.yaml 2>&1)
is "an assert that does not hold refuses the map" 1 $?
check "with its line and a port" grep -q "open.yaml:14:.*'closed' does not hold.*ops -> cache tcp/6000" <<< "$out"
is_closed "refused"

# --- devices --------------------------------------------------------------------------------------

is "a device that is not there is a problem" True "$(field '"device eth2" in str(d["problems"])')"
on shop ip link add eth2 type veth peer name peer2
check "a new device is guarded" wait_for 1 eval "on shop ip -d link show eth2 | grep -q xdp"
check "also what leaves it" eval "field 'str([h[\"ok\"] for h in d[\"hooks\"] if h[\"name\"] == \"egress eth2\"])' | grep -q True"
check "status is content" bh shop status
on shop ip link del eth2
check "one that goes is forgotten" wait_for 2 eval "! field 'str(d[\"hooks\"])' | grep -q eth2"
on shop ip link add eth3 type veth peer name eth2
check "and one that comes again guarded again" wait_for 1 eval "on shop ip -d link show eth2 | grep -q xdp"
is "one that nobody named is left alone" False "$(field '"eth3" in str(d["hooks"])')"

# --- somebody takes a hook away ---------------------------------------------------------------------

pin=$dir/bpf/bulkhead/v3/links
# it looks each second: if status finds it mended already, the log has it
# shellcheck disable=SC2317  # called by check
told() {
	! bh shop status || grep -q "connect4 is .*attached again" "$dir/agent.log"
}
on shop bpftool link detach pinned "$pin/bh_connect4" 2> /dev/null
check "a lost hook is told" told
check "and comes back" wait_for 8 bh shop status
is_closed "with the hook back"
on shop rm "$pin/bh_sock_create"
check "a pin that somebody removed comes back" wait_for 8 test -e "/proc/$(host_pid shop)/root$pin/bh_sock_create"

# --- another start -----------------------------------------------------------------------------------

generation=$(field 'd["generation"]')
check "the mode is capped" bh shop mode observe
bh shop status > /dev/null 2>&1
is "which is 'no' to status" 3 $?
check "reboot: without an agent all is open" lose_power
start
is "the cap outlives it" observe "$(field 'd["mode_cap"]')"
check "and is taken off" bh shop mode enforce
is_closed "after the reboot"
check "the generation only went up" [ "$(field 'd["generation"]')" -gt "$generation" ]

check "reboot again" lose_power
cp -r "$dir/state" "$dir/kept"
echo garbage > "$dir/state/state"
start
is "a host that enforced and lost its map stays closed" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
is "for everybody" EPERM "$(ask shop system.slice/nginx.service tcp 10.77.0.1 6379)"
is "and says so" no_policy "$(field 'd["state"]')"
is "its failsafe is known" "tcp/22 from 10.77.0.250/32" "$(field 'd["failsafes"][0]["text"]')"
cp "$dir/kept/state" "$dir/state/state"
check "the agent is stopped" agent_kill shop TERM
start
is "with the map back it is as before" answered "$(ask shop system.slice/nginx.service tcp 10.77.0.1 6379)"
is_closed "with the map back"
is "and status is content" enforcing "$(field 'd["state"]')"

# --- the disk is full -----------------------------------------------------------------------------------

check "stopped" agent_kill shop TERM
on shop mount -t tmpfs -o size=64k,mode=0700 tmpfs "$dir/run"
on shop sh -c "mkdir $dir/run/state && cp $dir/state/* $dir/run/state/"
spawn "$dir/agent.log" shop system.slice/bulkhead.service "$BUILD/bulkheadd" \
	--state-dir "$dir/run/state" --runtime-dir "$dir/run" --pin-dir "$dir/bpf/bulkhead" \
	--cgroup-root "$SCOPE_CG/shop" --interfaces eth1=auto
echo "$REPLY" > "$dir/agent.pid"
bhr() { on shop "$BUILD/bulkhead" --control "$dir/run/control.sock" "$@"; }
wait_for 60 bhr version
on shop sh -c "dd if=/dev/zero of=$dir/run/fill bs=1k" 2> /dev/null
sed 's/tcp.6379/tcp\/6380/' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/less.yaml"
bhr apply --force --yes "$SCOPE_DIR/less.yaml" > "$SCOPE_DIR/full.out" 2>&1
is "on a full disk a map is refused" 1 $?
check "and why" grep -q "No space left" "$SCOPE_DIR/full.out"
is "what was enforced stays" answered "$(ask shop system.slice/nginx.service tcp 10.77.0.1 6379)"
on shop rm "$dir/run/fill"
check "with room again it is taken" bhr apply --force --yes "$SCOPE_DIR/less.yaml"
is "and enforced" EPERM "$(ask shop system.slice/nginx.service tcp 10.77.0.1 6379)"
check "stopped" agent_kill shop TERM
on shop umount "$dir/run"
start
is "an older state than what is enforced is not put on" EPERM \
	"$(ask shop system.slice/nginx.service tcp 10.77.0.1 6379)"
bh shop status > /dev/null 2>&1
is "and status says 'no'" 3 $?
check "an apply mends it" apply shop.yaml
is "status is content" enforcing "$(field 'd["state"]')"

# --- somebody else's directory ---------------------------------------------------------------------------

check "stopped" agent_kill shop TERM
chown 65534 "$dir/state"
out=$(agentd --interfaces eth1=auto 2>&1)
is "root without its powers can't use another user's state" 1 $?
check "and says whose fault it is" grep -q -- "--state-dir '$dir/state' is another user's" <<< "$out"
chown 0 "$dir/state"
start

# --- another tool's program -----------------------------------------------------------------------------

check "stopped" agent_kill shop TERM
on shop rm -rf "$dir/bpf/bulkhead/v3"
cat > "$SCOPE_DIR/foreign.c" <<'C'
__attribute__((section("xdp"), used)) int foreign(void *ctx) { return 2; }
C
clang -O2 -target bpf -c "$SCOPE_DIR/foreign.c" -o "$SCOPE_DIR/foreign.o"
on shop bpftool prog load "$SCOPE_DIR/foreign.o" "$dir/bpf/foreign" type xdp
on shop bpftool net attach xdpdrv pinned "$dir/bpf/foreign" dev eth1
out=$(agentd --interfaces eth1=auto 2>&1)
is "another tool's XDP program: exit 3" 3 $?
check "and which" grep -q "eth1 has another XDP program already" <<< "$out"
agent_start shop eth1=auto --take-over || tap "not ok" "--take-over"
is "--take-over replaces it" native "$(field '[h["mode"] for h in d["hooks"] if h["name"] == "xdp eth1"][0]')"

# --- the end, without an agent ----------------------------------------------------------------------------

out=$(agentd rescue 2>&1)
check "rescue shows what is pinned" grep -q bh_connect4 <<< "$out"
# As in a chroot: that has no cgroup2, and is no business of it.
# shellcheck disable=SC2016  # for the inner shell
out=$(on shop unshare --mount bash -c '
	while mount=$(findmnt -nrt cgroup2 -o TARGET | tail -n 1) && [ -n "$mount" ]; do
		umount -l "$mount" || exit 99
	done
	exec "$@"' bare "$AGENT" rescue --pin-dir "$dir/bpf/bulkhead" --state-dir "$dir/state" 2>&1)
is "also where there is no cgroup2" 0 $?
check "as much" grep -q bh_connect4 <<< "$out"
out=$(agentd rescue --detach 2>&1)
is "beside an agent rescue does nothing" 3 $?
check "and names it" grep -qw "$(agent_pid shop)" <<< "$out"
check "killed" agent_kill shop KILL
is_closed "killed"
check "rescue --detach" agentd rescue --detach
is "ends it" answered "$(ask shop $report tcp 10.77.0.1 6379)"
check "nothing is left" test -z "$(on shop find "$dir/bpf/bulkhead" -type f)"
start
is "a start does not begin it again" answered "$(ask shop $report tcp 10.77.0.1 6379)"
is "and says why" True "$(field '"detach" in str(d["problems"])')"
check "an apply does" apply shop.yaml
is_closed "applied again"
bh shop detach --yes > /dev/null
pid=$(agent_pid shop)
check "after a detach the agent ends" wait_for 3 eval "! kill -0 $pid"
tap_end
