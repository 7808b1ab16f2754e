#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tests notice bugs: a sample of those that `make mutants` tries, some branches taken the other
# way and some planted bugs, the same for everybody; BH_SEED=n draws others. Run by selftests/run. LIMIT_S=300
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
export BUILD
seed=${BH_SEED:-1795800450}
flips=$BUILD/mutants/sample-flips.log planted=$BUILD/mutants/sample-planted.log
bad=0

result() { # number status text log
	if [ "$2" = 0 ]; then
		echo "ok $1 - $3"
	else
		echo "not ok $1 - $3"
		bad=1
	fi
	sed 's/^[^#]/# &/' "$4"
}

mkdir -p "$BUILD/mutants"
selftests/mutants/run --planted --sample 2 --seconds 10 --jobs 1 --seed "$seed" > "$planted" 2>&1 &
pid=$!
selftests/mutants/run --flips --sample 6 --seconds 15 --jobs 1 --seed "$seed" > "$flips" 2>&1
result 1 $? "a branch taken the other way is noticed" "$flips"
wait "$pid"
result 2 $? "a planted bug is noticed" "$planted"
echo "1..2"
exit $bad
