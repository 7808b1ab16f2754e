/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.c - inner tables: made like the template of their outer map, with BTF so that
 * `bpftool map dump` prints fields, filled in batches, counted. Called by stage.c.
 */
#include <string.h>
#include <bpf/btf.h>
#include "kern_internal.h"

/* --- BTF ------------------------------------------------------------------------------------- */

static const struct {
	const char *key, *value; /* struct names; NULL: a __u32 */
} types[BH_MAP_TABLES] = {
	[BH_MAP_POLICY] = {"bh_pol_key", "bh_pol_val"},
	[BH_MAP_ADDRS] = {"bh_addr", "bh_addr_val"},
	[BH_MAP_PREFIXES] = {"bh_prefix_key", "bh_addr_val"},
	[BH_MAP_SEGS] = {NULL, "bh_seg"},
	[BH_MAP_RULES] = {NULL, "bh_rule"},
	[BH_MAP_NAMES] = {"bh_name_key", "bh_name_val"},
	[BH_MAP_GLOBS] = {"bh_glob_key", "bh_glob_val"},
	[BH_MAP_USERS] = {"bh_user_key", NULL},
	[BH_MAP_RESERVE] = {"bh_reserve_key", NULL},
};

static int type_id(const struct btf *btf, const char *name)
{
	return name ? btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT)
		    : btf__find_by_name_kind(btf, "unsigned int", BTF_KIND_INT);
}

/* --- make ------------------------------------------------------------------------------------ */

/* "bh_policy_2a": the low digits of the generation, as many as 15 characters hold. */
static void table_name(const char *outer, __u64 gen, char ret[BPF_OBJ_NAME_LEN])
{
	int room = BPF_OBJ_NAME_LEN - 2 - (int)strlen(outer);
	__u64 low = room < 16 ? gen & ((1ull << (4 * room)) - 1) : gen;

	snprintf(ret, BPF_OBJ_NAME_LEN, "%.13s_%llx", outer, (unsigned long long)low);
}

static int create(struct bh_kern *k, enum bh_map_id id, __u64 gen, __u32 max_entries)
{
	const struct bh_table_like *like = &k->like[id];
	const struct btf *btf = bpf_object__btf(k->obj);
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	char name[BPF_OBJ_NAME_LEN];
	int key, value;

	table_name(bh_map_names[id], gen, name);
	opts.map_flags = like->flags;
	key = type_id(btf, types[id].key);
	value = type_id(btf, types[id].value);
	if (k->table_btf >= 0 && key > 0 && value > 0) {
		opts.btf_fd = (__u32)k->table_btf;
		opts.btf_key_type_id = (__u32)key;
		opts.btf_value_type_id = (__u32)value;
	}
	return bpf_map_create(like->type, name, like->key_size, like->value_size, max_entries,
			      &opts);
}

int bh_tables_prepare(struct bh_kern *k, int ret_fd[BH_MAP_TABLES])
{
	const void *data;
	__u32 size;

	data = btf__raw_data(bpf_object__btf(k->obj), &size);
	k->table_btf = data ? bpf_btf_load(data, size, NULL) : -ENOMEM;
	if (k->table_btf < 0)
		return k->table_btf;
	for (int i = 0; i < BH_MAP_TABLES; i++) {
		int r;

		ret_fd[i] = create(k, i, 0, 1);
		if (ret_fd[i] < 0)
			return ret_fd[i];
		r = bpf_map__set_inner_map_fd(k->map[i], ret_fd[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- fill ------------------------------------------------------------------------------------ */

static int fill_one_by_one(int fd, const char *keys, size_t key_size, const char *values,
			   size_t value_size, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = bpf_map_update_elem(fd, keys + i * key_size, values + i * value_size,
					    BPF_ANY);

		if (r < 0)
			return r;
	}
	return 0;
}

/* How many keys are in it: a key given twice would have lost a rule without a word. */
static size_t count_keys(int fd, size_t key_size)
{
	char at[sizeof(struct bh_glob_key)];
	size_t n = 0;

	_Static_assert(sizeof(struct bh_glob_key) >= sizeof(struct bh_name_key), "room for a key");
	if (key_size > sizeof(at))
		return 0;
	while (bpf_map_get_next_key(fd, n ? at : NULL, at) == 0)
		n++;
	return n;
}

static int fill_table(int fd, const struct bh_table_like *like, const struct bh_fill *fill)
{
	bool array = like->type == BPF_MAP_TYPE_ARRAY;
	_cleanup_free_ __u32 *indexes = NULL;
	const void *keys = fill->keys;
	__u32 count = (__u32)fill->n;
	int r;

	if (fill->n == 0)
		return 0;
	if (array) {
		indexes = calloc(fill->n, sizeof(*indexes));
		if (!indexes)
			return -ENOMEM;
		for (__u32 i = 0; i < count; i++)
			indexes[i] = i;
		keys = indexes;
	}
	r = bpf_map_update_batch(fd, keys, fill->values, &count, NULL);
	/* 524 is the kernel's own ENOTSUPP: this map type has no batches */
	if (r == -524 || r == -ENOTSUP || r == -EINVAL)
		r = fill_one_by_one(fd, keys, like->key_size, fill->values, like->value_size,
				    fill->n);
	if (r < 0)
		return r;
	return array || count_keys(fd, like->key_size) == fill->n ? 0 : -EBADMSG;
}

int bh_table_make(struct bh_kern *k, enum bh_map_id id, __u64 gen, const struct bh_fill *fill,
		  struct bh_diags *d)
{
	_cleanup_close_ int fd = create(k, id, gen, fill->n ? (__u32)fill->n : 1);
	int r;

	if (fd < 0)
		return kern_error(d, fd, NULL, "can't make table %s with %zu entries: %s",
				  bh_map_names[id], fill->n, strerror(-fd));
	r = fill_table(fd, &k->like[id], fill);
	if (r == -EBADMSG)
		return kern_error(d, r, "this is a fault of the compiler of segment maps",
				  "table %s: two entries have one key", bh_map_names[id]);
	if (r < 0)
		return kern_error(d, r, NULL, "can't fill table %s: %s", bh_map_names[id],
				  strerror(-r));
	return TAKE_FD(fd);
}
