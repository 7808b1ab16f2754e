#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The real agent in a guest: a map applied, held while the agent is dead, adopted, and undone. With
# bash's sockets and busybox' server, because a guest has little else; IPv6 where the kernel has it.
set -uo pipefail
cd "$(dirname "$0")/../../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
PATIENCE_S=300

scope_begin bh-test
four=10.77.0.1/24 outside_four=10.77.0.2/24 addresses="10.77.0.1 127.0.0.1"
if [ -e /proc/net/if_inet6 ]; then
	six=,fd77::1/64 outside_six=,fd77::2/64
	addresses="$addresses fd77::1 ::1"
fi
host_make shop && host_make outside || exit 1
host_wire shop eth1 "$four${six:-}" outside eth1 "$outside_four${outside_six:-}" || exit 1

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service } }
  visitors: { match: { cidr: [10.77.0.2/32, "fd77::2/128"] } }
allow:
  - { id: web-cache,    from: web, to: cache, port: tcp/6379 }
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

# What a client gets: answered, EPERM, or nothing in some seconds.
# shellcheck disable=SC2016  # for the inner shell
CLIENT='exec 3<> "/dev/tcp/$0/$1" && echo ping >&3 && read -r answer <&3 && echo "$answer"'

said() { # output of the client
	case $1 in
	ping) echo answered ;;
	*"Operation not permitted"*) echo EPERM ;;
	"") echo nothing ;;
	*) echo "$1" ;;
	esac
}

ask_tcp() { # cgroup address port
	said "$(unit shop "$1" timeout 60 bash -c "$CLIENT" "$2" "$3" 2>&1)"
}

visit() { # address port [seconds]
	said "$(on outside timeout "${3:-60}" bash -c "$CLIENT" "$1" "$2" 2>&1)"
}

echo_server() { # cgroup port
	spawn "$SCOPE_DIR/shop/serve.log" shop "$1" busybox nc -ll -p "$2" -e cat
}

holds() { # when
	local at
	for at in $addresses; do
		is "$1: web -> cache over $at" answered "$(ask_tcp $web "$at" 6379)"
		is "$1: report -> cache over $at" EPERM "$(ask_tcp $report "$at" 6379)"
	done
	is "$1: visitor -> web" answered "$(visit 10.77.0.1 8080)"
	is "$1: visitor -> cache" nothing "$(visit 10.77.0.1 6379 5)"
}

start() {
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

echo_server $cache 6379
echo_server $web 8080
wait_for $PATIENCE_S eval "[ \"\$(ask_tcp $report 10.77.0.1 6379)\" = answered ]" ||
	{ tap "not ok" "the servers start"; tap_end; }

start
bh shop version | sed 's/^/# /'
is "without a map nothing is denied" answered "$(ask_tcp $report 10.77.0.1 6379)"
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
holds "applied"
check "killed" agent_kill shop KILL
is "killed: web -> cache" answered "$(ask_tcp $web 10.77.0.1 6379)"
is "killed: a unit that is new" EPERM "$(ask_tcp system.slice/new.service 10.77.0.1 6379)"
start
holds "adopted"
check "status has no complaint" bh shop status
check "detach" bh shop detach --yes
is "detached: everything is open" answered "$(ask_tcp $report 10.77.0.1 6379)"
tap_end
