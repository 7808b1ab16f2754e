#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `bulkhead audit`: the table, logs that were tampered with while no agent is there, and heads of one
# that is. Every kind of tampering at every line: unit/control_chain.c; with an agent: e2e/audit.sh.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

chain() { # how many records: audit.jsonl
	python3 - "$1" <<-'PY'
	import hashlib, json, sys
	prev = "0" * 64
	with open("audit.jsonl", "w") as f:
	    for i in range(1, int(sys.argv[1]) + 1):
	        line = {"seq": i, "prev": prev, "time": "2026-05-01T10:00:00Z"}
	        line |= {"by": "agent", "event": "begin", "older": 0, "keep": 8} if i == 1 else {
	            "by": "root", "verb": "mode", "args": {"mode": "observe"}, "ok": i != 3, "error": "no\x1b[31m",
	            "reason": "ticket 4711", "loginuid": 0, "tty": "pts/3", "generation": "7", "counts": {"cut": 2}}
	        text = json.dumps(line, separators=(",", ":"))
	        prev = hashlib.sha256(text.encode()).hexdigest()
	        f.write(text[:-1] + ',"hash":"' + prev + '"}\n')
	PY
}

head_of_log() { # [line]
	tail -n "+${1:-1}" audit.jsonl | tail -n 1 | json '[d["seq"], d["hash"]]'
}

agent_knows() { # seq hash
	printf '{"audit":{"ok":true,"code":0,"data":{"file":"%s","head":{"seq":"%s","hash":"%s"},"pinned":{"seq":"%s","hash":"%s"},"rows":[]}}}' \
		"$PWD/audit.jsonl" "$1" "$2" "$1" "$2" > answers
	serve say answers
}

@test "the table" {
	chain 4
	bh audit --file audit.jsonl
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^SEQ\ +TIME\ +WHO\ +WHAT\ +GEN\ +RESULT\ +REASON$ ]]
	[[ ${lines[1]} =~ agent\ +begin ]]
	[[ ${lines[2]} =~ "root (pts/3)"\ +"mode observe"\ +7\ +cut=2\ +"ticket 4711" ]]
	# what somebody's error would do to the terminal
	[[ ${lines[3]} == *"failed: no"* ]]
	[[ $output != *$'\e'* ]]
	bh audit --file audit.jsonl -n 1
	[ "${#lines[@]}" = 2 ]
	bh -o json audit --file audit.jsonl -n 2
	[ "$(json '[r["seq"] for r in d["data"]["rows"]]' <<< "$output")" = "[3,4]" ]
}

@test "whole" {
	chain 4
	bh audit verify --file audit.jsonl
	[ "$status" = 0 ]
	[[ ${lines[0]} == "ok, 4 records in 1 file, 1 to 4, held against nothing but itself" ]]
	[[ $stderr == *"no audit.head beside"* ]]
	bh -o json audit verify --file audit.jsonl
	[ "$(json '[d["ok"], d["code"], d["data"]["records"], d["data"]["last"]["seq"], d["data"]["findings"]]' <<< "$output")" = '[true,0,4,4,[]]' ]
	[ "$stderr" = "" ]
}

@test "tampered with" {
	chain 5
	sed -i '3s/observe/enforce/; 4d' audit.jsonl
	bh audit verify --file audit.jsonl
	[ "$status" = 3 ]
	[[ ${lines[0]} == "tampered: audit.jsonl:3: edited, 4 records"* ]]
	[[ $stderr == *"audit.jsonl:3:1: error: edited: record 3 is not what its hash was made of"* ]]
	[[ $stderr == *"audit.jsonl:4:1: error: removed: record 4 is missing in front of record 5"* ]]
	bh -o json audit verify --file audit.jsonl
	[ "$status" = 3 ]
	[ "$(json '[d["ok"], [[f["kind"], f["line"], f["seq"]] for f in d["data"]["findings"]]]' <<< "$output")" = '[false,[["edited",3,3],["removed",4,5]]]' ]
}

@test "half a line at the end" {
	chain 3
	truncate -s -20 audit.jsonl
	bh audit verify --file audit.jsonl
	[ "$status" = 0 ]
	[[ $stderr == *"bytes are half a line"* ]]
}

@test "no log, and none that may be read" {
	bh audit verify --file audit.jsonl
	[ "$status" = 1 ]
	[[ $stderr == *"audit.jsonl: there is no audit log"* ]]
	bh audit --file audit.jsonl
	[ "$status" = 1 ]
	mkdir audit.jsonl
	bh audit verify --file audit.jsonl
	[ "$status" = 1 ]
}

@test "the agent knows more" {
	chain 5
	read -r seq hash < <(head_of_log | tr -d '[]"' | tr ',' ' ')
	agent_knows "$seq" "$hash"
	bh audit verify --file audit.jsonl
	[ "$status" = 0 ]
	[[ $output == *"held against the pinned map"* ]]
	sed -i '$d' audit.jsonl
	bh audit verify
	[ "$status" = 3 ]
	[[ $stderr == *"audit.jsonl:4:1: error: cut: the log ends with record 4, and the pinned map knows of record 5"* ]]
	# another log is none of its business
	mkdir other
	cp audit.jsonl other/
	bh audit verify --file other/audit.jsonl
	[ "$status" = 0 ]
	# all of it is gone
	rm audit.jsonl
	bh audit verify
	[ "$status" = 3 ]
	[[ $stderr == *"there is no record, and the pinned map knows of record 5"* ]]
}

@test "no such word" {
	bh audit verfy
	[ "$status" = 2 ]
	[[ $stderr == *"did you mean 'verify'?"* ]]
	bh audit zzzzzz
	[ "$status" = 2 ]
	[[ $stderr == *"verify, accept, or nothing"* ]]
}
