#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lockout guard and the first map: an administrator at the other end of a connection, whose map
# would end it. Refused, and nothing changed; and taken where it is allowed, or meant.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

# shellcheck source=selftests/lib/login.sh
. "$SELFTESTS_LIB/login.sh"

is_refused() { # what code from, with $out
	is "$1: refused" 1 "$2"
	check "$1: and why" grep -qE "^/.*closed.yaml:6:[0-9]+: error: this map would deny the session it comes from: $3:[0-9]+ -> tcp/22 of ssh.service \(default_deny\), held by python3 \(pid [0-9]+\)\$" <<< "$out"
	is "$1: nothing changed" "$before" "$(generation)"
}

login_begin
serve shop $web tcp :: 8080

# --- the first map ------------------------------------------------------------------------------------

before=$(generation)
out=$(login "$(apply closed.yaml --enforce)")
is_refused "the first map, with --enforce" $? 10.77.0.2
says "the line that would keep it" \
	'allow it, - { id: v4-ssh-22, from: v4, to: ssh, port: tcp/22 }, or keep it open, failsafe: - { from: { cidr: ["10.77.0.2/32"] }, port: tcp/22 }'
out=$(login "$(apply closed.yaml --dry-run)")
is "without, it would be taken and enforce nothing" 3 $?
says "and a rehearsal says both" "OBSERVING, nothing is denied" "would deny the session"
is "nothing changed" "$before" "$(generation)"
out=$(login "$(apply closed.yaml)")
is "the first map observes" 3 $?
says "and says so" "warning: OBSERVING, nothing is denied"
says "also that it would lock out" "warning: this map would deny the session it comes from: 10.77.0.2:"
check "it is in force" [ "$(generation)" -gt "$before" ]
is "nothing is denied" answered "$(ask shop $jump tcp 10.77.0.1 8080)"
out=$(bh shop status)
is "status is not content" 3 $?
# shellcheck disable=SC2016  # as it is printed
says "status says OBSERVING, and how it ends" "OBSERVING, nothing is denied" \
	'first apply: nothing is denied until `bulkhead apply --enforce FILE` or `bulkhead mode enforce`'
agent_kill shop KILL && agent_start shop eth1=auto
out=$(bh shop status)
says "still so with a new agent" "first apply: nothing is denied"
before=$(generation)
out=$(login "$CLI mode enforce")
is_refused "mode enforce" $? 10.77.0.2
is "and still nothing is denied" answered "$(ask shop $jump tcp 10.77.0.1 8080)"

# --- a map that lets him in -------------------------------------------------------------------------------

out=$(login "$(apply all.yaml --enforce)")
is "a map that allows the login is taken" 0 $?
is "and enforced" EPERM "$(ask shop $jump tcp 10.77.0.1 8080)"
check "status is content" bh shop status
before=$(generation)

# --- ways to come ----------------------------------------------------------------------------------------

# shellcheck disable=SC2016  # for the inner shells
echo 'n=$1; shift; [ "$n" = 0 ] && { "$@"; exit; }; bash "$0" $((n - 1)) "$@"; exit' > "$SCOPE_DIR/nest.sh"
out=$(login "$(apply closed.yaml)")
is_refused "a login" $? 10.77.0.2
out=$(login "bash $SCOPE_DIR/nest.sh 3 $(apply closed.yaml)")
is_refused "through three shells" $? 10.77.0.2
out=$(login "setsid --wait $(apply closed.yaml)")
is_refused "through setsid" $? 10.77.0.2
# a terminal and a session of its own, and an environment that says nothing: sudo with use_pty
out=$(login "env -i NO_COLOR=1 setsid --wait script -qec '$(apply closed.yaml)' /dev/null")
code=$?
out=$(tr -d '\r' <<< "$out")
is_refused "through sudo's like" $code 10.77.0.2
out=$(login --drop "$(apply closed.yaml)")
is_refused "held by somebody who is not root" $? 10.77.0.2
out=$(run_from outside "" fd77::1 "$(apply closed.yaml)")
is_refused "over IPv6" $? '\[fd77::2\]'
says "the line that would keep it" 'from: { cidr: ["fd77::2/128"] }'
out=$(run_from shop $jump 127.0.0.1 "$(apply closed.yaml)")
is "over loopback: refused" 1 $?
check "and why: the receiver" grep -qE "127.0.0.1:[0-9]+ -> tcp/22 of ssh.service \(default_deny\)" <<< "$out"
says "and the line that would keep it" "from: jump, to: ssh, port: tcp/22"
is "no failsafe would" 0 "$(grep -c failsafe: <<< "$out")"
out=$(run_from shop $jump 10.77.0.1 "$(apply closed.yaml)")
is "over an own address: refused" 1 $?
out=$(login "$(apply deny.yaml)")
is "by a deny: refused" 1 $?
check "with its line" grep -qE "deny.yaml:13:[0-9]+: error: .*\(rule_deny\)" <<< "$out"
is "nothing changed by all that" "$before" "$(generation)"

for way in "v4 outside 10.77.0.1" "v6 outside fd77::1" "jump shop 127.0.0.1"; do
	read -r map host address <<< "$way"
	cg=""
	[ "$host" = shop ] && cg=$jump
	out=$(run_from "$host" "$cg" "$address" "$(apply "$map.yaml")")
	is "with $map allowed it is taken" 0 $?
	bh shop apply --yes "$SCOPE_DIR/all.yaml" > /dev/null 2>&1
done

# --- nobody behind it ------------------------------------------------------------------------------------

# Who adopts orphans here may have a connection of its own, to whoever drives this machine.
cat > "$SCOPE_DIR/orphan.sh" <<SH
while [ "\$(awk '{ print \$4 }' /proc/\$\$/stat)" = \$1 ]; do sleep 0.02; done
for ((pid = \$\$; pid > 0; pid = \$(awk '{ print \$4 }' /proc/\$pid/stat))); do
	nsenter -t \$pid -n ss -Htnp state established | grep -q "pid=\$pid," && echo held
done > "$SCOPE_DIR/orphan.above"
$(apply closed.yaml) > "$SCOPE_DIR/orphan.out" 2>&1
echo \$? > "$SCOPE_DIR/orphan.code"
SH
before=$(generation)
login "bash -c 'setsid bash $SCOPE_DIR/orphan.sh \$\$ < /dev/null > /dev/null 2>&1 & sleep 0.1'"
wait_for 10 test -s "$SCOPE_DIR/orphan.code"
if [ -s "$SCOPE_DIR/orphan.above" ]; then
	tap ok "one whose login has ended: refused # SKIP who adopts it has a connection of its own"
else
	is "one whose login has ended: refused" 1 "$(cat "$SCOPE_DIR/orphan.code")"
	check "and what to add" grep -q "can't be told whether this map would lock you out: bulkhead (pid" "$SCOPE_DIR/orphan.out"
	check "says --force" grep -q -- "--force" "$SCOPE_DIR/orphan.out"
	is "nothing changed" "$before" "$(generation)"
fi

# --- it is meant ---------------------------------------------------------------------------------------------

out=$(login --wait 3 "$(apply closed.yaml --force)")
is "with --force it is taken, and the session ends" 99 $?
check "it is in force" [ "$(generation)" -gt "$before" ]
check "and in the audit log" grep -q '"verb":"apply".*"force":true.*"ok":true' "$dir/state/audit.jsonl"
login --wait 1 true > /dev/null
is "nobody comes in" 99 $?
# --- confirm: whoever got in since then has shown that one can -------------------------------------------

check "each way is open again" bh shop apply --yes "$SCOPE_DIR/all.yaml"
out=$(login "$(apply all.yaml --enforce --confirm 60s) && $CLI confirm")
is "the old login does not confirm" 1 $?
says "and why" "this login is from before generation"
is "it waits" unconfirmed "$(status_of 'd["state"]')"
is "nor does a script" 1 "$("$BUILD/bulkhead" --control "$dir/run/control.sock" confirm > /dev/null 2>&1; echo $?)"
out=$(login "$CLI confirm")
is "a new login does" 0 $?
is "it stays" enforcing "$(status_of 'd["state"]')"
out=$("$BUILD/bulkhead" --control "$dir/run/control.sock" apply --yes --confirm 60s "$SCOPE_DIR/all.yaml" 2>&1)
is "a script may apply what ends by itself" 0 $?
out=$(run_from outside "" fd77::1 "$CLI confirm")
is "a new login over IPv6 confirms" 0 $?
out=$(login "$(apply closed.yaml --confirm 60s)")
is "what would cut the session is refused even so" 1 $?

tap_end
