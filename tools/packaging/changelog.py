#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CHANGELOG.md as a package's changelog, on stdout.

changelog.py deb|rpm VERSION MAINTAINER SECONDS

Each "## 1.2.3 (2026-01-31)" is an entry, each "- " a change. The first entry is VERSION's, or that
of the version it is a variant of ("1.2.3+abi3"); without a date it is of SECONDS since 1970.
"""
import datetime
import email.utils
import re
import sys
import textwrap


def entries(text):
    """(version, date or None, [change])"""
    found = []
    for line in text.splitlines():
        head = re.fullmatch(r"## (\S+) \((.*)\)", line)
        if head:
            when = re.fullmatch(r"\d{4}-\d\d-\d\d", head[2])
            found.append((head[1], when and datetime.date.fromisoformat(when[0]), []))
        elif not found:
            continue
        elif line.startswith("- "):
            found[-1][2].append(line[2:])
        elif line.startswith("  ") and found[-1][2]:
            found[-1][2][-1] += " " + line.strip()
        elif line.strip():
            found[-1][2].append(line)
    return found


def when(date, seconds):
    utc = datetime.timezone.utc
    if not date:
        return datetime.datetime.fromtimestamp(seconds, utc)
    return datetime.datetime.combine(date, datetime.time(12), utc)


def wrapped(text, first, rest):
    return textwrap.fill(text.replace("`", ""), 79, initial_indent=first, subsequent_indent=rest,
                         break_long_words=False, break_on_hyphens=False)


def deb(version, changes, who, at):
    print(f"bulkhead ({version}) unstable; urgency=medium\n")
    for change in changes:
        print(wrapped(change, "  * ", "    "))
    print(f"\n -- {who}  {email.utils.format_datetime(at)}\n")


def rpm(version, changes, who, at):
    print(f"* {at:%a %b %d %Y} {who} - {version}-1")
    for change in changes:
        print(wrapped(change.replace("%", "%%"), "- ", "  "))
    print()


def main(kind, version, who, seconds):
    found = entries(open("CHANGELOG.md", encoding="utf-8").read())
    if not found or found[0][0] != version.split("+")[0]:
        sys.exit(f"CHANGELOG.md begins with {found[0][0] if found else 'nothing'}, "
                 f"the Makefile builds {version}: write the entry, or set VERSION")
    for n, (name, date, changes) in enumerate(found):
        {"deb": deb, "rpm": rpm}[kind](version if n == 0 else name, changes, who,
                                       when(date, int(seconds)))


if len(sys.argv) != 5 or sys.argv[1] not in ("deb", "rpm"):
    sys.exit(__doc__)
main(*sys.argv[1:])
