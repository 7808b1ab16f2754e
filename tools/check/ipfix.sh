#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The table of docs/ipfix.md and tools/ipfix/pmacct-primitives.lst are what agent/telemetry/ipfix_flow.c
# exports, with its enterprise number. `tools/check/ipfix.sh --write` makes the table again.
set -uo pipefail
WRITE=${1:-} python3 - <<'PY'
import os, pathlib, re, sys

source = pathlib.Path("agent/telemetry/ipfix_flow.c").read_text()
header = pathlib.Path("agent/telemetry/ipfix.h").read_text()
page = pathlib.Path("docs/ipfix.md")
pmacct = pathlib.Path("tools/ipfix/pmacct-primitives.lst").read_text()
pen = int(re.search(r"#define BH_IPFIX_PEN\s+(\d+)u", header).group(1))
reverse = int(re.search(r"#define BH_IPFIX_REVERSE\s+(\d+)u", header).group(1))

TYPE = {"U8": "unsigned8", "U16": "unsigned16", "U32": "unsigned32", "U64": "unsigned64", "STRING": "string",
        "MS": "dateTimeMilliseconds", "ADDR4": "ipv4Address", "ADDR6": "ipv6Address"}
bad = 0

def complain(text):
    global bad
    print(text)
    bad = 1

table = source[source.index("bh_ipfix_elements[] = {"):source.index("bh_n_ipfix_elements")]
rows, ours = [], {}
for m in re.finditer(r'\b(IANA|BACK|OURS)\(([^"]*)"(\w+)"(?:,\s*"([^"]*)")?\)', table):
    kind, name, about = m.group(1), m.group(3), m.group(4) or ""
    args = [a.strip() for a in m.group(2).split(",")]
    number, size = int(args[0]), args[1]
    kind_of = {"IANA": lambda: args[3], "BACK": lambda: "U64", "OURS": lambda: args[2]}[kind]()
    who = {"IANA": "IANA", "BACK": str(reverse), "OURS": str(pen)}[kind]
    rows.append(f"| {who} | {number} | `{name}` | {TYPE[kind_of]} | {about} |")
    if kind == "OURS":
        ours[number] = "vlen" if size == "0xffff" else size
if len(rows) != len(re.findall(r"\b(?:IANA|BACK|OURS)\(", table)) or not ours:
    complain("agent/telemetry/ipfix_flow.c: not all rows can be read")

head = "| enterprise | number | name | type | meaning |\n|---|---|---|---|---|\n"
made = head + "\n".join(rows) + "\n"
text = page.read_text()
before = text[:text.index(head)] if head in text else text
if os.environ["WRITE"] == "--write":
    page.write_text(before + made)
elif text != before + made:
    complain("docs/ipfix.md: the table is not the source's: run tools/check/ipfix.sh --write")
if f"The enterprise number is {pen}," not in text:
    complain(f"docs/ipfix.md: the enterprise number is not {pen}")

listed = {int(n): size for p, n, size in re.findall(r"field_type=(\d+):(\d+)\s+len=(\w+)", pmacct) if int(p) == pen}
if listed != ours:
    complain(f"tools/ipfix/pmacct-primitives.lst: {sorted(set(listed.items()) ^ set(ours.items()))}")
names = set(re.findall(r"^name=(\S+)", pmacct, re.M))
used = set(re.findall(r"\bbulkhead_\w+", pathlib.Path("tools/ipfix/nfacctd.conf").read_text()))
if not used or used - names:
    complain(f"tools/ipfix/nfacctd.conf: not in the list of primitives: {sorted(used - names)}")
sys.exit(bad)
PY
