/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.c - asks bh_judge, the kernel's own policy code, what it would say. Called by explain,
 * simulate, assertions and the lockout guard: one truth, no second opinion in userspace.
 */
#include <string.h>
#include <time.h>
#include "kern_internal.h"

int bh_kern_judge(struct bh_kern *k, const struct bh_question *q, struct bh_answer *ret)
{
	struct bh_answer answer;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = q, .data_size_in = sizeof(*q),
		    .data_out = &answer, .data_size_out = sizeof(answer), .repeat = 1);
	int r = bpf_prog_test_run_opts(bh_kern_prog_fd(k, BH_PROG_JUDGE), &opts);

	if (r < 0)
		return r;
	/* XDP_ABORTED (0), or another size: it did not understand the question */
	if (opts.retval == 0 || opts.data_size_out != sizeof(answer))
		return -EBADMSG;
	*ret = answer;
	return 0;
}

int bh_kern_whois(struct bh_kern *k, __u64 cgid, __u32 uid, __u32 *ret_identity)
{
	struct timespec now;
	struct bh_answer answer;
	struct bh_question q = {
		.gen = bh_kern_generation(k),
		.local_cgid = cgid,
		.local_uid = uid,
		.remote = BH_ID_WORLD,
		.flags = BH_Q_LOCAL_CGROUP,
		.port = 1,
		.proto = 6, /* any question will do: the answer says who was asked about */
		.dir = BH_OUT,
	};
	int r;

	if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return -errno;
	q.now_ns = (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
	r = bh_kern_judge(k, &q, &answer);
	if (r < 0)
		return r;
	*ret_identity = answer.local;
	return 0;
}
