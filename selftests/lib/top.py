# SPDX-License-Identifier: Apache-2.0
"""bulkhead top on a terminal of our own: what it draws, its keys, a terminal that changes its size, and
that every way out gives the terminal back as it was. TAP; the rows are the caller's.

top.py BULKHEAD SOCKET WORD AGENT-PID      WORD has to be seen; AGENT-PID is killed in the end, 0: is not
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

program, path, word, agent = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
n = 0
bad = False


def check(text, ok, more=""):
    global n, bad
    n += 1
    bad |= not ok
    print(f"{'ok' if ok else 'not ok'} {n} - {text}" + (f"\n# {more!r}" if not ok else ""))


class Screen:
    def __init__(self, rows=24, columns=100, env=None):
        # the terminal is ours, too: what it was and what it is in the end can be told
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.was = termios.tcgetattr(self.slave)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
            os.execv(program, ["bulkhead", "--control", path, "top", "-n", "1"])
        self.said = ""

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern, seconds=10):
        """What came up to @pattern, or None; it is gone from what is looked at next."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            m = re.search(pattern, self.said, re.S)
            if m:
                seen, self.said = self.said[:m.end()], self.said[m.end():]
                return seen
            if select.select([self.master], [], [], 0.1)[0]:
                self.said += os.read(self.master, 65536).decode(errors="replace")
        return None

    def key(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Exit code and whether the terminal is what it was."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.said += os.read(self.master, 65536).decode(errors="replace")
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                time.sleep(0.05)
                while select.select([self.master], [], [], 0.05)[0]:
                    self.said += os.read(self.master, 65536).decode(errors="replace")
                code = os.waitstatus_to_exitcode(status)
                back = termios.tcgetattr(self.slave) == self.was
                left = self.said.rfind("\x1b[?1049l") > self.said.rfind("\x1b[?1049h")
                cursor = self.said.rfind("\x1b[?25h") > self.said.rfind("\x1b[?25l")
                return code, back and left and cursor
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return "no end", False


def plain(text):
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text)


FRAME = r"\x1b\[H.*?\x1b\[J"

s = Screen()
frame = s.until(FRAME) or ""
check("it draws, on a screen of its own", "\x1b[?1049h" in frame and "FROM" in frame, frame)
check("who talks is there", word in plain(frame), plain(frame))
check("it says its keys", "q quit" in frame, frame)
check("it is drawn again by itself", s.until(FRAME, 5) is not None)
s.key("d")
frame = s.until("denied first.*?\x1b\\[J", 5)
check("a key changes the order at once", frame is not None)
s.size(10, 50)
os.kill(s.pid, signal.SIGWINCH)
s.until(FRAME, 5)
frame = plain(s.until(FRAME, 5) or "")
lines = [l.rstrip("\r") for l in frame.split("\n")]
check("a small terminal gets what has room", len(lines) <= 10 and "PKT/S" not in frame and "VERDICT" in frame, frame)
check("no row is wider than it", all(len(l) <= 50 for l in lines[2:]), frame)
s.key("q")
check("q ends it, and the terminal is as it was", s.end() == (0, True))

for name, how in (("SIGINT", signal.SIGINT), ("SIGTERM", signal.SIGTERM), ("SIGHUP", signal.SIGHUP)):
    s = Screen()
    s.until(FRAME)
    os.kill(s.pid, how)
    got = s.end()
    check(f"{name}: the terminal is as it was", got == (0, True), got)

s = Screen()
s.until(FRAME)
s.key("\x03")
got = s.end()
check("^C, too", got == (0, True), got)

s = Screen()
s.until(FRAME)
s.key("\x1a")
end = time.monotonic() + 5
stopped = False
while time.monotonic() < end and not stopped:
    stopped = " T " in open(f"/proc/{s.pid}/stat").read()
    time.sleep(0.05)
check("^Z stops it with the terminal as it was", stopped and termios.tcgetattr(s.slave) == s.was)
os.kill(s.pid, signal.SIGCONT)
s.said = ""
check("and it goes on", s.until(r"\x1b\[\?1049h.*?FROM", 5) is not None)
s.key("q")
s.end()

s = Screen(env={"NO_COLOR": "1"})
frame = s.until(FRAME) or ""
check("NO_COLOR", not re.search(r"\x1b\[[0-9;]*m", frame), frame)
s.key("q")
s.end()

s = Screen(rows=2, columns=5)
check("hardly any room is no reason to fall over", s.until(FRAME) is not None)
s.key("q")
check("and it ends", s.end() == (0, True))

if agent:
    s = Screen()
    s.until(FRAME)
    os.kill(agent, signal.SIGKILL)
    got = s.end()
    check("the agent gone: said, the terminal as it was", got == (1, True) and "hung up" in s.said, (got, s.said))

print(f"1..{n}")
sys.exit(bad)
