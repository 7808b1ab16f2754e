# SPDX-License-Identifier: Apache-2.0
"""Takes UDP messages and hands each on, for shell tests of what exports them.

relay.py ADDRESS PORT FILE [PORT...]    every message goes to the end of FILE, as it is, and to these
                                        ports of 127.0.0.1
"""
import socket
import sys

address, port, path, *others = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((address, int(port)))
on = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
with open(path, "ab", buffering=0) as f:
    while True:
        message = s.recv(65536)
        f.write(message)
        for other in others:
            try:
                on.sendto(message, ("127.0.0.1", int(other)))
            except ConnectionRefusedError:
                pass
