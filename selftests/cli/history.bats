#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# history, rollback, `get map` and generations in diff, from the command line's side: what is sent,
# what is shown, and what a hostile answer can do. With a real agent: e2e/history.sh.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

bh() {
	run --separate-stderr timeout 20 prlimit --as=1000000000 "$B" --control s "$@"
	echo "status $status, stdout: $output, stderr: $stderr"
}

row() { # generation state how of mode_cap
	printf '{"generation": %s, "live": false, "state": "%s", "how": "%s", "of": %s, "mode_cap": "%s", "mode": "enforce",
  "applied_at": "2026-05-01T10:00:0%s.5Z", "applied_by": null, "file": "/etc/shop.yaml", "name": "shop", "segments": 4,
  "rules": 12, "entries": 40, "bytes": 900, "sha256": "0123"}' "$1" "$2" "$3" "$4" "$5" "$1"
}

map() { # text in JSON
	printf '{"get": {"ok": true, "code": 0, "data": {"map": {"generation": 41, "text": "%s"}}}}' "$1"
}

MAP='version: 1\nname: old\nmode: observe\ndefault: { ingress: deny, egress: deny }\nsegments: {}\n'

@test "what is sent" {
	echo '{}' > answers
	serve say answers
	bh history
	[ "$(request)" = '{"verb":"history","args":{}}' ]
	bh history --limit 7
	[ "$(request)" = '{"verb":"history","args":{"limit":7}}' ]
	bh rollback --yes
	[ "$(request)" = '{"verb":"rollback","args":{}}' ]
	bh rollback 41 --dry-run
	[ "$(request)" = '{"verb":"rollback","args":{"generation":41,"dry_run":true}}' ]
	bh rollback -y 4611686018427387904
	[ "$(request)" = '{"verb":"rollback","args":{"generation":4611686018427387904}}' ]
	bh get map
	[ "$(request)" = '{"verb":"get","args":{"what":"map"}}' ]
	bh get map live
	[ "$(request)" = '{"verb":"get","args":{"what":"map"}}' ]
	bh -o json get map 41
	[ "$(request)" = '{"verb":"get","args":{"what":"map","generation":41}}' ]
	bh diff 41 live
	[ "$(request)" = '{"verb":"get","args":{"what":"map","generation":41}}' ]
}

@test "wrong words and nobody to ask: nothing is sent" {
	echo '{}' > answers
	serve say answers
	for command in "rollback x" "rollback 0" "rollback 1.5" "rollback 4611686018427387905" "rollback 0x1" \
		"rollback ./1" "get map x" "get map 0" "diff 0 1" "diff live 0"; do
		# shellcheck disable=SC2086
		bh $command
		[ "$status" = 2 ]
		[[ $stderr == *"is no generation: it is a number from 1 on"*"\`bulkhead history\` lists"* ]]
		# shellcheck disable=SC2086
		bh $command -o json
		[ "$status" = 2 ]
		[ "$(json 'd["code"]' <<< "$output")" = 2 ]
	done
	bh rollback live --yes
	[ "$status" = 2 ]
	for command in "get rules 1" "rollback 1 2" "history 1" "get map 1 2"; do
		# shellcheck disable=SC2086
		bh $command
		[ "$status" = 2 ]
		[[ $stderr == *"one argument too many: "* ]]
	done
	for command in rollback "rollback 1" "-o json rollback"; do
		# shellcheck disable=SC2086
		bh $command < /dev/null
		[ "$status" = 2 ]
		[[ $output$stderr == *"say --yes"* ]]
	done
	[ ! -e s.request ]
}

@test "the table" {
	echo "{\"history\": {\"ok\": true, \"code\": 0, \"data\": {\"rows\": [$(row 8 live start null none),
	  $(row 7 confirmed mode null observe), $(row 6 reverted users null none), $(row 5 unconfirmed rollback 3 none),
	  $(row 4 confirmed apply null none)]},
	  \"diags\": [{\"severity\": \"warning\", \"text\": \"damaged records, which are not shown: 1\"}]}}" > answers
	serve say answers
	bh history
	[ "$status" = 0 ]
	diff - <(echo "$output") <<'TEXT'
GENERATION  STATE        WHEN                 HOW            NAME  MODE     SEGMENTS/RULES  FILE            WHO
         8  live         2026-05-01 10:00:08  start          shop  enforce            4/12  /etc/shop.yaml  -
         7  -            2026-05-01 10:00:07  mode observe   shop  capped             4/12  /etc/shop.yaml  -
         6  reverted     2026-05-01 10:00:06  users changed  shop  enforce            4/12  /etc/shop.yaml  -
         5  unconfirmed  2026-05-01 10:00:05  rollback of 3  shop  enforce            4/12  /etc/shop.yaml  -
         4  -            2026-05-01 10:00:04  applied        shop  enforce            4/12  /etc/shop.yaml  -
TEXT
	[ "$stderr" = "warning: damaged records, which are not shown: 1" ]
	bh -o json history
	[ "$(json 'd["data"]' <<< "$output")" = "$(json 'd["history"]["data"]' < answers)" ]
}

@test "rollback: where to, what changes, and the new generation" {
	cat > answers <<JSON
{"rollback": {"ok": true, "code": 0, "data": {"generation": 44, "cut": 0, "took_ms": 7, "entries": {"policy": 120},
  "back": $(row 4 confirmed apply null none),
  "changes": [{"what": "removed", "object": "rule web-db", "detail": "web -> db tcp/5432"}]}}}
JSON
	serve say answers
	bh rollback --yes
	[ "$status" = 0 ]
	[[ ${lines[0]} == "back to generation 4: /etc/shop.yaml, of "* ]]
	[ "${lines[1]}" = "- rule web-db  web -> db tcp/5432" ]
	[ "${lines[2]}" = "rolled back: generation 44, 120 policy entries, 0 connections cut, in 7 ms" ]
	bh rollback --dry-run
	[ "${lines[2]}" = "it would be accepted; nothing was applied" ]
}

@test "rollback with nothing to do" {
	cat > answers <<JSON
{"rollback": {"ok": false, "code": 3, "data": {"generation": 44, "changes": [], "back": $(row 4 confirmed apply null none)},
  "diags": [{"severity": "warning", "text": "nothing to do: the text of generation 4 is what is enforced"}]}}
JSON
	serve say answers
	for option in --yes --dry-run; do
		bh rollback 4 $option
		[ "$status" = 3 ]
		[ "$output" = "" ]
		[ "$stderr" = "warning: nothing to do: the text of generation 4 is what is enforced" ]
	done
	command -v script > /dev/null || skip "no script(1)"
	out=$(echo y | script -qec "$B --control s rollback 4; echo code \$?" /dev/null)
	[[ $out == *"nothing to do"*"code 3"* && $out != *"[y/N]"* ]]
}

@test "rollback on a terminal: asked after the changes were shown, and no is no" {
	command -v script > /dev/null || skip "no script(1)"
	echo "{\"rollback\": {\"ok\": true, \"code\": 0, \"data\": {\"generation\": 2, \"back\": $(row 4 confirmed apply null none),
	  \"changes\": [{\"what\": \"added\", \"object\": \"rule x\", \"detail\": \"\"}]}}}" > answers
	serve say answers
	out=$(echo n | script -qec "$B --control s rollback; echo code \$?" /dev/null)
	[[ $out == *"back to generation 4"*"rule x"*"Roll back? [y/N]"*"nothing was changed"*"code 1"* ]]
	[ "$(request 'd["args"]')" = '{"dry_run":true}' ]
	out=$(echo y | script -qec "$B --control s rollback 4; echo code \$?" /dev/null)
	[[ $out == *"rule x"*"Roll back? [y/N]"*"rolled back"*"generation 2"*"code 0"* ]]
	[ "$(request 'd["args"]')" = '{"generation":4}' ]
}

@test "get map: byte for byte into a pipe, and nothing that a terminal obeys" {
	map 'a: \u001b[2J\n\tb # \u202e\n\nlast' > answers
	serve say answers
	"$B" --control s get map > text
	[ "$(od -An -tx1 text | tr -d ' \n')" = "$(printf 'a: \x1b[2J\n\tb # \xe2\x80\xae\n\nlast' | od -An -tx1 | tr -d ' \n')" ]
	command -v script > /dev/null || skip "no script(1)"
	out=$(script -qec "$B --control s get map" /dev/null | tr -d '\r')
	[ "$out" = $'a: \\x1b[2J\n b # \\u202e\n\nlast' ]
}

@test "diff: generations, live and files" {
	map "$MAP" > answers
	serve say answers
	printf '%b' "${MAP/old/new}" > new.yaml
	bh diff 41 new.yaml
	[ "$status" = 3 ]
	[ "$output" = "~ map name  old -> new" ]
	bh diff new.yaml live
	[ "$output" = "~ map name  new -> old" ]
	bh -o json diff live new.yaml
	[ "$(json '[d["code"], d["data"]["changes"][0]["detail"]]' <<< "$output")" = '[3,"old -> new"]' ]
	bh diff 41 live
	[ "$status" = 0 ]
	# a file of such a name needs its path, also where the number is there
	cp new.yaml 41
	cp new.yaml live
	bh diff 41 ./41
	[ "$status" = 3 ]
	rm s.request
	bh diff ./41 ./live
	[ "$status" = 0 ]
	[ ! -e s.request ]
}

@test "diff of one generation asks for its text, then what it would change" {
	echo "$(map "$MAP" | sed 's/}$//'), \"diff\": {\"ok\": false, \"code\": 3, \"data\": {\"changes\": [
	  {\"what\": \"removed\", \"object\": \"rule x\", \"detail\": \"\"}]}}}" > answers
	serve say answers
	bh diff 41
	[ "$status" = 3 ]
	[ "$output" = "- rule x" ]
	[ "$(request 'd["args"]')" = "{\"file\":\"generation 41\",\"text\":\"$MAP\"}" ]
}

@test "a generation that is not there, or is no map any more" {
	cat > answers <<'JSON'
{"get": {"ok": false, "code": 1, "data": {}, "diags": [{"severity": "error", "text": "generation 9 is not in the history of this host",
  "help": "the last ones are 3, 2"}]}}
JSON
	serve say answers
	for command in "diff 9 live" "diff 9" "get map 9"; do
		# shellcheck disable=SC2086
		bh $command
		[ "$status" = 1 ]
		[ "$output" = "" ]
		[ "${stderr_lines[0]}" = "error: generation 9 is not in the history of this host" ]
		# shellcheck disable=SC2086
		bh -o json $command
		[ "$status" = 1 ]
		[ "$(json '[d["code"], len(d["diags"])]' <<< "$output")" = '[1,1]' ]
	done
	map 'version: 1\nname: 7\n' > answers
	serve say answers
	bh diff 41 live
	[ "$status" = 1 ]
	[[ $stderr == *"generation 41:2:7: error: "* ]]
}

@test "hostile answers of the right shape" {
	while read -r answer; do
		echo "$answer"
		printf '{"history":%s,"rollback":%s,"get":%s,"diff":%s}' "$answer" "$answer" "$answer" "$answer" > answers
		serve say answers
		for command in history "rollback --yes" "rollback --dry-run" "get map" "diff 1 2" "diff 1" "diff live"; do
			# shellcheck disable=SC2086  # several words
			bh $command
			[ "$status" -le 3 ]
			[[ $output$stderr != *$'\e'* ]]
			[[ $stderr != *Sanitizer* ]]
		done
	done <<'ANSWERS'
{"ok":true,"code":0}
{"ok":true,"code":0,"data":null}
{"ok":true,"code":0,"data":[]}
{"ok":true,"code":0,"data":{}}
{"ok":true,"code":3,"data":{}}
{"ok":false,"code":0,"data":{}}
{"ok":false,"code":3,"data":{"back":7,"changes":7}}
{"ok":true,"code":0,"data":{"rows":7,"map":7,"back":[],"changes":{}}}
{"ok":true,"code":0,"data":{"rows":[1,null,[],{}],"map":{"text":7},"back":{"generation":"x"},"changes":[null]}}
{"ok":true,"code":0,"data":{"rows":[{"generation":-1,"of":[],"how":"\u001b","state":"\u001b","applied_at":"\u001b","file":"\u001b"}],"map":{"text":"","generation":{}},"back":{"file":"\u001b","applied_by":"\u001b","applied_at":"9999999999-13-45T99:99:99Z"}}}
ANSWERS
}

@test "an agent that hangs: told, and rollback waits longer" {
	serve silent
	SECONDS=0
	bh history
	[ "$status" = 1 ]
	[ "$SECONDS" -le 6 ]
	serve slow 3
	bh get map
	[ "$status" = 1 ]
	serve slow 3
	bh rollback --yes
	[ "$status" = 0 ]
	[[ ${stderr_lines[0]} == "the agent has not answered for 2 s; waiting up to 60 s."* ]]
}
