#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Promise P3: no moment without enforcement. Probers ask all the time for what is forbidden and for
# what is allowed, while the agent is killed in four ways and started, hangs, while maps are applied
# and workloads born. LIMIT_S=300. Run by selftests/run; WINDOWS=full for a hundred restarts, a
# thousand commits and workloads; RESTARTS, COMMITS, BIRTHS for other numbers.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/probes.sh
. "$(dirname "$0")/../lib/probes.sh"
need_agent
RESTARTS=${RESTARTS:-$(how_many 100 20)}
COMMITS=${COMMITS:-$(how_many 1000 300)}
BIRTHS=${BIRTHS:-$(how_many 1000 300)}
ulimit -c 0

scope_begin bh-test
probes_hosts || exit 1
probes_prove_themselves

agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
talks_start

# --- killed and started ---------------------------------------------------------------------------

probes_start
started=0 signals=(KILL TERM SEGV ABRT)
for i in $(seq "$RESTARTS"); do
	{ agent_kill shop "${signals[i % 4]}" > /dev/null && agent_start shop eth1=auto; } || break
	started=$((started + 1))
done
is "$RESTARTS times killed and started" "$RESTARTS" $started
probes_end "killed and started"

probes_start
kill -STOP "$(agent_pid shop)"
sleep 1
kill -CONT "$(agent_pid shop)"
probes_end "hung"

# --- maps and workloads ------------------------------------------------------------------------------

# Two maps by turns, over one connection: the command line would take longer than the commit.
cat > "$SCOPE_DIR/commits.py" <<'PY'
import json, socket, sys
path, text, n = sys.argv[1], open(sys.argv[2]).read(), int(sys.argv[3])
other = text.replace("allow:", "allow:\n  - { id: more, from: cache, to: visitors, port: tcp/5432 }")
s = socket.socket(socket.AF_UNIX)
s.connect(path)
lines = s.makefile("rb")
good = 0
for i in range(n):
    args = {"file": sys.argv[2], "text": other if i % 2 else text, "force": True}
    s.sendall(json.dumps({"verb": "apply", "args": args}).encode() + b"\n")
    good += json.loads(lines.readline())["code"] == 0
print(good)
PY

# A new workload connects in its first instruction: the right answer from the first packet on.
cat > "$SCOPE_DIR/births.py" <<'PY'
import os, socket, sys
base, n = sys.argv[1], int(sys.argv[2])
wrong = 0
for i in range(n):
    allowed = i % 2
    cg = f"{base}/system.slice/{'nginx' if allowed else 'new'}{i}.service"
    os.mkdir(cg)
    pid = os.fork()
    if pid == 0:
        with open(f"{cg}/cgroup.procs", "w") as f:
            f.write("0")
        s = socket.socket(socket.AF_INET6 if i & 2 else socket.AF_INET)
        s.settimeout(5)
        try:
            s.connect(("fd77::1" if i & 2 else "10.77.0.1", 6379))
            os._exit(0)
        except OSError as e:
            os._exit((e.errno or 99) & 127)
    got = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    wrong += got != (0 if allowed else 1)
    os.rmdir(cg)
print(wrong)
PY

probes_start
spawn "$SCOPE_DIR/commits" outside y.service python3 "$SCOPE_DIR/commits.py" \
	"$SCOPE_DIR/shop/run/control.sock" "$SCOPE_DIR/shop.yaml" "$COMMITS"
commits=$REPLY
is "$BIRTHS new workloads during commits: wrong answers" 0 \
	"$(unit shop x.service python3 "$SCOPE_DIR/births.py" "$SCOPE_CG/shop" "$BIRTHS")"
wait_for 200 eval "! kill -0 $commits"
is "maps applied" "$COMMITS" "$(cat "$SCOPE_DIR/commits")"
probes_end "$COMMITS maps applied, $BIRTHS workloads born"
talks_end "all that time"
tap_end
