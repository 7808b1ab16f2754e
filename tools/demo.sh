#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: a shop host and an outsider as network namespaces, nginx and redis as services in
# cgroups of their own, the real agent. Every step checks what it says; any surprise ends it with
# exit 1. Touches no NIC of this machine and not its root cgroup; ends clean, also on Ctrl-C.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
# shellcheck source=selftests/lib/shop.sh
. selftests/lib/shop.sh
need_agent
PATH=$PATH:/usr/sbin:/sbin

WEB=$shop_web REPORT=$shop_report SHOP=$shop_addr
n=0

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
else
	bold="" dim="" plain=""
fi

step() {
	n=$((n + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$n" "$*" "$plain"
}

show() {
	sed "s/^/   $dim|$plain /"
}

good() {
	echo "   ok: $*"
}

surprise() {
	echo "   NOT AS IT SHOULD BE: $*" >&2
	if [ -s "$SCOPE_DIR/shop/agent.log" ]; then
		echo "   the agent's last words:" >&2
		tail -n 15 "$SCOPE_DIR/shop/agent.log" >&2
	fi
	exit 1
}

expect_pong() { # cgroup what
	local got
	got=$(ping_cache "$1")
	[ "$got" = PONG ] || surprise "$2: $got"
	good "$2: $got"
}

# EPERM from connect() itself: told at once, not after a timeout.
expect_refused() { # cgroup what
	local got took start
	start=$(date +%s%N)
	got=$(ping_cache "$1")
	took=$((($(date +%s%N) - start) / 1000000))
	[[ $got == *"Operation not permitted"* ]] || surprise "$2: $got"
	[ "$took" -lt 1000 ] || surprise "$2: only after $took ms"
	echo "$got" | head -n 1 | show
	good "$2, told within $took ms"
}

dropped_by_xdp() { # prints how many of the shop's denies XDP reported
	bh shop -o json flows --denied -n 4096 | python3 -c '
import json, sys
text = sys.stdin.read()
data = json.loads(text)
rows = data.get("rows", data.get("data", {}).get("rows", [])) if isinstance(data, dict) else data
print(sum(r.get("hook") == "xdp" and r["remote"]["ip"] == "10.77.0.2" for r in rows))'
}

field() { # expression over d, the JSON on stdin with or without its envelope
	python3 -c '
import json, sys
d = json.load(sys.stdin)
d = d.get("data", d) if isinstance(d, dict) else d
print('"$1"')'
}

write_map() { # file with|without
	cat > "$1" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service } }
  report:   { match: { unit: report.service } }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
YAML
	[ "$2" = without ] ||
		echo '  - { id: web-cache, from: web, to: cache, port: tcp/6379 }' >> "$1"
	cat >> "$1" <<'YAML'
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
assert:
  - { from: report, to: cache, port: tcp/6379, expect: deny }
YAML
}

# One connection that asks again and again, and says when it was cut.
start_running_connection() {
	cat > "$SCOPE_DIR/asker.sh" <<'SH'
exec 3<>/dev/tcp/10.77.0.1/6379 || exit 1
while sleep 0.1; do
	printf 'PING\r\n' >&3 || break
	read -r -t 2 answer <&3 || break
	echo "${answer%$'\r'}"
done
echo cut
SH
	spawn "$SCOPE_DIR/asker.log" shop "$WEB" bash "$SCOPE_DIR/asker.sh"
	wait_for 3 grep -q PONG "$SCOPE_DIR/asker.log" || surprise "the running connection got no answer"
}

still_runs() {
	local before
	before=$(wc -l < "$SCOPE_DIR/asker.log")
	wait_for 3 eval "[ \$(wc -l < $SCOPE_DIR/asker.log) -gt $((before + 2)) ]" ||
		surprise "the running connection stopped: $1"
	grep -q cut "$SCOPE_DIR/asker.log" && surprise "the running connection was cut: $1"
	good "the connection that was open still gets answers: $1"
}

expect_outsider_dropped() {
	local got before after
	before=$1
	got=$(on outside timeout 2 redis-cli -h $SHOP PING 2>&1)
	[[ $got != PONG ]] || surprise "the outsider reached the cache"
	[ -n "$before" ] || { good "the outsider's SYN is dropped: no answer in 2 s"; return; }
	after=$(dropped_by_xdp)
	[ "$after" -gt "$before" ] || surprise "no deny by XDP was reported ($before, then $after)"
	good "the outsider's SYN never got past XDP: $((after - before)) denied there, no answer in 2 s"
}

expect_web_open() {
	local url
	for url in "http://$SHOP:8080/" "http://[fd77::1]:8080/"; do
		[ "$(fetch "$url")" = "welcome to the shop" ] || surprise "$url: $(fetch "$url")"
	done
	good "the outsider still reads the shop's page, over IPv4 and IPv6"
}

inner_map() { # name of a table by side: the id of the live one
	on shop bpftool -j map dump pinned "$SCOPE_DIR/shop/bpf/bulkhead/v3/maps/$1" |
		python3 -c '
import json, sys
rows = {}
for r in json.load(sys.stdin):
    f = r.get("formatted", r)
    k, v = f["key"], f.get("value", f.get("inner_map_id"))
    num = lambda x: x if isinstance(x, int) else int.from_bytes(bytes(int(b, 16) for b in x), "little")
    rows[num(k)] = num(v)
print(rows[int(sys.argv[1]) & 1])' "$2"
}

# --- the show ----------------------------------------------------------------------------------

began=$SECONDS
scope_begin bh-demo
host_make shop && host_make outside || exit 1
host_wire shop eth1 $SHOP/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1
write_map "$SCOPE_DIR/shop.yaml" with
write_map "$SCOPE_DIR/closed.yaml" without

step "Before: nginx, redis and a report job share one host and one address. Anything may talk."
said=$(shop_begin) || surprise "$said"
expect_pong $WEB "the web server asks the cache"
expect_pong $REPORT "so can the report job, which never should"
[ "$(on outside timeout 2 redis-cli -h $SHOP PING)" = PONG ] || surprise "the outsider can't connect"
good "and so can anybody on the network"

step "The agent starts, and a segment map is applied."
agent_start shop eth1=auto || exit 1
show < "$SCOPE_DIR/shop.yaml"
out=$(bh shop apply --yes "$SCOPE_DIR/shop.yaml" 2>&1) || surprise "apply: $out"
echo "$out" | show
bh shop status 2>&1 | show
generation=$(bh shop -o json status | field 'd["generation"]')
good "generation $generation is enforced"

step "The web server may ask the cache; its neighbour on the same address may not."
expect_pong $WEB "web -> cache"
expect_refused $REPORT "report -> cache is refused"

step "An outsider: the web page yes, the cache no."
expect_web_open
expect_outsider_dropped "$(dropped_by_xdp)"
bh shop get reasons 2>&1 | show

step "Why? Ask the program that decides."
out=$(bh shop explain report cache:6379/tcp 2>&1)
status=$?
echo "$out" | show
[ $status = 3 ] || surprise "explain ended with $status, 3 means denied"
out=$(bh shop explain web cache:6379/tcp 2>&1) || surprise "explain: $out"
echo "$out" | show
[[ $out == *web-cache* ]] || surprise "explain does not name the rule"
good "the answer names the rule and its line"

step "The agent is killed. The kernel goes on."
start_running_connection
agent_kill shop KILL || exit 1
expect_pong $WEB "web -> cache"
expect_refused $REPORT "report -> cache is refused"
expect_outsider_dropped ""
expect_web_open
still_runs "without an agent"

step "The agent comes back and adopts what it finds."
agent_start shop eth1=auto || exit 1
now=$(bh shop -o json status | field 'd["generation"]')
[ "$now" = "$generation" ] || surprise "generation $now, it was $generation"
good "still generation $now"
still_runs "adopted"
expect_refused $REPORT "report -> cache is refused"

step "The rule web-cache is removed. The connection that is open is cut."
bh shop diff "$SCOPE_DIR/closed.yaml" 2>&1 | show
start=$(date +%s%N)
out=$(bh shop apply --yes "$SCOPE_DIR/closed.yaml" 2>&1) || surprise "apply: $out"
echo "$out" | show
wait_for 5 grep -q cut "$SCOPE_DIR/asker.log" || surprise "the running connection was not cut"
good "cut $((($(date +%s%N) - start) / 1000000)) ms after the command was given"
expect_refused $WEB "web -> cache is refused"
expect_web_open

step "Nothing is hidden: bpftool reads it."
on shop bpftool prog show | grep -oE '[0-9]+: [a-z_]+ +name bh_[a-z0-9_]+' | sort -u -k4 | show
live=$(bh shop -o json status | field 'd["generation"]')
id=$(inner_map bh_policy "$live") || surprise "the policy table can't be read"
on shop bpftool map dump id "$id" > "$SCOPE_DIR/policy.txt" || surprise "map dump"
head -n 20 "$SCOPE_DIR/policy.txt" | show
grep -q '"port": 8080' "$SCOPE_DIR/policy.txt" || surprise "no entry for port 8080 in the dump"
good "an entry of the live table, with names and in decimal"

step "Detach: enforcement ends only when it is told to."
out=$(bh shop detach --yes 2>&1) || surprise "detach: $out"
expect_pong $REPORT "everything is open again, the report job too"

printf '\n%sAll %d steps went as they said, in %d s.%s\n' "$bold" "$n" "$((SECONDS - began))" "$plain"
