#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command line of bulkhead and bulkheadd in README.md and docs/*.md exists: the command, its
# options, the words it takes, and how many. --help is what they are held to.
set -uo pipefail
build=$(realpath "${BUILD:-build}")
if [ ! -x "$build/bulkhead" ] || [ ! -x "$build/bulkheadd" ]; then
	echo "build first: no programs in $build"
	exit 1
fi
BUILD=$build python3 - <<'PY'
import os, pathlib, re, shlex, subprocess, sys

build = os.environ["BUILD"]

def out(*words):
    return subprocess.run([build + "/" + words[0], *words[1:]], capture_output=True, text=True).stdout

def options(text):
    """Each option of a --help, and whether it takes an argument."""
    found = {}
    for short, long, arg in re.findall(r"^ +(?:(-\w), )?(--[a-z-]+)(?: ([A-Z]+))?(?:,|  |$)", text, re.M):
        found[long] = found[short or long] = bool(arg)
    return found

top = out("bulkhead", "--help")
GLOBAL = options(top)
COMMANDS = {}
for name in re.findall(r"^  ([a-z]+)  ", top.split("\noptions")[0], re.M):
    text = out("bulkhead", name, "--help")
    usage = re.search(r"^usage: bulkhead \S+ \[OPTION\]\.\.\. ?(.*)$", text, re.M).group(1)
    COMMANDS[name] = (usage.split(), options(text), text)
agent = out("bulkheadd", "--help")
AGENT = options(agent) | {"--help": False}
RESCUE = set(re.findall(r"\(([a-z-]+)\)", agent.split("\n\n")[0]))
OBJECTS = set(re.findall(r"^([a-z]+)  ", COMMANDS["get"][2], re.M))

def operands(words, known):
    """What is no option. Raises what is wrong."""
    rest, words = [], list(words)
    while words:
        w = words.pop(0)
        if not w.startswith("-") or w == "-":
            rest.append(w)
            continue
        name, eq, _ = w.partition("=")
        if name not in known:
            raise ValueError(f"no option {name}")
        if known[name] and not eq:
            if not words:
                raise ValueError(f"{name} needs an argument")
            words.pop(0)
    return rest

def check(words, whole):
    """@whole: all of a command line; else a command that is only named, as in a sentence."""
    if words[0] == "bulkheadd":
        rest = operands(words[1:], AGENT)
        if rest and (rest[0] != "rescue" or not set(rest[1:]) <= RESCUE):
            raise ValueError("no such action")
        return
    i = 1
    while i < len(words) and words[i].startswith("-"):
        i += 2 if GLOBAL.get(words[i]) else 1
    if i == len(words):
        operands(words[1:], GLOBAL)
        return
    if words[i] not in COMMANDS:
        raise ValueError(f"no command {words[i]}")
    usage, known, _ = COMMANDS[words[i]]
    rest = operands(words[1:i] + words[i + 1:], GLOBAL | known)
    least = sum(not u.startswith("[") for u in usage)
    if len(rest) > len(usage) or (whole and len(rest) < least):
        raise ValueError(f"takes {' '.join(usage) or 'no argument'}")
    if rest and words[i] == "get" and rest[0] not in OBJECTS:
        raise ValueError(f"nothing to get is called {rest[0]}")
    for word, u in zip(rest, usage):
        choice = u.strip("[]").split("|")
        if len(choice) > 1 and all(c.islower() for c in choice) and word not in choice:
            raise ValueError(f"{word} is none of {u}")

bad, n = [], 0
for path in [pathlib.Path("README.md"), *sorted(pathlib.Path("docs").glob("*.md"))]:
    if not path.is_file():
        continue
    fence = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("```"):
            fence = None if fence is not None else line[3:]
            continue
        if fence in ("", "sh", "console") or (fence is None and re.match(r" {4}", line)):
            texts, whole = [line], True
        else:
            texts, whole = re.findall(r"`([^`]+)`", line), False
        # there the rest is what a command printed
        if fence == "console" and not line.startswith("$ "):
            continue
        for text in texts:
            text = re.sub(r"\s#\s.*", "", text)
            start = re.match(r"\s*(?:\$ )?(?:ssh \S+ )?(?:sudo )?(?=bulkheadd?( |$))", text)
            if not start:
                continue
            text = re.split(r" [|>&]|; ", text[start.end():])[0]
            n += 1
            try:
                words = shlex.split(text)
                if words != ["bulkheadd"]:
                    check(words, whole or len(words) > 3)
            except ValueError as e:
                bad.append(f"{path}:{number}: {text.strip()}: {e}")

if len(COMMANDS) < 10 or len(RESCUE) < 3 or len(OBJECTS) < 5 or len(AGENT) < 5:
    bad.append("--help could not be read")
if pathlib.Path("docs/operations.md").is_file() and n < 50:
    bad.append(f"only {n} command lines could be read")
print("\n".join(bad) if bad else f"{n} command lines exist")
sys.exit(bool(bad))
PY
