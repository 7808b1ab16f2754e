#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No call chain of the kernel programs needs more than 512 bytes of stack. Linux 6.1 rounds each
# frame up to 32 bytes; newer kernels are less strict, so only 6.1 itself would notice.
set -uo pipefail
dir=${BUILD:-build}/bpf
compgen -G "$dir/*.bpf.o" > /dev/null || { echo "no objects in $dir: build first"; exit 1; }
python3 - "$dir"/*.bpf.o <<'PY'
import re, subprocess, sys

LIMIT, ROUND = 512, 32


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def functions(obj):
    """(section, first instruction, instructions, name) of every function"""
    section = {}
    for line in run("llvm-readelf", "-SW", obj).splitlines():
        m = re.match(r"\s*\[\s*(\d+)\]\s+(\S+)", line)
        if m:
            section[m.group(1)] = m.group(2)
    for line in run("llvm-readelf", "-sW", obj).splitlines():
        f = line.split()
        if len(f) == 8 and f[3] == "FUNC":
            yield section[f[6]], int(f[1], 16) // 8, int(f[2], 0) // 8, f[7]


def frames_and_calls(obj):
    funcs = list(functions(obj))
    frame, calls = {f[3]: 0 for f in funcs}, {f[3]: set() for f in funcs}

    def at(section, insn):
        return next((n for s, a, size, n in funcs if s == section and a <= insn < a + size), None)

    section, before, call = "", "", None
    for line in run("llvm-objdump", "-dr", obj).splitlines():
        m = re.match(r"Disassembly of section (\S+):", line)
        if m:
            section = m.group(1)
        m = re.match(r"\s+(\d+):\s+((?:[0-9a-f]{2}\s)+)\s*(.*)", line)
        if m and "R_BPF" not in line:
            insn, raw, text = int(m.group(1)), m.group(2).split(), m.group(3)
            f = at(section, insn)
            if not f:
                continue
            for offset in re.findall(r"r10 - (\d+)", text):
                frame[f] = max(frame[f], int(offset))
            m = re.match(r"r\d+ \+= -(\d+)", text)
            if m and re.match(r"r\d+ = r10", before):
                frame[f] = max(frame[f], int(m.group(1)))
            m = re.match(r"call (-?\d+)", text)
            if m:
                call = f, int(m.group(1))
                # source register 1: ours, else a helper; -1 waits for its relocation
                ours = raw[1][0] == "1" and call[1] != -1
                near = at(section, insn + 1 + call[1]) if ours else None
                if near:
                    calls[f].add(near)
            # a callback, as for bpf_loop()
            m = re.match(r"r\d+ = (\w+) ll", text)
            address = f, int(m.group(1), 0) // 8 if m else 0
            before = text
        elif "R_BPF_64_32" in line and call:
            name = line.split()[-1]
            name = at(".text", call[1] + 1) if name == ".text" else name
            if name in frame:
                calls[call[0]].add(name)
        elif "R_BPF_64_64" in line and line.split()[-1] == ".text":
            calls[address[0]].add(at(".text", address[1]))
    return frame, calls


bad = n = 0
for obj in sys.argv[1:]:
    frame, calls = frames_and_calls(obj)

    def deepest(f, above=()):
        own = -(-max(frame[f], 1) // ROUND) * ROUND
        below = [deepest(c, above + (f,)) for c in calls[f] if c not in above and c != f]
        size, chain = max(below, default=(0, []))
        return own + size, [f"{f} ({frame[f]})"] + chain

    for f in frame:
        n += 1
        size, chain = deepest(f)
        if size > LIMIT:
            print(f"{obj.split('/')[-1]}: {size} bytes of stack: {' -> '.join(chain)}")
            bad = 1
if not n:
    sys.exit("no functions found")
print(f"{n} functions")
sys.exit(bad)
PY
