/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - see state.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "../base/io.h"
#include "seal.h"
#include "state.h"

/* A map in JSON may need twice its bytes (every quote is escaped); numbers about as much. */
static const struct bh_seal state_seal = {"state", 1, 32u << 20};
static const struct bh_seal unconfirmed_seal = {"unconfirmed", 1, 32u << 20};
static const struct bh_seal marker_seal = {"enforced", 1, 8u << 20};

static int path_of(const char *dir, const char *name, char **ret)
{
	if (asprintf(ret, "%s/%s", dir, name) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int save(const char *dir, const struct bh_seal *seal, const json_t *body, struct bh_diags *d)
{
	_cleanup_free_ char *path = NULL, *old = NULL;
	int r = path_of(dir, seal->kind, &path);

	if (r == 0 && asprintf(&old, "%s.old", path) < 0) {
		old = NULL;
		r = -ENOMEM;
	}
	return r ? r : bh_seal_write(path, seal, body, old, d);
}

/* The way back asks for no memory: that there is none may be why it is gone. */
static void undo(const char *dir, const struct bh_seal *seal)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX], old[PATH_MAX];

	if (fd < 0 || snprintf(path, sizeof(path), "%s/%s", dir, seal->kind) >= PATH_MAX ||
	    snprintf(old, sizeof(old), "%s/%s.old", dir, seal->kind) >= PATH_MAX)
		return;
	/* none before it: then this one was the first */
	if (rename(old, path) < 0 && errno == ENOENT)
		(void)unlink(path);
	(void)fsync(fd);
}

void bh_state_undo(const char *dir)
{
	undo(dir, &state_seal);
}

void bh_marker_undo(const char *dir)
{
	undo(dir, &marker_seal);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static json_t *u64_json(__u64 v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	return json_string(text);
}

static int u64_of(const json_t *j, __u64 *ret)
{
	const char *s = json_string_value(j);
	char *end;

	if (!s || *s < '0' || *s > '9')
		return -EBADMSG;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno || *end ? -EBADMSG : 0;
}

static json_t *text_json(const char *s)
{
	return s ? json_string(s) : json_null();
}

/* A string or null. */
static int text_of(const json_t *j, char **ret)
{
	if (json_is_null(j)) {
		*ret = NULL;
		return 0;
	}
	if (!json_is_string(j))
		return -EBADMSG;
	*ret = strdup(json_string_value(j));
	return *ret ? 0 : -ENOMEM;
}

/* Takes the value over; NULL for no memory, or what is not UTF-8. */
static int put(json_t *obj, const char *key, json_t *value)
{
	return value && json_object_set_new(obj, key, value) == 0 ? 0 : -ENOMEM;
}

static int bad_content(struct bh_diags *d, const char *path, int r)
{
	(void)bh_diag_add(
		d, BH_ERROR, NULL, "restore it from a backup, or apply the map again", "%s: %s",
		path, r == -ENOMEM ? strerror(ENOMEM) : "its content is not what the agent writes");
	return r;
}

/* --- the state ----------------------------------------------------------------------------- */

void bh_state_clear(struct bh_state *s)
{
	free(s->map);
	free(s->file);
	free(s->by);
	bh_numbers_free(s->numbers);
	*s = (struct bh_state){0};
}

void bh_compiled_digest(const struct bh_compiled *c, char ret[65])
{
	const struct {
		const void *v;
		size_t bytes;
	} parts[] = {
		{c->side.n_shapes, sizeof(c->side.n_shapes)},
		{c->side.shape, sizeof(c->side.shape)},
		{&c->side.flags, sizeof(c->side.flags)},
		{c->policy.bh_pol_key, c->policy.n * sizeof(*c->policy.bh_pol_key)},
		{c->policy.bh_pol_val, c->policy.n * sizeof(*c->policy.bh_pol_val)},
		{c->addrs.bh_addr, c->addrs.n * sizeof(*c->addrs.bh_addr)},
		{c->addrs.bh_addr_val, c->addrs.n * sizeof(*c->addrs.bh_addr_val)},
		{c->prefixes.bh_prefix_key, c->prefixes.n * sizeof(*c->prefixes.bh_prefix_key)},
		{c->prefixes.bh_addr_val, c->prefixes.n * sizeof(*c->prefixes.bh_addr_val)},
		{c->names.bh_name_key, c->names.n * sizeof(*c->names.bh_name_key)},
		{c->names.bh_name_val, c->names.n * sizeof(*c->names.bh_name_val)},
		{c->globs.bh_glob_key, c->globs.n * sizeof(*c->globs.bh_glob_key)},
		{c->globs.bh_glob_val, c->globs.n * sizeof(*c->globs.bh_glob_val)},
		{c->users.bh_user_key, c->users.n * sizeof(*c->users.bh_user_key)},
		{c->users.seg, c->users.n * sizeof(*c->users.seg)},
		{c->reserve.key, c->reserve.n * sizeof(*c->reserve.key)},
		{c->segs, c->n_segs * sizeof(*c->segs)},
	};
	char each[ARRAY_SIZE(parts)][BH_SHA256_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		bh_sha256_text(parts[i].v, parts[i].bytes, each[i]);
	bh_sha256_text(each, sizeof(each), ret);
}

static int state_body(const struct bh_state *s, json_t *body)
{
	_cleanup_free_ char *numbers = NULL;
	size_t n;
	int r = bh_numbers_save(s->numbers, &numbers, &n);

	if (r == 0)
		r = put(body, "numbers", json_stringn(numbers, n));
	if (r == 0)
		r = put(body, "generation", u64_json(s->generation));
	if (r == 0)
		r = put(body, "map", s->map ? json_stringn(s->map, s->map_bytes) : json_null());
	if (r == 0)
		r = put(body, "file", text_json(s->file));
	if (r == 0)
		r = put(body, "by", text_json(s->by));
	if (r == 0)
		r = put(body, "at_ms", json_integer(s->at_ms));
	if (r == 0)
		r = put(body, "basis", json_string(s->basis));
	if (r == 0)
		r = put(body, "observe", json_boolean(s->cap_observe));
	return r ? r : put(body, "detached", json_boolean(s->detached));
}

int bh_state_save(const char *dir, const struct bh_state *s, struct bh_diags *d)
{
	json_auto_t *body = json_object();
	int r = body ? state_body(s, body) : -ENOMEM;

	return r ? r : save(dir, &state_seal, body, d);
}

static int state_of(const json_t *body, struct bh_state *s)
{
	const json_t *numbers = json_object_get(body, "numbers");
	const json_t *at = json_object_get(body, "at_ms");
	const json_t *cap = json_object_get(body, "observe");
	const json_t *detached = json_object_get(body, "detached");
	const json_t *basis = json_object_get(body, "basis");
	int r;

	if (!json_is_string(numbers) || !json_is_string(basis) || !json_is_integer(at) ||
	    !json_is_boolean(cap) || !json_is_boolean(detached) ||
	    json_string_length(basis) >= sizeof(s->basis))
		return -EBADMSG;
	snprintf(s->basis, sizeof(s->basis), "%s", json_string_value(basis));
	s->at_ms = json_integer_value(at);
	s->cap_observe = json_is_true(cap);
	s->detached = json_is_true(detached);
	r = u64_of(json_object_get(body, "generation"), &s->generation);
	if (r == 0)
		r = text_of(json_object_get(body, "map"), &s->map);
	if (r == 0)
		r = text_of(json_object_get(body, "file"), &s->file);
	if (r == 0)
		r = text_of(json_object_get(body, "by"), &s->by);
	if (r == 0)
		r = bh_numbers_load(json_string_value(numbers), json_string_length(numbers),
				    &s->numbers);
	if (r == 0 && s->map)
		s->map_bytes = strlen(s->map);
	return r == 0 || r == -ENOMEM ? r : -EBADMSG;
}

static int load(const char *path, struct bh_diags *d, struct bh_state *ret)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	json_auto_t *body = NULL;
	int r = bh_seal_read(path, &state_seal, d, &body);

	if (r < 0)
		return r;
	r = state_of(body, &s);
	if (r < 0)
		return bad_content(d, path, r);
	*ret = s;
	s = (struct bh_state){0};
	return 0;
}

int bh_state_went_back(const char *dir, __u64 was, __u64 gen, struct bh_diags *d)
{
	static const char *const kept[] = {"state", "state.old"};
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		_cleanup_(bh_state_clear) struct bh_state s = {0};
		_cleanup_free_ char *path = NULL;

		r = path_of(dir, kept[i], &path);
		if (r == 0)
			r = load(path, d, &s);
		if (r == -ENOMEM)
			return r;
		if (r < 0 || s.generation != was)
			continue;
		s.generation = gen;
		return bh_state_save(dir, &s, d);
	}
	return r < 0 ? r : -ENOENT;
}

int bh_state_check(const char *dir, const struct bh_state *s, __u64 floor, struct bh_diags *d)
{
	if (s->generation >= floor)
		return 0;
	(void)bh_diag_add(d, BH_ERROR, NULL,
			  "apply the map that should hold; an older state is not taken back",
			  "%s/state: it has generation %llu, this host has enforced %llu", dir,
			  (unsigned long long)s->generation, (unsigned long long)floor);
	return -ESTALE;
}

int bh_state_load(const char *dir, __u64 floor, struct bh_diags *d, struct bh_state *ret)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_free_ char *path = NULL;
	int r = path_of(dir, "state", &path);

	if (r == 0)
		r = load(path, d, &s);
	if (r == 0)
		r = bh_state_check(dir, &s, floor, d);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct bh_state){0};
	return 0;
}

/* --- what is tried out --------------------------------------------------------------------- */

void bh_unconfirmed_clear(struct bh_unconfirmed *u)
{
	bh_state_clear(&u->s);
}

int bh_unconfirmed_save(const char *dir, const struct bh_unconfirmed *u, struct bh_diags *d)
{
	json_auto_t *body = json_object();
	_cleanup_free_ char *path = NULL;
	int r = body ? state_body(&u->s, body) : -ENOMEM;

	if (r == 0)
		r = put(body, "back", u64_json(u->back));
	if (r == 0)
		r = put(body, "began_ns", u64_json(u->began_ns));
	if (r == 0)
		r = path_of(dir, unconfirmed_seal.kind, &path);
	return r ? r : bh_seal_write(path, &unconfirmed_seal, body, NULL, d);
}

int bh_unconfirmed_load(const char *dir, struct bh_diags *d, struct bh_unconfirmed *ret)
{
	_cleanup_(bh_unconfirmed_clear) struct bh_unconfirmed u = {0};
	_cleanup_free_ char *path = NULL;
	json_auto_t *body = NULL;
	int r = path_of(dir, unconfirmed_seal.kind, &path);

	if (r == 0)
		r = bh_seal_read(path, &unconfirmed_seal, d, &body);
	if (r < 0)
		return r;
	r = state_of(body, &u.s);
	if (r == 0)
		r = u64_of(json_object_get(body, "back"), &u.back);
	if (r == 0)
		r = u64_of(json_object_get(body, "began_ns"), &u.began_ns);
	if (r == 0 && !u.s.map)
		r = -EBADMSG;
	if (r < 0)
		return bad_content(d, path, r);
	*ret = u;
	u = (struct bh_unconfirmed){0};
	return 0;
}

void bh_unconfirmed_forget(const char *dir)
{
	_cleanup_free_ char *path = NULL;

	if (path_of(dir, unconfirmed_seal.kind, &path) == 0 && unlink(path) == 0)
		(void)bh_dir_sync_of(path);
}

/* --- the marker ---------------------------------------------------------------------------- */

void bh_marker_clear(struct bh_marker *m)
{
	free(m->failsafes);
	*m = (struct bh_marker){0};
}

int bh_marker_save(const char *dir, const struct bh_marker *m, struct bh_diags *d)
{
	json_auto_t *body = json_object();
	int r = body ? put(body, "generation", u64_json(m->generation)) : -ENOMEM;

	if (r == 0)
		r = put(body, "emergency", u64_json(m->emergency));
	if (r == 0)
		r = put(body, "failsafes", json_string(m->failsafes));
	return r ? r : save(dir, &marker_seal, body, d);
}

int bh_marker_load(const char *dir, struct bh_diags *d, struct bh_marker *ret)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_free_ char *path = NULL;
	json_auto_t *body = NULL;
	int r = path_of(dir, "enforced", &path);

	if (r == 0)
		r = bh_seal_read(path, &marker_seal, d, &body);
	if (r < 0)
		return r;
	r = u64_of(json_object_get(body, "generation"), &m.generation);
	if (r == 0)
		r = u64_of(json_object_get(body, "emergency"), &m.emergency);
	if (r == 0)
		r = text_of(json_object_get(body, "failsafes"), &m.failsafes);
	if (r == 0 && !m.failsafes)
		r = -EBADMSG;
	if (r < 0)
		return bad_content(d, path, r);
	*ret = m;
	m = (struct bh_marker){0};
	return 0;
}

static int marker_remove(const char *dir)
{
	_cleanup_free_ char *path = NULL;
	int r = path_of(dir, "enforced", &path);

	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = -errno;
	return r ? r : bh_dir_sync_of(path);
}

int bh_state_set_detached(const char *dir)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_state_load(dir, 0, &d, &s);

	/* a state that can't be read puts nothing on, once the marker is gone */
	if (r == 0) {
		s.detached = true;
		r = bh_state_save(dir, &s, &d);
	} else if (r != -ENOMEM) {
		r = 0;
	}
	return r ? r : marker_remove(dir);
}
