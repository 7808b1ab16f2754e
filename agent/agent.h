/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - the object that ties the rooms: one kernel side, one network, what is enforced
 * now and where it came from. Made by agent.c, changed by commit.c and nics.c, asked by the
 * verbs of control/.
 */
#ifndef BH_AGENT_H
#define BH_AGENT_H

#include <systemd/sd-event.h>
#include "base/clock.h"
#include "base/diag.h"
#include "base/log.h"
#include "kern/kern.h"
#include "net/net.h"
#include "policy/compile.h"
#include "policy/settings.h"
#include "workload/cgroup.h"

struct bh_audit;	/* control/audit.h */
struct bh_flows;	/* control/flows.h */
struct bh_history;	/* control/history.h */
struct bh_server;	/* control/server.h */
struct bh_newborn;	/* workload/newborn.h */
struct bh_holds;	/* holds.h */
struct bh_metrics;	/* control/metrics.h */
struct bh_telemetry;	/* telemetry/telemetry.h */
struct bh_pairs_keeper; /* pairs.h */
struct bh_posture;	/* posture.h */

/* --- options.c, config.c: what it is set to ------------------------------------------------ */

/* `--interfaces eth0=native,eth1`: a word of its own for one device. */
struct bh_nic_choice {
	char name[IF_NAMESIZE];
	enum bh_nic_mode mode;
};

struct bh_agent_opts {
	char *state_dir;   /* survives a reboot */
	char *runtime_dir; /* control.sock */
	char *pin_dir;	   /* on a bpffs */
	char *cgroup_root; /* a directory of the cgroup2 mount */
	struct bh_nic_choice *nic;
	size_t n_nic;
	bool take_over; /* another tool's XDP program is replaced */
	__u32 without;	/* features of the kernel that are not used, as in struct bh_kern_opts */
	int log_level;	/* enum bh_level */

	/* the command line's alone */
	char *config;  /* NULL: the default one, if there is one */
	char *log_dir; /* NULL: none; flows.jsonl, unless the settings name a file */
	/* the file's alone */
	__u32 confirm_s; /* an apply from a terminal waits so long to be confirmed */
	__u32 emergency_s, emergency_max_s;
	__u64 audit_max_bytes;
	unsigned int audit_keep;
	struct bh_settings_telemetry telemetry; /* its strings are malloced */
	char *refused; /* why not all of the file is used, at start; NULL: all is */
};

/* By bh_settings_modes of policy/settings.h. */
extern const enum bh_nic_mode bh_nic_modes[];

/* Fills in what was not said. Return: 0, -ENOMEM, -EINVAL (see @d). */
int bh_agent_opts_defaults(struct bh_agent_opts *o, struct bh_diags *d);
/* The LIST of --interfaces. Return: 0, -ENOMEM, -EINVAL (see @d). */
int bh_agent_opts_interfaces(struct bh_agent_opts *o, const char *list, struct bh_diags *d);
/* The LIST of --without. Return: 0, -ENOMEM, -EINVAL (see @d). */
int bh_agent_opts_without(struct bh_agent_opts *o, const char *list, struct bh_diags *d);
void bh_agent_opts_clear(struct bh_agent_opts *o);

/* --- what is enforced ---------------------------------------------------------------------- */

/* Where a map came from; the strings are malloced or NULL. */
struct bh_origin {
	char *file; /* as the caller named it */
	char *by;   /* "root (pid 4711, /user.slice/.../session-2.scope)" */
	int64_t at_ms;
	char sha256[65]; /* of the text */
};

/*
 * The enforced generation as the agent knows it. @map is NULL when there is none, or when the
 * kernel enforces one whose text was lost: then @compiled is NULL too and names may be missing.
 */
struct bh_live {
	struct bh_map *map;
	struct bh_compiled *compiled;
	struct bh_numbers *numbers; /* never NULL */
	struct bh_origin origin;
	bool capped; /* `bulkhead mode observe`: nothing but what is denied by name */
	/* What the wall clock was ahead of boot time when `until` became boot time. */
	int64_t ahead_s;
};
/* The kernel's deadlines are those of another run of the agent. */
#define BH_AHEAD_UNKNOWN INT64_MIN

#define BH_TROUBLE_MAX 256

#define BH_AGENT_MAX_CGROUPS   65536
#define BH_AGENT_MAX_LISTENERS 65536
/* The agent's exit code after `bulkhead detach`: its unit does not start it again. */
#define BH_AGENT_EXIT_DETACHED 4

/* Rows that bh_kern_hooks() is asked for: some twenty, and two for each device. */
#define BH_AGENT_HOOKS_MAX 256

/* A device that has, or should have, a program of ours. */
struct bh_nic_row {
	int ifindex;
	char name[IF_NAMESIZE];
	enum bh_nic_mode mode;
	bool ok;
	char trouble[BH_TROUBLE_MAX];
};

struct bh_agent {
	struct bh_agent_opts opts;
	const struct bh_agent_opts *line; /* of it, what the command line said */
	const struct bh_clock *clock;
	__u64 begun_ns; /* boot time of the start */
	struct bh_users users;

	sd_event *event;
	struct bh_kern *kern;
	struct bh_net *net;
	struct bh_cgroups *cgroups; /* names: use bh_agent_cgroup() */
	struct bh_server *server;
	struct bh_flows *flows;
	struct bh_telemetry *telemetry;
	struct bh_metrics *metrics;
	int metrics_fd; /* a socket for it that systemd handed over; -1: none, or it is taken */
	struct bh_pairs_keeper *pairs; /* NULL: no memory for one */
	struct bh_posture *posture;    /* NULL: it can't be looked at */
	struct bh_audit *audit;
	struct bh_holds *holds;
	struct bh_fdstore *fdstore;
	struct bh_history *history; /* NULL until the start has read it */

	struct bh_live live;
	struct bh_live back; /* while @live waits to be confirmed: what it falls back to */
	bool back_detached, back_no_policy;
	bool boot_observe;	    /* `bulkhead=observe` on the kernel's command line */
	__u64 trial_began_ns;	    /* boot time */
	unsigned int trial_broken;  /* connections that it denies and that used to pass */
	sd_event_source *deadline;  /* of that */
	sd_event_source *emergency; /* its end */
	__u64 emergency_ns;	    /* when that is, boot time; 0: there is none */
	bool no_policy; /* failsafes only: this host enforced once and its map can't be read */
	bool detached;	/* by `bulkhead detach`: nothing is enforced until the next apply */
	__u64 sessions[BH_EVENT_TYPES]; /* by enum bh_event_type, since the start */

	/* what is wrong, for `status`; "" = nothing */
	char state_trouble[BH_TROUBLE_MAX]; /* the map on disk can't be used, and why */
	char audit_trouble[BH_TROUBLE_MAX];
	char hooks_trouble[BH_TROUBLE_MAX];  /* what is missing can't be put back */
	char births_trouble[BH_TROUBLE_MAX]; /* the tree of cgroups can't be watched */
	char config_trouble[BH_TROUBLE_MAX]; /* the settings are not those of the file, and why */
	char users_trouble[BH_TROUBLE_MAX];  /* no map with the users and clock of now */
	char prom_trouble[BH_TROUBLE_MAX];   /* the file of metrics can't be written */
	char scrape_trouble[BH_TROUBLE_MAX]; /* they can't be served */
	struct bh_nic_row *nic;		     /* nics.c */
	size_t n_nic;
	bool nics_known;  /* the first look at the devices is over */
	bool locals_lost; /* an address of this host found no room in the kernel's table */

	char *root_in_mount;	     /* auth.c */
	int lock[3];		     /* place.c */
	uint64_t cgroups_ns;	     /* when the tree was last walked for names */
	uint64_t walks_full_ns;	     /* of its bucket: names.c */
	uint64_t cgroups_missed[64]; /* not found there; by id modulo */
	uint64_t users_ns;	     /* when the users were last compiled anew */
	int64_t users_mtime;	     /* of the files NSS reads, newest */
	sd_event_source *tick;
	sd_event_source *ring, *pace; /* ring.c */
	struct bh_newborn *newborn;   /* only where the kernel side does not see new cgroups */
	sd_event_source *births;
	unsigned int ticks;
	bool leaving; /* the loop ends: nothing is put back in place any more */
};

/* --- agent.c ------------------------------------------------------------------------------- */

/*
 * Whole life: locks, kernel side, policy, NICs, socket, loop. @opts is taken over, @line is read
 * again with each reload. Return: the exit code of the process; what went wrong was logged.
 */
int bh_agent_run(const struct bh_agent_opts *line, struct bh_agent_opts *opts);

/*
 * An event of the kernel side, to all who want it: hundreds of thousands a second may come, so
 * nothing on this way asks for memory or opens a file. @agent: struct bh_agent
 */
void bh_agent_event(void *agent, const struct bh_event *ev);
/* End the loop; enforcement stays. */
void bh_agent_exit(struct bh_agent *a, int code);
/* What is enforced now, for `systemctl status`. */
void bh_agent_tell_status(const struct bh_agent *a);

/* --- names.c: numbers to words ------------------------------------------------------------- */

/* "web", "world", "any" ...; NULL if no segment has this number. */
const char *bh_agent_segment_name(const struct bh_agent *a, __u32 identity);
/* "web-db", "default/web/ingress", NULL. */
const char *bh_agent_rule_name(const struct bh_agent *a, __u32 rule);
/* Of the live map, NULL if it is not in it. */
const struct bh_segment *bh_agent_segment(const struct bh_agent *a, __u32 identity);
/*
 * The path of a cgroup below the agent's root ("/" itself), NULL if it is not known. Walks the
 * tree for an unknown one, at most once in 100 ms.
 */
const char *bh_agent_cgroup(struct bh_agent *a, __u64 cgid);
/* Walk the tree now, before asking about many. */
int bh_agent_cgroups_refresh(struct bh_agent *a);
/* The instant for bh_compile(). */
struct bh_instant bh_agent_now(const struct bh_agent *a);
/* Is anything in @map (or a segment of it) in mode enforce? */
bool bh_map_enforces(const struct bh_map *map);

/* --- commit.c: from a text to an enforced generation --------------------------------------- */

void bh_origin_clear(struct bh_origin *o);
void bh_live_clear(struct bh_live *l);

/* @confirm_ns: wanted: it falls back after so long, unless it is confirmed; 0 = it stays */
struct bh_commit {
	__u64 confirm_ns;
	/*
	 * What the caller asks for. @guard: called once it is staged and its asserts hold; what is
	 * not 0 refuses it.
	 */
	int (*guard)(struct bh_agent *a, const struct bh_live *l, __u64 gen, void *ctx,
		     struct bh_diags *d);
	void *guard_ctx;

	/* what became of it */
	__u64 generation;
	int cut;	    /* sockets destroyed; -errno: the kernel can't */
	struct bh_map *old; /* what was live before; NULL if there was none */
};

void bh_commit_clear(struct bh_commit *c);

/* Parse and compile @text on a copy of the numbers, with the cap of what is live. @ret has no
 * origin but the digest. */
int bh_agent_compile(struct bh_agent *a, const char *file, const char *text, size_t len,
		     struct bh_diags *d, struct bh_live *ret);
void bh_live_cap(struct bh_live *l, bool capped);
bool bh_agent_is_capped(const struct bh_agent *a);
/* Stage it and hold the asserts: questions about *ret_gen can be asked until the next stage. */
int bh_agent_rehearse(struct bh_agent *a, const struct bh_live *l, struct bh_diags *d,
		      __u64 *ret_gen);

/**
 * bh_agent_commit - make @l what is enforced
 * @l: from bh_agent_compile(), with its origin; taken over (and emptied) on success
 *
 * Stage, hold the asserts against the staged side, write the state, publish, cut. Until publish
 * nothing is changed: a refused map leaves no trace. Return: 0, -EINVAL (see @d) or what
 * failed (see @d).
 */
int bh_agent_commit(struct bh_agent *a, struct bh_live *l, struct bh_commit *c, struct bh_diags *d);
/* The live map as a new generation, with the cap or without. */
int bh_agent_renew(struct bh_agent *a, bool capped, struct bh_commit *c, struct bh_diags *d);
/* The steps of a commit that trial.c takes, too. */
int bh_agent_write_down(struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_diags *d);
void bh_agent_unwrite(const struct bh_agent *a, const struct bh_live *l);

/* End the programs of other versions that stand beside ours, once ours enforce something newer. */
void bh_agent_relieve(struct bh_agent *a);
/* bh_holds_push() of what is live; what goes wrong is logged. */
void bh_agent_holds_again(struct bh_agent *a);

/* The wall clock was set, and rules end at other times than the kernel thinks. */
bool bh_agent_clock_was_set(const struct bh_agent *a);
/* The live map again with the users and the clock of now; nothing happens if they mean the same. */
int bh_agent_recompile(struct bh_agent *a, struct bh_diags *d);

/* Write the state as it is now, with @l as the map of generation @gen. */
int bh_agent_save(struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_diags *d);

/* --- trial.c: a generation that has to be confirmed ------------------------------------------- */

/**
 * bh_trial_begin - publish what is staged as an unconfirmed generation
 * @l: taken over on success; what was live is a->back then
 *
 * The disk keeps both: after a reboot what was live before is enforced. Return: 0 or -errno (see
 * @d; then nothing has changed).
 */
int bh_trial_begin(struct bh_agent *a, struct bh_live *l, struct bh_commit *c, struct bh_diags *d);
bool bh_trial_runs(const struct bh_agent *a);
/* Of the kernel side: may end a trial, see trial_watch.c. */
void bh_trial_event(struct bh_agent *a, const struct bh_event *ev);
/* It stays. Return: 0, -ENOENT (nothing waits), -ETIME (too late), -errno; see @d. */
int bh_trial_confirm(struct bh_agent *a, int *ret_cut, struct bh_diags *d);
/* It ends now, or has ended by itself: @why is for people. Return: 0 or -ENOENT, -errno. */
int bh_trial_revert(struct bh_agent *a, const char *why);
/* At start: one may be running, or have ended with nobody there. Called by restore.c. */
int bh_trial_resume(struct bh_agent *a, struct bh_diags *d);

/* --- restore.c: what to enforce at start ----------------------------------------------------- */

/* Read the disk before the kernel side is opened: *ret_floor is for struct bh_kern_opts. */
int bh_agent_restore_floor(struct bh_agent *a, __u64 *ret_floor);

/*
 * The pinned generation, the map on disk, failsafes only, or nothing. What is wrong is kept
 * in a->state_trouble and said in @d as warnings. Return: 0, or -errno when not even the
 * failsafes could be put in place.
 */
int bh_agent_restore(struct bh_agent *a, struct bh_diags *d);

/* --- nics.c, watch.c ------------------------------------------------------------------------- */

/* Look at links and addresses; the addresses are told to the kernel side, before it judges. */
int bh_nics_look(struct bh_agent *a, struct bh_diags *d);
/* Guard the NICs that are there and watch for others. -EBUSY: another tool's program. */
int bh_nics_open(struct bh_agent *a, struct bh_diags *d);
void bh_nics_close(struct bh_agent *a);
/* Attach again what is missing. */
void bh_nics_check(struct bh_agent *a);
/* The devices that a->opts names another word for than @old did get that one. */
void bh_nics_choose(struct bh_agent *a, const struct bh_agent_opts *old);
/* Tell the kernel side again of addresses that found no room. */
void bh_nics_locals_again(struct bh_agent *a);
/* Calls for each device that --interfaces names and that is not there. */
void bh_nics_absent(const struct bh_agent *a, void (*fn)(void *ctx, const char *name), void *ctx);

/* Look at what changes without telling: forwarding, users, hooks. Once a second. */
int bh_watch_open(struct bh_agent *a);
/* Forwarding alone: the kernel side has to know before it judges. */
void bh_watch_forwarding(struct bh_agent *a);
void bh_watch_close(struct bh_agent *a);
/* All of it now: SIGHUP. */
void bh_watch_now(struct bh_agent *a);

#endif
