#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How far it is from one segment to the next: a map whose answer is known, what a grant, a quarantine
# and a mode change, and random maps, where each pair and port that explain is asked about has to be in
# the answer of blast, or not to be. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
map=$SCOPE_DIR/shop.yaml
cat > "$map" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service } }
  backup:   { match: { unit: backup.service } }
  vault:    { match: { unit: vault.service } }
  db:       { match: { cidr: [10.9.0.0/16] } }
  visitors: { match: { cidr: [10.77.0.0/28] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: [tcp/8080, tcp/8443] }
  - { id: web-cache, from: web, to: cache, port: tcp/6379-6380 }
  - { id: cache-db, from: cache, to: db, port: tcp/5432 }
  - { id: cache-vault, from: cache, to: vault, port: tcp/8200, jit: { max: 1h } }
  - { id: ping, from: web, to: db, port: icmp/echo-request, until: "2020-01-01T00:00:00Z" }
deny:
  - { id: no-6380, from: any, to: cache, port: tcp/6380 }
failsafe:
  - { from: { cidr: [203.0.113.250/32] }, port: tcp/22 }
YAML
agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
check "the map" bh shop apply "$map" --yes --enforce --force

ways() { # list, then arguments of blast: "via>segment step ports", sorted
	local list=$1
	shift
	bh shop -o json blast "$@" | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print("; ".join(sorted("%s>%s %d %s" % (w["via"], w["segment"], w["step"], ",".join(
    "%s=%s" % (p["port"], p["verdict"]) if p["verdict"] != "allowed" else p["port"] for p in w["ports"]))
    for w in d[sys.argv[1]])))' "$list"
}

is "in one step" "web>cache 1 tcp/6379" "$(ways reached web --steps 1)"
is "in all" "cache>db 2 tcp/5432; web>cache 1 tcp/6379" "$(ways reached web)"
is "what a grant would open" "cache>vault 2 tcp/8200=after_grant" "$(ways after_grant web)"
is "from another host" "cache>db 3 tcp/5432; visitors>web 1 tcp/8080,tcp/8443; web>cache 2 tcp/6379" \
	"$(ways reached visitors)"
is "nobody" "" "$(ways reached vault)"
out=$(bh shop blast web)
for line in "web: reaches 2 segments, 1 in one step" "cache  *tcp/6379  web-cache" "db  *tcp/5432  cache-db" \
	"vault from cache  *tcp/8200  cache-vault grant_missing" "not reached: .*vault"; do
	check "the tree says: $line" grep -qE "$line" <<< "$out"
done
out=$(bh shop blast wbe 2>&1)
is "a segment that is not there" 1 $?
check "what may have been meant" grep -q "did you mean 'web'?" <<< "$out"

bh shop grant cache-vault --for 15m --reason test > /dev/null
is "a grant opens it" "cache>vault 2 tcp/8200" "$(ways reached web | grep -o 'cache>vault[^;]*')"
bh shop grant --from web --to backup --port tcp/22-23 --for 15m --reason test > /dev/null
is "one of its own, too" "web>backup 1 tcp/22-23" "$(ways reached web | grep -o 'web>backup[^;]*')"
# shellcheck disable=SC2046  # numbers
for id in $(bh shop -o json get grants | python3 -c 'import json,sys
print(*[g["id"] for g in json.load(sys.stdin)["data"]["grants"]])'); do
	bh shop revoke "$id" > /dev/null
done
is "and its end closes it" "cache>db 2 tcp/5432; web>cache 1 tcp/6379" "$(ways reached web)"

bh shop quarantine cache --reason test > /dev/null
is "a quarantine ends it" "" "$(ways reached web)"
check "and is named" grep -q "a quarantine is in force" <<< "$(bh shop blast web)"
bh shop release all > /dev/null

# backup observes: what it would deny passes, where the other end lets it
sed -i -E 's/^  (vault|backup): .*/  \1: { match: { unit: \1.service }, mode: observe }/' "$map"
bh shop apply "$map" --yes --force > /dev/null
is "observed counts, and says so" "backup>vault 1 any=would_deny,proto/*=would_deny" \
	"$(ways reached backup --steps 1 | grep -o 'backup>vault[^;]*')"
check "in words, too" grep -q "only observed: default_deny" <<< "$(bh shop blast backup)"

# --- random maps --------------------------------------------------------------------------------------

python3 "$SELFTESTS_LIB/blast.py" "$SCOPE_DIR/shop/run/control.sock" "$SCOPE_DIR/random.yaml" \
	"${MAPS:-12}" "${BH_SEED:-$RANDOM}" > "$SCOPE_DIR/random.log" 2>&1
r=$?
[ $r = 0 ] || cat "$SCOPE_DIR/random.log"
is "explain says the same of random maps" 0 $r
tail -1 "$SCOPE_DIR/random.log"

# --- many segments ------------------------------------------------------------------------------------

python3 - > "$SCOPE_DIR/many.yaml" <<'PY'
print("version: 1\nname: many\nmode: enforce\ndefault: { ingress: deny, egress: deny }\nsegments:")
for i in range(1000):
    print(f"  s{i}: {{ match: {{ unit: s{i}.service }} }}")
print("allow:")
for i in range(999):
    print(f"  - {{ id: r{i}, from: s{i}, to: s{i + 1}, port: tcp/{1000 + i} }}")
print("failsafe: [ { from: { cidr: [203.0.113.250/32] }, port: tcp/22 } ]")
PY
bh shop apply "$SCOPE_DIR/many.yaml" --yes --force > /dev/null || tap "not ok" "a map of 1000 segments"
began=$(date +%s%N)
said=$(bh shop -o json blast s0 | python3 -c 'import json,sys
d=json.load(sys.stdin)["data"]; print(d["complete"], len(d["reached"]), d["reached"][-1]["step"], d["asked"])')
took=$((($(date +%s%N) - began) / 1000000))
echo "# 1000 segments in a chain: $said, $took ms"
if [[ $said == "True 999 999 "* ]]; then
	tap ok "the whole chain of 1000"
else
	is "too long is said" False "${said%% *}"
fi
check "in bounded time" [ $took -lt 30000 ]
tap_end
