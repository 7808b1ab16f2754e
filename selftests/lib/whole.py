# SPDX-License-Identifier: Apache-2.0
"""Which of the two maps of faults.sh is enforced, all of it and nothing else?

whole.py CONTROL-SOCKET STATE-DIR       prints "one" or "two", else what does not fit together
"""
import re
import sys

from control import Agent


def allows(agent, port):
    answer = agent.ask("explain", **{"from": "web", "to": "cache", "proto": "tcp", "port": port})
    return answer["data"].get("verdict") == "allowed"


def on_disk(directory, name):
    with open(f"{directory}/{name}") as f:
        return int(re.search(r'"generation":"(\d+)"', f.read())[1])


def whole(agent, directory):
    status = agent.ask("status")["data"]
    name, generation = (status["map"] or {}).get("name"), status["generation"]
    allowed = [port for port in (6379, 7001, 7002) if allows(agent, port)]
    if allowed != {"one": [6379, 7001], "two": [6379, 7002]}.get(name):
        return f"map {name} is known, open are {allowed}"
    for file in ("state", "enforced"):
        if on_disk(directory, file) != generation:
            return f"{generation} is enforced, the disk's {file} has {on_disk(directory, file)}"
    return name


def answer(path, directory):
    try:
        return whole(Agent(path, silent_s=10), directory)
    except (OSError, ValueError, LookupError, TypeError) as e:
        return f"can't tell: {e!r}"


if __name__ == "__main__":
    print(answer(sys.argv[1], sys.argv[2]))
