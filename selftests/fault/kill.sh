#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent is killed at one system call of a commit, or of its own start, each in turn: what is
# forbidden never passes, and the next agent enforces the old map or the new one, never something
# of both. Run by selftests/run; FAULT=full tries every call.
# LIMIT_S=900
# shellcheck disable=SC2317  # functions that are called by their names
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

files=openat,write,fsync,fdatasync,rename,link,unlink,fchmod

scope_begin bh-test
fault_host shop && fault_host depot || exit 1

# Everything of one host in a process of its own: two of them at once, for two processors.
begin() { # host
	inject_agents "$1"
	inject_off "$1"
	{ agent_start "$1" eth1=auto && apply "$1" one && apply "$1" two && probes_start "$1"; } ||
		tap "not ok" "$1: two maps are taken"
}

# Kills at the n-th call while $doing runs, starts again, says what is wrong.
round() { # host calls path n doing...
	local host=$1 now
	inject "$host" "$2" "$3" "$4" KILL
	shift 4
	"$@"
	wait_for 2 eval "! agent_lives $host" && struck=$((struck + 1))
	inject_off "$host"
	agent_lives "$host" || agent_spawn "$host" eth1=auto
	agent_settles "$host" || { echo "no agent starts: $(tail -n 3 "$SCOPE_DIR/$host/agent.log")"; return; }
	now=$(whole "$host")
	[ "$now" = one ] || [ "$now" = two ] || echo "$now"
	past "$host"
}

in_a_commit() { # host
	local map=one
	grep -q '"map":.*name: one' "$SCOPE_DIR/$1/state/state" && map=two
	apply "$1" "$map"
}

in_a_start() { # host
	agent_end "$1"
	agent_spawn "$1" eth1=auto
	agent_settles "$1" > /dev/null
}

# What the kill before this one left unconfirmed is confirmed first.
in_a_trial() { # host
	local map=one
	bh "$1" confirm > /dev/null 2>&1
	grep -q '"map":.*name: one' "$SCOPE_DIR/$1/state/state" && map=two
	bh "$1" apply --yes --confirm 1h "$SCOPE_DIR/$map.yaml" > /dev/null 2>&1
	bh "$1" confirm > /dev/null 2>&1
}

kills() { # host what doing calls path how-many
	local host=$1 what=$2 doing=$3 calls=$4 path=$5 all n wrong tried=0 bad=0 struck=0
	inject "$host" "$calls" "$path" 0 none
	$doing "$host"
	all=$(seen "$host")
	for n in $(some "$all" "$6"); do
		tried=$((tried + 1))
		round "$host" "$calls" "$path" "$n" "$doing" "$host" > "$SCOPE_DIR/$host/wrong"
		wrong=$(cat "$SCOPE_DIR/$host/wrong")
		[ -z "$wrong" ] && continue
		bad=$((bad + 1))
		echo "# killed at $what $n of $all: ${wrong//$'\n'/; }"
	done
	is "killed at $tried of $all calls of $what, then started: wrong" 0 "$bad"
	check "and it was killed each time but for the last ($struck)" [ "$struck" -ge $((tried - 1)) ]
}

shop() {
	begin shop
	kills shop "bpf() in a commit" in_a_commit bpf - 5
	kills shop "bpf() in a start" in_a_start bpf - 3
	probes_end shop "in shop"
}

depot() {
	begin depot
	kills depot "files in a commit" in_a_commit "$files" "$SCOPE_DIR/depot/state" 9
	kills depot "files in a trial and its confirmation" in_a_trial "$files" "$SCOPE_DIR/depot/state" 7
	probes_end depot "in depot"
}

both_hosts shop depot
tap_end
