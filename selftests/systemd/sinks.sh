#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Denies in a real journal: their fields, what journalctl -x says to them, and a journald that hangs,
# which holds up neither the agent nor a connection and whose loss is counted. IPFIX, which the unit
# forbids until a drop-in allows it. LIMIT_S=300 on a busy
# machine. Run by selftests/run.
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

inside_write /etc/bulkhead/shop.yaml <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:    { match: { unit: "web*.service" } }
  cache:  { match: { unit: cache.service } }
  agent:  { match: { unit: bulkhead.service } }
  collector: { match: { unit: collector.service } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
  - { id: export, from: agent, to: collector, port: udp/4739 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
drop_in nic "ExecStart=
ExecStart=/usr/sbin/bulkheadd --interfaces eth1=auto"
service cache python3 $MACHINE_PEER serve tcp :: 6379
check "the server starts" wait_for 20 eval '[ "$(asks report-ask 10.77.0.1 6379)" = answered ]'
check "the agent starts" inside systemctl start bulkhead.service
check "apply" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml

journal_json() { # matches...
	inside journalctl --sync
	inside journalctl -q -o json "$@"
}

field() { # name matches...: of the newest entry
	journal_json "${@:2}" | tail -n 1 | python3 -c '
import json, sys
print(json.load(sys.stdin).get(sys.argv[1], "none"))' "$1"
}

count() { # field of the sink
	inside bulkhead -o json status | python3 -c '
import json, sys
print(next((s[sys.argv[1]] for s in json.load(sys.stdin)["data"]["telemetry"]["sinks"] if s["name"] == sys.argv[2]), "none"))' "$1" "${2:-journal}"
}

# --- what is in it -------------------------------------------------------------------------------

is "nobody asked for it, and it is on" 0 "$(count lost)"
is "report is denied" EPERM "$(asks report-ask 10.77.0.1 6379)"
denied=(-t bulkhead BULKHEAD_VERDICT=denied BULKHEAD_UNIT=report-ask.service)
# shellcheck disable=SC2317  # wait_for calls it
there() { # matches...
	[ -n "$(journal_json "$@")" ]
}
check "journalctl -t bulkhead BULKHEAD_VERDICT=denied has it" wait_for 5 there "${denied[@]}"
for expected in BULKHEAD_TYPE=deny BULKHEAD_REASON=default_deny BULKHEAD_GENERATION=1 \
	BULKHEAD_SRC_SEGMENT=unassigned BULKHEAD_DST_SEGMENT=cache BULKHEAD_DST_IP=10.77.0.1 \
	BULKHEAD_DST_PORT=6379 BULKHEAD_PROTO=tcp BULKHEAD_DIRECTION=egress \
	BULKHEAD_RULE=default/unassigned/egress PRIORITY=5 SYSLOG_IDENTIFIER=bulkhead \
	_SYSTEMD_UNIT=bulkhead.service; do
	is "${expected%%=*}" "${expected#*=}" "$(field "${expected%%=*}" "${denied[@]}")"
done
check "a pid" [ "$(field BULKHEAD_PID "${denied[@]}")" -gt 1 ]
check "and words: $(field MESSAGE "${denied[@]}")" \
	grep -q '^denied: unassigned -> cache 10.77.0.1:6379, tcp, report-ask.service: no rule allows it' \
	<<< "$(field MESSAGE "${denied[@]}")"
is "by IPv6, too" EPERM "$(asks report-six fd77::1 6379)"
check "which is there" wait_for 5 there "${denied[@]:0:3}" BULKHEAD_DST_IP=fd77::1
is "what is allowed" answered "$(asks web-ask 10.77.0.1 6379)"
is "is not there" "" "$(journal_json -t bulkhead BULKHEAD_VERDICT=allowed)"

check "the catalog is taken" inside journalctl --update-catalog
inside journalctl --sync
said=$(inside journalctl -q -x --no-hostname "${denied[@]}")
check "journalctl -x says what to do" \
	grep -qF "bulkhead explain unassigned cache:6379/tcp" <<< "$said"
check "which is a command that works" \
	eval "inside bulkhead explain unassigned cache:6379/tcp; [ \$? = 3 ]"
apply=$(sed -n 's/^#define BH_MESSAGE_POLICY *"\(.*\)"/\1/p' "$MACHINE_TREE/agent/base/message_ids.h")
check "an apply has its MESSAGE_ID: $(field MESSAGE "MESSAGE_ID=$apply")" \
	grep -q '^generation 1: /etc/bulkhead/shop.yaml, applied by root' <<< "$(field MESSAGE "MESSAGE_ID=$apply")"
said=$(inside journalctl -q -x "MESSAGE_ID=$apply")
check "and a text" grep -q "bulkhead rollback" <<< "$said"
is "every MESSAGE_ID has one" "$(grep -cE '"[0-9a-f]{32}"' "$MACHINE_TREE/agent/base/message_ids.h")" \
	"$(for id in $(grep -oE '"[0-9a-f]{32}"' "$MACHINE_TREE/agent/base/message_ids.h" | tr -d '"'); do
		inside journalctl --dump-catalog "$id" 2> /dev/null | grep '^Subject: '
	done | sort -u | wc -l)"

# --- settings ------------------------------------------------------------------------------------

settings() { # YAML
	printf 'version: 1\n%s\n' "$1" | inside_write /etc/bulkhead/bulkhead.yaml
	inside systemctl reload bulkhead.service
}
settings "telemetry: { journal: { events: [] } }"
check "none are asked for: closed" wait_for 5 eval '[ "$(count taken)" = none ]'
settings "telemetry: { journal: { events: [begin, deny] } }"
check "begin, too: opened" wait_for 5 eval '[ "$(count taken)" != none ]'
is "what is allowed" answered "$(asks web-ask 10.77.0.1 6379)"
check "is there by now" wait_for 5 there -t bulkhead BULKHEAD_VERDICT=allowed BULKHEAD_TYPE=begin

# --- a journald that hangs -----------------------------------------------------------------------

service web-talk python3 $MACHINE_PEER talk 10.77.0.1 6379
# several ports, so that what limits denies alike does not limit them all
for port in 7001 7002 7003 7004 7005 7006 7007 7008 7009 7010 7011 7012; do
	service "report$port" python3 $MACHINE_PEER probe 10.77.0.3 $port 0.01
done
# shellcheck disable=SC2317  # wait_for calls it
talks() {
	[ "$(inside grep -c answered /var/tmp/web-talk)" -gt "${1:-0}" ]
}
check "a connection is open" wait_for 10 talks
journald=$(property_of systemd-journald.service MainPID)
inside kill -STOP "$journald"
check "the journal hangs" wait_for 40 eval '[ "$(count trouble)" != None ]'
check "some are lost: $(count lost)" [ "$(count lost)" -gt 0 ]
check "status says why: $(count trouble)" grep -q "does not take entries" <<< "$(count trouble)"
begin=$(date +%s%N)
for _ in 1 2 3 4 5; do
	inside bulkhead version > /dev/null
done
took=$((($(date +%s%N) - begin) / 5000000))
check "the agent answers within half a second ($took ms)" [ $took -lt 500 ]
n=$(inside grep -c answered /var/tmp/web-talk)
check "who was let in talks on" wait_for 3 talks "$n"
inside kill -CONT "$journald"
check "it runs again: nothing is wrong" wait_for 20 eval '[ "$(count trouble)" = None ]'
for port in 7001 7002 7003 7004 7005 7006 7007 7008 7009 7010 7011 7012; do
	inside systemctl stop "report$port.service"
done
told() { # how many flows the journal says it lacks
	journal_json -t bulkhead BULKHEAD_TYPE=loss | python3 -c '
import json, sys
print(sum(int(json.loads(line)["BULKHEAD_LOST"]) for line in sys.stdin))'
}
check "what was lost is in the journal, to the last one ($(count lost))" \
	wait_for 20 eval '[ "$(told)" = "$(count lost)" ]'
is "taken = written + lost" "$(count taken)" "$(($(count written) + $(count lost)))"

# --- IPFIX, out of the sandbox ---------------------------------------------------------------------

inside_write /usr/local/lib/relay.py < "$SELFTESTS_LIB/relay.py"
service collector python3 /usr/local/lib/relay.py 10.77.0.1 4739 /var/tmp/got.ipfix
check "a collector listens" wait_for 10 eval "inside ss -Hlun | grep -cF 10.77.0.1:4739"
settings "telemetry: { ipfix: { collector: 10.77.0.1 } }"
check "the unit forbids it: status names the drop-in" wait_for 5 \
	eval "[[ \$(count trouble ipfix) == *bulkhead.service.d/ipfix.conf* ]]"
is "report is denied" EPERM "$(asks report-ask 10.77.0.1 6379)"
check "which is lost" wait_for 5 eval '[ "$(count lost ipfix)" -gt 0 ]'
# as bulkhead.yaml(5) has it
drop_in ipfix "$(sed -n '/ipfix.conf$/,/^```$/{/^\(RestrictAddress\|IPAddressAllow\)/p}' \
	"$MACHINE_TREE/tools/man/bulkhead.yaml.5.scd" | sed 's/192.0.2.7/10.77.0.1/')"
check "with the drop-in of the manual" inside systemctl restart bulkhead.service
is "nothing is wrong" None "$(count trouble ipfix)"
is "report is denied" EPERM "$(asks report-ask 10.77.0.1 6379)"
check "which is written" wait_for 8 eval '[ "$(count written ipfix)" -gt 0 ]'
check "and arrives" inside grep -q report-ask.service /var/tmp/got.ipfix
is "none is lost" 0 "$(count lost ipfix)"
tap_end
