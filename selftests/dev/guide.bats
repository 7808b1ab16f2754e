#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What holds docs/getting-started.md to the truth (selftests/lib/guide.py) fails where it has to.

setup() {
	G=$BATS_TEST_DIRNAME/../lib/guide.py
	cd "$BATS_TEST_TMPDIR" || return 1
	python3 "$G" shell s 3>&- &
	shell=$!
	for _ in $(seq 100); do
		[ -S s ] && break
		sleep 0.05
	done
	cat > good.md <<-'END'
		# A guide
		```console
		$ echo one; echo two
		one
		two
		$ true
		```
		    $ echo not run
		```console
		$ date -u +%FT%TZ
		2026-05-04T09:12:33Z
		$ read -r -p 'Sure? [y/N] ' a; echo "$a, $(tty | sed 's/[0-9]*$//')"
		Sure? [y/N] y
		y, /dev/pts/
		$ ssh shop-1 echo again
		echo again
		```
		the end
	END
}

teardown() {
	kill "$shell" 2> /dev/null || true
}

walk() { # file
	run python3 "$G" walk "$1" s echo
	echo "$output"
}

@test "what is so, passes" {
	walk good.md
	[ "$status" = 0 ]
	[ "${lines[-1]}" = 1..5 ]
}

@test "another output fails, with both" {
	sed 's/^two$/three/' good.md > bad.md
	walk bad.md
	[ "$status" = 1 ]
	[ "${lines[0]}" = "not ok 1 - bad.md:3: echo one; echo two" ]
	[[ $output == *"# - three"*"# + two"* ]]
	[ "$(grep -c '^not ok' <<< "$output")" = 1 ]
}

@test "a line less or more fails" {
	sed '/^two$/d' good.md > bad.md
	walk bad.md
	[ "$status" = 1 ]
}

@test "so does output of a command that has none" {
	sed 's/^\$ true$/&\nx/' good.md > bad.md
	walk bad.md
	[ "$status" = 1 ]
}

@test "and a new login that says something else" {
	sed 's/^echo again$/echo never/' good.md > bad.md
	walk bad.md
	[ "$status" = 1 ]
}

@test "no commands are no guide" {
	echo "# A guide" > bad.md
	walk bad.md
	[ "$status" = 1 ]
}

@test "GUIDE=write puts it right, and touches nothing else" {
	sed 's/^two$/three\nfour/; /^one$/d; s/^2026.*/x/' good.md > bad.md
	GUIDE=write walk bad.md
	[ "$status" = 0 ]
	cmp good.md bad.md
}
