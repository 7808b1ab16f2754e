# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Probes through a moment in which something happens to the agent: two hosts, a policy, and four
# programs that ask all the time, over TCP and UDP, IPv4 and IPv6 (selftests/helpers/prober.c).
# What is forbidden must never pass, what is allowed always. Sourced after host.sh.
#
#	probes_hosts                  shop (which will have the agent) and outside, a map, servers
#	probes_start / probes_end WHAT       TAP: did each get what it should, all the time?
#	talks_start / talks_end WHAT         long-lived conversations: not one number is lost
#	how_many FULL USUAL           how often something is done: FULL times where WINDOWS=full

PROBER=$BUILD/test/helpers/prober
PROBE_RATE=${PROBE_RATE:-2000} # a second, of each of the two that are denied

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service
probers=() talks=()

how_many() {
	[ "${WINDOWS:-}" = full ] && echo "$1" || echo "$2"
}

probes_map() {
	cat <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: "nginx*.service" } }
  cache:    { match: { unit: redis.service } }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: web-cache, from: web, to: cache, port: [tcp/6379-6380, udp/6379-6380] }
  - { id: visitors-web, from: visitors, to: web, port: [tcp/8080-8081, udp/8080-8081] }
  - { id: web-visitors, from: web, to: visitors, port: [tcp/9000-9001, udp/9000-9001] }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
}

# backlog, delay in ms, ports
answer() { # host cgroup backlog delay port...
	local host=$1 cg=$2
	shift 2
	spawn "$SCOPE_DIR/$host/serve.log" "$host" "$cg" "$PROBER" serve "$@"
}

probes_hosts() {
	[ -x "$PROBER" ] || { echo "no $PROBER: build the tests"; return 1; }
	host_make shop && host_make outside || return 1
	host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || return 1
	probes_mac=$(on shop ip -o link show eth1 | grep -oE 'ether [0-9a-f:]+' | cut -d' ' -f2)
	probes_map > "$SCOPE_DIR/shop.yaml"
	answer shop $cache 512 0 6379
	answer shop $web 512 0 8080
	# without a backlog nothing about an accepted socket tells that it was accepted
	answer shop $cache 0 0 6380
	answer shop $web 0 0 8081
	answer outside x.service 0 0 9000
	answer outside x.service 0 300 9001
	wait_for 10 eval "[ \$(cat $SCOPE_DIR/*/serve.log | grep -c serving) = 6 ]" || return 1
	# neighbours find each other once; until then frames are lost
	for to in 10.77.0.1 fd77::1; do
		on outside timeout -s TERM 1.5 "$PROBER" talk 50 udp $to 8080 > /dev/null &
	done
	wait
}

probe() { # name host cgroup arguments of prober...
	local log=$SCOPE_DIR/$1.probe
	: > "$log"
	shift
	spawn "$log" "$1" "$2" "$PROBER" "${@:3}"
	probers+=("$REPLY")
}

probes_start() {
	probers=()
	probe forbidden shop $report local "$PROBE_RATE" 10.77.0.1 fd77::1 6379
	probe allowed shop $web local 500 10.77.0.1 fd77::1 6379
	probe outsider outside x.service \
		wire "$PROBE_RATE" eth1 "$probes_mac" 10.77.0.2 10.77.0.1 fd77::2 fd77::1 6379
	probe visitor outside x.service \
		wire 0 eth1 "$probes_mac" 10.77.0.2 10.77.0.1 fd77::2 fd77::1 8080
	wait_for 10 eval "[ \$(cat $SCOPE_DIR/*.probe | grep -c probing) = 4 ]"
}

# Kills and waits; what they print is there then.
stop_all() { # pid...
	kill "$@" 2> /dev/null
	# shellcheck disable=SC2016  # for eval
	wait_for 20 eval '! kill -0 '"$*"' 2> /dev/null'
}

rows() { # name
	grep -v '^#' "$SCOPE_DIR/$1.probe"
}

asked() { # name: how many
	rows "$1" | awk '{ n += $2 } END { print n + 0 }'
}

# Rows of which not all passed (or any, or failed otherwise); "" is right.
not_all_passed() { # name
	rows "$1" | awk '$2 == 0 || $3 != $2'
}

not_all_denied() { # name
	rows "$1" | awk '$2 == 0 || $4 != $2'
}

any_passed() { # name
	rows "$1" | awk '$2 == 0 || $3 > 0'
}

probes_end() { # what happened meanwhile
	stop_all "${probers[@]}"
	is "$1: forbidden (of $(asked forbidden) calls)" "" "$(not_all_denied forbidden)"
	is "$1: its twin ($(asked allowed))" "" "$(not_all_passed allowed)"
	is "$1: an outsider's frames ($(asked outsider))" "" "$(any_passed outsider)"
	is "$1: a visitor's ($(asked visitor))" "" "$(not_all_passed visitor)"
	grep -hE '^# .*(no answer|slowest)' "$SCOPE_DIR"/*/serve.log "$SCOPE_DIR"/*.probe
}

# The same probes with nothing enforced: nearly all get through, or they prove nothing.
probes_prove_themselves() {
	probes_start
	sleep 1
	stop_all "${probers[@]}"
	for name in forbidden outsider; do
		check "nothing is enforced: $(asked $name) probes of $name, 99 % pass" \
			test -z "$(rows $name | awk '$2 < 100 || $3 < $2 * 0.99')"
	done
}

talk() { # host cgroup period tcp|udp address port
	local log=$SCOPE_DIR/talk.${#talks[@]}
	: > "$log"
	spawn "$log" "$1" "$2" "$PROBER" talk "${@:3}"
	talks+=("$REPLY")
}

talks_start() {
	talks=()
	talk shop $web 5 tcp 10.77.0.1 6380
	talk shop $web 5 udp fd77::1 6380
	talk outside x.service 5 tcp fd77::1 8081
	talk outside x.service 5 udp 10.77.0.1 8081
	talk shop $web 5 tcp 10.77.0.2 9000
	# an answer that takes its time: meanwhile nobody may forget who asked
	talk shop $web 1 udp fd77::2 9001
	wait_for 10 eval "[ \$(cat $SCOPE_DIR/talk.* | grep -c probing) = 6 ]"
}

talks_end() { # what happened meanwhile
	local n
	stop_all "${talks[@]}"
	n=$(cat "$SCOPE_DIR"/talk.* | awk '!/^#/ { n += $2 } END { print n + 0 }')
	is "$1: 6 conversations, $n numbers there and back: cut" "" \
		"$(cat "$SCOPE_DIR"/talk.* | awk '!/^#/ && ($2 < 5 || $3 != $2)')"
}
