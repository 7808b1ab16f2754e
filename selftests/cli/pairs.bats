#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# pairs, suggest, simulate, report and tighten from the command line's side: what is sent, what is
# shown, and what a hostile answer can do. With a real agent: e2e/pairs.sh, e2e/tighten.sh.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

# An agent with one map since long ago, and what was seen under it.
answers() { # rows-of-pairs [text-of-the-map] [simulate-answers-ok]
	python3 - "$@" <<'PY' > answers
import json, sys
TEXT = """version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
  db: { match: { unit: db.service } }
allow:
  - { id: web-db, from: web, to: db, port: [tcp/5432, tcp/5433] }
  - { id: idle, from: db, to: web, port: tcp/80, owner: ops }
failsafe: [ { from: { cidr: [192.0.2.1/32] }, port: tcp/22 } ]
"""
rows = json.loads(sys.argv[1])
text = sys.argv[2] if len(sys.argv) > 2 and sys.argv[2] else TEXT
good = lambda data: {"ok": True, "code": 0, "data": data}
at = "2020-01-01T00:00:00Z"
rule = lambda id, line, packets: {"id": id, "number": line, "line": line, "kind": "allow", "packets": packets, "bytes": "0",
                                  "owner": "ops" if id == "idle" else None, "description": None, "mode": None, "until": [], "jit": []}
print(json.dumps({
    "pairs": good({"rows": rows, "matched": len(rows), "table": {"rows": len(rows)}}),
    "get": good({"map": {"generation": 3, "text": text}, "rules": [rule("web-db", 9, "70"), rule("idle", 10, "0")]}),
    "history": good({"rows": [{"generation": 3, "applied_at": at, "sha256": "a"}]}),
    "simulate": good({"rows": [], "judged": 1, "same": 1, "denied": 0, "audited": 0, "allowed": 0, "unknown": 0, "gone": 0})
                if len(sys.argv) < 4 else {"ok": False, "code": 1, "diags": [{"severity": "error", "text": "may not"}]}}))
PY
	serve say answers
}

seen() { # port last rule
	printf '{"direction": "egress", "local": {"segment": "web", "cgroup": "/system.slice/nginx.service", "uid": 0},
 "remote": {"segment": "db", "ip": null, "cgroup": "/system.slice/db.service", "inside": true, "addresses": 1}, "proto": "tcp",
 "protocol": 6, "port": %s, "verdict": "allowed", "rule": "%s", "encrypted": [], "times": "5", "packets": "9", "bytes": "99",
 "first": "2021-01-01T00:00:00Z", "last": "%s"}' "$1" "$3" "$2"
}

@test "pairs: what is sent, and shown" {
	answers "[$(seen 5432 2021-05-01T10:00:00Z web-db)]"
	bh pairs --denied --audited --since 7d -n 5
	[ "$(request)" = '{"verb":"pairs","args":{"denied":true,"audited":true,"since_s":604800,"limit":5}}' ]
	[[ ${lines[1]} =~ ^web\ nginx.service\ +db\ db.service\ +tcp/5432\ +allowed\ +web-db ]]
	answers "[$(seen 5432 2021-05-01T10:00:00Z '\u001b[2J'), 1, null, {}, []]"
	bh pairs
	[ "$status" = 0 ]
	[[ $output == *'x1b[2J'* && $output != *$'\e'* ]]
	answers '[]'
	bh pairs
	[ "$stderr" = "nothing of the kind was seen yet" ]
}

@test "simulate: what is sent, and the exit code" {
	echo '{"simulate": {"ok": true, "code": 3, "data": {"rows": [], "judged": 7, "same": 6, "denied": 1, "audited": 0, "allowed": 0}}}' > answers
	serve say answers
	echo hello > map
	bh simulate --since 1h map
	[ "$status" = 3 ]
	[ "$(request 'd["args"]["text"], d["args"]["since_s"]')" = '["hello\n",3600]' ]
	[[ $output == "of 7 pairs that were seen: 1 would newly be denied"* ]]
	bh simulate
	[ "$status" = 2 ]
}

@test "suggest: nothing seen, and hostile rows" {
	answers '[]'
	bh suggest
	[ "$status" = 1 ]
	[[ $stderr == *"nothing was seen yet"* ]]
	answers "[$(seen 5432 2021-05-01T10:00:00Z web-db)]"
	bh suggest --since 30d
	[ "$status" = 0 ]
	bh check --offline - <<< "$output"
	[ "$status" = 0 ]
}

@test "report: the least recently used first, never and since when" {
	answers "[$(seen 5432 2021-05-01T10:00:00Z web-db)]"
	bh report
	[ "$status" = 0 ]
	[[ ${lines[1]} =~ ^idle\ +allow\ +10\ +never\ +0\ +at\ least\ .*gen.\ 3\ .*ops ]]
	[[ ${lines[2]} =~ ^web-db\ +allow\ +9\ +[0-9]+\ days\ ago\ +70 ]]
	[[ $stderr == *"a history that begins "*"(2021-01-01T00:00:00Z)"* ]]
	bh report -o json
	[ "$(json '[(r["rule"], r["last"], r["times"], r["since"]["or_before"]) for r in d["data"]["rows"]]' <<< "$output")" = \
		'[["idle",null,0,true],["web-db","2021-05-01T10:00:00Z",5,true]]' ]
	bh report extra
	[ "$status" = 2 ]
	# packets that the history does not tell of are not "never"
	answers '[]'
	bh report
	[[ $output == *"web-db "*"not in the history"* ]]
	[[ $stderr == *"the history is empty"* ]]
}

@test "tighten: a diff that patch takes, with why" {
	answers "[$(seen 5432 "$(date -u +%FT%TZ)" web-db), 1, null, {}]"
	"$B" --control s tighten > diff
	[ "$(request 'd["verb"], d["args"]["since_s"]')" = '["simulate",604800]' ]
	python3 -c 'import json; print(json.load(open("answers"))["get"]["data"]["map"]["text"], end="")' > map.yaml
	cp map.yaml tight.yaml
	patch --fuzz=0 tight.yaml diff
	[ "$(diff map.yaml tight.yaml)" = "9,10c9
<   - { id: web-db, from: web, to: db, port: [tcp/5432, tcp/5433] }
<   - { id: idle, from: db, to: web, port: tcp/80, owner: ops }
---
>   - { id: web-db, from: web, to: db, port: [tcp/5432] }" ]
	grep -qE '^@@ -6,6 \+6,5 @@ rule web-db: used for 1 port since .*; rule idle: never used' diff
	bh tighten -o json
	[ "$(json '[(p["rule"], p["line"], p["what"], p["was"], p["would_be"]) for p in d["data"]["proposals"]]' <<< "$output")" = \
		'[["web-db",9,"narrow_ports","tcp/5432, tcp/5433","tcp/5432"],["idle",10,"remove","  - { id: idle, from: db, to: web, port: tcp/80, owner: ops }",null]]' ]
}

@test "tighten: all rules gone is an empty list, and a last line without an end" {
	answers "[$(seen 5432 2021-05-01T10:00:00Z other)]" $'version: 1\nname: x\nmode: enforce\ndefault: { ingress: deny, egress: deny }\nsegments:\n  web: { match: { unit: a.service } }\n  db: { match: { unit: b.service } }\nfailsafe: [ { from: { cidr: [192.0.2.1/32] }, port: tcp/22 } ]\nallow:  # who may\n- id: idle\n  from: web\n  to: db\n  port: tcp/1'
	"$B" --control s tighten > diff
	python3 -c 'import json; print(json.load(open("answers"))["get"]["data"]["map"]["text"], end="")' > map.yaml
	patch --fuzz=0 map.yaml diff
	[ "$(tail -1 map.yaml)" = "allow: []  # who may" ]
	bh check --offline map.yaml
	[ "$status" = 0 ]
}

@test "tighten: nothing untried, nothing from nothing" {
	answers "[$(seen 5432 2021-05-01T10:00:00Z other)]" "" refused
	bh tighten
	[ "$status" = 1 ]
	[ -z "$output" ]
	[[ $stderr == *"may not"* ]]
	answers '[]'
	bh tighten
	[ "$status" = 0 ]
	[[ $output == *"# note: the history is empty"*"# there is nothing to tighten"* ]]
	# a map that changed the rule yesterday: too young
	answers "[$(seen 5432 2021-05-01T10:00:00Z other)]"
	sed -i "s/2020-01-01T00:00:00Z/$(date -u +%FT%TZ)/" answers
	bh tighten
	[[ $output == *"in the map for less than 168 h: 2 rules"*"# there is nothing to tighten"* ]]
	for bad in '{"get": 7}' '{"get": {"ok": true, "code": 0, "data": {"map": {"text": "version: 7"}}}}'; do
		echo "$bad" > answers
		bh tighten
		[ "$status" = 1 ]
		bh report
		[ "$status" = 1 ]
	done
}
