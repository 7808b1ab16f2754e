/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_read.c - the arguments of `flows` as a filter. What is not known here is refused with what may
 * have been meant: an empty answer would look like a quiet host. See flow_filter.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "../telemetry/tell.h"
#include "flow_filter.h"

/* As long as anything here may last: sums of it can not overflow. */
#define SINCE_MAX_S (366 * 86400)

/* --- ports ------------------------------------------------------------------------------------- */

static bool is_transport(const char *s)
{
	return !strcmp(s, "tcp") || !strcmp(s, "udp") || !strcmp(s, "udplite");
}

/* "443" and "443/tcp" in the words of a map. Return: whether any transport is meant. */
static bool map_words(const char *said, char ret[64])
{
	const char *slash = strchr(said, '/');
	bool number = *said && !said[strspn(said, "0123456789-")];

	if (number)
		(void)snprintf(ret, 64, "tcp/%s", said);
	else if (slash && is_transport(slash + 1))
		(void)snprintf(ret, 64, "%s/%.*s", slash + 1, (int)(slash - said), said);
	else
		(void)snprintf(ret, 64, "%s", said);
	return number;
}

static int read_port(const struct bh_call *call, struct bh_reply *reply, struct bh_flow_filter *f)
{
	const char *said = NULL;
	struct bh_fault fault;
	char words[64];
	int r = bh_arg_string(call, "port", reply, &said);

	if (r < 0 || !said)
		return r;
	if (strlen(said) >= sizeof(words) - 4) {
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL, "a port of %zu characters",
				    strlen(said));
		return -EINVAL;
	}
	f->any_transport = map_words(said, words);
	f->has_port = true;
	if (bh_port_parse(words, &f->port, &fault) == 0)
		return 0;
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, *fault.help ? fault.help : NULL, "%s",
			    fault.text);
	return -EINVAL;
}

/* --- ends -------------------------------------------------------------------------------------- */

/* All that may be meant by a name, once each is seen. */
struct names {
	const char **v;
	size_t n, room;
	const char *word;
	bool units;   /* of these only, no segments */
	bool segment; /* @word is one */
	bool unit;    /* a unit is called so */
};

static int add(struct names *names, const char *name)
{
	if (names->n == names->room) {
		size_t room = names->room ? names->room * 2 : 64;
		const char **more = reallocarray(names->v, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		names->v = more;
		names->room = room;
	}
	names->v[names->n++] = name;
	return 0;
}

static int add_segment(struct names *names, const char *name)
{
	if (!name || names->units)
		return 0;
	names->segment |= !strcmp(name, names->word);
	return add(names, name);
}

static bool is_called(const char *unit, size_t n, const char *word)
{
	size_t len = strlen(word);

	return n >= len && !strncmp(unit, word, len) &&
	       (n == len || (n == len + 8 && !strncmp(unit + len, ".service", 8)));
}

/* Only a unit that ends its path can be suggested: it is a string of its own. */
static int on_cgroup(void *ctx, const char *path, _unused_ __u64 id)
{
	struct names *names = ctx;
	const char *unit = NULL;
	size_t n = bh_tell_unit_in(path, &unit);

	if (!unit)
		return 0;
	names->unit |= is_called(unit, n, names->word);
	return unit[n] ? 0 : add(names, unit);
}

static int know(struct bh_agent *a, struct names *names)
{
	const struct bh_map *map = a->live.map;
	int r = 0;

	for (size_t i = 0; r == 0 && map && i < map->n_segment; i++)
		r = add_segment(names, map->segment[i].name);
	for (__u32 id = BH_ID_WORLD; r == 0 && !map && id <= BH_ID_HOST; id++)
		r = add_segment(names, bh_agent_segment_name(a, id));
	for (size_t i = 0; r == 0 && i < bh_flows_count(a->flows); i++) {
		const struct bh_flow *flow = bh_flows_at(a->flows, i);

		/* of a map that was live before */
		if (flow->local && !strcmp(flow->local, names->word))
			names->segment |= !names->units;
		if (flow->remote && !strcmp(flow->remote, names->word))
			names->segment |= !names->units;
		if (flow->cgroup)
			r = on_cgroup(names, flow->cgroup, 0);
	}
	/* what it could read until an error is still good */
	(void)bh_agent_cgroups_refresh(a);
	return r ? r : bh_cgroups_each(a->cgroups, on_cgroup, names);
}

/* A unit that does not run now may be started while somebody watches. */
static bool has_unit_suffix(const char *word)
{
	static const char *const suffixes[] = {".service", ".scope", ".slice", ".socket"};
	size_t n = strlen(word);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t m = strlen(suffixes[i]);

		if (n > m && !strcmp(word + n - m, suffixes[i]))
			return true;
	}
	return false;
}

static int unknown(const struct names *names, struct bh_reply *reply)
{
	const char *near = names->n ? bh_nearest(names->word, names->v, names->n) : NULL;
	char help[BH_HELP_MAX];

	if (near)
		bh_help(help, "did you mean '%.300s'?", near);
	else
		bh_help(help, "%s",
			names->units ? "a unit, for example nginx.service"
				     : "a segment, a unit, an address or a prefix");
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, help, "no %s here is called '%.80s'",
			    names->units ? "unit" : "segment or unit", names->word);
	return -EINVAL;
}

/* A segment or a unit. */
static int read_name(struct bh_agent *a, struct bh_reply *reply, const char *word, bool units,
		     struct bh_who_filter *ret)
{
	struct names names = {.word = word, .units = units};
	int r;

	if (!*word || strlen(word) >= sizeof(ret->name)) {
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL, "a name of %zu characters",
				    strlen(word));
		return -EINVAL;
	}
	r = know(a, &names);
	if (r == 0 && !names.segment && !names.unit && !has_unit_suffix(word))
		r = unknown(&names, reply);
	free(names.v);
	if (r < 0)
		return r;
	ret->kind = names.segment ? BH_WHO_SEGMENT : BH_WHO_UNIT;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", word);
	return 0;
}

static bool read_address(const char *word, struct bh_cidr *ret)
{
	struct bh_cidr c = {.addr.b = {[10] = 0xff, [11] = 0xff}, .plen = 128};

	c.v4 = inet_pton(AF_INET, word, c.addr.b + 12) == 1;
	if (!c.v4 && inet_pton(AF_INET6, word, c.addr.b) != 1)
		return false;
	*ret = c;
	return true;
}

static int read_who(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
		    const char *name, struct bh_who_filter *ret)
{
	const char *word = NULL;
	struct bh_fault fault;
	int r = bh_arg_string(call, name, reply, &word);

	if (r < 0 || !word)
		return r;
	ret->kind = BH_WHO_PREFIX;
	if (read_address(word, &ret->prefix))
		return 0;
	if (!strchr(word, '/'))
		return read_name(a, reply, word, false, ret);
	if (bh_cidr_parse(word, &ret->prefix, &fault) == 0)
		return 0;
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, *fault.help ? fault.help : NULL, "%s",
			    fault.text);
	return -EINVAL;
}

static int read_unit(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
		     struct bh_flow_filter *f)
{
	struct bh_who_filter who = {0};
	const char *word = NULL;
	int r = bh_arg_string(call, "unit", reply, &word);

	if (r < 0 || !word)
		return r;
	r = read_name(a, reply, word, true, &who);
	if (r == 0)
		memcpy(f->unit, who.name, sizeof(f->unit));
	return r;
}

/* --- all of them --------------------------------------------------------------------------------- */

int bh_flow_filter_read(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
			struct bh_flow_filter *ret)
{
	json_int_t since_s = 0;
	int r = bh_arg_bool(call, "denied", reply, &ret->denied);

	if (r == 0)
		r = bh_arg_bool(call, "audited", reply, &ret->audited);
	if (r == 0)
		r = bh_arg_bool(call, "allowed", reply, &ret->allowed);
	if (r == 0)
		r = bh_arg_int(call, "since_s", 1, SINCE_MAX_S, reply, &since_s);
	if (r == 0)
		r = read_port(call, reply, ret);
	if (r == 0)
		r = read_who(a, call, reply, "from", &ret->from);
	if (r == 0)
		r = read_who(a, call, reply, "to", &ret->to);
	if (r == 0)
		r = read_unit(a, call, reply, ret);
	if (r == 0 && since_s)
		ret->since_ms = a->clock->wall_ms() - since_s * 1000;
	return r;
}
