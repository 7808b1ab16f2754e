#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# systemd accepts the units, and the agent's sandbox does not get weaker (1.8 of 10 when written;
# what is left is inherent: CAP_BPF, CAP_NET_ADMIN, the host's network, root without powers).
set -uo pipefail
command -v systemd-analyze > /dev/null || { echo "no systemd-analyze"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for unit in tools/systemd/*.service tools/systemd/*.socket; do
	# verify wants the program to exist; here it is not installed.
	sed 's,^ExecStart=/usr/sbin/bulkheadd.*,ExecStart=/bin/true,' "$unit" > "$dir/${unit##*/}"
done
out=$(cd "$dir" && SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify --man=no ./*.service ./*.socket 2>&1)
status=$?
out=$(grep -F "$dir" <<< "$out" || grep -E '^bulkhead' <<< "$out")
if [ $status != 0 ] || [ -n "$out" ]; then
	echo "systemd-analyze verify: $out (exit $status)"
	exit 1
fi
systemd-analyze security --offline=true --threshold=20 "$dir/bulkhead.service" > "$dir/score" 2>&1 || {
	tail -n 1 "$dir/score"
	exit 1
}
