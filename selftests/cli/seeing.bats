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
}
