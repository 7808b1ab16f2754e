# SPDX-License-Identifier: Apache-2.0
"""Walks through a guide: each line "$ command" of its ```console blocks is run, and what it prints
has to be what stands below it.

guide.py shell SOCKET           the session of whoever reads it: runs commands on a terminal
guide.py walk FILE SOCKET SSH...  TAP; with GUIDE=write the blocks of FILE are written anew
                                SSH...: the command that logs in once more, for "$ ssh HOST COMMAND"

A question is answered with y. What differs from run to run (times, ports that the kernel chose, process
ids, hashes) stands in the file as one and the same value; counters and the hooks of a kernel may differ.
"""
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import termios
import time

COLUMNS = 160
SAME = [
    # on a busy machine
    (r"(?m)^the agent has not answered for .*\n", ""),
    (r"\b20\d\d-\d\d-\d\d([T ])\d\d:\d\d:\d\d", r"2026-05-04\g<1>09:12:33"),
    (r"\b([01]\d|2[0-3]):[0-5]\d:[0-5]\d\b", "09:12:33"),
    (r"\bpid \d+", "pid 4711"),
    (r"\b(3[2-9]|[45]\d|60)\d\d\d\b", "40112"),
    (r"\bin \d+ ms\b", "in 9 ms"),
    (r"\b\d+ (s|min) ago\b", "5 s ago"),
    (r"\b4 min( \d+ s)?\b", "5 min"),
    (r"\b14 min( \d+ s)?\b", "15 min"),
    (r"\bsha256 [0-9a-f]+\b", "sha256 51a44c3b51d4"),
    (r"(?m)( by \S+) +\d+$", r"\1      4"),
    (r"(?m)^bulkhead \d+\.\d+\.\d+:", "bulkhead 0.1.0:"),
]


# Of these only that they are there: counters, and the hooks of this kernel.
ANY = r"(?m)^(  (?:hooks|sessions|events|cgroups|listeners)  ).*"


def same(text):
    for pattern, value in SAME:
        text = re.sub(pattern, value, text)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def mask(lines):
    return re.sub(ANY, r"\1", same("\n".join(lines)))


def on_terminal(command):
    """What a person would see, and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "-c", command])
    termios.tcsetwinsize(fd, (40, COLUMNS))
    said, asked, end = b"", 0, time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            break
        if not chunk:
            break
        said += chunk
        if said.endswith(b"[y/N] ") and len(said) > asked:
            asked = len(said)
            os.write(fd, b"y\n")
    else:
        os.kill(pid, 9)
        said += b"(no end)"
    os.close(fd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return said.decode(errors="replace").replace("\r\n", "\n"), code


def shell(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(1)
    conn, _ = s.accept()
    for line in conn.makefile("r"):
        said, code = on_terminal(json.loads(line))
        conn.sendall(json.dumps([said, code]).encode() + b"\n")


def blocks(lines):
    """[(command, number of its line, first line of the output, line behind it)]"""
    found, inside, start = [], False, None
    for n, line in enumerate(lines + ["```"]):
        if line.startswith("```"):
            if inside and start is not None:
                found.append((lines[start][2:], start, start + 1, n))
            inside, start = line == "```console", None
        elif inside and line.startswith("$ "):
            if start is not None:
                found.append((lines[start][2:], start, start + 1, n))
            start = n
    return found


def walk(file, path, *ssh):
    with open(file) as f:
        lines = f.read().split("\n")
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    conn.connect(path)
    answers = conn.makefile("r")
    write, bad, shift = os.environ.get("GUIDE") == "write", 0, 0
    todo = blocks(lines)
    new = list(lines)
    for i, (command, at, first, behind) in enumerate(todo, 1):
        if " flows " in command:
            time.sleep(2)  # a reader gives it a moment, too
        again = re.match(r"ssh \S+ (.*)", command)
        if again:
            r = subprocess.run([*ssh, again[1]], capture_output=True, text=True)
            said = r.stdout
        else:
            conn.sendall(json.dumps(command).encode() + b"\n")
            said, _ = json.loads(answers.readline())
        said = same(said.rstrip("\n")).split("\n") if said.strip() else []
        fits = mask(said) == mask(lines[first:behind])
        if write and fits:
            continue
        if write:
            new[first + shift:behind + shift] = said
            shift += len(said) - (behind - first)
            continue
        bad += not fits
        print(f"{'ok' if fits else 'not ok'} {i} - {file}:{at + 1}: {command}")
        if not fits:
            print("\n".join(f"# - {line}" for line in lines[first:behind]))
            print("\n".join(f"# + {line}" for line in said))
    if write:
        with open(file, "w") as f:
            f.write("\n".join(new))
        print(f"{file}: {len(todo)} commands")
        return 0
    print(f"1..{len(todo)}")
    return bool(bad) or not todo


if sys.argv[1:2] == ["shell"]:
    shell(sys.argv[2])
elif sys.argv[1:2] == ["walk"]:
    sys.exit(walk(*sys.argv[2:]))
else:
    sys.exit(__doc__)
