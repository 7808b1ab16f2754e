/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain_keep.c - how much of the log is kept. What is cut off is said in the chain before it goes:
 * the begin of each file names the first record that is kept from then on. So a file that somebody
 * else takes away is missed, whatever is kept. Called by audit.c.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "chain_read.h"

bool bh_chain_first_of(const json_t *begin, struct bh_chain_head *ret)
{
	const json_t *first = json_object_get(begin, "first");
	const char *hash = json_string_value(json_object_get(first, "hash"));
	json_int_t seq = json_integer_value(json_object_get(first, "seq"));

	if (seq < 1 || !hash || strlen(hash) != BH_CHAIN_HASH - 1)
		return false;
	ret->seq = (unsigned long long)seq;
	memcpy(ret->hash, hash, sizeof(ret->hash));
	return true;
}

static bool is_begin(const struct bh_chain_record *r)
{
	const char *event = json_string_value(json_object_get(r->json, "event"));

	return r->good && event && !strcmp(event, "begin");
}

/* By the youngest begin there is. One that does not say is of an agent that did not: all there is. */
int bh_chain_kept(const char *log, struct bh_chain_head *ret)
{
	struct bh_chain_head oldest = {0};
	bool begun = false, said = false;

	for (unsigned int i = 0; i <= BH_CHAIN_FILES && !said; i++) {
		_cleanup_(bh_chain_record_clear) struct bh_chain_record first = {0};
		int r = bh_chain_first_read(log, i, &first);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (!begun && is_begin(&first)) {
			begun = true;
			said = bh_chain_first_of(first.json, &oldest);
		}
		if (!said && first.head.seq)
			oldest = first.head;
	}
	*ret = oldest;
	return 0;
}

int bh_chain_oldest(const char *log, struct bh_chain_head *ret)
{
	*ret = (struct bh_chain_head){0};
	for (unsigned int i = BH_CHAIN_FILES + 1; i-- > 0 && !ret->seq;) {
		_cleanup_(bh_chain_record_clear) struct bh_chain_record first = {0};
		int r = bh_chain_first_read(log, i, &first);

		if (r < 0 && r != -ENOENT)
			return r;
		*ret = first.head;
	}
	return ret->seq ? 0 : -ENOENT;
}

/* Does the chain go through all files that are to go, from @first on? */
static bool hangs_together(const char *log, unsigned int from, unsigned int to,
			   const struct bh_chain_head *first)
{
	struct bh_chain_head want = *first;
	bool begun = false;

	for (unsigned int i = from; i > to; i--) {
		_cleanup_(bh_chain_record_clear) struct bh_chain_record head = {0}, next = {0};

		if (bh_chain_first_read(log, i, &head) < 0 ||
		    bh_chain_first_read(log, i - 1, &next) < 0 || !head.head.seq)
			return false;
		/* it was to go before, and a crash kept it */
		if (!begun && next.head.seq && next.head.seq <= want.seq)
			continue;
		if (head.head.seq != want.seq || strcmp(head.head.hash, want.hash) != 0 ||
		    !bh_chain_joins(log, i, &next))
			return false;
		begun = true;
		want = next.head;
	}
	return true;
}

int bh_chain_cut_plan(const char *log, unsigned int keep, struct bh_chain_head *first)
{
	_cleanup_(bh_chain_record_clear) struct bh_chain_record kept = {0};
	unsigned int older = bh_chain_older(log);
	int r;

	if (older <= keep)
		return 0;
	r = bh_chain_first_read(log, keep, &kept);
	if (r < 0)
		return r;
	/* else it goes all the same, and is missed from then on */
	if (kept.head.seq > first->seq && hangs_together(log, older, keep, first))
		*first = kept.head;
	return 0;
}

int bh_chain_cut(const char *log, unsigned int keep)
{
	int r = 0;

	/* the oldest first: a crash leaves a row */
	for (unsigned int i = bh_chain_older(log); i > keep; i--) {
		_cleanup_free_ char *path = bh_chain_path(log, i);

		if (!path)
			return -ENOMEM;
		if (unlink(path) < 0 && errno != ENOENT && r == 0)
			r = -errno;
	}
	return r;
}
