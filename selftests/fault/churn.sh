#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Devices and cgroups come and go by the hundred under a running agent: the ones it guards are guarded
# each time, and at the end it holds no more than at the beginning. Run by selftests/run.
# LIMIT_S=400
# shellcheck disable=SC2016,SC2034,SC2317  # for eval; called by name
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop && host_make away || exit 1
dir=$SCOPE_DIR/shop
agent_start shop eth1=auto,eth2=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one
pid=$(agent_pid shop)

# What it holds: descriptors by kind, and its memory. Programs, maps and links live as long as one.
holds() {
	find "/proc/$pid/fd" -mindepth 1 -printf '%l\n' | sed 's/[0-9]\+//g' | sort | uniq -c |
		tr -s ' \n' ' '
}

rss_kib() {
	awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
}

known_cgroups() {
	status_of shop 'd["cgroups"]["n"]'
}

guarded() { # device
	on shop ip -d link show "$1" | grep -q prog/xdp
}

# eth2 comes, is renamed to and fro, goes to another namespace and back, and goes; with a crowd of
# others that are nobody's business.
round() { # n
	on shop ip link add eth2 type veth peer name peer2
	wait_for 20 guarded eth2 || echo "eth2 was not guarded in round $1"
	case $(($1 % 4)) in
	0)
		on shop ip link set eth2 name other
		on shop ip link set other name eth2
		;;
	1)
		on shop ip link set eth2 netns "$(host_pid away)"
		on away ip link set eth2 netns "$(host_pid shop)"
		wait_for 20 guarded eth2 || echo "eth2 was not guarded when it was back in round $1"
		;;
	2)
		on shop ip link set eth2 netns "$(host_pid away)"
		on away ip link del eth2
		return
		;;
	esac
	on shop ip link del eth2
}

crowd() { # how-many: in two processes
	seq "$1" | sed 's/.*/link add v& type veth peer name w&/' | on shop ip -batch -
	seq "$1" | sed 's/.*/link set v& name x&/' | on shop ip -batch -
	seq "$1" | sed 's/.*/link del x&/' | on shop ip -batch -
}

devices() {
	local i
	crowd 150 &
	for i in $(seq "$1"); do round "$i"; done
	wait $!
}

cat > "$SCOPE_DIR/cgroups.py" <<'PY'
import os, sys
base, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    for name in (f"{base}/a{i}.service", f"{base}/a{i}.service/init"):
        os.mkdir(name)
    os.rmdir(f"{base}/a{i}.service/init")
    os.rmdir(f"{base}/a{i}.service")
PY

cgroups() { # how-many
	python3 "$SCOPE_DIR/cgroups.py" "$SCOPE_CG/shop/system.slice" "$1"
}

settled() {
	bh shop status > "$dir/status" 2>&1
	# the absent eth2 is what is left to say
	[ "$(status_of shop 'len(d["problems"])')" = 1 ] && [ "$(holds)" = "$1" ]
}

# Once over before it is measured: what is made at the first use stays.
devices 4 > "$dir/wrong"
cgroups 200
wait_for 20 eval '[ "$(status_of shop "len(d[\"problems\"])")" = 1 ]'
probes_start shop
before=$(holds) rss=$(rss_kib) known=$(known_cgroups)

devices 16 >> "$dir/wrong"
is "rounds of a device: wrong" "" "$(cat "$dir/wrong")"
cgroups 3000
probes_end shop "devices and cgroups"
check "as many descriptors as before" wait_for 20 settled "$before"
is "all of it" "$before" "$(holds)"
is "as many cgroups are known" "$known" "$(known_cgroups)"
grew=$(($(rss_kib) - rss))
check "no more memory than before ($grew KiB more of $rss)" [ $grew -lt 1500 ]
is "eth1 is the only one with links" "2" "$(on shop ls "$dir/bpf/bulkhead/v3/links" | grep -c '_eth')"
is "the map is enforced" one "$(whole shop)"
tap_end
