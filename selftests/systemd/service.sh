#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bulkhead.service under a real systemd (LIMIT_S=600 on a busy machine): start, stop, crash, hang,
# upgrade, reboot and detach. Services are known by their unit, and from the first map on what
# is forbidden stays so, whatever happens to the agent. Run by selftests/run.
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

generation() {
	inside bulkhead -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d.get("data", d)["generation"])'
}

holds() { # when
	local address
	for address in 10.77.0.1 fd77::1; do
		is "$1: web to cache, $address" answered "$(asks web-ask $address 6379)"
		is "$1: report to cache, $address" EPERM "$(asks report-ask $address 6379)"
	done
}

restarts() {
	property NRestarts
}

# Ready again by systemd's own doing, in another process.
# shellcheck disable=SC2317  # wait_for calls it
came_back() { # restarts-before pid-before
	[ "$(restarts)" -gt "$1" ] && [ "$(property ActiveState)" = active ] &&
		[ "$(property MainPID)" != "$2" ] && inside bulkhead version
}

comes_back() { # after-what restarts-before pid-before
	check "$1: systemd starts it again" wait_for 60 came_back "$2" "$3"
}

# --- start ---------------------------------------------------------------------------------------

inside_write /etc/bulkhead/shop.yaml <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: "web*.service" } }
  cache: { match: { unit: cache.service } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
drop_in nic "ExecStart=
ExecStart=/usr/sbin/bulkheadd --interfaces eth1=auto"
service cache python3 $MACHINE_PEER serve tcp :: 6379
check "the server starts" wait_for 20 gets answered report-ask 10.77.0.1 6379

check "enabled and started" inside systemctl enable --now bulkhead.service
is "it is ready when the start returns" active "$(property ActiveState)"
is "and says that there is no map" "no map yet, nothing is denied" "$(property StatusText)"
check "apply" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml
holds "applied"
first=$(generation)
# its sandbox lets it see who asks, and what he holds
out=$(inside bulkhead apply --yes /etc/bulkhead/shop.yaml 2>&1)
is "from no session it takes --force" 1 $?
check "and says so" grep -q "lock you out: bulkhead (pid [0-9]*) came over no TCP connection" <<< "$out"
status=$(inside systemctl status bulkhead.service)
check "systemctl status shows what is enforced" \
	grep -qF "Status: \"generation $first, map shop, mode enforce\"" <<< "$status"
check "and so does the journal" journal_says "generation $first: /etc/bulkhead/shop.yaml, applied by root"
check "the NIC has its program" grep -q xdp <<< "$(inside ip -o link show eth1)"
# the agent may not make cgroups here, nor have the kernel count: the command does
out=$(inside bulkhead doctor 2>&1)
is "doctor is content" 0 $?
check "its canary was refused" grep -qE "^ok +canary connect4 .*EPERM, as the policy says" <<< "$out"
check "every hook ran for it" grep -qE "^ok +hooks ran +([0-9]+) of the \1 " <<< "$out"

# From here to detach: one who may not asks without a pause, one who may never hangs up.
service report python3 $MACHINE_PEER probe 10.77.0.1 6379
service web python3 $MACHINE_PEER talk fd77::1 6379

# --- stop, crash, hang ---------------------------------------------------------------------------

check "stop" inside systemctl stop bulkhead.service
is "stopped" inactive "$(property ActiveState)"
is "that is no failure" success "$(property Result)"
check "the journal says what stays" journal_says "what is enforced stays enforced"
holds "stopped"
check "start" inside systemctl start bulkhead.service
is "it takes up the generation" "$first" "$(generation)"

n=$(restarts) pid=$(property MainPID)
check "killed" inside systemctl kill -s KILL bulkhead.service
comes_back "killed" "$n" "$pid"
holds "after a crash"

drop_in watchdog "WatchdogSec=3
TimeoutAbortSec=1"
check "with a watchdog of 3 s" inside systemctl restart bulkhead.service
n=$(restarts) pid=$(property MainPID)
check "hung" inside systemctl kill -s STOP bulkhead.service
holds "hung"
comes_back "hung" "$n" "$pid"
check "the watchdog did it" journal_says "Watchdog timeout"
drop_in watchdog ""

# --- the agent and the pins are gone -----------------------------------------------------------------

# systemd has the descriptors: they alone hold it until the next agent pins them again.
link_id() {
	inside bpftool -j link show pinned /sys/fs/bpf/bulkhead/v3/links/bh_connect4 |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'
}
drop_in pause "RestartSec=3"
check "systemd keeps what is pinned ($(property NFileDescriptorStore))" \
	test "$(property NFileDescriptorStore)" -ge "$(inside find /sys/fs/bpf/bulkhead -type f | wc -l)"
n=$(restarts) pid=$(property MainPID) id=$(link_id)
inside systemctl kill -s STOP bulkhead.service
inside rm -rf /sys/fs/bpf/bulkhead/v3
check "killed, and nothing is pinned" inside systemctl kill -s KILL bulkhead.service
holds "neither an agent nor pins"
is "really none" "" "$(inside find /sys/fs/bpf/bulkhead -type f)"
comes_back "killed without pins" "$n" "$pid"
is "it takes up the generation" "$first" "$(generation)"
is "the link is the same" "$id" "$(link_id)"
check "the journal tells" journal_says "pins of '/sys/fs/bpf/bulkhead' were gone; pinned again"
check "status is content" inside bulkhead status
holds "pinned again"
drop_in pause ""

# --- upgrade -------------------------------------------------------------------------------------

# From a version whose agent ran as root. A link it may have been tricked to make is not followed.
root_owned() {
	inside systemctl stop bulkhead.service
	inside chown -R root:root /var/lib/bulkhead /run/bulkhead /sys/fs/bpf/bulkhead
	inside ln -s /etc/hostname /sys/fs/bpf/bulkhead/link
}
root_owned
check "the tree is installed again" machine_upgrade
check "restart" inside systemctl restart bulkhead.service
is "the new program runs" /usr/sbin/bulkheadd "$(inside readlink "/proc/$(property MainPID)/exe")"
is "with the generation of the old one" "$first" "$(generation)"
holds "upgraded"
is "nothing is root's any more" "" \
	"$(inside find /var/lib/bulkhead /run/bulkhead /sys/fs/bpf/bulkhead -user root)"
is "but what the link leads to" root "$(inside stat -c %U /etc/hostname)"

inside systemctl stop report.service
said=$(inside cat /var/tmp/report)
check "all the time the forbidden got EPERM ($(xargs <<< "$said"))" grep -qE '^EPERM [0-9]{2}' <<< "$said"
is "and nothing else" "" "$(grep -vE '^(EPERM |#)' <<< "$said")"
is "the allowed conversation was never cut" "" "$(inside cat /var/tmp/web | grep -v '^answered$')"
is "it goes on" active "$(property_of web ActiveState)"
inside systemctl stop web.service

# --- reboot --------------------------------------------------------------------------------------

# An ordinary service that does not even ask for the network, and an agent that is slow to start.
inside_write /etc/systemd/system/first.service <<UNIT
[Service]
Type=oneshot
ExecStart=python3 $MACHINE_PEER ask tcp 10.77.0.2 6379
StandardOutput=truncate:/var/tmp/first
[Install]
WantedBy=multi-user.target
UNIT
inside systemctl enable -q first.service
drop_in slow "ExecStartPre=/bin/sleep 1"
check "power off" machine_off
check "boot" machine_boot
is "the first service finds the last map enforced" EPERM "$(inside cat /var/tmp/first)"
is "the agent was ready" active "$(property ActiveState)"
when=$(property ActiveEnterTimestampMonotonic)
for unit in sysinit.target network-pre.target; do
	check "before $unit" test "$when" -le "$(property_of $unit ActiveEnterTimestampMonotonic)"
done
drop_in slow ""
check "the generation did not go back" test "$(generation)" -ge "$first"
inside systemctl start cache.service
check "the server starts again" wait_for 20 gets answered web-ask 10.77.0.1 6379
holds "rebooted"

# --- the end -------------------------------------------------------------------------------------

n=$(restarts)
check "detach" inside bulkhead detach --yes
check "the agent ends" wait_for 20 is_state inactive
is "with its own exit code" 4 "$(property ExecMainStatus)"
is "which is no failure" success "$(property Result)"
sleep 0.5
is "it is not started again" "$n inactive" "$(restarts) $(property ActiveState)"
is "systemd keeps nothing" 0 "$(property NFileDescriptorStore)"
is "nothing is enforced" answered "$(asks report-ask 10.77.0.1 6379)"

# By root, beside the agent's back: it has to be able to read what root wrote.
inside systemctl start bulkhead.service
check "apply begins it again" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml
is "enforced" EPERM "$(asks report-ask 10.77.0.1 6379)"
inside systemctl stop bulkhead.service
check "rescue ends it" inside bulkheadd rescue --detach
check "start" inside systemctl start bulkhead.service
is "and the agent knows" "detached, nothing is denied" "$(property StatusText)"
inside systemctl stop bulkhead.service

drop_in nic "ExecStart=
ExecStart=/usr/sbin/bulkheadd --interface"
inside systemctl start bulkhead.service > /dev/null 2>&1
is "a wrong command line fails" 1 $?
is "with the code of usage" 2 "$(property ExecMainStatus)"
sleep 0.5
is "and is not tried again" "0 failed" "$(restarts) $(property ActiveState)"
check "the journal names it" journal_says "unknown option"
tap_end
