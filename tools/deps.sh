#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build and test (`deps.sh build`), to run the demo (`deps.sh demo`), to
# boot other kernels (`deps.sh vm`), to make packages (`deps.sh package`) or to test against who reads
# our telemetry (`deps.sh collectors` of flows, `deps.sh consumers` of metrics).
# Called by make; costs one dpkg-query when nothing is missing.
set -euo pipefail

BUILD_DEBIAN="clang libclang-rt-14-dev llvm gcc make pkg-config libbpf-dev bpftool libelf-dev
	patch zlib1g-dev libfyaml-dev libjansson-dev libsystemd-dev libssl-dev libnl-3-dev
	libnl-route-3-dev libsmartcols-dev libcap-dev libcmocka-dev bats scdoc clang-format
	clang-tidy shellcheck python3 python3-jsonschema python3-yaml iproute2 iputils-ping socat tcpdump
	systemd strace graphviz"
DEMO_DEBIAN="nginx-light redis-server redis-tools curl iproute2 python3 bpftool"
VM_DEBIAN="e2fsprogs qemu-system-x86 busybox-static kmod cpio xz-utils binutils"
PACKAGE_DEBIAN="debhelper dpkg-dev lintian po-debconf python3 rpm rpmlint"
COLLECTORS_DEBIAN="pmacct nfdump libfixbuf-tools iproute2 iputils-ping python3"
CONSUMERS_DEBIAN="prometheus prometheus-node-exporter"

BUILD_FEDORA="clang compiler-rt llvm gcc make pkgconf libbpf-devel bpftool elfutils-libelf-devel
	patch zlib-devel libfyaml-devel jansson-devel systemd-devel openssl-devel libnl3-devel
	libsmartcols-devel libcap-devel libcmocka-devel bats scdoc clang-tools-extra
	ShellCheck python3 python3-jsonschema python3-pyyaml iproute iputils socat tcpdump
	systemd strace graphviz"
DEMO_FEDORA="nginx redis curl iproute python3 bpftool"
VM_FEDORA="e2fsprogs qemu-system-x86-core busybox kmod cpio xz binutils"
PACKAGE_FEDORA="python3 rpm-build rpmlint"
COLLECTORS_FEDORA="nfdump iproute iputils python3"
CONSUMERS_FEDORA="golang-github-prometheus golang-github-prometheus-node-exporter"

guard=/usr/sbin/policy-rc.d
guarded=no

unguard() {
	[ "$guarded" = no ] || rm -f "$guard"
}
trap unguard EXIT

# The services of the demo must not be left running by their installation.
guard_services() {
	[ -e "$guard" ] && return
	printf '#!/bin/sh\nexit 101\n' > "$guard"
	chmod 755 "$guard"
	guarded=yes
}

# Package names that are not installed. A package may be there under a versioned name's
# virtual package (nginx-light by nginx-full): the command decides for those.
missing() {
	local p status
	for p in "$@"; do
		case $p in
		nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || echo "$p"; continue ;;
		pkg-config) command -v pkg-config >/dev/null || echo "$p"; continue ;;
		bpftool) command -v bpftool >/dev/null || [ -x /usr/sbin/bpftool ] || echo "$p"; continue ;;
		esac
		status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
		[ "$status" = installed ] || echo "$p"
	done
}

install_debian() {
	local want
	want=$(missing "$@")
	[ -n "$want" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "error: missing packages; as root: apt-get install --no-install-recommends ${want//$'\n'/ }" >&2
		exit 1
	fi
	guard_services
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	# shellcheck disable=SC2086  # a list of words
	apt-get install -qy --no-install-recommends $want
	# not by the next boot, either
	[[ $want != *nfdump* ]] || systemctl --no-reload disable nfdump.service 2> /dev/null || true
}

[ $# -gt 0 ] || set -- build
debian="" fedora=""
for what in "$@"; do
	case $what in
	build) debian="$debian $BUILD_DEBIAN" fedora="$fedora $BUILD_FEDORA" ;;
	demo) debian="$debian $DEMO_DEBIAN" fedora="$fedora $DEMO_FEDORA" ;;
	vm) debian="$debian $VM_DEBIAN" fedora="$fedora $VM_FEDORA" ;;
	package) debian="$debian $PACKAGE_DEBIAN" fedora="$fedora $PACKAGE_FEDORA" ;;
	collectors) debian="$debian $COLLECTORS_DEBIAN" fedora="$fedora $COLLECTORS_FEDORA" ;;
	consumers) debian="$debian $CONSUMERS_DEBIAN" fedora="$fedora $CONSUMERS_FEDORA" ;;
	*) echo "usage: ${0##*/} [build] [demo] [vm] [package] [collectors] [consumers]" >&2; exit 2 ;;
	esac
done

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
	# shellcheck disable=SC2086
	install_debian $debian
elif ! command -v clang >/dev/null || ! command -v pkg-config >/dev/null; then
	echo "error: not Debian; on Fedora: dnf install $(tr -s '[:space:]' ' ' <<< "$fedora")" >&2
	exit 1
fi
