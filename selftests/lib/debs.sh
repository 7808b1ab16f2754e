# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Debian packages for a machine in a box (machine.sh), and for nothing else: they are downloaded once,
# to $BUILD/debs, with all that this system lacks of what they need, and installed in the machine only.
# apt works on lists and archives of its own; nothing of this system is changed. Sourced after machine.sh.
#
#	debs_get PACKAGE...         or ends the test as skipped: nobody to get them from
#	debs_install                in the machine that runs; no service is started by it

DEBS=$BUILD/debs

# apt-get with lists and archives of a directory.
debs_apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Sandbox::User=root
	-o Debug::NoLocking=1 -o APT::Update::Error-Mode=any -o Acquire::Languages=none
	-o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Dpkg::Options::=--force-unsafe-io
	-o Dpkg::Use-Pty=0)
debs_in() { # directory
	echo "-oDir::State::lists=$1/lists -oDir::Cache=$1 -oDir::Cache::archives=$1/archives"
}

debs_download() { # package...
	rm -rf "$DEBS"/{archives,lists,wanted}
	mkdir -p "$DEBS/archives/partial" "$DEBS/lists/partial"
	# shellcheck disable=SC2046  # words
	"${debs_apt[@]}" $(debs_in "$DEBS") update > "$DEBS/log" 2>&1 || return 77
	# shellcheck disable=SC2046
	"${debs_apt[@]}" $(debs_in "$DEBS") install -y --download-only --no-install-recommends "$@" >> "$DEBS/log" 2>&1
}

# What they are with what is installed here, which they were chosen by.
debs_wanted() { # package...
	echo "$@"
	sha256sum < /var/lib/dpkg/status
}

debs_get() { # package...
	local wanted status=0
	command -v apt-get > /dev/null || { echo "not Debian"; exit 77; }
	wanted=$(debs_wanted "$@")
	mkdir -p "$DEBS"
	exec 8> "$DEBS/lock"
	flock 8
	if [ "$(cat "$DEBS/wanted" 2> /dev/null)" != "$wanted" ]; then
		debs_download "$@" || status=$?
		[ $status != 0 ] || echo "$wanted" > "$DEBS/wanted"
	fi
	exec 8>&-
	[ $status != 0 ] || return 0
	sed 's/^/# /' "$DEBS/log" | tail -n 5
	[ $status = 77 ] || { echo "not ok 1 - the packages: $*"; echo 1..1; exit 1; }
	echo "no Debian packages: neither in $DEBS nor from a mirror"
	exit 77
}

# Nobody reads manuals there.
# shellcheck disable=SC2317  # check calls it
debs_install() {
	printf '#!/bin/sh\nexit 101\n' | inside_write /usr/sbin/policy-rc.d
	inside chmod 755 /usr/sbin/policy-rc.d
	printf 'path-exclude=/usr/share/%s/*\n' man doc locale | inside_write /etc/dpkg/dpkg.cfg.d/small
	inside ln -sf /bin/true /usr/bin/mandb
	tar -C "$DEBS" -c archives lists | inside bash -c 'mkdir /run/debs && tar -C /run/debs -x'
	# shellcheck disable=SC2046  # words
	inside "${debs_apt[@]}" $(debs_in /run/debs) install -y --no-download --no-install-recommends \
		$(sed 1q "$DEBS/wanted") < /dev/null > "$SCOPE_DIR/debs.log" 2>&1 ||
		{ tail -n 20 "$SCOPE_DIR/debs.log"; return 1; }
	inside rm -rf /run/debs
}
