/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_blast.c - how far somebody gets who took a segment over, as a tree. */
#include <inttypes.h>
#include <string.h>
#include "cli.h"
#include "text.h"

#define PORTS_SHOWN 8
/* What a map can nest is not bounded by the width of a terminal; what is printed is. */
#define DEPTH_MAX 32

/* --- by which rule ------------------------------------------------------------------------------ */

static char *half_text(const json_t *half)
{
	const char *reason = bh_json_str(half, "reason"), *rule = bh_json_str(half, "rule");
	bool of_default = !strncmp(rule, "default/", 8);
	char *text = NULL;
	int n;

	if (!*reason)
		return NULL;
	if (!strcmp(reason, "default_allow"))
		return strdup("default allow");
	if (!*rule || of_default)
		return strdup(reason);
	n = asprintf(&text, "%s%s%s", rule, !strcmp(reason, "allow") ? "" : " ",
		     !strcmp(reason, "allow") ? "" : reason);
	return n < 0 ? NULL : text;
}

static void print_why(const struct bh_cli *cli, const json_t *port)
{
	const char *verdict = bh_json_str(port, "verdict");
	_cleanup_free_ char *out = half_text(json_object_get(port, "egress"));
	_cleanup_free_ char *in = half_text(json_object_get(port, "ingress"));
	bool both = out && in && strcmp(out, in) != 0;

	if (!strcmp(verdict, "would_deny"))
		fprintf(cli->out, "%sonly observed:%s ", bh_paint(cli, BH_YELLOW),
			bh_paint(cli, BH_PLAIN));
	fprintf(cli->out, "%s%s%s",
		out  ? out
		: in ? in
		     : "?",
		both ? ", then " : "", both ? in : "");
}

/* --- the tree ----------------------------------------------------------------------------------- */

struct tree {
	struct bh_cli *cli;
	const json_t *ways;
	size_t name_width, port_width;
	char indent[DEPTH_MAX * 12 + 1];
};

struct lines {
	const char *fork, *last, *bar, *blank;
};

static const struct lines *lines(void)
{
	static const struct lines fancy = {"\u251c\u2500 ", "\u2514\u2500 ", "\u2502  ", "   "},
				  plain = {"|- ", "`- ", "|  ", "   "};

	return MB_CUR_MAX > 1 ? &fancy : &plain;
}

static void print_ports(const struct tree *t, const json_t *way, const char *below, size_t used)
{
	const json_t *ports = json_object_get(way, "ports"), *port;
	size_t n = json_array_size(ports), i;

	json_array_foreach(ports, i, port)
	{
		if (i == PORTS_SHOWN && n > PORTS_SHOWN + 1) {
			fprintf(t->cli->out, "%s%*s... and %zu more: -o json has them\n", below,
				(int)(t->name_width + 2 - used), "", n - i);
			return;
		}
		if (i)
			fprintf(t->cli->out, "%s%*s", below, (int)(t->name_width + 2 - used), "");
		fprintf(t->cli->out, "%-*s  ", (int)t->port_width, bh_json_str(port, "port"));
		print_why(t->cli, port);
		(void)fputc('\n', t->cli->out);
	}
	if (!n)
		(void)fputc('\n', t->cli->out);
}

static const json_t *child_of(const struct tree *t, const char *via, const json_t *after)
{
	bool seen = !after;
	const json_t *way;
	size_t i;

	json_array_foreach(t->ways, i, way)
	{
		/* the start may reach its own kind: no branch of itself */
		if (seen && !strcmp(bh_json_str(way, "via"), via))
			return way;
		seen |= way == after;
	}
	return NULL;
}

static void print_children(struct tree *t, const char *via, size_t depth)
{
	const struct lines *l = lines();
	size_t at = strlen(t->indent);
	const json_t *next;

	for (const json_t *way = child_of(t, via, NULL); way; way = next) {
		const char *name = bh_json_str(way, "segment");
		size_t used = 3 * (depth + 1);

		next = child_of(t, via, way);
		fprintf(t->cli->out, "%s%s%s%-*s%s  ", t->indent, next ? l->fork : l->last,
			bh_paint(t->cli, BH_BOLD),
			(int)(t->name_width > used ? t->name_width - used : 0), name,
			bh_paint(t->cli, BH_PLAIN));
		(void)snprintf(t->indent + at, sizeof(t->indent) - at, "%s",
			       next ? l->bar : l->blank);
		print_ports(t, way, t->indent, used);
		if (strcmp(name, via) != 0 && depth + 1 < DEPTH_MAX)
			print_children(t, name, depth + 1);
		t->indent[at] = '\0';
	}
}

static void measure(struct tree *t, const json_t *ways)
{
	const json_t *way, *port;
	size_t i, k;

	json_array_foreach(ways, i, way)
	{
		size_t depth = (size_t)MIN(bh_json_u64(way, "step"), (uint64_t)DEPTH_MAX);

		t->name_width = MAX(t->name_width, 3 * depth + strlen(bh_json_str(way, "segment")));
		json_array_foreach(json_object_get(way, "ports"), k, port) t->port_width =
			MAX(t->port_width, strlen(bh_json_str(port, "port")));
	}
}

/* --- around it ------------------------------------------------------------------------------------ */

static void print_granted(struct tree *t, const json_t *ways)
{
	const json_t *way;
	size_t i;

	if (json_array_size(ways))
		fprintf(t->cli->out, "\nafter a grant:\n");
	json_array_foreach(ways, i, way)
	{
		_cleanup_free_ char *name = NULL;

		if (asprintf(&name, "%s from %s", bh_json_str(way, "segment"),
			     bh_json_str(way, "via")) < 0)
			return;
		fprintf(t->cli->out, "   %-*s  ", (int)(t->name_width > 3 ? t->name_width - 3 : 0),
			name);
		print_ports(t, way, "   ", 3);
	}
}

static void print_names(const struct bh_cli *cli, const char *what, const json_t *names)
{
	_cleanup_free_ char *text = bh_json_text(names);

	if (text && *text)
		fprintf(cli->out, "\n%s: %s\n", what, text);
}

static size_t count_first(const json_t *ways)
{
	const json_t *way;
	size_t i, n = 0;

	json_array_foreach(ways, i, way) n += bh_json_u64(way, "step") == 1;
	return n;
}

static void print_head(const struct bh_cli *cli, const json_t *data, const json_t *ways)
{
	size_t n = json_array_size(ways), first = count_first(ways);
	const char *name = bh_json_str(data, "segment");

	fprintf(cli->out, "%s%s%s: ", bh_paint(cli, BH_BOLD), name, bh_paint(cli, BH_PLAIN));
	if (!n)
		fprintf(cli->out, "reaches nothing");
	else
		fprintf(cli->out, "reaches %zu segment%s, %zu in one step", n, n == 1 ? "" : "s",
			first);
	fprintf(cli->out, " (generation %" PRIu64 ")\n", bh_json_u64(data, "generation"));
	if (n)
		fprintf(cli->out, "\n%s\n", name);
}

static void print(struct bh_cli *cli, const json_t *data)
{
	struct tree t = {.cli = cli, .ways = json_object_get(data, "reached")};
	const json_t *granted = json_object_get(data, "after_grant"), *note;
	size_t i;

	measure(&t, t.ways);
	measure(&t, granted);
	print_head(cli, data, t.ways);
	print_children(&t, bh_json_str(data, "segment"), 0);
	print_granted(&t, granted);
	print_names(cli, "not reached", json_object_get(data, "not_reached"));
	json_array_foreach(json_object_get(data, "notes"), i, note)
		fprintf(cli->out, "%snote: %s\n", i ? "" : "\n",
			json_is_string(note) ? json_string_value(note) : "?");
}

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	json_t *args = json_pack("{s:s}", "segment", argv[0]);
	int code;

	if (args && cli->steps)
		(void)json_object_set_new(args, "steps", json_integer(cli->steps));
	code = bh_ask(cli, "blast", args, &data);
	if (data)
		print(cli, data);
	return code;
}

static const struct bh_opt opts[] = {
	{"steps", "N", "so many at most (all)", BH_OPT_AT(steps), BH_OPT_NUMBER, 0},
};

const struct bh_command bh_cmd_blast = {
	.name = "blast",
	.args = "SEGMENT",
	.summary = "what can be reached from a segment that somebody took over",
	.text = "What the enforced map lets SEGMENT reach, and what is reached from there, with the "
		"ports and the\nrule or default that lets it. The program that decides is asked, both "
		"ends where both are on this\nhost; nothing is sent. What only mode observe lets through "
		"counts, and says so; a rule that is\njust in time is closed, and what it would open is "
		"listed behind. Nobody is followed into `world`.\n\n"
		"  bulkhead blast web\n"
		"  bulkhead blast web --steps 1 -o json",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
