#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A start in which one system call fails, each in turn. Where a policy is pinned it stays enforced,
# whether the agent comes up or gives up; after a reboot an agent that comes up never leaves open what
# its map closes. One that gives up says why, and the next start enforces the map again.
# Run by selftests/run; FAULT=full tries every call.
# LIMIT_S=900
# shellcheck disable=SC2317  # functions that are called by their names
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop && fault_host depot || exit 1

begin() { # host
	inject_agents "$1"
	inject_off "$1"
	{ agent_start "$1" eth1=auto && apply "$1" one; } || tap "not ok" "$1: a map is taken"
}

# An agent that gave up says why, and enforcement is not its business; one that answers enforces
# the map, or, where it could not read it, nothing but failsafes.
round() { # host calls path n error
	local host=$1 now
	: > "$SCOPE_DIR/$host/agent.log"
	inject "$host" "$2" "$3" "$4" "$5"
	agent_spawn "$host" eth1=auto
	if agent_settles "$host"; then
		up=$((up + 1))
		now=$(whole "$host")
		case $now in
		one) ;;
		*)
			is_shut "$host" || echo "up with: $now"
			[ "$(status_of "$host" 'd["problems"] != []')" = True ] || echo "unsaid: $now"
			;;
		esac
	else
		grep -q "error: ." "$SCOPE_DIR/$host/agent.log" || echo "it gave up without a word"
	fi
	struck=$((struck + ($(hits "$host") > 0)))
	inject_off "$host"
	agent_end "$host"
}

is_shut() { # host
	[ "$(ask "$1" "$report" tcp 10.77.0.1 6379)" = EPERM ] &&
		[ "$(ask "$1" "$web" tcp fd77::1 7002)" = EPERM ]
}

comes_back() { # host
	agent_spawn "$1" eth1=auto
	agent_settles "$1" && [ "$(whole "$1")" = one ] && bh "$1" status > /dev/null
}

lose_power() { # host
	agent_end "$1"
	on "$1" rm -rf "$SCOPE_DIR/$1/bpf/bulkhead/v3"
}

faults() { # host what before calls path how-many errors...
	local host=$1 what=$2 before=$3 calls=$4 path=$5 many=$6 all n i=0 wrong tried=0 bad=0 struck=0
	local up=0
	shift 6
	$before "$host"
	inject "$host" "$calls" "$path" 0 none
	agent_spawn "$host" eth1=auto
	agent_settles "$host"
	all=$(seen "$host")
	for n in $(some "$all" "$many"); do
		$before "$host"
		tried=$((tried + 1)) i=$((i + 1))
		round "$host" "$calls" "$path" "$n" "${@:$((i % $# + 1)):1}" > "$SCOPE_DIR/$host/wrong"
		wrong=$(cat "$SCOPE_DIR/$host/wrong")
		[ -z "$wrong" ] && continue
		bad=$((bad + 1))
		echo "# $what, call $n of $all, $1: ${wrong//$'\n'/; }"
	done
	is "$what: $tried faults ($*) in $all calls, $up came up: wrong" 0 "$bad"
	check "$what: each struck but for the last ($struck)" [ "$struck" -ge $((tried - 1)) ]
	check "$what: the next start enforces the map" comes_back "$host"
}

shop() {
	begin shop
	probes_start shop
	faults shop "bpf(), pinned" agent_end bpf - 5 ENOMEM EPERM
	faults shop "the state's files, pinned" agent_end openat,read "$SCOPE_DIR/shop/state" 3 EIO EMFILE
	probes_end shop pinned
}

depot() {
	begin depot
	faults depot "bpf(), after a reboot" lose_power bpf - 4 ENOMEM EPERM
	faults depot "the state's files, after a reboot" lose_power \
		openat,read,write,fsync,rename,link,unlink,fchmod "$SCOPE_DIR/depot/state" 5 EIO ENOMEM
}

both_hosts shop depot
tap_end
