#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who talked to whom, from real traffic: the history tells of it, outlives the agent, becomes a map
# that lets all of it through and nothing else, and says what another map would break. Run by
# selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service

serve shop $web tcp :: 8080
serve shop $cache tcp :: 6379
serve shop $cache udp :: 6380
serve outside x.service tcp :: 9000
serve outside x.service udp :: 9001
for port in 8080 6379; do
	wait_for 5 eval "[ \"\$(ask shop $report tcp 127.0.0.1 $port)\" = answered ]" ||
		{ tap "not ok" "the servers start"; tap_end; }
done

cat > "$SCOPE_DIR/first.yaml" <<'YAML'
version: 1
name: shop
mode: observe
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map that observes" bh shop apply --yes "$SCOPE_DIR/first.yaml"

# What goes on here: expected answer, and how to ask.
traffic() { # answer text
	is "$2: web -> cache, tcp" "$1" "$(ask shop $web tcp 127.0.0.1 6379)"
	is "$2: web -> cache, udp over IPv6" "$1" "$(ask shop $web udp ::1 6380)"
	is "$2: report -> outside, tcp" "$1" "$(ask shop $report tcp 10.77.0.2 9000)"
	is "$2: report -> outside, udp over IPv6" "$1" "$(ask shop $report udp fd77::2 9001)"
	is "$2: outside -> web" "$1" "$(ask_from outside tcp 10.77.0.1 8080)"
	is "$2: outside -> web, IPv6" "$1" "$(ask_from outside tcp fd77::1 8080)"
	check "$2: outside pings" on outside ping -c 1 -W 2 10.77.0.1
}

pairs() { # what of: "direction cgroup remote protocol port verdict times" a line
	bh shop pairs -o json "$@" | python3 -c '
import json, sys
for r in json.load(sys.stdin)["data"]["rows"]:
    peer = r["remote"]["ip"] or (r["remote"]["cgroup"] or "this host").split("/")[-1]
    print(r["direction"], (r["local"]["cgroup"] or "-").split("/")[-1], peer, r["proto"], r["port"],
          r["verdict"], r["times"])' | sort
}

traffic answered "observed"
expected='egress nginx.service redis.service tcp 6379 audited 1
egress nginx.service redis.service udp 6380 audited 1
egress report.service 10.77.0.2 tcp 9000 audited 1
egress report.service fd77::2 udp 9001 audited 1
ingress - 10.77.0.2 icmp/echo-request 2048 audited 1
ingress nginx.service 10.77.0.2 tcp 8080 audited 1
ingress nginx.service fd77::2 tcp 8080 audited 1
ingress redis.service this host tcp 6379 audited 1
ingress redis.service this host udp 6380 audited 1'
has_all() { [ "$(pairs)" = "$expected" ]; }
check "each conversation is a row, once for each end here" wait_for 5 has_all
has_all || is "they are" "$expected" "$(pairs)"
is "nothing was denied" "" "$(pairs --denied)"
is "the table says so, too" 9 "$(bh shop pairs --audited | grep -c ' audited ')"

agent_kill shop TERM
agent_start shop eth1=auto
is "they outlive the agent" "$expected" "$(pairs)"
echo garbage > "$SCOPE_DIR/garbage"
agent_kill shop TERM
mv "$SCOPE_DIR/shop/state/pairs" "$SCOPE_DIR/good"
cp "$SCOPE_DIR/garbage" "$SCOPE_DIR/shop/state/pairs"
agent_start shop eth1=auto
check "what is damaged is said" eval "bh shop status | grep -q pairs.bad"
is "and begins anew" "" "$(pairs)"
check "and is kept" cmp -s "$SCOPE_DIR/shop/state/pairs.bad" "$SCOPE_DIR/garbage"
agent_kill shop TERM
cp "$SCOPE_DIR/good" "$SCOPE_DIR/shop/state/pairs"
agent_start shop eth1=auto

# --- to a map --------------------------------------------------------------------------------
bh shop suggest > "$SCOPE_DIR/map.yaml" 2> "$SCOPE_DIR/said"
is "suggest" 0 $?
is "nothing is left out" "" "$(cat "$SCOPE_DIR/said")"
sed -i 's/^mode: observe/mode: enforce/' "$SCOPE_DIR/map.yaml"
check "the map is good" bh shop check "$SCOPE_DIR/map.yaml"
check "it would deny nothing that was seen" bh shop simulate "$SCOPE_DIR/map.yaml"
check "apply" bh shop apply --yes "$SCOPE_DIR/map.yaml"
traffic answered "enforced"
is "what was not seen is denied: report -> cache" EPERM "$(ask shop $report tcp 127.0.0.1 6379)"
is "web -> outside" EPERM "$(ask shop $web tcp 10.77.0.2 9000)"
is "report -> outside on another family" EPERM "$(ask shop $report tcp fd77::2 9000)"
is "outside -> cache" timeout "$(ask_from outside tcp 10.77.0.1 6379)"
on outside ip addr add 10.77.0.3/24 dev eth1
on outside ip route replace 10.77.0.0/24 dev eth1 src 10.77.0.3
is "a neighbour of who was seen" timeout "$(ask_from outside tcp 10.77.0.1 8080)"
on outside ip route replace 10.77.0.0/24 dev eth1 src 10.77.0.2
seen_denied() { pairs --denied | grep -q '^ingress redis.service 10.77.0.2 tcp 6379 denied'; }
check "and what is denied is in the history, too" wait_for 5 seen_denied

# --- what another map would break --------------------------------------------------------------
sed '/id: web-redis-udp/d' "$SCOPE_DIR/map.yaml" > "$SCOPE_DIR/less.yaml"
said=$(bh shop simulate "$SCOPE_DIR/less.yaml" 2>&1)
is "simulate: 3" 3 $?
check "one would be denied" grep -q ': 1 would newly be denied' <<< "$said"
check "and which one" grep -qE 'web nginx.service +redis redis.service +udp/6380 +allowed .*denied' <<< "$said"
is "nothing was changed" answered "$(ask shop $web udp ::1 6380)"
said=$(bh shop diff "$SCOPE_DIR/less.yaml" 2>&1)
is "diff: 3" 3 $?
check "it says so, too" grep -q ': 1 would newly be denied' <<< "$said"
said=$(bh shop diff -o json "$SCOPE_DIR/less.yaml" 2>&1)
check "also as JSON" grep -q '"denied": 1' <<< "$said"
check "apply that one" bh shop apply --yes "$SCOPE_DIR/less.yaml"
is "and so it is" EPERM "$(ask shop $web udp ::1 6380)"
is "and no other" answered "$(ask shop $web tcp 127.0.0.1 6379)"
tap_end
