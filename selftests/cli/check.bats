#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What needs no agent: usage errors, check and diff of files, exit codes.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

setup() {
	B=$BUILD/bulkhead
	cd "$BATS_TEST_TMPDIR" || exit 1
	unset NO_COLOR
	export LC_ALL=C
	cat > good.yaml <<'YAML'
version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:   { match: { unit: nginx.service } }
  cache: { match: { unit: redis.service } }
allow:
  - { id: web-cache, from: web, to: cache, port: tcp/6379 }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
	sed 's/{ match: { unit: nginx/{ mtach: { unit: nginx/; s/to: cache, port/to: cahce, port/' good.yaml > bad.yaml
}

bh() {
	run --separate-stderr "$B" --control ./none "$@"
	echo "status $status, stdout: $output, stderr: $stderr"
}

says() { # status, then stdout and stderr as they must be
	[ "$status" = "$1" ]
	diff <(printf '%s' "${2:+$2$'\n'}") <(printf '%s' "${output:+$output$'\n'}")
	diff <(printf '%s' "${3:+$3$'\n'}") <(printf '%s' "${stderr:+$stderr$'\n'}")
}

# --- usage ----------------------------------------------------------------------------------------

@test "no command: usage on stderr, 2" {
	bh
	[ "$status" = 2 ]
	[ "$output" = "" ]
	[[ $stderr == "usage: bulkhead "* ]]
}

@test "help and version go to stdout, 0" {
	for words in --help -h "status --help" "--help status" "-h get" "get segments -h"; do
		# shellcheck disable=SC2086
		bh $words
		[ "$status" = 0 ]
		[ "$stderr" = "" ]
		[[ $output == "usage: bulkhead "* ]]
	done
	bh --version
	says 0 "$output" ""
	[[ $output =~ ^bulkhead\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "mistyped commands, options and words" {
	bh stauts
	says 2 "" $'error: unknown command \'stauts\'\n      = help: did you mean \'status\'?'
	bh xyzzy
	says 2 "" $'error: unknown command \'xyzzy\'\n      = help: `bulkhead --help` lists them'
	bh status --contorl=x
	says 2 "" $'error: unknown option \'--contorl\'\n      = help: did you mean \'--control\'?'
	bh get segmnts
	says 2 "" $'error: nothing to get is called \'segmnts\'\n      = help: did you mean \'segments\'?'
	bh mode obsreve
	says 2 "" $'error: unknown mode \'obsreve\'\n      = help: did you mean \'observe\'?'
	bh mode audit
	says 2 "" $'error: unknown mode \'audit\'\n      = help: observe or enforce'
	bh -o jsn status
	says 2 "" $'error: unknown output format \'jsn\'\n      = help: did you mean \'json\'?'
	bh explain web cache:htps
	says 2 "" $'error: \'htps\' is no port\n      = help: did you mean \'tcp/https\'?'
}

@test "too few and too many arguments" {
	bh explain web
	says 2 "" $'error: explain needs SRC DST[:PORT/PROTO]\n      = help: bulkhead explain [OPTION]... SRC DST[:PORT/PROTO]'
	bh status now
	says 2 "" $'error: one argument too many: \'now\'\n      = help: bulkhead status [OPTION]...'
	for command in check apply get mode diff; do
		bh $command
		[ "$status" = 2 ]
		[[ $stderr == "error: $command needs "* ]]
	done
	bh diff a b c
	[ "$status" = 2 ]
}

@test "usage errors as JSON: one object on stdout" {
	for words in "-o json stauts" "-o json status x" "-o json get x" "mode x -o json" "-o json flows -n 0"; do
		# shellcheck disable=SC2086
		bh $words
		[ "$status" = 2 ]
		[ "$stderr" = "" ]
		[ "$(json '[d["ok"], d["code"], d["data"], len(d["diags"])]' <<< "$output")" = "[false,2,{},1]" ]
	done
}

@test "a terminal is not made to obey an argument" {
	bh $'st\e[2Jtus'
	[ "$status" = 2 ]
	[[ $stderr != *$'\e'* && $stderr == *'\x1b'* ]]
	bh $'--\e[2J'
	[[ $stderr != *$'\e'* ]]
	bh get $'\xc2\x9b2J'
	[[ $stderr != *$'\x9b'* ]]
	bh check $'no\nsuch'
	[ "$status" = 1 ]
}

# --- check ----------------------------------------------------------------------------------------

@test "check: a good map" {
	bh check good.yaml
	[ "$status" = 0 ]
	[ "${lines[0]}" = "good.yaml: ok, 2 segments, 1 rule, 1 failsafe, 0 asserts" ]
	[[ ${lines[1]} =~ ^"table entries: policy="[1-9][0-9]*" addrs="[0-9]+" prefixes="[0-9]+" names="[1-9] ]]
	[[ ${lines[1]} == *"(checked without an agent"* ]]
	[ "$stderr" = "" ]
}

@test "check: every error in one pass, with its place" {
	bh check bad.yaml
	says 1 "" "bad.yaml:6:12: error: unknown key 'mtach' in a segment
    6 |   web:   { mtach: { unit: nginx.service } }
      |            ^~~~~
      = help: did you mean 'match'?
bad.yaml:9:37: error: segment 'cahce' is not defined
    9 |   - { id: web-cache, from: web, to: cahce, port: tcp/6379 }
      |                                     ^~~~~
      = help: did you mean 'cache'?"
}

@test "check: JSON" {
	bh -o json check good.yaml
	[ "$status" = 0 ]
	[ "$stderr" = "" ]
	[ "$(json '[d["ok"], d["code"], d["diags"], sorted(d["data"]["entries"])]' <<< "$output")" = \
		'[true,0,[],["addrs","globs","names","policy","prefixes","rules","users"]]' ]
	[ "$(json 'd["data"]["entries"]["policy"]' <<< "$output")" -gt 0 ]
	bh -o json check bad.yaml
	[ "$status" = 1 ]
	[ "$stderr" = "" ]
	[ "$(json '[d["ok"], d["code"], d["data"], [[f["severity"], f["line"]] for f in d["diags"]]]' <<< "$output")" = '[false,1,{},[["error",6],["error",9]]]' ]
	[ "$(json 'd["diags"][1]["help"]' <<< "$output")" = "did you mean 'cache'?" ]
}

@test "check: users and groups of elsewhere are no error" {
	users() { # yaml list
		sed "s|{ unit: redis.service }|[ { cgroup: /user.slice, user: [$1] }, { cgroup: /x.slice, group: [no-such] } ]|" good.yaml
	}
	users no-such-user > users.yaml
	bh check users.yaml
	[ "$status" = 0 ]
	[ "$stderr" = "" ]
	[[ ${lines[1]} == *" users="[1-9]* && ${lines[1]} == *"every user is taken as known)" ]]
	# two names are two people, the same name is one
	users alice,bob > two.yaml
	bh check two.yaml
	[[ ${lines[1]} == *" users=3 "* ]]
	users alice,alice > one.yaml
	bh check one.yaml
	[[ ${lines[1]} == *" users=2 "* || $stderr == *alice* ]]
}

@test "check: stdin, a pipe that takes its time, and what is no file" {
	run --separate-stderr "$B" --control ./none check - < good.yaml
	[ "$status" = 0 ]
	[ "${lines[0]}" = "<stdin>: ok, 2 segments, 1 rule, 1 failsafe, 0 asserts" ]
	run --separate-stderr "$B" --control ./none check <(sleep 0.3; cat good.yaml)
	[ "$status" = 0 ]
	bh check none.yaml
	says 1 "" "error: none.yaml: No such file or directory"
	bh check .
	says 1 "" "error: .: Is a directory"
	bh check /dev/zero
	says 1 "" "error: /dev/zero: larger than 4 MiB, the most a segment map may have"
}

@test "check: hostile files end in an error, in time and without a crash" {
	printf '' > empty
	head -c 100000 /dev/urandom > random
	printf 'version: 1\0name: x\n' > nul
	printf '\xff\xfe' > bom
	head -c 3000000 /dev/zero | tr '\0' '[' > deep
	{ printf 'a: '; head -c 3000000 /dev/zero | tr '\0' 'x'; } > long
	for f in empty random nul bom deep long; do
		run timeout 10 "$B" --control ./none check "$f"
		echo "$f: $status ${output:0:300}"
		[ "$status" = 1 ]
		[[ $output == *error:* ]]
		[[ $output != *$'\e'* ]]
		[ "${#output}" -lt 200000 ]
	done
}

@test "check: any user, no agent, no rights" {
	[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"
	command -v setpriv > /dev/null || skip "no setpriv"
	chmod 755 . && chmod 644 good.yaml
	cp "$B" bulkhead
	run setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		"$PWD/bulkhead" check - < good.yaml
	[ "$status" = 0 ]
	run setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		"$PWD/bulkhead" diff - /dev/null < good.yaml
	[ "$status" = 1 ]
}

# --- with an agent --------------------------------------------------------------------------------

@test "check: the host's view is added, where there is one" {
	cat > answers <<'JSON'
{"check": {"ok": true, "code": 0, "data": {"entries": {"policy": 17}}, "diags":
  [{"severity": "warning", "text": "nobody listens on tcp/22"}]}}
JSON
	serve say answers
	run --separate-stderr "$B" --control s check good.yaml
	[ "$status" = 0 ]
	[ "$output" = $'good.yaml: ok, 2 segments, 1 rule, 1 failsafe, 0 asserts\ntable entries: policy=17' ]
	[ "$stderr" = "warning: nobody listens on tcp/22" ]
	run --separate-stderr "$B" --control s check --offline good.yaml
	[ "$status" = 0 ]
	[ "$stderr" = "" ]
	# a map that is wrong needs no second opinion
	rm -f s.request
	run --separate-stderr "$B" --control s check bad.yaml
	[ "$status" = 1 ]
	[ ! -e s.request ]
}

@test "check: the host's errors count" {
	cat > answers <<'JSON'
{"check": {"ok": false, "code": 1, "data": {}, "diags": [{"severity": "error", "file": "good.yaml", "line": 9, "col": 5,
  "text": "does not fit here"}]}}
JSON
	serve say answers
	run --separate-stderr "$B" --control s check good.yaml
	[ "$status" = 1 ]
	[ "$output" = "" ]
	[[ $stderr == "good.yaml:9:5: error: does not fit here"* ]]
}

@test "check: an agent that may not be asked, or that hangs, is no obstacle" {
	echo '{"check": {"ok": false, "code": 1, "data": {}, "diags": [{"severity": "error", "text": "not allowed"}]}}' > answers
	serve say answers
	run --separate-stderr "$B" --control s check good.yaml
	[ "$status" = 0 ]
	[ "$stderr" = "" ]
	serve garbage
	run --separate-stderr timeout 10 "$B" --control s check good.yaml
	[ "$status" = 0 ]
	[[ $output == *"(checked without an agent"* ]]
}

# --- diff -----------------------------------------------------------------------------------------

@test "diff of two files" {
	bh diff good.yaml good.yaml
	says 0 "no difference" ""
	sed 's/tcp.6379/tcp\/6380/; s/unit: redis/unit: valkey/' good.yaml > new.yaml
	echo '  - { id: ssh, from: { cidr: [10.77.0.251/32] }, port: tcp/22 }' >> new.yaml
	bh diff good.yaml new.yaml
	[ "$status" = 3 ]
	[ "${#lines[@]}" = 3 ]
	[[ ${lines[*]} == *"~ segment cache"*"redis.service"*"valkey.service"* ]]
	[[ ${lines[*]} == *"~ rule web-cache"*"tcp/6379 -> tcp/6380"* ]]
	[[ ${lines[*]} == *"+ failsafe ssh"* ]]
	bh -o json diff good.yaml new.yaml
	[ "$status" = 3 ]
	[ "$(json '[d["ok"], d["code"], sorted(c["what"] for c in d["data"]["changes"])]' <<< "$output")" = '[false,3,["added","changed","changed"]]' ]
	bh diff good.yaml bad.yaml
	[ "$status" = 1 ]
	[[ $stderr == "bad.yaml:6:12: error:"* ]]
	bh diff good.yaml none.yaml
	says 1 "" "error: none.yaml: No such file or directory"
}

@test "diff with the enforced map needs an agent" {
	bh diff good.yaml
	[ "$status" = 1 ]
	[[ $stderr == "error: no agent at ./none:"* ]]
}

@test "the examples are good maps" {
	n=0
	for f in "$BATS_TEST_DIRNAME"/../../docs/examples/*.yaml; do
		[ -e "$f" ] || continue
		bh check "$f"
		[ "$status" = 0 ]
		n=$((n + 1))
	done
	[ $n != 0 ]
}
