#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the commands that show who talks to whom make of an agent's answers: blast, top and graph.
# The server at the other end is cli/server.py.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

@test "blast: a tree, what a grant opens, and what is not reached" {
	cat > answers <<'JSON'
{"blast": {"ok": true, "code": 0, "data": {"segment": "web", "generation": 7, "complete": true, "reached": [
  {"segment": "cache", "via": "web", "step": 1, "ports": [
    {"port": "tcp/6379", "verdict": "allowed", "egress": {"reason": "allow", "rule": "web-cache"}, "ingress": {"reason": "allow", "rule": "web-cache"}},
    {"port": "udp/53", "verdict": "would_deny", "egress": {"reason": "default_deny", "rule": "default/web/egress"}, "ingress": null}]},
  {"segment": "world", "via": "web", "step": 1, "ports": [
    {"port": "any", "verdict": "allowed", "egress": {"reason": "default_allow", "rule": "default/web/egress"}, "ingress": null}]},
  {"segment": "db", "via": "cache", "step": 2, "ports": [
    {"port": "tcp/5432", "verdict": "allowed", "egress": {"reason": "allow", "rule": "out"}, "ingress": {"reason": "failsafe", "rule": "in"}}]}],
  "after_grant": [{"segment": "vault", "via": "db", "step": 3, "ports": [
    {"port": "tcp/8200", "verdict": "after_grant", "egress": {"reason": "grant_missing", "rule": "ops"}, "ingress": null}]}],
  "not_reached": ["vault", "host"], "notes": ["a note"]}}}
JSON
	serve say answers
	bh blast web --steps 3
	[ "$status" = 0 ]
	[ "$(request)" = '{"verb":"blast","args":{"segment":"web","steps":3}}' ]
	diff - <(echo "$output") <<'TEXT'
web: reaches 3 segments, 2 in one step (generation 7)

web
├─ cache        tcp/6379  web-cache
│               udp/53    only observed: default_deny
│  └─ db        tcp/5432  out, then in failsafe
└─ world        any       default allow

after a grant:
   vault from db  tcp/8200  ops grant_missing

not reached: vault, host

note: a note
TEXT
	LC_ALL=C bh blast web
	[[ $output == *"|- cache"*"|  \`- db"*"\`- world"* ]]
	bh blast
	[ "$status" = 2 ]
	bh blast web --steps 0
	[ "$status" = 2 ]
}

@test "top: words that are none, and an agent that goes" {
	bh top --by segmnt
	[ "$status" = 2 ]
	[ "${stderr_lines[1]}" = "      = help: did you mean 'segment'?" ]
	bh top --sort size --once
	[ "$status" = 2 ]
	[[ $stderr == *"bytes, packets, flows or denied"* ]]
	bh top -n 0
	[ "$status" = 2 ]
	bh top -n 4000
	[ "$status" = 2 ]
	bh top --once -o json
	[ "$status" = 1 ]
	[ "$(json 'd["ok"]' <<< "$output")" = false ]
	serve hangup
	bh top
	[ "$status" = 1 ]
}

@test "top: hostile rows, and names that would move the cursor" {
	cat > answers <<'JSON'
{"flows": {"ok": true, "code": 0, "data": {"rows": [1, null, [], {}, {"type": 7, "time": "x", "local": []},
  {"type": "deny", "verdict": "denied", "direction": "ingress", "time": "9999-01-01T00:00:00Z", "proto": "tcp",
   "pid": 5, "comm": "x\u001b[31m\nroot",
   "local": {"segment": "a\u001b[2Jb", "port": 1}, "remote": {"segment": "\u202e"}, "suppressed": -5}]}},
 "events": [{"event": 7}, {"event": {"type": "begin"}}, {}]}
JSON
	serve say answers
	bh top --once
	[ "$status" = 0 ]
	[[ $output == *'x1b[2Jb'* ]]
	[[ $output != *$'\e'* ]]
	bh top
	[ "$status" = 1 ]
	[[ $output != *$'\e'* ]]
	bh top -o json
	[ "$status" = 1 ]
	[[ ${lines[-1]} == '{"ok":false'* ]]
	# a process names itself
	bh flows -o wide
	[ "$status" = 0 ]
	[[ $output == *'5 x'*'x1b[31m'*root* ]]
	[[ $output != *$'\e'* ]]
}

# Rows of 30 segments, each word of them hostile to some format.
many() {
	python3 - <<'PY'
import json
names = [f"s{i}" for i in range(26)] + ['a"b', "<&>", "x]|;#", "\u4e2d\u6587", "\u001b[2J"]
rows = []
for i in range(90):
    kind = ["end", "deny", "would_deny"][i % 7 % 3]
    rows.append({"type": kind, "verdict": {"end": "allowed", "deny": "denied", "would_deny": "audited"}[kind],
                 "direction": "egress", "time": "2026-05-01T10:00:00Z", "proto": "tcp", "bytes_in": str(10 ** (i % 9)),
                 "local": {"segment": names[i * 7 % 31], "port": 40000 + i},
                 "remote": {"segment": names[i * 11 % 29], "port": 1000 + i * i % 400}})
ok = {"ok": True, "code": 0}
print(json.dumps({"pairs": {**ok, "data": {"rows": [], "table": {"rows": 0}}}, "flows": {**ok, "data": {"rows": rows}}}))
PY
}

@test "graph: thirty segments, and names hostile to each format" {
	many > answers
	serve say answers
	for format in svg dot mermaid json; do
		"$B" --control s graph -o $format > graph.$format
		"$B" --control s graph -o $format | cmp - graph.$format
		run grep -q $'\e' graph.$format
		[ "$status" = 1 ]
	done
	python3 "$BATS_TEST_DIRNAME/../lib/svg.py" graph.svg > texts
	for name in 'a"b' '<&>' 'x]|;#' '\x1b[2J' s0 s25; do
		grep -qxF "$name" texts || { echo "no $name"; return 1; }
	done
	grep -qF '"x#93;#124;#59;#35;"' graph.mermaid
	command -v dot > /dev/null || skip "no graphviz"
	dot -Tsvg graph.dot > drawn.svg
	[ "$(grep -c ' -> ' graph.dot)" = "$(grep -c 'class="edge' drawn.svg)" ]
}

@test "graph: the history first, each conversation inside of the host once" {
	cat > answers <<'JSON'
{"pairs": {"ok": true, "code": 0, "data": {"table": {"rows": 3}, "rows": [1, {"local": 1}, {"direction": "egress"},
  {"direction": "egress", "local": {"segment": "web"}, "remote": {"segment": "cache", "inside": true}, "proto": "tcp", "port": 6379,
   "verdict": "allowed", "packets": "10", "bytes": "1000"},
  {"direction": "ingress", "local": {"segment": "cache"}, "remote": {"segment": "web", "inside": true}, "proto": "tcp", "port": 6379,
   "verdict": "allowed", "packets": "10", "bytes": "1000"},
  {"direction": "ingress", "local": {"segment": "web"}, "remote": {"segment": "world", "ip": "192.0.2.7"}, "proto": "tcp", "port": 80,
   "verdict": "error", "packets": "1", "bytes": "60"}]}}}
JSON
	serve say answers
	bh graph -o json --since 7d
	[ "$(request)" = '{"verb":"pairs","args":{"since_s":604800}}' ]
	[ "$(json '[(e["from"], e["to"], e["ports"], e["verdict"], e["bytes"]) for e in d["data"]["edges"]]' <<< "$output")" = \
		'[["web","cache",["tcp/6379"],"allowed",1000],["world","web",["tcp/80"],"denied",60]]' ]
	# an empty answer about the last seconds is no empty history
	echo '{"pairs": {"ok": true, "code": 0, "data": {"table": {"rows": 3}, "rows": []}}}' > answers
	bh graph --since 1s
	[ "$status" = 0 ]
	[ "$stderr" = "nobody has talked yet" ]
}

@test "graph: nothing, one, a circle, and hostile rows" {
	echo '{"pairs": {"ok": true, "code": 0, "data": {"rows": [], "table": {"rows": 0}}}, "flows": {"ok": true, "code": 0, "data": {"rows": []}}}' > answers
	serve say answers
	bh graph
	[ "$status" = 0 ]
	[ "$stderr" = "nobody has talked yet" ]
	for rows in '' '1, null, [], {}' '{"local": {"segment": "a"}, "remote": {"segment": "a"}, "proto": "tcp"}' \
		'{"local": {"segment": "a"}, "remote": {"segment": "b"}}, {"local": {"segment": "b"}, "remote": {"segment": "a"}}'; do
		echo "{\"pairs\": {\"ok\": true, \"code\": 0, \"data\": {\"rows\": [], \"table\": {\"rows\": 0}}}, \"flows\": {\"ok\": true, \"code\": 0, \"data\": {\"rows\": [$rows]}}}" > answers
		"$B" --control s graph -o svg > graph.svg
		python3 "$BATS_TEST_DIRNAME/../lib/svg.py" graph.svg
		"$B" --control s graph -o dot > graph.dot
		"$B" --control s graph -o mermaid > graph.mermaid
	done
	bh graph --since 10m
	[ "$(request)" = '{"verb":"flows","args":{"limit":4096,"since_s":600}}' ]
	bh graph -o svgg
	[ "$status" = 2 ]
	[ "${stderr_lines[1]}" = "      = help: did you mean 'svg'?" ]
}
