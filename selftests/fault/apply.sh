#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A commit in which one system call fails, each in turn: the new map is enforced and on the disk, or
# the old one is, never something of both; the answer says which, and the next apply is taken.
# Run by selftests/run; FAULT=full tries every call with every error.
# LIMIT_S=400
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
inject_agents shop
inject_off shop
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
apply shop one && apply shop two
is "two maps are taken" two "$(whole shop)"

live=two
other() { [ "$live" = one ] && echo two || echo one; }

# How many calls of this kind does an apply make? The least of three: now and then the agent looks
# at its hooks, too.
count() { # calls path: in $all
	all=1000000
	for _ in 1 2 3; do
		inject shop "$1" "$2" 0 none
		apply shop "$(other)"
		live=$(other)
		[ "$(seen shop)" -ge "$all" ] || all=$(seen shop)
	done
}

# One apply with one fault. Says what is wrong, or nothing.
try() { # calls path n error
	local want code now
	want=$(other)
	inject shop "$1" "$2" "$3" "$4"
	apply shop "$want"
	code=$?
	hit=$((hit + ($(hits shop) > 0)))
	inject_off shop
	now=$(whole shop)
	case $code in
	0) [ "$now" = "$want" ] || echo "taken, but: $now" ;;
	1)
		[ "$now" = "$live" ] || echo "refused, but: $now"
		grep -q "error: ." "$dir/answer" || echo "refused without a word"
		;;
	*) echo "exit $code" ;;
	esac
	[ $code = 0 ] && live=$want
	agent_lives shop || echo "the agent died"
}

faults() { # what calls path step errors...
	local what=$1 calls=$2 path=$3 step=$4 errors all n error i=0 bad=0 tried=0 wrong
	shift 4
	errors=("$@")
	count "$calls" "$path"
	[ "${FAULT:-}" = full ] && step=1
	hit=0
	for ((n = 1; n <= all; n += step)); do
		# one error each, in turn
		[ "${FAULT:-}" = full ] || errors=("${@:$((i % $# + 1)):1}")
		for error in "${errors[@]}"; do
			tried=$((tried + 1))
			try "$calls" "$path" "$n" "$error" > "$dir/wrong"
			wrong=$(cat "$dir/wrong")
			[ -z "$wrong" ] && continue
			bad=$((bad + 1))
			echo "# $what $n of $all, $error: ${wrong//$'\n'/; }"
		done
		i=$((i + 1))
	done
	is "$what: $tried faults ($*) in $all calls: wrong" 0 $bad
	check "$what: nearly all of them struck ($hit)" [ $((hit * 10)) -ge $((tried * 8)) ]
	check "$what: the next apply is taken" apply shop "$(other)"
	live=$(other)
	is "$what: and enforced" "$live" "$(whole shop)"
}

probes_start shop
faults "bpf()" bpf - 2 ENOMEM EPERM
faults "the state's files" openat,write,fsync,fdatasync,rename,link,unlink,fchmod "$dir/state" 1 \
	ENOSPC EIO EROFS
probes_end shop "while calls failed"
check "status is content" bh shop status
is "the history is whole" "" "$(past shop)"
tap_end
