#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian package of this tree, as it is, into $BUILD/deb/. `make deb` calls it with what
# the build was made with, so that nothing is built twice: BH_VERSION, BH_ABI, BH_CC, BH_CFLAGS.
# LINT=no leaves out lintian.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BH_VERSION:?}" "${BH_CC:?}" "${BH_CFLAGS:?}" "${BH_ABI=}"
BUILD=$(realpath "${BUILD:-build}")
# shellcheck source=tools/packaging/packaging.sh
. tools/packaging/packaging.sh

# The other layout sorts after the usual one: the tests upgrade to it.
version=$BH_VERSION${BH_ABI:++abi$BH_ABI}
out=$BUILD/deb source=$BUILD/deb/bulkhead-$version
rm -rf "$out"
mkdir -p "$source"
cp -r tools/packaging/debian "$source/"
tools/packaging/changelog.py deb "$version" "$maintainer" "$SOURCE_DATE_EPOCH" > "$source/debian/changelog"
sed -i "s/^Maintainer: .*/Maintainer: $maintainer/" "$source/debian/control"

export BH_TREE=$PWD BH_BUILD=$BUILD BH_VERSION BH_ABI BH_CC BH_CFLAGS
if ! (cd "$source" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u DESTDIR -u PREFIX \
	dpkg-buildpackage -b -us -uc) > "$out/build.log" 2>&1; then
	tail -n 30 "$out/build.log" >&2
	exit 1
fi
rm -rf "$source"
[ "${LINT:-}" = no ] || lintian --fail-on error,warning "$out"/*.changes
ls "$out"/bulkhead_*.deb
