# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# An administrator at the other end of a connection, for shell tests: host shop with an sshd (sshd.py),
# host outside to log in from, and maps that let him in or not. Source after host.sh.

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1

dir=$SCOPE_DIR/shop
jump=system.slice/jump.service
web=system.slice/nginx.service
scope=$SCOPE_CG/shop/user.slice/user-0.slice/session-1.scope
CLI="$BUILD/bulkhead --control $dir/run/control.sock"

# closed.yaml: nobody may log in; v4, v6 and jump.yaml: one of three ways is open; all.yaml: each is
head='version: 1
name: shop
mode: enforce
default: { ingress: deny, egress: deny }
segments:
  ssh:  { match: { unit: ssh.service } }
  jump: { match: { unit: jump.service } }
  v4:   { match: { cidr: [10.77.0.2/32] } }
  v6:   { match: { cidr: ["fd77::2/128"] } }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
'
printf '%s' "$head" > "$SCOPE_DIR/closed.yaml"
for who in v4 v6 jump "v4, v6, jump"; do
	file=$SCOPE_DIR/${who//, /-}.yaml
	printf '%sallow:\n  - { id: login, from: [%s], to: ssh, port: tcp/22 }\n' "$head" "$who" > "$file"
done
mv "$SCOPE_DIR/v4-v6-jump.yaml" "$SCOPE_DIR/all.yaml"
sed 's/^allow:/deny:\n  - { id: no-login, from: v4, to: ssh, port: tcp\/20-30 }\n&/' "$SCOPE_DIR/all.yaml" \
	> "$SCOPE_DIR/deny.yaml"

run_from() { # host cgroup("" = as the host is) address words...
	local host=$1 cg=$2
	shift 2
	if [ -n "$cg" ]; then
		unit "$host" "$cg" python3 "$SELFTESTS_LIB/sshd.py" run "$1" 22 "${@:2}" 2>&1
	else
		on "$host" python3 "$SELFTESTS_LIB/sshd.py" run "$1" 22 "${@:2}" 2>&1
	fi
}

login() { # [--drop|--wait S] command: over IPv4, from outside
	run_from outside "" 10.77.0.1 "$@"
}

apply() { # map options...: the command
	echo "$CLI apply --yes ${*:2} $SCOPE_DIR/$1"
}

status_of() { # expression over d
	bh shop -o json status | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
print('"$1"')'
}

says() { # text words...: each of them is in $out
	local text=$1 word missing=""
	shift
	for word; do
		grep -qF -- "$word" <<< "$out" || missing="$missing '$word'"
	done
	is "$text" "" "$missing"
}

generation() {
	status_of 'd["generation"]'
}

login_begin() {
	mkdir -p "$scope"
	spawn "$dir/sshd.log" shop system.slice/ssh.service python3 "$SELFTESTS_LIB/sshd.py" serve :: 22 "$scope"
	wait_for 5 login true || { tap "not ok" "the server starts"; tap_end; }
	agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }
}
