/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posture.c - when the claims are looked at, and what the agent says of itself there. Called by
 * agent.c and control/verb_attest.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include "base/io.h"
#include "control/seal.h"
#include "posture.h"

#define EVERY_USEC 30000000ull
/* Whatever changes, and however often: not more than so often. */
#define AGAIN_USEC 200000ull

#define EXE_MAX_BYTES (256u << 20)

/**
 * struct bh_posture - when to look
 * @next: the timer of the next look
 */
struct bh_posture {
	struct bh_claims *claims;
	int root, mounts;
	__u64 took_ns, rounds;
	sd_event_source *next, *on_mounts;
	sd_event_source **watch; /* bh_n_claims */
};

/* --- what the agent says of itself -------------------------------------------------------------- */

static int executable(_unused_ void *ctx, char ret[BH_CLAIM_DIGEST])
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = bh_file_read("/proc/self/exe", EXE_MAX_BYTES, &text, &n);

	if (r == 0)
		bh_sha256_text(text, n, ret);
	return r;
}

struct tags {
	char text[64 * 40];
	size_t n, at;
};

static int add_tag(void *ctx, const struct bh_program *p)
{
	struct tags *t = ctx;
	char word[48];
	int n = snprintf(word, sizeof(word), "%s ", p->name);

	for (size_t i = 0; i < sizeof(p->tag); i++)
		n += snprintf(word + n, sizeof(word) - (size_t)n, "%02x", p->tag[i]);
	if (t->at + (size_t)n + 1 > sizeof(t->text))
		return -ENOSPC;
	memcpy(t->text + t->at, word, (size_t)n);
	t->at += (size_t)n;
	t->text[t->at++] = '\n';
	t->n++;
	return 0;
}

/* Of a line "NAME TAG" for each, in the order in which they are in the table of programs. */
static int programs(void *ctx, size_t *ret_n, char ret[BH_CLAIM_DIGEST])
{
	const struct bh_agent *a = ctx;
	struct tags t = {.n = 0};
	int r = bh_kern_each_own(a->kern, add_tag, &t);

	if (r < 0)
		return r;
	bh_sha256_text(t.text, t.at, ret);
	*ret_n = t.n;
	return 0;
}

static int hooks(void *ctx, struct bh_claim_hooks *ret)
{
	const struct bh_agent *a = ctx;
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(a->kern, hook, ARRAY_SIZE(hook));

	for (size_t i = 0; i < n; i++) {
		/* there is another way on this kernel: `bulkhead status` names it */
		if (!strcmp(hook[i].mode, "unsupported"))
			continue;
		ret->n++;
		ret->attached += hook[i].ok;
		if (!hook[i].ok && !ret->first[0])
			snprintf(ret->first, sizeof(ret->first), "%s: %s", hook[i].name,
				 hook[i].mode);
	}
	return 0;
}

static int policy(void *ctx, char ret[BH_CLAIM_DIGEST])
{
	const struct bh_agent *a = ctx;

	if (!a->live.map || a->detached)
		return -ENODATA;
	if (!a->live.origin.sha256[0])
		return -ENOENT;
	snprintf(ret, BH_CLAIM_DIGEST, "%s", a->live.origin.sha256);
	return 0;
}

static int add_program(void *ctx, const struct bh_program *p)
{
	struct bh_claim_foreign *f = ctx;
	char type[32], word[64];

	if (p->own) {
		f->own++;
		return 0;
	}
	f->others++;
	snprintf(word, sizeof(word), "%s/%s", bh_program_type(p, type), p->name[0] ? p->name : "-");
	if (p->bypass && !f->bypass[0])
		snprintf(f->bypass, sizeof(f->bypass), "%s", word);
	bh_claim_add(f->some, word);
	return 0;
}

static int foreign(void *ctx, struct bh_claim_foreign *ret)
{
	return bh_kern_each_program(((const struct bh_agent *)ctx)->kern, add_program, ret);
}

/* --- a look ---------------------------------------------------------------------------------------- */

static void look(struct bh_agent *a)
{
	struct bh_posture *p = a->posture;
	__u64 began = a->clock->boot_ns();

	bh_claims_collect(p->claims);
	p->took_ns = a->clock->boot_ns() - began;
	p->rounds++;
}

void bh_posture_look(struct bh_agent *a)
{
	if (a->posture)
		look(a);
}

static int on_time(sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	struct bh_agent *a = arg;

	if (a->leaving)
		return 0;
	look(a);
	(void)sd_event_source_set_time_relative(source, EVERY_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Something changed: at once, unless that was just now. */
static void look_soon(struct bh_agent *a)
{
	struct bh_posture *p = a->posture;
	__u64 now_ns = a->clock->boot_ns();
	const struct bh_claim_result *last = bh_claims_result(p->claims, bh_n_claims - 1);
	__u64 ago = (now_ns - last->boot_ns) / 1000;

	if (!p->next)
		return;
	(void)sd_event_source_set_time_relative(p->next, ago < AGAIN_USEC ? AGAIN_USEC - ago : 0);
	(void)sd_event_source_set_enabled(p->next, SD_EVENT_ONESHOT);
}

static int on_file(_unused_ sd_event_source *source, _unused_ const struct inotify_event *event,
		   void *arg)
{
	look_soon(arg);
	return 0;
}

static int on_mount(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		    void *arg)
{
	look_soon(arg);
	return 0;
}

/* What can't be watched is looked at every 30 s all the same. */
static void watch(struct bh_agent *a)
{
	struct bh_posture *p = a->posture;

	p->watch = calloc(bh_n_claims, sizeof(sd_event_source *));
	for (size_t i = 0; p->watch && i < bh_n_claims; i++) {
		const char *path = bh_claim_table[i].path;
		char whole[256];

		if (!path || strncmp(path, "proc/sys/", 9) != 0)
			continue;
		snprintf(whole, sizeof(whole), "/%s", path);
		(void)sd_event_add_inotify(a->event, &p->watch[i], whole, IN_MODIFY, on_file, a);
	}
	p->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (p->mounts >= 0)
		(void)sd_event_add_io(a->event, &p->on_mounts, p->mounts, EPOLLPRI, on_mount, a);
}

void bh_posture_open(struct bh_agent *a)
{
	struct bh_posture *p = calloc(1, sizeof(*p));
	struct bh_claims_opts opts = {
		.clock = a->clock,
		.agent = {.ctx = a,
			  .executable = executable,
			  .programs = programs,
			  .hooks = hooks,
			  .policy = policy,
			  .foreign = foreign},
	};

	if (!p)
		return;
	a->posture = p;
	p->mounts = -1;
	p->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	opts.root_fd = p->root;
	p->claims = p->root < 0 ? NULL : bh_claims_new(&opts);
	if (!p->claims) {
		bh_warning("the posture of this device is not looked at: %s", strerror(errno));
		bh_posture_close(a);
		return;
	}
	if (!a->event)
		return;
	/* after READY: whoever waits for the agent does not wait for this */
	if (sd_event_add_time_relative(a->event, &p->next, CLOCK_MONOTONIC, 0, 0, on_time, a) < 0)
		bh_warning("the posture of this device is looked at only when it is asked for");
	watch(a);
}

void bh_posture_close(struct bh_agent *a)
{
	struct bh_posture *p = a->posture;

	if (!p)
		return;
	a->posture = NULL;
	for (size_t i = 0; p->watch && i < bh_n_claims; i++)
		sd_event_source_disable_unref(p->watch[i]);
	free(p->watch);
	sd_event_source_disable_unref(p->next);
	sd_event_source_disable_unref(p->on_mounts);
	bh_closep(&p->mounts);
	bh_closep(&p->root);
	bh_claims_free(p->claims);
	free(p);
}

const struct bh_claims *bh_agent_claims(struct bh_agent *a)
{
	if (!a->posture)
		return NULL;
	if (!a->posture->rounds || !a->posture->next)
		look(a);
	return a->posture->claims;
}

__u64 bh_posture_took_ns(const struct bh_agent *a, __u64 *ret_rounds)
{
	*ret_rounds = a->posture ? a->posture->rounds : 0;
	return a->posture ? a->posture->took_ns : 0;
}
