#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scrapers.py ADDRESS PORT: clients of the metrics that mean no good, and after each of them one that
does: he is answered within a second. Run by e2e/metrics.sh."""
import socket
import sys
import threading
import time

WHERE = (sys.argv[1], int(sys.argv[2]))
GOOD = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"
bad = []


def connect():
    s = socket.create_connection(WHERE, 3)
    s.settimeout(8)
    return s


def everything(s):
    data = b""
    try:
        while more := s.recv(65536):
            data += more
    except OSError as e:
        bad.append(f"ends with {e} after {len(data)} bytes")
    return data


def say(request, close=False):
    with connect() as s:
        s.sendall(request)
        if close:
            s.shutdown(socket.SHUT_WR)
        return everything(s)


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def expect(what, got, want):
    if got != want:
        bad.append(f"{what}: {got}, not {want}")


def good(after):
    began = time.monotonic()
    answer = say(GOOD)
    took = time.monotonic() - began
    head, _, body = answer.partition(b"\r\n\r\n")
    expect(f"after {after}: status", status(answer), 200)
    expect(f"after {after}: length", b"Content-Length: %d\r\n" % len(body) in head + b"\r\n", True)
    expect(f"after {after}: the end", body.endswith(b"\n") and b"bulkhead_agent_up 1\n" in body, True)
    if took > 1:
        bad.append(f"after {after}: answered in {took:.1f} s")


good("nobody")
for request, want in ((b"GET / HTTP/1.1\r\n\r\n", 404), (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
                      (b"GET /metrics HTTP/2.0\r\n\r\n", 505), (b"\x16\x03\x01\x02\0\x01\0", 400),
                      (b"GET /metrics\r\n\r\n", 400), (b"x" * 9000, 431)):
    expect(request[:30], status(say(request)), want)
head = say(b"HEAD /metrics HTTP/1.0\r\n\r\n")
expect("HEAD", (status(head), head.endswith(b"\r\n\r\n")), (200, True))
good("wrong ones")

# as many as there are places, and as many again, that say nothing, or a byte now and then
slow = [connect() for _ in range(64)]
good("silent ones")
for s in slow:
    try:
        s.send(b"G")
    except OSError:
        pass
good("slow ones")
began = time.monotonic()
alive = slow[-1]
try:
    while time.monotonic() - began < 9:
        alive.send(b"E")
        time.sleep(0.2)
    bad.append("one that goes on and on is not hung up on")
except OSError:
    pass
for s in slow:
    s.close()

# many requests in one: the first has an answer, the others have none
answer = say(GOOD * 200, close=True)
expect("pipelining", answer.count(b"HTTP/1.1 200"), 1)
good("many in one")

# asks and does not read
deaf = [connect() for _ in range(40)]
for s in deaf:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.sendall(GOOD)
good("those that do not read")
for s in deaf:
    s.close()

# a storm
end = time.monotonic() + 3


def storm():
    while time.monotonic() < end:
        try:
            s = socket.create_connection(WHERE, 1)
            s.send(GOOD[:20])
            s.close()
        except OSError:
            pass


storms = [threading.Thread(target=storm) for _ in range(4)]
for t in storms:
    t.start()
time.sleep(0.5)
began = time.monotonic()
answer = say(GOOD)
expect("in a storm", (status(answer), time.monotonic() - began < 5), (200, True))
for t in storms:
    t.join()
good("a storm")

print("\n".join(bad))
sys.exit(bool(bad))
