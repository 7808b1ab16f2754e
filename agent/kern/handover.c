/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c - from the programs of one ABI to those of another, up or down, without a moment in
 * which nobody judges. Called by the agent at start and after a commit, and by `rescue`.
 *
 * Maps of another layout can't be adopted, and pins of another ABI lie in a directory of their
 * own: <pin-dir>/v<ABI>. So an agent that finds such a set there makes its own beside it:
 *
 *	1 load, make maps, pin them; attach cgroup hooks and tracing. Hooks of both sets run, and
 *	  a packet or a call has to please both (BPF_F_ALLOW_MULTI). Ours have no generation yet
 *	  and deny nothing, but note who is born, bound and asked.
 *	2 what the other set noted of sockets older than ours is taken over (bpf/adopt.bpf.c)
 *	3 the map on disk, compiled anew, is staged and published: a generation above both. From
 *	  here on each set enforces the policy by itself.
 *	4 on devices our program replaces the other's inside its link: XDP has one link a device, and
 *	  of two at tc there is none too few at any time. The link is pinned among ours.
 *	5 the other set's generation becomes 0, by one store: it judges nothing any more. Only then
 *	  its hooks go, one by one: a set that judged without all of its own eyes would take the
 *	  answer to a question it did not see for a question.
 *	6 its maps go, all in one step, then its directory
 *
 * The newest generation is who counts. Killed before 3 the other set has it, and ours is empty.
 * Killed before 5 ours has it and the other is whole, with the generation before. Killed after 5
 * the other denies nothing. Whichever agent starts next finds both and goes on: its own set gets
 * a generation above all others (from the disk, where 3 wrote it first), and then relieves them.
 * An agent that can't read the map on disk never gets to 3: the other set goes on enforcing, and
 * `bulkhead apply` ends it.
 */
#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include "kern_internal.h"

/* --- sets ------------------------------------------------------------------------------------- */

/* The generation is nice to have: without the map the links can still be ended. */
static void map_ctl(struct bh_kern *s)
{
	_cleanup_close_ int fd = bh_pin_get(s, "maps", "bh_ctl");
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*s->ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s->ctl = p == MAP_FAILED ? NULL : p;
}

int bh_set_abi(const char *name)
{
	unsigned int abi;
	int len = 0;

	return sscanf(name, "v%6u%n", &abi, &len) == 1 && !name[len] ? (int)abi : 0;
}

int bh_set_open(const char *pin_dir, const char *name, struct bh_diags *d, struct bh_kern **ret)
{
	_cleanup_(bh_kern_closep) struct bh_kern *s = bh_kern_new();
	int r;

	if (!s)
		return -ENOMEM;
	s->abi = bh_set_abi(name);
	r = bh_pin_set(s, pin_dir, name);
	if (r < 0)
		return r;
	if (access(s->dir, F_OK) < 0)
		return -errno;
	/* links without maps are refused to an agent; here they are what has to go */
	s->adopted = true;
	r = bh_adopt_links(s, d);
	if (r < 0)
		return r;
	map_ctl(s);
	*ret = TAKE_PTR(s);
	return 0;
}

/* The newest generation first: what it noted of a socket is what counts. */
static void insert(struct bh_kern **list, struct bh_kern *s)
{
	while (*list && bh_kern_generation(*list) >= bh_kern_generation(s))
		list = &(*list)->beside;
	s->beside = *list;
	*list = s;
}

int bh_sets_find(const char *pin_dir, struct bh_diags *d, struct bh_kern **ret)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *e;
	int r = 0;

	*ret = NULL;
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(dir))) {
		struct bh_kern *s;

		if (!bh_set_abi(e->d_name) || !strcmp(e->d_name, BH_PIN_OWN))
			continue;
		r = bh_set_open(pin_dir, e->d_name, d, &s);
		if (r == 0)
			insert(ret, s);
	}
	closedir(dir);
	return r;
}

struct bh_kern *bh_kern_next(const struct bh_kern *k)
{
	return k->beside;
}

int bh_kern_abi(const struct bh_kern *k)
{
	return k->abi;
}

/* --- the end of a set ------------------------------------------------------------------------- */

/* By force: another process may hold it. A tracing link can't be; its pin held it. */
static int end_hook(struct bh_kern *s, const char *name)
{
	int fd;

	/* of a device: the link may be ours by now */
	if (!bh_nic_is_pin(name)) {
		fd = bh_pin_get(s, "links", name);
		if (fd >= 0)
			(void)bpf_link_detach(fd);
		bh_closep(&fd);
	}
	bh_pin_remove(s, "links", name);
	return 0;
}

/* Another ABI may have other hooks than ours: what is pinned tells. */
static int end_set(struct bh_kern *s)
{
	int r = bh_pin_each(s, "links", end_hook);

	return r < 0 ? r : bh_pin_remove_all(s);
}

/* Closes the first of them. */
static void forget_set(struct bh_kern *k)
{
	struct bh_kern *s = k->beside;

	k->beside = s->beside;
	s->beside = NULL;
	bh_kern_close(s);
}

int bh_sets_end(struct bh_kern *k)
{
	while (k->beside) {
		int r = bh_nic_detach_all(k->beside);

		if (r == 0)
			r = end_set(k->beside);
		if (r < 0)
			return r;
		forget_set(k);
	}
	return 0;
}

/* --- relief ----------------------------------------------------------------------------------- */

/* Without its control word nobody knows what it enforces: then ours must enforce something. */
static bool may_go(const struct bh_kern *k, const struct bh_kern *s)
{
	return bh_kern_generation(k) > bh_kern_generation(s) || (s->ctl && !s->ctl->gen);
}

static int relieve(struct bh_kern *k, struct bh_kern *s, struct bh_diags *d)
{
	int r = bh_nic_take(k, s);

	/* an emergency was for this host, and not for the version that it began in */
	if (bh_kern_open_until(s) > bh_kern_open_until(k))
		bh_kern_set_open(k, bh_kern_open_until(s));
	if (r == 0)
		r = bh_nic_refresh(k, d);
	if (r == 0)
		r = end_set(s);
	if (r < 0)
		return kern_error(d, r,
				  "it goes on beside ours: end it by bulkheadd rescue --detach",
				  "can't relieve the programs of '%s': %s", s->dir, strerror(-r));
	return 0;
}

int bh_kern_relieve(struct bh_kern *k, struct bh_diags *d)
{
	int n = 0;

	while (k->beside && may_go(k, k->beside)) {
		int r = relieve(k, k->beside, d);

		if (r < 0)
			return r;
		forget_set(k);
		n++;
	}
	return n;
}
