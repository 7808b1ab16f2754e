#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bulkhead doctor: what an agent's answers come to, and answers that are none. The live test is in
# selftests/e2e/doctor.sh.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

answer() { # code result text [generation]
	cat > answers <<- JSON
		{"doctor": {"ok": $([ "$1" = 0 ] && echo true || echo false), "code": $1, "data": {
		 "version": "0.1", "state": "enforcing", "generation": ${4:-5}, "cgroup_root": "/nowhere",
		 "hooks": [{"name": "xdp eth0", "mode": "native", "ok": true, "runs": 7}],
		 "nics": [{"name": "eth0", "received": 9}],
		 "checks": [{"check": "policy", "result": "ok", "text": "generation 5", "help": null},
		  {"check": "cgroup/connect4", "result": "$2", "text": "$3", "help": "wait a second"}]}}}
	JSON
}

@test "all is well" {
	answer 0 ok attached
	serve say answers
	bh doctor --quick
	[ "$status" = 0 ]
	[ "${lines[0]}" = "ok    policy                 generation 5" ]
	[ "${lines[1]}" = "ok    cgroup/connect4        attached" ]
	[ "${lines[2]}" = "what the policy needs is enforced: 2 ok, 0 warnings, 0 failed" ]
	[ "$stderr" = "" ]
}

@test "a warning is no failure" {
	answer 0 warn "it fills up"
	serve say answers
	bh doctor --quick
	[ "$status" = 0 ]
	[ "${lines[1]}" = "warn  cgroup/connect4        it fills up" ]
	[[ ${lines[2]} =~ ^\ +wait\ a\ second$ ]]
	[[ ${lines[3]} == *": 1 ok, 1 warning, 0 failed" ]]
}

@test "a failure" {
	answer 3 fail "it is missing"
	serve say answers
	bh doctor --quick
	[ "$status" = 3 ]
	[ "${lines[1]}" = "FAIL  cgroup/connect4        it is missing" ]
	[[ ${lines[3]} == "NOT ALL that the policy needs is enforced: 1 ok, 0 warnings, 1 failed" ]]
	bh -o json doctor --quick
	[ "$status" = 3 ]
	[ "$(json '[d["ok"], d["code"], d["data"]["counts"]["fail"], d["data"]["checks"][1]["result"], d["diags"]]' <<< "$output")" = '[false,3,1,"fail",[]]' ]
}

@test "no place for a canary: said, and the rest decides" {
	answer 0 ok attached
	serve say answers
	bh doctor
	[ "$status" = 0 ]
	[[ $output == *"-     canary                 not tested: can't make a cgroup below /nowhere: "* ]]
	[[ $output == *" not tested"* ]]
	# the numbers stand still
	[[ $output != *"FAIL"* ]]
}

@test "what would move the cursor is written out" {
	answer 0 ok 'a\u001b[2Jb'
	serve say answers
	bh doctor --quick
	[ "$status" = 0 ]
	[ "${lines[1]}" = 'ok    cgroup/connect4        a\x1b[2Jb' ]
}

@test "answers that are none" {
	echo '{"doctor": {"ok": true, "code": 0, "data": {}}}' > answers
	serve say answers
	bh doctor
	[ "$status" = 1 ]
	[[ $stderr == "error: what came from s is not an answer"* ]]
	echo '{"doctor": {"ok": false, "code": 1, "diags": [{"severity": "error", "text": "no reader"}]}}' > answers
	bh doctor
	[ "$status" = 1 ]
	[[ $stderr == "error: no reader"* ]]
	echo '{"doctor": {"ok": true, "code": 0, "data": {"checks": [1, null, {}], "hooks": 7, "nics": [1, {}]}}}' > answers
	bh doctor
	[ "$status" = 3 ]
	[[ $output == *" 3 failed"* ]]
	bh -o json doctor
	[ "$(json 'd["code"]' <<< "$output")" = "$status" ]
	[ "$stderr" = "" ]
	serve garbage
	bh doctor
	[ "$status" = 1 ]
}
