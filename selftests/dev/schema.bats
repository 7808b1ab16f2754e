#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The published JSON Schema judges the sample maps as the parser does (selftests/unit/
# policy_schema.c holds the same samples, and the lists of keys, against the parser).

setup() {
	schema=tools/schema/segment-map.schema.json
	maps=selftests/unit/maps
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
