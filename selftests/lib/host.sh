# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Hosts in a box: each is a network and mount namespace, a cgroup subtree and, if asked, a real
# agent with directories of its own. Sourced by selftests/e2e/*.sh and tools/demo.sh.
#
#	scope_begin bh-test            all below is named bh-test-<pid>, and ends with the script
#	host_make shop                 lo is up, a private bpffs is mounted
#	host_wire shop eth1 10.77.0.1/24,fd77::1/64  outside eth1 10.77.0.2/24,fd77::2/64
#	on shop CMD...                 runs in its namespaces
#	unit shop system.slice/nginx.service CMD...       ... and in that cgroup
#	spawn LOG shop system.slice/nginx.service CMD...  ... in the background, pid in $REPLY
#	agent_start shop eth1=generic  waits until it answers; agent_pid shop, agent_kill shop KILL
#	AGENT_UNDER=(strace -f)        what agents are started under
#	PATIENCE_S=300                 on a slow machine: how long to wait for all that
#	bh shop status                 the command line, talking to that host's agent

BUILD=$(realpath "${BUILD:-build}")
SELFTESTS_LIB=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
AGENT=$BUILD/bulkheadd
SCOPE=""
AGENT_UNDER=()

cgroup2_root() {
	awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' \
		/proc/self/mountinfo
}

need_root() {
	[ "$(id -u)" = 0 ] && return
	echo "needs root"
	exit 77
}

need_agent() {
	need_root
	[ -e "$SELFTESTS_LIB/../../agent/main.c" ] && return
	echo "no agent in this tree"
	exit 77
}

scope_begin() { # prefix
	SCOPE=$1-$$
	SCOPE_DIR=/tmp/$SCOPE
	SCOPE_CG=$(cgroup2_root)/$SCOPE
	trap scope_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	mkdir -p "$SCOPE_DIR" "$SCOPE_CG"
}

scope_rmdir() {
	find "$SCOPE_CG" -depth -type d -exec rmdir {} +
	[ ! -d "$SCOPE_CG" ]
}

scope_end() {
	[ -n "$SCOPE" ] || return 0
	trap - EXIT
	trap '' INT TERM
	if [ -d "$SCOPE_CG" ]; then
		echo 1 > "$SCOPE_CG/cgroup.kill"
		wait_for 3 scope_rmdir || echo "cgroups are left: $SCOPE_CG"
	fi
	# The namespaces, their mounts, pins and links end with their last process.
	rm -rf "$SCOPE_DIR"
	SCOPE=""
}

host_make() { # name
	local dir=$SCOPE_DIR/$1 cg=$SCOPE_CG/$1
	mkdir -p "$dir/bpf" "$dir/run" "$dir/state" "$SCOPE_CG/holders" "$cg"
	# settings of its own: not those of the machine
	echo "version: 1" > "$dir/bulkhead.yaml"
	# shellcheck disable=SC2016  # for the inner shell
	unshare --net --mount --propagation private bash -c '
		echo $$ > "$2/cgroup.procs" && ip link set lo up && mount -t bpf bpf "$1/bpf" &&
		mkdir -m 0700 "$1/bpf/bulkhead" && echo $$ > "$1/holder" && exec sleep infinity
	' holder "$dir" "$SCOPE_CG/holders" &
	disown
	wait_for "${PATIENCE_S:-5}" test -s "$dir/holder" || { echo "host $1 did not start"; return 1; }
}

host_pid() { # name
	cat "$SCOPE_DIR/$1/holder"
}

on() { # host command...
	local pid
	pid=$(host_pid "$1") || return 1
	shift
	nsenter -t "$pid" -n -m -- "$@"
}

# Never returns: the caller is a subshell that becomes the command.
become() { # host cgroup command...
	local host=$1 cg=$SCOPE_CG/$1/$2 pid
	pid=$(host_pid "$host") || exit 126
	shift 2
	mkdir -p "$cg" && echo "$BASHPID" > "$cg/cgroup.procs" || exit 126
	exec nsenter -t "$pid" -n -m -- "$@"
}

unit() { # host cgroup command...
	(become "$@")
}

# As unit(), in the background; its pid is in $REPLY.
spawn() { # log host cgroup command...
	local log=$1
	shift
	(become "$@") >> "$log" 2>&1 < /dev/null &
	REPLY=$!
	disown
}

host_wire() { # host-a dev addresses host-b dev addresses
	local a
	on "$1" ip link add "$2" type veth peer name "$5" netns "$(host_pid "$4")" || return 1
	for a in ${3//,/ }; do host_addr "$1" "$2" "$a"; done
	for a in ${6//,/ }; do host_addr "$4" "$5" "$a"; done
	on "$1" ip link set "$2" up && on "$4" ip link set "$5" up
}

host_addr() { # host dev address
	if [[ $3 == *:* ]]; then
		on "$1" ip addr add "$3" dev "$2" nodad
	else
		on "$1" ip addr add "$3" dev "$2"
	fi
}

# Until it succeeds. Twice a second at least, whatever the clock says: where the whole machine stood
# still, nobody had that time.
wait_for() { # seconds command...
	local end=$(($(date +%s%N) + $1 * 1000000000)) tries=$((2 * $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $((tries--)) -gt 0 ] || [ "$(date +%s%N)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

agent_spawn() { # host interfaces|"" [options...]: without waiting
	local host=$1 dir=$SCOPE_DIR/$1 nics=$2
	shift 2
	spawn "$dir/agent.log" "$host" system.slice/bulkhead.service "${AGENT_UNDER[@]}" "$AGENT" \
		--state-dir "$dir/state" --runtime-dir "$dir/run" --pin-dir "$dir/bpf/bulkhead" \
		--cgroup-root "$SCOPE_CG/$host" --config "$dir/bulkhead.yaml" \
		${nics:+--interfaces "$nics"} "$@"
	echo "$REPLY" > "$dir/agent.pid"
}

agent_start() { # host interfaces [options...]
	local host=$1 dir=$SCOPE_DIR/$1
	agent_spawn "$@"
	# Any answer will do: a host without a policy is "degraded" to `status`.
	wait_for "${PATIENCE_S:-60}" agent_decided "$host"
	agent_answers "$host" || {
		echo "the agent of $host does not answer:"
		tail -n 20 "$dir/agent.log"
		return 1
	}
}

# Once more, as long as it lives: on a slow machine it may be busy when it is asked again.
agent_answers() { # host
	bh "$1" version > /dev/null 2>&1 && return
	kill -0 "$(agent_pid "$1")" 2> /dev/null && wait_for "${PATIENCE_S:-60}" bh "$1" version
}

# It answers, or it has ended: nobody needs to wait any longer.
agent_decided() { # host
	bh "$1" version || ! kill -0 "$(agent_pid "$1")"
}

agent_pid() { # host
	cat "$SCOPE_DIR/$1/agent.pid"
}

agent_kill() { # host signal
	local pid
	pid=$(agent_pid "$1")
	kill -s "$2" "$pid"
	wait_for "${PATIENCE_S:-5}" eval "! kill -0 $pid" || { echo "the agent of $1 did not end"; return 1; }
}

# A test has no console and no login that a map could cut, and its map is meant from the first on.
bh() { # host arguments...
	local host=$1
	shift
	case ${1:-} in
	apply | rollback) set -- "$1" --force --enforce "${@:2}" ;;
	confirm) set -- confirm --force "${@:2}" ;;
	esac
	"$BUILD/bulkhead" --control "$SCOPE_DIR/$host/run/control.sock" "$@"
}

# --- TAP for shell tests: check and is, then tap_end ---------------------------------

tap_n=0 tap_bad=0

tap() { # verdict text
	tap_n=$((tap_n + 1))
	echo "$1 $tap_n - $2"
	[ "$1" = ok ] || tap_bad=1
}

check() { # text command...: passes if the command does
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		tap ok "$text"
	else
		tap "not ok" "$text"
		echo "# $*: ${out//$'\n'/$'\n'# }"
	fi
}

is() { # text expected actual
	if [ "$2" = "$3" ]; then
		tap ok "$1"
	else
		tap "not ok" "$1"
		echo "# expected '$2', got '$3'"
	fi
}

tap_end() {
	local log
	if [ $tap_bad != 0 ]; then
		for log in "$SCOPE_DIR"/*/agent.log; do
			[ -s "$log" ] && tail -n 20 "$log" | sed 's/^/# agent: /'
		done
	fi
	echo "1..$tap_n"
	exit $tap_bad
}

# What a client in a cgroup gets: answered, an errno name, or timeout (see peer.py).
ask() { # host cgroup proto address port
	local host=$1 cg=$2
	shift 2
	unit "$host" "$cg" python3 "$SELFTESTS_LIB/peer.py" ask "$@"
}

# The same from a host that has no agent.
ask_from() { # host proto address port
	local host=$1
	shift
	on "$host" python3 "$SELFTESTS_LIB/peer.py" ask "$@"
}

serve() { # host cgroup proto address port
	local host=$1 cg=$2
	shift 2
	spawn "$SCOPE_DIR/$host/serve.log" "$host" "$cg" python3 "$SELFTESTS_LIB/peer.py" serve "$@"
}

# What bash's completion offers, with the agent of a directory to ask.
# shellcheck source=/dev/null
# shellcheck disable=SC2317  # the completion calls them
offers() { # directory words of the line behind bulkhead; the last one is being typed
	(
		. "$SELFTESTS_LIB/../../tools/completion/bash"
		bulkhead() { "$BUILD/bulkhead" "$@"; }
		compopt() { :; }
		COMP_WORDS=(bulkhead --control "$1/run/control.sock" "${@:2}")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_bulkhead
		echo "${COMPREPLY[*]}"
	)
}
