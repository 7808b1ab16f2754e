/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - what is said on <runtime-dir>/control.sock: JSON, one object a line (jansson),
 * a request, then its answer. The CLI is one client of it; anything that speaks JSON may be.
 *
 *	-> {"verb":"explain","args":{"from":"web","to":"db","port":5432,"proto":"tcp"}}
 *	<- {"ok":true,"code":0,"data":{...}}
 *	<- {"ok":false,"code":3,"data":{...},"diags":[...]}
 *
 * code is the CLI's exit code: 0 ok, 1 failed, 2 usage, 3 "no" (denied, differs, degraded); ok
 * is true for 0 only. diags: [{"severity":"error|warning","file","line","col","len","text",
 * "help","source_line"}], also with ok:true (warnings). What is not known is null or absent.
 * Numbers that may pass 2^53 are strings; times are RFC 3339. One connection may ask again.
 * The CLI gives up after 2 s of silence (60 s for apply, rollback, diff, check, mode, detach and blast).
 *
 * Reading: uid 0 or group bulkhead-read. A change (C): uid 0 of the initial user namespace and
 * a caller in a login session (.scope under user.slice), in `host` or a segment with
 * `admin: true`. Every change is audited, with its argument `reason` (1 KiB), which each takes. confirm_default: true: confirm_s as the agent's settings have it. 64 KiB a request, those with text 4 MiB + 1/8 (then
 * "verb" is the first key); 32 clients, 7 of a user, the last 4 places are for who may change
 * something, 16 may follow; 5 s for a request to arrive whole and for an answer to be read on: then
 * the agent hangs up. Who may change something goes before the others.
 *
 * verb      args                                   data
 * version   -                                      version, abi, kernel, features[{name,works,effect}]
 * status    -                                      version, state (enforcing|observing|unconfirmed|emergency|no_policy|degraded),
 *                                                  unconfirmed {generation,back,broken (connections that
 *                                                  used to pass and were denied),ends_at,ends_in_s} or null,
 *                                                  generation, map {name,file,mode,sha256,applied_at,applied_by},
 *                                                  hooks[{name,mode,ok}], features, mode_cap (observe|none),
 *                                                  sessions {begun,denied,would_deny,ended,alerts} (since start),
 *                                                  events {seen,sent,lost}, cgroups {n,max,lost},
 *                                                  listeners {n,max,lost}, failsafes[{id,text,listener}],
 *                                                  sinks[{name,taken,written,lost,skipped,trouble or null}] (taken
 *                                                  = written + lost + what waits), problems[...]
 * apply (C) file, text, [dry_run], [force],        generation, changes[{what (added|removed|changed),object,detail}],
 *           [enforce], [confirm_s |                entries {policy,addrs,prefixes,names,globs,users,rules},
 *           confirm_default]                       cut (sockets destroyed), took_ms, mode_cap (observe|none);
 *                                                  code 1 with diags if refused, 3 if it was taken, says enforce
 *                                                  and only observes. force: also where it denies the caller's
 *                                                  session, or that can't be told (confirm_s is as good for that). enforce: also the first on a
 *                                                  host, and where `mode observe` is on
 * rollback (C) [generation], and as apply          as apply, and back {a row of history}: where it went back to.
 *                                                  Without generation: the map before the live one. An unconfirmed one ends. Code 3: it is
 *                                                  what is live, nothing was done
 * history   [limit]                                rows, newest first, the last limit of them: {generation,live,
 *                                                  state (live|confirmed|unconfirmed|reverted), how (apply|rollback|
 *                                                  users|mode|start), of (a rollback's generation), applied_at,
 *                                                  applied_by, file,name,mode,mode_cap,segments,rules,entries,
 *                                                  bytes,sha256}
 * diff      file, text                             changes[...]; code 3 if they differ
 * check     file, text                             entries; warnings as diags (this host's view)
 * get       what: map, [generation]                map {a row of history, text}: as it was applied
 * get       what: segments|rules|identities|workloads|listeners|reasons|quarantines|grants
 *	data is {WHAT: [...]}, as `segments` below; flows likewise {"rows": [...]}
 *	segments:   [{name,identity,mode,default{ingress,egress},match,cgroups,labels,data,description}]
 *	rules:      [{id,number,kind (allow|deny|failsafe|default),from,to,port,line,entries,packets,
 *		      bytes,mode,require,jit,until,owner,description}]
 *	identities: [{identity,name}]
 *	workloads:  [{cgroup,cgid,segment,identity,users[{user,segment}] (the first 32),n_users,
 *		      how (match|inherited|none)}]
 *	listeners:  [{address,port,proto,segment,cgroup,user,netns,sockets,flags[]}]
 *	quarantines:[{who,kind,even_failsafe,until,since,reason,by}]
 *	grants:     [{id,rule,from,to,port,user,until,since,reason,by}]
 *	reasons:    [{reason,class,text,packets,bytes}] (those that are not zero; all with args.all)
 * explain   from, to (segment, unit, cgroup path, "pid:N", address without brackets),
 *           proto: tcp|udp|udplite with port 1..65535; or "icmp/NAME", "proto/N" without one
 *	verdict (allowed|denied|would_deny), reason, text, generation, file,
 *	halves[{direction (egress|ingress),segment,peer,verdict,reason,text,rule,line,source (that
 *	line's text; line 0 for a default),mode}],
 *	nearest {rule,line,source,differs[]} or null, suggestion (a YAML rule) or null,
 *	caveats[]; code 3 if denied
 * flows     [follow], [limit], [from], [to]        rows (see below), the last limit of them (100, at most 4096), oldest first; with
 *           (segment, unit, address or prefix),    follow: the answer, then one {"event":{row}} line per record
 *           [port], [unit], [since_s], [denied],   until hang-up. denied: type deny and would_deny; audited: that, and what goes on or ends so;
 *           [audited], [allowed]                   allowed: the others; they add up. port: in the words of a map, or a number
 * blast     segment, [steps]                       generation, file, complete (false: it took too long), asked (questions),
 *	reached[{segment,via,step,where (here|elsewhere|both),ports[{port,verdict (allowed|would_deny|after_grant),
 *	egress {reason,rule,line} or null: not here, ingress}]}] by step, the first way to each; after_grant[] likewise:
 *	to what is not reached without; not_reached[names], notes[]
 * pairs     [denied], [audited], [since_s], [limit] rows, the latest first: {direction,local{segment,cgroup,uid},
 *                                                  remote{segment,ip,cgroup (of a peer on this host),inside,
 *                                                  addresses},proto,protocol,port,verdict (allowed|audited|
 *                                                  denied|error),rule,encrypted[],times,packets,bytes,first,
 *                                                  last}; matched: how many there are; table {rows,max,seen,
 *                                                  skipped,answers,forgotten,folded,lost}
 * simulate  file, text, [since_s]                 judged: how many pairs; same, and of the others: denied,
 *                                                  audited, allowed (what they would be under this map);
 *                                                  halves (other ends of these), gone (judged as their
 *                                                  segment), unknown (not judged); rows: those that
 *                                                  change, as pairs, with was and will {verdict,reason,
 *                                                  rule}. For who may change something. Code 3 if any
 *                                                  would newly be denied
 * attest    -                                      claims, bad ones first, then unknown: {claim,grade (A|B|C),
 *                                                  state (good|bad|unknown),value,source,error (errno's name)
 *                                                  or null,at,boot_ns,meaning,hint}; counts {bad,unknown,
 *                                                  good}, rounds, of the last one at and took_us, enforced
 *                                                  (false: nothing rests on it)
 * mode (C)  mode: observe|enforce, [force],        mode_cap, unconfirmed; enforce is refused like a map
 *           [confirm_s | confirm_default]          that denies the caller's session
 * confirm (C) [generation], [force]                generation, cut
 * quarantine (C) who, reason, [for_s], [even_failsafe], [force]   quarantined, cut; refused like a map if it would cut the
 *                                                  caller's session
 * release (C) who ("all"), [reason]                released, cut
 * grant (C) rule | from, to, port, [user]; for_s, [reason]   id, rule, until
 * revoke (C) id, [force], [reason]                 revoked, cut; refused as a quarantine is
 * emergency (C) action: open|close, [reason], [for_s]   until, cut, for_s
 * detach (C) yes: true                             hooks: how many were removed; then the agent exits
 * audit     [limit], [follow]                      file (path of the log), head {seq,hash} or null, pinned {seq,hash} or
 *                                                  null (as the kernel keeps it), found (how the log was tampered
 *                                                  with) or null, rows: the last limit (20, at most 1000) records,
 *                                                  oldest first, as record.h describes them. follow: then one
 *                                                  {"event":{record}} line each, as it stands in the log
 * audit_accept (C) -                               found: what was there; status forgets it, the log does not
 *
 * A flow row: {time,type (begin|deny|would_deny|update|end),verdict (allowed|denied|audited|error),direction (egress|ingress),
 * proto,local{ip,port,identity,segment,cgroup,unit,uid},remote{ip,port,identity,segment},reason,rule,generation,hook,pid,
 * comm,packets_in,bytes_in,packets_out,bytes_out (since it was last told of),suppressed (denies alike that were not told),
 * rtt_us,tcp_flags ("SAF"),encrypted (none|unknown|plain|ssh|quic|tls),begin,last}
 */
#ifndef BH_PROTO_H
#define BH_PROTO_H

/* In <runtime-dir>. The second is root's alone, so that no crowd of readers stands before him. */
#define BH_CONTROL_SOCKET  "control.sock"
#define BH_OPERATOR_SOCKET "operator.sock"

#define BH_PROTO_MAX_REQUEST (64u << 10)
#define BH_PROTO_MAX_APPLY   ((4u << 20) + (512u << 10))
#define BH_PROTO_MAX_CLIENTS 32
#define BH_PROTO_REQUEST_MS  5000
#define BH_PROTO_ASIDE_MS    30000 /* for an answer that a child makes */

/* The longest time in which a map may be confirmed, and a map's default on a terminal. */
#define BH_CONFIRM_MAX_S     86400
#define BH_CONFIRM_DEFAULT_S 300

/* What holds where the settings say nothing, and the most that they may say. */
#define BH_EMERGENCY_MAX_S     3600
#define BH_EMERGENCY_DEFAULT_S 900
#define BH_EMERGENCY_LIMIT_S   86400

/* The longest quarantine or grant that has an end. */
#define BH_HOLD_MAX_S (366 * 86400)

#define BH_EXIT_OK     0
#define BH_EXIT_FAILED 1
#define BH_EXIT_USAGE  2
#define BH_EXIT_NO     3

#endif
