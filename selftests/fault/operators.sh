#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two operators at once: maps, modes and holds of both at the same moment. Each is answered; who is
# refused hears why and changed nothing; what is enforced is one map, whole. Run by selftests/run.
# LIMIT_S=300
# shellcheck disable=SC2317  # called by name
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=selftests/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
need_agent

scope_begin bh-test
fault_host shop || exit 1
dir=$SCOPE_DIR/shop
agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
check "a map is taken" apply shop one

generation() {
	status_of shop 'd["generation"]'
}

changes() { # as the history and the audit log tell them: "taken recorded"
	bh shop -o json history | python3 -c '
import json, sys
print(len(json.load(sys.stdin)["data"]["rows"]), end=" ")'
	bh shop -o json audit | python3 -c '
import json, sys
print(json.load(sys.stdin)["data"]["head"]["seq"])'
}

# Both begin at the same moment; what they say and their exit codes are in a and b.
both() { # "words of one" "words of the other"
	local words more
	read -ra words <<< "$1"
	read -ra more <<< "$2"
	(bh shop "${words[@]}" > "$dir/a" 2>&1; echo "exit $?" >> "$dir/a") &
	(bh shop "${more[@]}" > "$dir/b" 2>&1; echo "exit $?" >> "$dir/b") &
	wait
}

# 0 or 3: it was done. 1 or 2: it says why.
answered() {
	local file
	for file in "$dir/a" "$dir/b"; do
		case $(tail -n 1 "$file") in
		"exit 0" | "exit 3") ;;
		"exit 1" | "exit 2") grep -q "error: ." "$file" || { cat "$file"; return 1; } ;;
		*) cat "$file"; return 1 ;;
		esac
	done
}

taken() { # how many were
	grep -cxE "exit [03]" "$dir/a" "$dir/b" | awk -F: '{ n += $2 } END { print n }'
}

round() { # text "words of one" "words of the other": ten times
	local bad="" before after
	for _ in $(seq 10); do
		before=$(changes)
		both "$2" "$3"
		answered || bad+="no answer; "
		after=$(changes)
		# each is a record, refused or not, and what was taken is in the history
		[ $((${after#* } - ${before#* })) = 2 ] || bad+="records $before -> $after; "
		case $(whole shop) in one | two) ;; *) bad+="$(whole shop); " ;; esac
		bad+=$(past shop)
	done
	is "$1" "" "$bad"
}

one=$dir/one.yaml two=$dir/two.yaml
round "two maps" "apply --yes $one" "apply --yes $two"
round "a map and a rollback" "apply --yes $two" "rollback --yes"
both "apply --yes $one" "apply --yes --confirm 60s $two"
round "two that confirm" "confirm" "confirm"
bh shop confirm > /dev/null 2>&1
round "two that go back" "rollback --yes" "rollback --yes"

before=$(generation)
both "quarantine report.service --reason one" "quarantine report.service --reason two"
check "two that cut the same unit off are answered" answered
is "it is cut off once" 1 "$(bh shop -o json get quarantines | grep -c '"who"')"
both "release report.service" "release report.service"
check "two that release it are answered" answered
is "one of them did" 1 "$(taken)"
is "and it is free" 0 "$(bh shop -o json get quarantines | grep -c '"who"')"
is "no map was touched by that" "$before" "$(generation)"
tap_end
