#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Maps that were enforced before: listed, compared, printed, and enforced again, seen by what a
# service may do. They outlive restarts, reboots, damage and a lost state. Run by selftests/run.
# LIMIT_S=400
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop || exit 1
on shop ip link add eth1 type veth peer name peer1
host_addr shop eth1 10.77.0.1/24
on shop ip link set eth1 up

web=system.slice/nginx.service
cache=system.slice/redis.service
report=system.slice/report.service
session=user.slice/user-0.slice/session-1.scope
dir=$SCOPE_DIR/shop
cd "$SCOPE_DIR" || exit 1

# one: web may, two: report may, three: both. No final newline: a text comes back byte for byte.
cat > one.yaml <<'YAML'
version: 1
name: one
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  web:    { match: { unit: nginx.service } }
  cache:  { match: { unit: redis.service } }
  report: { match: { unit: report.service } }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
allow:
  - { id: to-cache, from: web, to: cache, port: tcp/6379 }   # who may
YAML
sed 's/name: one/name: two/; s/from: web/from: report/' one.yaml > two.yaml
sed 's/name: one/name: three/; s/from: web/from: [web, report]/' one.yaml | head -c -1 > three.yaml

as() { # cgroup arguments of bulkhead...
	local cg=$1
	shift
	case ${1:-} in
	apply | rollback) set -- "$1" --force --enforce "${@:2}" ;;
	esac
	unit shop "$cg" "$BUILD/bulkhead" --control "$dir/run/control.sock" "$@"
}

data() { # expression over d, arguments of bulkhead...
	local expression=$1
	shift
	bh shop -o json "$@" < /dev/null | python3 -c '
import json, sys
a = json.load(sys.stdin)
d = a["data"]
print('"$expression"')'
}

may() { # when web report
	is "$1: web" "$2" "$(ask shop $web tcp 10.77.0.1 6379)"
	is "$1: report" "$3" "$(ask shop $report tcp 10.77.0.1 6379)"
}

says() { # text exit-code pattern arguments of bulkhead...
	local text=$1 code=$2 pattern=$3 out
	shift 3
	out=$(bh shop "$@" 2>&1 < /dev/null)
	is "$text: exit" "$code" $?
	if grep -q -- "$pattern" <<< "$out"; then
		tap ok "$text: '$pattern'"
	else
		tap "not ok" "$text: '$pattern'"
		echo "# ${out//$'\n'/$'\n'# }"
	fi
}

start() {
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}

# shellcheck disable=SC2317,SC2086  # called by check; plain names
lose_power() {
	agent_kill shop KILL
	on shop rm -rf "$dir/bpf/bulkhead/v3"
	[ "$(ask shop $report tcp 10.77.0.1 6379)" = answered ]
}

serve shop $cache tcp :: 6379
wait_for 5 eval "[ \"\$(ask shop $report tcp 10.77.0.1 6379)\" = answered ]" ||
	{ tap "not ok" "the server starts"; tap_end; }
start

# --- none yet -------------------------------------------------------------------------------------

says "no history yet" 0 "no map was enforced here yet" history
says "nothing to roll back to" 1 "no map is known to be enforced" rollback --yes
says "no map to print" 1 "no map is enforced here" get map

# --- three maps -----------------------------------------------------------------------------------

for map in one two three; do
	check "apply $map" as $session apply --yes "$SCOPE_DIR/$map.yaml"
done
may "three" answered answered
is "the history, newest first" "['three', 'two', 'one']" "$(data '[r["name"] for r in d["rows"]]' history)"
is "one of them is live" "[True, False, False]" "$(data '[r["live"] for r in d["rows"]]' history)"
is "by whom" True "$(data "d['rows'][0]['applied_by'].endswith(', /$session)')" history)"
is "from where" "$SCOPE_DIR/three.yaml" "$(data 'd["rows"][0]["file"]' history)"
is "how much" "3 2" "$(data '"%d %d" % (d["rows"][0]["segments"], d["rows"][0]["rules"])' history)"
is "the digest" "$(sha256sum < three.yaml | cut -d' ' -f1)" "$(data 'd["rows"][0]["sha256"]' history)"
is "the last one" "3" "$(bh shop history -n 1 | awk 'NR > 1 { print $1 }')"
is "the table" "3 live applied three enforce 3/2" \
	"$(bh shop history | awk 'NR == 2 { print $1, $2, $5, $6, $7, $8 }')"

check "the live text, byte for byte" cmp three.yaml <(bh shop get map)
check "an old one" cmp one.yaml <(bh shop get map 1)
is "its digest in JSON" "$(sha256sum < one.yaml | cut -d' ' -f1)" "$(data 'd["map"]["sha256"]' get map 1)"

says "two generations differ" 3 "~ rule to-cache *from: web -> report\$" diff 1 2
says "the other way" 3 "from: report -> web\$" diff 2 1
says "one and what is live" 3 "from: web -> report, web\$" diff 1 live
says "one and its file" 0 "no difference" diff one.yaml 1
says "what is live and a generation" 3 "from: report, web -> report\$" diff 2
is "as JSON" "['map name', 'rule to-cache']" "$(data '[c["object"] for c in d["changes"]]' diff 1 2)"

# --- back -----------------------------------------------------------------------------------------

says "a dry run" 0 "nothing was applied" rollback --dry-run
may "after a dry run" answered answered
says "nobody to ask" 2 "say --yes" rollback
out=$(as $report rollback --yes 2>&1)
is "a contained root service may not" 1 $?
check "and is told why" grep -q "login session" <<< "$out"

says "rollback" 0 "back to generation 2: $SCOPE_DIR/two.yaml, of .* ago by .*session-1" rollback --yes
may "rolled back" EPERM answered
is "as a new generation" "4 rollback 2" \
	"$(data '"%d %s %d" % tuple(d["rows"][0][k] for k in ("generation", "how", "of"))' history)"
check "with the old text" cmp two.yaml <(bh shop get map)
says "rollback again" 0 "~ rule to-cache *from: report -> web\$" rollback --yes
may "rolled back twice" answered EPERM
says "and there is no more" 1 "no other map" rollback --yes
says "to one by number" 0 "rolled back: generation 6" rollback 3 --yes
may "to the third" answered answered
says "to what is live" 3 "nothing to do: the text of generation 3" rollback 3 --yes
is "which changes nothing" 6 "$(data 'd["generation"]' status)"
is "three texts are kept" 3 "$(find "$dir/state/history" -name '*.yaml' | wc -l)"
is "each change is logged" "apply apply apply rollback rollback rollback" \
	"$(grep '"ok":true' "$dir/state/audit.jsonl" | grep -o '"verb":"[a-z]*"' | cut -d'"' -f4 | head -n 6 | xargs)"

# --- over restarts --------------------------------------------------------------------------------

check "killed" agent_kill shop KILL
start
is "a restart makes no generation" 6 "$(data 'd["rows"][0]["generation"]' history)"
check "power is lost" lose_power
start
may "after the reboot" answered answered
is "the history is there, and the start is in it" "7 start, 6 rollback, 5 rollback, 4 rollback, 3 apply, 2 apply, 1 apply" \
	"$(data '", ".join("%d %s" % (r["generation"], r["how"]) for r in d["rows"])' history)"
says "one before, still" 0 "back to generation 2" rollback --yes
may "after a reboot rolled back" EPERM answered
says "and one before that" 0 "back to generation 1" rollback --yes
may "twice" answered EPERM
check "the mode" bh shop mode observe
check "and back" bh shop mode enforce
is "are generations" "mode enforce, mode observe capped" \
	"$(bh shop history -n 2 | grep -oE 'mode (observe|enforce)|capped' | xargs | sed 's/ mode/, mode/')"

# The state is lost, not only the power: numbers do not begin anew, and the old maps can be had.
newest=$(data 'd["generation"]' status)
check "power is lost" lose_power
rm -f "$dir"/state/{state,enforced}*
start
is "no map is live" "False" "$(data 'any(r["live"] for r in d["rows"])' history)"
says "so there is none before it" 1 "say which one" rollback --yes
says "one by number" 0 "rolled back" rollback 2 --yes
may "from a lost state" EPERM answered
check "the generation only went up" [ "$(data 'd["generation"]' status)" -gt "$newest" ]

# --- damage ---------------------------------------------------------------------------------------

check "stopped" agent_kill shop TERM
echo garbage > "$dir/state/history/3"
truncate -s 10 "$dir/state/history/$(sha256sum < one.yaml | cut -d' ' -f1).yaml"
mkdir "$dir/state/history/5000"
start
check "a damaged record is told" grep -q "history/3: this is no such file of the agent, or it is damaged" "$dir/agent.log"
says "and in the list" 0 "damaged records, which are not shown: 2" history
says "a damaged text is refused" 1 "the text of generation 1 can't be had" rollback 1 --yes
says "nor printed" 1 "can't be had" get map 1
may "it goes on" EPERM answered
bh shop status > /dev/null
is "status is content" 0 $?
check "a map is taken" bh shop apply --yes one.yaml
check "which mends its text" cmp one.yaml <(bh shop get map 1)
rm -rf "$dir/state/history/5000"

# What can't be written is a warning.
on shop mount --bind "$dir/state/history" "$dir/state/history"
on shop mount -o remount,bind,ro "$dir/state/history"
says "no room for history: a warning" 0 "is not in the history: Read-only file system" apply --yes two.yaml
may "but enforced" EPERM answered
on shop umount "$dir/state/history"
check "the next is noted" bh shop apply --yes three.yaml
is "as ever" three "$(data 'd["rows"][0]["name"]' history)"

# --- wrong, huge and hostile ------------------------------------------------------------------------

says "no such generation" 1 "generation 4000 is not in the history.*" rollback 4000 --yes
says "and which there are" 1 "the last ones are [0-9]*, [0-9]*, .*bulkhead history" get map 4000
says "nor to compare" 1 "generation 4000 is not in the history" diff 4000 live
for word in 0 007x x "" 1.5 99999999999999999999 4611686018427387905 "$(printf '9%.0s' {1..5000})"; do
	says "rollback '${word:0:20}'" 2 "is no generation" rollback --yes "$word"
	says "get map '${word:0:20}'" 2 "is no generation" get map "$word"
done
says "rollback live" 2 "nothing to go back to" rollback --yes live
says "rollback -1" 2 "unknown option" rollback --yes -1
says "rollback 1 2" 2 "one argument too many: '2'" rollback --yes 1 2
says "get rules 1" 2 "one argument too many: '1'" get rules 1
says "history 1" 2 "one argument too many" history 1
says "history -n 0" 2 "needs a number from 1 on" history -n 0
says "rolback" 2 "did you mean 'rollback'" rolback
cp one.yaml 4000
says "a file called like a generation" 3 "map name" diff ./4000
says "two files, without an agent" 3 "rule to-cache" --control /none diff ./4000 two.yaml
rm 4000
is "three is live through all that" three "$(data 'd["map"]["name"]' status)"

# As large as a map may be.
{ cat one.yaml; yes "# $(printf 'x%.0s' {1..90})" | head -c 4100000; } > large.yaml
check "a map of 4 MB" bh shop apply --yes large.yaml
check "comes back" cmp large.yaml <(bh shop get map)
check "killed" agent_kill shop KILL
start
check "also from the disk" cmp large.yaml <(bh shop get map "$(data 'd["generation"]' status)")
says "and something before it" 0 "back to generation .*three.yaml" rollback --yes
may "rolled back" answered answered

# --- completion -------------------------------------------------------------------------------------

live=$(data 'd["generation"]' status)
is "completion of generations" "$live" "$(offers "$dir" rollback "$live")"
is "of get map" "$live" "$(offers "$dir" get map "$live")"
is "of diff: generations" "$live" "$(offers "$dir" diff "$live")"
is "of diff: live" live "$(offers "$dir" diff live.y li)"
is "of diff: files" one.yaml "$(offers "$dir" diff on)"
tap_end
