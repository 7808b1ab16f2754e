#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tables that are full: more events than the ring holds while the agent does not read, more addresses
# than the table of this host's own. Counted exactly, told, and nothing opens. Run by selftests/run.
# LIMIT_S=400
# shellcheck disable=SC2016,SC2317  # for eval; called by name
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
# What leaves the host may: an address that is taken for somebody else's must not open a way inside.
sed -i 's|^allow:|&\n  - { id: web-out, from: web, to: world, port: any }|' "$dir/one.yaml"
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one
pid=$(agent_pid shop)

# --- events --------------------------------------------------------------------------------------

cat > "$SCOPE_DIR/flood.py" <<'PY'
import socket, sys
n = denied = 0
# each to another port: of denies alike only some are told
while n < int(sys.argv[1]):
    s = socket.socket(socket.AF_INET6 if n % 2 else socket.AF_INET)
    try:
        s.connect(("fd77::2" if n % 2 else "10.77.0.2", 1024 + n))
    except PermissionError:
        denied += 1
    s.close()
    n += 1
print(denied)
PY

counted() { # seen, sent, lost, told to the agent
	status_of shop '*[d["events"][k] for k in ("seen", "sent", "lost")], sum(d["sessions"].values())'
}

read -r seen0 sent0 lost0 told0 < <(counted)
kill -STOP "$pid"
is "the agent reads no events: each of 60000 is denied" 60000 \
	"$(unit shop $report python3 "$SCOPE_DIR/flood.py" 60000)"
kill -CONT "$pid"
check "it goes on" wait_for 20 bh shop version
wait_for 10 eval 'read -r _ sent _ told < <(counted) && [ "$sent" = "$told" ]'
read -r seen sent lost told < <(counted)
alerts=$(status_of shop 'd["sessions"]["alerts"]')
check "it was noticed who asks for so much ($alerts)" [ "$alerts" -gt 0 ]
is "every one was seen" $((60000 + alerts)) $((seen - seen0))
is "sent and lost are all" $((seen - seen0)) $((sent - sent0 + lost - lost0))
check "some were lost ($((lost - lost0)))" [ $((lost - lost0)) -gt 0 ]
is "each that was sent has arrived" $((sent - sent0)) $((told - told0))
check "status tells" grep -q "events were lost" <<< "$(status_of shop '"; ".join(d["problems"])')"

# --- addresses ---------------------------------------------------------------------------------------

addresses() { # add|del from to
	seq "$2" "$3" | awk -v "what=$1" \
		'{ printf "addr %s 10.78.%d.%d/32 dev eth1\n", what, $1 / 256, $1 % 256 }' |
		on shop ip -batch -
}

no_room() {
	grep -q "more addresses" <<< "$(status_of shop '"; ".join(d["problems"])')"
}

is "an address of this host: web may not ask 7002" EPERM "$(ask shop $web tcp 10.77.0.1 7002)"
addresses add 1 4300
check "4300 addresses: told" wait_for 20 no_room
is "one that has no room: web may not ask 7002" no "$(
	[ "$(ask shop $web tcp 10.78.16.200 7002)" = answered ] || echo no)"
is "nor may report ask 6379" no "$([ "$(ask shop $report tcp 10.78.16.200 6379)" = answered ] || echo no)"
addresses del 1 10
sleep 1.5
check "ten of them go: it is still too many" no_room
addresses del 11 400
check "400 go: there is room" wait_for 20 eval '! no_room'
is "and all are known" EPERM "$(ask shop $web tcp 10.78.16.200 7002)"
check "status is content" wait_for 5 bh shop status
tap_end
