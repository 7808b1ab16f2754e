# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What both kinds of package say of themselves. Sourced by deb.sh and rpm_spec.sh, in the tree's top
# directory. DEBFULLNAME and DEBEMAIL name another maintainer.

# shellcheck disable=SC2034  # for those
maintainer=$(sed -n 's/^Maintainer: //p' tools/packaging/debian/control)
# shellcheck disable=SC2034
[ -z "${DEBEMAIL:-}" ] || maintainer="${DEBFULLNAME:-Bulkhead maintainers} <$DEBEMAIL>"

# The same tree makes the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null ||
	stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
