#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who talks to whom, seen: the filters of flows on what real sockets did, also as it happens; the sums of
# top, also on a terminal; the pictures of graph, read by the programs they are for. Run by selftests/run.
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
map=$SCOPE_DIR/shop.yaml
cat > "$map" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service } }
  report:   { match: { unit: report.service } }
  watcher:  { match: { unit: watcher.service }, mode: observe }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
  - { id: web-cache,    from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
serve shop $web tcp :: 8080
serve shop $cache tcp :: 6379
serve outside x.service tcp :: 9000
for port in 8080 6379; do
	wait_for 5 eval "[ \"\$(ask shop $report tcp 10.77.0.1 $port)\" = answered ]" ||
		{ tap "not ok" "the servers start"; tap_end; }
done
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
bh shop apply "$map" --yes > /dev/null 2>&1 || { tap "not ok" "the map"; tap_end; }

ask shop $web tcp 10.77.0.1 6379 > /dev/null
ask shop $report tcp 10.77.0.1 6379 > /dev/null
ask shop $report tcp 10.77.0.1 6379 > /dev/null
ask shop system.slice/watcher.service tcp 10.77.0.2 9000 > /dev/null
ask outside x.service tcp 10.77.0.1 8080 > /dev/null
ask outside x.service tcp fd77::1 8080 > /dev/null

rows() { # python-expression over the rows `l`, arguments of flows
	local expression=$1
	shift
	bh shop -o json flows -n 4096 "$@" | python3 -c '
import json, sys
l = json.load(sys.stdin)["data"]["rows"]
def ends(r):
    a, b = r["local"]["segment"], r["remote"]["segment"]
    return f"{a}>{b}" if r["direction"] == "egress" else f"{b}>{a}"
print(eval(sys.argv[1]))' "$expression"
}
who='" ".join(sorted(set(ends(r) + " " + r["verdict"] for r in l)))'

# --- flows ----------------------------------------------------------------------------------------------

wait_for 5 eval "bh shop flows --to web --allowed | grep -q 'end '"
is "by who began" "web>cache allowed" "$(rows "$who" --from web)"
is "by who was asked" "report>cache denied web>cache allowed" "$(rows "$who" --to cache)"
is "denied" "report>cache denied watcher>visitors audited" "$(rows "$who" --denied)"
is "audited" "watcher>visitors audited" "$(rows "$who" --audited)"
is "allowed" "visitors>web allowed web>cache allowed" "$(rows "$who" --allowed)"
is "by an address" "visitors>web allowed" "$(rows "$who" --from fd77::2)"
is "by a prefix" "visitors>web allowed" "$(rows "$who" --from 10.77.0.2/32)"
is "by a port" "visitors>web allowed" "$(rows "$who" --port tcp/8080)"
is "by a number" "watcher>visitors audited" "$(rows "$who" --port 9000)"
is "of another protocol" "" "$(rows "$who" --port udp)"
is "by a unit" "report>cache denied" "$(rows "$who" --unit report)"
is "a unit as an end" "web>cache allowed" "$(rows "$who" --from nginx.service)"
sleep 1.1
is "not older than" "" "$(rows "$who" --since 1s)"
is "but older" "report>cache denied" "$(rows "$who" --since 10m --from report)"
out=$(bh shop flows --from webb 2>&1)
is "nobody is called so" 2 $?
check "what may have been meant" grep -q "did you mean 'web'?" <<< "$out"
check "every column" grep -q "UNIT.*PROCESS.*RULE.*ENCRYPTED" <<< "$(bh shop flows -o wide)"
is "a row a line" 2 "$(bh shop flows -o jsonl --denied --unit report.service | wc -l)"

"$BUILD/bulkhead" --control "$SCOPE_DIR/shop/run/control.sock" -o jsonl flows -f -n 1 --from report --port 8080 > "$SCOPE_DIR/follow.log" 2>&1 &
follower=$!
wait_for 5 eval "bh shop status > /dev/null"
sleep 0.3
ask shop $web tcp 10.77.0.1 6379 > /dev/null
ask shop $report tcp 10.77.0.1 6379 > /dev/null
ask shop $report tcp 10.77.0.1 8080 > /dev/null
check "followed, and filtered" wait_for 5 grep -q '"port":8080' "$SCOPE_DIR/follow.log"
is "nothing else comes" 1 "$(wc -l < "$SCOPE_DIR/follow.log")"
kill "$follower"

# --- top ------------------------------------------------------------------------------------------------

talks() { # arguments of top: "from>to port verdict connections denied", sorted
	bh shop -o json top --once "$@" | python3 -c '
import json, sys
print("; ".join(sorted("%(from)s>%(to)s %(port)s %(verdict)s %(connections)d %(denied)d" % r
    for r in json.load(sys.stdin)["data"]["rows"])))'
}
is "top adds up, and what both ends tell counts once" \
	"report>cache tcp/6379 denied 0 3; report>web tcp/8080 denied 0 1; visitors>web tcp/8080 allowed 2 0; watcher>visitors tcp/9000 audited 0 1; web>cache tcp/6379 allowed 2 0" \
	"$(talks)"
check "by unit" grep -q "visitors>nginx.service tcp/8080 allowed 2 0; .*watcher.service>visitors" <<< "$(talks --by unit)"
check "by address" grep -q "10.77.0.2>10.77.0.1 tcp/8080 allowed 1 0; .*fd77::2>fd77::1 tcp/8080" <<< "$(talks --by address)"
is "the most denied first" "report cache" "$(bh shop top --once --sort denied | awk 'NR == 3 { print $1, $2 }')"
sent=$(bh shop -o json top --once | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print(round([r for r in d["rows"] if r["from"] == "web"][0]["bytes_per_s"] * d["seconds"]))')
told=$(rows 'sum(int(r["bytes_in"]) + int(r["bytes_out"]) for r in l if r["direction"] == "egress")' --from web --to cache)
is "the bytes are those of the flows" "$told" "$sent"

"$BUILD/bulkhead" --control "$SCOPE_DIR/shop/run/control.sock" -o json top -n 1 > "$SCOPE_DIR/top.log" 2>&1 &
watcher=$!
# shellcheck disable=SC2317  # wait_for calls both
top_lines() { # at least so many
	[ "$(wc -l < "$SCOPE_DIR/top.log")" -ge "$1" ]
}

# shellcheck disable=SC2317
top_says() { # text
	tail -1 "$SCOPE_DIR/top.log" | grep -qF "$1"
}

check "an object a line where nobody looks" wait_for 10 top_lines 2
ask shop $cache tcp 10.77.0.1 8080 > /dev/null
check "what happens meanwhile is in it" wait_for 5 top_says '"from":"cache"'
kill "$watcher"
wait "$watcher"
is "SIGTERM is the end of it, no error" 0 $?

# --- graph ----------------------------------------------------------------------------------------------

for format in svg dot mermaid json; do
	bh shop graph -o $format > "$SCOPE_DIR/graph.$format" || tap "not ok" "graph -o $format"
	bh shop graph -o $format | cmp -s - "$SCOPE_DIR/graph.$format" || tap "not ok" "$format is the same again"
done
out=$(python3 "$SELFTESTS_LIB/svg.py" "$SCOPE_DIR/graph.svg" 2>&1)
is "the picture is XML, and no text lies on another" 0 $? || echo "# $out"
check "all who talked are in it" test "$(grep -cxE 'web|cache|report|watcher|visitors' <<< "$out")" = 5
if command -v dot > /dev/null; then
	is "graphviz draws the same edges" "$(grep -c ' -> ' "$SCOPE_DIR/graph.dot")" \
		"$(dot -Tsvg "$SCOPE_DIR/graph.dot" | grep -c 'class="edge')"
else
	echo "# no graphviz"
fi
is "JSON has them" "cache>web denied; report>cache denied; report>web denied; visitors>web allowed; watcher>visitors audited; web>cache allowed" \
	"$(python3 -c 'import json, sys
print("; ".join(sorted("%(from)s>%(to)s %(verdict)s" % e for e in json.load(sys.stdin)["data"]["edges"])))' < "$SCOPE_DIR/graph.json")"
is "mermaid: an edge and a style for each" "6 6" \
	"$(grep -cE '^  n[0-9]+ (-->|-\.->)\|".*"\| n[0-9]+$' "$SCOPE_DIR/graph.mermaid") $(grep -c '^  linkStyle [0-9]* stroke:#' "$SCOPE_DIR/graph.mermaid")"
sleep 1.1
is "nothing of the last second" "" "$(bh shop graph --since 1s 2> /dev/null)"

# --- top on a terminal, to the end of the agent -----------------------------------------------------------

out=$(python3 "$SELFTESTS_LIB/top.py" "$BUILD/bulkhead" "$SCOPE_DIR/shop/run/control.sock" report "$(agent_pid shop)" 2>&1)
while read -r line; do
	case $line in
	ok*) tap ok "${line#* - }" ;;
	"not ok"*) tap "not ok" "${line#* - }" ;;
	"1.."*) ended=yes ;;
	*) echo "# $line" ;;
	esac
done <<< "$out"
is "all of the terminal was looked at" yes "${ended:-no}"
tap_end
