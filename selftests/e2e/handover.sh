#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Upgrade and downgrade between two builds whose maps have different layouts, under load, killed in
# the middle, with a map that can't be read: somebody judges all the time, and who talks goes on
# talking. LIMIT_S=300. Run by selftests/run; WINDOWS=full for a hundred handovers; HANDOVERS and
# KILLS for other numbers.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
# shellcheck source=selftests/lib/probes.sh
. selftests/lib/probes.sh
need_agent
HANDOVERS=${HANDOVERS:-$(how_many 100 12)}
KILLS=${KILLS:-$(how_many 12 4)}

other=$BUILD/other-abi
mkdir -p "$other"
# One make at a time works there: systemd/package.sh builds it, too.
if ! flock "$other" make -j2 ABI=4 BUILD="$other" "$other/bulkheadd" > "$other/make.log" 2>&1; then
	tail -n 20 "$other/make.log"
	exit 1
fi
build_of() { # ABI
	case $1 in
	3) echo "$BUILD/bulkheadd" ;;
	4) echo "$other/bulkheadd" ;;
	esac
}

scope_begin bh-test
probes_hosts || exit 1
dir=$SCOPE_DIR/shop

start() { # ABI
	AGENT=$(build_of "$1")
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

pinned() { # "v3", "v3 v4"
	on shop find "$dir/bpf/bulkhead" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd' '
}

problems() {
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print(d["state"], d["generation"], *d["problems"], sep="\n")'
}

# shellcheck disable=SC2120  # without options it only shows
rescue() { # options...
	on shop "$AGENT" rescue --pin-dir "$dir/bpf/bulkhead" --state-dir "$dir/state" "$@"
}

probes_prove_themselves

# --- there and back -----------------------------------------------------------------------------

start 3
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
is "pins" v3 "$(pinned)"
talks_start
probes_start
abi=3 wrong=0 signals=(TERM KILL SEGV)
for i in $(seq "$HANDOVERS"); do
	agent_kill shop "${signals[i % 3]}" > /dev/null || break
	abi=$((7 - abi))
	start $abi
	[ "$(pinned)" = v$abi ] || wrong=$((wrong + 1))
done
is "$HANDOVERS handovers: without an end" 0 $wrong
check "status is content" bh shop status
probes_end "$HANDOVERS handovers"

# --- killed in the middle -----------------------------------------------------------------------

# Wherever it is killed: who starts next, of either version, brings it to an end.
probes_start
both=0
for i in $(seq "$KILLS"); do
	agent_kill shop KILL > /dev/null
	for next in $((7 - abi)) "$abi"; do
		AGENT=$(build_of "$next")
		spawn "$dir/agent.log" shop system.slice/bulkhead.service "$AGENT" \
			--state-dir "$dir/state" --runtime-dir "$dir/run" --pin-dir "$dir/bpf/bulkhead" \
			--cgroup-root "$SCOPE_CG/shop" --interfaces eth1=auto
		echo "$REPLY" > "$dir/agent.pid"
		# all its life is in one of these moments
		wait_for 20 eval "[ \$(on shop find $dir/bpf/bulkhead/v$next -type f | wc -l) -ge $((i * 48 / KILLS)) ]"
		agent_kill shop KILL > /dev/null
		[ "$(pinned)" = "v3 v4" ] && both=$((both + 1))
	done
	abi=$((3 + i % 2))
	start $abi
	[ "$(pinned)" = v$abi ] || { tap "not ok" "not brought to an end: $(pinned)"; break; }
done
check "killed with both sets in place ($both of $((2 * KILLS)) times)" [ $both -gt 1 ]
probes_end "killed in the middle"
talks_end "all that time"

# --- the map can't be read ------------------------------------------------------------------------

agent_kill shop KILL > /dev/null
cp -r "$dir/state" "$dir/kept"
for f in "$dir"/state/state*; do
	echo garbage > "$f"
done
probes_start
start $((7 - abi))
is "an agent that can't read the map leaves the other set in place" "v3 v4" "$(pinned)"
bh shop status > /dev/null 2>&1
is "which is 'no' to status" 3 $?
check "and is told" grep -q "another version (v$abi) enforce generation" <<< "$(problems)"
is "not as a host without a policy" degraded "$(problems | head -n 1)"
# shellcheck disable=SC2119
check "rescue shows both" [ "$(rescue | grep -c 'hooks are pinned')" = 2 ]
agent_kill shop TERM > /dev/null
start $((7 - abi))
check "apply ends it" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
abi=$((7 - abi))
is "which leaves one set" v$abi "$(pinned)"
check "and guards the device" wait_for 8 bh shop status
probes_end "no map to read"

# shellcheck disable=SC2317  # called by wait_for
all_cut() {
	[ "$(cat "$SCOPE_DIR"/talk.* | awk '!/^#/ && $3 > 0 && $3 < $2' | wc -l)" = 6 ]
}

# --- a host that talks through it is judged after it ------------------------------------------------

talks_start
agent_kill shop TERM > /dev/null
abi=$((7 - abi))
start $abi
sed '/id: web-\|id: visitors-/d; s/^allow:/allow: []/' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/closed.yaml"
check "a map that allows nothing" bh shop apply --yes "$SCOPE_DIR/closed.yaml"
check "ends what was begun before the handover" wait_for 20 all_cut
check "the map again" bh shop apply --yes "$SCOPE_DIR/shop.yaml"

# --- the end of both ---------------------------------------------------------------------------------

agent_kill shop KILL > /dev/null
for f in "$dir"/state/state*; do
	echo garbage > "$f"
done
start $((7 - abi))
agent_kill shop KILL > /dev/null
is "two sets" "v3 v4" "$(pinned)"
check "rescue --detach ends both" rescue --detach
is "nothing is pinned" "" "$(pinned)"
probes_prove_themselves
tap_end
