#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each fuzz target for T seconds, two at a time, from the corpus of the tree. What a crash was
# found with is kept in $BUILD/fuzz/found/TARGET/; with KEEP=1 (`make fuzz`) everything new is.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}") || exit 1
T=${T:-3}
KEEP=${KEEP:-}
# Targets that read files write thousands of them.
memory=/tmp
[ -w /dev/shm ] && memory=/dev/shm
TMPDIR=$(mktemp -d "$memory/bh-test-$$-fuzz-XXXXXX") || exit 1
trap 'rm -rf "$TMPDIR"' EXIT

fuzz() { # target
	local found="$BUILD/fuzz/found/$1" new="$TMPDIR/$1" log="$TMPDIR/$1.log"
	[ -z "$KEEP" ] || new=$found
	mkdir -p "$found" "$new"
	# A process that waits for its turn is slow, not stuck: a minute before an input is.
	if "$BUILD/fuzz/$1" -max_total_time="$T" -timeout=60 -rss_limit_mb=2048 -max_len=4096 \
		-artifact_prefix="$found/" -dict=selftests/fuzz/bh.dict \
		"$new" "selftests/fuzz/corpus/$1" > "$log" 2>&1; then
		echo "ok - $1: $(grep -aoE '^#[0-9]+' "$log" | tail -n 1 | tr -d '#') inputs"
	else
		echo "not ok - $1"
		grep -avE '^#[0-9]+' "$log" | tail -n 30 | tr -cd '\n\t -~' | sed 's/^/# /'
		echo "# the input: $(grep -aoE "$found/[a-z]+-[0-9a-f]+" "$log" | tail -n 1)"
	fi > "$TMPDIR/$1.tap"
}
export -f fuzz
export BUILD T KEEP TMPDIR

targets=()
for src in selftests/fuzz/*.c; do
	targets+=("$(basename "$src" .c)")
done
echo "1..${#targets[@]}"
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'fuzz {}'
cat "$TMPDIR"/*.tap
! grep -q '^not ok' "$TMPDIR"/*.tap
