#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Metrics, read by who reads them: promtool, a Prometheus that scrapes over HTTP and a node_exporter
# that reads the file, all of them workloads under the map. Run by selftests/run.
# shellcheck disable=SC2016,SC2317  # check and wait_for call them
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
"$(dirname "$0")/../../tools/deps.sh" consumers > /dev/null ||
	{ echo "not ok 1 - the packages that read metrics"; echo 1..1; exit 1; }
TREE=$(realpath "$(dirname "$0")/../..")

scope_begin bh-test
host_make shop || exit 1
dir=$SCOPE_DIR/shop
texts=$dir/texts file=$dir/texts/bulkhead.prom
mkdir "$texts" "$dir/tsdb"
chmod 0755 "$texts"

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  agent:    { match: { unit: bulkhead.service } }
  scraper:  { match: { unit: prometheus.service } }
  exporter: { match: { unit: node_exporter.service } }
  desk:     { match: { unit: desk.service } }
  web:      { match: { unit: nginx.service } }
  cache:    { match: { unit: cache.service } }
allow:
  - { id: scrape, from: [scraper, desk], to: agent, port: tcp/9469 }
  - { id: look, from: desk, to: [scraper, exporter], port: [tcp/9090, tcp/9100] }
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

settings() { # [line of `metrics`]
	printf 'version: 1\n' > "$dir/bulkhead.yaml"
	[ -z "${1:-}" ] || printf 'telemetry: { metrics: { %s } }\n' "$1" >> "$dir/bulkhead.yaml"
}

hangup() {
	local before
	before=$(grep -c 'the settings were read again' "$dir/agent.log")
	kill -HUP "$(agent_pid shop)"
	wait_for "${PATIENCE_S:-10}" eval \
		"[ \$(grep -c 'the settings were read again' $dir/agent.log) -gt $before ]"
}

scrape() {
	unit shop system.slice/desk.service curl -sS -m 5 http://127.0.0.1:9469/metrics
}

of() { # sample: its value on stdin
	awk -v s="$1" 'index($0, s " ") == 1 { print $NF }'
}

in_file() { # sample: its value, without a fraction
	of "$1" < "$file" | sed 's/\..*//'
}

file_is() { # sample value
	[ "$(in_file "$1")" = "$2" ]
}

file_gets() { # sample value: soon, not with the next fifteen seconds
	check "$1 becomes $2 in the file" wait_for "${PATIENCE_S:-4}" file_is "$1" "$2"
}

over_http() { # sample
	scrape | of "$1"
}

query() { # expression: the values
	unit shop system.slice/desk.service promtool query instant http://127.0.0.1:9090 "$1" |
		sed 's/.* => \([^ ]*\) @.*/\1/'
}

answers() { # expression value
	[ "$(query "$1")" = "$2" ]
}

problem() { # part of one of status's problems
	(bh shop -o json status || true) | python3 -c '
import json, sys
sys.exit(not any(sys.argv[1] in p for p in json.load(sys.stdin)["data"]["problems"]))' "$1"
}

no() {
	! "$@"
}

lint() { # what comes in has nothing that promtool would rather have otherwise
	local out
	out=$(promtool check metrics 2>&1) && [ -z "$out" ] || { echo "$out"; return 1; }
}

# --- start ---------------------------------------------------------------------------------------

settings "file: $file, listen: \"127.0.0.1:9469\""
agent_start shop "" || { tap "not ok" "the agent starts"; tap_end; }
check "apply" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
file_gets bulkhead_policy_generation 1
file_gets 'bulkhead_policy_mode{mode="enforce"}' 1
is "everybody may read the file" 644 "$(stat -c %a "$file")"
is "nothing lies beside it" bulkhead.prom "$(ls "$texts")"
check "promtool has nothing to say of the file" lint < "$file"
check "nor of what is scraped" lint < <(scrape)
check "no address, port or number of an identity is in a label" no \
	grep -qE '\{.*([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9a-f]*:[0-9a-f]|identity)' <(scrape)

documented() { # metrics on stdin: each has its row in docs/metrics.md, with its type and labels
	python3 -c '
import re, sys
rows = {}
for line in open(sys.argv[1] + "/docs/metrics.md"):
    cells = [c.strip() for c in line.split("|")]
    if re.match(r"`[a-z_]+`$", "".join(cells[1:2])):
        rows[cells[1].strip("`")] = (cells[2], set(re.findall(r"`(\w+)`", cells[3])))
seen, bad = set(), []
for line in sys.stdin:
    name = re.split(r"[{ ]", line)[0]
    if line.startswith("# TYPE "):
        name, kind = line.split()[2], line.split()[3]
        seen.add(name)
        if rows.get(name, ("",))[0] != kind:
            bad.append(f"{name}: {kind}")
    elif not line.startswith("#") and set(re.findall(r"[{,](\w+)=", line)) != rows.get(name, ("", 0))[1]:
        bad.append(line)
bad += [f"{n} has a row and is not there" for n in rows.keys() - seen]
print("\n".join(bad))
sys.exit(bool(bad) or len(seen) < 40)' "$TREE"
}
check "the documentation has all that is scraped, and nothing else" documented < <(scrape)
check "so it has of the file, but for names of the process" documented < \
	<(sed -E 's/bulkhead_(process_)/\1/' "$file")

# --- what they say -------------------------------------------------------------------------------

serve shop system.slice/cache.service tcp 127.0.0.1 6379
check "the server starts" wait_for 10 eval \
	'[ "$(ask shop system.slice/nginx.service tcp 127.0.0.1 6379)" = answered ]'
for _ in 1 2 3; do ask shop system.slice/desk.service tcp 127.0.0.1 6379; done > "$dir/asked"
is "others are denied" "EPERM EPERM EPERM" "$(xargs < "$dir/asked")"
sleep 1.2 # what was scraped before is given again for a second
now=$(scrape)
is "denied, as the agent was told" 3 "$(of 'bulkhead_flows_total{direction="egress",verdict="denied"}' <<< "$now")"
is "by direction and reason" 3 \
	"$(of 'bulkhead_denied_flows_total{direction="egress",reason="default_deny"}' <<< "$now")"
is "as the kernel counted" 3 "$(of 'bulkhead_denied_packets_total{reason="default_deny"}' <<< "$now")"
is "the rule is that which status shows" "$(bh shop -o json get rules | python3 -c '
import json, sys
print(next(r["packets"] for r in json.load(sys.stdin)["data"]["rules"] if r["id"] == "web-cache"))')" \
	"$(of 'bulkhead_rule_hits_total{rule="web-cache"}' <<< "$now")"
check "and has counted" [ "$(of 'bulkhead_rule_hits_total{rule="web-cache"}' <<< "$now")" -gt 0 ]
is "memory is the agent's" "$(awk '{ print ($2 * 4096 > 1000000) }' "/proc/$(agent_pid shop)/statm")" \
	"$(of process_resident_memory_bytes <<< "$now" | awk '{ print ($1 > 1000000) }')"
is "hooks are attached" 0 "$(grep -c '^bulkhead_enforcement_attached.* 0$' <<< "$now")"
is "a state" 1 "$(of 'bulkhead_state{state="enforcing"}' <<< "$now")"

# --- what changes is there at once ------------------------------------------------------------------

bh shop emergency open --reason "pager 4711" --for 60s > /dev/null
file_gets bulkhead_emergency_open 1
file_gets 'bulkhead_policy_mode{mode="observe"}' 1
file_gets bulkhead_emergencies_opened_total 1
file_gets 'bulkhead_problems{check="emergency",result="fail"}' 1
end=$(in_file bulkhead_emergency_end_timestamp_seconds) now=$(date +%s)
check "its end is in the file ($end, now $now)" [ "$end" -gt $((now + 40)) -a "$end" -le $((now + 61)) ]
check "close" bh shop emergency close
file_gets bulkhead_emergency_open 0
file_gets bulkhead_emergency_end_timestamp_seconds 0
file_gets bulkhead_emergencies_opened_total 1
bh shop quarantine system.slice/nginx.service --reason x > "$dir/quarantine" 2>&1 ||
	bh shop quarantine web --reason x > "$dir/quarantine" 2>&1
file_gets bulkhead_quarantines_active 1
bh shop release all > /dev/null 2>&1
file_gets bulkhead_quarantines_active 0
bh shop mode observe > /dev/null 2>&1
file_gets bulkhead_policy_observe_cap 1
bh shop mode enforce --force > /dev/null 2>&1
file_gets bulkhead_policy_observe_cap 0
sed -i 's/name: shop/name: shop2/' "$SCOPE_DIR/shop.yaml"
bh shop apply --yes --confirm 60s "$SCOPE_DIR/shop.yaml" > /dev/null 2>&1
file_gets bulkhead_policy_unconfirmed 1
check "with its deadline" [ "$(in_file bulkhead_policy_confirm_deadline_timestamp_seconds)" -gt "$(date +%s)" ]
bh shop confirm > /dev/null 2>&1
file_gets bulkhead_policy_unconfirmed 0
echo "nonsense: 1" > "$SCOPE_DIR/bad.yaml"
bh shop apply --yes "$SCOPE_DIR/bad.yaml" > /dev/null 2>&1
sleep 1.2
is "a map that was refused is counted" 1 "$(over_http 'bulkhead_policy_apply_total{result="refused"}')"

# --- a Prometheus, and a node_exporter ---------------------------------------------------------------

cat > "$dir/prometheus.yml" <<YAML
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: [ $TREE/tools/prometheus/bulkhead.rules.yml ]
scrape_configs:
  - { job_name: bulkhead, static_configs: [ { targets: [ "127.0.0.1:9469" ] } ] }
YAML
check "promtool takes the rules for alerts" promtool check rules "$TREE/tools/prometheus/bulkhead.rules.yml"
check "and they do what they say" promtool test rules "$TREE/selftests/e2e/metrics.rules-test.yml"
spawn "$dir/prometheus.log" shop system.slice/prometheus.service timeout 120 prometheus \
	--config.file "$dir/prometheus.yml" --storage.tsdb.path "$dir/tsdb" \
	--web.listen-address 127.0.0.1:9090
check "a Prometheus scrapes it" wait_for "${PATIENCE_S:-30}" answers 'up{job="bulkhead"}' 1
is "a query: denied flows" 3 "$(query 'sum(bulkhead_flows_total{verdict="denied"})')"
is "a query: the generation is that of the file" "$(in_file bulkhead_policy_generation)" \
	"$(query bulkhead_policy_generation)"
is "a query: what is not attached" "" "$(query 'bulkhead_enforcement_attached == 0')"
bh shop emergency open --reason "pager 4711" --for 60s > /dev/null
check "a query: an emergency" wait_for "${PATIENCE_S:-10}" answers bulkhead_emergency_open 1
check "its alert fires" wait_for "${PATIENCE_S:-15}" answers \
	'ALERTS{alertname="BulkheadEmergencyOpen",alertstate="firing"}' 1
check "close" bh shop emergency close
check "a query: it is over" wait_for "${PATIENCE_S:-10}" answers bulkhead_emergency_open 0

spawn "$dir/exporter.log" shop system.slice/node_exporter.service timeout 120 prometheus-node-exporter \
	--collector.disable-defaults --collector.textfile --collector.textfile.directory "$texts" \
	--web.listen-address 127.0.0.1:9100
exported() {
	unit shop system.slice/desk.service curl -sSf -m 5 http://127.0.0.1:9100/metrics
}
check "a node_exporter reads the file" wait_for "${PATIENCE_S:-30}" eval \
	'exported | grep -q "^bulkhead_policy_generation"'
is "and has no complaint" 0 "$(exported | of node_textfile_scrape_error)"
is "it says the same" "$(in_file bulkhead_policy_generation)" \
	"$(exported | of bulkhead_policy_generation)"
is "of itself it still tells, too" 1 "$(exported | grep -c '^process_open_fds ')"

# --- a restart -----------------------------------------------------------------------------------

before=$(exported | of 'bulkhead_denied_packets_total{reason="default_deny"}')
agent_kill shop TERM
is "the file says that the agent ended" 0 "$(in_file bulkhead_agent_up)"
is "and that all is still attached" 0 "$(grep -c '^bulkhead_enforcement_attached.* 0$' "$file")"
ask shop system.slice/desk.service tcp 127.0.0.1 6379 > /dev/null
agent_start shop "" || { tap "not ok" "the agent starts again"; tap_end; }
file_gets bulkhead_agent_up 1
is "what the kernel counts went on meanwhile" $((before + 1)) \
	"$(over_http 'bulkhead_denied_packets_total{reason="default_deny"}')"
check "no counter of Prometheus's went back but those since the start" wait_for "${PATIENCE_S:-10}" \
	answers 'sum(resets(bulkhead_denied_packets_total[1m])) + sum(resets(bulkhead_rule_hits_total[1m]))' 0

# --- hostile clients -------------------------------------------------------------------------------

check "hostile clients hold up nobody" unit shop system.slice/desk.service \
	python3 "$SELFTESTS_LIB/scrapers.py" 127.0.0.1 9469

# --- a file that can't be written ------------------------------------------------------------------

settings "file: $dir/nowhere/m.prom, listen: \"127.0.0.1:9469\""
check "SIGHUP with a directory that is not there" hangup
check "status says so" wait_for 4 problem "$dir/nowhere/m.prom: No such file or directory; make its directory"
check "doctor, too" grep -qE '^warn +metrics .*nowhere' <(bh shop doctor 2>&1)
check "the file before is gone" wait_for 4 test ! -e "$file"
is "the rest goes on: scraping" 1 "$(over_http bulkhead_agent_up)"
is "enforcement, too" EPERM "$(ask shop system.slice/desk.service tcp 127.0.0.1 6379)"
is "and it can be alerted on" 1 "$(scrape > /dev/null; sleep 1.1; over_http 'bulkhead_problems{check="metrics",result="warn"}')"
mkdir "$dir/nowhere"
check "it is there with the next try" wait_for 20 test -s "$dir/nowhere/m.prom"
check "the trouble is over" wait_for 4 no problem "can't be written"

mkdir "$dir/small"
mount -t tmpfs -o size=4k,mode=755 small "$dir/small"
nsenter -t "$(agent_pid shop)" -m mount -t tmpfs -o size=4k,mode=755 small "$dir/small"
settings "file: $dir/small/m.prom"
check "SIGHUP with a full disk" hangup
check "status says so" wait_for 4 problem "No space left on device; make room"
is "and nothing half is left" "" "$(nsenter -t "$(agent_pid shop)" -m ls -A "$dir/small")"
umount "$dir/small"
check "it listens no more" no scrape

# --- ends ----------------------------------------------------------------------------------------

spawn "$dir/other.log" shop system.slice/other.service python3 -m http.server --bind 127.0.0.1 9470
other=$REPLY
check "somebody else has the port" wait_for 10 eval 'on shop ss -ltn | grep -q 127.0.0.1:9470'
settings "file: $file, listen: \"127.0.0.1:9470\""
check "SIGHUP with a port that is taken" hangup
check "status says so" wait_for 4 problem "127.0.0.1:9470: Address already in use; name another port"
kill $other
check "it is served when the port is free" wait_for 6 no problem "Address already in use"
settings ""
check "SIGHUP without metrics" hangup
check "the file is gone" wait_for 4 test ! -e "$file"

settings "file: $file"
check "SIGHUP with the file" hangup
file_gets bulkhead_agent_up 1
check "detach" bh shop detach --yes
check "the file says so" wait_for 4 file_is bulkhead_agent_up 0
is "and why" 1 "$(in_file bulkhead_detached)"
is "nothing is in force" "0 1" "$(in_file bulkhead_policy_generation) $(in_file 'bulkhead_state{state="no_policy"}')"
is "nothing is attached" 0 "$(grep -c '^bulkhead_enforcement_attached.* 1$' "$file")"
tap_end
