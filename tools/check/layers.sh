#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Holds the arrows between the rooms: who may include whom. When a new arrow is right, change
# the table here and in docs/architecture.md first.
set -uo pipefail
bad=0

# room | own headers it may reach, by path | libraries it may include (extended regexp)
table='
include         | include/                                      | linux/types\.h
bpf             | bpf/ include/                                 | linux/.*|bpf/.*|asm/.*
agent/base      | agent/base/                                   | -
agent/policy    | agent/base/ agent/policy/ include/            | libfyaml\.h
agent/kern      | agent/base/ agent/kern/ agent/policy/ include/ bulkhead.skel.h | bpf/.*|linux/.*
agent/net       | agent/base/ agent/net/ include/               | netlink/.*|linux/.*
agent/workload  | agent/base/ agent/workload/ include/          | linux/.*
agent/health    | agent/base/ agent/health/ include/            | tss2/.*|linux/.*
agent/telemetry | agent/base/ agent/telemetry/ include/         | jansson\.h|systemd/.*|linux/.*
agent/control   | agent/ include/                               | jansson\.h|systemd/.*|openssl/.*|linux/.*
agent           | agent/ include/                               | jansson\.h|systemd/.*|sys/capability\.h|linux/.*
tools/bulkhead  | tools/bulkhead/ agent/base/ agent/policy/ agent/net/net.h agent/workload/cgroup.h agent/workload/chain.h agent/control/proto.h agent/control/chain.h include/ | jansson\.h|libsmartcols\.h|libsmartcols/.*
'

# Libraries that a room must name above; every other <...> is libc and free for all but include/.
LIBS='libfyaml|jansson|systemd/|openssl/|netlink/|bpf/|libsmartcols|tss2/|sys/capability|libnl'

room_of() {
	case $1 in
	agent/*/*) echo "${1%/*}" ;;
	agent/*) echo agent ;;
	tools/bulkhead/*) echo tools/bulkhead ;;
	bpf/*) echo bpf ;;
	include/*) echo include ;;
	esac
}

complain() {
	echo "$1: $2"
	bad=1
}

check_file() {
	local file=$1 room row own libs inc path p ok
	room=$(room_of "$file")
	row=$(grep -E "^$room +\|" <<< "$table")
	if [ -z "$row" ]; then
		complain "$file" "room '$room' is not in the table of tools/check/layers.sh"
		return
	fi
	own=$(cut -d'|' -f2 <<< "$row")
	libs=$(cut -d'|' -f3- <<< "$row" | tr -d ' ')
	while IFS=: read -r line inc; do
		case $inc in
		\"*)
			inc=${inc//\"/}
			# Beside the file, else from include/ or bpf/, else made by the build.
			path=$(realpath -m --relative-to=. "$(dirname "$file")/$inc")
			[ -e "$path" ] || for p in include bpf; do
				[ -e "$p/$inc" ] && path=$p/$inc
			done
			[ -e "$path" ] || path=$inc
			ok=no
			for p in $own; do
				[[ $path == "$p"* ]] && ok=yes
			done
			[ $ok = yes ] || complain "$file:$line" "$room may not include $path"
			;;
		\<*)
			inc=${inc//[<>]/}
			if [ "$room" != include ] && ! grep -qE "^($LIBS)" <<< "$inc"; then
				continue
			fi
			grep -qE "^($libs)$" <<< "$inc" || complain "$file:$line" "$room may not include <$inc>"
			;;
		esac
	done < <(sed -nE 's/^[ \t]*#[ \t]*include[ \t]+([<"][^>"]+[>"]).*/\1/;T;=;p' "$file" | paste -d: - -)
}

# bpf/ headers see only what stands left of them.
check_bpf_order() {
	local order="maps broken kernel match cursor parse icmp identity policy session listen verdict spread flow conv udp nic" seen="" h other
	for h in $order; do
		[ -e "bpf/$h.h" ] || continue
		for other in $order; do
			[[ " $seen $h " == *" $other "* ]] && continue
			grep -nE "^#include \"$other\.h\"" "bpf/$h.h" |
				while IFS=: read -r line _; do echo "bpf/$h.h:$line: may not include $other.h"; done
			grep -qE "^#include \"$other\.h\"" "bpf/$h.h" && bad=1
		done
		seen="$seen $h"
	done
}

n=0
while read -r f; do
	check_file "$f"
	n=$((n + 1))
done < <(find include bpf agent tools/bulkhead -name '*.[ch]' 2>/dev/null | sort)
check_bpf_order
[ "$n" -gt 0 ] || complain . "no sources found"

# The policy room is pure: what it is given, no clock and no network.
if grep -nE '\b(clock_gettime|gettimeofday|time|socket|connect)\(' -r agent/policy --include='*.c' |
	grep -vE '^[^:]*:[0-9]*:\s*(/?\*|//)'; then
	complain agent/policy "asks the kernel for time or the network"
fi
exit $bad
