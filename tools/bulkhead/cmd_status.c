/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_status.c - what is enforced here, by what, and what is wrong: one screen. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "text.h"

static void label(const struct bh_cli *cli, const char *name)
{
	fprintf(cli->out, "  %s%-10s%s ", bh_paint(cli, BH_DIM), name, bh_paint(cli, BH_PLAIN));
}

static void print_state(const struct bh_cli *cli, const json_t *data)
{
	static const struct {
		const char *state, *words;
		enum bh_colour colour;
	} states[] = {
		{"enforcing", "ENFORCING", BH_GREEN},
		{"observing", "OBSERVING, nothing is denied", BH_YELLOW},
		{"unconfirmed", "UNCONFIRMED", BH_YELLOW},
		{"emergency", "EMERGENCY, nothing is denied but by name", BH_RED},
		{"no_policy", "NO POLICY", BH_RED},
		{"degraded", "DEGRADED", BH_RED},
	};
	const char *state = bh_json_str(data, "state"), *words = state;
	const char *map = bh_json_str(data, "map.name"),
		   *when = bh_json_str(data, "map.applied_at");
	const char *who = bh_json_str(data, "map.applied_by");
	enum bh_colour colour = BH_RED;
	char ago[BH_AGO_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(state, states[i].state)) {
			words = states[i].words;
			colour = states[i].colour;
		}
	fprintf(cli->out, "bulkhead %s: %s%s%s", bh_json_str(data, "version"),
		bh_paint(cli, colour), words, bh_paint(cli, BH_PLAIN));
	if (bh_json_u64(data, "generation"))
		fprintf(cli->out, ", generation %" PRIu64, bh_json_u64(data, "generation"));
	if (*map)
		fprintf(cli->out, ", map \"%s\"", map);
	if (*when)
		fprintf(cli->out, " (applied %s%s%s)", bh_ago_text(when, time(NULL), ago),
			*who ? " by " : "", who);
	fprintf(cli->out, "\n");
}

static void print_map(const struct bh_cli *cli, const json_t *data)
{
	const char *file = bh_json_str(data, "map.file"), *cap = bh_json_str(data, "mode_cap");

	if (*file) {
		label(cli, "map");
		fprintf(cli->out, "%s, mode %s, sha256 %.12s\n", file,
			bh_json_str(data, "map.mode"), bh_json_str(data, "map.sha256"));
	}
	if (!strcmp(cap, "observe")) {
		label(cli, "mode");
		fprintf(cli->out, "%scapped to observe%s: `bulkhead mode enforce` lifts it\n",
			bh_paint(cli, BH_YELLOW), bh_paint(cli, BH_PLAIN));
	}
}

static void print_hook(const struct bh_cli *cli, const json_t *hook)
{
	const char *name = bh_json_str(hook, "name"), *mode = bh_json_str(hook, "mode");
	bool expected = !strcmp(mode, "unsupported");

	if (json_is_true(json_object_get(hook, "ok")))
		fprintf(cli->out, "%s (%s)", name, mode);
	else
		fprintf(cli->out, "%s%s: %s%s", expected ? "" : bh_paint(cli, BH_RED), name,
			*mode ? mode : "missing", expected ? "" : bh_paint(cli, BH_PLAIN));
}

/* "xdp eth0 (native), sockops: missing, 14 more attached": the usual is only counted. */
static void print_hooks(const struct bh_cli *cli, const json_t *data)
{
	const json_t *h, *hooks = json_object_get(data, "hooks");
	size_t i, usual = 0, n = 0;

	if (!json_array_size(hooks))
		return;
	label(cli, "hooks");
	json_array_foreach(hooks, i, h)
	{
		const char *mode = bh_json_str(h, "mode");

		if (json_is_true(json_object_get(h, "ok")) &&
		    (!*mode || !strcmp(mode, "attached"))) {
			usual++;
			continue;
		}
		(void)fputs(n++ ? ", " : "", cli->out);
		print_hook(cli, h);
	}
	if (usual)
		fprintf(cli->out, "%s%zu %sattached", n ? ", " : "", usual, n ? "more " : "");
	fprintf(cli->out, "\n");
}

static void print_table_fill(const struct bh_cli *cli, const json_t *data, const char *name)
{
	const json_t *t = json_object_get(data, name);
	uint64_t lost = bh_json_u64(t, "lost");

	if (!json_is_object(t))
		return;
	label(cli, name);
	fprintf(cli->out, "%" PRIu64 " of %" PRIu64, bh_json_u64(t, "n"), bh_json_u64(t, "max"));
	if (lost)
		fprintf(cli->out, ", %s%" PRIu64 " did not fit%s", bh_paint(cli, BH_RED), lost,
			bh_paint(cli, BH_PLAIN));
	fprintf(cli->out, "\n");
}

static void print_counts(const struct bh_cli *cli, const json_t *data)
{
	const json_t *s = json_object_get(data, "sessions"), *e = json_object_get(data, "events");
	uint64_t lost = bh_json_u64(e, "lost");

	if (json_is_object(s)) {
		label(cli, "sessions");
		fprintf(cli->out,
			"%" PRIu64 " begun, %" PRIu64 " denied, %" PRIu64
			" would be denied, %" PRIu64 " ended\n",
			bh_json_u64(s, "begun"), bh_json_u64(s, "denied"),
			bh_json_u64(s, "would_deny"), bh_json_u64(s, "ended"));
	}
	if (json_is_object(e)) {
		label(cli, "events");
		fprintf(cli->out, "%" PRIu64 " seen, %" PRIu64 " told, %s%" PRIu64 " lost%s\n",
			bh_json_u64(e, "seen"), bh_json_u64(e, "sent"),
			lost ? bh_paint(cli, BH_YELLOW) : "", lost,
			lost ? bh_paint(cli, BH_PLAIN) : "");
	}
	print_table_fill(cli, data, "cgroups");
	print_table_fill(cli, data, "listeners");
}

static void print_sink(const struct bh_cli *cli, const json_t *s, const char *name)
{
	const char *trouble = bh_json_str(s, "trouble");
	uint64_t lost = bh_json_u64(s, "lost");

	label(cli, name);
	fprintf(cli->out, "%s: %s%s%s, %" PRIu64 " taken, %s%" PRIu64 " lost%s\n",
		bh_json_str(s, "name"), *trouble ? bh_paint(cli, BH_YELLOW) : "",
		*trouble ? trouble : "works", *trouble ? bh_paint(cli, BH_PLAIN) : "",
		bh_json_u64(s, "taken"), lost ? bh_paint(cli, BH_YELLOW) : "", lost,
		lost ? bh_paint(cli, BH_PLAIN) : "");
}

static void print_sinks(const struct bh_cli *cli, const json_t *data)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(data, "telemetry"), "sinks"), i, s)
		print_sink(cli, s, i ? "" : "telemetry");
}

static void print_failsafes(const struct bh_cli *cli, const json_t *data)
{
	const json_t *f;
	size_t i;

	json_array_foreach(json_object_get(data, "failsafes"), i, f)
	{
		const char *listener = bh_json_str(f, "listener");

		label(cli, i ? "" : "failsafe");
		fprintf(cli->out, "%s: %s, %s%s\n", bh_json_str(f, "id"), bh_json_str(f, "text"),
			*listener ? "reaches " : "nobody listens there", listener);
	}
}

static void print_problems(const struct bh_cli *cli, const json_t *data, int code)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(data, "problems"), i, p)
	{
		_cleanup_free_ char *text = bh_json_text(p);

		fprintf(cli->out, "  %s%-10s %s%s\n",
			bh_paint(cli, code == BH_EXIT_OK ? BH_YELLOW : BH_RED),
			code == BH_EXIT_OK ? "note" : "problem", text ? text : "",
			bh_paint(cli, BH_PLAIN));
	}
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_ask(cli, "status", json_object(), &data);
	uint64_t denied, would;

	if (!data)
		return code;
	denied = bh_json_u64(data, "sessions.denied");
	would = bh_json_u64(data, "sessions.would_deny");
	print_state(cli, data);
	print_map(cli, data);
	print_hooks(cli, data);
	print_counts(cli, data);
	print_sinks(cli, data);
	print_failsafes(cli, data);
	print_problems(cli, data, code);
	if (!strcmp(bh_json_str(data, "state"), "no_policy"))
		fprintf(cli->out, "Give it one: bulkhead apply FILE\n");
	else if (denied || would)
		fprintf(cli->out, "Look at the %" PRIu64 " %sdenied: bulkhead flows --denied\n",
			denied ? denied : would, denied ? "" : "that would be ");
	return code;
}

const struct bh_command bh_cmd_status = {
	.name = "status",
	.args = "",
	.summary = "what is enforced here, and what is wrong",
	.text = "Shows the enforced map and its generation, the hooks, counts since the agent's "
		"start, the\nfailsafes and what each one reaches, where flows go, and every problem.\n\nExit status 3 "
		"if there is no policy, anything is degraded, a map waits to be confirmed, or the\n"
		"audit log was tampered with.",
	.run = run,
};
