# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034  # some variables are for host.sh, some for the tests
# For selftests/fault/*.sh, over host.sh: one host of which everybody knows what is allowed, faults
# put into its agent (see fault/inject/inject.c), and probers that never stop.
#
#	fault_host shop [NETWORK]      eth1 with 10.77.0.1, servers, maps one.yaml and two.yaml
#	inject shop bpf - 12 ENOMEM    from now on; inject_off shop; hits shop, seen shop
#	probes_start shop, probes_end shop WHEN
#	both_hosts one other           two functions with tests, at the same time
#	some 54 8                      8 numbers of 1 to 54; all of them with FAULT=full
#	whole shop one two             one of them is enforced, all of it; says which
#	past shop                      says what is wrong with its history
#
# Both maps let web ask the cache at 6379, and nobody else; only `one` opens 7001, only `two` 7002.

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service

fault_maps() { # host
	local dir=$SCOPE_DIR/$1
	cat > "$dir/one.yaml" <<-'YAML'
		version: 1
		name: one
		mode: enforce
		default: { ingress: deny, egress: deny }
		segments:
		  web:   { match: { unit: nginx.service } }
		  cache: { match: { unit: redis.service } }
		  desk:  { match: { cidr: [10.77.0.128/25, "fd77::/64"] } }
		allow:
		  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
		  - { id: web-extra, from: web, to: cache, port: tcp/7001 }
		  - { id: desk-web, from: desk, to: web, port: tcp/8080 }
		failsafe:
		  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
	YAML
	sed 's/name: one/name: two/; s/7001/7002/' "$dir/one.yaml" > "$dir/two.yaml"
}

fault_host() { # host
	local dir=$SCOPE_DIR/$1 port
	host_make "$1" || return 1
	mkdir -p "$dir/inject"
	on "$1" ip link add eth1 type veth peer name peer1
	host_addr "$1" eth1 10.77.0.1/24
	host_addr "$1" eth1 fd77::1/64
	on "$1" ip link set eth1 up
	fault_maps "$1"
	for port in 6379 7001 7002; do
		serve "$1" $cache tcp :: $port
	done
	for port in 6379 7001 7002; do
		wait_for 10 eval "[ \"\$(ask $1 $report tcp 10.77.0.1 $port)\" = answered ]" || return 1
	done
}

# Agents that start from now on can be made to fail.
inject_agents() { # host
	AGENT_UNDER=("$BUILD/test/inject" "$SCOPE_DIR/$1/inject")
}

inject() { # host calls path n what
	local dir=$SCOPE_DIR/$1/inject
	inject_id=$((${inject_id:-0} + 1))
	echo "$inject_id $2 $3 $4 $5" > "$dir/plan.new"
	mv "$dir/plan.new" "$dir/plan"
}

inject_off() { # host
	inject "$1" any - 0 none
}

inject_word() { # host field: of what belongs to this plan
	local id seen=0 hits=0
	read -r id seen hits < "$SCOPE_DIR/$1/inject/seen" && [ "$id" = "$inject_id" ] ||
		seen=0 hits=0
	if [ "$2" = seen ]; then echo "$seen"; else echo "$hits"; fi
}

seen() { # host
	inject_word "$1" seen
}

hits() { # host
	inject_word "$1" hits
}

some() { # n how-many: the last among them
	[ "${FAULT:-}" = full ] && { seq 1 "$1"; return; }
	local i
	for ((i = 1; i <= $2; i++)); do echo $((i * $1 / $2)); done | awk '$1 > 0' | uniq
}

# For two processors. The first function's lines come first.
both_hosts() { # function function
	local beside
	"$2" > "$SCOPE_DIR/beside.tap" 2>&1 &
	beside=$!
	"$1"
	wait $beside
	awk -v "n=$tap_n" '/^(not )?ok / { sub(/[0-9]+/, ++n) } 1' "$SCOPE_DIR/beside.tap"
	grep -q "^not ok" "$SCOPE_DIR/beside.tap" && tap_bad=1
	tap_n=$((tap_n + $(grep -cE "^(not )?ok " "$SCOPE_DIR/beside.tap")))
}

# --- starting, stopping -------------------------------------------------------------------------

answers() { # host
	"$BUILD/bulkhead" --control "$SCOPE_DIR/$1/run/control.sock" version > /dev/null 2>&1
}

agent_lives() { # host
	[[ $(cat "/proc/$(agent_pid "$1")/stat" 2> /dev/null) == *\)\ [!ZX]\ * ]]
}

# Return: 0 it answers, 1 it ended.
agent_settles() { # host
	local end=$((SECONDS + 150))
	while [ $SECONDS -lt $end ]; do
		answers "$1" && return 0
		agent_lives "$1" || return 1
		sleep 0.02
	done
	echo "# the agent of $1 neither answers nor ends"
	return 2
}

agent_end() { # host: by force, if it lives
	kill -KILL "$(agent_pid "$1")" 2> /dev/null
	wait_for 5 eval "! agent_lives $1"
}

apply() { # host map: quietly; the answer is in $SCOPE_DIR/HOST/answer
	bh "$1" apply --yes "$SCOPE_DIR/$1/$2.yaml" > "$SCOPE_DIR/$1/answer" 2>&1
}

# --- what is enforced ----------------------------------------------------------------------------

status_of() { # host expression over d
	bh "$1" -o json status 2> /dev/null | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$2"')'
}

# "one" or "two" if that map and nothing of the other is enforced, and the disk says the same;
# else what is wrong.
whole() { # host
	python3 "$SELFTESTS_LIB/whole.py" "$SCOPE_DIR/$1/run/control.sock" "$SCOPE_DIR/$1/state"
}

# Nothing, if the newest of the history is what is live and nothing in it is damaged; else what is
# wrong.
past() { # host
	bh "$1" -o json history 2> /dev/null | python3 -c '
import json, sys
a = json.load(sys.stdin)
rows = a["data"]["rows"]
for d in a["diags"]:
    print("the history: " + d["text"])
if [r["generation"] for r in rows if r["live"]] != [r["generation"] for r in rows[:1]]:
    print("live is not the newest of " + str([(r["generation"], r["live"]) for r in rows[:3]]))'
}

# --- probers ----------------------------------------------------------------------------------------

probe() { # host name cgroup address port
	local log=$SCOPE_DIR/$1/$2.probe
	: > "$log"
	(become "$1" "$3" python3 "$SELFTESTS_LIB/peer.py" probe "$4" "$5" 0.003) > "$log" 2>&1 &
	echo $! >> "$SCOPE_DIR/$1/probers"
	disown
}

probes_start() { # host
	rm -f "$SCOPE_DIR/$1/probers"
	probe "$1" forbidden $report 10.77.0.1 6379
	probe "$1" allowed $web fd77::1 6379
	wait_for 10 eval "[ \$(cat $SCOPE_DIR/$1/{forbidden,allowed}.probe | grep -c probing) = 2 ]"
}

outcomes() { # host name
	awk '!/^#/ { printf "%s%s", sep, $1; sep = " " }' "$SCOPE_DIR/$1/$2.probe"
}

probed() { # host name: how often
	awk '!/^#/ { n += $2 } END { print n + 0 }' "$SCOPE_DIR/$1/$2.probe"
}

probes_stop() { # host
	local pids
	mapfile -t pids < "$SCOPE_DIR/$1/probers"
	kill "${pids[@]}"
	wait_for 5 eval "! kill -0 ${pids[*]} 2> /dev/null"
}

probes_end() { # host when
	probes_stop "$1"
	is "$2: what is forbidden ($(probed "$1" forbidden) probes)" EPERM "$(outcomes "$1" forbidden)"
	is "$2: what is allowed ($(probed "$1" allowed) probes)" connected "$(outcomes "$1" allowed)"
}
