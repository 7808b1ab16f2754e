# SPDX-License-Identifier: Apache-2.0
"""Who may ask whom in the machine of estate.sh, and what the live map says of everybody else.

estate.py judge SOCKET TALKS    TALKS: lines "client server proto/port", the only ones that there are;
                                with "-" for a client: it listens there, and nobody asks. Each of
                                them is allowed, every other client is denied there.
"""
import itertools
import sys

from control import Agent


def elsewhere(end):
    return end.startswith(("10.", "fd77:", "224.", "ff02:"))


def said(agent, client, server, port):
    proto, number = port.split("/")
    ask = {"from": client, "to": server}
    if proto == "icmp":
        ask["proto"] = port
    else:
        ask.update(proto=proto, port=int(number))
    answer = agent.ask("explain", **ask)
    if "verdict" not in (answer.get("data") or {}):
        sys.exit(f"{ask}: {answer}")
    return answer["data"]["verdict"]


def judge(control, talks):
    with open(talks) as f:
        lines = {tuple(line.split()) for line in f if line.strip() and line[0] != "#"}
    seen = {line for line in lines if line[0] != "-"}
    clients = sorted({c for c, _, _ in seen} | {s for _, s, _ in seen})
    places = sorted({(s, p) for _, s, p in lines})
    agent, bad, n = Agent(control), [], {"allowed": 0, "denied": 0}
    for client, (server, port) in itertools.product(clients, places):
        # what both is elsewhere, and what one unit does with itself, is no question
        if (elsewhere(client) and elsewhere(server)) or (client == server and (client, server, port) not in seen):
            continue
        # its egress is open by default
        if client == "host":
            continue
        expected = "allowed" if (client, server, port) in seen else "denied"
        got = said(agent, client, server, port)
        n[expected] += 1
        if got != expected:
            bad.append(f"{client} -> {server} {port}: {got}, expected {expected}")
    print(f"{n['allowed']} allowed, {n['denied']} denied")
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    {"judge": judge}[sys.argv[1]](*sys.argv[2:])
