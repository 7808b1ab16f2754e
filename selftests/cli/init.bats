#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bulkhead init on whatever machine this is, without an agent: what it writes and where. What stands
# in the map: unit/cli_init and e2e/init.

bats_require_minimum_version 1.5.0

setup() {
	# shellcheck source=selftests/cli/lib.bash
	. "$BATS_TEST_DIRNAME/lib.bash"
	cd "$BATS_TEST_TMPDIR" || exit 1
	export LC_ALL=C
}

B() {
	"$BUILD/bulkhead" --control "$BATS_TEST_TMPDIR/none" "$@"
}

@test "a map of this machine, and check takes it" {
	B init > map.yaml 2> err
	grep -qx 'mode: observe' map.yaml
	B check --offline map.yaml
	# findings are no part of it
	run ! grep -q '^warning' map.yaml
}

@test "to a file, and never over one unless that is said" {
	run B init map.yaml
	[ "$status" = 0 ]
	[[ $output == *"map.yaml: "*"; it observes"* ]]
	echo mine > map.yaml
	run B init map.yaml
	[ "$status" = 1 ]
	[[ $output == *"error: map.yaml is there already"*"--force writes over it"* ]]
	[ "$(cat map.yaml)" = mine ]
	run B init --force map.yaml
	[ "$status" = 0 ]
	B check --offline map.yaml
	[ "$(echo map.yaml*)" = map.yaml ]
}

@test "a link that leads nowhere is a file that is there" {
	ln -s nowhere map.yaml
	run B init map.yaml
	[ "$status" = 1 ]
	[ ! -e nowhere ]
}

@test "- is stdout" {
	B init - 2> err | head -n 1 | grep -q '^# A first segment map'
	[ ! -e - ]
}

@test "where nothing can be written nothing is" {
	run B init nowhere/map.yaml
	[ "$status" = 1 ]
	[[ $output == *"error: nowhere/map.yaml: No such file or directory"* ]]
}

@test "json: the same facts and the text" {
	B -o json init > answer
	[ "$(json 'd["ok"]' < answer)" = true ]
	[ "$(json 'sorted(d["data"])' < answer)" = '["failsafe","failsafe_why","file","map","rules","segments","unseen"]' ]
	json 'd["data"]["map"]' < answer > map.yaml
	B check --offline map.yaml
	rules=$(json 'len([r for r in d["data"]["rules"] if not r["off"]])' < answer)
	B -o json check --offline map.yaml | json 'd["ok"]' | grep -qx true
	[ "$(grep -c '^  - { id: ' map.yaml || true)" = "$rules" ]
}

@test "json: an error is an answer, too" {
	touch map.yaml
	run B -o json init map.yaml
	[ "$status" = 1 ]
	[ "$(json '[d["ok"], d["code"], d["diags"][0]["text"]]' <<< "$output")" = '[false,1,"map.yaml is there already"]' ]
}

@test "a root that is none" {
	run B init --cgroup-root /nonexistent
	[ "$status" = 1 ]
	[[ $output == *"error: /nonexistent: No such file or directory"* ]]
	run B init --cgroup-root
	[ "$status" = 2 ]
	run B init a b
	[ "$status" = 2 ]
}
