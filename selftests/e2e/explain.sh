#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What explain says is what happens: each question is put to explain and to real sockets. And
# what it suggests does open it. Then the lists of get and flows. Run by selftests/run.
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
box=system.slice/box.scope
map=$SCOPE_DIR/shop.yaml

cat > "$map" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service }, listen: [tcp/6379] }
  report:   { match: { unit: report.service }, mode: observe }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
  - { id: web-out, from: web, to: visitors, port: tcp/9000 }
  - { id: past, from: report, to: web, port: tcp/8080, until: "2020-01-01T00:00:00Z" }
  - { id: ping, from: visitors, to: [visitors, web], port: icmp/echo-request }
deny:
  - { id: no-udp, from: any, to: cache, port: udp }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

serve shop $web tcp :: 8080
serve shop $cache tcp :: 6379
serve shop $cache udp :: 6380
serve shop $web tcp :: 7000
serve outside x.service tcp :: 9000
spawn /dev/null shop $report sleep 120
reporter=$REPLY
spawn /dev/null shop $box sleep 120
for port in 8080 6379 7000; do
	wait_for 5 eval "[ \"\$(ask shop $report tcp 127.0.0.1 $port)\" = answered ]" ||
		{ tap "not ok" "the servers start"; tap_end; }
done
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }

said() { # arguments of explain: its exit code and verdict
	local out code
	out=$(bh shop -o json explain "$@" 2>&1)
	code=$?
	echo "$code $(field verdict <<< "$out")"
}

field() { # path: of the JSON on stdin; lists are counted with '#'
	python3 -c '
import json, sys
v = json.load(sys.stdin)["data"]
for k in sys.argv[1].split("."):
    v = len(v) if k == "#" else v[int(k)] if isinstance(v, list) else v.get(k)
    if v is None:
        break
print("null" if v is None else v)' "$1" 2> /dev/null
}

why() { # path, then arguments of explain
	local path=$1
	shift
	bh shop -o json explain "$@" 2>&1 | field "$path"
}

fails() { # text code pattern arguments...: explain ends with that code and says so
	local text=$1 code=$2 pattern=$3 out got
	shift 3
	out=$(bh shop explain "$@" 2>&1)
	got=$?
	if [ $got = "$code" ] && grep -qe "$pattern" <<< "$out"; then
		tap ok "$text"
	else
		tap "not ok" "$text"
		echo "# exit code $got, not $code, or no '$pattern' in: ${out//$'\n'/$'\n'# }"
	fi
}

fails "without a map there is nothing to explain" 1 "no segment map" web cache:6379
check "apply" bh shop apply --yes "$map"

# --- explain and the sockets agree ---------------------------------------------------------------

agree() { # text said-src said-dst expected-verdict got...: what the sockets gave
	local text=$1 src=$2 dst=$3 verdict=$4 got=$5
	is "$text: explain" "$verdict" "$(said "$src" "$dst")"
	case $verdict in
	"3 denied") [[ $got == EPERM || $got == timeout ]] ;;
	*) [ "$got" = answered ] ;;
	esac
	is "$text: sockets ($got)" 0 $?
}

for at in 10.77.0.1 127.0.0.1 fd77::1; do
	to=$at
	[[ $at == *:* ]] && to="[$at]"
	agree "web -> cache at $at" nginx.service "$to:6379" "0 allowed" \
		"$(ask shop $web tcp $at 6379)"
	agree "cache -> web at $at" redis.service "$to:8080" "3 denied" \
		"$(ask shop $cache tcp $at 8080)"
	agree "web -> cache's udp at $at" nginx.service "$to:6380/udp" "3 denied" \
		"$(ask shop $web udp $at 6380)"
	agree "a workload to itself at $at" nginx.service "$to:7000" "0 allowed" \
		"$(ask shop $web tcp $at 7000)"
	agree "box -> web at $at" "/$box" "$to:8080" "3 denied" "$(ask shop $box tcp $at 8080)"
	agree "report observes, cache does not, at $at" "pid:$reporter" "$to:6379" "3 denied" \
		"$(ask shop $report tcp $at 6379)"
done
for at in 10.77.0 fd77:; do
	src=$at.2 to=$at.1:
	[[ $at == *:* ]] && src=$at:2 to="[$at:1]:"
	dst=${to//[\[\]]/}
	agree "visitor -> web from $src" "$src" "${to}8080" "0 allowed" \
		"$(ask_from outside tcp "${dst%:}" 8080)"
	agree "visitor -> cache from $src" "$src" "${to}6379" "3 denied" \
		"$(ask_from outside tcp "${dst%:}" 6379)"
	agree "visitor -> web's other port from $src" "$src" "${to}7000" "3 denied" \
		"$(ask_from outside tcp "${dst%:}" 7000)"
	dst=$src
	[[ $src == *:* ]] && dst="[$src]"
	agree "web -> visitor $src" web "$dst:9000" "0 allowed" "$(ask shop $web tcp "$src" 9000)"
	agree "cache -> visitor $src" cache "$dst:9000" "3 denied" \
		"$(ask shop $cache tcp "$src" 9000)"
	agree "report -> visitor $src" report "$dst:9000" "0 would_deny" \
		"$(ask shop $report tcp "$src" 9000)"
done
is "a ping: explain" "0 allowed" "$(said 10.77.0.2 10.77.0.1:icmp/echo-request)"
check "a ping: passes" on outside ping -c 1 -W 1 10.77.0.1
is "nobody listens" no_listener "$(why reason web 10.77.0.1:4444)"
is "and the kernel refuses" ECONNREFUSED "$(ask shop $web tcp 10.77.0.1 4444)"

# --- why -------------------------------------------------------------------------------------------

is "the rule" web-cache "$(why halves.0.rule web cache:6379)"
is "its line" "$(grep -n web-cache "$map" | cut -d: -f1)" "$(why halves.1.line web cache:6379)"
is "what stands there" "$(grep -o -- '- { id: web-cache.*' "$map")" \
	"$(why halves.1.source web cache:6379)"
is "a deny rule by name" no-udp "$(why halves.0.rule visitors cache:1/udp)"
is "one workload" same_workload "$(why reason nginx.service nginx.service:7000)"
is "nearest: another port" "port (tcp/6379)" "$(why nearest.differs.0 web cache:6380)"
is "nearest: the other way" "direction (web to cache)" "$(why nearest.differs.0 cache web:6379)"
is "nearest: it has ended" "until (ended 2020-01-01T00:00:00Z)" \
	"$(why nearest.differs.0 report web:8080)"
is "no way around a rule that has ended" null "$(why suggestion report web:8080)"
is "no rule for a workload in no segment" null "$(why suggestion "/$box" web:8080)"
is "somebody else's port" listen_not_allowed "$(why reason visitors web:6379)"

fails "did you mean a segment" 1 "did you mean 'web'" wbe cache:6379
fails "did you mean a unit" 1 "did you mean 'redis.service'" web redi.service:6379
fails "no such process" 1 "no process 4999999" pid:4999999 cache:6379
fails "no such cgroup" 1 "nothing here is called" /system.slice/none.service cache:6379
fails "both elsewhere" 1 "neither" visitors world:443
fails "a port that is none" 2 "no port" web cache:70000
fails "ten thousand letters" 2 "10000 characters" "$(printf 'x%.0s' {1..10000})" cache:1

# --- what is suggested opens it -------------------------------------------------------------------

opens() { # src dst: with the rule that explain suggests it is allowed
	local rule
	rule=$(why suggestion "$1" "$2")
	sed "s|^deny:|  $rule\n&|" "$map" > "$SCOPE_DIR/more.yaml"
	check "apply with: $rule" bh shop apply --yes "$SCOPE_DIR/more.yaml"
	is "then $1 -> $2" "0 allowed" "$(said "$1" "$2")"
}

opens cache web:8080
is "and the sockets say so" answered "$(ask shop $cache tcp 10.77.0.1 8080)"
opens 10.77.0.2 web:7000
is "and from outside" answered "$(ask_from outside tcp 10.77.0.1 7000)"
opens web visitors:icmp/echo-request
opens web visitors:proto/47
check "the map again" bh shop apply --yes "$map"

check "mode observe" bh shop mode observe
is "a cap turns denied into would be denied" "0 would_deny" "$(said cache web:8080)"
check "mode enforce" bh shop mode enforce

# --- get -------------------------------------------------------------------------------------------

list() { # what jq-like: python expression over the rows `l`
	bh shop -o json get "$1" | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
l = d[sys.argv[1]]
print(eval(sys.argv[2]))' "$1" "$2"
}

is "segments" "['cache', 'report', 'visitors', 'web']" \
	"$(list segments 'sorted(r["name"] for r in l if r["identity"] >= 16)')"
is "a segment's mode" observe "$(list segments '[r["mode"] for r in l if r["name"] == "report"][0]')"
is "workloads: by a match" "match web" \
	"$(list workloads "[r['how'] + ' ' + r['segment'] for r in l if r['cgroup'] == '/$web'][0]")"
is "workloads: in no segment" "none unassigned" \
	"$(list workloads "[r['how'] + ' ' + r['segment'] for r in l if r['cgroup'] == '/$box'][0]")"
mkdir "$SCOPE_CG/shop/$web/worker"
is "workloads: below one, at once" "inherited web" \
	"$(list workloads "[r['how'] + ' ' + r['segment'] for r in l if r['cgroup'] == '/$web/worker'][0]")"
is "workloads: the root is host" host \
	"$(list workloads "[r['segment'] for r in l if r['cgroup'] == '/'][0]")"
is "listeners" "['tcp 6379 cache', 'tcp 7000 web', 'tcp 8080 web', 'udp 6380 cache']" \
	"$(list listeners 'sorted("%s %d %s" % (r["proto"], r["port"], r["segment"]) for r in l)')"

# Refused calls have no packets but each is counted, to the rule and to the reason.
count() { # list key value
	list "$1" "sum(int(r['packets']) for r in l if r['$2'] == '$3')"
}
rule_before=$(count rules id no-udp)
reason_before=$(count reasons reason rule_deny)
for _ in 1 2 3 4 5; do
	ask shop $web udp 10.77.0.1 6380 > /dev/null
done
is "a rule's counter is exact" $((rule_before + 5)) "$(count rules id no-udp)"
is "a reason's counter is exact" $((reason_before + 5)) "$(count reasons reason rule_deny)"

# --- flows -----------------------------------------------------------------------------------------

flow() { # limit python-expression over the rows `l`, arguments of flows
	local n=$1 expression=$2
	shift 2
	bh shop -o json flows -n "$n" "$@" | python3 -c '
import json, sys
l = json.load(sys.stdin)["data"]["rows"]
print(eval(sys.argv[1]))' "$expression"
}

# A workload that is gone before anybody asks keeps its name.
ask shop system.slice/brief.service tcp 10.77.0.1 8080 > /dev/null
rmdir "$SCOPE_CG/shop/system.slice/brief.service"
is "a flow of a workload that is gone" "deny /system.slice/brief.service web" \
	"$(flow 4096 '[r["type"] + " " + r["local"]["cgroup"] + " " + r["remote"]["segment"] for r in l
		if (r["local"]["cgroup"] or "").endswith("brief.service")][0]')"
is "only denied" "['deny', 'would_deny']" "$(flow 4096 'sorted(set(r["type"] for r in l))' --denied)"
is "the last one" 1 "$(flow 1 'len(l)')"
is "its numbers have names" "web cache no-udp rule_deny sendmsg" "$(flow 4096 '[" ".join((r["local"]["segment"],
	r["remote"]["segment"], r["rule"], r["reason"], r["hook"])) for r in l if r["rule"] == "no-udp"
	and r["local"]["segment"] == "web"][-1]' --denied)"

bh shop -o json flows --follow -n 1 > "$SCOPE_DIR/follow.log" 2>&1 &
follower=$!
wait_for 3 test -s "$SCOPE_DIR/follow.log"
ask shop $cache tcp 10.77.0.1 8080 > /dev/null
check "followed as it happens" wait_for 3 grep -q default/cache/egress "$SCOPE_DIR/follow.log"
kill "$follower"
check "the agent outlives its follower" bh shop version
tap_end
