/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_explain.c - may SRC talk to DST, and which line of the map says so? Asks the program in
 * the kernel that decides, by way of the agent.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "cli.h"
#include "endpoint.h"
#include "text.h"

/* --- printing --------------------------------------------------------------------------------- */

static void print_line(const struct bh_cli *cli, const json_t *rule, const char *indent)
{
	const char *source = bh_json_str(rule, "source");
	uint64_t line = bh_json_u64(rule, "line");

	while (isspace((unsigned char)*source))
		source++;
	if (line && *source)
		fprintf(cli->out, "%s%s%5" PRIu64 " | %s%s\n", indent, bh_paint(cli, BH_DIM), line,
			bh_paint(cli, BH_PLAIN), source);
}

static enum bh_colour verdict_colour(const char *verdict)
{
	return !strcmp(verdict, "allowed")	? BH_GREEN
	       : !strcmp(verdict, "would_deny") ? BH_YELLOW
						: BH_RED;
}

static const char *verdict_words(const char *verdict)
{
	return !strcmp(verdict, "would_deny") ? "would be denied" : verdict;
}

static void print_verdict(const struct bh_cli *cli, const json_t *data, const char *question)
{
	const char *verdict = bh_json_str(data, "verdict"), *text = bh_json_str(data, "text");
	char words[32];

	(void)snprintf(words, sizeof(words), "%s", verdict_words(verdict));
	for (char *s = words; *s; s++)
		*s = (char)toupper((unsigned char)*s);
	fprintf(cli->out, "%s: %s%s%s%s%s (%s), generation %" PRIu64 "\n", question,
		bh_paint(cli, verdict_colour(verdict)), words, bh_paint(cli, BH_PLAIN),
		*text ? ": " : "", text, bh_json_str(data, "reason"),
		bh_json_u64(data, "generation"));
}

static void print_half(const struct bh_cli *cli, const json_t *half)
{
	const char *verdict = bh_json_str(half, "verdict"), *rule = bh_json_str(half, "rule");
	const char *peer = bh_json_str(half, "peer"), *mode = bh_json_str(half, "mode");
	bool in = !strcmp(bh_json_str(half, "direction"), "ingress");

	fprintf(cli->out, "  %-7s  %s%s%s: ", bh_json_str(half, "direction"),
		bh_json_str(half, "segment"), in ? " from " : " to ", peer);
	fprintf(cli->out, "%s%s%s, %s (%s)", bh_paint(cli, verdict_colour(verdict)),
		verdict_words(verdict), bh_paint(cli, BH_PLAIN), bh_json_str(half, "text"),
		bh_json_str(half, "reason"));
	/* A default's rule says no more than its reason does. */
	if (*rule && bh_json_u64(half, "line"))
		fprintf(cli->out, ", rule %s", rule);
	if (!strcmp(mode, "observe"))
		fprintf(cli->out, ", mode observe");
	fprintf(cli->out, "\n");
	print_line(cli, half, "         ");
}

static void print_nearest(const struct bh_cli *cli, const json_t *data)
{
	const json_t *nearest = json_object_get(data, "nearest");
	const char *suggestion = bh_json_str(data, "suggestion");
	_cleanup_free_ char *differs = NULL;

	if (json_is_object(nearest)) {
		differs = bh_json_text(json_object_get(nearest, "differs"));
		fprintf(cli->out, "nearest rule: %s, differs in: %s\n",
			bh_json_str(nearest, "rule"), differs ? differs : "");
		print_line(cli, nearest, "         ");
	}
	if (*suggestion)
		fprintf(cli->out, "to allow it, under `allow:`\n         %s%s%s\n",
			bh_paint(cli, BH_BOLD), suggestion, bh_paint(cli, BH_PLAIN));
}

static void print(const struct bh_cli *cli, const json_t *data, const char *question)
{
	const json_t *v;
	size_t i;

	print_verdict(cli, data, question);
	json_array_foreach(json_object_get(data, "halves"), i, v) print_half(cli, v);
	print_nearest(cli, data);
	json_array_foreach(json_object_get(data, "caveats"), i, v)
		fprintf(cli->out, "note: %s\n", json_is_string(v) ? json_string_value(v) : "?");
}

/* --- which port ------------------------------------------------------------------------------- */

static bool listens_as(const json_t *listener, const char *who)
{
	const char *cgroup = bh_json_str(listener, "cgroup"), *unit = strrchr(cgroup, '/');

	return !strcmp(bh_json_str(listener, "segment"), who) || !strcmp(cgroup, who) ||
	       !strcmp(bh_json_str(listener, "address"), who) || (unit && !strcmp(unit + 1, who));
}

/* "tcp/80, tcp/443": each port once; the first one goes to @dst. Return: how many, -ENOMEM. */
static int ports_of(const json_t *listeners, struct bh_endpoint *dst, char **ret_text)
{
	_cleanup_json_ json_t *seen = json_object();
	const json_t *l;
	const char *port;
	size_t i = 0, n;
	FILE *out = open_memstream(ret_text, &n);

	if (!out)
		return -ENOMEM;
	json_array_foreach(listeners, i, l)
	{
		char text[BH_PROTO_TEXT];

		if (!listens_as(l, dst->who))
			continue;
		if (!json_object_size(seen)) {
			dst->port = (unsigned)bh_json_u64(l, "port");
			(void)snprintf(dst->proto, sizeof(dst->proto), "%s",
				       bh_json_str(l, "proto"));
		}
		(void)snprintf(text, sizeof(text), "%s/%" PRIu64, bh_json_str(l, "proto"),
			       bh_json_u64(l, "port"));
		(void)json_object_set_new(seen, text, json_true());
	}
	n = 0;
	json_object_foreach((json_t *)seen, port, l) fprintf(out, "%s%s", n++ ? ", " : "", port);
	return fclose(out) ? -ENOMEM : (int)json_object_size(seen);
}

/* None was said: if DST listens on one port only, it is that one. */
static int find_port(struct bh_cli *cli, struct bh_endpoint *dst)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_json_ json_t *args = json_pack("{s:s}", "what", "listeners"), *answer = NULL;
	_cleanup_free_ char *ports = NULL, *help = NULL;
	int n;

	if (bh_exchange(cli, "get", args, &d, &answer) < 0)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	(void)bh_json_tame(answer);
	n = ports_of(bh_json_at(answer, "data.listeners"), dst, &ports);
	if (n == 1)
		return BH_EXIT_OK;
	if (asprintf(&help, "say which: bulkhead explain SRC '%s:443/tcp'", dst->who) < 0)
		help = NULL;
	if (n <= 0)
		return bh_fail(cli, BH_EXIT_USAGE, help, "nothing is known to listen as '%s'",
			       dst->who);
	return bh_fail(cli, BH_EXIT_USAGE, help, "'%s' listens on several ports: %s", dst->who,
		       ports);
}

/* --- the question ----------------------------------------------------------------------------- */

static int parse(struct bh_cli *cli, char **argv, struct bh_endpoint *src, struct bh_endpoint *dst)
{
	_cleanup_diags_ struct bh_diags d = {};
	int r = bh_endpoint_parse(argv[0], &d, src);

	if (!r && *src->proto)
		r = bh_diag_add(&d, BH_ERROR, NULL, "the port belongs to DST",
				"a port behind SRC: '%s'", argv[0]);
	if (!r)
		r = bh_endpoint_parse(argv[1], &d, dst);
	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return r < 0 ? bh_finish(cli, BH_EXIT_USAGE, NULL, &d) : BH_EXIT_OK;
}

/* "report -> cache tcp/6379" */
static char *question_text(const struct bh_endpoint *src, const struct bh_endpoint *dst)
{
	char port[16] = "", *text = NULL;

	if (dst->port)
		(void)snprintf(port, sizeof(port), "/%u", dst->port);
	return asprintf(&text, "%s -> %s %s%s", src->who, dst->who, dst->proto, port) < 0 ? NULL
											  : text;
}

static int ask(struct bh_cli *cli, const struct bh_endpoint *src, const struct bh_endpoint *dst)
{
	_cleanup_json_ json_t *data = NULL;
	_cleanup_free_ char *question = question_text(src, dst);
	json_t *args =
		json_pack("{s:s s:s s:s}", "from", src->who, "to", dst->who, "proto", dst->proto);
	int code;

	if (args && dst->port)
		(void)json_object_set_new(args, "port", json_integer(dst->port));
	code = bh_ask(cli, "explain", args, &data);
	if (data && question)
		print(cli, data, question);
	return code;
}

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_endpoint_ struct bh_endpoint src = {}, dst = {};
	int code = parse(cli, argv, &src, &dst);

	if (code == BH_EXIT_OK && !*dst.proto)
		code = find_port(cli, &dst);
	return code == BH_EXIT_OK ? ask(cli, &src, &dst) : code;
}

const struct bh_command bh_cmd_explain = {
	.name = "explain",
	.args = "SRC DST[:PORT/PROTO]",
	.summary = "may SRC talk to DST, and which line of the map says so",
	.text = "SRC and DST: a segment, a unit, a cgroup path, pid:N, or an address (IPv6 with a "
		"port stands in\nbrackets). PORT/PROTO: 443, https, domain/udp, icmp/echo-request, proto/47; "
		"without it, the port\nthat DST listens on, if there is only one.\n\n"
		"Shows the verdict, what each end says with the rule and its line, or else the nearest "
		"rule, what\ndiffers, and a rule that would allow it. The program that decides is "
		"asked; nothing is sent.\n\n"
		"  bulkhead explain web cache:6379/tcp\n"
		"  bulkhead explain 10.0.0.7 '[2001:db8::1]:443/tcp'\n\n"
		"Exit status 3 if it is denied.",
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
