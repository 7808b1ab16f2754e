#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `bulkhead attest` with a real agent: what it says of this host and of itself is true, what can't be
# read or lies under a mount is unknown and never good, and what changes is seen without waiting for
# the next round. Run by selftests/run.
set -uo pipefail
# shellcheck source=selftests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
need_agent

scope_begin bh-test
host_make shop && host_make outside || exit 1
host_wire shop eth1 10.77.0.1/24,fd77::1/64 outside eth1 10.77.0.2/24,fd77::2/64 || exit 1
dir=$SCOPE_DIR/shop

json() { # expression of d, the answer's data, and by, its claims by name
	bh shop attest -o json | python3 -c '
import json, sys
d = json.load(sys.stdin)["data"]
by = {r["claim"]: r for r in d["claims"]}
print(eval(sys.argv[1]))' "$1"
}

claim() { # name: "state error value"
	json "'{state} {error} {value}'.format(**by['$1'])"
}

says() { # claim regexp: of what claim() prints
	[[ $(claim "$1") =~ $2 ]]
}

hangup() {
	local before
	before=$(json 'd["rounds"]')
	kill -HUP "$(agent_pid shop)"
	# shellcheck disable=SC2317  # wait_for calls it
	looked() { [ "$(json 'd["rounds"]')" -gt "$before" ]; }
	wait_for 5 looked
}

agent_start shop eth1=auto || { tap "not ok" "the agent starts"; tap_end; }

# --- what it is like ---------------------------------------------------------------------------------

said=$(bh shop attest)
is "it answers" 0 $?
check "a table" grep -qE '^CLAIM +GRADE +STATE +VALUE +SOURCE' <<< "$said"
check "what is wrong first, then what is not known" python3 -c '
import sys
states = [l.split()[2] for l in sys.argv[1].splitlines()[1:] if len(l.split()) > 2 and l.split()[2] in ("bad", "unknown", "good")]
sys.exit(states != sorted(states, key=["bad", "unknown", "good"].index) or len(states) < 25)' "$said"
check "the sum, and that nothing rests on it" \
	grep -qE '^[0-9]+ bad, [0-9]+ unknown, [0-9]+ good, [0-9]+ s ago; nothing is enforced on it' <<< "$said"
is "what can't be read is never good" "[]" "$(json '[r["claim"] for r in d["claims"] if r["error"] and r["state"] != "unknown"]')"
is "each has a grade, a source and a time" "[]" \
	"$(json '[r["claim"] for r in d["claims"] if r["grade"] not in "ABC" or not r["source"] or not int(r["boot_ns"]) or not r["at"]]')"
is "they add up" True "$(json 'sum(d["counts"].values()) == len(d["claims"])')"
hints=$(bh shop attest --all)
check "--all says what to do" grep -q 'bulkhead apply FILE' <<< "$hints"

# --- it is true ----------------------------------------------------------------------------------------

is "a sysctl as it is" "$(cat /proc/sys/kernel/kptr_restrict)" "$(json 'by["kernel.kptr_restrict"]["value"]')"
is "the kernel's release is told, and judged by nobody" "unknown None $(uname -r)" \
	"$(claim kernel_release | cut -d' ' -f1-3)"
is "the agent that runs" "unknown None sha256:$(sha256sum < "$AGENT" | cut -d' ' -f1)" "$(claim agent_executable)"
is "no map" "bad None no map is enforced" "$(claim agent_policy)"
check "the hooks" says agent_hooks '^good None ([0-9]+) of ([0-9]+) attached'
check "the tags" says agent_programs '^unknown None [0-9]+ programs, tags sha256:'
# they are told only to who has CAP_SYS_ADMIN, which the agent gave away
is "other programs" "unknown EPERM " "$(claim bpf_programs)"
is "nobody listens" "good None none on every address" "$(claim listeners)"
check "nobody looks into it" says agent_debugger '^good None not traced'

cat > "$SCOPE_DIR/shop.yaml" <<'YAML'
version: 1
name: shop
mode: observe
default: { ingress: deny, egress: deny }
segments:
  web: { match: { unit: nginx.service } }
failsafe:
  - { from: { cidr: [10.77.0.250/32] }, port: tcp/22, description: bastion }
YAML
check "a map" bh shop apply --yes "$SCOPE_DIR/shop.yaml"
serve shop system.slice/nginx.service tcp :: 8080
listens() { hangup && says listeners '^unknown None 1 on every address: tcp/8080$'; }
check "who listens on every address" wait_for 10 listens
is "the map" "unknown None sha256:$(sha256sum < "$SCOPE_DIR/shop.yaml" | cut -d' ' -f1)" "$(claim agent_policy)"

strace -qq -o /dev/null -p "$(agent_pid shop)" 2> /dev/null &
tracer=$!
traced() { hangup && says agent_debugger "^bad None traced by pid $tracer$"; }
check "somebody looks into it" wait_for 10 traced
kill "$tracer"
wait "$tracer"
untraced() { hangup && says agent_debugger '^good'; }
check "and no more" wait_for 10 untraced

# --- what changes is seen at once ------------------------------------------------------------------------

# its own value: nothing on this machine changes
before=$(json 'd["rounds"]')
cat /proc/sys/kernel/kptr_restrict > "$SCOPE_DIR/value"
cat "$SCOPE_DIR/value" > /proc/sys/kernel/kptr_restrict
# shellcheck disable=SC2317  # check calls it
again() { [ "$(json 'd["rounds"]')" -gt "$before" ]; }
check "a sysctl that was written is read within 5 s" wait_for 5 again

echo 2 > "$SCOPE_DIR/lie"
check "a file over a sysctl" on shop mount --bind "$SCOPE_DIR/lie" /proc/sys/kernel/kptr_restrict
covered() { says kernel.kptr_restrict '^unknown EXDEV another filesystem lies over it$'; }
check "is not believed, within 5 s" wait_for 5 covered
check "and gone" on shop umount /proc/sys/kernel/kptr_restrict
uncovered() { [ "$(json 'by["kernel.kptr_restrict"]["value"]')" = "$(cat "$SCOPE_DIR/value")" ]; }
check "it is read again, within 5 s" wait_for 5 uncovered
mkdir "$SCOPE_DIR/empty"
check "a directory over all of them" on shop mount --bind "$SCOPE_DIR/empty" /proc/sys/kernel
gone() { says kernel_taint '^unknown ENOENT '; }
check "unknown" wait_for 5 gone
is "module_loading is not good because of that" True "$(json 'by["module_loading"]["state"] != "good"')"
on shop umount /proc/sys/kernel

# --- what it costs -----------------------------------------------------------------------------------------

least=999999
for _ in 1 2 3 4 5 6 7 8 9 10; do
	hangup
	took=$(json 'd["took_us"]')
	[ "$took" -lt "$least" ] && least=$took
done
echo "# a round takes $least us"
check "a round takes less than a millisecond: $least us" [ "$least" -lt 1000 ]
tap_end
