# SPDX-License-Identifier: Apache-2.0
"""What is of sshd for the lockout guard, for shell tests: a process for each connection, which holds
it where no command sees it, and the commands of a login in a session and a cgroup of their own.

sshd.py serve ADDRESS PORT SCOPE        SCOPE: the directory of the login session's cgroup
sshd.py run ADDRESS PORT COMMAND        logs in and has a shell run COMMAND; prints what it says and
                                        ends as it does, with 99 if the connection was lost
Words before COMMAND: --drop: who holds the connection gives up root before the command begins;
--wait S: for the answer, 20 s else.
"""
import json
import os
import socket
import subprocess
import sys


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def session(conn, scope):
    """The monitor: leads a session of its own, and the shell below it leads another."""
    os.setsid()
    want = json.loads(conn.makefile("r").readline())
    begin, go = os.pipe()

    def login():
        os.read(begin, 1)
        with open(f"{scope}/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))
        os.setsid()

    shell = None
    out_r, out_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        # as a process between the two would: it has the connection, too
        os.close(out_r)
        shell = subprocess.Popen(["bash", "-c", want["command"]], stdin=subprocess.DEVNULL, stdout=out_w,
                                 stderr=out_w, preexec_fn=login, close_fds=True)
        os._exit(shell.wait() & 0xff)
    os.close(out_w)
    if want["drop"]:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    os.write(go, b"x")
    said = b""
    while chunk := os.read(out_r, 65536):
        said += chunk
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    conn.sendall(json.dumps({"said": said.decode(errors="replace"), "code": code}).encode() + b"\n")


def serve(address, port, scope):
    import signal

    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address == "::":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((address, port))
    s.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        conn, _ = s.accept()
        if os.fork() == 0:
            s.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            session(conn, scope)
            os._exit(0)
        conn.close()


def run(address, port, *words):
    words, drop, wait = list(words), False, 20.0
    while words[0].startswith("--"):
        option = words.pop(0)
        if option == "--drop":
            drop = True
        else:
            wait = float(words.pop(0))
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(wait)
    try:
        s.connect((address, port))
        s.sendall(json.dumps({"command": words[0], "drop": drop}).encode() + b"\n")
        line = s.makefile("r").readline()
    except OSError as e:
        print("lost:", e)
        return 99
    if not line:
        print("lost: closed")
        return 99
    answer = json.loads(line)
    sys.stdout.write(answer["said"])
    return answer["code"]


verb, args = sys.argv[1], sys.argv[2:]
if verb == "serve":
    serve(args[0], int(args[1]), args[2])
elif verb == "run":
    sys.exit(run(args[0], int(args[1]), *args[2:]))
else:
    sys.exit(__doc__)
