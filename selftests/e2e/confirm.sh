#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A map that nobody confirms ends by itself: with the agent well, killed, stopped, restarted, and
# after a reboot; an emergency ends likewise. What is confirmed stays. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
host_addr shop eth1 10.77.0.1/24
host_addr shop eth1 fd77::1/64
on shop ip link set eth1 up

web=system.slice/nginx.service
cache=system.slice/redis.service
dir=$SCOPE_DIR/shop

# open: web may ask the cache. shut: it may not.
map() { # name allow-lines
	cat <<YAML
version: 1
name: $1
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
$2
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
}
map open 'allow: [ { id: web-cache, from: web, to: cache, port: tcp/6379 } ]' > "$SCOPE_DIR/open.yaml"
map shut 'deny: [ { id: never, from: web, to: cache, port: tcp/6380 } ]' > "$SCOPE_DIR/shut.yaml"

status() { # key
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
for k in sys.argv[1].split("."):
    d = d and d[k]
print(d)' "$1"
}

asks() {
	echo "$(ask shop $web tcp 10.77.0.1 6379) $(ask shop $web tcp fd77::1 6379)"
}

opens() { # when
	is "$1: web reaches the cache" "answered answered" "$(asks)"
}

shuts() { # when
	is "$1: web is refused" "EPERM EPERM" "$(asks)"
}

until_opens() { # when seconds
	wait_for "$2" eval '[ "$(asks)" = "answered answered" ]'
	opens "$1"
}

start() {
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

reboot() {
	on shop rm -rf "$dir/bpf/bulkhead/v3"
	start
}

serve shop $cache tcp :: 6379
serve shop $cache tcp :: 6380
start

# The first map of all: before it nothing was denied, and so it is again.
check "the first map, to be confirmed" bh shop apply --yes --confirm 6s "$SCOPE_DIR/shut.yaml"
is "status says so" unconfirmed "$(status state)"
shuts "unconfirmed"
until_opens "the first map was not confirmed" 10
wait_for 5 eval '[ "$(status state)" = no_policy ]'
is "as before the first map" no_policy "$(status state)"
check "no marker: this host has not enforced" [ ! -e "$dir/state/enforced" ]

check "apply" bh shop apply --yes "$SCOPE_DIR/open.yaml"
opens "applied"
first=$(status generation)

# --- the agent is well ---------------------------------------------------------------------------
out=$(bh shop apply --yes --confirm 6s "$SCOPE_DIR/shut.yaml")
is "taken" 0 $?
check "and told what to do" grep -q "bulkhead confirm $((first + 1))" <<< "$out"
shuts "unconfirmed"
out=$(bh shop apply --yes "$SCOPE_DIR/open.yaml" 2>&1)
is "another map meanwhile is refused" 1 $?
check "and told why" grep -q "waits to be confirmed" <<< "$out"
bh shop confirm $((first + 7)) > /dev/null 2>&1
is "another generation is not confirmed" 1 $?
is "status: what it falls back to" "$first" "$(status unconfirmed.back)"
until_opens "not confirmed" 10
wait_for 5 eval '[ "$(status state)" = enforcing ]'
is "the map before it has a new generation" $((first + 2)) "$(status generation)"
is "by its name" open "$(status map.name)"
check "the log says it" grep -q "REVERTED: nobody confirmed" "$dir/agent.log"
check "and the audit log" grep -q '"event":"revert"' "$dir/state/audit.jsonl"
bh shop confirm > /dev/null 2>&1
is "nothing to confirm is 'no'" 3 $?

check "with time" bh shop apply --yes --confirm 1h "$SCOPE_DIR/shut.yaml"
bh shop status > /dev/null 2>&1
is "while it waits, status says 'no'" 3 $?
is "completion: what can be confirmed" "$(status generation)" "$(offers "$dir" confirm "")"
check "confirmed" bh shop confirm
sleep 2
shuts "confirmed"
is "status" enforcing "$(status state)"
check "killed" agent_kill shop KILL
reboot
shuts "confirmed, after a reboot"
check "back to the open map" bh shop apply --yes "$SCOPE_DIR/open.yaml"

# --- the agent is not -----------------------------------------------------------------------------
check "unconfirmed" bh shop apply --yes --confirm 6s "$SCOPE_DIR/shut.yaml"
check "killed in between" agent_kill shop KILL
shuts "unconfirmed, no agent"
until_opens "not confirmed, no agent" 10
start
opens "and an agent again"
is "it knows the map" open "$(status map.name)"
is "and has nothing to complain of" enforcing "$(status state)"
gen=$(status generation)
check "killed once more" agent_kill shop KILL
start
is "and again: the same generation" "$gen" "$(status generation)"
is "and the same state" enforcing "$(status state)"

check "unconfirmed" bh shop apply --yes --confirm 3s "$SCOPE_DIR/shut.yaml"
kill -STOP "$(agent_pid shop)"
shuts "unconfirmed, the agent hangs"
until_opens "not confirmed, the agent hangs" 10
kill -CONT "$(agent_pid shop)"
wait_for 5 eval '[ "$(status state)" = enforcing ]'
is "it comes to and knows" open "$(status map.name)"

check "unconfirmed" bh shop apply --yes --confirm 1h "$SCOPE_DIR/shut.yaml"
check "killed" agent_kill shop KILL
start
is "a restart in between knows it" unconfirmed "$(status state)"
is "by its name" shut "$(status map.name)"
shuts "unconfirmed, restarted"
check "it can be confirmed" bh shop confirm
shuts "confirmed after a restart"
check "open again" bh shop apply --yes "$SCOPE_DIR/open.yaml"

check "unconfirmed" bh shop apply --yes --confirm 1h "$SCOPE_DIR/shut.yaml"
tried=$(status generation)
check "killed" agent_kill shop KILL
reboot
opens "a reboot in between: what was confirmed last"
is "by its name" open "$(status map.name)"
check "no number is used twice" [ "$(status generation)" -gt "$tried" ]
is "and nothing is wrong" enforcing "$(status state)"
check "nothing is left of the other" [ ! -e "$dir/state/unconfirmed" ]

check "unconfirmed" bh shop apply --yes --confirm 1h "$SCOPE_DIR/shut.yaml"
check "killed" agent_kill shop KILL
echo garbage > "$dir/state/unconfirmed"
start
opens "an agent that does not know what is tried goes back"
is "status" enforcing "$(status state)"

# --- what used to pass ----------------------------------------------------------------------------
check "open" bh shop apply --yes "$SCOPE_DIR/open.yaml"
sed 's/^mode:/revert_on_denies: 2\n&/' "$SCOPE_DIR/shut.yaml" > "$SCOPE_DIR/picky.yaml"
check "a map that minds" bh shop apply --yes --confirm 1h "$SCOPE_DIR/picky.yaml"
is "denied by name" EPERM "$(ask shop $web tcp 10.77.0.1 6380)"
is "denied before, too" EPERM "$(ask shop system.slice/x.service tcp 10.77.0.1 6379)"
is "none of these count" unconfirmed "$(status state)"
is "one that used to pass" EPERM "$(ask shop $web tcp 10.77.0.1 6379)"
wait_for 5 eval '[ "$(status unconfirmed.broken)" = 1 ]'
is "counts" 1 "$(status unconfirmed.broken)"
is "and another" EPERM "$(ask shop $web tcp fd77::1 6379)"
wait_for 5 eval '[ "$(status state)" = enforcing ]'
opens "it has ended"
check "and the log says why" grep -q "REVERTED: 2 connections that used to pass" "$dir/agent.log"

# --- mode ------------------------------------------------------------------------------------------
check "shut" bh shop apply --yes "$SCOPE_DIR/shut.yaml"
check "observe" bh shop mode observe
opens "observed"
check "enforce, to be confirmed" bh shop mode enforce --confirm 6s
shuts "enforced"
until_opens "not confirmed" 10
wait_for 5 eval '[ "$(status state)" = observing ]'
is "it observes again" observing "$(status state)"
check "the next apply ends the mode" bh shop apply --yes "$SCOPE_DIR/shut.yaml"
shuts "applied"

# --- emergency --------------------------------------------------------------------------------------
bh shop emergency open > /dev/null 2>&1
is "an emergency without a reason is a usage error" 2 $?
bh shop emergency open --reason x --for 2h > /dev/null 2>&1
is "and one that is too long" 2 $?
check "open" bh shop emergency open --for 12s --reason "pager 4711"
opens "emergency"
bh shop status > /dev/null 2>&1
is "monitoring sees it" 3 $?
is "not what is denied by name" EPERM "$(ask shop $web tcp 10.77.0.1 6380)"
is "status" emergency "$(status state)"
check "killed" agent_kill shop KILL
opens "emergency, no agent"
start
is "known again" emergency "$(status state)"
wait_for 25 eval '[ "$(asks)" = "EPERM EPERM" ]'
shuts "its end"
wait_for 5 eval '[ "$(status state)" = enforcing ]'
is "status again" enforcing "$(status state)"
check "audited" grep -q 'pager 4711' "$dir/state/audit.jsonl"
check "open again" bh shop emergency open --reason "again"
check "and closed" bh shop emergency close
shuts "closed"
bh shop emergency close > /dev/null 2>&1
is "there is none to close" 3 $?

# --- rescue, with no agent or one that hangs ---------------------------------------------------------
rescue() {
	on shop "$BUILD/bulkheadd" rescue "$@" --pin-dir "$dir/bpf/bulkhead" --state-dir "$dir/state"
}

rescue rolback > "$SCOPE_DIR/said" 2>&1
is "an unknown action is a usage error" 2 $?
check "with a hint" grep -q "did you mean 'rollback'" "$SCOPE_DIR/said"
check "open" bh shop apply --yes "$SCOPE_DIR/open.yaml"
check "then shut" bh shop apply --yes "$SCOPE_DIR/shut.yaml"
shuts "applied"
rescue rollback > /dev/null 2>&1
is "no rollback beside an agent" 3 $?
kill -STOP "$(agent_pid shop)"
check "emergency beside one that hangs" rescue emergency-open
records=$(wc -l < "$dir/state/audit.jsonl")
rescue emergency-open > /dev/null 2> "$SCOPE_DIR/said"
check "whose log it leaves alone, and says so" \
	grep -q "not in the audit log of .*: an agent is running" "$SCOPE_DIR/said"
is "there is no line more" "$records" "$(wc -l < "$dir/state/audit.jsonl")"
opens "emergency"
kill -CONT "$(agent_pid shop)"
check "the agent records it when it goes on" \
	wait_for 5 grep -q '"event":"emergency".*"opened by a rescue"' "$dir/state/audit.jsonl"
check "closed by the agent" bh shop emergency close
shuts "closed"
gen=$(status generation)
check "killed" agent_kill shop KILL
check "emergency with no agent" rescue emergency-open
opens "emergency, no agent"
check "rescue rollback" rescue rollback
opens "rolled back, no agent"
is "both are in the audit log" "rescue emergency-open $gen root, rescue rollback $((gen + 1)) root, " \
	"$(tail -n 2 "$dir/state/audit.jsonl" | jq -j '"\(.verb) \(.args.action) \(.generation) \(.by), "')"
start
check "which is whole, as the kernel knows it" bh shop audit verify
check "and shows them" grep -q "rescue rollback" <(bh shop audit)
check "the emergency is closed" bh shop emergency close
opens "rolled back"
is "the agent knows it" open "$(status map.name)"
is "and has nothing to complain of" enforcing "$(status state)"
is "its generation" $((gen + 1)) "$(status generation)"
check "unconfirmed" bh shop apply --yes --confirm 1h "$SCOPE_DIR/shut.yaml"
check "killed" agent_kill shop KILL
check "rescue rollback of a trial" rescue rollback
opens "rolled back"
start
is "the agent knows it" open "$(status map.name)"
is "and has nothing to complain of" enforcing "$(status state)"

# --- booted to observe -------------------------------------------------------------------------------
check "shut" bh shop apply --yes "$SCOPE_DIR/shut.yaml"
check "killed" agent_kill shop KILL
echo "quiet bulkhead=observe ro" > "$SCOPE_DIR/cmdline"
on shop mount --bind "$SCOPE_DIR/cmdline" /proc/cmdline
reboot
opens "booted to observe"
is "status" observing "$(status state)"
check "and why" grep -q "booted with bulkhead=observe" <<< "$(bh shop status)"
check "until it is told otherwise" bh shop mode enforce
shuts "enforced"
check "killed" agent_kill shop KILL
on shop umount /proc/cmdline
reboot
shuts "the next boot"

tap_end
