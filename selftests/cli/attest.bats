#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# attest from the command line's side: what is sent, what is shown, and what a hostile answer can do.
# With a real agent: e2e/attest.sh.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

answers() {
	cat > answers <<'JSON'
{"attest": {"ok": true, "code": 0, "data": {"claims": [
 {"claim": "time_sync", "grade": "B", "state": "bad", "value": "not synchronised", "source": "adjtimex", "error": null,
  "meaning": "the clock is right", "hint": "start chrony"},
 {"claim": "auditd", "grade": "B", "state": "unknown", "value": "", "source": "NETLINK_AUDIT", "error": "EPERM",
  "meaning": "audit is on", "hint": "start auditd"},
 {"claim": "kernel.kptr_restrict", "grade": "B", "state": "unknown", "value": "another filesystem lies over it",
  "source": "/proc/sys/kernel/kptr_restrict", "error": "EXDEV", "meaning": "hidden", "hint": "set it"},
 {"claim": "swap_encrypted", "grade": "C", "state": "good", "value": "\u001b[2Jnone", "source": "/proc/swaps",
  "error": null, "meaning": "memory stays off disks", "hint": "use zram"}],
 "counts": {"bad": 1, "unknown": 2, "good": 1}, "rounds": "7", "took_us": 400, "at": "2021-01-01T00:00:00Z", "enforced": false}}}
JSON
	serve say answers
}

@test "what is sent, and shown" {
	answers
	bh attest
	[ "$status" = 0 ]
	[ "$(request)" = '{"verb":"attest","args":{}}' ]
	[[ ${lines[0]} =~ ^CLAIM\ +GRADE\ +STATE\ +VALUE\ +SOURCE ]]
	[[ ${lines[1]} =~ ^time_sync\ +B\ +bad\ +not\ synchronised\ +adjtimex$ ]]
	[[ ${lines[2]} =~ ^auditd\ +B\ +unknown\ +EPERM\ +NETLINK_AUDIT$ ]]
	[[ ${lines[3]} =~ ^kernel.kptr_restrict\ +B\ +unknown\ +EXDEV:\ another\ filesystem ]]
	[[ $output == *'x1b[2Jnone'* && $output != *$'\e'* ]]
	[[ $output == *"1 bad, 2 unknown, 1 good, "*" days ago; nothing is enforced on it"* ]]
	[[ $output != *chrony* ]]
}

@test "--all: what it means, and what to do where it is not good" {
	answers
	bh attest --all
	[ "$status" = 0 ]
	[[ $output == *"time_sync (B): the clock is right"*"not synchronised, by adjtimex"*"start chrony"* ]]
	[[ $output == *"auditd (B): audit is on"*"EPERM, by NETLINK_AUDIT"* ]]
	[[ $output != *"use zram"* && $output != *$'\e'* ]]
}

@test "-o json is the agent's answer" {
	answers
	bh attest -o json
	[ "$status" = 0 ]
	[ "$(json '[c["claim"] for c in d["data"]["claims"]], d["data"]["enforced"]' <<< "$output")" = \
		'[["time_sync","auditd","kernel.kptr_restrict","swap_encrypted"],false]' ]
}

@test "no agent, too much on the line, and answers that are none" {
	bh attest extra
	[ "$status" = 2 ]
	echo '{"attest": {"ok": false, "code": 1, "diags": [{"severity": "error", "text": "is not looked at"}]}}' > answers
	serve say answers
	bh attest
	[ "$status" = 1 ]
	[[ $stderr == *"is not looked at"* ]]
	for data in '{}' '{"claims": 7}' '{"claims": [1, null, {}, []], "counts": "x", "at": 7}'; do
		echo "{\"attest\": {\"ok\": true, \"code\": 0, \"data\": $data}}" > answers
		bh attest
		[ "$status" = 0 ]
		[[ $output == *"0 bad, 0 unknown, 0 good"* ]]
		bh attest -a
		[ "$status" = 0 ]
	done
}
