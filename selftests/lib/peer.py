# SPDX-License-Identifier: Apache-2.0
"""Both ends of a conversation, for shell tests.

peer.py serve tcp|udp ADDRESS PORT      answers everything with "pong"
peer.py ask tcp|udp ADDRESS PORT [S]    prints what a client gets: answered, timeout (after S,
                                        default 1, seconds), closed, or the name of an errno
peer.py probe ADDRESS PORT [PAUSE]      connects over TCP again and again; at SIGTERM a line for each
                                        outcome: "connected 1234", "EPERM 99", with how many
peer.py talk ADDRESS PORT               one TCP connection that asks every 100 ms: a line each
                                        answer, "cut: ERRNO" when it ends
"""
import errno
import os
import socket
import sys
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(proto, address, port):
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(family(address), kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address == "::":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((address, port))
    if proto == "udp":
        while True:
            _, who = s.recvfrom(2048)
            try:
                s.sendto(b"pong", who)
            except OSError as e:
                print("answer:", errno.errorcode[e.errno], flush=True)
    s.listen(4096)
    import threading

    def answer(c):
        try:
            while c.recv(2048):
                c.send(b"pong")
        except OSError as e:
            print("answer:", errno.errorcode[e.errno], flush=True)
        c.close()

    while True:
        c, _ = s.accept()
        threading.Thread(target=answer, args=(c,), daemon=True).start()


def ask(proto, address, port, wait=1.0):
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(family(address), kind)
    s.settimeout(wait)
    if "from" in os.environ:  # from this address of ours
        s.bind((os.environ["from"], 0))
    try:
        if proto == "tcp":
            s.connect((address, port))
            s.send(b"ping")
        else:
            s.sendto(b"ping", (address, port))
        return "answered" if s.recv(16) == b"pong" else "closed"
    except socket.timeout:
        return "timeout"
    except OSError as e:
        return errno.errorcode[e.errno]


def probe(address, port, pause=0.0):
    import collections
    import signal
    import struct

    seen = collections.Counter()

    def report(*_):
        for outcome, n in sorted(seen.items()):
            print(outcome, n, flush=True)
        sys.exit()

    signal.signal(signal.SIGTERM, report)
    print("# probing", flush=True)
    hard = struct.pack("ii", 1, 0)  # resets, so that no port is used up
    while True:
        s = socket.socket(family(address), socket.SOCK_STREAM)
        s.settimeout(1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
        try:
            s.connect((address, port))
            seen["connected"] += 1
            time.sleep(0.001)  # the server must keep up
        except socket.timeout:
            seen["timeout"] += 1
        except OSError as e:
            seen[errno.errorcode[e.errno]] += 1
        s.close()
        if pause:
            time.sleep(pause)


def talk(address, port):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(2)
    if "from" in os.environ:
        s.bind((os.environ["from"], 0))
    try:
        s.connect((address, port))
        while True:
            s.send(b"ping")
            if s.recv(16) != b"pong":
                return "closed"
            print("answered", flush=True)
            time.sleep(0.1)
    except socket.timeout:
        return "timeout"
    except OSError as e:
        return errno.errorcode[e.errno]


verb, args = sys.argv[1], sys.argv[2:]
if verb == "serve":
    serve(args[0], args[1], int(args[2]))
elif verb == "ask":
    print(ask(args[0], args[1], int(args[2]), *map(float, args[3:])))
elif verb == "probe":
    probe(args[0], int(args[1]), *map(float, args[2:]))
elif verb == "talk":
    print("cut:", talk(args[0], int(args[1])), flush=True)
else:
    sys.exit(__doc__)
