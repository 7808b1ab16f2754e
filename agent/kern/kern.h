/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern.h - the kernel side as the agent sees it. The only room that knows libbpf.
 *
 * Protocol of a commit (DESIGN section 1.6, evidence: an outer-slot update waits for a grace
 * period, so does not the flip):
 *	1 drain: a grace period since the last flip has passed (done in the background)
 *	2 new inner tables, filled, behind the idle outer slots; bh_sides[idle]
 *	3 the walk: every cgroup's meaning on the idle side
 *	4 flip: bh_ctl.gen = gen + 1, one aligned store
 */
#ifndef BH_KERN_H
#define BH_KERN_H

#include <sys/types.h>
#include "../policy/compile.h"
#include "../../include/bh_held.h"
#include "../../include/bh_reason.h"

struct bh_kern;

enum bh_nic_mode {
	BH_NIC_OFF,
	BH_NIC_AUTO,
	BH_NIC_NATIVE,
	BH_NIC_GENERIC,
	BH_NIC_TC,
	BH_NIC_OUT, /* lo: what leaves comes in there, and each is judged at its socket */
};

struct bh_kern_opts {
	const char *pin_dir;	 /* .../v<ABI>/{maps,links,progs} is made below it, 0700 */
	const char *cgroup_root; /* a directory of a cgroup2 mount */
	struct bh_limits limits;
	__u32 max_cgroups, max_listeners, ring_bytes; /* 0 = default */
	__u32 without;	 /* bit i: as if the kernel lacked name i of bh_kern_optional() */
	__u64 gen_floor; /* the next generation is above it: state on disk outlives the pins */
	void *ctx;
	/* Called from bh_kern_poll() for each record of the ring. */
	void (*on_event)(void *ctx, const struct bh_event *ev);
};

struct bh_feature {
	const char *name; /* "tcx", "sock_destroy", "cgroup_mkdir" ... */
	bool works;
	const char *effect; /* what is lost without it, and what is used instead */
};

struct bh_hook_state {
	char name[32]; /* "cgroup/connect4", "xdp eth0" */
	char mode[16]; /* "attached", "native", "generic", "tcx", "clsact", "missing" */
	bool ok;
	__u64 runs; /* of its program, while the kernel counts: BPF_ENABLE_STATS. A program on
		     * several devices has one count */
};

/**
 * bh_kern_open - adopt what is pinned, or load afresh
 *
 * Pinned maps and links of this ABI are reused (those of another: see bh_kern_relieve()); programs are loaded anew and swapped into
 * the pinned links by bpf_link_update, so there is no gap. Fails closed: on error nothing
 * that was pinned has changed. Links are held by fd as well as by pin.
 * Return: 0, -EPERM (a capability is missing), -EOPNOTSUPP (kernel), -EEXIST (a pinned map
 * has another layout), ...; @d says which program, map or hook and what to do.
 */
int bh_kern_open(const struct bh_kern_opts *opts, struct bh_diags *d, struct bh_kern **ret);
/* Lets go of fds. Enforcement stays: everything is pinned. */
void bh_kern_close(struct bh_kern *k);
BH_DEFINE_CLEANUP(struct bh_kern *, bh_kern_close)

/*
 * Attach the cgroup hooks, sockops and tracing, and pin what is not pinned. Idempotent; adopted
 * links are updated. Goes on with the others when one fails; the first error is returned.
 */
int bh_kern_attach(struct bh_kern *k, struct bh_diags *d);
/* Walk the cgroup tree: new cgroups get their meaning. For kernels that don't tell of them. */
int bh_kern_walk(struct bh_kern *k, struct bh_diags *d);
/* The same, and the sockets that are older than us: facts and listeners. */
int bh_kern_seed(struct bh_kern *k, struct bh_diags *d);
int bh_kern_nic_attach(struct bh_kern *k, int ifindex, const char *name, enum bh_nic_mode mode,
		       bool take_over, struct bh_diags *d);
int bh_kern_nic_detach(struct bh_kern *k, int ifindex, const char *name);
/* Remove every program and pin, of every ABI: enforcement ends. */
int bh_kern_detach(struct bh_kern *k);

/*
 * The pins of another ABI that stand beside ours, NULL: none, and those beside them. Good for
 * bh_kern_abi(), bh_kern_generation() and bh_kern_set_open(); they go with @k.
 */
struct bh_kern *bh_kern_next(const struct bh_kern *k);
int bh_kern_abi(const struct bh_kern *k);
/**
 * bh_kern_relieve - end the sets of other ABIs whose generation is below ours
 *
 * Our programs are swapped into their devices' links first. Return: how many ended, or -errno
 * (see @d; both go on enforcing).
 */
int bh_kern_relieve(struct bh_kern *k, struct bh_diags *d);

/*
 * What is pinned in @pin_dir, without loading anything: for `rescue`, when no agent starts. Our
 * ABI's first, if there is any. Good for bh_kern_next(), bh_kern_abi(), bh_kern_pinned(),
 * bh_kern_generation(), bh_kern_go_back(), bh_kern_set_open(), bh_kern_audit_get(),
 * bh_kern_audit_set(), bh_kern_detach() and bh_kern_close() alone.
 * Return: 0, -ENOENT (nothing is pinned, or there is no such directory), -EPERM, ... (see @d).
 */
int bh_kern_open_pins(const char *pin_dir, struct bh_diags *d, struct bh_kern **ret);
/**
 * bh_kern_go_back - to the generation before, on the pins alone
 *
 * A trial ends; else the tables that lie on the other side are taken, if they are whole.
 * Return: 0 and what it is called now (0: nothing, as before the first map) and what it was
 * called then, -ENOENT (no older generation is kept), -errno.
 */
int bh_kern_go_back(struct bh_kern *k, __u64 *ret_gen, __u64 *ret_was);
/* Names of the pinned links and filters, up to @max. Returns how many there are. */
size_t bh_kern_pinned(const struct bh_kern *k, char (*ret)[64], size_t max);

/* 0 before the first generation. A trial whose time is over counts as what it fell back to. */
__u64 bh_kern_generation(const struct bh_kern *k);
/* Steps 1 to 3 above; the live side is untouched. *ret_gen is what publish will enforce. */
int bh_kern_stage(struct bh_kern *k, const struct bh_compiled *c, struct bh_diags *d,
		  __u64 *ret_gen);
/* Step 4. */
int bh_kern_publish(struct bh_kern *k);

/**
 * struct bh_trial - a generation that is enforced until it is confirmed or its time is over
 * @back:        the generation it falls back to, which is then called @generation + 1; 0: none
 * @deadline_ns: boot time
 * @fell:        its time is over, and bh_kern_fall() has yet to write it down
 */
struct bh_trial {
	__u64 generation;
	__u64 back;
	__u64 deadline_ns;
	bool fell;
};

/* Step 4, for a while: see trial.c. While it lasts nothing can be staged. */
int bh_kern_publish_trial(struct bh_kern *k, __u64 deadline_ns);
/* Return: whether there is one. */
bool bh_kern_trial(const struct bh_kern *k, struct bh_trial *ret);
/* It stays. Return: 0, -ENOENT (there is none), -ETIME (it fell back already). */
int bh_kern_confirm(struct bh_kern *k);
/* It ends now, or has ended: what it falls back to is the enforced generation. */
int bh_kern_fall(struct bh_kern *k);
/* --- hold.c: what holds for a while, under any generation ---------------------------------- */

enum bh_held_by { BH_HELD_SEG, BH_HELD_UNIT, BH_HELD_ADDR };

/*
 * Who is in the quarantine of slot @held - 1; 0: nobody's, a hole in a prefix around it. @seg is
 * the identity, and of an address the quarantine whose hole it is: only the agent reads that.
 */
struct bh_member {
	enum bh_held_by by;
	__u32 held;
	__u32 seg;
	struct bh_prefix_key prefix;
	char unit[BH_NAME_MAX];
};

/**
 * bh_kern_quarantine - these are cut off, and nobody else
 * @slot: all BH_QUARANTINE_MAX of them
 *
 * In force when it returns, for running connections on their next packet (see bh_kern_cut()).
 * Nobody who is in quarantine before and after is let out meanwhile. Return: 0 or -errno (see
 * @d; then some of it may hold).
 */
int bh_kern_quarantine(struct bh_kern *k, const struct bh_quarantine *slot,
		       const struct bh_member *held, size_t n, struct bh_diags *d);

/* A rule that is just in time, and until when (boot time) it is open. */
struct bh_jit {
	__u32 rule;
	__u64 until_ns;
};

/**
 * bh_kern_grants - these are open, and no others
 * @grant: all BH_GRANTS_MAX of them
 */
int bh_kern_grants(struct bh_kern *k, const struct bh_grant *grant, const struct bh_jit *jit,
		   size_t n_jit, struct bh_diags *d);

/* Every verdict is given anew, under the same tables. */
void bh_kern_turn(struct bh_kern *k);
/* Emergency: only what is denied by name is denied, until then (boot time; 0 ends it). */
void bh_kern_set_open(struct bh_kern *k, __u64 until_ns);
/* 0: there is none. */
__u64 bh_kern_open_until(const struct bh_kern *k);
/**
 * bh_kern_cut - destroy TCP sockets whose connection the live generation no longer allows
 * @destroy: does it where a BPF program can't (before Linux 6.5); not called for none. Returns
 *           how many it destroyed, or -errno
 *
 * Of the network namespace of the calling thread. Return: how many, or -errno.
 */
int bh_kern_cut(struct bh_kern *k, int (*destroy)(const struct bh_cut *cut, size_t n));

int bh_kern_judge(struct bh_kern *k, const struct bh_question *q, struct bh_answer *ret);

int bh_kern_set_ctl(struct bh_kern *k, __u32 set, __u32 clear); /* enum bh_ctl_flags */
__u32 bh_kern_ctl(const struct bh_kern *k);			/* the flags as they are */
int bh_kern_local_add(struct bh_kern *k, const struct bh_addr *addr);
int bh_kern_local_del(struct bh_kern *k, const struct bh_addr *addr);
/* Delete those of our namespace that @keep says no to. */
int bh_kern_local_keep(struct bh_kern *k, bool (*keep)(void *ctx, const struct bh_addr *addr),
		       void *ctx);

/* Sums over CPUs. @ret has BH_REASON_MAX rows. */
int bh_kern_reasons(struct bh_kern *k, struct bh_count *ret);
int bh_kern_rule_hits(struct bh_kern *k, __u32 rule, struct bh_count *ret);
/* Of rules 0 to @n - 1, in few calls. */
int bh_kern_rule_hits_all(struct bh_kern *k, struct bh_count *ret, size_t n);
int bh_kern_stats(struct bh_kern *k, __u64 ret[BH_STAT_MAX]);
/* The same, by CPU: up to @max of them. Return: how many CPUs this kernel may have, or -errno. */
int bh_kern_stats_by_cpu(struct bh_kern *k, __u64 (*ret)[BH_STAT_MAX], size_t max);

/* Iterate; a callback that returns non-zero ends it and is returned. */
int bh_kern_each_listener(struct bh_kern *k,
			  int (*fn)(void *ctx, const struct bh_listen_key *key,
				    const struct bh_listener *val),
			  void *ctx);
int bh_kern_each_cgroup(struct bh_kern *k,
			int (*fn)(void *ctx, __u64 cgid, const struct bh_cgroup *cg), void *ctx);
/**
 * bh_kern_task_sockets - the established TCP connections that a process holds
 * @pid: as our pid namespace counts; 0 = every process: two that hold one tell of it twice
 * @fn:  returns non-zero to end it; that is returned
 *
 * Sockets of every network namespace. Return: 0 (also where there is no such process), -errno.
 */
int bh_kern_task_sockets(struct bh_kern *k, pid_t pid,
			 int (*fn)(void *ctx, const struct bh_held *held), void *ctx);
/* Segment of (cgroup, uid) on the live side. */
int bh_kern_whois(struct bh_kern *k, __u64 cgid, __u32 uid, __u32 *ret_identity);

/*
 * The head of the audit log, kept as long as the pins are. Return: 0 or -errno; seq 0: none was
 * kept here yet.
 */
int bh_kern_audit_get(struct bh_kern *k, struct bh_audit_head *ret);
int bh_kern_audit_set(struct bh_kern *k, const struct bh_audit_head *head);

/* epoll fd of the ring buffer. */
int bh_kern_event_fd(const struct bh_kern *k);

#define BH_KERN_POLL_MAX 4096
/*
 * Gives what is in the ring to on_event. Return: how many there were, BH_KERN_POLL_MAX if more may
 * wait, or -errno.
 */
int bh_kern_poll(struct bh_kern *k);

/*
 * Tell, as events of type update, what was counted since the last time: by TCP sessions, and by the
 * ends of what is no connection. Return: how many, or -errno.
 */
int bh_kern_sweep_tcp(struct bh_kern *k);
int bh_kern_sweep_flows(struct bh_kern *k);

size_t bh_kern_features(const struct bh_kern *k, const struct bh_feature **ret);
/* Can @name be used? False also for a name that is none. */
bool bh_kern_has(const struct bh_kern *k, const char *name);

#define BH_OPTIONAL_MAX 8

/* Names of the features that Bulkhead can do without. Return: how many. */
size_t bh_kern_optional(const char *ret[BH_OPTIONAL_MAX]);
#define BH_PINS_TEXT 256

/* What is wrong with the pins; "" if nothing is. Return: @ret. */
const char *bh_kern_pins(const struct bh_kern *k, char ret[BH_PINS_TEXT]);

/*
 * Is every hook attached that was, and everything pinned? Cheap: of devices only our own links and
 * filters are asked, not all that there is.
 */
bool bh_kern_holds(const struct bh_kern *k);

/* Fills up to @max rows from the links themselves (not from memory). Returns how many. */
size_t bh_kern_hooks(struct bh_kern *k, struct bh_hook_state *ret, size_t max);

/* --- programs.c: what is loaded ---------------------------------------------------------------- */

struct bh_program {
	__u32 id, type; /* enum bpf_prog_type */
	char name[16];
	__u8 tag[8];
	bool own;
	bool bypass; /* its kind moves data between sockets, past every hook of ours */
};

/* Ours, loaded by this agent. A callback that returns non-zero ends it and is returned. */
int bh_kern_each_own(const struct bh_kern *k, int (*fn)(void *ctx, const struct bh_program *p),
		     void *ctx);
/* All of this host's. Needs CAP_SYS_ADMIN: else -EPERM. */
int bh_kern_each_program(const struct bh_kern *k, int (*fn)(void *ctx, const struct bh_program *p),
			 void *ctx);
/* "xdp", "kprobe"; "type N" for one that libbpf has no name for. */
const char *bh_program_type(const struct bh_program *p, char ret[32]);

/* --- kept.c: descriptors that somebody else keeps ---------------------------------------------- */

#define BH_KEPT_NAME 80

/* "v2/links/bh_connect4": a pin of ours below the pin directory; dots stand for its colons. */
struct bh_kept {
	char name[BH_KEPT_NAME];
	int fd;
};

/* Of a map, a program or a link. Return: 0 or -errno. */
int bh_kern_object_id(int fd, __u32 *ret_id);
/* All that is, or should be, pinned. Ends with what is not 0 from @fn. */
int bh_kern_each_kept(const struct bh_kern *k,
		      int (*fn)(void *ctx, const char *name, int fd, __u32 id), void *ctx);
/**
 * bh_kern_put_back - pin what is not pinned any more, before bh_kern_open()
 * Names that are none of ours are passed over. Return: how many were pinned (0 also where there is
 * no bpffs), or -errno.
 */
int bh_kern_put_back(const char *pin_dir, const struct bh_kept *kept, size_t n, struct bh_diags *d);

#endif
