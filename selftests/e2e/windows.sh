#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Promise P3: no moment without enforcement. Two probers connect all the time, one to what is
# forbidden, its twin to what is allowed, while the agent is killed, stopped, started, hung, while
# maps are applied, cgroups made and devices added: 0 of N pass, and N of N. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:      { match: { unit: "nginx*.service" } }
  cache:    { match: { unit: redis.service } }
  visitors: { match: { cidr: [10.77.0.0/28, "fd77::/120"] } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
  - { id: visitors-web, from: visitors, to: web, port: tcp/8080 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

probers=()

probe() { # name host cgroup address port
	local log=$SCOPE_DIR/$1.probe
	shift
	: > "$log"
	(become "$1" "$2" python3 "$SELFTESTS_LIB/peer.py" probe "$3" "$4") > "$log" 2>&1 &
	probers+=($!)
	disown
}

probes_start() {
	probers=()
	probe forbidden shop $report 10.77.0.1 6379
	probe allowed shop $web 10.77.0.1 6379
	probe outsider outside x.service fd77::1 6379
	probe visitor outside x.service fd77::1 8080
	wait_for 10 eval "[ \$(cat $SCOPE_DIR/*.probe | grep -c probing) = 4 ]"
}

outcomes() { # name: "EPERM" or "EPERM connected"
	awk '!/^#/ { printf "%s%s", sep, $1; sep = " " }' "$SCOPE_DIR/$1.probe"
}

total() { # name
	awk '!/^#/ { n += $2 } END { print n + 0 }' "$SCOPE_DIR/$1.probe"
}

probes_end() { # what happened meanwhile
	kill "${probers[@]}"
	wait_for 5 eval "! kill -0 ${probers[*]} 2> /dev/null"
	is "$1: forbidden ($(total forbidden) probes)" EPERM "$(outcomes forbidden)"
	is "$1: its twin ($(total allowed))" connected "$(outcomes allowed)"
	is "$1: an outsider ($(total outsider))" timeout "$(outcomes outsider)"
	is "$1: a visitor ($(total visitor))" connected "$(outcomes visitor)"
	check "$1: it was probed all the time" \
		test "$(total forbidden)" -gt 200 -a "$(total allowed)" -gt 100
}

serve shop $cache tcp :: 6379
serve shop $web tcp :: 8080
wait_for 5 eval "[ \"\$(ask shop $report tcp 10.77.0.1 6379)\" = answered ]" ||
	{ tap "not ok" "the server starts"; tap_end; }

# The probers can fail: with nothing enforced they all get through.
probes_start
sleep 0.5
kill "${probers[@]}"
wait_for 5 eval "! kill -0 ${probers[*]} 2> /dev/null"
is "before any map: the forbidden connect" connected "$(outcomes forbidden)"
is "before any map: the outsider" connected "$(outcomes outsider)"

agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"

probes_start
for _ in $(seq 6); do
	{ agent_kill shop KILL > /dev/null && agent_start shop eth1=auto; } || break
done
probes_end "6 times killed and started"

probes_start
for _ in $(seq 4); do
	{ agent_kill shop TERM > /dev/null && agent_start shop eth1=auto; } || break
done
probes_end "4 times stopped and started"

probes_start
kill -STOP "$(agent_pid shop)"
sleep 1
kill -CONT "$(agent_pid shop)"
probes_end "hung"

probes_start
for _ in $(seq 12); do
	bh shop apply --yes "$SCOPE_DIR/shop.yaml" > /dev/null 2>&1 || tap "not ok" "apply"
done
probes_end "12 maps applied"

# A new workload connects in its first instruction: the right answer from the first packet on.
cat > "$SCOPE_DIR/first.py" <<'PY'
import errno, os, socket, sys
base, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
bad = 0
for i in range(200):
    cg = f"{base}/system.slice/{name % i}"
    os.mkdir(cg)
    pid = os.fork()
    if pid == 0:
        with open(f"{cg}/cgroup.procs", "w") as f:
            f.write("0")
        s = socket.socket()
        s.settimeout(1)
        try:
            s.connect(("10.77.0.1", port))
            os._exit(0)
        except OSError as e:
            os._exit(e.errno & 127)
    got = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    bad += got != int(sys.argv[4])
    os.rmdir(cg)
print(bad)
PY
first() { # name-pattern expected-errno
	unit shop x.service python3 "$SCOPE_DIR/first.py" "$SCOPE_CG/shop" "$1" 6379 "$2"
}
(
	for _ in $(seq 10); do
		bh shop apply --yes "$SCOPE_DIR/shop.yaml" > /dev/null 2>&1
	done
) &
is "200 new workloads of web during commits: wrong answers" 0 "$(first "nginx%d.service" 0)"
is "200 new workloads of nobody during commits: wrong answers" 0 "$(first "new%d.service" 1)"
wait

tap_end
