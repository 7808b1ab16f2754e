#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is left of a workload's rate when all its flows are told of to a file: whole TCP connections
# and datagrams on the loopback device, with a file and with none in turns, each turn next to one of
# the other kind. "again" compares none with none: what the machine does by itself. Run by
# `make bench`: goodput.sh [-o FILE]. It fails where a connection does.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
out=/dev/null
[ "${1:-}" = -o ] && out=$2

TURNS=${TURNS:-7} MS=${MS:-500} GOAL=0.90
scope_begin bh-test
host_make shop || exit 1
dir=$SCOPE_DIR/shop

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: bench
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  srv: { match: { unit: srv.service } }
  ask: { match: { unit: ask.service } }
allow:
  - { id: ask-srv, from: ask, to: srv, port: [tcp/7000, udp/7000] }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

marks() {
	grep -c 'the settings were read again' "$dir/agent.log"
}

sink() { # file|none
	local before
	before=$(marks)
	printf '%s\n' "version: 1" "telemetry: { update: 2s, file: { path: /dev/shm/$SCOPE.jsonl, keep: 1$(
		[ "$1" = file ] || echo ', events: []') } }" > "$dir/bulkhead.yaml"
	kill -HUP "$(agent_pid shop)"
	wait_for 10 eval "[ \$(marks) -gt $before ]"
}

rate() { # proto
	unit shop system.slice/ask.service "$BUILD/test/helpers/counted" rate "$1" 127.0.0.1 7000 "$MS"
}

# Pairs, and each the other way round as often: "proto what first second".
pairs() {
	local proto what i a b
	for ((i = 0; i < TURNS; i++)); do
		for proto in tcp udp; do
			for what in file none; do
				sink none
				a=$(rate $proto)
				sink $what
				b=$(rate $proto)
				# whoever is second may have it better
				sink $what
				b="$b $(rate $proto)"
				sink none
				a="$a $(rate $proto)"
				echo "$proto $what $a $b"
			done
		done
	done
}

agent_start shop "" || exit 1
bh shop apply --yes "$SCOPE_DIR/shop.yaml" > "$dir/answer" 2>&1 || { cat "$dir/answer"; exit 1; }
spawn "$dir/srv.log" shop system.slice/srv.service "$BUILD/test/helpers/counted" serve 7000
wait_for 5 grep -q serving "$dir/srv.log" || exit 1
pairs > "$dir/pairs"
bh shop -o json status > "$dir/status.json"
rm -f "/dev/shm/$SCOPE.jsonl"*

python3 - "$dir/pairs" "$GOAL" "$out" "$dir/status.json" << 'PYTHON'
import json
import os
import statistics
import sys

rows, ok = [], True
names = {"tcp": "TCP connections", "udp": "datagrams"}
runs = [line.split() for line in open(sys.argv[1])]
goal = float(sys.argv[2])
events = json.load(open(sys.argv[4]))["data"]["telemetry"]["events"]
print(f"{'goodput, a second':<28} {'none':>9} {'second':>9} {'ratio':>6} {'goal':>5}")
for proto in names:
    for what in ("file", "none"):
        mine = [list(map(float, r[2:])) for r in runs if r[:2] == [proto, what]]
        if not mine or any(len(r) != 4 for r in mine):
            sys.exit(f"{proto} {what}: a turn failed")
        ratios = [b / a for r in mine for a, b in ((r[0], r[2]), (r[1], r[3]))]
        ratio = statistics.median(ratios)
        a = statistics.median(x for r in mine for x in r[:2])
        b = statistics.median(x for r in mine for x in r[2:])
        told = what == "file"
        label = names[proto] + (", to a file" if told else ", again")
        verdict = ("met" if ratio >= goal else "missed") if told else ""
        print(f"  {label:<26} {a:9.0f} {b:9.0f} {ratio:6.3f} {goal if told else '':>5} {verdict}")
        rows.append({"what": label, "none_per_s": a, "per_s": b, "ratio": ratio,
                     "ratios": ratios, "goal": goal if told else None})
        if verdict == "missed":
            print(f"goal missed: {label}: {ratio:.3f} of the rate without, wanted {goal}")
print(f"  {events['seen']} events seen, {events['sent']} sent, {events['lost']} lost")
ok = events["seen"] == events["sent"] + events["suppressed"] + events["lost"]
with open(sys.argv[3], "w", encoding="utf-8") as f:
    json.dump({"bench": "goodput", "kernel": os.uname().release, "ok": ok, "rows": rows}, f, indent=1)
sys.exit(not ok)
PYTHON
