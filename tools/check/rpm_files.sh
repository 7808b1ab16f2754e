#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The %files of tools/packaging/bulkhead.spec.in are what `make install` installs, all of it and
# nothing else.
set -uo pipefail
spec=tools/packaging/bulkhead.spec.in
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
env -u MAKEFLAGS make -s install BUILD="${BUILD:-build}" DESTDIR="$root/" PREFIX=/usr \
	> "$root/log" 2>&1 || { tail "$root/log"; exit 1; }

# Where the macros point; %license is of the source, and a directory has no files of its own.
mapfile -t entries < <(sed -n '/^%files$/,/^%changelog$/p' $spec | grep -vE "^%(license|dir) " |
	grep -oE '%\{_.*' | sed -E '
		s,^%\{_bindir\},/usr/bin,
		s,^%\{_sbindir\},/usr/sbin,
		s,^%\{_unitdir\},/usr/lib/systemd/system,
		s,^%\{_sysusersdir\},/usr/lib/sysusers.d,
		s,^%\{_tmpfilesdir\},/usr/lib/tmpfiles.d,
		s,^%\{_journalcatalogdir\},/usr/lib/systemd/catalog,
		s,^%\{_mandir\},/usr/share/man,
		s,^%\{_docdir\},/usr/share/doc,
		s,^%\{_sysconfdir\},/etc,
		s,^%\{_datadir\},/usr/share,')
[ ${#entries[@]} -gt 5 ] || { echo "$spec: no %files that can be read"; exit 1; }

bad=0
while read -r file; do
	for entry in "${entries[@]}"; do
		# shellcheck disable=SC2053  # a pattern; one that ends in a slash is all below it
		[[ $file == $entry || $entry == */ && $file == "$entry"* ]] && continue 2
	done
	echo "$spec: %files lacks $file, which make install installs"
	bad=1
done < <(find "$root" -mindepth 2 -type f -printf '/%P\n' | sort)
for entry in "${entries[@]}"; do
	compgen -G "$root$entry" > /dev/null && continue
	echo "$spec: %files has $entry, which make install does not install"
	bad=1
done
exit $bad
