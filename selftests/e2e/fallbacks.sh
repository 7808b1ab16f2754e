#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the agent does where a kernel lacks a feature: new cgroups by inotify, egress by clsact,
# idle connections cut by INET_DIAG. The same promises, a little later. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
host_addr shop eth1 10.77.0.1/24
on shop ip link set eth1 up

dir=$SCOPE_DIR/shop
cache=system.slice/redis.service

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: "web-*.service" } }
  cache: { match: { unit: redis.service } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML

field() { # expression over d
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$1"')'
}

out=$("$BUILD/bulkheadd" --without tcx,cgroup_mkdr 2>&1)
is "--without a feature that is none: usage" 2 $?
check "and which was meant" grep -q "did you mean 'cgroup_mkdir'" <<< "$out"
out=$("$BUILD/bulkheadd" --without btf 2>&1)
is "--without what nothing works without: usage" 2 $?

agent_start shop eth1=auto --without cgroup_mkdir,cgroup_release,sock_destroy,tcx || tap_end
serve shop $cache tcp 0.0.0.0 6379
bh shop apply --yes "$SCOPE_DIR/shop.yaml" > /dev/null
is "each is reported" "cgroup_mkdir cgroup_release sock_destroy tcx" \
	"$(field '" ".join(sorted(f["name"] for f in d["features"] if not f["works"]))')"
is "nothing else is wrong" "['this kernel has no', 'this kernel has no', 'this kernel has no', 'this kernel has no']" \
	"$(field '[p[:18] for p in d["problems"]]')"
is "egress of the device" clsact \
	"$(field '[h["mode"] for h in d["hooks"] if h["name"] == "egress eth1"][0]')"

# Each time a unit that is new, asked as soon as the agent may have been told.
new=0 other=0
for i in $(seq 20); do
	mkdir -p "$SCOPE_CG/shop/system.slice/web-$i.service" "$SCOPE_CG/shop/x$i.slice/other.service"
	sleep 0.1
	[ "$(ask shop "system.slice/web-$i.service" tcp 10.77.0.1 6379)" = answered ] && ((new++))
	[ "$(ask shop "x$i.slice/other.service" tcp 10.77.0.1 6379)" = EPERM ] && ((other++))
done
is "a new unit has its segment" 20 $new
is "and a new one in no segment is denied" 20 $other

# As a container engine does it: the tree at once, then a process in its leaf.
mkdir -p "$SCOPE_CG/shop/a.slice/a-b.slice/web-deep.service/init/payload"
sleep 0.1
is "what was made at once" answered \
	"$(ask shop a.slice/a-b.slice/web-deep.service/init/payload tcp 10.77.0.1 6379)"

cat > "$SCOPE_DIR/idle.py" <<'PY'
import select, socket, sys
s = socket.create_connection(("10.77.0.1", 6379))
open(sys.argv[1], "w").write("up")
p = select.poll()
p.register(s, select.POLLRDHUP)
p.poll(20000)
open(sys.argv[1], "w").write("cut" if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) else "?")
PY
spawn /dev/null shop system.slice/web-1.service python3 "$SCOPE_DIR/idle.py" "$SCOPE_DIR/idle"
check "an idle connection is up" wait_for 5 grep -q up "$SCOPE_DIR/idle"
sed 's/port: tcp.6379/port: tcp\/6380/' "$SCOPE_DIR/shop.yaml" > "$SCOPE_DIR/less.yaml"
bh shop apply --yes "$SCOPE_DIR/less.yaml" > /dev/null
check "and cut when its rule goes" wait_for 5 grep -q cut "$SCOPE_DIR/idle"
tap_end
