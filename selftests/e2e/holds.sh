#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Quarantine and grants, by the command line and a real agent: what they do to new and running
# connections, how they end, and what becomes of them over new maps, a killed agent and a reboot.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
host_make far || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 far eth1 10.77.0.2/24,fd77::2/64
host_addr far eth1 10.77.0.250/24

web=system.slice/nginx.service
cache=system.slice/redis.service
out=system.slice/client.service
dir=$SCOPE_DIR/shop

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: redis.service } }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
  - { id: web-cache,    from: web, to: cache, port: tcp/6379 }
  - { id: debug,        from: visitors, to: cache, port: tcp/6379, jit: { max: 1h, reason: required } }
failsafe:
  - { id: bastion, from: { cidr: [10.77.0.250/32] }, port: tcp/8080 }
YAML
sed 's/name: shop/name: again/' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/again.yaml"

rows() { # list
	bh shop -o json get "$1" | python3 -c '
import json, sys
print(len(json.load(sys.stdin)["data"][sys.argv[1]]))' "$1"
}

start() {
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

refused() { # text status command...
	local text=$1 status=$2
	shift 2
	"$@" > "$SCOPE_DIR/said" 2>&1
	is "$text" "$status" $?
}

says() {
	check "and says: $1" grep -qF -- "$1" "$SCOPE_DIR/said"
}

# The pins are gone, and what was written was so in another boot.
another_boot() {
	on shop rm -rf "$dir/bpf/bulkhead/v3"
	python3 - "$dir/state/holds" <<'PY'
import hashlib, json, sys
body = open(sys.argv[1]).read().split("\n")[1]
o = json.loads(body)
o["boot_id"] = o["boot_id"][::-1]
text = json.dumps(o, sort_keys=True, separators=(",", ":"))
digest = hashlib.sha256(text.encode()).hexdigest()
open(sys.argv[1], "w").write("bulkhead-holds 1 %d %s\n%s\n" % (len(text.encode()), digest, text))
PY
}

visit() { ask far $out tcp 10.77.0.1 8080; }
visit6() { ask far $out tcp fd77::1 8080; }
work() { ask shop $web tcp 10.77.0.1 6379; }
debug() { ask far $out tcp 10.77.0.1 6379; }

serve shop $web tcp :: 8080
serve shop $cache tcp :: 6379
start
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
is "a visitor" answered "$(visit)"
is "the web server's own work" answered "$(work)"

# --- quarantine -------------------------------------------------------------------------------------
refused "no reason" 2 bh shop quarantine web
says "say why"
refused "nobody" 2 bh shop quarantine wep --reason x
says "did you mean 'web'?"
refused "no address" 2 bh shop quarantine 10.77.0.300 --reason x
refused "host bits" 2 bh shop quarantine 10.77.0.1/24 --reason x
refused "an empty reason" 2 bh shop quarantine web --reason ""
is "nothing has changed" 0 "$(rows quarantines)"

check "a segment" bh shop quarantine web --reason "incident 7"
is "not to it" timeout "$(visit)"
is "not to it, IPv6" timeout "$(visit6)"
is "not from it" EPERM "$(work)"
is "a failsafe holds" answered "$(export from=10.77.0.250; ask far $out tcp 10.77.0.1 8080)"
is "it is listed" 1 "$(rows quarantines)"
check "status says it" grep -q "web is in quarantine: incident 7" <<< "$(bh shop status)"
check "explain says it" grep -q quarantine <<< "$(bh shop explain web cache:6379/tcp)"
check "a new map changes nothing" bh shop apply --yes "$SCOPE_DIR/again.yaml"
is "not from it, under a new map" EPERM "$(work)"
check "killed" agent_kill shop KILL
is "not from it, no agent" EPERM "$(work)"
start
is "not from it, an agent again" EPERM "$(work)"
check "killed" agent_kill shop KILL
another_boot
start
is "not from it, after a reboot" EPERM "$(work)"
is "it is listed" 1 "$(rows quarantines)"
refused "nobody to release" 1 bh shop release cache
is "completion: who can be released" "all web" "$(offers "$dir" release "")"
is "who can be cut off" web "$(offers "$dir" quarantine we)"
check "released" bh shop release web
is "a visitor again" answered "$(visit)"
is "and its own work" answered "$(work)"

check "not even a failsafe" bh shop quarantine 10.77.0.250 --even-failsafe --reason x --for 3s
is "the bastion is out" timeout "$(export from=10.77.0.250; ask far $out tcp 10.77.0.1 8080)"
is "a visitor is not" answered "$(visit)"
sleep 3
is "it ends by itself" answered "$(export from=10.77.0.250; ask far $out tcp 10.77.0.1 8080)"
wait_for 3 eval '[ "$(rows quarantines)" = 0 ]'
is "and is not listed any more" 0 "$(rows quarantines)"

check "a unit" bh shop quarantine nginx.service --reason x
is "not from it" EPERM "$(work)"
check "a prefix" bh shop quarantine fd77::/64 --reason x
is "not from there" timeout "$(ask far $out tcp fd77::1 6379)"
check "all are released" bh shop release all
is "a visitor" answered "$(visit6)"

# --- grants ------------------------------------------------------------------------------------------
is "closed" timeout "$(debug)"
refused "for how long?" 2 bh shop grant debug --reason x
refused "too long" 1 bh shop grant debug --for 2h --reason x
says "3600 s at most"
says "again.yaml:12"
refused "no reason" 1 bh shop grant debug --for 5m
says "for a reason only"
refused "no such rule" 2 bh shop grant debugg --for 5m --reason x
says "did you mean 'debug'?"
refused "not just in time" 1 bh shop grant web-cache --for 5m --reason x
says "is not just in time"
refused "half of it" 2 bh shop grant --from web --for 5m
refused "no port" 2 bh shop grant --from web --to cache --port tcp/99999 --for 5m
refused "no segment" 2 bh shop grant --from web --to cachee --port tcp/1 --for 5m
says "did you mean 'cache'?"
is "nothing was granted" 0 "$(rows grants)"
is "completion: what can be granted" debug "$(offers "$dir" grant "")"
is "and from whom" cache "$(offers "$dir" grant --from ca)"

check "granted" bh shop grant debug --for 4s --reason "ticket 12"
is "open" answered "$(debug)"
is "it is listed" 1 "$(rows grants)"
check "killed" agent_kill shop KILL
sleep 4
is "it ends with no agent" timeout "$(debug)"
start
is "and is not listed any more" 0 "$(rows grants)"

check "granted" bh shop grant debug --for 1h --reason "ticket 13"
check "a new map changes nothing" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
is "open" answered "$(debug)"
check "killed" agent_kill shop KILL
start
is "open, an agent again" answered "$(debug)"
refused "no such grant" 1 bh shop revoke 99
id=$(bh shop -o json get grants | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["grants"][0]["id"])')
is "completion: what can be revoked" "$id" "$(offers "$dir" revoke "")"
check "revoked" bh shop revoke "$id"
is "closed" timeout "$(debug)"

check "ad hoc" bh shop grant --from cache --to web --port tcp/8080 --for 1h --reason "ticket 14"
is "open" answered "$(ask shop $cache tcp 10.77.0.1 8080)"
is "one way only" timeout "$(debug)"
check "killed" agent_kill shop KILL
another_boot
start
is "a reboot ends it" EPERM "$(ask shop $cache tcp 10.77.0.1 8080)"
is "and it is not listed any more" 0 "$(rows grants)"
for what in quarantine release grant revoke; do
	check "$what is in the audit log" grep -q "\"verb\":\"$what\"" "$dir/state/audit.jsonl"
done

tap_end
