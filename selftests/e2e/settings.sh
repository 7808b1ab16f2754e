#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent's own file: started with it, read again on SIGHUP, refused whole when it is wrong; the
# command line goes before it. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
for n in 1 2 3; do
	on shop ip link add "eth$n" type veth peer name "peer$n"
	on shop ip link set "eth$n" up
done
dir=$SCOPE_DIR/shop
file=$dir/bulkhead.yaml

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

settings() { # [YAML...]: a line each, behind the version
	printf '%s\n' "version: 1" "$@" > "$file"
}

hangup() { # a mark in the log tells when it has been read
	local before
	before=$(marks)
	kill -HUP "$(agent_pid shop)"
	wait_for "${PATIENCE_S:-10}" eval "[ \$(marks) -gt $before ]"
}

marks() {
	grep -cE 'the settings were (read again|refused)' "$dir/agent.log"
}

hook() { # device: how what comes in there is judged
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print(next((h["mode"] for h in d["hooks"] if h["ok"] and h["name"].endswith(sys.argv[1]) and
	"egress" not in h["name"]), "none"))' "$1"
}

problem() { # part of one of status's problems
	(bh shop -o json status || true) | python3 -c '
import json, sys
sys.exit(not any(sys.argv[1] in p for p in json.load(sys.stdin)["data"]["problems"]))' "$1"
}

no() {
	! "$@"
}

# --- start ---------------------------------------------------------------------------------------

settings "interfaces: { eth1: generic }" "emergency: { default: 20s, max: 30s }" \
	"confirm: { default: 77s }"
agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
is "a device of the file is guarded as it says" generic "$(hook eth1)"
is "the others are not" none "$(hook eth2)"
check "nothing is wrong with it" no problem settings
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"

# --- SIGHUP --------------------------------------------------------------------------------------

settings "interfaces: { eth1: generic, eth2: tc }" "emergency: { default: 20s, max: 30s }" \
	"confirm: { default: 77s }"
check "SIGHUP" hangup
check "a device that was added is guarded" [ "$(hook eth2)" = tcx -o "$(hook eth2)" = clsact ]
is "the other one is as it was" generic "$(hook eth1)"

bh shop emergency open --reason x --for 31s > /dev/null 2>&1
is "an emergency longer than the longest is refused" 2 $?
check "its usual time is the file's" \
	grep -q 'for 20 s' <(bh shop emergency open --reason "pager 4711")
check "it ends" bh shop emergency close
bh shop mode observe > /dev/null
script -qec "$BUILD/bulkhead --control $dir/run/control.sock mode enforce --force" /dev/null > /dev/null
check "what a terminal begins has the file's time" eval \
	'(bh shop -o json status || true) | grep -qE "\"ends_in_s\": ?7[0-7]\b"'
check "confirm" bh shop confirm

# --- refused -------------------------------------------------------------------------------------

settings "interfaces: { eth1: off, eth2: off }" "log_levle: debug"
check "SIGHUP with an error in the file" hangup
check "status says where" problem "$file:3:1: unknown key 'log_levle'"
check "so does the log, with what to do" grep -q "$file:3:1: .*did you mean 'log_level'" "$dir/agent.log"
is "nothing of it was taken: eth1" generic "$(hook eth1)"
check "nothing of it was taken: eth2" [ "$(hook eth2)" != none ]
check "check says the same" grep -q ":3:1: error: unknown key" <(bh shop check "$file" 2>&1)

settings "interfaces: { eth1: off, eth2: tc }"
chmod g+w "$file"
check "SIGHUP with a file that others may write" hangup
check "is refused, too" problem "others may write it"
is "and eth1 stays guarded" generic "$(hook eth1)"
chmod g-w "$file"
chown 65534 "$file"
check "SIGHUP with a file of somebody else's" hangup
check "is refused, too" problem "user 65534 may write it"
is "and eth1 stays guarded" generic "$(hook eth1)"
chown 0 "$file"
rm "$file"
check "SIGHUP without the file that was named" hangup
check "is refused, too" problem "the settings can't be read: No such file"

# --- other settings ------------------------------------------------------------------------------

settings "interfaces: { eth1: off, eth2: tc, eth3: auto }" "log_level: debug"
check "SIGHUP with a good one" hangup
check "the trouble is over" no problem settings
is "off: the device is left alone" none "$(hook eth1)"
check "a third one is guarded" [ "$(hook eth3)" != none ]
sleep 1.5
is "and stays so when hooks are looked at" none "$(hook eth1)"

settings "interfaces: { eth1: native, eth2: generic, eth3: auto }"
check "SIGHUP with other modes" hangup
is "native" native "$(hook eth1)"
is "tc becomes generic" generic "$(hook eth2)"

settings "interfaces: { eth1: native, eth2: generic, eth3: auto }" "without: [tcx]"
check "SIGHUP with what can't change now" hangup
check "status says that it takes a restart" problem "without changed: that takes a restart"

# --- start again ---------------------------------------------------------------------------------

agent_kill shop TERM
settings "interfaces: { eth1: off, eth2: generic, eth3: generic }" "log_level: error"
agent_start shop eth1=tc --log-level info || { tap "not ok" "the agent starts"; tap_end; }
check "the command line goes before the file" [ "$(hook eth1)" = tcx -o "$(hook eth1)" = clsact ]
: > "$dir/agent.log"
check "SIGHUP" hangup
check "also then" [ "$(hook eth1)" != none ]
check "and its level holds: information is told" grep -q 'info: SIGHUP' "$dir/agent.log"
agent_kill shop TERM

settings "interfaces: { eth1: off }"
agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
is "off at start: what an agent before guarded is left alone" none "$(hook eth1)"
agent_kill shop TERM

# A host that does not start its agent guards nothing after a reboot.
settings "interfaces: { eth1: tc }
log_level: loud"
agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
check "started with an error in it: it is said where" grep -q "$file:3:12: error: unknown value 'loud'" "$dir/agent.log"
check "what can be read is used" [ "$(hook eth1)" != none ]
check "and status says so" problem "the settings have errors, and what can be read of them is used: $file:3:12"
bh shop status > /dev/null 2>&1
is "with a 'no'" 3 $?
settings "interfaces: { eth1: tc }"
kill -HUP "$(agent_pid shop)"
check "mended" wait_for 5 eval '! problem "the settings have errors"'
agent_kill shop TERM

settings "log_level: loud"
out=$(on shop "$AGENT" rescue --config "$file" --pin-dir "$dir/bpf/bulkhead" --state-dir "$dir/state" 2>&1)
is "rescue does without it" 0 $?
check "and says so" grep -q "no settings are used" <<< "$out"
check "what is pinned still enforces" grep -q "generation" <<< "$out"
tap_end
