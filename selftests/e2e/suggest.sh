#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# LIMIT_S=600
# From what was seen to a map: of random histories, `suggest` allows all that was seen and nothing
# that was not, as bh_judge says; and what `simulate` says of a map is what then happens, for ten
# thousand pairs. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
seed=${BH_SEED:-$(date +%s)}
echo "# BH_SEED=$seed"
pairs=$SELFTESTS_LIB/pairs.py
n=0

# A host of its own with every unit, and an agent that finds that history.
host_with() { # flows [segment=unit,unit ...]
	n=$((n + 1))
	host=h$n
	host_make $host || exit 1
	for unit in u0 u1 u2 u3 u4 u5 u6 u7 app@1 app@2; do
		mkdir -p "$SCOPE_CG/$host/system.slice/$unit.service"
	done
	python3 "$pairs" make "$SCOPE_DIR/$host/state" $((seed + n)) "$@"
	agent_start $host "" || { tap "not ok" "the agent starts"; tap_end; }
	control=$SCOPE_DIR/$host/run/control.sock
	state=$SCOPE_DIR/$host/state
	map=$SCOPE_DIR/$host.yaml
}

suggest() {
	bh $host suggest > "$map" || return 1
	sed -i 's/^mode: observe/mode: enforce/; s/^# No failsafe.*/failsafe: [ { from: { cidr: [192.0.2.250\/32] }, port: tcp\/22 } ]/' "$map"
}

for flows in 1 20 300; do
	host_with $flows
	check "$flows flows: suggest" suggest
	check "the map is good" bh $host check --offline "$map"
	check "nothing seen would be denied" bh $host simulate "$map"
	check "apply" bh $host apply --yes "$map"
	check "what was seen is allowed, what was not is denied" python3 "$pairs" judge "$control" "$state" $seed 500
	agent_kill $host TERM
done

# Segments of the live map stay, and keep their names.
host_with 200 web=u0.service,u1.service db=u2.service
cat > "$SCOPE_DIR/live.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: [u0.service, u1.service] }, labels: { app: shop }, description: "front" }
  db:  { match: [ { unit: u2.service }, { cidr: [192.0.2.0/24] } ], default: { egress: allow } }
failsafe:
  - { from: { cidr: [192.0.2.250/32] }, port: tcp/22, description: bastion }
YAML
check "a live map" bh $host apply --yes "$SCOPE_DIR/live.yaml"
check "suggest beside it" suggest
check "its segments stay" grep -qE '^  web: .*u0.service.*u1.service.*shop.*front' "$map"
check "and its failsafe" grep -qE '^  - .*192.0.2.250/32.*bastion' "$map"
check "but no default that opens" eval "! grep -q 'default: .*allow' \"$map\""
check "apply" bh $host apply --yes "$map"
check "what was seen is allowed, what was not is denied" python3 "$pairs" judge "$control" "$state" $seed 500
agent_kill $host TERM

# As many as there can be of these: simulate against what then is.
host_with 10000
check "10000 flows: suggest" suggest
check "apply" bh $host apply --yes "$map"
awk -v seed=$seed 'BEGIN { srand(seed) } /^  [-#]|^[^ ]|^$/ { gone = 0 } /^  - [{] id: / && rand() < 0.3 { gone = 1 } !gone' "$map" > "$map.less"
out=$(python3 "$pairs" agree "$control" "$state" "$map.less" 2>&1)
is "simulate says what then happens" "10000 flows, 0 differences" "$out"
gen=$(bh $host status -o json | grep -m1 -o '"generation": [0-9]*')
sed '/^  - { id: u/,/}$/d' "$map.less" > "$map.least"
bh $host simulate "$map.least" > "$SCOPE_DIR/said" 2>&1
is "3 where something seen would be denied" 3 $?
is "and nothing was changed" "$gen" "$(bh $host status -o json | grep -m1 -o '"generation": [0-9]*')"
tap_end
