# SPDX-License-Identifier: Apache-2.0
"""Random conversations as the agent keeps them, and what it says about them.

pairs.py make STATE-DIR SEED N [SEGMENT=UNIT,UNIT ...]   writes the file `pairs`; no agent runs
pairs.py judge SOCKET STATE-DIR SEED N    under the live map: each of them allowed, N others denied
pairs.py agree SOCKET STATE-DIR MAP       what simulate says of MAP is what explain says once it is applied
"""
import hashlib
import ipaddress
import json
import random
import sys

from control import Agent

UNITS = [f"u{i}.service" for i in range(8)] + ["app@1.service", "app@2.service"]
# few neighbours, so that whole prefixes are seen here and there, and some far off
NETS = ["10.9.0.0/28", "10.9.8.0/29", "2001:db8:9::/125", "198.51.100.64/30"]
ADDRS = [str(a) for n in NETS for a in ipaddress.ip_network(n)]
ADDRS += [f"203.0.113.{i * 7}" for i in range(20)] + [f"2001:db8:{i:x}::{i:x}" for i in range(1, 20)]
PORTS = [(6, 22), (6, 80), (6, 443), (6, 5432), (6, 8080), (17, 53), (17, 123), (17, 443), (6, 65535), (6, 1), (17, 514)]
ECHO = {4: (1, 8 << 8), 6: (58, 128 << 8)}
OUT, IN = 1, 0
NAMES = 5  # unit, local, remote, peer, rule
MS = 1700000000000


def path(unit):
    return "/system.slice/" + unit


def segment_of(unit, live):
    return next((s for s, units in live.items() if unit in units), "unassigned")


def draw(rnd):
    """(unit, direction, address or peer's unit, protocol, port)"""
    unit, kind = rnd.choice(UNITS), rnd.random()
    if kind < 0.2:
        return unit, OUT, rnd.choice([u for u in UNITS if u != unit]), *rnd.choice(PORTS)
    addr = rnd.choice(ADDRS)
    if kind < 0.3:
        return unit, rnd.choice((OUT, IN)), addr, *ECHO[ipaddress.ip_address(addr).version]
    return unit, rnd.choice((OUT, IN)), addr, *rnd.choice(PORTS)


def hexed(addr):
    a = ipaddress.ip_address(addr)
    return ("00" * 10 + "ffff" if a.version == 4 else "") + a.packed.hex()


def make(state, seed, n, *segments):
    live = dict((s, units.split(",")) for s, units in (arg.split("=") for arg in segments))
    rnd, flows = random.Random(int(seed)), set()
    while len(flows) < int(n):
        flows.add(draw(rnd))
    names, rows = [], []

    def name(word):
        if word is None:
            return -1
        if word not in names:
            names.append(word)
        return names.index(word)

    def row(unit, direction, peer, addr, remote, proto, port):
        inside = addr is None
        rows.append([name(path(unit)), name(segment_of(unit, live)), name(remote), name(peer), -1,
                     "0" * 32 if inside else hexed(addr), 0, port, proto, direction,
                     rnd.choice((0, 1)), inside, 0, rnd.randrange(1, 99), 0, 0, MS,
                     MS + rnd.randrange(10**9), ""])

    for unit, direction, peer, proto, port in sorted(flows):
        if peer not in UNITS:
            row(unit, direction, None, peer, "world", proto, port)
            continue
        # each end tells of it; the one that did not begin it does not know who did
        row(unit, OUT, path(peer), None, segment_of(peer, live), proto, port)
        row(peer, IN, None, None, segment_of(unit, live), proto, port)
    body = json.dumps({"names": names, "rows": rows}, separators=(",", ":"))
    digest = hashlib.sha256(body.encode()).hexdigest()
    with open(state + "/pairs", "w") as f:
        f.write(f"bulkhead-pairs 1 {len(body)} {digest}\n{body}\n")
    with open(state + "/pairs.drawn", "w") as f:
        json.dump([sorted(flows), live], f)


def drawn(state):
    with open(state + "/pairs.drawn") as f:
        flows, live = json.load(f)
    return [tuple(flow) for flow in flows], live


def said(agent, flow):
    unit, direction, peer, proto, port = flow
    me, other = path(unit), path(peer) if peer in UNITS else peer
    ask = {"from": me, "to": other} if direction == OUT else {"from": other, "to": me}
    if proto in (1, 58):
        ask["proto"] = "icmp/echo-request"
    else:
        ask.update(proto={6: "tcp", 17: "udp"}[proto], port=port)
    answer = agent.ask("explain", **ask)
    if "verdict" not in answer["data"]:
        sys.exit(f"{ask}: {answer}")
    return answer["data"]["verdict"]


def kin(flow, live):
    """What is one to a map: instances of a template, and units of a segment that stays."""
    def one(unit):
        seg = segment_of(unit, live)
        return seg if seg != "unassigned" else unit.split("@")[0] if unit in UNITS else unit
    return one(flow[0]), flow[1], one(flow[2]), flow[3], flow[4]


def judge(socket, state, seed, n):
    flows, live = drawn(state)
    agent, rnd, seen = Agent(socket), random.Random(int(seed)), {kin(f, live) for f in flows}
    for flow in flows:
        if said(agent, flow) != "allowed":
            sys.exit(f"seen, and {said(agent, flow)}: {flow}")
    tried, near = 0, 0
    while tried < int(n):
        flow = draw(rnd)
        if rnd.random() < 0.5:
            # like one that was seen, but for one part
            old, at = rnd.choice(flows), rnd.randrange(4)
            if at == 3 and 1 not in (old[3], flow[3]) and 58 not in (old[3], flow[3]):
                flow = old[:3] + flow[3:]
            elif at == 1 and old[2] not in UNITS:
                flow = old[:1] + (1 - old[1],) + old[2:]
            elif at == 0 and old[2] != flow[0]:
                flow = flow[:1] + old[1:]
            near += 1
        if kin(flow, live) in seen or kin(flow, live)[0] == kin(flow, live)[2]:
            continue
        tried += 1
        if said(agent, flow) != "denied":
            sys.exit(f"never seen, and {said(agent, flow)}: {flow}")
    print(f"{len(flows)} allowed, {tried} denied")


def agree(socket, state, file):
    flows, _ = drawn(state)
    agent = Agent(socket)
    with open(file) as f:
        text = f.read()
    before = {flow: said(agent, flow) for flow in flows}
    answer = agent.ask("simulate", file=file, text=text)
    data = answer["data"]
    if "rows" not in data:
        sys.exit(f"simulate: {answer}")
    if data["judged"] != len(flows) or data["unknown"] or data["gone"]:
        sys.exit(f"not all were judged: {({k: v for k, v in data.items() if k != 'rows'})}")
    changed = {}
    for row in data["rows"]:
        peer = row["remote"]["ip"] or row["remote"]["cgroup"].split("/")[-1]
        flow = (row["local"]["cgroup"].split("/")[-1], OUT if row["direction"] == "egress" else IN,
                peer, row["protocol"], row["port"])
        changed[flow] = row["was"]["verdict"], row["will"]["verdict"]
    answer = agent.ask("apply", file=file, text=text, force=True, enforce=True)
    if not answer["data"].get("generation"):
        sys.exit(f"apply: {answer}")
    differ = moved = 0
    for flow in flows:
        was, will = changed.get(flow, (before[flow], before[flow]))
        now = said(agent, flow)
        moved += now != before[flow]
        differ += was != before[flow] or will != now or (flow in changed) != (now != before[flow])
    print(f"{len(flows)} flows, {differ} differences")
    if differ or not moved or moved != data["denied"] + data["allowed"]:
        sys.exit(f"{moved} moved, simulate said {data['denied']} and {data['allowed']}")


if __name__ == "__main__":
    {"make": make, "judge": judge, "agree": agree}[sys.argv[1]](*sys.argv[2:])
