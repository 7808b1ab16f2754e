# SPDX-License-Identifier: Apache-2.0
"""A picture of `graph -o svg`, looked at: it is XML, and inside of its page; no text lies on another text,
none on a node that is not its own.

svg.py FILE     prints the texts, one a line; 1 and what is wrong where something is
"""
import sys
import unicodedata
import xml.etree.ElementTree as ET

NS = "{http://www.w3.org/2000/svg}"
root = ET.parse(sys.argv[1]).getroot()
page = float(root.get("width")), float(root.get("height"))
wrong = []


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


texts, nodes = [], []
for t in root.iter(NS + "text"):
    size = {"name": 13, "title": 16}.get(t.get("class"), 12)
    width = 0.6 * size * sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in t.text)
    x, y = float(t.get("x")), float(t.get("y"))
    if t.get("class") == "name":
        x -= width / 2
    texts.append((t.text, t.get("class"), (x, y - 0.75 * size, x + width, y + 0.2 * size)))
for r in root.iter(NS + "rect"):
    if r.get("class", "").startswith("node"):
        x, y, w, h = (float(r.get(k)) for k in ("x", "y", "width", "height"))
        nodes.append((x, y, x + w, y + h))
for i, (text, kind, box) in enumerate(texts):
    if box[0] < 0 or box[1] < 0 or box[2] > page[0] or box[3] > page[1]:
        wrong.append(f"'{text}' is outside of the page")
    wrong += [f"'{text}' lies on '{o}'" for o, _, other in texts[i + 1:] if overlap(box, other)]
    on = [n for n in nodes if overlap(box, n)]
    if len(on) != (kind == "name"):
        wrong.append(f"'{text}' lies on {len(on)} nodes")
for i, a in enumerate(nodes):
    wrong += [f"nodes lie on each other: {a} {b}" for b in nodes[i + 1:] if overlap(a, b)]
print("\n".join(t for t, _, _ in texts))
if wrong:
    sys.exit("\n".join(wrong))
