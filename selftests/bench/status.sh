#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How long root waits for `status` with 10 000 rules and 1000 hostile clients on the socket, next to
# how long with neither. Run by `make bench`: status.sh [-o FILE]. It fails where root is turned
# away or gets no answer, or where the goal is missed; but for the last row, which is no goal.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
out=/dev/null
[ "${1:-}" = -o ] && out=$2

RULES=10000 ASKS=${ASKS:-500} GOAL_MS=50 NOBODY=65534 READERS=64123
rows="" bad=0 floor_p99="" goal=yes
scope_begin bh-test
host_make shop || exit 1
dir=$SCOPE_DIR/shop sock=$SCOPE_DIR/shop/run/control.sock
# root's own; of others only the root of a service may come there
operator=$SCOPE_DIR/shop/run/operator.sock
# the group of readers is this host's own
(cat /etc/group; echo "bulkhead-read:x:$READERS:") > "$dir/group"
on shop mount --bind "$dir/group" /etc/group
chmod 0711 "$SCOPE_DIR" "$dir"

map_of() { # rules
	cat <<-'YAML'
		version: 1
		name: bench
		mode: enforce
		default: { ingress: deny, egress: deny }
		segments:
	YAML
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < 40; i++) printf "  s%d: { match: { unit: s%d.service } }\n", i, i
		print "  desk: { match: { cidr: [10.77.0.0/28] } }"
		if (n) print "allow:"
		for (i = 0; i < n; i++) printf "  - { id: r%d, from: s%d, to: s%d, port: tcp/%d }\n",
			i, i % 40, int(i / 40) % 40, 1 + i / 1600
		print "failsafe:"
		print "  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }" }'
}

take() { # rules
	map_of "$1" > "$dir/map.yaml"
	bh shop apply --yes "$dir/map.yaml" > "$dir/answer" 2>&1 && return
	cat "$dir/answer"
	exit 1
}

# As a service: a session of its own. All of them together are a thousand.
gather() { # setpriv's options
	local kind each=()
	for kind in "${kinds[@]}"; do each+=("$kind" $((1000 / ${#kinds[@]}))); done
	: > "$dir/crowd.log"
	spawn "$dir/crowd.log" shop system.slice/crowd.service setsid setpriv "$@" --no-new-privs \
		"$BUILD/test/helpers/crowd" "$sock" "${each[@]}"
	wait_for 20 eval "[ \$(grep -c begun $dir/crowd.log) = ${#kinds[@]} ]" && return
	echo "the crowd did not come:"
	cat "$dir/crowd.log"
	exit 1
}

measure() { # what rules clients
	local answered away lost p50 p99 max ratio
	read -r answered away lost p50 p99 max < <("$BUILD/test/helpers/crowd" "$operator" ask "$ASKS" 2)
	floor_p99=${floor_p99:-$p99}
	ratio=$(awk -v a="${p99:-0}" -v b="$floor_p99" 'BEGIN { printf "%.1f", a / b }')
	printf '%-28s %6d %6d %9s %9s %9s %7s %6d %6d\n' "$1" "$2" "$3" "${p50:--}" "${p99:--}" \
		"${max:--}" "$ratio" "$away" "$lost"
	[ $((away + lost)) = 0 ] || [ "$goal" = no ] || bad=1
	if awk -v p="${p99:-1e9}" -v g=$GOAL_MS 'BEGIN { exit p < g }'; then
		echo "goal missed: p99 of status is $p99 ms beside $1, wanted $GOAL_MS"
		[ "$goal" = no ] || bad=1
	fi
	rows+="${rows:+, }{\"what\": \"$1\", \"rules\": $2, \"clients\": $3, \"answered\": $answered,
   \"away\": $away, \"lost\": $lost, \"p50_ms\": ${p50:-null}, \"p99_ms\": ${p99:-null},
   \"max_ms\": ${max:-null}, \"p99_of_floor\": $ratio}"
}

beside() { # what setpriv's options
	gather "${@:2}"
	measure "$1" $RULES 1000
	kill "$REPLY"
	wait_for 10 eval "! kill -0 $REPLY 2> /dev/null"
}

# as its unit has it
nice=$(sed -n 's/^Nice=//p' "$(dirname "$0")/../../tools/systemd/bulkhead.service")
AGENT_UNDER=(setsid nice -n "$nice" setpriv --regid "$READERS" --clear-groups)
agent_start shop "" || exit 1
printf 'status, in ms\n%-28s %6s %6s %9s %9s %9s %7s %6s %6s\n' beside rules clients p50 p99 max \
	"/floor" away lost
take 0
measure nobody 0 0
take $RULES
measure nobody $RULES 0
reader=(--reuid "$NOBODY" --regid "$READERS" --clear-groups)
for kind in ${KINDS:-idle half deaf huge garbage greedy storm}; do
	kinds=("$kind")
	beside "readers: $kind" "${reader[@]}"
done
kinds=(idle half deaf huge garbage greedy storm storm)
beside "readers: all kinds" "${reader[@]}"
beside "a service's root: all kinds" --clear-groups
# there he stands in the operator's own queue, and may keep it full: shown, and no goal
sock=$operator goal=no ASKS=$((ASKS / 10))
beside "the same, at root's own" --clear-groups
printf '{"bench": "status", "version": "%s", "kernel": "%s", "ok": %s, "rows": [\n  %s]}\n' \
	"$(bh shop -o json version | python3 -c 'import json, sys
print(json.load(sys.stdin)["data"]["version"])')" \
	"$(uname -r)" "$([ $bad = 0 ] && echo true || echo false)" "$rows" > "$out"
exit $bad
