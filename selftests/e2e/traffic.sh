#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a segment map opens and closes for real sockets: TCP and UDP, IPv4 and IPv6, over the wire
# and on one host, by unit, by nested cgroup and by address. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1

web=system.slice/nginx.service
cache=system.slice/redis.service
dns=system.slice/dns.service
report=system.slice/report.service

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service } }
  dns:      { match: { unit: dns.service } }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
  - { id: web-cache,    from: web, to: cache, port: tcp/6379 }
  - { id: web-dns,      from: web, to: dns, port: udp/5353 }
  - { id: visitors-dns, from: visitors, to: dns, port: udp/5353 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

serve shop $web tcp :: 8080
serve shop $cache tcp :: 6379
serve shop $dns udp :: 5353
serve shop $cache udp :: 6380
serve outside x.service tcp :: 9000
for port in 8080 6379; do
	wait_for 5 eval "[ \"\$(ask shop $report tcp 127.0.0.1 $port)\" = answered ]" ||
		{ tap "not ok" "the servers start"; tap_end; }
done

agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
is "without a map nothing is denied" answered "$(ask shop $report tcp 10.77.0.1 6379)"
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"

for at in 10.77.0.1 fd77::1 127.0.0.1 ::1; do
	is "web -> cache over $at" answered "$(ask shop $web tcp $at 6379)"
	is "web -> dns over $at" answered "$(ask shop $web udp $at 5353)"
	is "report -> cache over $at is refused by connect" EPERM "$(ask shop $report tcp $at 6379)"
	is "report -> dns over $at is refused by sendto" EPERM "$(ask shop $report udp $at 5353)"
	is "web -> cache on a port that no rule names, over $at" EPERM "$(ask shop $web udp $at 6380)"
done
for at in 10.77.0.1 fd77::1; do
	is "visitor -> web over $at" answered "$(ask_from outside tcp $at 8080)"
	is "visitor -> dns over $at" answered "$(ask_from outside udp $at 5353)"
	is "visitor -> cache over $at is dropped" timeout "$(ask_from outside tcp $at 6379)"
	is "visitor -> cache's udp over $at is dropped" timeout "$(ask_from outside udp $at 6380)"
done
on outside ip addr add 10.77.0.99/24 dev eth1
on outside ip route replace 10.77.0.0/24 dev eth1 src 10.77.0.99
is "an address outside the segment is dropped" timeout "$(ask_from outside tcp 10.77.0.1 8080)"
on outside ip route replace 10.77.0.0/24 dev eth1 src 10.77.0.2

is "web -> outside: no rule" EPERM "$(ask shop $web tcp 10.77.0.2 9000)"
is "web -> outside, IPv6" EPERM "$(ask shop $web tcp fd77::2 9000)"

# Identity is where the cgroup stands, from its first instruction on.
is "a cgroup below web is web" answered "$(ask shop $web/worker tcp 10.77.0.1 6379)"
is "a unit's name below another unit means nothing" EPERM \
	"$(ask shop $report/nginx.service tcp 10.77.0.1 6379)"
mkdir -p "$SCOPE_CG/shop/user.slice/app.slice"
chown nobody "$SCOPE_CG/shop/user.slice/app.slice"
is "nor below a slice that is not root's" EPERM \
	"$(ask shop user.slice/app.slice/nginx.service tcp 10.77.0.1 6379)"
seen=0
for i in $(seq 20); do
	[ "$(ask shop "system.slice/new$i.service" tcp 10.77.0.1 6379)" = EPERM ] || seen=$((seen + 1))
done
is "a new unit is never open: 0 of 20" 0 $seen

# An open connection ends when its rule does.
spawn "$SCOPE_DIR/talk.log" shop $web python3 "$SELFTESTS_LIB/peer.py" talk 10.77.0.1 6379
talker=$REPLY
check "a connection is open" wait_for 3 grep -q answered "$SCOPE_DIR/talk.log"
check "the same map again" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
sleep 0.5
check "and it does not cut it" kill -0 "$talker"
sed '/web-cache/d' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/closed.yaml"
check "apply without the rule" bh shop apply --yes "$SCOPE_DIR/closed.yaml"
check "the connection is cut within 3 s" wait_for 3 grep -q cut: "$SCOPE_DIR/talk.log"
is "and a new one is refused" EPERM "$(ask shop $web tcp 10.77.0.1 6379)"
is "others are untouched" answered "$(ask_from outside tcp 10.77.0.1 8080)"

check "mode observe" bh shop mode observe
is "in observe nothing is denied" answered "$(ask shop $report tcp 10.77.0.1 6379)"
is "in observe the outsider gets in too" answered "$(ask_from outside tcp 10.77.0.1 6379)"
check "mode enforce" bh shop mode enforce
is "in enforce it is closed again" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
tap_end
