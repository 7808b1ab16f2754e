#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Metrics of the agent in its sandbox (LIMIT_S=600 on a busy machine): a file where the packaged unit
# may write it, and a socket that systemd hands over; what a scraper needs in the map. Run by
# selftests/run.
# shellcheck disable=SC2016,SC2317  # check and wait_for call them
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/machine.sh
. "$(dirname "$0")/../lib/machine.sh"
need_agent
"$(dirname "$0")/../../tools/deps.sh" consumers > /dev/null ||
	{ echo "not ok 1 - the packages that read metrics"; echo 1..1; exit 1; }

scope_begin bh-test
if ! { machine_make && machine_boot; }; then
	tap "not ok" "the machine boots"
	tap_end
fi
file=/run/bulkhead-metrics/bulkhead.prom

inside_write /etc/bulkhead/shop.yaml <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  metrics: { match: { unit: bulkhead-metrics.socket } }
  scraper: { match: { unit: "scraper*.service" } }
  other:   { match: { unit: other.service } }
allow:
  - { id: scrape, from: scraper, to: metrics, port: tcp/9469 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
settings() { # metrics
	printf 'version: 1\ninterfaces: { eth1: auto }\ntelemetry: { metrics: { %s } }\n' "$1" |
		inside_write /etc/bulkhead/bulkhead.yaml
}

scraped() { # unit sample: its value
	unit_of "$1" curl -sS -m 5 http://127.0.0.1:9469/metrics 2>&1 |
		awk -v s="$2" 'index($0, s " ") == 1 { print $NF }'
}

is_scraped() { # unit sample value
	[ "$(scraped "$1" "$2")" = "$3" ]
}

problem() {
	(inside bulkhead -o json status || true) | grep -qF -- "$1"
}

no_problem() {
	! problem "metrics"
}

# --- a file --------------------------------------------------------------------------------------

settings "file: $file"
inside systemd-tmpfiles --create bulkhead.conf
check "enabled and started" inside systemctl enable --now bulkhead.service
check "apply" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml
check "the file is where the unit may write" wait_for 20 inside grep -q '^bulkhead_policy_generation [1-9]' $file
is "everybody may read it" 644 "$(inside stat -c %a $file)"
check "also who is nobody" inside setpriv --reuid nobody --clear-groups cat $file
inside mkdir -p /var/lib/prometheus/node-exporter
inside ln -s $file /var/lib/prometheus/node-exporter/bulkhead.prom
service node_exporter prometheus-node-exporter --collector.disable-defaults --collector.textfile \
	--collector.textfile.directory /var/lib/prometheus/node-exporter --web.listen-address 127.0.0.1:9100
inside bulkhead mode observe > /dev/null 2>&1
check "a node_exporter that looks elsewhere reads it by a link" wait_for 20 eval \
	'[ "$(unit_of desk curl -sS -m 5 http://127.0.0.1:9100/metrics | grep -cE "^(bulkhead_policy_observe_cap 1|node_textfile_scrape_error 0)")" = 2 ]'
inside bulkhead mode enforce --force > /dev/null 2>&1

settings "file: /var/lib/prometheus/node-exporter/own.prom"
check "a file elsewhere" inside systemctl reload bulkhead.service
check "is refused by the sandbox, and said so" wait_for 20 problem "takes a drop-in with ReadWritePaths="

# --- HTTP ----------------------------------------------------------------------------------------

settings 'listen: "127.0.0.1:9469"'
check "the agent's own socket" inside systemctl reload bulkhead.service
check "is refused by the sandbox, and what to do is said" wait_for 20 problem \
	"systemctl enable bulkhead-metrics.socket"
settings "file: $file"
check "enable the socket" inside systemctl enable bulkhead-metrics.socket
check "restart" inside systemctl restart bulkhead.service
check "the agent serves it" wait_for 20 is_scraped scraper bulkhead_agent_up 1
is "so does it at a second scrape" 1 "$(scraped scraper bulkhead_agent_up)"
is "who is not in the rule is refused" "" "$(scraped other bulkhead_agent_up)"
pid=$(property MainPID)
check "killed" inside systemctl kill -s KILL bulkhead.service
check "after a crash it is served again" wait_for 30 eval \
	'[ "$(property MainPID)" != '"$pid"' ] && is_scraped scraper bulkhead_agent_up 1'
check "nothing is wrong" no_problem
check "stop" inside systemctl stop bulkhead.service
# after it, as it came before it: `systemctl stop` waits for the service alone
check "with the agent the socket goes" wait_for 10 eval \
	'[ "$(property_of bulkhead-metrics.socket ActiveState)" = inactive ]'
is "the file says so" "bulkhead_agent_up 0" "$(inside grep '^bulkhead_agent_up' $file)"
check "start" inside systemctl start bulkhead.service
check "with the agent it comes back" wait_for 20 is_scraped scraper bulkhead_agent_up 1
machine_off
check "the machine boots again" machine_boot
check "and serves its metrics" wait_for 60 is_scraped scraper bulkhead_agent_up 1
tap_end
