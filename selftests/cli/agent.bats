#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line and the socket's other end: hung, broken or hostile ones are a clear error
# within a bounded time and memory; what a good one says is shown, and sent as the protocol has it.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/cli/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

# As bh, and it must end in time; the address space is bounded too.
bounded() { # seconds arguments...
	local limit=$1
	shift
	run --separate-stderr timeout "$limit" prlimit --as=1000000000 "$B" --control s "$@"
	echo "status $status, stdout: $output, stderr: $stderr"
}

# --- nobody ---------------------------------------------------------------------------------------

@test "no socket" {
	bh status
	[ "$status" = 1 ]
	[ "$output" = "" ]
	[ "${stderr_lines[0]}" = "error: no agent at s: No such file or directory" ]
	[[ ${stderr_lines[1]} == *"systemctl status bulkhead"*"--control PATH"* ]]
}

@test "a socket that nobody serves" {
	serve silent
	kill -9 "$server"
	wait "$server" || true
	bh status
	[ "$status" = 1 ]
	[ "${stderr_lines[0]}" = "error: no agent at s: Connection refused" ]
	[[ ${stderr_lines[1]} == *"the kernel goes on with the last policy"* ]]
}

@test "no agent, as JSON" {
	bh -o json status
	[ "$status" = 1 ]
	[ "$stderr" = "" ]
	[ "$(json '[d["ok"], d["code"], d["data"], len(d["diags"]), d["diags"][0]["severity"]]' <<< "$output")" = '[false,1,{},1,"error"]' ]
}

@test "a file that is no socket, and a path that is too long" {
	echo > s
	bh status
	[ "$status" = 1 ]
	[[ $stderr == "error: no agent at s:"* ]]
	run "$B" --control "/$(printf 'x%.0s' {1..200})" status
	[ "$status" = 1 ]
	[[ $output == *"File name too long"* ]]
}

# --- silent and hostile ---------------------------------------------------------------------------

silent_within() { # seconds
	[ "$status" = 1 ]
	[ "$output" = "" ]
	[ "${stderr_lines[0]}" = "error: the agent at s has been silent for 2 s" ]
	[[ ${stderr_lines[1]} == *"bulkheadd rescue"* ]]
	[ "$SECONDS" -le "$1" ]
}

@test "an agent that never answers: told after 2 s, with what helps" {
	serve silent
	SECONDS=0
	bounded 10 status
	silent_within 4
}

@test "an agent that stops in the middle of its answer" {
	serve stuck
	SECONDS=0
	bounded 10 version
	[ "$status" = 1 ]
	[[ $stderr == "error: the agent at s has been silent for 2 s"* ]]
	[ "$SECONDS" -le 4 ]
}

@test "an agent whose backlog is full" {
	serve full
	SECONDS=0
	bounded 10 status
	silent_within 4
}

@test "an agent that does not read a large request" {
	serve deaf
	{ echo "version: 1"; yes "# $(printf 'x%.0s' {1..90})" | head -c 3000000; } > map.yaml
	SECONDS=0
	bounded 20 apply --yes map.yaml
	silent_within 5
}

@test "a slow answer: status gives up, apply says so and waits" {
	serve slow 3
	bounded 10 status
	[ "$status" = 1 ]
	serve slow 3
	echo "version: 1" > map.yaml
	bounded 10 apply --yes map.yaml
	[ "$status" = 0 ]
	[[ ${stderr_lines[0]} == "the agent has not answered for 2 s; waiting up to 60 s."* ]]
}

@test "an answer that drips and never ends" {
	serve drip
	SECONDS=0
	bounded 30 version
	[ "$status" = 1 ]
	[[ $stderr == "error: the agent's answer has no end"* ]]
	[ "$SECONDS" -le 20 ]
}

@test "100 MB: not read to the end, not kept" {
	serve huge
	bounded 20 status
	[ "$status" = 1 ]
	[[ $stderr == "error: what came from s is over 64 MiB: not an answer"* ]]
}

@test "garbage of several kinds" {
	for mode in garbage binary list empty deep; do
		serve "$mode"
		bounded 10 status
		[ "$status" = 1 ]
		[ "$output" = "" ]
		[[ $stderr == "error: what came from s is not an answer: "* ]]
		[[ $stderr != *$'\e'* ]]
	done
}

@test "an agent that hangs up" {
	serve hangup
	bounded 10 status
	[ "$status" = 1 ]
	[ "${stderr_lines[0]}" = "error: the agent hung up without an answer" ]
	serve half
	bounded 10 status
	[ "$status" = 1 ]
	[ "${stderr_lines[0]}" = "error: the agent hung up in the middle of its answer" ]
}

@test "hostile answers of the right shape" {
	while read -r answer; do
		echo "$answer"
		printf '{"status":%s,"explain":%s,"flows":%s,"get":%s,"version":%s,"audit":%s}' \
			"$answer" "$answer" "$answer" "$answer" "$answer" "$answer" > answers
		serve say answers
		for command in status version flows "explain a b:1" "explain a b" "get rules" "get workloads" audit \
			"audit verify --file x"; do
			# shellcheck disable=SC2086  # several words
			bounded 10 $command
			[ "$status" -le 3 ]
			[[ $output$stderr != *$'\e'* ]]
			[[ $stderr != *Sanitizer* ]]
		done
	done <<'ANSWERS'
{"ok":true,"code":0}
{"ok":true,"code":0,"data":null}
{"ok":true,"code":0,"data":[]}
{"ok":true,"code":0,"data":{}}
{"ok":true,"code":1,"data":{}}
{"ok":true,"code":99,"data":{}}
{"ok":false,"code":0,"data":{}}
{"ok":"yes","code":"0","data":{}}
{"ok":true,"code":0,"data":{"rows":7,"rules":{"a":1},"workloads":"x","halves":3,"hooks":"\u001b[2J","listeners":1,"file":3,"pinned":"x"}}
{"ok":true,"code":0,"data":{"rows":[1,null,[]],"rules":[[[]]],"workloads":[{"users":[1,{"user":{}}]}],"halves":[null],"hooks":[null],"listeners":[null,{"segment":"b","port":-1}]}}
{"ok":true,"code":0,"data":{"version":"\u001b]0;x\u0007","state":"\u009b2J","features":[{"name":"\u202e"}],"problems":[{"a":"\u001b"}],"rows":[{"time":"\u001b","remote":{"ip":"\u001b"},"local":[],"type":"\u001b"}]}}
{"ok":false,"code":3,"diags":[{"text":"\u001b[31mred","severity":"error"},{},7],"data":{"verdict":"\u001b","text":"\u001b","suggestion":"\u001b","nearest":{"rule":"\u001b","differs":["\u001b"],"line":1,"source":"\u001b"}}}
ANSWERS
}

# --- what it sends --------------------------------------------------------------------------------

@test "requests are as the protocol has them" {
	echo '{}' > answers
	serve say answers
	bh status
	[ "$(request)" = '{"verb":"status","args":{}}' ]
	bh get reasons --all
	[ "$(request)" = '{"verb":"get","args":{"what":"reasons","all":true}}' ]
	bh flows --denied -n 4096
	[ "$(request)" = '{"verb":"flows","args":{"limit":4096,"denied":true}}' ]
	bh flows -f
	[ "$(request)" = '{"verb":"flows","args":{"limit":10,"follow":true}}' ]
	bh flows --from web --to 10.0.0.0/8 --port tcp/443 --unit nginx --since 10m --audited --allowed
	[ "$(request)" = '{"verb":"flows","args":{"limit":4096,"since_s":600,"from":"web","to":"10.0.0.0/8","port":"tcp/443","unit":"nginx","audited":true,"allowed":true}}' ]
	bh flows -f --since 90s -n 5 -o wide
	[ "$(request)" = '{"verb":"flows","args":{"limit":5,"since_s":90,"follow":true}}' ]
	bh audit -f
	[ "$(request)" = '{"verb":"audit","args":{"limit":10,"follow":true}}' ]
	bh mode observe
	[ "$(request)" = '{"verb":"mode","args":{"mode":"observe"}}' ]
	bh mode enforce --reason "ticket 4711"
	[ "$(request)" = '{"verb":"mode","args":{"mode":"enforce","reason":"ticket 4711"}}' ]
	bh detach --yes
	[ "$(request)" = '{"verb":"detach","args":{"yes":true}}' ]
	bh detach --yes --reason moved
	[ "$(request)" = '{"verb":"detach","args":{"yes":true,"reason":"moved"}}' ]
	bh audit
	[ "$(request)" = '{"verb":"audit","args":{"limit":20}}' ]
	bh audit -n 3
	[ "$(request)" = '{"verb":"audit","args":{"limit":3}}' ]
	bh audit accept
	[ "$(request)" = '{"verb":"audit_accept","args":{}}' ]
	bh audit accept --reason seen
	[ "$(request)" = '{"verb":"audit_accept","args":{"reason":"seen"}}' ]
	bh explain nginx.service '[2001:db8::1]:53/udp'
	[ "$(request)" = '{"verb":"explain","args":{"from":"nginx.service","to":"2001:db8::1","proto":"udp","port":53}}' ]
	bh explain pid:7 web:icmp
	[ "$(request)" = '{"verb":"explain","args":{"from":"pid:7","to":"web","proto":"icmp/echo-request"}}' ]
	printf 'version: 1\nname: "gr\xc3\xbcn"\n' > map.yaml
	bh apply --dry-run map.yaml
	[ "$(request '[d["args"]["dry_run"], d["args"]["text"]]')" = '[true,"version: 1\nname: \"grün\"\n"]' ]
	[ "$(request 'd["args"]["file"]')" = map.yaml ]
	bh apply --yes --reason why map.yaml
	[ "$(request 'd["args"]["reason"]')" = why ]
	bh apply --yes map.yaml
	[ "$(request '[sorted(d["args"]), d["args"]["file"]]')" = "[[\"file\",\"text\"],\"$(realpath map.yaml)\"]" ]
}

@test "what is no text is not sent" {
	echo '{}' > answers
	serve say answers
	printf 'version: 1\xff\n' > map.yaml
	bh apply --yes map.yaml
	[ "$status" = 2 ]
	[[ $stderr == *"not UTF-8 text"* ]]
	printf 'version: 1\0\n' > map.yaml
	bh apply --yes map.yaml
	[ "$status" = 2 ]
	bh explain $'we\xffb' db:443
	[ "$status" = 2 ]
	[ ! -e s.request ]
}

@test "nobody to ask: nothing is sent" {
	echo '{}' > answers
	serve say answers
	echo "version: 1" > map.yaml
	for command in "apply map.yaml" detach "-o json apply map.yaml" "-o json detach"; do
		# shellcheck disable=SC2086
		bh $command < /dev/null
		[ "$status" = 2 ]
		[[ $output$stderr == *"say --yes"* ]]
	done
	[ ! -e s.request ]
}

# --- what it shows --------------------------------------------------------------------------------

@test "apply: changes and the new generation" {
	cat > answers <<'JSON'
{"apply": {"ok": true, "code": 0, "data": {"generation": 44, "cut": 1, "took_ms": 7, "entries": {"policy": 120},
  "changes": [{"what": "added", "object": "rule web-db", "detail": "web -> db tcp/5432"},
              {"what": "removed", "object": "segment x", "detail": ""},
              {"what": "changed", "object": "map mode", "detail": "observe -> enforce"}]},
  "diags": [{"severity": "warning", "text": "nobody listens on tcp/22", "help": "start it"}]}}
JSON
	serve say answers
	echo "version: 1" > map.yaml
	bh apply --yes map.yaml
	[ "$status" = 0 ]
	diff - <(echo "$output") <<'TEXT'
+ rule web-db  web -> db tcp/5432
- segment x
~ map mode     observe -> enforce
applied: generation 44, 120 policy entries, 1 connection cut, in 7 ms
TEXT
	diff - <(echo "$stderr") <<'TEXT'
warning: nobody listens on tcp/22
      = help: start it
TEXT
	bh apply --dry-run map.yaml
	[ "${lines[3]}" = "it would be accepted; nothing was applied" ]
}

@test "a refused map: the agent's findings, as check prints them" {
	cat > answers <<'JSON'
{"apply": {"ok": false, "code": 1, "data": {}, "diags": [{"severity": "error", "file": "bad.yaml", "line": 9, "col": 30,
  "len": 4, "text": "segment 'cash' is not defined", "help": "did you mean 'cache'?",
  "source_line": "  - { id: web-cache, from: web, to: cash, port: tcp/6379 }"}]}}
JSON
	serve say answers
	echo "version: 1" > map.yaml
	bh apply --yes map.yaml
	[ "$status" = 1 ]
	[ "$output" = "" ]
	diff - <(echo "$stderr") <<'TEXT'
bad.yaml:9:30: error: segment 'cash' is not defined
    9 |   - { id: web-cache, from: web, to: cash, port: tcp/6379 }
      |                              ^~~~
      = help: did you mean 'cache'?
TEXT
}

@test "explain: the verdict first, then both ends, the nearest rule and a way out" {
	cat > answers <<'JSON'
{"explain": {"ok": false, "code": 3, "data": {"verdict": "denied", "reason": "default_deny", "text": "no rule allows it",
  "generation": 3, "halves": [
   {"direction": "egress", "segment": "report", "peer": "cache", "verdict": "denied", "reason": "default_deny",
    "text": "no rule allows it", "rule": "default/report/egress", "line": 0, "source": "", "mode": "enforce"},
   {"direction": "ingress", "segment": "cache", "peer": "report", "verdict": "allowed", "reason": "allow",
    "text": "a rule allows it", "rule": "any-cache", "line": 9, "source": "  - { id: any-cache }", "mode": "observe"}],
  "nearest": {"rule": "web-cache", "line": 11, "source": "  - { id: web-cache, from: web }", "differs": ["from", "port"]},
  "suggestion": "- { id: report-cache, from: report, to: cache, port: tcp/6379 }",
  "caveats": ["seen through NAT"]}}}
JSON
	serve say answers
	bh explain report cache:6379/tcp
	[ "$status" = 3 ]
	diff - <(echo "$output") <<'TEXT'
report -> cache tcp/6379: DENIED: no rule allows it (default_deny), generation 3
  egress   report to cache: denied, no rule allows it (default_deny)
  ingress  cache from report: allowed, a rule allows it (allow), rule any-cache, mode observe
             9 | - { id: any-cache }
nearest rule: web-cache, differs in: from, port
            11 | - { id: web-cache, from: web }
to allow it, under `allow:`
         - { id: report-cache, from: report, to: cache, port: tcp/6379 }
note: seen through NAT
TEXT
}

@test "explain without a port: the one that is listened on, or the choice" {
	listener() { echo "{\"proto\": \"$1\", \"port\": $2, \"segment\": \"$3\", \"cgroup\": \"$4\", \"address\": \"::\"}"; }
	cat > answers <<JSON
{"get": {"ok": true, "code": 0, "data": {"listeners": [$(listener tcp 6379 cache /system.slice/redis.service),
  $(listener tcp 6379 cache /system.slice/redis.service), $(listener tcp 80 web /x/nginx.service),
  $(listener udp 443 web /x/nginx.service)]}},
 "explain": {"ok": true, "code": 0, "data": {"verdict": "allowed", "text": "a rule allows it", "reason": "allow", "generation": 1}}}
JSON
	serve say answers
	for who in cache redis.service /system.slice/redis.service; do
		bh explain web "$who"
		[ "$status" = 0 ]
		[ "$output" = "web -> $who tcp/6379: ALLOWED: a rule allows it (allow), generation 1" ]
		[ "$(request '[d["args"]["proto"], d["args"]["port"]]')" = '["tcp",6379]' ]
	done
	bh explain cache web
	[ "$status" = 2 ]
	[ "${stderr_lines[0]}" = "error: 'web' listens on several ports: tcp/80, udp/443" ]
	bh explain web db
	[ "$status" = 2 ]
	[ "${stderr_lines[0]}" = "error: nothing is known to listen as 'db'" ]
}

@test "flows: a table, and lines that go on" {
	cat > answers <<'JSON'
{"flows": {"ok": true, "code": 0, "data": {"rows": [{"time": "2026-05-01T10:00:00.5Z", "type": "deny", "direction": "ingress",
   "proto": "tcp", "local": {"ip": "10.77.0.1", "port": 6379, "segment": "cache"}, "remote": {"ip": "2001:db8::1",
   "port": 40000, "segment": "world"}, "reason": "default_deny", "rule": "default/cache/ingress", "hook": "xdp"}]}},
 "events": [{"event": {"time": "2026-05-01T10:00:01Z", "type": "begin", "direction": "egress", "proto": "udp",
   "local": {"ip": "10.0.0.1", "port": 53, "segment": "web"}, "remote": {"ip": "10.0.0.2", "port": 53, "segment": null},
   "reason": "allow", "rule": "web-dns", "hook": "sendmsg4"}}]}
JSON
	serve say answers
	bh flows
	[ "$status" = 0 ]
	diff - <(echo "$output") <<'TEXT'
TIME      WHAT    FROM                       TO                        WHY
10:00:00  denied  world [2001:db8::1]:40000  cache 10.77.0.1:6379/tcp  default_deny at xdp
TEXT
	bh flows -f
	[ "$status" = 1 ]
	[ "${stderr_lines[0]}" = "error: the agent hung up: it was stopped or restarted" ]
	[[ ${lines[2]} == "10:00:01  begin       web 10.0.0.1:53 "*" ? 10.0.0.2:53/udp "*" allow web-dns at sendmsg4" ]]
	bh flows -f -o json
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 3 ]
	[ "$(json 'd["reason"]' <<< "${lines[0]}") $(json 'd["hook"]' <<< "${lines[1]}") $(json 'd["code"]' <<< "${lines[2]}")" = "default_deny sendmsg4 1" ]
	bh flows -f -o jsonl
	[ "$(json 'd["reason"]' <<< "${lines[0]}") $(json 'd["hook"]' <<< "${lines[1]}")" = "default_deny sendmsg4" ]
}

@test "flows: every column, a row a line, and nothing that fits" {
	cat > answers <<'JSON'
{"flows": {"ok": true, "code": 0, "data": {"rows": [{"time": "2026-05-01T10:00:00.5Z", "type": "end", "verdict": "allowed",
   "direction": "egress", "proto": "tcp", "local": {"ip": "10.77.0.1", "port": 40112, "segment": "web", "unit": "nginx.service",
   "uid": 0}, "remote": {"ip": "10.77.0.2", "port": 6379, "segment": "cache"}, "reason": "allow", "rule": "web-cache",
   "generation": 7, "hook": "connect", "pid": 4711, "comm": "nginx", "packets_in": "10", "packets_out": "12",
   "bytes_in": "2048", "bytes_out": "100", "rtt_us": 1234, "tcp_flags": "FSA", "encrypted": "tls", "suppressed": 3,
   "begin": null, "last": null},
  {"time": "2026-05-01T10:00:01Z", "type": "deny", "direction": "ingress", "local": {"uid": 4294967295}}]}}}
JSON
	serve say answers
	bh flows -o wide
	[ "$status" = 0 ]
	for word in nginx.service "4711 nginx" root "web-cache" " 7 " "10 / 12" "2.0 KiB / 100 B" "1.2 ms" FSA tls; do
		[[ ${lines[1]} == *"$word"* ]] || { echo "no $word"; return 1; }
	done
	[[ ${lines[0]} == *UNIT*PROCESS*USER*RULE*GEN*RTT*TCP*ENCRYPTED*SUPPRESSED* ]]
	[[ ${lines[2]} == *denied* ]]
	bh flows -o jsonl
	[ "${#lines[@]}" = 2 ]
	[ "$(json 'd["comm"]' <<< "${lines[0]}")" = nginx ]
	echo '{"flows": {"ok": true, "code": 0, "data": {"rows": []}}}' > answers
	bh flows --from web
	[ "$stderr" = "nothing of that is remembered yet" ]
	bh flows --since tomorrow
	[ "$status" = 2 ]
	bh -o wide status
	[ "$status" = 2 ]
	[ "${stderr_lines[0]}" = "error: unknown output format 'wide'" ]
	bh flows -o wid
	[ "${stderr_lines[1]}" = "      = help: did you mean 'wide'?" ]
}

@test "status: what is wrong stands out, and the code is the agent's" {
	cat > answers <<'JSON'
{"status": {"ok": false, "code": 3, "data": {"version": "0.1.0", "state": "degraded", "generation": 43,
  "map": {"name": "shop", "file": "/etc/shop.yaml", "mode": "enforce", "sha256": "0123456789abcdef", "applied_at": null},
  "hooks": [{"name": "xdp eth0", "mode": "native", "ok": true}, {"name": "cgroup/skb_in", "mode": null, "ok": false},
    {"name": "cgroup/connect4", "mode": "attached", "ok": true}, {"name": "cgroup/connect6", "mode": "attached", "ok": true},
    {"name": "iter", "mode": "unsupported", "ok": false}],
  "sessions": {"begun": 5, "denied": 12, "would_deny": 0, "ended": 2}, "events": {"seen": "9007199254740993", "sent": 1, "lost": 6},
  "cgroups": {"n": 120, "max": 16384, "lost": 0}, "mode_cap": "observe",
  "failsafes": [{"id": "failsafe-1", "text": "tcp/22 from 10.0.9.0/28", "listener": "ssh.service"},
                {"id": "failsafe-2", "text": "tcp/23 from 10.0.9.0/28", "listener": null}],
  "problems": ["hook skb_in is missing"]}}}
JSON
	serve say answers
	bh status
	[ "$status" = 3 ]
	diff - <(echo "$output") <<'TEXT'
bulkhead 0.1.0: DEGRADED, generation 43, map "shop"
  map        /etc/shop.yaml, mode enforce, sha256 0123456789ab
  mode       capped to observe: `bulkhead mode enforce` lifts it
  hooks      xdp eth0 (native), cgroup/skb_in: missing, iter: unsupported, 2 more attached
  sessions   5 begun, 12 denied, 0 would be denied, 2 ended
  events     9007199254740993 seen, 1 told, 6 lost
  cgroups    120 of 16384
  failsafe   failsafe-1: tcp/22 from 10.0.9.0/28, reaches ssh.service
             failsafe-2: tcp/23 from 10.0.9.0/28, nobody listens there
  problem    hook skb_in is missing
Look at the 12 denied: bulkhead flows --denied
TEXT
	bh -o json status
	[ "$status" = 3 ]
	# word for word what the agent said, and all four keys
	[ "$(json 'd["data"]' <<< "$output")" = "$(json 'd["status"]["data"]' < answers)" ]
	[ "$(json 'sorted(d)' <<< "$output")" = '["code","data","diags","ok"]' ]
}

@test "colour and width: on a terminal only" {
	command -v script > /dev/null || skip "no script(1)"
	echo '{"get": {"ok": true, "code": 0, "data": {"identities": [{"identity": 16, "name": "web"}]}}}' > answers
	serve say answers
	out=$(TERM=xterm script -qec "$B --control s get identities" /dev/null)
	[[ $out == *$'\e['* ]]
	out=$(TERM=xterm NO_COLOR=1 script -qec "$B --control s get identities" /dev/null)
	[[ $out == *web* && $out != *$'\e['* ]]
	bh get identities
	[ "$output" = $'ID  NAME\n16  web' ]
}

@test "apply on a terminal: asked after the changes were shown, and no is no" {
	command -v script > /dev/null || skip "no script(1)"
	echo '{"apply": {"ok": true, "code": 0, "data": {"generation": 2, "changes": [{"what": "added", "object": "rule x", "detail": ""}]}}}' > answers
	serve say answers
	echo "version: 1" > map.yaml
	out=$(echo n | script -qec "$B --control s apply map.yaml; echo code \$?" /dev/null)
	[[ $out == *"rule x"*"Apply? [y/N]"*"nothing was changed"*"code 1"* ]]
	[ "$(request '"dry_run" in d["args"]')" = true ]
	out=$(echo y | script -qec "$B --control s apply map.yaml; echo code \$?" /dev/null)
	[[ $out == *"rule x"*"Apply? [y/N]"*"applied"*"generation 2"*"code 0"* ]]
	[ "$(request '"dry_run" in d["args"]')" = false ]
}

@test "a full disk under stdout is an error" {
	[ -e /dev/full ] || skip "no /dev/full"
	run bash -c '"$1" --help > /dev/full' sh "$B"
	[ "$status" = 1 ]
	[[ $output == *"No space left on device"* ]]
}

# --- streams that are closed ----------------------------------------------------------------------

# The next file to be opened would be the agent's socket, or the map.
@test "a closed stdin, stdout or stderr is not the agent's socket" {
	echo "version: 1" > map.yaml
	serve slow 3
	run bash -c '"$1" --control s apply --yes map.yaml 2>&-' closed "$B"
	[ "$status" = 0 ]
	for _ in $(seq 100); do
		[ -e s.rest ] && break
		sleep 0.05
	done
	[ -e s.rest ] && [ ! -s s.rest ]

	run --separate-stderr bash -c '"$1" --control s --version >&-' closed "$B"
	[ "$status" = 1 ]
	[ "$stderr" = "error: stdout: Bad file descriptor" ]
	run --separate-stderr bash -c '"$1" check --offline - <&-' closed "$B"
	[ "$status" = 1 ]
	[ "$stderr" = "error: <stdin>: Bad file descriptor" ]
}
