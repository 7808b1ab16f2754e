#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives every branch of C headers a mutant that takes the other way.

    flip.py TREE HEADER...     rewrites TREE/HEADER in place, one mutant per line on stdout

Each condition of if, while, for and ?:, and each operand of && and ||, becomes
bh_flip(id, condition); each case label X gets bh_uncase(id, X, value), for which the value X is
none of the cases. Both stand in flip.h, which the headers then include. What goes out is
"id<TAB>file:line<TAB>function<TAB>kind<TAB>text", counted from 1 in the order of the source.
"""
import re
import sys

TOKEN = re.compile(
    r"(?P<space>\s+|/\*.*?\*/|//[^\n]*)"
    r"|(?P<line>(?<=\n)#(?:[^\n\\]|\\.)*)"
    r'|(?P<text>"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')'
    r"|(?P<word>\w+)"
    r"|(?P<sign>->|\+\+|--|<<=|>>=|&&|\|\||[-+*/%&|^]=|<<|>>|[<>=!]=|\.\.\.|.)",
    re.S,
)
PAIRS = {"(": ")", "[": "]", "{": "}"}
ENDS = {";", ",", "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "return",
        "else", "do", "case", "default", ":"}
HEADER = '#include "flip.h"\n'


class Node:
    """A token with the space before it, or a bracket with what is in it."""

    def __init__(self, space, word, line, inner=None, tail=""):
        self.space, self.word, self.line = space, word, line
        self.inner, self.tail = inner, tail

    def text(self):
        if self.inner is None:
            return self.space + self.word
        return self.space + self.word + text(self.inner) + self.tail


def text(nodes):
    return "".join(n.text() for n in nodes)


def read(source):
    """The tokens of a file as a tree of brackets; preprocessor lines count as space."""
    stack, space, line = [[]], "", 1
    for m in TOKEN.finditer(source):
        word = m.group()
        if m.lastgroup in ("space", "line"):
            space += word
        elif word in PAIRS:
            node = Node(space, word, line, [])
            stack[-1].append(node)
            stack.append(node.inner)
            space = ""
        elif word in PAIRS.values():
            stack.pop()
            stack[-1][-1].tail = space + word
            space = ""
        else:
            stack[-1].append(Node(space, word, line))
            space = ""
        line += word.count("\n")
    if len(stack) != 1:
        sys.exit("flip.py: brackets do not match")
    stack[0].append(Node(space, "", line))
    return stack[0]


class Flipper:
    def __init__(self, name, start):
        self.name, self.id, self.found = name, start, []
        self.function = ""

    def mutant(self, kind, line, what):
        self.id += 1
        what = re.sub(r"/\*.*?\*/", " ", what, flags=re.S)
        what = re.sub(r"\s+", " ", what).strip()
        self.found.append((self.id, f"{self.name}:{line}", self.function, kind, what))
        return self.id

    def flip(self, kind, nodes):
        if len(nodes) == 1 and nodes[0].word == "(" and has(nodes[0].inner, "&&", "||", "?"):
            return self.walk(nodes)
        if is_constant(nodes):
            return text(nodes)
        number = self.mutant(kind, nodes[0].line, text(nodes))
        return f"{nodes[0].space}bh_flip({number}, {self.expression(nodes).lstrip()})"

    def operands(self, nodes, sign):
        return f" {sign}".join(
            self.expression(part) if has(part, "&&") else self.flip(sign, part)
            for part in split(nodes, sign)
        )

    def expression(self, nodes):
        if has(nodes, "?"):
            at = index(nodes, "?")
            end = matching(nodes, at)
            return (self.flip("?", nodes[:at]) + nodes[at].text()
                    + self.expression(nodes[at + 1:end]) + nodes[end].text()
                    + self.expression(nodes[end + 1:]))
        for sign in ("||", "&&"):
            if has(nodes, sign):
                return self.operands(nodes, sign)
        return self.leaf(nodes)

    def leaf(self, nodes):
        return "".join(n.text() if n.inner is None else self.bracket(n) for n in nodes)

    def bracket(self, node):
        return node.space + node.word + self.walk(node.inner) + node.tail

    def loop(self, node):
        """for (begin; condition; step)"""
        begin, condition, step = split(node.inner, ";")
        return (node.space + "(" + self.walk(begin) + ";" + self.flip("for", condition) + ";"
                + self.walk(step) + node.tail)

    def switch(self, node, body):
        value = self.walk(node.inner)
        for at, n in enumerate(body.inner):
            if n.word == "case":
                label = text(body.inner[at + 1:index(body.inner, ":", at)]).strip()
                number = self.mutant("case", n.line, "case " + label)
                value = f"bh_uncase({number}, {label}, {value})"
        return node.space + "(" + value + node.tail

    def walk(self, nodes):
        out, since = "", 0

        def flush(end):
            return self.expression(nodes[since:end]) if end > since else ""

        i = 0
        while i < len(nodes):
            n = nodes[i]
            if n.word in ("if", "while", "for", "switch") and i + 1 < len(nodes):
                out += flush(i) + n.text()
                head = nodes[i + 1]
                if n.word == "for":
                    out += self.loop(head)
                elif n.word == "switch":
                    out += self.switch(head, nodes[i + 2])
                else:
                    out += head.space + "(" + self.flip(n.word, head.inner) + head.tail
                i, since = i + 2, i + 2
                continue
            if n.word == "{":
                self.name_of(nodes, since, i)
                out += flush(i) + self.bracket(n)
                since = i + 1
            elif n.word in ENDS and not (n.word == ":" and has(nodes[since:i], "?")):
                out += flush(i) + n.text()
                since = i + 1
            i += 1
        return out + flush(len(nodes))

    def name_of(self, nodes, since, at):
        """A body: `name (arguments) {` at the top."""
        if at - since >= 3 and nodes[at - 1].word == "(" and nodes[at - 2].inner is None:
            if re.fullmatch(r"bh_\w+", nodes[at - 2].word):
                self.function = nodes[at - 2].word


def has(nodes, *signs):
    return any(n.word in signs for n in nodes)


# bh_broken() is a constant in what ships.
def is_constant(nodes):
    parts = [text(part).strip().lstrip("!") for part in split(nodes, "&&")]
    return any(part.startswith("bh_broken(") for part in parts)


def index(nodes, sign, start=0):
    return next(i for i in range(start, len(nodes)) if nodes[i].word == sign)


def matching(nodes, at):
    deep = 0
    for i in range(at, len(nodes)):
        deep += (nodes[i].word == "?") - (nodes[i].word == ":")
        if deep == 0:
            return i
    sys.exit("flip.py: ? without :")


def split(nodes, sign):
    parts = [[]]
    for n in nodes:
        if n.word == sign:
            parts.append([])
        else:
            parts[-1].append(n)
    return parts


def main():
    tree, start = sys.argv[1], 0
    for name in sys.argv[2:]:
        with open(f"{tree}/{name}", encoding="utf-8") as f:
            source = f.read()
        flipper = Flipper(name, start)
        source = flipper.walk(read(source))
        at = source.index("#include")
        with open(f"{tree}/{name}", "w", encoding="utf-8") as f:
            f.write(source[:at] + HEADER + source[at:])
        for mutant in flipper.found:
            print("\t".join(str(field) for field in mutant))
        start = flipper.id


main()
