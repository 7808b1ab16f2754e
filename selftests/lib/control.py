# SPDX-License-Identifier: Apache-2.0
"""An agent's control socket, one question after the other: a line of JSON each way (agent/control/proto.h)."""
import json
import socket
import time

BUSY_S = 10  # as the command line does: where so many come at once there is no room, and then there is


class Agent:
    def __init__(self, path, silent_s=60):  # an answer may be made of ten thousand flows
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(silent_s)
        end = time.monotonic() + BUSY_S
        while True:
            try:
                s.connect(path)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        self.io = s.makefile("rw")

    def ask(self, verb, **args):
        print(json.dumps({"verb": verb, "args": args}), file=self.io, flush=True)
        return json.loads(self.io.readline())
