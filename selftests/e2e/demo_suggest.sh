#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo's traffic, seen and then enforced: nginx and redis as it has them, the map that `suggest`
# makes of what they were asked, no deny when they are asked again, and the report job that nobody saw
# is refused. Run by selftests/run.
# shellcheck disable=SC2016,SC2317  # check and wait_for call them
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/shop.sh
. "$(dirname "$0")/../lib/shop.sh"
need_agent
PATH=$PATH:/usr/sbin
if ! command -v redis-server > /dev/null || ! command -v nginx > /dev/null; then
	echo "needs nginx and redis: tools/deps.sh demo"
	exit 77
fi

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1
dir=$SCOPE_DIR/shop
chmod 755 "$SCOPE_DIR"

services_end() {
	kill "$shop_nginx" "$shop_redis"
	wait_for 10 eval "! kill -0 $shop_nginx || ! kill -0 $shop_redis"
	wait_for 10 eval "! kill -0 $shop_nginx && ! kill -0 $shop_redis"
}

traffic() { # when
	is "$1: web asks the cache" PONG "$(ping_cache $shop_web)"
	is "$1: the page, IPv4" "welcome to the shop" "$(fetch http://10.77.0.1:8080/)"
	is "$1: the page, IPv6" "welcome to the shop" "$(fetch 'http://[fd77::1]:8080/')"
}

status() { # expression over d
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$1"')'
}

agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
cat > "$SCOPE_DIR/first.yaml" <<'YAML'
version: 1
name: shop
mode: observe
default: { ingress: deny, egress: deny }
segments: {}
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
check "a map that observes" bh shop apply --yes "$SCOPE_DIR/first.yaml"
shop_begin
is "nginx and redis" 0 $?
traffic observed
bh shop suggest > "$SCOPE_DIR/seen.yaml"
is "suggest" 0 $?
sed 's/^/# /' "$SCOPE_DIR/seen.yaml"
sed -i 's/^mode: observe/mode: enforce/' "$SCOPE_DIR/seen.yaml"
check "check" bh shop check --offline "$SCOPE_DIR/seen.yaml"
check "simulate" bh shop simulate "$SCOPE_DIR/seen.yaml"
is "two rules" 2 "$(grep -c '^  - { id: .*to: \(nginx\|redis\)' "$SCOPE_DIR/seen.yaml")"
check "apply" bh shop apply --yes "$SCOPE_DIR/seen.yaml"
services_end
denied=$(status 'd["sessions"]["denied"], d["sessions"]["would_deny"]')
shop_begin
is "they begin anew" 0 $?
traffic enforced
is "denied, and would be denied, since" "$denied" \
	"$(status 'd["sessions"]["denied"], d["sessions"]["would_deny"]')"
check "report is refused" eval '[[ $(ping_cache $shop_report) == *"Operation not permitted"* ]]'
is "so is nginx's neighbour at the page" EPERM "$(ask shop $shop_report tcp 10.77.0.1 8080)"
is "redis asks nobody" EPERM "$(ask shop $shop_cache tcp 10.77.0.1 8080)"
is "an outsider at redis: silence" timeout "$(ask_from outside tcp 10.77.0.1 6379)"
is "one at another address, at the page" timeout \
	"$(on outside ip addr add 10.77.0.3/24 dev eth1; from=10.77.0.3 ask_from outside tcp 10.77.0.1 8080)"
tap_end
