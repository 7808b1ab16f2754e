#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The audit log as it is written, and how much of it is kept: followed over rotations to its end; what
# was cut off is told and is no tampering, and nobody's tampering passes for it.
# LIMIT_S=300
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
on shop ip link set eth1 up

dir=$SCOPE_DIR/shop
log=$dir/state/audit.jsonl
CLI=("$BUILD/bulkhead" --control "$dir/run/control.sock")

settings() { # audit...: and wait until the agent has read them
	local before
	before=$(grep -c 'the settings were read again' "$dir/agent.log")
	printf 'version: 1\naudit: %s\n' "$1" > "$dir/new.yaml"
	mv "$dir/new.yaml" "$dir/bulkhead.yaml"
	kill -s HUP "$(agent_pid shop)"
	wait_for 5 eval "[ \$(grep -c 'the settings were read again' '$dir/agent.log') -gt $before ]"
}

write() { # how many records of some 1.5 KB: changes that are refused are in the log, too
	python3 - "$dir/run/control.sock" "$1" <<-'PY'
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	f = s.makefile("r")
	for i in range(int(sys.argv[2])):
	    s.sendall(json.dumps({"verb": "release", "args": {"who": "nobody", "reason": "r" * 1000}}).encode() + b"\n")
	    assert json.loads(f.readline())["code"] == 1
	PY
}

verify() {
	"${CLI[@]}" audit verify > "$dir/verify" 2>&1
}

follow() { # file options...
	env --default-signal=INT,TERM "${CLI[@]}" "${@:2}" audit -f > "$1" 2> "$1.err" &
	follower=$!
	wait_for 5 test -s "$1"
}

last_seq() {
	tail -n 1 "$log" | jq .seq
}

printf 'version: 1\naudit: { max_bytes: 65536, keep: 2 }\n' > "$dir/bulkhead.yaml"
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
write 1

# --- followed -----------------------------------------------------------------------------------------

follow "$dir/followed" -o json
json=$follower
follow "$dir/table"
table=$follower
write 200
check "over rotations" test -e "$log.2"
check "to its end" wait_for 5 eval "[ \$(tail -n 1 '$dir/followed' | jq .seq) = $(last_seq) ]"
is "each one, once" "$(seq 1 "$(last_seq)" | md5sum)" "$(jq .seq < "$dir/followed" | md5sum)"
is "as it stands in the log" "$(jq -c . < "$log" | md5sum)" \
	"$(tail -n "$(wc -l < "$log")" "$dir/followed" | jq -c . | md5sum)"
check "a table for people" grep -qE "^$(last_seq) +[^ ]+ +root.* release " "$dir/table"
kill -INT "$json"
wait "$json"
is "SIGINT ends it well" 0 $?
kill -TERM "$table"
wait "$table"
is "so does SIGTERM" 0 $?
is "and nothing is said" "" "$(cat "$dir/followed.err" "$dir/table.err")"
is "the last line is whole" "$(last_seq)" "$(tail -n 1 "$dir/followed" | jq .seq)"
"${CLI[@]}" audit -f --file "$log" > "$dir/out" 2>&1
is "another file can't be followed" 2 $?
"${CLI[@]}" audit -f verify > "$dir/out" 2>&1
is "nor verified so" 2 $?
follow "$dir/followed"
agent_kill shop TERM > /dev/null
wait "$follower"
is "an agent that ends is no end" 1 $?
check "and it says so" grep -q "the agent hung up" "$dir/followed.err"

# --- kept ----------------------------------------------------------------------------------------------

agent_start shop eth1=auto || { tap "not ok" "the agent starts again"; tap_end; }
verify
is "what was cut off is no tampering" 0 $?
first=$(head -n 1 "$log.2" | jq .seq)
check "it is told" grep -q "^cut off by keeping 2 older files: records 1 to $((first - 1))\$" "$dir/verify"
is "as many as were said" "audit.jsonl audit.jsonl.1 audit.jsonl.2" "$(cd "$dir/state" && echo audit.jsonl*)"
settings '{ max_bytes: 65536, keep: 4 }'
write 110
check "more are kept" test -e "$log.4"
settings '{ max_bytes: 65536, keep: 3 }'
write 50
check "fewer are kept" test ! -e "$log.4"
verify
is "that is no tampering either" 0 $?

mv "$log.3" "$dir/aside"
verify
is "a file that somebody took away is missed" 3 $?
check "with what was in it" grep -qE "audit.jsonl.2:1:1: error: removed: records $(head -n 1 "$dir/aside" | jq .seq) to " "$dir/verify"
"$BUILD/bulkhead" --control /nonexistent audit verify --file "$log" > "$dir/verify" 2>&1
is "also without an agent" 3 $?
mv "$dir/aside" "$log.3"
verify
is "it is back" 0 $?

# who takes it away and has the agent keep less from then on
rm "$log.3"
settings '{ max_bytes: 65536, keep: 1 }'
write 100
check "fewer are kept" test ! -e "$log.2"
verify
is "nobody hides behind that" 3 $?
check "it is missed" grep -q "error: removed: records" "$dir/verify"
agent_kill shop KILL > /dev/null
agent_start shop eth1=auto || { tap "not ok" "the agent starts again"; tap_end; }
write 60
verify
is "nor behind another start" 3 $?
check "accepted" "${CLI[@]}" audit accept --reason "made room by hand"
is "that is in the log" "made room by hand" "$(jq -r 'select(.verb == "audit_accept").reason' < "$log")"
verify
is "and what is left is whole" 0 $?
tap_end
