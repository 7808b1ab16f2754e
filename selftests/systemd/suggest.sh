#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# LIMIT_S=600
# From twenty services of Debian to a map, under a real systemd: observed for a day, `suggest` gives a
# map that is enforced without one deny when the day comes again with every service begun anew, and
# that lets nobody do what was not done: each client at each port that anybody listens on is asked
# about. Run by selftests/run.
# shellcheck disable=SC2016,SC2317  # check and wait_for call them
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/machine.sh
. "$(dirname "$0")/../lib/machine.sh"
# shellcheck source=selftests/lib/debs.sh
. "$(dirname "$0")/../lib/debs.sh"
# shellcheck source=selftests/lib/estate.sh
. "$(dirname "$0")/../lib/estate.sh"
# shellcheck source=selftests/lib/estate_talk.sh
. "$(dirname "$0")/../lib/estate_talk.sh"
need_agent
debs_get "${ESTATE_PACKAGES[@]}"

scope_begin bh-test
if ! { machine_make && machine_boot; }; then
	tap "not ok" "the machine boots"
	tap_end
fi
check "its packages are installed" debs_install
# not by check: what it starts in the background would keep the pipe
estate_wire
is "it is wired" 0 $?
check "configured" estate_configure
check "started" estate_start
check "they listen" wait_for 20 estate_listens

status() { # expression over d
	inside bulkhead -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$1"')'
}

show() {
	sed 's/^/# /'
}

# datagrams are told of every ten seconds
all_is_told() {
	sleep 11
}

# --- a day is observed ---------------------------------------------------------------------------

drop_in nic "ExecStart=
ExecStart=/usr/sbin/bulkheadd --interfaces eth1=auto"
check "the agent starts" inside systemctl start bulkhead.service
brings "bulkhead init, as somebody who came by ssh" "it observes" \
	outside ssh -b 10.77.0.250 10.77.0.1 bulkhead init /etc/bulkhead/shop.yaml
check "its map knows the way back in" inside grep -q '10.77.0.250/32.*tcp/22' /etc/bulkhead/shop.yaml
# there is no logind: what comes by ssh is no login
check "which is applied" inside bulkhead apply --force --yes /etc/bulkhead/shop.yaml
estate_day observed
all_is_told

inside bulkhead suggest > "$SCOPE_DIR/seen.yaml"
is "bulkhead suggest" 0 $?
show < "$SCOPE_DIR/seen.yaml"
sed -i 's/^mode: observe/mode: enforce/' "$SCOPE_DIR/seen.yaml"
inside_write /etc/bulkhead/seen.yaml < "$SCOPE_DIR/seen.yaml"
check "bulkhead check" inside bulkhead check /etc/bulkhead/seen.yaml
check "all that was seen is in a rule" eval '! grep -q "in no rule" "$SCOPE_DIR/seen.yaml"'
out=$(inside bulkhead simulate /etc/bulkhead/seen.yaml 2>&1)
is "bulkhead simulate: nothing that was seen would be denied" 0 $?
check "and says so" grep -q ' 0 would newly be denied' <<< "$out"

# --- and enforced --------------------------------------------------------------------------------

check "applied" inside bulkhead apply --force --enforce --yes /etc/bulkhead/seen.yaml
is "it is enforced" enforcing "$(status 'd["state"]')"
denied=$(status 'd["sessions"]["denied"], d["sessions"]["would_deny"]')
sleep 1
began=$(date +%s)
estate_day enforced
all_is_told
is "denied, and would be denied, of the day" "$denied" \
	"$(status 'd["sessions"]["denied"], d["sessions"]["would_deny"]')"
inside bulkhead flows --denied --since "$(($(date +%s) - began))s" > "$SCOPE_DIR/denied"
is "bulkhead flows --denied" "" "$(cat "$SCOPE_DIR/denied")"

# --- and allows nothing else ---------------------------------------------------------------------

estate_talks | inside_write /run/talks
for part in estate control; do inside_write /usr/local/lib/$part.py < "$SELFTESTS_LIB/$part.py"; done
out=$(inside python3 /usr/local/lib/estate.py judge /run/bulkhead/control.sock /run/talks 2>&1)
is "every client at every port: as it was seen" 0 $?
show <<< "$out"
check "hundreds are denied" [ "$(grep -oE '[0-9]+ denied' <<< "$out" | cut -d' ' -f1)" -gt 500 ]

tries() { # as 127.0.0.1's ports say: ends of a process in that unit's cgroup, sorted, each once
	inside bash -c 'd=/sys/fs/cgroup/$1; shift; mkdir -p $d && echo $$ > $d/cgroup.procs || exit
		for port; do python3 '$MACHINE_PEER' ask tcp 127.0.0.1 $port; done | sort | uniq -c | xargs' tries "$@"
}
is "nginx, at eight neighbours" "8 EPERM" "$(tries system.slice/nginx.service 22 80 6379 5432 1883 514 9090 9100)"
is "haproxy" "8 EPERM" "$(tries system.slice/haproxy.service 22 8000 6379 5432 11211 514 9090 9100)"
is "the board" "6 EPERM" "$(tries system.slice/board.service 22 80 6379 5432 8888 9090)"
is "a report" "6 EPERM" "$(tries system.slice/report.service 22 80 6379 11211 8888 9090)"
is "a person" "6 EPERM" "$(tries user.slice/user-1000.slice/session-5.scope 22 6379 5432 11211 8888 9090)"
is "a job that nobody saw" "8 EPERM" "$(tries system.slice/new.service 21 22 80 5432 6379 8000 8080 8888)"

# A stranger, and a customer where he never was: silence.
for who in 10.77.0.99 fd77::99 10.77.0.7; do
	to=10.77.0.1
	[[ $who != *:* ]] || to=fd77::1
	for port in tcp/22 tcp/21 tcp/514 tcp/1883 tcp/6380 tcp/9090 tcp/9100 udp/161 udp/69; do
		echo "$(from=$who outside python3 $MACHINE_PEER ask ${port%/*} $to ${port#*/}) $who $port" &
	done
	wait
done > "$SCOPE_DIR/strangers"
is "from elsewhere, at 27 ports" "27 timeout" "$(cut -d' ' -f1 "$SCOPE_DIR/strangers" | sort | uniq -c | xargs)"
out=$(inside bulkhead explain nginx redis-server:6379/tcp)
is "explain: nginx may not ask redis" 3 $?
check "and why" grep -q 'no rule allows it' <<< "$out"
check "and each is in the flows" inside bash -c \
	'[ "$(bulkhead flows --denied -n 4096 | grep -cE "nginx +redis-server 127.0.0.1:6379/tcp")" -gt 0 ]'
tap_end
