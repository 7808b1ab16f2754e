#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flows to IPFIX collectors, the real ones: pmacct, nfdump and libfixbuf read what a real agent
# exports of real traffic. The collector goes away and comes back. Run by selftests/run.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
need_agent
command -v dpkg > /dev/null || { echo "not Debian"; exit 77; }
tools/deps.sh collectors || { echo "not ok 1 - the collectors"; echo 1..1; exit 1; }

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1
dir=$SCOPE_DIR/shop col=$SCOPE_DIR/outside
web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:       { match: { unit: nginx.service } }
  cache:     { match: { unit: redis.service } }
  agent:     { match: { unit: bulkhead.service } }
  visitors:  { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
  - { id: web-cache,    from: web, to: cache, port: [tcp/6379, udp/6380] }
  - { id: export,       from: agent, to: visitors, port: udp/4739 }
  - { id: ping,         from: visitors, to: any, port: icmp/echo-request }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
sed '/id: export/d' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/mute.yaml"

settings() { # [YAML...]
	printf '%s\n' "version: 1" "$@" > "$dir/bulkhead.yaml"
}

# --- collectors ----------------------------------------------------------------------------------

collect_nfacctd() {
	sed -e "s,/usr/share/bulkhead/ipfix,$PWD/tools/ipfix," -e "s,^print_output_file:.*,print_output_file: $col/pmacct.json," \
		-e 's,^nfacctd_port:.*,nfacctd_port: 4740,' -e 's/^print_history:.*//' \
		-e 's,^print_refresh_time:.*,print_refresh_time: 2\nprint_output_file_append: true\nlogfile: '"$col/nfacctd.log"'\nnfacctd_disable_checks: false,' \
		tools/ipfix/nfacctd.conf > "$col/nfacctd.conf"
	spawn "$col/nfacctd.out" outside x.service nfacctd -f "$col/nfacctd.conf"
}

collect_nfcapd() {
	mkdir -p "$col/nf"
	spawn "$col/nfcapd.log" outside x.service nfcapd -p 4741 -w "$col/nf" -t 600
	nfcapd=$REPLY
}

relay() { # file
	spawn "$col/relay.log" outside x.service python3 "$SELFTESTS_LIB/relay.py" 10.77.0.2 4739 "$1" 4740 4741
	relay=$REPLY
	wait_for 5 eval "on outside ss -Hlun | grep -c 10.77.0.2:4739"
}
collect_nfacctd
collect_nfcapd
check "collectors listen" wait_for 10 eval "[ \"\$(on outside ss -Hlun | grep -cE ':474[01]\\b')\" = 2 ]"
relay "$col/all.ipfix"

serve shop $web tcp :: 8080
serve shop $cache tcp :: 6379
serve shop $cache udp :: 6380
wait_for 5 eval "[ \"\$(ask shop $report tcp 10.77.0.1 6379)\" = answered ]"

settings "telemetry: { ipfix: { collector: 10.77.0.2, domain: 7 } }"
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"

# --- traffic -------------------------------------------------------------------------------------

for at in 10.77.0.1 fd77::1; do
	is "web -> cache over $at" answered "$(ask shop $web tcp $at 6379)"
	is "web -> cache by UDP over $at" answered "$(ask shop $web udp $at 6380)"
	is "report -> cache over $at" EPERM "$(ask shop $report tcp $at 6379)"
	is "report -> cache by UDP over $at" EPERM "$(ask shop $report udp $at 6380)"
	is "visitor -> web over $at" answered "$(ask_from outside tcp $at 8080)"
	is "visitor -> cache over $at" timeout "$(ask_from outside tcp $at 6379)"
done
host_addr outside eth1 10.77.0.99/24
host_addr outside eth1 fd77::1:99/64
# shellcheck disable=SC2317  # check calls it
no() {
	! "$@"
}
check "a stranger's ping" no on outside ping -c 1 -W 1 -I 10.77.0.99 10.77.0.1
check "and by IPv6" no on outside ping -c 1 -W 1 -I fd77::1:99 fd77::1

count() { # sink's field
	bh shop -o json status | python3 -c '
import json, sys
print(next((s[sys.argv[1]] for s in json.load(sys.stdin)["data"]["telemetry"]["sinks"] if s["name"] == "ipfix"), "none"))' "$1"
}
counts() { # "taken written lost", of one moment
	bh shop -o json status | python3 -c '
import json, sys
s = next(s for s in json.load(sys.stdin)["data"]["telemetry"]["sinks"] if s["name"] == "ipfix")
print(s["taken"], s["written"], s["lost"])'
}
# shellcheck disable=SC2317  # wait_for calls it
settled() {
	local taken written lost
	read -r taken written lost < <(counts)
	[ "$taken" = $((written + lost)) ]
}
check "all is written or lost within 5 s" wait_for 5 settled
is "none is lost" 0 "$(count lost)"
check "and some are written: $(count written)" [ "$(count written)" -ge 14 ]
check "what was not asked for is skipped: $(count skipped)" [ "$(count skipped)" -ge 1 ]
is "nothing is wrong" None "$(count trouble)"

# --- pmacct --------------------------------------------------------------------------------------

# shellcheck disable=SC2317  # wait_for calls it
json_rows() { # file filter over r: how many
	python3 - "$@" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1]) if line.strip()]
print(sum(1 for r in rows if eval("(" + sys.argv[2] + ")")))
PY
}
# shellcheck disable=SC2317  # wait_for calls it
pmacct_has() { # filter
	[ "$(json_rows "$col/pmacct.json" "$1")" -gt 0 ]
}
for v in "10.77.0.1 10.77.0.2" "fd77::1 fd77::2"; do
	read -r here there <<< "$v"
	check "pmacct: end, $here, with units, segments and rule" wait_for 10 pmacct_has "
		r['ip_dst'] == '$here' and r['port_dst'] == 6379 and r['ip_proto'] == 'tcp' and
		r['bulkhead_src_segment'] == 'web' and r['bulkhead_dst_segment'] == 'cache' and
		r['bulkhead_verdict'] == '1' and r['bulkhead_rule'] == 'web-cache' and
		r['bulkhead_unit'] == 'redis.service' and r['bulkhead_event'] == '2' and r['packets'] > 0"
	check "pmacct: report is denied, $here" wait_for 10 pmacct_has "
		r['ip_dst'] == '$here' and r['port_dst'] == 6379 and r['bulkhead_verdict'] == '2' and
		r['bulkhead_src_segment'] == 'unassigned' and r['bulkhead_unit'] == 'report.service' and
		r['bulkhead_reason'] == '96' and int(r['bulkhead_process_id']) > 0"
	check "pmacct: a UDP deny, $here" wait_for 10 pmacct_has "
		r['ip_dst'] == '$here' and r['port_dst'] == 6380 and r['ip_proto'] == 'udp' and
		r['bulkhead_verdict'] == '2'"
	check "pmacct: visitor, $there" wait_for 10 pmacct_has "
		r['ip_src'] == '$there' and r['port_src'] > 1024 and r['port_dst'] == 8080 and
		r['bulkhead_src_segment'] == 'visitors' and r['bulkhead_verdict'] == '1' and
		int(r['bulkhead_src_identity']) > 9 and r['bulkhead_generation'] == '1'"
done
check "pmacct: a denied ping" wait_for 10 pmacct_has \
	"r['ip_src'] == '10.77.0.99' and r['ip_proto'] == 'icmp' and r['bulkhead_verdict'] == '2'"
check "pmacct: and by IPv6" wait_for 10 pmacct_has \
	"r['ip_src'] == 'fd77::1:99' and 'icmp' in r['ip_proto'] and r['bulkhead_verdict'] == '2'"
is "pmacct finds nothing malformed, missing or out of order" "" \
	"$(grep -iE 'malf|unknown|unable|discard|sequence|WARN|ERROR' "$col/nfacctd.log")"

# --- libfixbuf -----------------------------------------------------------------------------------

dump() { # capture
	ipfixDump --rfc5610 -i "$1" 2>&1
}
# shellcheck disable=SC2317  # check calls it
dumped() { # record's lines, all of which one record has: NAME VALUE...
	dump "$col/all.ipfix" | awk -v want="$(printf '%s|' "$@")" '
		function look(i, n, w) {
			n = split(want, w, "|") - 1
			for (i = 1; i <= n; i++)
				if (index(text, w[i]) == 0)
					return
			found = 1
		}
		/^---/ { look(); text = "" }
		{ sub(/^\t\([^)]*\) *(\(S\))? */, ""); gsub(/\(len: [0-9]+\) /, ""); text = text "\n" $0 "\n" }
		END { look(); exit !found }'
}
check "ipfixDump: an end" dumped "sourceIPv4Address : 10.77.0.2" "destinationTransportPort : 8080" \
	"bulkheadSrcSegment : visitors" "bulkheadDstSegment : web" "bulkheadVerdict : 1" \
	"bulkheadUnit : nginx.service" "bulkheadRule : visitors-web" "firewallEvent : 2"
check "ipfixDump: an IPv6 deny" dumped "sourceIPv6Address : fd77::0002" "destinationIPv6Address : fd77::0001" \
	"destinationTransportPort : 6379" "bulkheadVerdict : 2" "forwardingStatus : 129"
check "ipfixDump: a denied ping" dumped "sourceIPv4Address : 10.77.0.99" "icmpTypeCodeIPv4 : 2048"
check "ipfixDump: and by IPv6" dumped "sourceIPv6Address : fd77::0001:0099" "icmpTypeCodeIPv6 : 32768"
check "ipfixDump: what was lost" dumped "exportingProcessId : 1" "notSentFlowTotalCount : 0"
# neither nfcapd nor nfacctd minds what options records do to the numbers
is "ipfixDump: each message's number is how many records came before" "" "$(dump "$col/all.ipfix" | awk '
	/sequence number:/ { for (i = 1; i < NF; i++) if ($i == "number:") n = $(i + 1)
		messages++
		if (n != sum) print "message " messages ": " n ", not " sum }
	/Msg Stats: [0-9]+ Data Records/ { sum += $4 }
	END { if (messages < 4 || sum < 20) print messages " messages, " sum " records" }')"
is "ipfixDump: no element without a name" "" "$(dump "$col/all.ipfix" | grep -i alien)"
is "ipfixDump reads each element by its name" "$(grep -cE '^\s+OURS\(' agent/telemetry/ipfix_flow.c)" \
	"$(dump "$col/all.ipfix" | grep -oE '\(32473/[0-9]+\) +bulkhead[A-Za-z]+ ' | sort -u | wc -l)"

# --- nfdump --------------------------------------------------------------------------------------

kill $nfcapd
wait_for 5 eval "! kill -0 $nfcapd"
said=$(grep "Sequence Errors" "$col/nfcapd.log" | tail -n 1)
check "nfcapd: ${said#*, }" grep -qE "Flows: [1-9].* Sequence Errors: 0, Bad Packets: 0" <<< "$said"
nf() { # filter fields
	nfdump -q -R "$col/nf" -o "fmt:$2" "$1" | tr -s ' ' | sed 's/^ //; s/ $//' | sort -u
}
is "nfdump: who talked to web, both directions counted" "TCP 10.77.0.2 10.77.0.1 8080" \
	"$(nf 'src ip 10.77.0.2 and dst port 8080 and packets > 0' '%pr %sa %da %dp')"
is "nfdump: IPv6" "TCP fd77::2 fd77::1 8080" \
	"$(nf 'src ip fd77::2 and dst port 8080 and packets > 0' '%pr %sa %da %dp')"

# --- the collector goes, and comes back ------------------------------------------------------------

kill "$relay"
wait_for 5 eval "! kill -0 $relay"
check "what was taken until then is written or lost" wait_for 5 settled
read -r taken written lost < <(counts)
for _ in 1 2 3; do
	ask shop "$report" tcp 10.77.0.1 6379 > /dev/null
	sleep 0.3
done
check "the collector is gone: status says so" wait_for 5 eval "[[ \$(count trouble) == *'nobody listens at 10.77.0.2:4739'* ]]"
check "as a problem" grep -q "telemetry: ipfix: nobody listens" <<< "$(bh shop status 2>&1)"
ask shop $report tcp fd77::1 6379 > /dev/null
check "all is told" wait_for 5 settled
read -r taken_now written_now lost_now < <(counts)
is "each is lost, and none is written" "$written $((taken_now - taken + lost))" "$written_now $lost_now"
check "four at least" [ $((taken_now - taken)) -ge 4 ]
is "others do not wait" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
relay "$col/again.ipfix"
check "it is back: nothing is wrong any more" wait_for 8 eval "[ \"\$(count trouble)\" = None ]"
written=$(count written)
ask shop $report tcp 10.77.0.1 6379 > /dev/null
check "and flows are written again" wait_for 5 eval "[ \$(count written) -gt $written ]"
check "templates came first" wait_for 5 eval "dump $col/again.ipfix | grep -c 'bulkheadUnit : (len: 14) report.service'"
is "and no message before it was right" "" "$(dump "$col/again.ipfix" | grep -iE 'alien|no template|missing')"
check "the loss is told to it: $(count lost)" \
	eval "dump $col/again.ipfix | grep -cE \"notSentFlowTotalCount : $(count lost)\$\""

# --- the agent is a workload, too ------------------------------------------------------------------

check "a map that does not let the agent out" bh shop apply --yes "$SCOPE_DIR/mute.yaml"
# shellcheck disable=SC2317  # wait_for calls it
denied_itself() {
	ask shop "$report" tcp 10.77.0.1 6379 > /dev/null
	[[ $(count trouble) == *'denied to the agent itself'* ]]
}
check "status names it" wait_for 8 denied_itself
check "the map that does" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
check "works" wait_for 8 eval "[ \"\$(count trouble)\" = None ]"

# --- settings --------------------------------------------------------------------------------------

hangup() {
	kill -HUP "$(agent_pid shop)"
}
settings "telemetry: {}"
hangup
check "SIGHUP without it: closed" wait_for 5 eval "[ \"\$(count taken)\" = none ]"
kill "$relay"
wait_for 5 eval "! kill -0 $relay"
spawn "$col/relay.log" outside x.service python3 "$SELFTESTS_LIB/relay.py" fd77::2 4739 "$col/six.ipfix"
wait_for 5 eval "on outside ss -Hlun | grep -cF '[fd77::2]:4739'"
settings "telemetry: { ipfix: { collector: 'fd77::2', domain: 9, events: [begin] } }"
hangup
check "SIGHUP with another: opened" wait_for 5 eval "[ \"\$(count taken)\" != none ]"
ask shop $web tcp 10.77.0.1 6379 > /dev/null
check "over IPv6, with its domain" wait_for 5 eval "dump $col/six.ipfix | grep -c 'domain id: 9'"
check "only what was asked for" wait_for 5 eval "dump $col/six.ipfix | grep -c 'firewallEvent : 1'"
is "and nothing else" "" "$(dump "$col/six.ipfix" | grep 'firewallEvent : [^1]')"

# Without an address of that family its socket goes; a new one is opened when there is one again.
on shop ip -6 addr del fd77::1/64 dev eth1
on shop ip -6 addr add fd77::3/64 dev eth1 nodad
begun() {
	dump "$col/six.ipfix" | grep -c 'firewallEvent : 1'
}
before=$(begun)
# shellcheck disable=SC2317  # wait_for calls it
goes_on() {
	ask shop "$web" tcp 10.77.0.1 6379 > /dev/null
	[ "$(begun)" -gt "$before" ]
}
check "another source address: goes on" wait_for 8 goes_on
tap_end
