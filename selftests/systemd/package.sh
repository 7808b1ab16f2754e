#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package under a real systemd (LIMIT_S=900 on a busy machine): installed, upgraded to a
# version whose maps have another layout, downgraded, booted, removed. What is forbidden stays so
# until somebody says yes to the question that removing asks. Run by selftests/run.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=selftests/lib/host.sh
. selftests/lib/host.sh
# shellcheck source=selftests/lib/machine.sh
. selftests/lib/machine.sh
need_agent
command -v dpkg > /dev/null || { echo "not Debian"; exit 77; }
tools/deps.sh package || { echo "not ok 1 - the packages to make one"; echo 1..1; exit 1; }

# --- two packages --------------------------------------------------------------------------------

other=$BUILD/other-abi
mkdir -p "$other"

# One make at a time works there: e2e/handover.sh builds it, too.
# shellcheck disable=SC2317  # check calls it
build_deb() { # build directory, make's arguments...
	local build=$1
	shift
	flock "$build" env -u MAKEFLAGS "$@" make -j2 BUILD="$build" deb > "$build/deb.log" 2>&1 ||
		{ tail -n 20 "$build/deb.log"; return 1; }
}

check "make deb: built, and lintian is content" build_deb "$BUILD"
check "one with another layout" build_deb "$other" ABI=4 LINT=no \
	DEB_BUILD_OPTIONS=noautodbgsym
deb=$(echo "$BUILD"/deb/bulkhead_*.deb) newer=$(echo "$other"/deb/bulkhead_*.deb)
version_of() { # file
	dpkg-deb -f "$1" Version
}
check "which is the newer version" \
	dpkg --compare-versions "$(version_of "$newer")" gt "$(version_of "$deb")"
is "the version is the Makefile's" "$(sed -n 's/^VERSION := //p' Makefile)" "$(version_of "$deb")"

# Which buildroot is used is rpm's own business since 4.6; the source is made from the tree.
spec=$BUILD/rpm/bulkhead.spec
check "make rpm-spec" env -u MAKEFLAGS make rpm-spec BUILD="$BUILD"
check "rpm reads it" rpmspec -P "$spec"
is "it has the same version" "$(version_of "$deb") 1" \
	"$(rpmspec -q --srpm --qf '%{version} %{release}' "$spec")"
is "rpmlint has nothing else to say" "" \
	"$(rpmlint "$spec" | grep -E ': [EW]:' | grep -vE 'no-buildroot-tag|invalid-url Source0')"

# --- the machine ---------------------------------------------------------------------------------

PROBER_INSIDE=/usr/local/lib/prober

scope_begin bh-test
if ! { machine_make bare && machine_boot; }; then
	tap "not ok" "the machine boots"
	tap_end
fi
inside_write $PROBER_INSIDE < "$BUILD/test/helpers/prober"
inside chmod 755 $PROBER_INSIDE
inside_write /var/tmp/old.deb < "$deb"
inside_write /var/tmp/new.deb < "$newer"
inside_write /etc/bulkhead/shop.yaml <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: "web*.service" } }
  cache: { match: { unit: "cache*.service" } }
allow:
  - { id: web-cache, from: web, to: cache, port: [tcp/6379-6381, udp/6380] }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
# This machine may be one on which installing a package starts nothing.
inside rm -f /usr/sbin/policy-rc.d
# The index of all manual pages, made anew each time, is most of what dpkg would do here.
inside rm -f /var/lib/man-db/auto-update
drop_in nic "ExecStart=
ExecStart=/usr/sbin/bulkheadd --interfaces eth1=auto"

# As it is run by hand; nothing here waits for a disk.
dpkg_inside() { # arguments...: nobody is there to answer
	inside env DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io "$@" 2>&1
}

dpkg_answered() { # yes or no, arguments...: somebody is
	local answer=$1
	shift
	inside env DEBIAN_FRONTEND=teletype script -qec "dpkg --force-unsafe-io $*" /dev/null <<< "$answer"
}

# shellcheck disable=SC2317  # check calls it
has() { # version
	# shellcheck disable=SC2016  # for dpkg-query
	[ "$(inside dpkg-query -W -f '${db:Status-Status} ${Version}' bulkhead)" = "installed $1" ]
}

pinned() {
	inside find /sys/fs/bpf/bulkhead -mindepth 1 -maxdepth 1 -printf '%f\n' | paste -sd' '
}

# Whom it runs as is systemd's word, what it enforces the agent's.
goes_on() { # when, package, layout
	check "$1: dpkg has it" has "$(version_of "$2")"
	is "$1: the agent runs" active "$(property ActiveState)"
	is "$1: its program is the package's" /usr/sbin/bulkheadd \
		"$(inside readlink "/proc/$(property MainPID)/exe")"
	is "$1: pinned" "$3" "$(pinned)"
	holds "$1"
}

holds() { # when
	is "$1: web to cache" answered "$(asks web-ask 10.77.0.1 6379)"
	is "$1: report to cache" EPERM "$(asks report-ask 10.77.0.1 6379)"
}

service cache python3 "$MACHINE_PEER" serve tcp :: 6379
service cache-probed $PROBER_INSIDE serve 512 0 6380 6381
check "the server starts" wait_for 20 gets answered report-ask 10.77.0.1 6379

# --- install -------------------------------------------------------------------------------------

check "install" dpkg_inside -i /var/tmp/old.deb
is "every file is as the package has it" "" "$(inside dpkg -V bulkhead)"
is "it is enabled" enabled "$(inside systemctl is-enabled bulkhead.service)"
is "and runs" active "$(property ActiveState)"
is "without a map" "no map yet, nothing is denied" "$(property StatusText)"
is "which denies nothing" answered "$(asks report-ask 10.77.0.1 6379)"
check "the manual is there" inside man -w bulkhead bulkheadd bulkhead-segments
check "apply" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml
goes_on "applied" "$deb" v3

# --- upgrade, downgrade --------------------------------------------------------------------------

service report $PROBER_INSIDE local 1000 10.77.0.1 fd77::1 6380
service web $PROBER_INSIDE local 300 10.77.0.1 fd77::1 6380
service web-talk $PROBER_INSIDE talk 20 tcp 10.77.0.1 6381

check "upgrade" dpkg_inside -i /var/tmp/new.deb
goes_on "upgraded" "$newer" v4
check "downgrade, cut off after the files came" dpkg_inside --unpack /var/tmp/old.deb
holds "unpacked"
is "unpacked: the agent before still runs" active "$(property ActiveState)"
check "and taken up again" dpkg_inside --configure -a
goes_on "downgraded" "$deb" v3

inside systemctl stop report.service web.service web-talk.service
rows() { # service
	inside grep -v '^#' "/var/tmp/$1"
}
asked() { # service
	rows "$1" | awk '{ n += $2 } END { print n + 0 }'
}
# a row: name, asked, passed, denied, failed
is "all the time: forbidden calls, of $(asked report), that were not denied" "" \
	"$(rows report | awk '$2 < 30 || $4 != $2')"
is "all the time: allowed ones, of $(asked web), that did not pass" "" \
	"$(rows web | awk '$2 < 30 || $3 != $2')"
is "all the time: a conversation of $(asked web-talk) numbers was cut" "" \
	"$(rows web-talk | awk '$2 < 10 || $3 != $2')"
# for who finds one that failed: was it asked, was it answered, how long did others take?
inside grep -hE '^# .*(no answer|slowest)' /var/tmp/{web,web-talk,cache-probed}
is "4 rows of each of both, and one" "4 4 1" \
	"$(for s in report web web-talk; do rows $s | wc -l; done | xargs)"

inside systemctl stop bulkhead.service
check "an upgrade of a stopped agent" dpkg_inside -i /var/tmp/old.deb
is "does not start it" inactive "$(property ActiveState)"
holds "with no agent"

# --- boot ----------------------------------------------------------------------------------------

check "power off" machine_off
check "boot" machine_boot
is "the package's service runs" active "$(property ActiveState)"
inside systemctl start cache.service
check "the server answers" wait_for 20 gets answered web-ask 10.77.0.1 6379
holds "booted"

# --- remove --------------------------------------------------------------------------------------

refused() { # who, what dpkg says
	check "$1: it says why" grep -q "nobody has said that it may end" <<< "$2"
	goes_on "$1" "$deb" v3
}

said=$(dpkg_inside -r bulkhead)
is "nobody there to answer: removing fails" 1 $?
refused "nobody answered" "$said"
said=$(dpkg_answered no -r bulkhead)
check "a person is asked" grep -q "End enforcement on this host" <<< "$said"
refused "answered no" "$said"
inside systemctl stop bulkhead.service
said=$(dpkg_inside --purge bulkhead)
is "with the agent stopped: it fails as well" 1 $?
is "enforced all the same" EPERM "$(asks report-ask 10.77.0.1 6379)"
inside systemctl start bulkhead.service

gone() { # when
	check "$1: dpkg says so" inside sh -c '! dpkg-query -s bulkhead | grep -q "^Status: .* installed$"'
	is "$1: nothing is pinned" absent "$(inside test -e /sys/fs/bpf/bulkhead || echo absent)"
	is "$1: nothing is in /run" "" "$(inside find /run -maxdepth 1 -name 'bulkhead*')"
	is "$1: no agent, no unit" "inactive not-found" "$(property ActiveState) $(property LoadState)"
	is "$1: everything is open" answered "$(asks report-ask 10.77.0.1 6379)"
	is "$1: the NIC has no program" "" "$(inside ip -o link show eth1 | grep -o xdp)"
}

said=$(dpkg_answered yes -r bulkhead)
check "answered yes: removed" grep -q "Removing bulkhead" <<< "$said"
gone "removed"
check "the state stays" inside test -s /var/lib/bulkhead/state
check "the audit log says who ended it" \
	inside grep -rq '"detach"' /var/lib/bulkhead --include='audit*'

check "installed again" dpkg_inside -i /var/tmp/old.deb
is "it stays open" "detached, nothing is denied" "$(property StatusText)"
check "apply" inside bulkhead apply --force --enforce --yes /etc/bulkhead/shop.yaml
is "enforced" EPERM "$(asks report-ask 10.77.0.1 6379)"
inside debconf-set-selections <<< "bulkhead bulkhead/end-enforcement boolean true"
check "answered beforehand: purged" dpkg_inside --purge bulkhead
gone "purged"
check "no state is left" inside test ! -e /var/lib/bulkhead
check "the operator's map is" inside test -s /etc/bulkhead/shop.yaml

# --- an image that is built ----------------------------------------------------------------------

# The same root once more, with nothing mounted in it but devices: no systemd, no cgroups, no bpffs.
image=/var/tmp/image
inside mkdir $image
inside mount --bind / $image
inside mount --bind /dev $image/dev
image_dpkg() {
	inside chroot $image env DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io "$@"
}
check "in a chroot: install" image_dpkg -i /var/tmp/old.deb
is "it is enabled there" enabled "$(inside chroot $image systemctl is-enabled bulkhead.service)"
is "and started nowhere" inactive "$(property ActiveState)"
check "remove: nobody has to be asked" image_dpkg -r bulkhead
check "purge" image_dpkg --purge bulkhead
is "nothing is left but the operator's map" /etc/bulkhead/shop.yaml \
	"$(inside find $image/etc $image/var/lib $image/usr $image/run -xdev -path '*bulkhead*' -not -path '*/bulkhead.service.d/*' -type f -printf '%p\n' | sed "s,^$image,," | xargs)"
tap_end
