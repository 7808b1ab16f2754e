# SPDX-License-Identifier: Apache-2.0
# The other end of the control socket, badly behaved or with answers that a test chose:
#
#	server.py PATH MODE [ARGUMENT]
#
#	silent          takes the connection and says nothing
#	deaf            does not even read; a request larger than the socket's buffer gets stuck
#	full            does not take connections: connect() meets a full backlog
#	garbage         a line that is no JSON
#	binary          4 KiB of random bytes and a newline
#	list            JSON, but not an object
#	empty           an object that is no answer
#	deep            100 000 opening brackets
#	hangup          closes at once
#	half            half an answer, then closes
#	stuck           half an answer, then nothing
#	drip            a byte every 50 ms, never a newline
#	huge            100 MB without a newline
#	slow SECONDS    answers after so long; what else it was sent is in PATH.rest
#	say FILE        {"VERB": answer, ...}: what to answer; "events": lines for a follower
#
# With `say`, the last request is kept in PATH.request.
import json
import os
import socket
import sys
import time

path, mode = sys.argv[1:3]
arg = sys.argv[3] if len(sys.argv) > 3 else ""

HALF = b'{"ok":true,"code":0,"data":{"version":"0.1'
GOOD = b'{"ok":true,"code":0,"data":{"version":"0.1.0","abi":1,"kernel":"6.1"}}\n'


def request(conn):
    line = b""
    while not line.endswith(b"\n"):
        got = conn.recv(65536)
        if not got:
            break
        line += got
    return line


def say(conn):
    line = request(conn)
    # Renamed, so that a test never reads half of it.
    with open(path + ".new", "wb") as f:
        f.write(line)
    os.rename(path + ".new", path + ".request")
    verb = json.loads(line)["verb"]
    with open(arg) as f:
        answers = json.load(f)
    if verb not in answers:
        text = f"the test has no answer to '{verb}'"
        answers[verb] = {"ok": False, "code": 1, "diags": [{"severity": "error", "text": text}]}
    conn.sendall(json.dumps(answers[verb]).encode() + b"\n")
    for event in answers.get("events", []):
        conn.sendall(json.dumps(event).encode() + b"\n")


def once(conn):
    if mode == "deaf":
        time.sleep(60)
    if mode == "say":
        return say(conn)
    request(conn)
    if mode == "silent":
        time.sleep(60)
    elif mode == "garbage":
        conn.sendall(b"220 smtp.example ESMTP\n")
    elif mode == "binary":
        conn.sendall(os.urandom(4096).replace(b"\n", b"") + b"\n")
    elif mode == "list":
        conn.sendall(b"[1,2,3]\n")
    elif mode == "empty":
        conn.sendall(b"{}\n")
    elif mode == "deep":
        conn.sendall(b"[" * 100000 + b"\n")
    elif mode == "half":
        conn.sendall(HALF)
    elif mode == "stuck":
        conn.sendall(HALF)
        time.sleep(60)
    elif mode == "drip":
        while True:
            conn.sendall(b" ")
            time.sleep(0.05)
    elif mode == "huge":
        for _ in range(100):
            conn.sendall(b"x" * 1000000)
    elif mode == "slow":
        time.sleep(float(arg))
        conn.sendall(GOOD)
        rest = conn.recv(65536)
        with open(path + ".rest", "wb") as f:
            f.write(rest)


listener = socket.socket(socket.AF_UNIX)
listener.bind(path + ".new")
listener.listen(0 if mode == "full" else 8)
held = []
if mode == "full":
    for _ in range(2):
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        try:
            c.connect(path + ".new")
        except BlockingIOError:
            pass
        held.append(c)
# It is there when it is ready.
os.rename(path + ".new", path)
if mode == "full":
    time.sleep(60)
while True:
    conn, _ = listener.accept()
    try:
        once(conn)
    except (BrokenPipeError, ConnectionResetError):
        pass
    conn.close()
