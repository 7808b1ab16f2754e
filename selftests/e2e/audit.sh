#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who changed what: the audit log of a real agent, what it says of a change, and each way to tamper
# with it while the agent is away or runs: `audit verify` and `status` tell, the log goes on. Run by
# selftests/run.
# LIMIT_S=600
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
host_addr shop eth1 10.77.0.1/24
on shop ip link set eth1 up

dir=$SCOPE_DIR/shop
log=$dir/state/audit.jsonl
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

start() {
	: > "$dir/agent.log"
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

# The agent's log with the agent away, as root of a host whose agent is gone would ask.
offline() {
	"$BUILD/bulkhead" --control /nonexistent audit verify --file "$log" > "$dir/verify" 2>&1
}

verify() {
	bh shop audit verify > "$dir/verify" 2>&1
}

records() { # jq expression over one record
	jq -r "$1" < "$log"
}

# shellcheck disable=SC2317  # called by check
problem() { # pattern
	(bh shop -o json status || true) | jq -r ".data.problems[]" | grep "$1"
}

# As chain.h and bulkheadd(8) say it can be done, without a program of ours.
# shellcheck disable=SC2317  # called by check
by_hand() {
	(
		cd "$dir/state" || exit 1
		prev=$(printf '0%.0s' {1..64})
		cat audit.jsonl.{99..1} audit.jsonl 2> /dev/null | while IFS= read -r line; do
			[ "$(jq -r .prev <<< "$line")" = "$prev" ] || echo "not after the one before: $line"
			prev=$(sed 's/,"hash":"[0-9a-f]*"}$/}/' <<< "$line" | tr -d '\n' | sha256sum | cut -c-64)
			[ "$(jq -r .hash <<< "$line")" = "$prev" ] || echo "edited: $line"
		done
	) > "$dir/hand"
	[ ! -s "$dir/hand" ]
}

pinned() {
	on shop bpftool -j map dump pinned "$dir/bpf/bulkhead/v3/maps/bh_audit" |
		jq -r '.[0].formatted.value.seq'
}

head_of() {
	tail -n +2 "$dir/state/audit.head" | jq -r .seq
}

# --- what a record says -----------------------------------------------------------------------------

start
verify
is "before the first change there is nothing wrong with the log" 0 $?
check "apply, with a reason" bh shop apply --yes --reason "ticket 4711" "$SCOPE_DIR/shop.yaml"
# A terminal: script(1) makes one.
script -qec "$BUILD/bulkhead --control $dir/run/control.sock mode observe" /dev/null > /dev/null
bh shop mode enforce > /dev/null
is "a begin, and a record each" "begin apply mode mode" \
	"$(records '.event // .verb' | tr '\n' ' ' | sed 's/ $//')"
is "why" "ticket 4711" "$(records 'select(.verb == "apply").reason')"
is "what: the digest of the map" "$(sha256sum < "$SCOPE_DIR/shop.yaml" | cut -c-64)" \
	"$(records 'select(.verb == "apply").map.sha256')"
is "what came of it" "1 true" "$(records 'select(.verb == "apply") | "\(.generation) \(.ok)"')"
check "how much it changed" [ "$(records 'select(.verb == "apply").counts.added')" -gt 0 ]
check "on which terminal" grep -q '^pts/' <<< "$(records 'select(.args.mode == "observe").tty')"
login=$(cat /proc/self/loginuid 2> /dev/null || echo 4294967295)
[ "$login" = 4294967295 ] && login=null
is "who had logged in" "$login" "$(records 'select(.args.mode == "enforce").loginuid')"
is "by whom" root "$(records 'select(.args.mode == "enforce").by')"

verify
is "it is whole" 0 $?
offline
is "also without the agent" 0 $?
check "and by hand" by_hand
is "the head is pinned" 4 "$(pinned)"
is "and on the disk" 4 "$(head_of)"
check "the last records as a table" grep -q "root.*apply.*ticket 4711" <<< "$(bh shop audit)"
is "as many as one likes" 2 "$(bh shop -o json audit -n 2 | jq '.data.rows | length')"
is "without the agent, too" 4 "$("$BUILD/bulkhead" -o json audit --file "$log" | jq '.data.rows | length')"
bh shop apply --yes /dev/null > /dev/null 2>&1
is "what was refused is there with its error" "false the file is empty" \
	"$(records 'select(.seq == 5) | "\(.ok) \(.error)"')"

# What the agent does by itself.
on shop bpftool link detach pinned "$dir/bpf/bulkhead/v3/links/bh_connect4" 2> /dev/null
check "a hook that was put back is recorded" \
	wait_for 8 eval "records 'select(.event == \"hooks\").counts.hooks' | grep -qx 1"
is "as the agent's own doing" agent "$(records 'select(.event == "hooks").by')"
agent_kill shop KILL > /dev/null
on shop rm -rf "$dir/bpf/bulkhead/v3"
start
is "so is the map that a reboot puts on again" 1 "$(records 'select(.event == "restore").seq' | wc -l)"
check "verify" verify
check "by hand" by_hand

# --- the journal ------------------------------------------------------------------------------------------

agent_kill shop TERM > /dev/null
on shop sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal'
spawn "$dir/journal" shop system.slice/journald.service python3 -u -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
while True:
    print(s.recv(65536).decode(), flush=True)'
wait_for 5 on shop test -S /run/systemd/journal/socket
AGENT_UNDER=(env JOURNAL_STREAM=1:1)
start
AGENT_UNDER=()
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
check "the journal has the number" wait_for 3 grep -qx "BULKHEAD_AUDIT_SEQ=$(records .seq | tail -n 1)" "$dir/journal"
check "and the hash" grep -qx "BULKHEAD_AUDIT_HASH=$(records .hash | tail -n 1)" "$dir/journal"
check "to be found by its MESSAGE_ID" grep -qE "^MESSAGE_ID=[0-9a-f]{32}$" "$dir/journal"

# --- while the agent is away --------------------------------------------------------------------------------

# shellcheck disable=SC2317  # called by name
edit() { sed -i '3s/observe/enforce/' "$log"; }
# shellcheck disable=SC2317
edit_last() { sed -i '$s/"by":"/"by":"not /' "$log"; }
# shellcheck disable=SC2317
remove() { sed -i 3d "$log"; }
# shellcheck disable=SC2317
reorder() { sed -i '3{h;d};4{G}' "$log"; }
# shellcheck disable=SC2317
cut_tail() { sed -i '$d' "$log"; }
# shellcheck disable=SC2317
cut_two() { sed -i '$d' "$log" && sed -i '$d' "$log"; }
# shellcheck disable=SC2317  # another log, whole in itself, and a head that fits
rewrite() {
	rm "$log" "$dir/state/audit.head"
	python3 - "$log" <<-'PY'
	import hashlib, json, sys
	prev = "0" * 64
	with open(sys.argv[1], "w") as f:
	    for i in range(1, 4):
	        line = {"seq": i, "prev": prev, "time": "2026-01-01T00:00:00Z"}
	        line |= {"event": "begin", "older": 0, "keep": 8} if i == 1 else {"by": "root", "verb": "mode"}
	        text = json.dumps(line, separators=(",", ":"))
	        prev = hashlib.sha256(text.encode()).hexdigest()
	        f.write(text[:-1] + ',"hash":"' + prev + '"}\n')
	PY
}

tampered() { # how kind line
	local lines
	agent_kill shop KILL > /dev/null
	rm -rf "$dir/kept" && cp -a "$dir/state" "$dir/kept"
	lines=$(wc -l < "$log")
	"$1"
	if [ "$2" != pinned ]; then
		offline
		is "$1: verify without an agent" 3 $?
		check "$1: says where and what" grep -qE "audit.jsonl:$3:1: error: $2: " "$dir/verify"
	fi
	start
	verify
	is "$1: verify" 3 $?
	if [ "$4" = told ]; then
		check "$1: status says so" problem "tampered"
		bh shop status > /dev/null 2>&1
		is "$1: with a 'no'" 3 $?
		check "$1: so does the log" grep -q "error: the audit log was tampered with" "$dir/agent.log"
		check "$1: and the audit log" grep -q '"event":"mismatch"' "$log"
	fi
	check "$1: changes are taken all the same" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
	check "$1: the numbers go on" [ "$(records .seq | tail -n 1)" -gt "$lines" ]
	if [ "$4" = told ]; then
		agent_kill shop TERM > /dev/null
		start
		verify
		is "$1: another start heals nothing" 3 $?
		check "$1: and status goes on" problem "tampered"
	fi
	# back to what it was, heads and all
	agent_kill shop KILL > /dev/null
	on shop rm -rf "$dir/bpf/bulkhead/v3"
	rm -rf "$dir/state" && mv "$dir/kept" "$dir/state"
	start
	verify
	is "$1: with the log back it is whole" 0 $?
}

tampered edit edited 3 untold
tampered remove removed 3 untold
tampered reorder reordered 3 untold
last=$(wc -l < "$log")
tampered edit_last edited "$last" told
last=$(wc -l < "$log")
tampered cut_tail cut $((last - 1)) told
last=$(wc -l < "$log")
tampered cut_two cut $((last - 2)) told
tampered rewrite pinned - told

# --- while it runs ---------------------------------------------------------------------------------------------

cut_two
verify
is "cut while the agent runs: verify" 3 $?
check "knows it from the kernel" grep -q "the pinned map knows of record" "$dir/verify"
check "the next change" bh shop mode enforce
check "finds it out" problem "tampered with: audit.jsonl:.*cut: "
is "accepted by nobody but who may" 1 "$(unit shop system.slice/x.service "$BUILD/bulkhead" \
	--control "$dir/run/control.sock" audit accept > /dev/null 2>&1; echo $?)"
check "accepted" bh shop audit accept --reason "seen by me"
check "status forgets it" eval "! problem tampered"
check "and is content" bh shop status
verify
is "the log does not" 3 $?
is "it says who accepted it" "seen by me" "$(records 'select(.verb == "audit_accept").reason')"

# --- without an agent ----------------------------------------------------------------------------------------------

agent_kill shop KILL > /dev/null
on shop "$BUILD/bulkheadd" rescue --detach --state-dir "$dir/state" --runtime-dir "$dir/run" \
	--pin-dir "$dir/bpf/bulkhead" --cgroup-root "$SCOPE_CG/shop" > /dev/null
is "a rescue is recorded" "rescue root" "$(records '"\(.verb) \(.by)"' | tail -n 1)"
tap_end
