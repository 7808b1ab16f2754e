#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start, stop, kill, restart, bad maps, lost state: what is enforced does not depend on the agent's
# health, and nothing is open in between. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
host_addr shop eth1 10.77.0.1/24
on shop ip link set eth1 up

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service
dir=$SCOPE_DIR/shop

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
sed 's/to: cache, port/to: cash, port/' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/bad.yaml"

generation() {
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d.get("data", d)["generation"])'
}

holds() { # when: the allow list is enforced as the map says
	is "$1: web -> cache" answered "$(ask shop $web tcp 10.77.0.1 6379)"
	is "$1: report -> cache" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
}

start() {
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

serve shop $cache tcp :: 6379
wait_for 5 eval "[ \"\$(ask shop $report tcp 10.77.0.1 6379)\" = answered ]" ||
	{ tap "not ok" "the server starts"; tap_end; }

start
bh shop status > /dev/null 2>&1
is "a host without a map is 'no' to status" 3 $?
is "and only observes" answered "$(ask shop $report tcp 10.77.0.1 6379)"
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
holds "applied"
first=$(generation)

out=$(bh shop apply --yes "$SCOPE_DIR/bad.yaml" 2>&1)
is "a bad map is refused" 1 $?
check "and told where it is wrong" grep -q "bad.yaml:9:.*cash" <<< "$out"
is "the generation stays" "$first" "$(generation)"
holds "after a refused map"

out=$(unit shop system.slice/second.service "$BUILD/bulkheadd" --state-dir "$dir/state" \
	--runtime-dir "$dir/run" --pin-dir "$dir/bpf/bulkhead" --cgroup-root "$SCOPE_CG/shop" 2>&1)
is "a second agent ends with 3" 3 $?
check "and names the first" grep -qw "$(agent_pid shop)" <<< "$out"

check "stopped by SIGTERM" agent_kill shop TERM
holds "stopped"
start
is "adopted with its generation" "$first" "$(generation)"
holds "started again"
check "killed" agent_kill shop KILL
holds "killed"

# The last map is gone: what is pinned is still enforced, and status says that something is wrong.
cp -r "$dir/state" "$dir/kept"
for f in "$dir"/state/state*; do
	echo garbage > "$f"
done
start
holds "state lost"
bh shop status > /dev/null 2>&1
is "and status says 'no'" 3 $?
check "killed again" agent_kill shop KILL
rm -rf "$dir/state" && mv "$dir/kept" "$dir/state"
start
holds "state back"

# The agent dies at any moment of an apply: old or new, but never open.
serve shop $web tcp :: 8080
cat > "$SCOPE_DIR/probe.sh" <<SH
. $SELFTESTS_LIB/host.sh
SCOPE_DIR=$SCOPE_DIR SCOPE_CG=$SCOPE_CG
while :; do ask shop $report tcp 10.77.0.1 6379; done
SH
BUILD=$BUILD bash "$SCOPE_DIR/probe.sh" > "$SCOPE_DIR/probe.log" 2>&1 &
prober=$!
disown
died=0
for i in $(seq 10); do
	for _ in 1 2 3 4 5 6; do
		bh shop apply --yes "$SCOPE_DIR/shop.yaml"
	done > /dev/null 2>&1 &
	sleep "0.0$i"
	agent_kill shop KILL > /dev/null || break
	wait
	agent_start shop eth1=auto || break
	died=$((died + 1))
done
kill "$prober"
is "died 10 times in an apply and came back" 10 $died
check "it was probed all the time" [ "$(wc -l < "$SCOPE_DIR/probe.log")" -gt 20 ]
is "never open" EPERM "$(sort -u "$SCOPE_DIR/probe.log" | tr '\n' ' ' | sed 's/ $//')"
holds "after ten deaths"

check "detach" bh shop detach --yes
check "nothing is pinned" test -z "$(on shop find "$dir/bpf/bulkhead" -type f)"
is "everything is open" answered "$(ask shop $report tcp 10.77.0.1 6379)"
tap_end
