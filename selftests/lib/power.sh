# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a host does that loses power again and again: it tells what it found on its disk, then makes
# changes until the power goes, each told before it is made and when it is answered. For
# fault/power.sh and vm/guest/power.sh, over host.sh; power.py judges all that was told.
#
#	say WORDS                      is theirs: to where the power cut doesn't reach
#	power_serve PORT               theirs, too: somebody who accepts, as the cache
#	power_tell                     of host shop, whose agent has started
#	power_changes N                for ever, with numbers from N on
#	power_judged FILE CUTS         TAP: was all of it as it has to be?
#
#	found WHAT STATUS OUTPUT       begin KIND N, end KIND N STATUS UNRECORDED        plain N

power_web=system.slice/nginx.service
# shellcheck disable=SC2034  # for who sources this
power_cache=system.slice/redis.service
power_report=system.slice/report.service

found() { # what command...: its status, and its output in one line
	local what=$1 out
	shift
	out=$("$@" 2>&1)
	say "found $what $? ${out//$'\n'/ }"
}

map() { # n: only its own port is open
	cat <<-YAML
		version: 1
		name: m$1
		mode: enforce
		default: { ingress: deny, egress: deny }
		segments:
		  web:   { match: { unit: nginx.service } }
		  cache: { match: { unit: redis.service } }
		allow:
		  - { id: web-cache, from: web, to: cache, port: tcp/$((7000 + $1)) }
		failsafe:
		  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
	YAML
}

change() { # kind n command...
	local kind=$1 n=$2
	shift 2
	say "begin $kind $n"
	"$@" > "$SCOPE_DIR/answer" 2>&1
	# a change that could not be recorded says so
	say "end $kind $n $? $(grep -c "is not in it" "$SCOPE_DIR/answer")"
}

put() { # n [options...]
	map "$1" > "$SCOPE_DIR/map.yaml"
	bh shop apply --yes --reason "op-$1" "${@:2}" "$SCOPE_DIR/map.yaml"
}

try() { # n
	put "$1" --confirm 1h
}

address() { # n
	echo "10.99.$(($1 / 250)).$(($1 % 250))"
}

hold() { # n
	bh shop quarantine "$(address "$1")" --reason "op-$1"
}

release() { # n
	bh shop release "$(address "$1")"
}

# A stop writes what else waits until then.
restart() {
	agent_kill shop TERM && agent_start shop ""
}

in_state() { # command... with $0 for the directory
	on shop bash -c "$1" "$SCOPE_DIR/shop/state"
}

reasons() { # of all changes in the log
	# shellcheck disable=SC2016  # for the inner shell
	in_state 'cat "$0"/audit.jsonl*' | grep -oE '"op-[0-9]+"' | tr -d '"\n' | sed 's/op-/ /g'
}

held() {
	bh shop -o json get quarantines | grep -oE '"10\.99\.[0-9]+\.[0-9]+' |
		awk -F. '!seen[$0]++ { printf " %d", $3 * 250 + $4 }'
}

tries() { # cgroup port
	# shellcheck disable=SC2016  # for the inner shell
	unit shop "$1" timeout 60 bash -c 'exec 3<> "/dev/tcp/127.0.0.1/$0"' "$2"
}

listens() { # port
	grep -qE "$(printf ':%04X 0+:0000 0A' "$1")" /proc/"$(host_pid shop)"/net/tcp{,6}
}

power_tell() {
	local port
	found status bh shop -o json status
	# it reads the files itself
	found verify on shop "$BUILD/bulkhead" --control "$SCOPE_DIR/shop/run/control.sock" audit verify
	found reasons reasons
	found held held
	found history bh shop -o json history
	# shellcheck disable=SC2016  # for the inner shell
	found plain in_state 'tail -n 1 "$0/plain"'
	# shellcheck disable=SC2016  # for the inner shell
	found aside in_state 'cd "$0" && ls | grep -E "\.bad" | tr "\n" " "'
	port=$(bh shop get map | sed -n 's|.*port: tcp/||p' | grep -m1 -oE '^[0-9]+')
	[ "${port:-22}" != 22 ] || return
	power_serve "$port"
	wait_for "${PATIENCE_S:-10}" listens "$port"
	found "open $port" tries $power_web "$port"
	found "shut $port" tries $power_report "$port"
	found "other $((port - 1))" bh shop explain web "cache:$((port - 1))/tcp"
	found "other $((port + 1))" bh shop explain web "cache:$((port + 1))/tcp"
}

power_changes() { # from
	local n held=""
	for ((n = $1;; n++)); do
		# what nobody waited for: it shows that this disk does lose what it may
		# shellcheck disable=SC2016  # for the inner shell
		in_state "echo $n >> \$0/plain"
		say "plain $n"
		case $((n % 6)) in
		1)
			change hold "$n" hold "$n"
			held="$held $n"
			;;
		3)
			change try "$n" try "$n"
			change confirm "$n" bh shop confirm
			;;
		4)
			[ "$(wc -w <<< "$held")" -gt 1 ] || continue
			change release "${held##* }" release "${held##* }"
			held=${held% *}
			;;
		5) [ $((n % 18)) = 11 ] && change restart "$n" restart ;;
		*) change map "$n" put "$n" ;;
		esac
	done
}

power_judged() { # file cuts
	local judged=$SCOPE_DIR/judged
	python3 "$SELFTESTS_LIB/power.py" "$1" > "$judged"
	grep '^#' "$judged"
	power_sum() { # word
		sed -n "s/^$1 //p" "$judged"
	}
	is "the power was cut and came back $2 times: wrong" 0 "$(power_sum wrong)"
	check "often in a change ($(power_sum within)), and after some that were answered ($(power_sum answered))" \
		[ "$(power_sum answered)" -gt "$2" ]
	check "what nobody waited for was lost ($(power_sum lost) times)" [ "$(power_sum lost)" -gt 0 ]
}
