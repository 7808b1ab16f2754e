#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Clients that are slow, greedy or silent, an agent that hangs, a log that nobody reads, storms of
# signals: others are served, memory stays bounded, enforcement goes on. Run by selftests/run.
# LIMIT_S=400
# shellcheck disable=SC2016,SC2034,SC2317  # for eval; called by name
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one
pid=$(agent_pid shop)

rss_kib() {
	awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
}

fds() {
	find "/proc/$pid/fd" -mindepth 1 | wc -l
}

# --- hostile clients ---------------------------------------------------------------------------------

cat > "$SCOPE_DIR/hostile.py" <<'PY'
"""hostile.py KIND SOCKET: says "begun" when it is at it, and goes on until it is killed."""
import socket, sys, time
kind, path = sys.argv[1:]

def client():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s

def half():  # of a line, one byte at a time
    all = [client() for _ in range(4)]
    yield
    while True:
        for i, s in enumerate(all):
            try:
                s.send(b"{")
            except OSError:
                all[i] = client()
        time.sleep(0.2)

def endless():  # 100 MB without an end
    yield
    while True:
        s = client()
        try:
            for _ in range(1600):
                s.sendall(b"x" * 65536)
        except OSError:
            pass

def big_apply():  # nearly as long as a map may be, and never whole
    all = [client() for _ in range(4)]
    for s in all:
        s.setblocking(False)
    yield
    while True:
        for i, s in enumerate(all):
            try:
                s.send(b'{"verb":"apply","args":{"text":"' if not i else b"x" * 4096)
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                all[i] = client()
                all[i].setblocking(False)
        time.sleep(0.001)

def crowd():  # thousands of connections
    yield
    while True:
        held = []
        for _ in range(2000):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(0.05)
            try:
                s.connect(path)
            except OSError:
                pass
            held.append(s)
            if len(held) > 24:
                held.pop(0).close()

def deaf():  # asks, and never reads an answer
    all = [client() for _ in range(4)]
    for s in all:
        s.setblocking(False)
    yield
    while True:
        for i, s in enumerate(all):
            try:
                s.send(b'{"verb":"get","args":{"what":"reasons"}}\n' * 100)
            except BlockingIOError:
                pass
            except OSError:
                all[i] = client()
                all[i].setblocking(False)
        time.sleep(0.01)

go = globals()[kind]()
next(go)
print("begun", flush=True)
next(go)
PY

before=$(rss_kib) open=$(fds)
for kind in half endless big_apply crowd deaf; do
	python3 "$SCOPE_DIR/hostile.py" $kind "$dir/run/control.sock" > "$dir/hostile" 2>&1 &
	hostile=$!
	disown
	wait_for 5 grep -q begun "$dir/hostile"
	served=0
	# the crowd may fill all places for a moment: then one is told so, and asks again
	for _ in $(seq 10); do
		wait_for 10 answers shop && served=$((served + 1))
	done
	is "beside $kind clients others are served" 10 $served
	kill $hostile
	wait_for 5 eval "! kill -0 $hostile 2> /dev/null"
done
grew=$(($(rss_kib) - before))
check "memory is bounded ($grew KiB more)" [ $grew -lt 40000 ]
# those who were cut off have 5 s
check "no descriptor is left behind" wait_for 10 eval '[ $(fds) -le $open ]'
check "a map is taken" wait_for 10 apply shop two
is "and enforced" two "$(whole shop)"

# --- a thousand of them ------------------------------------------------------------------------------

# Of a service whose user is root: it may ask, like a reader. The operator is not one of them.
crowd=(idle 140 half 140 deaf 140 huge 140 garbage 140 greedy 140 storm 160)
spawn "$dir/crowd" shop system.slice/crowd.service setsid "$BUILD/test/helpers/crowd" \
	"$dir/run/control.sock" "${crowd[@]}"
hostile=$REPLY
check "a thousand hostile clients come" wait_for 20 eval '[ $(grep -c begun $dir/crowd) = 7 ]'
is "beside them each status of root is answered" "30 0 0" \
	"$("$BUILD/test/helpers/crowd" "$dir/run/control.sock" ask 30 5 | cut -d " " -f 1-3)"
check "and a map is taken" apply shop one
is "and enforced" one "$(whole shop)"
kill "$hostile"
wait_for 5 eval "! kill -0 $hostile 2> /dev/null"

# --- hung --------------------------------------------------------------------------------------------

kill -STOP "$pid"
began=$(date +%s%N)
bh shop status > "$dir/answer" 2>&1
is "hung: status fails" 1 $?
took=$((($(date +%s%N) - began) / 1000000))
check "soon ($took ms)" [ $took -lt 6000 -a $took -ge 1500 ]
check "it says that the agent is silent" grep -q "silent for 2 s" "$dir/answer"
check "and what to do" grep -q "bulkheadd rescue" "$dir/answer"
is "hung: forbidden" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"
is "hung: allowed" answered "$(ask shop $web tcp fd77::1 6379)"
kill -CONT "$pid"
check "it goes on" wait_for 5 bh shop status

# --- signals --------------------------------------------------------------------------------------------

for _ in $(seq 1000); do kill -HUP "$pid"; done
check "a thousand SIGHUPs: it answers" wait_for 10 bh shop status
is "and it is still the same" one "$(whole shop)"
for _ in $(seq 50); do kill -TERM "$pid" 2> /dev/null || break; done
check "SIGTERMs: it ends" wait_for 10 eval "! agent_lives shop"
is "what is forbidden stays so" EPERM "$(ask shop $report tcp 10.77.0.1 6379)"

# --- a log that nobody reads --------------------------------------------------------------------------------

mkfifo "$dir/log"
exec 9<> "$dir/log"
# full to the last byte
timeout 2 dd if=/dev/zero of="$dir/log" bs=4096 status=none
spawn "$dir/log" shop system.slice/bulkhead.service "$BUILD/bulkheadd" --log-level debug \
	--state-dir "$dir/state" --runtime-dir "$dir/run" --pin-dir "$dir/bpf/bulkhead" \
	--cgroup-root "$SCOPE_CG/shop" --interfaces eth1=auto
echo "$REPLY" > "$dir/agent.pid"
pid=$REPLY
check "with a full log it starts" agent_settles shop
check "takes a map" apply shop one
for _ in $(seq 20); do kill -HUP "$pid"; done
check "and answers" wait_for 5 bh shop status
exec 9>&-
for _ in $(seq 5); do kill -HUP "$pid"; sleep 0.05; done
check "with a log that is closed it answers too" wait_for 5 bh shop status
tap_end
