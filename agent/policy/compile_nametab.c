/* SPDX-License-Identifier: Apache-2.0 */
/* compile_nametab.c - the trees of names as the tables that the datapath walks (enum bh_node). */
#include <arpa/inet.h>
#include "compile_names.h"

struct emit {
	struct bh_names *n;
	struct bh_compiled *out;
	__u32 next_node, next_match;
	size_t room_users;
};

/* --- what a place says --------------------------------------------------------------------------- */

static int users_emit(struct emit *e, const struct bh_place *p, __u32 *ret_match)
{
	struct bh_compiled *out = e->out;

	*ret_match = 0;
	if (!p->n_user)
		return 0;
	*ret_match = e->next_match++;
	for (size_t i = 0; i < p->n_user; i++) {
		size_t room = e->room_users, n = out->users.n;
		int r = bh_room_for_one(&out->users.bh_user_key, &room, n,
					sizeof(*out->users.bh_user_key));

		if (r == 0)
			r = bh_room_for_one(&out->users.seg, &e->room_users, n,
					    sizeof(*out->users.seg));
		if (r < 0)
			return r;
		out->users.bh_user_key[n] =
			(struct bh_user_key){.match = *ret_match, .uid = p->user[i].uid};
		out->users.seg[n] = out->identity[p->user[i].seg];
		out->users.n++;
	}
	return 0;
}

static int val_of(struct emit *e, struct bh_place *p, struct bh_name_val *ret)
{
	if (p->n_child && !p->node)
		p->node = e->next_node++;
	*ret = (struct bh_name_val){
		.node = p->node,
		.seg = p->has_seg ? e->out->identity[p->seg.seg] : 0,
		.unit_bits = p->unit_bits,
	};
	return users_emit(e, p, &ret->users);
}

static bool says_nothing(const struct bh_name_val *val)
{
	return !val->node && !val->seg && !val->users && !val->unit_bits;
}

/* --- tables -------------------------------------------------------------------------------------- */

static void name_emit(struct bh_compiled *out, __u32 node, const char *label,
		      const struct bh_name_val *val)
{
	struct bh_name_key *key = &out->names.bh_name_key[out->names.n];

	if (says_nothing(val))
		return;
	key->node = node;
	(void)snprintf(key->name, sizeof(key->name), "%s", label);
	out->names.bh_name_val[out->names.n++] = *val;
}

/* Globs of one prefix share an entry; they come one behind the other. */
static void glob_emit(struct bh_compiled *out, __u32 node, const struct bh_place *p,
		      const struct bh_name_val *val)
{
	size_t prefix = (size_t)(p->star - p->label), n = out->globs.n;
	struct bh_glob_key key = {.prefixlen = (__u32)(32 + 8 * prefix), .node_be = htonl(node)};
	__u32 suffix_len = (__u32)strlen(p->star + 1), at;
	struct bh_glob_val *v;
	struct bh_glob *glob;

	if (says_nothing(val))
		return;
	memcpy(key.name, p->label, prefix);
	if (!n || memcmp(&out->globs.bh_glob_key[n - 1], &key, sizeof(key)) != 0) {
		out->globs.bh_glob_key[n] = key;
		out->globs.bh_glob_val[n].prefix_len = (__u32)prefix;
		out->globs.n = ++n;
	}
	/* Of two that fit, the one that says more of the name: it stands first. */
	v = &out->globs.bh_glob_val[n - 1];
	for (at = v->n; at && v->glob[at - 1].suffix_len < suffix_len; at--)
		v->glob[at] = v->glob[at - 1];
	v->n++;
	glob = &v->glob[at];
	memset(glob, 0, sizeof(*glob));
	(void)snprintf(glob->suffix, sizeof(glob->suffix), "%s", p->star + 1);
	glob->suffix_len = suffix_len;
	glob->val = *val;
}

static int place_emit(struct emit *e, struct bh_place *up)
{
	int r = 0;

	/* Globs beside each other stay so: what is below them comes after. */
	for (size_t i = 0; r == 0 && i < up->n_child; i++) {
		struct bh_name_val val;

		r = val_of(e, up->child[i], &val);
		if (r < 0)
			return r;
		if (up->child[i]->star)
			glob_emit(e->out, up->node, up->child[i], &val);
		else
			name_emit(e->out, up->node, up->child[i]->label, &val);
	}
	for (size_t i = 0; r == 0 && i < up->n_child; i++)
		r = place_emit(e, up->child[i]);
	return r;
}

static size_t count_globs(const struct bh_place *up)
{
	size_t n = up->n_glob;

	for (size_t i = 0; i < up->n_child; i++)
		n += count_globs(up->child[i]);
	return n;
}

int bh_names_emit(struct bh_names *n)
{
	struct bh_compiled *out = n->c->out;
	struct emit e = {.n = n, .out = out, .next_node = BH_NODE_ROOT + 1, .next_match = 1};
	size_t n_globs = count_globs(&n->units) + count_globs(&n->paths);
	struct bh_name_val root;
	int r;

	out->names.bh_name_key = calloc(n->n_places + 1, sizeof(*out->names.bh_name_key));
	out->names.bh_name_val = calloc(n->n_places + 1, sizeof(*out->names.bh_name_val));
	out->globs.bh_glob_key = calloc(n_globs + 1, sizeof(*out->globs.bh_glob_key));
	out->globs.bh_glob_val = calloc(n_globs + 1, sizeof(*out->globs.bh_glob_val));
	if (!out->names.bh_name_key || !out->names.bh_name_val || !out->globs.bh_glob_key ||
	    !out->globs.bh_glob_val)
		return -ENOMEM;
	n->units.node = BH_NODE_UNIT;
	n->paths.node = BH_NODE_ROOT;
	r = val_of(&e, &n->paths, &root);
	if (r < 0)
		return r;
	/* Its node is known without it: an entry only for who is there. */
	root.node = BH_NODE_NONE;
	name_emit(out, BH_NODE_ROOT, "", &root);
	r = place_emit(&e, &n->units);
	return r < 0 ? r : place_emit(&e, &n->paths);
}
