#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first map: services with real connections, `bulkhead init` from a login, and its map in force.
# What was seen goes on, nothing else does, and the way in stays open.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1
host_addr outside eth1 10.77.0.3/24
host_addr outside eth1 10.77.0.53/24

dir=$SCOPE_DIR/shop
map=$dir/shop.yaml
web=system.slice/nginx.service
cache=system.slice/redis.service
scope=$SCOPE_CG/shop/user.slice/user-0.slice/session-1.scope
# shellcheck disable=SC2089  # it is for a shell at the other end
INIT="$BUILD/bulkhead init --cgroup-root $SCOPE_CG/shop"

login() { # command
	on outside python3 "$SELFTESTS_LIB/sshd.py" run 10.77.0.1 22 "$1" 2>&1
}

has() { # text line
	check "$1" grep -qxF -- "$2" "$map"
}

talk() { # log host cgroup address port: a connection that stays
	local log=$SCOPE_DIR/$1
	shift
	spawn "$log" "$1" "$2" python3 "$SELFTESTS_LIB/peer.py" talk "$3" "$4"
	wait_for 5 grep -q . "$log" || tap "not ok" "$1 talks with $3:$4"
}

lives() { # log: it goes on from now
	local n
	n=$(wc -l < "$SCOPE_DIR/$1")
	check "$1 goes on" wait_for 5 eval "[ \$(wc -l < $SCOPE_DIR/$1) -gt $((n + 3)) ]"
	is "$1 was not cut" "" "$(grep cut: "$SCOPE_DIR/$1")"
}

# --- a host ----------------------------------------------------------------------------------------

echo "nameserver 10.77.0.53" > "$dir/resolv.conf"
on shop mount --bind "$dir/resolv.conf" /etc/resolv.conf
mkdir -p "$scope"
spawn "$dir/sshd.log" shop system.slice/ssh.service python3 "$SELFTESTS_LIB/sshd.py" serve :: 22 "$scope"
serve shop $web tcp :: 8080
serve shop $cache tcp 127.0.0.1 6379
serve shop $cache tcp 0.0.0.0 6380
serve shop $'system.slice/a\t"}: [\x1b.service' tcp :: 7777
serve outside db tcp 10.77.0.2 5432
serve outside db tcp 10.77.0.2 5433
serve outside db udp 10.77.0.53 53
wait_for 5 login true || { tap "not ok" "the server starts"; tap_end; }
for port in 5432 5433; do
	wait_for 5 eval "on shop bash -c '< /dev/tcp/10.77.0.2/$port'"
done
wait_for 5 eval "on shop bash -c '< /dev/tcp/127.0.0.1/6379'"
talk visitor outside client 10.77.0.1 8080
talk visitor6 outside client fd77::1 8080
talk cache shop $web 127.0.0.1 6379
talk db shop $web 10.77.0.2 5432
# what was only tried out above is in TIME_WAIT, and whose it was can't be told

# --- its map ----------------------------------------------------------------------------------------

out=$(login "$INIT $map")
is "init" 0 $?
check "says what it wrote" grep -qE "^$map: [0-9]+ segments, [0-9]+ rules, and [0-9]+ switched off; it observes\$" <<< "$out"
has "a unit" '  nginx: { match: { unit: "nginx.service" } }'
has "peers" '  nginx-clients: { match: { cidr: ["fd77::2/128"] } }'
has "a peer that does more than that" '  peer-10-77-0-2: { match: { cidr: [10.77.0.2/32] } }'
has "who comes" '  - { id: nginx-in-8080, from: [nginx-clients, peer-10-77-0-2], to: nginx, port: tcp/8080 }'
has "inside" '  - { id: nginx-redis-6379, from: nginx, to: redis, port: tcp/6379 }'
has "where it goes" '  - { id: nginx-out-5432, from: nginx, to: peer-10-77-0-2, port: tcp/5432 }'
has "and why" "  # from 10.77.0.2, fd77::2"
has "nobody came" '  # - { id: redis-in-6380, from: lan, to: redis, port: tcp/6380 }'
has "the resolver" '  nameservers: { match: { cidr: [10.77.0.53/32] } }'
has "the session" '  - { from: { cidr: ["10.77.0.2/32"] }, port: tcp/22, description: "the session that wrote this map" }'
check "who holds it" grep -qx '  # held by python3' "$map"
check "a name that is no name is in no line" grep -q "id: rest-in-7777, from: lan, to: rest," "$map"
cp "$map" "$dir/first"
out=$(login "$INIT $map")
is "a file that is there stays" 1 $?
check "and why" grep -qF "is there already" <<< "$out"
check "nothing changed" cmp -s "$map" "$dir/first"
check "--force" login "$INIT --force $map"
is "the same host, the same map" "$(grep -v '^# ' "$dir/first")" "$(grep -v '^# ' "$map")"
is "no file is left aside" "$map" "$(echo "$map"*)"

out=$(on shop "$BUILD/bulkhead" init --cgroup-root "$SCOPE_CG/shop" -o json)
is "json" "nginx-in-8080 True" "$(python3 -c '
import json, sys
d = json.load(sys.stdin)
rules = [r["id"] for r in d["data"]["rules"] if not r["off"] and r["port"] == "tcp/8080"]
print(*rules, d["data"]["map"].startswith("# A first segment map"))' <<< "$out")"
out=$(SSH_CONNECTION="10.77.0.9 5 10.77.0.1 22" on shop setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$BUILD/bulkhead" init --cgroup-root "$SCOPE_CG/shop" 2>&1)
is "not root" 0 $?
check "says that it sees less" grep -q "^warning: not seen: .*run it as root" <<< "$out"
check "it has SSH_CONNECTION" grep -qF 'from: { cidr: ["10.77.0.9/32"] }, port: tcp/22' <<< "$out"
check "and doubts it" grep -q "SSH_CONNECTION says so: check it" <<< "$out"
out=$("$BUILD/bulkhead" init --cgroup-root "$SCOPE_DIR/nowhere" 2>&1)
is "no such root" 1 $?
check "and why" grep -q "^error: $SCOPE_DIR/nowhere: No such file or directory" <<< "$out"

# --- in force ----------------------------------------------------------------------------------------

check "check takes it" "$BUILD/bulkhead" check --offline "$map"
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "the agent does, too" bh shop apply --yes "$map"
is "it observes" answered "$(ask shop $cache tcp 10.77.0.2 5433)"
check "and tells" wait_for 5 eval "bh shop flows --denied | grep -q 'would'"
sed 's/^mode: observe/mode: enforce/' "$map" > "$dir/enforce.yaml"
out=$(login "$BUILD/bulkhead --control $dir/run/control.sock apply --yes --enforce $dir/enforce.yaml")
is "enforced, from the session" 0 $?
for log in visitor visitor6 cache db; do
	lives $log
done
is "again from outside" answered "$(ask_from outside tcp 10.77.0.1 8080)"
is "again inside" answered "$(ask shop $web tcp 127.0.0.1 6379)"
is "again to outside" answered "$(ask shop $web tcp 10.77.0.2 5432)"
is "the resolver" answered "$(ask shop $web udp 10.77.0.53 53)"
check "the way in" login true
is "another port outside" EPERM "$(ask shop $web tcp 10.77.0.2 5433)"
is "another unit" EPERM "$(ask shop $cache tcp 10.77.0.2 5432)"
is "a unit that was not seen" EPERM "$(ask shop system.slice/report.service tcp 127.0.0.1 6379)"
is "another peer" timeout "$(from=10.77.0.3 ask_from outside tcp 10.77.0.1 8080)"
is "a listener that nobody came to" timeout "$(ask_from outside tcp 10.77.0.1 6380)"
check "who was not seen goes on observing" [ "$(ask shop system.slice/report.service tcp 10.77.0.2 5433)" = answered ]
tap_end
