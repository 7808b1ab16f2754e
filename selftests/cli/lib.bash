# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of the command line share: a server at the other end, and JSON.

setup() {
	B=$BUILD/bulkhead
	cd "$BATS_TEST_TMPDIR" || exit 1
	unset NO_COLOR
	export LC_ALL=C.UTF-8 TZ=UTC
}

bh() {
	run --separate-stderr "$B" --control s "$@"
	# shellcheck disable=SC2154  # run sets them
	echo "status $status, stdout: $output, stderr: $stderr"
}

# A socket "s" here, see server.py. Ends with the test, or with the next one.
serve() { # mode [argument]
	[ -z "${server:-}" ] || kill "$server" 2> /dev/null || true
	rm -f s s.request
	python3 "$BATS_TEST_DIRNAME/server.py" s "$@" 3>&- &
	server=$!
	for _ in $(seq 100); do
		[ -S s ] && return
		sleep 0.05
	done
	echo "the server did not start"
	return 1
}

teardown() {
	[ -z "${server:-}" ] || kill "$server" 2> /dev/null || true
}

json() { # Python expression over d, the JSON on stdin; printed as JSON, text as it is
	python3 -c '
import json, sys
d = json.load(sys.stdin)
v = eval(sys.argv[1])
print(v if isinstance(v, str) else json.dumps(v, separators=(",", ":"), ensure_ascii=False))' "$1"
}

request() { # [expression over d]: the last request that `say` got
	json "${1:-d}" < s.request
}
