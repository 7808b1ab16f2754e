#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lockout guard of what holds for a while: a quarantine, or a grant's end, that would cut the session
# it comes from. Refused, and nothing changed; and taken where a failsafe holds it, or it is meant.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
# shellcheck source=selftests/lib/login.sh
. "$SELFTESTS_LIB/login.sh"

login_begin

hold() { # host cgroup address who options...: by a login, with $out
	out=$(run_from "$1" "$2" "$3" "$CLI quarantine $4 ${*:5} --reason x")
}

held() {
	bh shop -o json get quarantines | python3 -c '
import json, sys
print(*(q["who"] for q in json.load(sys.stdin)["data"]["quarantines"]))'
}

is_kept_in() { # what code connection
	is "$1: refused" 1 "$2"
	check "$1: and why" grep -qE "^(bulkhead: )?error: this quarantine would cut the session it comes from: $3 \(quarantine\), held by python3 \(pid [0-9]+\)\$" <<< "$out"
}

from4='10.77.0.2:[0-9]+ -> tcp/22 of ssh.service'
from6='\[fd77::2\]:[0-9]+ -> tcp/22 of ssh.service'
from_jump='127.0.0.1:[0-9]+ -> tcp/22 of ssh.service'
sed 's/10.77.0.250/10.77.0.2/' "$SCOPE_DIR/all.yaml" > "$SCOPE_DIR/safe.yaml"
check "a map is enforced" bh shop apply --yes --enforce "$SCOPE_DIR/all.yaml"

# --- quarantine ----------------------------------------------------------------------------------------

for row in "the address:10.77.0.2" "a prefix:10.77.0.0/24 --for 5m" "the segment:v4" "the server's:ssh" \
	"the unit:ssh.service" "the slice:system.slice" "its hard one:v4 --even-failsafe"; do
	# shellcheck disable=SC2086  # words
	hold outside "" 10.77.0.1 ${row#*:}
	is_kept_in "quarantine of ${row%%:*}" $? "$from4"
done
says "the line that would keep it" \
	'keep it open, failsafe: - { from: { cidr: ["10.77.0.2/32"] }, port: tcp/22 }, and leave out --even-failsafe, or say --force'
for who in fd77::2 fd77::/64 v6 ssh.service; do
	hold outside "" fd77::1 $who
	is_kept_in "over IPv6, quarantine of $who" $? "$from6"
done
says "the line that would keep it" 'failsafe: - { from: { cidr: ["fd77::2/128"] }, port: tcp/22 }, or say --force'
for who in jump jump.service; do
	hold shop $jump 127.0.0.1 $who
	is_kept_in "over loopback, quarantine of $who" $? "$from_jump"
done
says "what helps" "come another way, or say --force"
bh shop mode observe > /dev/null
hold outside "" 10.77.0.1 v4
is_kept_in "in observe" $? "$from4"
is "nobody is in quarantine by all that" "" "$(held)"
bh shop mode enforce --force > /dev/null

for row in "fd77::1 v4" "fd77::1 10.77.0.0/24" "10.77.0.1 v6" "10.77.0.1 jump.service"; do
	read -r address who <<< "$row"
	hold outside "" "$address" "$who"
	is "from $address somebody else is cut off: $who" 0 $?
	is "$who: it is" "$who" "$(held)"
	# again, and harder, is no matter either
	hold outside "" "$address" "$who" --even-failsafe
	is "$who: and harder" 0 $?
	bh shop release all > /dev/null
done
check "a script may" bh shop quarantine v4 --reason x
login --wait 1 true > /dev/null
is "and it holds" 99 $?
# a new map under which the session would be in it
sed 's/jump: .*/jump: { match: { cidr: [10.77.0.2\/32] } }/; s/v4: .*/v4: { match: { cidr: ["fd77::2\/128"] } }/; s/v6: .*/v6: { match: { unit: jump.service } }/' \
	"$SCOPE_DIR/all.yaml" > "$SCOPE_DIR/moved.yaml"
out=$(run_from outside "" fd77::1 "$(apply moved.yaml)")
is "a map that brings it into a quarantine: refused" 1 $?
check "and why" grep -qE "moved.yaml:.*error: this map would deny the session it comes from: $from6 \(quarantine\)" <<< "$out"
bh shop release all > /dev/null
out=$(run_from outside "" fd77::1 "$(apply moved.yaml)")
is "without the quarantine it is taken" 0 $?

# a failsafe is no matter, as long as it holds
bh shop apply --yes "$SCOPE_DIR/safe.yaml" > /dev/null 2>&1
for who in v4 ssh 10.77.0.0/24; do
	hold outside "" 10.77.0.1 $who
	is "with a failsafe, quarantine of $who is taken" 0 $?
	bh shop release all > /dev/null
	hold outside "" 10.77.0.1 $who --even-failsafe
	is_kept_in "but not --even-failsafe, $who" $? "$from4"
done
hold outside "" fd77::1 ssh
is_kept_in "nor is it another's" $? "$from6"

out=$(login --wait 3 "$CLI quarantine v4 --even-failsafe --force --reason x")
is "with --force it is taken, and the session ends" 99 $?
is "who is in it" v4 "$(held)"
check "it is in the audit log" grep -q '"verb":"quarantine".*"force":true.*"ok":true' "$dir/state/audit.jsonl"
check "and so is a refused one" grep -q '"verb":"quarantine".*"ok":false' "$dir/state/audit.jsonl"
bh shop release all > /dev/null

# --- grants ----------------------------------------------------------------------------------------------

grants() {
	bh shop -o json get grants | python3 -c '
import json, sys
print(*(g["id"] for g in json.load(sys.stdin)["data"]["grants"]))'
}

is_still_open() { # what code connection, with $out and $id
	is "$1: refused" 1 "$2"
	check "$1: and why" grep -qE "^(bulkhead: )?error: the end of grant $id would cut the session it comes from: $3 \((grant_missing|default_deny)\), held by python3" <<< "$out"
	is "$1: it is still granted" "$id" "$(grants)"
}

printf '%sallow:\n  - { id: login, from: [v4, v6], to: ssh, port: tcp/22, jit: { max: 1h } }\n' "$head" > "$SCOPE_DIR/jit.yaml"
check "a map that opens only for a while" bh shop apply --yes "$SCOPE_DIR/jit.yaml"
bh shop grant login --for 30m > /dev/null
id=$(grants)
for row in "10.77.0.1 $from4" "fd77::1 $from6"; do
	out=$(run_from outside "" "${row%% *}" "$CLI revoke $id")
	is_still_open "from ${row%% *}, revoke of a rule's grant" $? "${row#* }"
done
bh shop grant --from v4 --to ssh --port tcp/20-30 --for 30m > /dev/null
out=$(login "$CLI revoke $id")
is "another grant holds it: taken" 0 $?
id=$(grants)
out=$(login "$CLI revoke $id")
is_still_open "revoke of an ad hoc grant" $? "$from4"
says "the line that would keep it" "or say --force"
bh shop grant --from any --to ssh --port tcp/22 --for 30m > /dev/null
out=$(login "$CLI revoke $id")
is "another ad hoc grant holds it: taken" 0 $?
id=$(grants)
out=$(run_from outside "" fd77::1 "$CLI revoke $id")
is_still_open "over IPv6, revoke of an ad hoc grant" $? "$from6"
out=$(login --wait 3 "$CLI revoke $id --force")
is "with --force it is taken, and the session ends" 99 $?
is "nothing is granted" "" "$(grants)"
check "it is in the audit log" grep -q '"verb":"revoke".*"force":true.*"ok":true' "$dir/state/audit.jsonl"

tap_end
