# SPDX-License-Identifier: Apache-2.0
"""Did a host that lost power keep what it had promised? See power.sh.

power.py FILE          "boot N", then what it told, for each time that the power was on. Prints what
                       is wrong ("# ..."), and "wrong", "within", "answered" and "lost" with a number
"""
import json
import sys


class Host:
    def __init__(self):
        self.map = None        # the one that was answered last, and found or enforced since
        self.held = set()
        self.reasons = set()   # of changes that were answered
        self.generation = 0
        self.usual = set()
        self.pending = set()   # (kind, n): told, and not answered, or not with success
        self.plain = 0
        self.within = self.answered = self.lost = 0

    # --- what it says of its changes ---

    def begin(self, kind, n):
        self.pending.add((kind, int(n)))

    def end(self, kind, n, status, unrecorded):
        n = int(n)
        if status != "0":
            return [f"{kind} {n}: exit {status}"] if self.alive else []
        self.pending.discard((kind, n))
        self.answered += 1
        if kind == "map":
            self.map = n
        elif kind == "confirm":
            self.map = n
        elif kind == "hold":
            self.held.add(n)
        elif kind == "release":
            self.held.discard(n)
        if kind in ("map", "try", "hold") and unrecorded == "0":
            self.reasons.add(n)
        return []

    # --- what it found afterwards ---

    def maps(self):
        """Which may be there."""
        return {self.map} | {n for kind, n in self.pending if kind in ("map", "confirm")}

    def judge(self, found):
        wrong = []
        if found.get("disk", ("0",))[0] != "0":
            return [f"the disk can't be mounted: {found['disk']}"]
        if found["start"][0] != "0":
            return [f"the agent does not start: {found['start'][1]}"]
        try:
            status = json.loads(found["status"][1])["data"]
            history = json.loads(found["history"][1])
        except (ValueError, LookupError) as e:
            return [f"it does not answer: {e!r}"]
        wrong += self.judge_map(status, found)
        wrong += self.judge_history(history)
        wrong += self.judge_held(found)
        wrong += self.judge_log(found)
        if found["aside"][1].strip():
            wrong.append(f"set aside: {found['aside'][1]}")
        plain = int(found["plain"][1]) if found["plain"][1].strip().isdigit() else 0
        self.lost += plain < self.plain
        self.plain = plain
        self.within += bool(self.pending)
        self.pending.clear()
        return wrong

    def judge_map(self, status, found):
        wrong = []
        name = (status["map"] or {}).get("name")
        now = int(name[1:]) if name else None
        if now not in self.maps():
            wrong.append(f"map {name}, not one of {sorted(map(str, self.maps()))}")
        if status["generation"] < self.generation:
            wrong.append(f"generation {status['generation']} after {self.generation}")
        problems = {p for p in status["problems"] if "is in quarantine: op-" not in p}
        # what the kernel can't do is known from the first time on, when there was no map
        if not self.generation:
            self.usual = problems
        elif problems - self.usual:
            wrong.append(f"problems: {problems - self.usual}")
        self.map, self.generation = now, status["generation"]
        if not now:
            return wrong
        port = 7000 + now
        if found.get(f"open {port}", "?")[0] != "0":
            wrong.append(f"{port} is not open: {found.get(f'open {port}')}")
        if "not permitted" not in found.get(f"shut {port}", ("", ""))[1]:
            wrong.append(f"{port} is open to others: {found.get(f'shut {port}')}")
        for other in (port - 1, port + 1):
            if "DENIED" not in found.get(f"other {other}", ("", ""))[1]:
                wrong.append(f"{other} is open: {found.get(f'other {other}')}")
        return wrong

    def judge_history(self, history):
        wrong = [f"the history: {d['text']}" for d in history["diags"]]
        rows = history["data"]["rows"]
        if self.map and [r["generation"] for r in rows[:1]] != [
                r["generation"] for r in rows if r["live"]]:
            wrong.append("the newest of the history is not what is live")
        return wrong

    def judge_held(self, found):
        held = {int(word) for word in found["held"][1].split()}
        must = self.held - {n for kind, n in self.pending if kind == "release"}
        may = self.held | {n for kind, n in self.pending if kind == "hold"}
        wrong = []
        if not must <= held <= may:
            wrong.append(f"in quarantine: {sorted(held)}, answered: {sorted(self.held)}")
        self.held = held
        return wrong

    def judge_log(self, found):
        status, text = found["verify"]
        there = {int(word) for word in found["reasons"][1].split()}
        wrong = []
        if status != "0":
            wrong.append(f"audit verify: {text}")
        if not self.reasons <= there:
            wrong.append(f"not in the audit log: {sorted(self.reasons - there)}")
        return wrong


def boots(path):
    with open(path, errors="replace") as f:
        # what has no end was not said
        lines = [line[:-1] for line in f if line.endswith("\n")]
    for line in lines:
        if line.startswith("boot "):
            boot = []
            yield line, boot
        else:
            boot.append(line)


def main():
    host = Host()
    bad = 0
    for name, lines in list(boots(sys.argv[1])):
        found, wrong = {}, []
        host.alive = True
        for line in lines:
            word, *rest = line.split(" ")
            if word == "found":
                n = 2 if rest[0] in ("open", "shut", "other") else 1
                found[" ".join(rest[:n])] = rest[n], " ".join(rest[n + 1:])
            elif word == "ready":
                wrong += host.judge(found)
            elif word == "begin":
                host.begin(*rest)
            elif word == "end":
                wrong += host.end(*rest)
            elif word == "plain":
                host.plain = int(rest[0])
            elif word == "cut":
                host.alive = False
        if "ready" not in lines:
            wrong.append("it did not come up")
        bad += bool(wrong)
        for text in wrong:
            print(f"# {name}: {text[:1500]}")
    print(f"wrong {bad}\nwithin {host.within}\nanswered {host.answered}\nlost {host.lost}")


main()
