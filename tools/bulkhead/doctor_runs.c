/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_runs.c - did the programs run: those of hooks when the canary did what they are for,
 * those of devices when frames came in. Counted by the kernel, in the live programs.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include "../../agent/base/io.h"
#include "doctor.h"
#include "text.h"

/* --- the kernel counts ------------------------------------------------------------------------------ */

int bh_runs_count(void)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.enable_stats.type = BPF_STATS_RUN_TIME;
	fd = syscall(SYS_bpf, BPF_ENABLE_STATS, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

bool bh_runs_are_counted(void)
{
	_cleanup_free_ char *text = NULL;

	return bh_file_read("/proc/sys/kernel/bpf_stats_enabled", 16, &text, NULL) == 0 &&
	       text[0] == '1';
}

static const json_t *hook_in(const json_t *data, const char *name)
{
	const json_t *h;
	size_t i;

	json_array_foreach(json_object_get(data, "hooks"), i,
			   h) if (!strcmp(bh_json_str(h, "name"), name)) return h;
	return NULL;
}

/* Return: how often, -1: it is not there, which is another row's word. */
static int64_t runs_of(const struct bh_doctor *x, const char *name)
{
	const json_t *b = hook_in(x->before, name), *a = hook_in(x->after, name);

	if (!json_is_true(json_object_get(b, "ok")) || !json_is_true(json_object_get(a, "ok")))
		return -1;
	return (int64_t)(bh_json_u64(a, "runs") - bh_json_u64(b, "runs"));
}

/* --- hooks ------------------------------------------------------------------------------------------- */

static const struct {
	const char *hook;
	enum bh_act act;
} causes[] = {
	/* the canary's life itself */
	{"tp_btf/cgroup_mkdir", BH_ACT_MAX},	  {"tp_btf/cgroup_release", BH_ACT_MAX},
	{"cgroup/sock_create", BH_ACT_SOCKET},	  {"cgroup/sock_release", BH_ACT_SOCKET},
	{"cgroup/setsockopt", BH_ACT_SETSOCKOPT}, {"cgroup/post_bind4", BH_ACT_BIND4},
	{"cgroup/post_bind6", BH_ACT_BIND6},	  {"sockops", BH_ACT_LISTEN},
	{"cgroup/connect4", BH_ACT_CONNECT4},	  {"cgroup/connect6", BH_ACT_CONNECT6},
	{"cgroup/sendmsg4", BH_ACT_SENDMSG4},	  {"cgroup/sendmsg6", BH_ACT_SENDMSG6},
	{"cgroup_skb/ingress", BH_ACT_KNOCK},	  {"cgroup_skb/egress", BH_ACT_KNOCK},
};

/* It came as far as the hook. */
static bool was_done(const struct bh_doctor *x, enum bh_act act)
{
	int e = act == BH_ACT_MAX ? 0 : x->canary.error[act];

	switch (act) {
	case BH_ACT_CONNECT4:
	case BH_ACT_CONNECT6:
	case BH_ACT_SENDMSG4:
	case BH_ACT_SENDMSG6:
		return e != BH_ACT_UNTRIED;
	case BH_ACT_KNOCK:
		return e == ECONNREFUSED;
	default:
		return e == 0;
	}
}

static void check_hooks(struct bh_doctor *x)
{
	size_t ran = 0, n = 0;

	if (!x->sang)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		int64_t runs = runs_of(x, causes[i].hook);

		if (runs < 0 || !was_done(x, causes[i].act))
			continue;
		n++;
		ran += runs > 0;
		if (!runs)
			bh_doctor_row(x, causes[i].hook, "fail",
				      "restart the agent: systemctl restart bulkhead",
				      "its program did not run when the canary did what it is for");
	}
	if (ran)
		bh_doctor_row(x, "hooks ran", ran == n ? "ok" : "warn", NULL,
			      "%zu of the %zu that the canary has a use for", ran, n);
}

/* --- devices ----------------------------------------------------------------------------------------- */

struct traffic {
	const char *nic;
	char hook[64];
	bool xdp;
	int64_t received, runs;
};

/* Return: false: nothing is to come in there, it is not known, or the hook is not there. */
static bool traffic_of(const struct bh_doctor *x, size_t i, struct traffic *ret)
{
	const json_t *b = json_array_get(json_object_get(x->before, "nics"), i), *a = NULL, *row;
	size_t j;

	*ret = (struct traffic){.nic = bh_json_str(b, "name")};
	json_array_foreach(json_object_get(x->after, "nics"), j,
			   row) if (!strcmp(bh_json_str(row, "name"), ret->nic)) a = row;
	if (!json_is_integer(json_object_get(a, "received")) ||
	    !json_is_integer(json_object_get(b, "received")))
		return false;
	(void)snprintf(ret->hook, sizeof(ret->hook), "xdp %s", ret->nic);
	ret->xdp = hook_in(x->before, ret->hook);
	if (!ret->xdp)
		(void)snprintf(ret->hook, sizeof(ret->hook), "ingress %s", ret->nic);
	ret->runs = runs_of(x, ret->hook);
	ret->received = (int64_t)(bh_json_u64(a, "received") - bh_json_u64(b, "received"));
	return ret->runs >= 0 && ret->received >= 0;
}

/*
 * The devices share one program and its count. With too few runs for all of them (a frame or two
 * may be between two counts) one of them is passed by; which one is not told.
 */
#define SHARE_MIN 20

static void check_share(struct bh_doctor *x)
{
	int64_t received = 0, runs = 0;
	struct traffic t;

	for (size_t i = 0; i < json_array_size(json_object_get(x->before, "nics")); i++) {
		if (!traffic_of(x, i, &t) || !t.xdp)
			continue;
		received += t.received;
		runs = t.runs;
	}
	if (received >= SHARE_MIN && runs * 4 < received * 3)
		bh_doctor_row(
			x, "xdp", "warn",
			"ask again; if it stays, leave out devices one by one with "
			"--interfaces",
			"the devices received %lld frames and the program ran %lld times: one "
			"of them may be passed by",
			(long long)received, (long long)runs);
}

static void check_nics(struct bh_doctor *x)
{
	struct traffic t;

	for (size_t i = 0; i < json_array_size(json_object_get(x->before, "nics")); i++) {
		char check[64];

		if (!traffic_of(x, i, &t))
			continue;
		(void)snprintf(check, sizeof(check), "traffic %s", t.nic);
		if (!t.received)
			bh_doctor_row(x, check, "ok", NULL, "quiet: nothing came in meanwhile");
		else if (t.runs)
			bh_doctor_row(x, check, "ok", NULL,
				      "%lld came in, the program ran %lld times",
				      (long long)t.received, (long long)t.runs);
		else
			bh_doctor_row(x, check, "fail",
				      "another mode may do: --interfaces NAME=generic",
				      "%lld came in and the program of %s did not run",
				      (long long)t.received, t.hook);
	}
	check_share(x);
}

/* --- both -------------------------------------------------------------------------------------------- */

bool bh_runs_missing(const struct bh_doctor *x)
{
	struct traffic t;

	for (size_t i = 0; x->sang && i < ARRAY_SIZE(causes); i++)
		if (was_done(x, causes[i].act) && runs_of(x, causes[i].hook) == 0)
			return true;
	for (size_t i = 0; i < json_array_size(json_object_get(x->before, "nics")); i++)
		if (traffic_of(x, i, &t) && t.received && !t.runs)
			return true;
	return false;
}

void bh_doctor_runs(struct bh_doctor *x)
{
	if (!x->counted) {
		bh_doctor_row(x, "hooks ran", "untested", "run it as root",
			      "the kernel counts the runs of programs for CAP_SYS_ADMIN only");
		return;
	}
	check_hooks(x);
	check_nics(x);
}
