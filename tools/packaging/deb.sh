#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds bulkhead_VERSION_ARCH.deb from `make install`, into the build directory.
# The package enables and starts nothing; removing it ends enforcement and says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}

version=$(sed -nE 's/^VERSION := (.*)/\1/p' Makefile)
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make BUILD="$BUILD" DESTDIR="$root" PREFIX=/usr install
gzip -9n "$root"/usr/share/man/man*/*

# Which packages the programs' libraries come from, as Debian computes it.
mkdir -p "$root/DEBIAN" "$root/shlibs/debian"
printf 'Source: bulkhead\n\nPackage: bulkhead\nArchitecture: any\n' > "$root/shlibs/debian/control"
depends=$(cd "$root/shlibs" && dpkg-shlibdeps -O -e"$root/usr/sbin/bulkheadd" -e"$root/usr/bin/bulkhead" |
	sed 's/^shlibs:Depends=//')
rm -r "$root/shlibs"

cat > "$root/DEBIAN/control" <<CONTROL
Package: bulkhead
Version: $version
Architecture: $arch
Maintainer: the Bulkhead authors <bulkhead@localhost>
Section: net
Priority: optional
Depends: $depends
Description: zero-trust microsegmentation agent
 XDP and cgroup eBPF programs enforce per-workload allow lists in the kernel; an agent loads the
 policy, a command line pushes segment maps and explains every verdict.
CONTROL

# An operator's edits outlive an upgrade.
echo /etc/bulkhead/bulkhead.yaml > "$root/DEBIAN/conffiles"

cat > "$root/DEBIAN/postinst" <<'SH'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
	systemd-sysusers bulkhead.conf || true
	systemd-tmpfiles --create bulkhead.conf || true
	systemctl daemon-reload || true
	# An upgrade: enforcement goes on meanwhile, the new agent adopts it.
	systemctl try-restart bulkhead.service || true
fi
SH
cat > "$root/DEBIAN/prerm" <<'SH'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -S /run/bulkhead/control.sock ]; then
	echo "bulkhead: the package is removed: enforcement ends" >&2
	bulkhead detach --yes || echo "bulkhead: programs stay pinned below /sys/fs/bpf/bulkhead" >&2
	systemctl stop bulkhead.service || true
fi
SH
cat > "$root/DEBIAN/postrm" <<'SH'
#!/bin/sh
set -e
[ "$1" != purge ] || rm -rf /var/lib/bulkhead
SH
chmod 755 "$root"/DEBIAN/post* "$root"/DEBIAN/prerm
dpkg-deb --root-owner-group --build "$root" "$BUILD/bulkhead_${version}_${arch}.deb"
