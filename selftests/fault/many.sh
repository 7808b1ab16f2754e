#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ten agents on ten hosts of one kernel, each with another map, at the same time: none disturbs
# another, also when one is killed, applies, or ends its enforcement. Ten agents in one place: one
# of them gets it. Run by selftests/run.
# LIMIT_S=400
# shellcheck disable=SC2317,SC2086  # called by name; plain words
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
hosts=$(seq -f 'h%02.0f' 10)

# On host h03 web may ask the cache at 6003, and nobody at anything else.
make_host() { # host
	local dir=$SCOPE_DIR/$1 port=$((6000 + 10#${1#h}))
	host_make "$1" || return
	on "$1" ip link add eth1 type veth peer name peer1
	host_addr "$1" eth1 10.77.0.1/24
	host_addr "$1" eth1 fd77::1/64
	on "$1" ip link set eth1 up
	fault_maps "$1"
	sed -i "s/6379/$port/; /web-extra/d; s/^name: .*/name: $1/" "$dir/one.yaml"
	unit "$1" $cache true
	unit "$1" $web true
	unit "$1" $report true
	spawn "$dir/servers.log" "$1" $cache python3 "$SCOPE_DIR/servers.py"
}

cat > "$SCOPE_DIR/servers.py" <<'PY'
import socket, selectors
sel = selectors.DefaultSelector()
for port in range(6001, 6011):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    sel.register(s, selectors.EVENT_READ)
while True:
    for key, _ in sel.select():
        key.fileobj.accept()[0].close()
PY

# The ports that a service reaches, of 6001 to 6010; "none" are EPERM, others are named.
cat > "$SCOPE_DIR/reach.py" <<'PY'
import errno, socket
got = []
for port in range(6001, 6011):
    for address in ("10.77.0.1", "fd77::1"):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.settimeout(2)
        try:
            s.connect((address, port))
            got.append(str(port))
        except OSError as e:
            if e.errno != errno.EPERM:
                got.append(f"{port}:{e}")
        s.close()
print(" ".join(got) or "none")
PY

reach() { # host cgroup
	unit "$1" "$2" python3 "$SCOPE_DIR/reach.py"
}

all_hold() { # but hosts...
	local h port
	for h in $hosts; do
		[[ " $* " == *" $h "* ]] && continue
		port=$((6000 + 10#${h#h}))
		[ "$(reach "$h" $web)" = "$port $port" ] || { echo "$h: web reaches $(reach "$h" $web)"; return 1; }
		[ "$(reach "$h" $report)" = none ] || { echo "$h: report reaches $(reach "$h" $report)"; return 1; }
	done
}

for h in $hosts; do make_host "$h" || exit 1; done
bad=0
for h in $hosts; do
	agent_spawn "$h" eth1=auto
	# two at a time, for two processors
	[ $((10#${h#h} % 2)) = 0 ] && agent_settles "$h"
done
for h in $hosts; do
	{ agent_settles "$h" && apply "$h" one; } || { echo "# $h: $(cat "$SCOPE_DIR/$h/answer")"; bad=$((bad + 1)); }
done
is "ten agents start, each takes its map" 0 $bad
check "each enforces its own" all_hold

agent_end h02
on h03 rm -rf "$SCOPE_DIR/h03/bpf/bulkhead/v3"
apply h04 two
bh h05 detach --yes > /dev/null 2>&1
kill -STOP "$(agent_pid h06)"
check "one is killed, one loses its pins, one takes another map, one detaches, one hangs: the others" \
	all_hold h04 h05
kill -CONT "$(agent_pid h06)"
is "the one that detached is open" 20 "$(reach h05 $report | wc -w)"

# --- one place -------------------------------------------------------------------------------------

agent_end h07
for i in $(seq 10); do
	spawn "$SCOPE_DIR/h07/again$i" h07 system.slice/b$i.service "$BUILD/bulkheadd" \
		--state-dir "$SCOPE_DIR/h07/state" --runtime-dir "$SCOPE_DIR/h07/run" \
		--pin-dir "$SCOPE_DIR/h07/bpf/bulkhead" --cgroup-root "$SCOPE_CG/h07" --interfaces eth1=auto
	pids+=("$REPLY")
done
alive() {
	local n=0 p
	for p in "${pids[@]}"; do kill -0 "$p" 2> /dev/null && n=$((n + 1)); done
	[ $n = "$1" ]
}
check "ten agents at one place: nine end" wait_for 30 alive 1
check "one answers" wait_for 30 answers h07
is "the others named another one" 9 "$(cat "$SCOPE_DIR"/h07/again* | grep -c 'another agent')"
check "and it is enforced there as everywhere" all_hold h04 h05
tap_end
