#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a map allows and nobody needs, from real traffic: `report` says when each rule was used last,
# `tighten` makes a diff that patch(1) takes, and the map with it denies nothing that was seen. Run by
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
serve outside x.service tcp :: 9000
for port in 8080 6379; do
	wait_for 5 eval "[ \"\$(ask shop $report tcp 127.0.0.1 $port)\" = answered ]" ||
		{ tap "not ok" "the servers start"; tap_end; }
done

cat > "$SCOPE_DIR/map.yaml" <<'YAML'
# the shop, übung
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
  report: { match: { unit: report.service } }
  office: { match: { cidr: [10.78.0.0/16, "fd77::/64"] } }
  partner: { match: { cidr: [10.77.0.0/24] } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6000-7000, owner: "bücher", description: sessions }
  # kept
  - id: old
    from: web
    to: office
    port:
      - tcp/9000
      - tcp/9001
    description: nobody knows

  # this one stays, it is just in time
  - { id: ops, from: web, to: office, port: tcp/22, jit: { max: 1h } }
  - id: office-web
    from: [office, partner]
    to: web
    port:
      - tcp/8080
      - tcp/8443
  - { id: ping, from: any, to: any, port: [icmp/echo-request, tcp/7] }
  - { id: report-out, from: report, to: partner, port: any, until: 2099-01-01T00:00:00Z, mode: observe }
  - { id: shared, from: [web, report], to: office, port: [tcp/80, udp/53] }
failsafe:
  - { from: { cidr: [10.99.0.250/32] }, port: tcp/22, description: bastion }
assert:
  - { from: office, to: web, port: tcp/8080, expect: allow }
YAML
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
bh shop tighten > /dev/null 2>&1
is "without a map there is nothing to tighten" 1 $?
check "a map" bh shop apply --yes --enforce "$SCOPE_DIR/map.yaml"
applied=$(date +%s)

traffic() { # text
	is "$1: web -> cache" answered "$(ask shop $web tcp 127.0.0.1 6379)"
	is "$1: outside -> web" answered "$(ask_from outside tcp 10.77.0.1 8080)"
	is "$1: outside -> web, IPv6" answered "$(ask_from outside tcp fd77::1 8080)"
	is "$1: report -> outside" answered "$(ask shop $report tcp 10.77.0.2 9000)"
	check "$1: outside pings" on outside ping -c 1 -W 2 10.77.0.1
}

said=$(bh shop tighten --since 1s 2>&1)
check "an empty history proposes nothing" grep -q '^# there is nothing to tighten' <<< "$said"
check "and it says that it is empty" grep -q '^# note: the history is empty' <<< "$said"
traffic "before"
has_all() {
	[ "$(bh shop pairs -o json | python3 -c 'import json, sys
print(*sorted({"%s %s" % (r["rule"], r["remote"]["ip"] or "here") for r in json.load(sys.stdin)["data"]["rows"] if r["rule"]}), sep=", ")')" = \
		"office-web 10.77.0.2, office-web fd77::2, report-out 10.77.0.2, web-cache here" ]
}
check "the history has it" wait_for 5 has_all

# --- report --------------------------------------------------------------------------------------
rows() { # expression over r
	bh shop report -o json | python3 -c '
import json, sys
for r in json.load(sys.stdin)["data"]["rows"]:
    print(eval(sys.argv[1]))' "$1"
}
is "what was never used, by line" "old ops ping shared" \
	"$(rows 'r["rule"] if not r["last"] and r["kind"] == "allow" else ""' | xargs)"
is "those come before what was used" "True" "$(bh shop report -o json | python3 -c '
import json, sys
l = [r["last"] or "" for r in json.load(sys.stdin)["data"]["rows"]]
print(l == sorted(l) and l[0] == "" and l[-1] != "")')"
is "owner, description, line and generation" "bücher sessions 13 1 False" \
	"$(rows '" ".join(map(str, (r["owner"], r["description"], r["line"], r["since"]["generation"], r["since"]["or_before"]))) if r["rule"] == "web-cache" else ""' | grep .)"
is "what it decided" True "$(rows 'int(r["packets"]) > 0 if r["rule"] == "web-cache" else ""' | grep .)"
is "when it ends, and probation" "2099-01-01T00:00:00Z True" \
	"$(rows '"%s %s" % (r["until"], r["probation"]) if r["rule"] == "report-out" else ""' | grep .)"
check "the table says never" eval "bh shop report 2> /dev/null | grep -qE '^old +allow +15 +never '"

# --- tighten ---------------------------------------------------------------------------------------
bh shop tighten > "$SCOPE_DIR/week.diff"
is "by default it is about a week: nothing is so old" 0 "$(grep -c '^@@' "$SCOPE_DIR/week.diff")"
check "it says that the history is younger" grep -q '^# note: the history is younger than 168 h: it begins ' "$SCOPE_DIR/week.diff"
check "and that the rules are" grep -q '^# note: nothing is proposed for what is in the map for less than 168 h' "$SCOPE_DIR/week.diff"

sleep 2
traffic "later"
span=$(($(date +%s) - applied - 1))
bh shop tighten --since ${span}s > "$SCOPE_DIR/diff" 2> "$SCOPE_DIR/said"
is "tighten" 0 $?
is "no word but the diff" "" "$(cat "$SCOPE_DIR/said")"
bh shop get map > "$SCOPE_DIR/live.yaml"
cp "$SCOPE_DIR/live.yaml" "$SCOPE_DIR/tight.yaml"
check "what is allowed and not told of stays, and that is said" grep -q '^# note: rule ping, line 31, has decided ' "$SCOPE_DIR/diff"
check "also of who may have used that" grep -q '^# note: segment partner, line 11, .*: rule report-out was used, and may' "$SCOPE_DIR/diff"
check "patch takes it" patch --fuzz=0 "$SCOPE_DIR/tight.yaml" "$SCOPE_DIR/diff"
check "the map is good" bh shop check "$SCOPE_DIR/tight.yaml"
cat > "$SCOPE_DIR/expected.yaml" <<'YAML'
# the shop, übung
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
  report: { match: { unit: report.service } }
  office: { match: { cidr: ["fd77::2/128"] } }
  partner: { match: { cidr: [10.77.0.0/24] } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379, owner: "bücher", description: sessions }
  # kept

  # this one stays, it is just in time
  - { id: ops, from: web, to: office, port: tcp/22, jit: { max: 1h } }
  - id: office-web
    from: [office, partner]
    to: web
    port:
      - tcp/8080
  - { id: ping, from: any, to: any, port: [icmp/echo-request, tcp/7] }
  - { id: report-out, from: report, to: partner, port: [tcp/9000, icmp], until: 2099-01-01T00:00:00Z, mode: observe }
failsafe:
  - { from: { cidr: [10.99.0.250/32] }, port: tcp/22, description: bastion }
assert:
  - { from: office, to: web, port: tcp/8080, expect: allow }
YAML
is "and it is what was used, to the byte" "" "$(diff "$SCOPE_DIR/expected.yaml" "$SCOPE_DIR/tight.yaml")"
is "each hunk says why" 0 "$(grep '^@@' "$SCOPE_DIR/diff" | grep -vcE '^@@ .* @@ .*(rule|segment) [a-z-]+: ')"
is "as JSON" "office narrow_prefixes 10 office-web narrow_ports 25 old remove 15 report-out narrow_ports 32 shared remove 33 web-cache narrow_ports 13" \
	"$(bh shop tighten --since ${span}s -o json | python3 -c '
import json, sys
print(*sorted("%s %s %d" % (p["rule"] or p["segment"], p["what"], p["line"]) for p in json.load(sys.stdin)["data"]["proposals"]))')"
is "and was, would be" "tcp/6000-7000 > tcp/6379" "$(bh shop tighten --since ${span}s -o json | python3 -c '
import json, sys
print(*("%(was)s > %(would_be)s" % p for p in json.load(sys.stdin)["data"]["proposals"] if p["rule"] == "web-cache"))')"
said=$(bh shop simulate "$SCOPE_DIR/tight.yaml" 2>&1)
is "nothing that was ever seen would be denied" 0 $?
check "it was tried with all of it" grep -q ' pairs that were seen: .*0 would newly be denied.*, 0 allowed, 0 only observed' <<< "$said"
check "apply it" bh shop apply --yes "$SCOPE_DIR/tight.yaml"
traffic "tight"
is "what was not used is closed" EPERM "$(ask shop $web tcp 10.77.0.2 9000)"
is "a rule that stayed is as old as it was" "1" "$(rows 'r["since"]["generation"] if r["rule"] == "ops" else ""' | grep .)"
is "one that changed is new" "2" "$(rows 'r["since"]["generation"] if r["rule"] == "web-cache" else ""' | grep .)"
is "and there is nothing more to do for what is old" 0 "$(bh shop tighten --since ${span}s | grep -c '^@@')"

# --- what it must not ------------------------------------------------------------------------------
# Two rules that only together break an assertion, and one of a segment that others would gain by.
cat > "$SCOPE_DIR/assert.yaml" <<'YAML'
version: 1
name: promise
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
  report: { match: { unit: report.service } }
  office: { match: { cidr: [10.77.0.0/24] } }
allow:
- { id: web-cache, from: web, to: cache, port: tcp/6379 }
- { id: office-web, from: office, to: web, port: tcp/8080 }
- { id: promised, from: report, to: cache, port: tcp/6379 }
- { id: world, from: world, to: web, port: tcp/9999 }
failsafe: [ { from: { cidr: [10.99.0.250/32] }, port: tcp/22 } ]
assert: [ { from: report, to: cache, port: tcp/6379, expect: allow } ]
YAML
check "a map with a promise" bh shop apply --yes "$SCOPE_DIR/assert.yaml"
sleep 2
is "traffic" answered "$(ask_from outside tcp 10.77.0.1 8080)"
asked() { bh shop pairs --since 2s | grep -q office-web; }
check "it is seen" wait_for 5 asked
bh shop tighten --since 2s > "$SCOPE_DIR/diff"
is "what was promised stays" "" "$(grep '^-.*promised' "$SCOPE_DIR/diff")"
check "and that is said" grep -q '^# note: 1 more would change' "$SCOPE_DIR/diff"
check "others would gain: that is said" grep -q '^# note: segment office, line 9, .*: rule world would' "$SCOPE_DIR/diff"
check "what nobody used goes" grep -q '^-- { id: world' "$SCOPE_DIR/diff"
bh shop get map > "$SCOPE_DIR/tight.yaml"
check "patch takes that, too" patch --fuzz=0 "$SCOPE_DIR/tight.yaml" "$SCOPE_DIR/diff"
check "and it is good" bh shop apply --dry-run "$SCOPE_DIR/tight.yaml"
# Two rules for one thing: when the one that is used goes, the other is needed, though nobody used it yet.
twice() { # [id to leave out]
	cat > "$SCOPE_DIR/twice.yaml" <<'YAML'
version: 1
name: twice
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
allow:
- { id: first, from: web, to: cache, port: [tcp/6379, tcp/1] }
- { id: second, from: web, to: cache, port: [tcp/6379, tcp/2] }
failsafe: [ { from: { cidr: [10.99.0.250/32] }, port: tcp/22 } ]
YAML
	[ -z "${1:-}" ] || sed -i "/id: $1/d" "$SCOPE_DIR/twice.yaml"
	bh shop apply --yes "$SCOPE_DIR/twice.yaml"
}
check "two rules for one thing" twice
applied=$(date +%s)
sleep 2
is "it is used" answered "$(ask shop $web tcp 127.0.0.1 6379)"
used_one() { used=$(bh shop pairs --since 2s -o json | grep -oE '"rule": "(first|second)"' | head -1 | cut -d'"' -f4) && [ -n "$used" ]; }
used=
wait_for 5 used_one
check "one of them is seen to be" test -n "$used"
check "that one goes" twice "$used"
span=$(($(date +%s) - applied - 1))
bh shop tighten --since ${span}s > "$SCOPE_DIR/diff"
is "the other is needed for what was seen" 0 "$(grep -c '^@@' "$SCOPE_DIR/diff")"
check "so it stays, and that is said" grep -q '^# note: 1 more would change' "$SCOPE_DIR/diff"
tap_end
