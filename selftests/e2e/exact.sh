#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a file of flows says is what happened, to the byte: workloads count themselves what they send,
# receive and are refused; a ring that overflows, a table that is full; and the memory of an agent
# that is told of very many. EXACT=full: a million connections and datagrams. Run by selftests/run.
# LIMIT_S=1500
# shellcheck disable=SC2016,SC2317  # for eval; called by name
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

if [ "${EXACT:-}" = full ]; then
	connections=1000000 datagrams=1000000 distinct=10000000
else
	connections=20000 datagrams=100000 distinct=600000
fi
counted=$BUILD/test/helpers/counted
SWEEP_S=10 # what is no connection is told of so often
FLAT_KIB=2048

scope_begin bh-test
host_make shop && host_make office || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 office eth1 10.77.0.2/24,fd77::2/64
dir=$SCOPE_DIR/shop
for host in shop office; do
	on $host sysctl -qw net.ipv4.ip_local_port_range="10000 65535" net.ipv4.tcp_tw_reuse=1
done

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  srv: { match: { unit: srv.service } }
  ask: { match: { unit: "ask-*.service" } }
  knock: { match: { unit: "knock*.service" } }
  office: { match: { cidr: [10.77.0.0/24, "fd77::/64"] } }
allow:
  - { id: ask-srv, from: ask, to: srv, port: [tcp/7000, udp/7000] }
  - { id: ask-office, from: ask, to: office, port: [tcp/7000, udp/7000, udp/20000-60000] }
  - { id: office-srv, from: office, to: srv, port: [tcp/7000, udp/7000] }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

settings() { # file
	printf '%s\n' "version: 1" "telemetry:" "  update: 2s" \
		"  file: { path: $1, max_bytes: ${2:-4294967296}, keep: 2 }" > "$dir/bulkhead.yaml"
}

# From now on into that file; the one before is closed, with its last record of loss.
next_file() { # file [max_bytes]
	settings "$@"
	kill -HUP "$(agent_pid shop)"
	wait_for "${PATIENCE_S:-10}" test -s "$1" || wait_for 1 test -e "$1"
}

exact() {
	/usr/bin/python3 "$SELFTESTS_LIB/exact.py" "$@"
}

jobs=() reports=()

begin() { # unit arguments...: of counted
	local name=$1
	shift
	rm -f "$dir/$name.count"
	spawn "$dir/$name.count" shop "system.slice/$name.service" "$counted" "$@"
	jobs+=("$REPLY")
	reports+=("$name.service=$dir/$name.count")
}

# Beyond the agent's cgroups.
begin_office() { # log arguments...
	rm -f "$dir/$1"
	(exec nsenter -t "$(host_pid office)" -n -m -- "$counted" "${@:2}") > "$dir/$1" 2>&1 &
	REPLY=$!
	jobs+=("$REPLY")
}

ended() {
	local pid
	for pid in "${jobs[@]}"; do
		! kill -0 "$pid" 2> /dev/null || return 1
	done
}

all_ended() {
	wait_for "${PATIENCE_S:-900}" ended
	jobs=()
}

serves() {
	begin srv serve 7000
	srv=$REPLY
	begin_office office-srv serve 7000
	office_srv=$REPLY
	jobs=()
	wait_for 5 grep -q serving "$dir/srv.count" && wait_for 5 grep -q serving "$dir/office-srv"
}

serves_no_more() {
	kill "$srv" "$office_srv"
	jobs=("$srv" "$office_srv")
	all_ended
	jobs=()
}

# The sweep of datagrams comes every ten ticks, and on a busy machine a tick is more than a second.
told_of_all() {
	sleep $((2 * SWEEP_S))
}

# What all of them counted is what that file says.
adds_up() { # file
	exact sums "$dir/$1.jsonl" -- "${reports[@]}" > "$dir/$1.sums" 2>&1
	is "$1: what was sent and received is what is told" 0 $?
	sed 's/^#* */# /' "$dir/$1.sums"
	# nothing is refused there
	is "$1: no deny" "" "$(grep -m 3 '"type":"deny"' "$dir/$1.jsonl")"
	reports=()
}

# Until the agent has read all that was to be read.
is_idle() {
	local before
	before=$(cut -d' ' -f14,15 "/proc/$(agent_pid shop)/stat")
	sleep 0.3
	[ "$before" = "$(cut -d' ' -f14,15 "/proc/$(agent_pid shop)/stat")" ]
}

# --- to the byte ---------------------------------------------------------------------------------

settings "$dir/start.jsonl"
agent_start shop eth1=generic || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
serves || { tap "not ok" "servers start"; tap_end; }
check "a file" next_file "$dir/exact.jsonl"
begin ask-tcp4 ask tcp 127.0.0.1 7000 $((connections / 4))
begin ask-tcp6 ask tcp ::1 7000 $((connections / 4))
begin ask-out ask tcp 10.77.0.2 7000 $((connections / 4))
begin_office in-tcp ask tcp fd77::1 7000 $((connections / 4))
begin ask-udp4 ask udp 127.0.0.1 7000 $((datagrams / 8))
begin ask-udp6 ask udp ::1 7000 $((datagrams / 8))
begin ask-udpo ask udp fd77::2 7000 $((datagrams / 8))
begin_office in-udp ask udp 10.77.0.1 7000 $((datagrams / 8))
is "they all come to an end" 0 "$(all_ended; echo $?)"; jobs=()
serves_no_more
told_of_all
check "the next file" next_file "$dir/deny.jsonl"
adds_up exact
read -r seen sent suppressed lost table ends _ < <(exact events "$dir/exact.jsonl")
is "nothing was lost" "0 0 0" "$suppressed $lost $table"
is "a connection on this host is told by both its ends" $((connections * 3 / 2)) "$ends"
echo "# $seen seen, $sent sent"

# --- what is refused -----------------------------------------------------------------------------

refused=$((datagrams / 20))
begin knock knock udp 10.77.0.2 7000 $refused
knocks=$REPLY
wait_for 60 eval "! kill -0 $knocks"
begin knock-tcp knock tcp fd77::2 7000 $refused
all_ended
check "the next file" next_file "$dir/lost.jsonl"
is "all were refused" "udp egress 4 $refused 0 0 0 0 0" "$(cat "$dir/knock.count")"
is "of TCP, too" "tcp egress 6 $refused 0 0 0 0 0" "$(cat "$dir/knock-tcp.count")"
read -r seen sent suppressed lost _ _ _ alerts < <(exact events "$dir/deny.jsonl")
is "each was seen" "$((2 * refused)) 0" "$((seen - alerts)) $lost"
is "those that were sent are there" "$((sent - alerts))" \
	$(($(exact denies knock.service "$dir/deny.jsonl") + $(exact denies knock-tcp.service "$dir/deny.jsonl")))
check "and no more than some of those alike" [ "$suppressed" -gt "$refused" ]

# --- an agent that can't keep up -----------------------------------------------------------------

# It stands still while connections come, of which each end begins and ends: no ring takes so many.
reports=()
serves
kill -STOP "$(agent_pid shop)"
for i in 1 2 3 4; do begin "ask-$i" ask tcp 127.0.0.$i 7000 5000; done
begin ask-udp ask udp ::1 7000 10000
is "nobody waits for the agent" 0 "$(all_ended; echo $?)"
jobs=()
kill -CONT "$(agent_pid shop)"
wait_for 10 is_idle
# and more peers than the table of datagrams holds, each of them a new one
begin ask-all throw 10.77.0.2 20000 40000
all_ended
jobs=()
serves_no_more
told_of_all
bh shop -o json status > "$dir/status.json"
# three of these hold all of it
check "the next file" next_file "$dir/flat.jsonl" $((distinct * 700 / 3))
read -r seen sent suppressed lost table ends _ alerts < <(exact events "$dir/lost.jsonl")
read -r out _ < <(exact udp ask-all.service "$dir/lost.jsonl")
echo "# $seen seen, $sent sent, $lost lost, $ends ended; $out datagrams told, $table lost"
is "no connection failed" "" "$(cat "$dir"/ask-*.count "$dir/srv.count" | grep -v '^# serving' | grep -v ' 0$')"
is "a beginning and an end at both sides were seen, and new peers of datagrams" \
	$((120000 + $(awk '$1 == "udp" { print $4 }' "$dir/ask-udp.count"))) $((seen - alerts))
check "some were lost" [ "$lost" -gt 20000 ]
is "the others were sent" "$((seen - lost)) 0" "$sent $suppressed"
check "the records of loss say what status says" exact loss "$dir/status.json" "$dir"/{start,exact,deny,lost}.jsonl
check "the table was full" [ "$table" -gt 0 ]
is "each datagram to many is told or counted as lost" 40000 $((out + table))
is "datagrams are counted all the same" "$(awk '$1 == "udp"' "$dir/ask-udp.count" | cut -d' ' -f5-8)" \
	"$(exact udp ask-udp.service "$dir/lost.jsonl")"
#MORE
# --- memory --------------------------------------------------------------------------------------

rss_kib() {
	awk '/^VmRSS/ { print $2 }' "/proc/$(agent_pid shop)/status"
}

# Each of them to a port and an address of its own. Twice: the history of pairs is full after the first.
reports=()
begin knock-all knock udp 10.99.0.0 0 200000
all_ended
wait_for 60 is_idle
warm=$(rss_kib)
begin knock-more knock udp 10.98.0.0 0 $distinct
all_ended
wait_for 60 is_idle
grown=$(($(rss_kib) - warm))
echo "# $warm KiB after 200000 flows, $grown more after $distinct others"
check "memory does not grow with the flows it was told of" [ "$grown" -lt "$FLAT_KIB" ]
bh shop -o json status > "$dir/status.json"
read -r told < <(python3 -c 'import json, sys
print(json.load(sys.stdin)["data"]["sessions"]["denied"])' < "$dir/status.json")
echo "# $told denies told"
check "it was told of most" [ "$told" -gt $((distinct / 2)) ]

# --- the end -------------------------------------------------------------------------------------

bh shop -o json status > "$dir/status.json"
agent_kill shop TERM
check "all records of loss of its life say what status says" exact loss "$dir/status.json" \
	"$dir"/*.jsonl "$dir"/flat.jsonl.*
tap_end
