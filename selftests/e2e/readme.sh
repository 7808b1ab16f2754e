#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What README.md and docs/troubleshooting.md show is what is printed: the README's map, its commands and
# what they say, the words of `status` and of reasons. (docs/getting-started.md: e2e/guide. That every
# command in the documents exists: check/docs.) Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
if ! command -v redis-cli > /dev/null; then
	echo "needs redis-cli: tools/deps.sh demo"
	exit 77
fi

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1
docs=$(cd "$(dirname "$0")/../.." && pwd)
map=$SCOPE_DIR/shop.yaml
report=system.slice/report.service

# --- README -----------------------------------------------------------------------------------------

awk '/^```yaml$/ { on = 1; next } /^```$/ { on = 0 } on' "$docs/README.md" > "$map"
check "the README has a map" grep -q "^version: 1" "$map"

shown() { # beginning of a command: what the README shows below it
	awk -v "cmd=    \$ $1" 'index($0, cmd) == 1 { on = 1; next } on && !/^    / { exit } on { print substr($0, 5) }' \
		"$docs/README.md"
}

serve shop system.slice/redis.service tcp :: 6379
serve shop system.slice/nginx.service tcp :: 8080
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }

state() { # the first word or two of status, in capitals
	bh shop status 2>&1 | grep -oE -m 1 '(NO POLICY|OBSERVING|ENFORCING|EMERGENCY|UNCONFIRMED|DEGRADED)' | head -n 1
}

is "status: no map" "NO POLICY" "$(state)"
"$BUILD/bulkhead" --control "$SCOPE_DIR/shop/run/control.sock" apply "$map" --yes --force > /dev/null 2>&1
is "status: the first map" OBSERVING "$(state)"
check "it says why" grep -q "first apply" <<< "$(bh shop status 2>&1)"
check "the README's map is enforced" bh shop apply "$map" --yes
is "status: enforced" ENFORCING "$(state)"

is "README: what redis-cli says" "$(shown redis-cli)" \
	"$(unit shop $report timeout 5 redis-cli -h 10.77.0.1 PING 2>&1)"
bh shop explain report cache:6379/tcp > "$SCOPE_DIR/said" 2>&1
is "README: explain ends with 3" 3 $?
is "README: what explain says" "$(shown 'bulkhead explain')" \
	"$(sed -E 's/ generation [0-9]+$/ generation 1/' "$SCOPE_DIR/said")"

# --- troubleshooting -----------------------------------------------------------------------------------

bh shop get reasons --all > "$SCOPE_DIR/reasons"
known=0
while read -r reason; do
	known=$((known + 1))
	grep -qw "$reason" "$SCOPE_DIR/reasons" || tap "not ok" "troubleshooting: no reason '$reason'"
done < <(sed -nE '/^\| reason /,/^$/s/^\| `([a-z_]+)` .*/\1/p' "$docs/docs/troubleshooting.md")
check "troubleshooting: its reasons exist ($known)" [ "$known" -ge 5 ]

bh shop mode observe > /dev/null 2>&1
is "status: capped" OBSERVING "$(state)"
check "it says why" grep -q "mode capped\|mode observe" <<< "$(bh shop status 2>&1)"
check "enforced again" bh shop mode enforce --force --no-confirm
check "an emergency" bh shop emergency open --reason "a test"
is "status: an emergency" EMERGENCY "$(state)"
check "it ends" bh shop emergency close
check "to be confirmed" bh shop apply "$map" --yes --confirm 5m
is "status: to be confirmed" UNCONFIRMED "$(state)"
check "confirmed" bh shop confirm
is "no word but these" "" "$(sed -nE '/^\| status says /,/^$/s/^\| ([A-Z ]+)[,|].*/\1/p' "$docs/docs/troubleshooting.md" |
	sed 's/ *$//' | grep -vxE 'NO POLICY|OBSERVING|ENFORCING|EMERGENCY|UNCONFIRMED')"
tap_end
