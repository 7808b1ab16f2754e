#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The published JSON Schemas judge the sample maps and settings as the parser does (selftests/unit/
# policy_schema.c holds the same samples, and the lists of keys, against the parser).

setup() {
	schema=tools/schema/segment-map.schema.json
	maps=selftests/unit/maps
	of_settings=tools/schema/settings.schema.json
	settings=selftests/unit/settings
}

judge() {
	run /usr/bin/python3 selftests/dev/schema.py "$@"
	echo "$output"
}

@test "the schema takes the good maps" {
	judge "$schema" good "$maps"/good/*.yaml
	[ "$status" = 0 ]
}

@test "the schema refuses the bad maps, but for those that it says it can't" {
	judge "$schema" bad "$maps"/bad/*.yaml
	[ "$status" = 0 ]
}

@test "the schema takes the good settings, and those that come with the package" {
	judge "$of_settings" good "$settings"/good/*.yaml tools/systemd/bulkhead.yaml
	[ "$status" = 0 ]
}

@test "the schema refuses the bad settings, but for those that it says it can't" {
	judge "$of_settings" bad "$settings"/bad/*.yaml
	[ "$status" = 0 ]
}

@test "neither schema takes what is for the other" {
	judge "$of_settings" good "$maps"/good/admin-jit.yaml
	[ "$status" = 1 ]
	judge "$schema" good "$settings"/good/all.yaml
	[ "$status" = 1 ]
}

@test "a schema that takes everything is noticed" {
	echo '{}' > "$BATS_TEST_TMPDIR/all.json"
	judge "$BATS_TEST_TMPDIR/all.json" bad "$maps"/bad/*.yaml
	[ "$status" = 1 ]
}

@test "a schema that takes nothing is noticed" {
	echo 'false' > "$BATS_TEST_TMPDIR/none.json"
	judge "$BATS_TEST_TMPDIR/none.json" good "$maps"/good/*.yaml
	[ "$status" = 1 ]
}

@test "the schema of flows takes what the agent writes, whatever the names" {
	run bash -o pipefail -c "'${BUILD:-build}/test/unit/telemetry_json' --lines |
		/usr/bin/python3 selftests/dev/flow_schema.py tools/schema/flow.schema.json -"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "alert=18 begin=19 deny=19 end=18 update=18 would_deny=18" ]
}

@test "the schema of flows refuses what is none" {
	"${BUILD:-build}/test/unit/telemetry_json" --lines | head -n 1 > "$BATS_TEST_TMPDIR/good"
	for edit in 's/"type":"begin"/"type":"began"/' 's/"pid":[0-9]*,//' 's/"src":{/"src":{"x":1,/' \
		's/"port":[0-9]*/"port":65536/' 's/"ip":"10[^"]*"/"ip":"10.0.0.256"/' 's/}$//' \
		's/"verdict":"[a-z]*"/"verdict":"allow"/' 's/"reporter":"dst"/"reporter":"src"/'; do
		sed "$edit" "$BATS_TEST_TMPDIR/good" > "$BATS_TEST_TMPDIR/bad"
		run cmp "$BATS_TEST_TMPDIR/good" "$BATS_TEST_TMPDIR/bad"
		[ "$status" = 1 ]
		run /usr/bin/python3 selftests/dev/flow_schema.py tools/schema/flow.schema.json "$BATS_TEST_TMPDIR/bad"
		echo "$edit: $output"
		[ "$status" = 1 ]
	done
}
