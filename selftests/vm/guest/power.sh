#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine that loses power, for selftests/vm/power.sh: it tells on ttyS2 what it found on its disk,
# then each change it makes, until it is gone. power=N on the kernel's command line: where the
# numbers of changes begin.
set -uo pipefail
cd "$(dirname "$0")/../../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
# shellcheck source=selftests/lib/power.sh
. selftests/lib/power.sh
PATIENCE_S=300

stty -F /dev/ttyS2 raw -echo

say() { # words
	echo "$*" > /dev/ttyS2
}

power_serve() { # port
	spawn "$SCOPE_DIR/serve.log" shop $power_cache busybox nc -ll -p "$1" -e cat
}

scope_begin bh-test
mkdir -p "$SCOPE_DIR/shop/state"
found disk mount /dev/vda "$SCOPE_DIR/shop/state"
# what is there is not ours to remove
trap 'umount -l "$SCOPE_DIR/shop/state"; scope_end' EXIT
host_make shop || exit 1
found start agent_start shop ""
power_tell
say "ready"
n=$(grep -oE 'power=[0-9]+' /proc/cmdline)
power_changes "${n#power=}"
