#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# selftests/run itself: failures, crashes, lost tests, hangs and leftovers all count.

setup() {
	TOP=$PWD
	cd "$BATS_TEST_TMPDIR" || exit 1
	mkdir -p selftests/unit selftests/net build/test/unit tools/check
	cp "$TOP/selftests/run" selftests/
	export BUILD=build SELFTESTS_RUNNING=1
	unset TIERS LIMIT_S
}

unit() { # name script: a "test program"
	: > "selftests/unit/$1.c"
	printf '#!/bin/sh\n%s\n' "$2" > "build/test/unit/$1"
	chmod +x "build/test/unit/$1"
}

go() {
	run selftests/run
	echo "$output"
	last=${lines[-1]}
}

@test "TAP results are counted one by one" {
	unit good 'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b"'
	unit bad 'echo 1..2; echo "ok 1 - a"; echo "not ok 2 - b"; exit 1'
	go
	[ "$status" = 1 ]
	[ "$last" = "3 passed, 1 failed, 0 skipped" ]
}

@test "all good is exit 0" {
	unit good 'echo 1..1; echo "ok 1 - a"'
	go
	[ "$status" = 0 ]
	[ "$last" = "1 passed, 0 failed, 0 skipped" ]
}

@test "a crash after good results is a failure" {
	unit crash 'echo 1..1; echo "ok 1 - a"; kill -SEGV $$'
	go
	[ "$status" = 1 ]
	[ "$last" = "1 passed, 1 failed, 0 skipped" ]
}

@test "tests that were planned and did not run are a failure" {
	unit lost 'echo 1..3; echo "ok 1 - a"'
	go
	[ "$status" = 1 ]
	[ "$last" = "1 passed, 1 failed, 0 skipped" ]
}

@test "a hang ends at the limit" {
	unit hang 'sleep 60'
	LIMIT_S=1 go
	[ "$status" = 1 ]
	[[ $output == *"no end within 1 s"* ]]
}

@test "cmocka's skip is a skip, and nothing but skips is no success" {
	unit skipped 'echo 1..1; echo "not ok 1 # SKIP a"'
	go
	[ "$status" = 1 ]
	[ "$last" = "0 passed, 0 failed, 1 skipped" ]
}

@test "exit 77 skips with the reason that was printed" {
	unit skipped 'echo needs a moon; exit 77'
	go
	[[ $output == *"needs a moon"* ]]
	[ "$last" = "0 passed, 0 failed, 1 skipped" ]
}

@test "no tests at all is a failure" {
	go
	[ "$status" = 1 ]
	[ "$last" = "0 passed, 0 failed, 0 skipped" ]
}

@test "a root test that leaves a process behind fails" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	echo 'sleep 61 & exit 0' > selftests/net/messy.sh
	go
	[ "$status" = 1 ]
	[[ $output == *"left behind:processes: sleep"* ]]
	[ "$last" = "1 passed, 1 failed, 0 skipped" ]
}

@test "a root test that leaves a directory behind fails, and it is removed" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	dir=/tmp/bh-test-999999999
	echo "mkdir $dir" > selftests/net/messy.sh
	go
	[ "$status" = 1 ]
	[[ $output == *"left behind: $dir"* ]]
	[ ! -e "$dir" ]
}

@test "a test may say that it takes longer, and a tier runs alone" {
	unit slow 'sleep 2'
	echo '/* LIMIT_S=20 */' > selftests/unit/slow.c
	mkdir -p selftests/net
	printf 'exit 1\n' > selftests/net/bad.sh
	LIMIT_S=1 TIERS=unit go
	[ "$status" = 0 ]
	[ "$last" = "1 passed, 0 failed, 0 skipped" ]
}
