# SPDX-License-Identifier: Apache-2.0
"""Applies the two maps of faults.sh in turn, and lets an allocation of the agent fail in each.

allocs.py CONTROL-SOCKET STATE-DIR PLAN PID ONE.yaml TWO.yaml HOW-MANY MORE FROM

PLAN is what alloc.c maps; HOW-MANY of the allocations of an apply are tried, 0 for each of them; MORE
that come after it fail, too; FROM is the first. Prints "# ..." for what is wrong, then "tried refused
unsaid wrong died": where the agent ended inside a library that does not look at each, or 0.
"""
import json
import mmap
import struct
import sys
import time

import whole


class Plan:
    def __init__(self, path):
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 40)

    def set(self, nth, more=0):
        self.map[:8] = struct.pack("=Q", 0)
        self.map[8:40] = struct.pack("=QQQQ", more, 0, 0, 0)
        self.map[:8] = struct.pack("=Q", nth)

    def seen(self):
        return struct.unpack("=QQQ", self.map[16:40])


class Tries:
    def __init__(self, argv):
        self.path, self.state = argv[0], argv[1]
        self.plan = Plan(argv[2])
        self.pid = int(argv[3])
        self.maps = {}
        for name, path in zip(("one", "two"), argv[4:6]):
            with open(path) as f:
                self.maps[name] = f.read()
        self.live = whole.answer(self.path, self.state)
        self.refused = self.unsaid = 0

    def other(self):
        return "two" if self.live == "one" else "one"

    def apply(self, nth, more):
        """What was answered: None if nothing was."""
        try:
            agent = whole.Agent(self.path)
            # the first answer is there: it is about the apply that something fails
            agent.ask("version")
            self.plan.set(nth, more)
            return agent.ask("apply", text=self.maps[self.other()], file="x.yaml", force=True,
                             enforce=True)
        except (OSError, ValueError):
            return None
        finally:
            self.count = self.plan.seen()
            self.map_off()

    def map_off(self):
        self.plan.map[:8] = struct.pack("=Q", 0)

    def lives(self):
        try:
            with open(f"/proc/{self.pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def try_one(self, nth, more):
        want = self.other()
        said = self.apply(nth, more)
        # it may be on its way
        if said is None:
            time.sleep(0.1)
        if not self.lives():
            return "" if self.plan.seen()[2] else "the agent died"
        now = whole.answer(self.path, self.state)
        if said is None:
            self.unsaid += 1
            may = (self.live, want)
        elif any(d["severity"] == "error" for d in said.get("diags", [])):
            self.refused += 1
            may = (self.live,)
        elif said["data"]:
            may = (want,)
        else:
            self.unsaid += 1
            may = (self.live, want)
        wrong = "" if now in may else f"{now}, not one of {may}; it said {json.dumps(said)[:300]}"
        if now in self.maps:
            self.live = now
        return wrong


def main():
    tries = Tries(sys.argv[1:7])
    many, more, first = map(int, sys.argv[7:10])
    tries.try_one(1 << 60, 0)
    n = tries.count[0]
    step = max(1, n // many) if many else 1
    tried = bad = died = 0
    for nth in range(first, n + 1, step):
        tried += 1
        wrong = tries.try_one(nth, more)
        if wrong:
            bad += 1
            print(f"# allocation {nth} of {n}: {wrong}")
        if not tries.lives():
            died = nth
            break
    print(f"{tried} {tries.refused} {tries.unsaid} {bad} {died}")


main()
