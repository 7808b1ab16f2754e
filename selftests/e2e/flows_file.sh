#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flows in a file: what real traffic leaves there is valid and adds up; rotation by us and by others,
# a full disk, a dead path, other settings, an agent that is killed. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make office || exit 1
host_wire shop eth1 10.77.0.1/24 office eth1 10.77.0.2/24
dir=$SCOPE_DIR/shop
conf=$dir/bulkhead.yaml
log=$dir/log/flows.jsonl
tools=$(realpath "$(dirname "$0")/../..")

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
  office: { match: { cidr: [10.77.0.0/24] } }
allow:
  - { id: office-web, from: office, to: web, port: tcp/80 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

settings() { # [YAML...]: a line each, behind the version
	printf '%s\n' "version: 1" "$@" > "$conf"
}

hangup() { # a mark in the log tells when it has been read
	local before
	before=$(marks)
	kill -HUP "$(agent_pid shop)"
	wait_for "${PATIENCE_S:-10}" eval "[ \$(marks) -gt $before ]"
}

marks() {
	grep -cE 'the settings were (read again|refused)' "$dir/agent.log"
}

valid() { # file
	/usr/bin/python3 "$tools/selftests/dev/flow_schema.py" "$tools/tools/schema/flow.schema.json" "$1"
}

# Records of a type, in all files that are named.
count() { # type file...
	local type=$1
	shift
	cat "$@" 2> /dev/null | grep -c "\"type\":\"$type\""
}

sink() { # key: of the first sink in status
	bh shop -o json status | python3 -c '
import json, sys
s = json.load(sys.stdin)["data"]["telemetry"]["sinks"]
print(s[0][sys.argv[1]] if s else "none")' "$1"
}

sink_is() { # key value
	[ "$(sink "$1")" = "$2" ]
}

trouble_has() { # text
	[[ $(sink trouble) == *"$1"* ]]
}

# Connections that are refused: each is an event. As many as asked for, from ports of their own.
denies() { # n
	unit shop system.slice/other.service python3 -c '
import socket, sys
n = 0
for i in range(int(sys.argv[1])):
    s = socket.socket()
    try:
        s.connect(("10.77.0.2", 1000 + i % 60000))
    except PermissionError:
        n += 1
    s.close()
print(n)' "$1"
}

# Every number in these files fits every other. The records of loss of one agent or more.
adds_up() { # file...: the oldest first
	python3 - "$@" << 'PYTHON'
import json, sys
flows, since = 0, 0
for path in sys.argv[1:]:
    for line in open(path):
        r = json.loads(line)
        if r["type"] != "loss":
            flows, since = flows + 1, since + 1
            continue
        st = r["stages"]
        assert r["seen"] == r["sent"] + r["suppressed"] + r["lost"], r
        assert r["written"] == since, (since, r)
        for key, stage in (("suppressed", "ratelimit"), ("lost", "ringbuf")):
            assert r[key] == st[stage] == sum(c[stage] for c in r["cpus"]), r
        assert r["seen"] == sum(c["seen"] for c in r["cpus"]), r
        since = 0
        last = r
assert since == 0, "flows behind the last record of loss"
assert flows, "no flow"
PYTHON
}

# Over one life of the agent: what was sent is what was written, skipped or lost.
all_told() { # file...
	python3 - "$@" << 'PYTHON'
import json, sys
sent = told = 0
for path in sys.argv[1:]:
    for line in open(path):
        r = json.loads(line)
        if r["type"] == "loss":
            sent += r["sent"]
            told += r["written"] + r["skipped"] + r["stages"]["queue"] + r["stages"]["sink_file"]
assert sent == told, (sent, told)
PYTHON
}

# --- what is in it -------------------------------------------------------------------------------

agent_start shop eth1=generic --log-dir "$dir/log" || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
serve shop system.slice/nginx.service tcp 10.77.0.1 80
serve shop system.slice/nginx.service tcp 10.77.0.1 81
wait_for 5 eval '[ "$(ask_from office tcp 10.77.0.1 80)" = answered ]'
n=$(count end "$log")
is "an allowed connection" answered "$(ask_from office tcp 10.77.0.1 80)"
is "one that is not" timeout "$(ask_from office tcp 10.77.0.1 81)"
is "and some from here" 20 "$(denies 20)"
check "the end of the connection is told within two seconds" \
	wait_for 2 eval "[ \$(count end \"$log\") -gt $n ]"
check "so is each deny" wait_for 2 eval "[ \$(count deny \"$log\") -ge 21 ]"
is "begun sessions are not asked for" 0 "$(count begin "$log")"
check "each line is as the schema says" valid "$log"
is "mode of the file" 640 "$(stat -c %a "$log")"
check "a record says who it was" grep -q '"type":"end".*"src":{"ip":"10.77.0.2",.*"segment":"office"},"dst":{"ip":"10.77.0.1","port":80,.*"segment":"web","unit":"nginx.service",.*"verdict":"allowed".*"rule":"office-web"' "$log"
check "and a deny, of which rule" grep -q '"type":"deny".*"direction":"ingress".*"port":81,.*"verdict":"denied".*"rule":"default/web/ingress"' "$log"
check "status has a line for it" eval 'bh shop status | grep -q "telemetry  *file: works, [0-9]* taken, 0 lost"'
check "doctor, too" eval 'bh shop doctor | grep -q "^ok *telemetry"'
check "status counts events by CPU" eval 'bh shop -o json status | python3 -c "
import json, sys
e = json.load(sys.stdin)[\"data\"][\"telemetry\"][\"events\"]
assert e[\"seen\"] == e[\"sent\"] + e[\"suppressed\"] + e[\"lost\"] > 0, e
assert e[\"seen\"] == sum(c[\"seen\"] for c in e[\"cpus\"]), e"'

# --- others rotate -------------------------------------------------------------------------------

mv "$log" "$dir/log/old"
check "a file that was moved away is begun again within two seconds" wait_for 2 test -e "$log"
denies 5 > /dev/null
# beside those of doctor, which tries what is denied
check "and flows go there" wait_for 2 eval "[ \$(grep -c '\"type\":\"deny\".*other.service' \"$log\") = 5 ]"
rm "$log"
check "so is one that was removed" wait_for 2 test -e "$log"

# --- SIGHUP --------------------------------------------------------------------------------------

settings "telemetry: { file: { path: $dir/other.jsonl, max_bytes: 65536, keep: 3, events: [begin, deny] } }"
check "SIGHUP with another file" hangup
ask_from office tcp 10.77.0.1 80 > /dev/null
check "begun sessions, if asked for" wait_for 3 eval "[ \$(count begin \"$dir/other.jsonl\") -ge 1 ]"
is "the file before is closed, with its last record" loss \
	"$(tail -n 1 "$log" | python3 -c 'import json, sys; print(json.load(sys.stdin)["type"])')"

denies 400 > /dev/null
check "it is rotated by its size" wait_for 3 test -e "$dir/other.jsonl.3"
check "each with whole lines" eval 'for f in "$dir"/other.jsonl*; do valid "$f" || exit 1; done'
is "none is larger" "" "$(find "$dir" -name 'other.jsonl*' -size +65536c)"
is "so many are kept" 4 "$(find "$dir" -name 'other.jsonl*' | wc -l)"

settings "telemetry: { file: { path: /proc/nowhere/flows.jsonl } }"
check "SIGHUP with a path that can't be" hangup
check "status names it, and what to do" wait_for 3 trouble_has "/proc/nowhere/flows.jsonl"
check "what to do" trouble_has "make its directory"
check "which is no \"no\"" bh shop status
check "doctor warns" eval 'bh shop doctor | grep -q "^warn *telemetry.*nowhere"'
# doctor has asked for some itself
sleep 2.2
lost=$(sink lost)
denies 30 > /dev/null
check "what is lost is counted" wait_for 3 sink_is lost $((lost + 30))
settings "telemetry: { file: { events: [] } }"
check "SIGHUP without a file" hangup
is "no sink" none "$(sink name)"

# --- a full disk ---------------------------------------------------------------------------------

mkdir "$dir/small"
on shop mount -t tmpfs -o size=64k none "$dir/small"
settings "telemetry: { file: { path: $dir/small/flows.jsonl, events: [deny] } }"
check "SIGHUP with a file on a small disk" hangup
denies 300 > /dev/null
check "status says that it is full" wait_for 3 trouble_has "No space left on device; make room there"
check "all is told or counted" eval '[ "$(sink taken)" = 300 ] && [ "$(sink written)" -gt 0 ] &&
	[ $(($(sink written) + $(sink lost))) = 300 ]'
is "what was told is in the file" "$(sink written)" \
	"$(on shop grep -c '"type":"deny"' "$dir/small/flows.jsonl")"
on shop cat "$dir/small/flows.jsonl" > "$dir/full.jsonl"
check "whole lines alone" valid "$dir/full.jsonl"
on shop mount -o remount,size=4m "$dir/small"
check "with room it recovers by itself" wait_for 70 eval 'denies 1 > /dev/null; sink_is state ok'
settings "telemetry: { file: { events: [] } }"
check "SIGHUP" hangup
on shop cat "$dir/small/flows.jsonl" > "$dir/full.jsonl"
check "its records of loss are right" adds_up "$dir/full.jsonl"
check "and name what was lost there" grep -q '"sink_file":[1-9]' "$dir/full.jsonl"

# --- a life, from the first event to the last ----------------------------------------------------

agent_kill shop TERM
rm -rf "$dir/log"
settings
agent_start shop eth1=generic --log-dir "$dir/log" || { tap "not ok" "the agent starts again"; tap_end; }
denies 700 > /dev/null
for _ in 1 2 3; do ask_from office tcp 10.77.0.1 80 > /dev/null; done
agent_kill shop TERM
check "what was written last is valid" valid "$log"
check "every record of loss fits" adds_up "$log"
check "all that was sent is written, skipped or lost" all_told "$log"
is "each deny" 700 "$(count deny "$log")"

# --- killed --------------------------------------------------------------------------------------

for _ in 1 2 3 4 5; do
	agent_start shop eth1=generic --log-dir "$dir/log" || break
	denies 3000 > /dev/null &
	sleep "0.$((RANDOM % 9))"
	agent_kill shop KILL
	wait
	check "an agent that was killed leaves whole lines, but for one at the end" valid \
		<(grep -a '}$' "$log")
done
# As if it had been killed in the middle of a line.
head -c -100 "$log" > "$dir/cut" && cat "$dir/cut" > "$log"
lines=$(wc -l < "$log")
agent_start shop eth1=generic --log-dir "$dir/log" || { tap "not ok" "the agent starts again"; tap_end; }
check "half a line is cut by the next start" wait_for 3 valid "$log"
check "and nothing else is" [ "$(wc -l < "$log")" -ge "$lines" ]
denies 5 > /dev/null
sleep 1.2
check "what comes then is whole" valid "$log"
agent_kill shop TERM
check "to the end" valid "$log"
tap_end
