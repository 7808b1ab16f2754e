#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/getting-started.md says what happens: its commands are typed on a host, and what they print is
# compared. `GUIDE=write selftests/e2e/guide.sh` writes the output into it anew: then read the diff.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent
file=${1:-$(dirname "$0")/../../docs/getting-started.md}
file=$(realpath --relative-to=. "$file")

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth0 10.77.0.1/24 outside eth1 10.77.0.250/24 || exit 1
for a in 7 8 53; do
	host_addr outside eth1 10.77.0.$a/24
done
dir=$SCOPE_DIR/shop
scope=$SCOPE_CG/shop/user.slice/user-0.slice/session-1.scope

# --- the reader's machine: a name, a resolver, a login, and bulkhead where a package puts it ----------

mkdir -p "$dir/bin" "$dir/home" "$scope"
echo "nameserver 10.77.0.53" > "$dir/resolv.conf"
on shop mount --bind "$dir/resolv.conf" /etc/resolv.conf
printf '#!/bin/sh\nexec %q --control %q "$@"\n' "$BUILD/bulkhead" "$dir/run/control.sock" > "$dir/bin/bulkhead"
# shellcheck disable=SC2016  # for that shell
printf '#!/bin/sh\nexec "$@"\n' > "$dir/bin/sudo"
chmod 755 "$dir/bin"/*
ln -s "$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')" "$dir/bin/sshd"
on shop mount --bind "$dir/home" /srv
# Processes of its own: what else runs on the machine is no business of the guide.
# shellcheck disable=SC2016  # for that shell
spawn "$dir/sshd.log" shop system.slice/ssh.service unshare --uts --pid --fork --mount-proc \
	bash -c 'hostname shop-1 && cd /srv && export PATH=$1:$PATH TERM=dumb LC_ALL=C TZ=UTC && \
		exec "$1/sshd" "$2/sshd.py" serve 0.0.0.0 22 "$3"' - "$dir/bin" "$SELFTESTS_LIB" "$scope"
serve shop system.slice/nginx.service tcp 0.0.0.0 80
serve shop system.slice/redis.service tcp 0.0.0.0 6379
ssh=(on outside python3 "$SELFTESTS_LIB/sshd.py" run 10.77.0.1 22)
wait_for 5 "${ssh[@]}" true || { echo "Bail out! no login"; exit 1; }
agent_start shop eth0=auto || { echo "Bail out! no agent"; exit 1; }

# --- what goes on there ------------------------------------------------------------------------------

visit() { # address: a visitor who stays
	spawn "$dir/visit.log" outside client env from="$1" python3 "$SELFTESTS_LIB/peer.py" talk 10.77.0.1 80
}
visit 10.77.0.7
visit 10.77.0.8
spawn "$dir/cache.log" shop system.slice/nginx.service python3 "$SELFTESTS_LIB/peer.py" talk 127.0.0.1 6379
# a job that comes round
# shellcheck disable=SC2016  # for that shell
spawn "$dir/report.log" shop system.slice/report.service bash -c \
	'while sleep 0.3; do timeout 1 python3 "$1" ask tcp 127.0.0.1 6379; done' report "$SELFTESTS_LIB/peer.py"
wait_for 5 grep -q . "$dir/cache.log" || { echo "Bail out! no traffic"; exit 1; }

spawn "$dir/shell.log" outside client python3 "$SELFTESTS_LIB/sshd.py" run 10.77.0.1 22 \
	--wait 170 "python3 $SELFTESTS_LIB/guide.py shell $dir/guide.sock"
wait_for 5 test -S "$dir/guide.sock" || { echo "Bail out! no session"; exit 1; }
python3 "$SELFTESTS_LIB/guide.py" walk "$file" "$dir/guide.sock" \
	nsenter -t "$(host_pid outside)" -n -m python3 "$SELFTESTS_LIB/sshd.py" run 10.77.0.1 22
code=$?
[ $code = 0 ] || tail -n 20 "$dir/agent.log" | sed 's/^/# agent: /'
exit $code
