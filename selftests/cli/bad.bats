#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every command that --help lists, with arguments and options as they must not be: exit 2 before
# any agent is asked, nothing on stdout, and one line that names what is wrong. A new command or
# option is tested from the day it is there.

setup() {
	B=$BUILD/bulkhead
	[ -x "$B" ]
	cd "$BATS_TEST_TMPDIR" || return 1
}

commands() {
	"$B" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

usage() { # command: what stands behind its options
	"$B" "$1" --help | sed -nE "s/^usage: bulkhead $1 \[OPTION\]\.\.\. ?//p"
}

valued() { # command: its long options that take a value
	"$B" "$1" --help | sed -nE 's/^ +(-[a-zA-Z], +)?(--[a-z-]+) [A-Z].*/\2/p'
}

flags() { # command: those that take none
	"$B" "$1" --help | sed -nE 's/^ +(-[a-zA-Z], +)?(--[a-z-]+)(  .*|$)/\2/p'
}

refused_as_text() { # what the error must name, arguments...
	local names=$1 err out code
	shift
	out=$("$B" --control /nonexistent "$@" 2> err < /dev/null) && code=0 || code=$?
	err=$(grep -c "error: " err) || true
	if [ "$code" != 2 ] || [ -n "$out" ] || [ "$err" != 1 ] || ! grep -qF -- "$names" err; then
		echo "bulkhead ${*:0:200}: exit $code, stdout '${out:0:200}', stderr:"
		cut -c1-300 err
		return 1
	fi
}

# Also as JSON: one object on stdout, of code 2.
refused() { # what the error must name, arguments...
	local out code
	refused_as_text "$@" || return 1
	shift
	out=$("$B" --control /nonexistent -o json "$@" 2> err < /dev/null) && code=0 || code=$?
	[ "$code" = 2 ] && python3 -c '
import json, sys
d = json.loads(sys.argv[1])
assert d["ok"] is False and d["code"] == 2 and d["diags"][0]["text"], d' "$out"
}

@test "there are commands, options and flags at all" {
	[ "$(commands | wc -l)" -ge 20 ]
	[ "$(for c in $(commands); do valued "$c"; done | sort -u | wc -l)" -ge 6 ]
	[ "$(for c in $(commands); do flags "$c"; done | sort -u | wc -l)" -ge 6 ]
}

@test "an option that is not there" {
	for c in $(commands); do
		refused no-such-option "$c" --no-such-option
		refused no-such-option "$c" --no-such-option=x
		refused Q "$c" -Q
	done
}

@test "too many arguments, and very long ones" {
	long=$(head -c 100000 /dev/zero | tr '\0' x)
	for c in $(commands); do
		refused "" "$c" a b c d e f g h i j k l
		refused "" "$c" a b c d e f g h i j k "$long"
	done
	refused unknown "$long"
	refused unknown ""
	refused unknown $'a\nb'
	refused unknown $'\xff\xfe'
}

@test "an argument that is needed" {
	for c in $(commands); do
		case $(usage "$c") in
		"" | \[*) ;;
		*) refused "$c" "$c" ;;
		esac
	done
}

@test "an option without its value" {
	for c in $(commands); do
		for o in $(valued "$c"); do
			refused "$o" "$c" "$o"
		done
	done
}

@test "a flag with a value" {
	for c in $(commands); do
		for o in $(flags "$c"); do
			refused "$o" "$c" "$o=yes"
		done
	done
}

@test "numbers and times that are none" {
	for c in $(commands); do
		for o in $("$B" "$c" --help | sed -nE 's/^ +(-[a-zA-Z], +)?(--[a-z-]+) (N|TIME|GENERATION|SECONDS|DURATION)( .*|$)/\2/p'); do
			for v in "" x -1 1.5 0x10 99999999999999999999 1e3 "5 m" $'1\n' "10mm" \
				"$(head -c 70000 /dev/zero | tr '\0' 9)"; do
				refused "$o" "$c" "$o=$v"
			done
		done
	done
}

@test "a format that is not there" {
	for c in $(commands); do
		refused_as_text xml "$c" -o xml
		refused_as_text "" "$c" -o ""
	done
}
