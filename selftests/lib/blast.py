# SPDX-License-Identifier: Apache-2.0
"""Random maps, and two ways to ask what a segment may reach in one step: `blast`, and `explain` for each
pair and each of many ports. They have to say the same.

blast.py SOCKET MAP-FILE MAPS SEED      MAP-FILE keeps the last map, for who looks at a difference
"""
import ipaddress
import json
import random
import sys

from control import Agent

UNITS = ["u0", "u1", "u2", "u3"]
# nested, and beside each other
CIDRS = {"wide": "10.0.0.0/8", "mid": "10.1.0.0/16", "deep": "10.1.2.0/24", "beside": "10.1.0.0/24",
         "one": "10.1.2.3/32", "other": "192.168.0.0/16"}
SEGMENTS = UNITS + list(CIDRS)
PORTS = ["tcp/80", "tcp/80-95", "tcp/1-1023", "tcp", "udp/53", "udp", "icmp/echo-request", "icmp", "any",
         "tcp/90", "udplite/7", "proto/47"]
ASKED = [("tcp", p) for p in (1, 22, 79, 80, 85, 90, 95, 96, 1023, 1024, 65535)] + \
        [("udp", 53), ("udp", 54), ("udplite", 7), ("udplite", 8), ("icmp/echo-request", 0), ("proto/47", 0)]
RANK = {"denied": 0, "after_grant": 1, "would_deny": 2, "allowed": 3}


def draw(dice):
    some = lambda names: dice.choice(names + ["any"]) if dice.random() < 0.9 else "world"
    word = lambda: dice.choice(["allow", "deny", "deny"])
    lines = ["version: 1", "name: dice", f"mode: {dice.choice(['enforce', 'enforce', 'observe'])}",
             f"default: {{ ingress: {word()}, egress: {word()} }}", "segments:"]
    for u in UNITS:
        more = ""
        if dice.random() < 0.3:
            more += f", mode: {dice.choice(['observe', 'enforce'])}"
        if dice.random() < 0.3:
            more += f", default: {{ ingress: {word()} }}"
        if dice.random() < 0.2:
            more += f", listen: [{dice.choice(['tcp/90', 'udp/53', 'tcp/1023'])}]"
        lines.append(f"  {u}: {{ match: {{ unit: {u}.service }}{more} }}")
    for name, cidr in CIDRS.items():
        lines.append(f"  {name}: {{ match: {{ cidr: [{cidr}] }} }}")
    for kind, n in (("allow", 8), ("deny", 4)):
        lines.append(f"{kind}:")
        for i in range(n):
            more = ", jit: { max: 1h }" if kind == "allow" and dice.random() < 0.2 else ""
            more += ", mode: observe" if kind == "deny" and dice.random() < 0.2 else ""
            lines.append(f"  - {{ id: {kind}{i}, from: {some(SEGMENTS)}, to: {some(SEGMENTS)}, "
                         f"port: {dice.choice(PORTS)}{more} }}")
    lines.append("failsafe: [ { from: { cidr: [203.0.113.250/32] }, port: tcp/22 } ]")
    return "\n".join(lines) + "\n"


# One address of every kind that differs in some prefix.
ADDRESSES = ["10.9.9.9", "10.1.9.9", "10.1.2.9", "10.1.2.3", "10.1.0.9", "192.168.1.1", "203.0.113.9", "203.0.113.250"]


def segment_of(address):
    inside = [(ipaddress.ip_network(c).prefixlen, n) for n, c in CIDRS.items()
              if ipaddress.ip_address(address) in ipaddress.ip_network(c)]
    return max(inside)[1] if inside else "world"


def ways_to_say(name):
    """A workload's segment by its name, others by each kind of address that they have."""
    if name in UNITS + ["unassigned", "host"]:
        return [name]
    return [a for a in ADDRESSES if segment_of(a) == name]


def by_explain(agent, src, dst, proto, port):
    best = 0
    for s in ways_to_say(src):
        for d in ways_to_say(dst):
            args = dict(zip(("from", "to", "proto"), (s, d, proto)))
            if port:
                args["port"] = port
            answer = agent.ask("explain", **args)
            halves = answer["data"].get("halves")
            if not halves:
                raise SystemExit(f"explain {s} {d}: {answer}")
            best = max(best, min(RANK["after_grant"] if h["verdict"] == "denied" and
                                 h["reason"] == "grant_missing" else RANK[h["verdict"]] for h in halves))
    return best


def covers(text, proto, port):
    if text == "any":
        return not proto.startswith("proto/")
    if text == "proto/*":
        return proto.startswith("proto/")
    if text == "icmp" or proto.startswith(("icmp", "proto")):
        return text == proto or (text == "icmp" and proto.startswith("icmp/"))
    word, _, ports = text.partition("/")
    if word != proto:
        return False
    lo, _, hi = ports.partition("-")
    return not ports or int(lo) <= port <= int(hi or lo)


def by_blast(data, dst, proto, port):
    return max([RANK[p["verdict"]] for w in data["reached"] + data["after_grant"] if w["segment"] == dst
                for p in w["ports"] if covers(p["port"], proto, port)], default=0)


def hold(agent, text):
    """Compares all pairs of one map. Return: how many questions, and how many were not denied."""
    here = UNITS + ["unassigned", "host"]
    asked = passed = 0
    for src in here + list(CIDRS) + ["world"]:
        answer = agent.ask("blast", segment=src, steps=1)
        if not answer["ok"] or not answer["data"]["complete"]:
            raise SystemExit(f"blast {src}: {answer}\n{text}")
        for dst in SEGMENTS + ["world", "unassigned", "host"]:
            # between two of other hosts nobody here decides; what is open to itself is not a way
            if src not in here and dst not in here:
                continue
            for proto, port in ASKED:
                want = by_explain(agent, src, dst, proto, port)
                got = by_blast(answer["data"], dst, proto, port)
                asked += 1
                passed += want > 0
                # who is there already has no use for a grant to get there
                if src == dst and want == RANK["after_grant"] and got == 0:
                    continue
                # a rule that waits for a grant is told of where nothing else leads there
                if got != want:
                    raise SystemExit(f"{src} -> {dst} {proto} {port}: explain {want}, blast {got}\n{text}"
                                     f"{json.dumps(answer['data'], indent=1)}")
    return asked, passed


def main():
    path, keep, maps, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    dice, agent = random.Random(seed), Agent(path)
    asked = passed = refused = 0
    for _ in range(maps):
        text = draw(dice)
        with open(keep, "w") as f:
            f.write(text)
        answer = agent.ask("apply", file="dice", text=text, force=True, enforce=True)
        if not answer["ok"]:
            refused += 1
            print("refused:", answer["diags"][0]["text"])
            continue
        n, open_ones = hold(agent, text)
        asked += n
        passed += open_ones
    print(f"# {maps} maps (seed {seed}), {refused} refused, {asked} questions, {passed} not denied")
    # a test that only ever met closed doors would show nothing
    if refused * 2 > maps or passed * 20 < asked or passed * 20 > asked * 19:
        raise SystemExit("the dice are loaded")


main()
