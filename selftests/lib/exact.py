#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a file of flows says, against what the workloads counted themselves (helpers/counted.c).

exact.py sums FILES... -- UNIT=REPORT...   per unit, direction, protocol and family, to the unit
exact.py loss STATUS FILES...              its records of loss, against `status -o json` of then
exact.py denies UNIT FILES...              told + suppressed of a unit's denies ("-" is no unit)
exact.py udp UNIT FILES...                 packets and bytes out, packets and bytes in
exact.py events FILES...                   seen sent suppressed lost flow_table ends skipped alerts
"""
import collections
import json
import sys

FIELDS = ("connections", "packets out", "bytes out", "packets in", "bytes in")


def records(paths):
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def local(r):
    return r["src"] if r["reporter"] == "src" else r["dst"]


def key_of(r):
    end = local(r)
    family = 6 if ":" in end["ip"] else 4
    return end.get("unit"), r["proto"], r["direction"], family


def told(paths):
    sums = collections.defaultdict(lambda: [0] * len(FIELDS))
    for r in records(paths):
        if r["type"] not in ("end", "update"):
            continue
        s = sums[key_of(r)]
        s[0] += r["type"] == "end"
        for i, name in enumerate(("packets_out", "bytes_out", "packets_in", "bytes_in")):
            s[i + 1] += r[name]
    return sums


def counted(reports):
    sums, failures = {}, 0
    for unit, path in reports:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("#"):
                    continue
                proto, direction, family, *n = line.split()
                *n, failed = map(int, n)
                if failed:
                    print(f"{unit}: {failed} failed: {line.strip()}")
                failures += failed
                # TCP's packets and UDP's connections have nothing to be compared with
                sums[unit, proto, direction, int(family)] = n
    return sums, failures


def compare(paths, reports):
    (want, bad), have = counted(reports), told(paths)
    assert want, "nobody counted anything"
    for key in sorted(set(want) | set(have), key=str):
        w, h = want.get(key, [0] * len(FIELDS)), have.get(key, [0] * len(FIELDS))
        for i, name in enumerate(FIELDS):
            tcp = key[1] == "tcp"
            if (tcp and name.startswith("packets")) or (not tcp and name == "connections"):
                continue
            if w[i] != h[i]:
                print(f"{key}: {name}: counted {w[i]}, told {h[i]}, {h[i] - w[i]:+}")
                bad += 1
    for key, w in sorted(want.items()):
        print("#", *key, *w)
    return bad


def losses(paths):
    sums = collections.Counter()
    for r in records(paths):
        sums[r["type"]] += 1
        if r["type"] != "loss":
            continue
        assert r["seen"] == r["sent"] + r["suppressed"] + r["lost"], r
        assert r["seen"] == sum(c["seen"] for c in r["cpus"]), r
        for k in ("seen", "sent", "suppressed", "lost", "skipped", "written"):
            sums[k] += r[k]
        for k in ("flow_table", "queue", "sink_file"):
            sums[k] += r["stages"][k]
    return sums


def compare_losses(status, paths):
    with open(status, encoding="utf-8") as f:
        e = json.load(f)["data"]["telemetry"]["events"]
    s = losses(paths)
    assert e["seen"] == e["sent"] + e["suppressed"] + e["lost"], e
    for k in ("seen", "sent", "suppressed", "lost"):
        assert s[k] == e[k], (k, s, e)


def denies(unit, paths):
    n = 0
    for r in records(paths):
        if r["type"] == "deny" and (local(r).get("unit") or "-") == unit:
            n += 1
    return n


def main(verb, *args):
    if verb == "sums":
        at = args.index("--")
        return compare(args[:at], [a.split("=", 1) for a in args[at + 1:]]) != 0
    if verb == "loss":
        return compare_losses(args[0], args[1:])
    if verb == "udp":
        sums = [s[1:] for k, s in told(args[1:]).items() if k[:2] == (args[0], "udp")]
        return print(*map(sum, zip(*sums)))
    if verb == "denies":
        return print(denies(args[0], args[1:]))
    s = losses(args)
    return print(*(s[k] for k in ("seen", "sent", "suppressed", "lost", "flow_table", "end",
                                  "skipped", "alert")))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
