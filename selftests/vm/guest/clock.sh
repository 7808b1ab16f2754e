#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The wall clock is set, by years and both ways, in a guest whose clock is its own: what was given for
# a while ends after that while, a rule ends when the clock says so, the audit log stays whole.
# CLOCK_BOOTTIME knows nothing of it, and is what waits here. In between the kernel kills the agent for
# want of memory (memory.max of its cgroup): what it enforced stays, and the next agent finds it again.
# Here, as neither the clock nor such a complaint of the kernel is for the machine that tests.
# shellcheck disable=SC2016  # for eval
set -uo pipefail
cd "$(dirname "$0")/../../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
PATIENCE_S=300

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service

scope_begin bh-test
host_make shop || exit 1

map() { # name until
	cat <<-YAML
		version: 1
		name: $1
		mode: enforce
		default: { ingress: deny, egress: deny }
		segments:
		  web:    { match: { unit: nginx.service } }
		  cache:  { match: { unit: redis.service } }
		  report: { match: { unit: report.service } }
		allow:
		  - { id: web-cache, from: web, to: cache, port: tcp/6379, until: "$2" }
		failsafe:
		  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
	YAML
}

tries() { # cgroup [file]
	local said=${2:-$SCOPE_DIR/tries}
	if unit shop "$1" timeout 60 bash -c 'exec 3<> /dev/tcp/127.0.0.1/6379' 2> "$said"; then
		echo connected
	elif grep -q "not permitted" "$said"; then
		echo EPERM
	else
		cat "$said"
	fi
}

becomes() { # text expected cgroup
	wait_up 15 eval "[ \"\$(tries $3)\" = $2 ]"
	is "$1" "$2" "$(tries "$3")"
}

# All the while: a line for each that was not refused; the last one says how many were.
probe() {
	local n=0
	trap 'echo "asked $n"; exit' TERM
	echo probing
	while :; do
		[ "$(tries $report "$SCOPE_DIR/probed")" = EPERM ] || echo open
		n=$((n + 1))
	done
}

up_s() {
	cut -d. -f1 /proc/uptime
}

# wait_for() goes by the clock that is set here.
wait_up() { # seconds command...
	local end=$(($(up_s) + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "$(up_s)" -lt "$end" ] || return 1
		sleep 0.2
	done
}

live() {
	bh shop get map | sed -n 's/^name: //p'
}

for path in /sys/fs/cgroup "$SCOPE_CG" "$SCOPE_CG/shop" "$SCOPE_CG/shop/system.slice"; do
	mkdir -p "$path"
	echo +memory > "$path/cgroup.subtree_control"
done
cell=$SCOPE_CG/shop/system.slice/bulkhead.service
spawn "$SCOPE_DIR/serve.log" shop $cache busybox nc -ll -p 6379 -e cat
date -s "2026-05-01 10:00:00" > /dev/null
map rules 2026-05-01T11:00:00Z > "$SCOPE_DIR/rules.yaml"
map tried 2040-01-01T00:00:00Z > "$SCOPE_DIR/tried.yaml"
agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" bh shop apply --yes "$SCOPE_DIR/rules.yaml"
wait_up 20 eval '[ "$(tries $web)" = connected ]'
is "a rule that ends in an hour" connected "$(tries $web)"

# --- a rule that ends by the clock ---

date -s "2036-05-01 10:00:00" > /dev/null
becomes "ten years later it has ended" EPERM $web
date -s "2006-05-01 10:00:00" > /dev/null
becomes "twenty years before its end it is open" connected $web
check "history says why" grep -q "clock set" <<< "$(bh shop history)"

# --- no memory ---

pid=$(agent_pid shop)
probe > "$SCOPE_DIR/probe" 2>&1 &
prober=$!
wait_up 20 grep -q probing "$SCOPE_DIR/probe"
# what it has can't be taken from it
echo 200K > "$cell/memory.max"
check "it is killed" wait_up 60 eval "! kill -0 $pid"
check "for want of memory" grep -q "^oom_kill [1-9]" "$cell/memory.events"
is "nobody is there: what is forbidden" EPERM "$(tries $report)"
is "what is allowed" connected "$(tries $web)"
is "a unit that is new" EPERM "$(tries system.slice/new.service)"
echo max > "$cell/memory.max"
date -s "2026-05-01 11:30:00" > /dev/null
agent_start shop "" || tap "not ok" "the agent starts again"
kill "$prober"
wait "$prober"
check "all the while it was forbidden ($(tail -n 1 "$SCOPE_DIR/probe"))" \
	grep -q "^asked [1-9]" "$SCOPE_DIR/probe"
is "not once open" 0 "$(grep -c open "$SCOPE_DIR/probe")"
is "the next agent knows the map" rules "$(live)"
becomes "the clock was set while no agent was there: the rule has ended" EPERM $web
date -s "2026-05-01 10:30:00" > /dev/null
becomes "half an hour before it is open" connected $web

# --- a grant, a trial ---

begun=$(up_s)
check "a grant for half a minute" bh shop grant --from report --to cache --port tcp/6379 --for 30s \
	--reason clock
date -s "2036-05-01 10:00:00" > /dev/null
was=$(tries $report)
[ $(($(up_s) - begun)) -lt 28 ] && is "ten years later it is open" connected "$was"
date -s "1996-05-01 10:00:00" > /dev/null
was=$(tries $report)
[ $(($(up_s) - begun)) -lt 28 ] && is "forty years before, too" connected "$was"
wait_up 60 eval '[ "$(tries $report)" = EPERM ]'
took=$(($(up_s) - begun))
is "it ends" EPERM "$(tries $report)"
check "on time, after $took s" [ $took -ge 29 ]
check "and not much later" [ $took -le 45 ]

date -s "2026-05-01 10:30:00" > /dev/null
begun=$(up_s)
check "a map on trial" bh shop apply --yes --confirm 20s "$SCOPE_DIR/tried.yaml"
date -s "2016-05-01 10:30:00" > /dev/null
is "ten years before it is on trial" tried "$(live)"
wait_up 60 eval '[ "$(live)" = rules ]'
took=$(($(up_s) - begun))
is "it falls back" rules "$(live)"
check "on time, after $took s" [ $took -ge 19 ]
check "and not much later" [ $took -le 35 ]

# --- what is told ---

date -s "2026-05-01 10:40:00" > /dev/null
check "the audit log is whole" bh shop audit verify --file "$SCOPE_DIR/shop/state/audit.jsonl"
check "its times say what the clock said" eval \
	"grep -q '\"time\":\"2036-' $SCOPE_DIR/shop/state/audit.jsonl &&
	 grep -q '\"time\":\"2016-\|\"time\":\"2006-' $SCOPE_DIR/shop/state/audit.jsonl"
check "the history is readable" bh shop history
becomes "the map is enforced" connected $web
tries $report > /dev/null
check "a flow has the time of now" eval "wait_up 20 eval '
	bh shop -o json flows | grep -o \"2026-05-01T10:4[0-9]\" | grep -q .'"
tap_end
