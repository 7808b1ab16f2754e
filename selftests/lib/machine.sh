# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A machine in a box: a real systemd as PID 1 in namespaces of its own (pid, mount, ipc, uts,
# cgroup, net), on a copy-on-write overlay of /, with the built tree installed. It has a bpffs of
# its own and a NIC eth1 (10.77.0.1, fd77::1). Sourced by selftests/systemd/*.sh after host.sh.
#
#	scope_begin bh-test         as in host.sh; everything ends with the script
#	machine_make [bare]         installs the tree into a new root; bare: only what tests need
#	machine_boot                boots that root; once more after machine_off, and the disk is the same
#	inside CMD...               runs in it
#	drop_in NAME LINES          a drop-in of bulkhead.service, and daemon-reload; no lines: removes it
#	unit_of UNIT CMD...         runs as a transient unit and waits for it
#	asks UNIT ADDRESS PORT      what a client in that unit gets, see peer.py
#	property NAME, is_state S, journal, journal_says TEXT: of bulkhead.service

MACHINE_TREE=$(realpath "$SELFTESTS_LIB/../..")
MACHINE_PEER=/usr/local/lib/peer.py

# The disk is a tmpfs in the mount namespace of a holder: nothing of it is in ours.
machine_make() { # [bare]
	local dir=$SCOPE_DIR/machine
	mkdir -p "$dir/disk" "$dir/root" "$SCOPE_CG/holders"
	[ "${1:-}" = bare ] || machine_install "$dir/tree" || return 1
	mkdir -p "$dir/tree/usr/local/lib"
	cp "$SELFTESTS_LIB/peer.py" "$dir/tree$MACHINE_PEER"
	# shellcheck disable=SC2016  # for the inner shell
	unshare --mount --propagation private bash -c '
		echo $$ > "$2/cgroup.procs" && mount -t tmpfs disk "$1/disk" &&
		mkdir "$1/disk/upper" "$1/disk/work" && cp -a "$1/tree/." "$1/disk/upper/" &&
		echo $$ > "$1/holder" && exec sleep infinity
	' holder "$dir" "$SCOPE_CG/holders" &
	disown
	wait_for 10 test -s "$dir/holder"
}

machine_install() { # directory
	env -u MAKEFLAGS make -s -C "$MACHINE_TREE" install BUILD="$BUILD" DESTDIR="$1" \
		> "$SCOPE_DIR/install.log" 2>&1 || { tail "$SCOPE_DIR/install.log"; return 1; }
}

machine_boot() {
	local dir=$SCOPE_DIR/machine cg=$SCOPE_CG/machine outer
	mkdir -p "$cg"
	rm -f "$dir/pid"
	# shellcheck disable=SC2016  # for the inner shell
	setsid bash -c '
		echo $$ > "$2/cgroup.procs" && exec nsenter -t "$(cat "$1/holder")" -m -- \
			unshare --mount --pid --ipc --uts --cgroup --net --fork --kill-child \
			bash "$3" "$1"
	' outer "$dir" "$cg" "$SELFTESTS_LIB/machine_init.sh" >> "$dir/console" 2>&1 < /dev/null &
	outer=$!
	disown
	wait_for 20 eval "grep -qx systemd /proc/\$(cut -d' ' -f1 /proc/$outer/task/*/children)/comm" ||
		{ echo "no systemd:"; tail -n 20 "$dir/console"; return 1; }
	cut -d' ' -f1 "/proc/$outer/task/$outer/children" > "$dir/pid"
	wait_for 60 machine_is_up || { echo "it does not come up:"; tail -n 20 "$dir/console"; return 1; }
}

machine_is_up() {
	inside systemctl is-system-running | grep -qE 'running|degraded'
}

machine_off() {
	local pid
	pid=$(cat "$SCOPE_DIR/machine/pid")
	# poweroff.target; systemd(1), signals
	kill -s RTMIN+4 "$pid"
	wait_for 30 eval "! kill -0 $pid"
}

inside() {
	nsenter -t "$(cat "$SCOPE_DIR/machine/pid")" -m -p -i -u -C -n -- env -i PATH="$PATH" \
		TERM=dumb HOME=/root SYSTEMD_PAGER= "$@"
}

# A file of the machine: from stdin.
inside_write() { # path
	# shellcheck disable=SC2016  # for the inner shell
	inside bash -c 'mkdir -p "$(dirname "$1")" && cat > "$1"' write "$1"
}

# A service of the machine that is there for the test, started; it writes to /var/tmp/NAME.
service() { # name command...
	local name=$1
	shift
	# Those that ask without a pause leave the processors to the others.
	printf '[Service]\nExecStart=%s\nStandardOutput=append:/var/tmp/%s\nNice=15\n' "$*" "$name" |
		inside_write "/etc/systemd/system/$name.service"
	inside systemctl daemon-reload
	inside systemctl start "$name.service"
}

# The same tree once more over the root that runs: what a package manager does.
machine_upgrade() {
	machine_install "$SCOPE_DIR/machine/tree" || return 1
	tar -C "$SCOPE_DIR/machine/tree" -c . | inside tar -C / -x --unlink-first --no-same-owner
	inside systemctl daemon-reload
}

drop_in() { # name lines
	local file=/etc/systemd/system/bulkhead.service.d/$1.conf
	if [ -n "$2" ]; then
		printf '[Service]\n%s\n' "$2" | inside_write "$file"
	else
		inside rm -f "$file"
	fi
	inside systemctl daemon-reload
}

property_of() { # unit name
	inside systemctl show --value -p "$2" "$1"
}

property() { # name
	property_of bulkhead.service "$1"
}

journal() {
	inside journalctl --sync
	inside journalctl -q --no-hostname -o cat -u bulkhead.service
}

# What the agent wrote after that place. Not by -t: with a filter, --after-cursor of systemd 252
# leaves out the first line.
agent_said() { # since: of journal_now
	inside journalctl --sync
	inside journalctl -q --no-hostname --after-cursor="$1" | sed -n 's/^.* bulkheadd\[[0-9]*\]: //p'
}

# Where the journal ends now, with everything in it that was said.
journal_now() {
	inside journalctl --sync
	inside journalctl -q -n 0 --show-cursor | sed -n 's/^-- cursor: //p'
}

journal_says() { # text
	# to its end: who stops reading makes the pipe fail
	journal | grep -cF -- "$1" > /dev/null
}

is_state() { # active, inactive, failed ...
	[ "$(property ActiveState)" = "$1" ]
}

unit_of() { # unit command...
	local unit=$1
	shift
	inside systemd-run -q --collect --wait --pipe --unit="$unit" "$@"
}

asks() { # unit address port
	unit_of "$1" python3 "$MACHINE_PEER" ask tcp "$2" "$3" 20
}

gets() { # what unit address port
	[ "$(asks "$2" "$3" "$4")" = "$1" ]
}
