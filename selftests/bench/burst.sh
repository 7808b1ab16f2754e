#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Half a million events a second for ten seconds, from the kernel to a file, by a whole agent that has
# one core: none may be lost. Then as many as go from one core and from both: what is lost is counted
# to the unit. A workload is refused, each time another port, so that each is told of. Run by `make bench`: burst.sh [-o FILE]. It fails where the numbers do not add up, and
# says where the goal is missed.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
out=/dev/null
[ "${1:-}" = -o ] && out=$2

GOAL=500000 MS=${MS:-10000}
scope_begin bh-test
host_make shop || exit 1
dir=$SCOPE_DIR/shop
mkdir -p "/dev/shm/$SCOPE"
trap 'rm -rf "/dev/shm/$SCOPE"; scope_end' EXIT

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: bench
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  ask: { match: { unit: ask.service } }
  office: { match: { cidr: 10.99.0.0/16 } }
allow:
  - { id: ask-office, from: ask, to: office, port: tcp/7000 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

settings() { # file
	printf '%s\n' "version: 1" "telemetry: { file: { path: $1, max_bytes: 17179869184, keep: 1 } }" \
		> "$dir/bulkhead.yaml"
}

next_file() { # file
	settings "$1"
	kill -HUP "$(agent_pid shop)"
	wait_for 10 test -e "$1"
}

# What a file says itself: seen sent suppressed lost-in-the-ring lost-at-the-file
events() { # file
	grep '"type":"loss"' "$1" | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
at_file = sum(r["stages"]["queue"] + r["stages"]["sink_file"] for r in rows)
print(*(sum(r[k] for r in rows) for k in ("seen", "sent", "suppressed", "lost")), at_file)'
}

agent_ticks() {
	cut -d' ' -f14,15 "/proc/$(agent_pid shop)/stat" | tr ' ' +
}

# shellcheck disable=SC2317  # wait_for calls it
is_idle() {
	local before
	before=$(agent_ticks)
	sleep 0.5
	[ "$before" = "$(agent_ticks)" ]
}

flood() { # rate core...: how many were refused, and how many a second
	local rate=$1 core
	shift
	for core in "$@"; do
		unit shop system.slice/ask.service taskset -c "$core" "$BUILD/test/helpers/flood" \
			10.99.0.1 "$rate" "$MS" &
	done | awk '{ n += $1; s += $2 } END { print n, s }'
	wait
}

rows="" bad=0
burst() { # what goal rate core...
	local file=/dev/shm/$SCOPE/${1// /-}.jsonl seen sent suppressed ring at_file told asked rate used lines verdict=""
	next_file "$file" || { echo "no file"; exit 1; }
	used=$(agent_ticks)
	read -r asked rate < <(flood "${@:3}")
	used=$(($(agent_ticks) - used))
	wait_for 60 is_idle
	# closed, it has what was still to be written
	next_file "$file.next" || { echo "no file"; exit 1; }
	read -r seen sent suppressed ring at_file < <(events "$file")
	lines=$(grep -c '"type":"deny"' "$file")
	rm -f "$file"*
	[ "$2" = yes ] && verdict=$([ $((ring + at_file)) = 0 ] && echo met || echo missed)
	printf '  %-10s %9d %9d %9d %9d %9d %8d %5s\n' "$1" "$asked" "$rate" "$lines" "$ring" \
		"$at_file" "$((used * 1000 / MS))" "$verdict"
	[ "$verdict" != missed ] ||
		echo "goal missed: $((ring + at_file)) of $asked events were lost at $3 a second"
	# those that asked around are told of, too: an alert is an event
	told=$((lines + suppressed + ring + at_file))
	if [ $((sent + suppressed + ring)) != "$seen" ] || [ "$seen" -lt "$asked" ] ||
		[ $told -gt "$seen" ] || [ $told -lt "$asked" ]; then
		echo "they do not add up: $seen seen, $sent sent, $suppressed suppressed, $ring and $at_file lost"
		bad=1
	fi
	rows+="${rows:+, }{\"what\": \"$1\", \"asked\": $asked, \"per_s\": $rate, \"lines\": $lines,
   \"lost_ring\": $ring, \"lost_file\": $at_file, \"verdict\": \"$verdict\"}"
}

AGENT_UNDER=(taskset -c 1)
settings "/dev/shm/$SCOPE/start.jsonl"
agent_start shop "" || exit 1
bh shop apply --yes "$SCOPE_DIR/shop.yaml" > "$dir/answer" 2>&1 || { cat "$dir/answer"; exit 1; }
printf 'events, to a file, by an agent with one core\n  %-10s %9s %9s %9s %9s %9s %8s %5s\n' "" \
	refused "a second" told "lost:ring" "file" "core %" goal
burst goal yes $GOAL 0
# the agent has to share its core with one of them
burst twice no $GOAL 0 1
burst "all of one" no 0 0
printf '{"bench": "burst", "kernel": "%s", "ok": %s, "rows": [\n  %s]}\n' "$(uname -r)" \
	"$([ $bad = 0 ] && echo true || echo false)" "$rows" > "$out"
exit $bad
