#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A map on trial on a host with a real systemd: applied from a login, confirmed from another one or
# not, the agent killed or hung meanwhile, the host rebooted in the middle. What was confirmed last
# is what holds in the end. Run by selftests/run. LIMIT_S=400
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/machine.sh
. "$(dirname "$0")/../lib/machine.sh"
need_agent

scope_begin bh-test
if ! { machine_make && machine_boot; }; then
	tap "not ok" "the machine boots"
	tap_end
fi

# --- the stage -----------------------------------------------------------------------------------

shut='version: 1
name: shut
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  desk:  { match: { unit: "desk*.service" } }
  ssh:   { match: { unit: ssh.service } }
  web:   { match: { unit: "web*.service" } }
  report: { match: { unit: "report*.service" } }
  cache: { match: { unit: cache.service } }
allow:
  - { id: login, from: desk, to: ssh, port: tcp/22 }
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
'
printf '%s' "$shut" | inside_write /etc/bulkhead/shut.yaml
sed 's/^name: shut/name: open/; s/^failsafe:/  - { id: report-cache, from: report, to: cache, port: tcp\/6379 }\n&/' \
	<<< "$shut" | inside_write /etc/bulkhead/open.yaml
inside_write /usr/local/lib/sshd.py < "$SELFTESTS_LIB/sshd.py"
# systemd-logind does not run here: the scope of a login is made by hand
inside_write /etc/systemd/system/ssh.service <<'UNIT'
[Service]
ExecStartPre=/bin/mkdir -p /sys/fs/cgroup/user.slice/user-0.slice/session-1.scope
ExecStart=python3 /usr/local/lib/sshd.py serve :: 22 /sys/fs/cgroup/user.slice/user-0.slice/session-1.scope
[Install]
WantedBy=multi-user.target
UNIT
drop_in nic "ExecStart=
ExecStart=/usr/sbin/bulkheadd --interfaces eth1=auto"
service cache python3 $MACHINE_PEER serve tcp :: 6379
inside systemctl enable -q --now ssh.service cache.service bulkhead.service 2> /dev/null

login() { # command: in a login that begins now
	unit_of desk python3 /usr/local/lib/sshd.py run 10.77.0.1 22 "$1" 2>&1
}

status() { # expression over d
	inside bulkhead -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$1"')'
}

lets() { # text EPERM|answered: what report gets, by both families
	is "$1: report to cache, IPv4" "$2" "$(asks report-ask 10.77.0.1 6379)"
	is "$1: report to cache, IPv6" "$2" "$(asks report-ask fd77::1 6379)"
	is "$1: web to cache" answered "$(asks web-ask 10.77.0.1 6379)"
}

# shellcheck disable=SC2317  # wait_for calls it
came_back() { # pid-before
	[ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != "$1" ] &&
		inside bulkhead version > /dev/null 2>&1
}

check "the server starts" wait_for 20 gets answered report-ask 10.77.0.1 6379
check "somebody logs in" wait_for 20 eval '[ "$(login "echo hello")" = hello ]'
out=$(login "bulkhead apply --enforce --no-confirm --yes /etc/bulkhead/shut.yaml")
is "a map, applied from a login" 0 $?
lets "applied" EPERM

# --- confirmed -----------------------------------------------------------------------------------

out=$(login "bulkhead apply --confirm 10m --yes /etc/bulkhead/open.yaml && bulkhead confirm")
is "who was there before the map can't confirm it" 1 $?
check "and is told so ($(tail -n 2 <<< "$out" | head -n 1))" grep -q "log in" <<< "$out"
lets "unconfirmed" answered
is "status says that it waits" "unconfirmed open" "$(status 'd["state"], d["map"]["name"]' | tr -d "(),'")"
pid=$(property MainPID)
check "killed" inside systemctl kill -s KILL bulkhead.service
check "it comes back" wait_for 60 came_back "$pid"
is "and the map still waits" unconfirmed "$(status 'd["state"]')"
out=$(login "bulkhead confirm")
is "somebody who got in since then confirms it" 0 $?
is "it is the map of this host" enforcing "$(status 'd["state"]')"
lets "confirmed" answered
out=$(login "bulkhead apply --no-confirm --yes /etc/bulkhead/shut.yaml")
is "shut again" 0 $?

# --- nobody is there to end it -------------------------------------------------------------------

# The watchdog of 10 s kills it later; by then the kernel has long gone back.
out=$(login "bulkhead apply --confirm 4s --yes /etc/bulkhead/open.yaml")
is "for four seconds" 0 $?
pid=$(property MainPID)
inside systemctl kill -s STOP bulkhead.service
check "hung: it falls back all the same" wait_for 12 gets EPERM report-ask 10.77.0.1 6379
check "while the agent hangs" grep -q '^State:.*stopped' <(inside cat "/proc/$pid/status")
check "another agent comes" wait_for 60 came_back "$pid"
is "which knows the old map" "enforcing shut" "$(status 'd["state"], d["map"]["name"]' | tr -d "(),'")"
lets "after a hang" EPERM

# --- a reboot in the middle ----------------------------------------------------------------------

# A service that asks as early as any.
inside_write /etc/systemd/system/report-first.service <<UNIT
[Service]
Type=oneshot
ExecStart=python3 $MACHINE_PEER ask tcp 10.77.0.2 6379
StandardOutput=truncate:/var/tmp/first
[Install]
WantedBy=multi-user.target
UNIT
inside systemctl enable -q report-first.service
out=$(login "bulkhead apply --confirm 10m --yes /etc/bulkhead/open.yaml")
is "a map on trial" 0 $?
lets "on trial" answered
gen=$(status 'd["generation"]')
check "power off" machine_off
check "boot" machine_boot
is "the first service finds the last confirmed map" EPERM "$(inside cat /var/tmp/first)"
is "status" "enforcing shut" "$(status 'd["state"], d["map"]["name"]' | tr -d "(),'")"
check "no number is used twice" test "$(status 'd["generation"]')" -gt "$gen"
inside systemctl start cache.service
check "the server is there again" wait_for 20 gets answered web-ask 10.77.0.1 6379
lets "rebooted" EPERM
check "somebody logs in" wait_for 20 eval '[ "$(login "echo hello")" = hello ]'
tap_end
