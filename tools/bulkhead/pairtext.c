/* SPDX-License-Identifier: Apache-2.0 */
/* pairtext.c - see pairtext.h. */
#include <inttypes.h>
#include <string.h>
#include "pairtext.h"
#include "text.h"

static bool is_outbound(const json_t *row)
{
	return !strcmp(bh_json_str(row, "direction"), "egress");
}

/* "web nginx.service": the segment, and what of it */
static char *local_text(const json_t *row)
{
	const char *segment = bh_json_str(row, "local.segment");
	const char *path = bh_json_str(row, "local.cgroup"), *base = strrchr(path, '/');
	char *text = NULL;

	base = base && base[1] ? base + 1 : "";
	return asprintf(&text, "%s%s%s", *segment ? segment : "?", *base ? " " : "", base) < 0
		       ? NULL
		       : text;
}

/* "world 192.0.2.7", "cache redis.service", "world (about 1200 addresses)" */
static char *remote_text(const json_t *row)
{
	const char *segment = bh_json_str(row, "remote.segment"),
		   *ip = bh_json_str(row, "remote.ip");
	const char *path = bh_json_str(row, "remote.cgroup"), *base = strrchr(path, '/');
	uint64_t many = bh_json_u64(row, "remote.addresses");
	char *text = NULL;
	int n;

	segment = *segment ? segment : "?";
	if (*ip)
		n = asprintf(&text, "%s %s", segment, ip);
	else if (base)
		n = asprintf(&text, "%s %s", segment, base[1] ? base + 1 : "");
	else if (json_is_true(bh_json_at(row, "remote.inside")))
		n = asprintf(&text, "%s (this host)", segment);
	else
		n = asprintf(&text, "%s (about %" PRIu64 " addresses more)", segment, many);
	return n < 0 ? NULL : text;
}

char *bh_pair_from(const json_t *row)
{
	return is_outbound(row) ? local_text(row) : remote_text(row);
}

char *bh_pair_to(const json_t *row)
{
	return is_outbound(row) ? remote_text(row) : local_text(row);
}

/* "tcp/443", "icmp/echo-request" */
char *bh_pair_port(const json_t *row)
{
	const char *proto = bh_json_str(row, "proto");
	uint64_t number = bh_json_u64(row, "port");
	char *text = NULL;

	if (!number || strchr(proto, '/') || strchr(proto, ' '))
		return strdup(proto);
	return asprintf(&text, "%s/%" PRIu64, proto, number) < 0 ? NULL : text;
}

/* --- what a map would change ------------------------------------------------------------------ */

/* "denied by default/web/egress" */
static char *half_text(const json_t *row, const char *which)
{
	const json_t *half = json_object_get(row, which);
	const char *rule = bh_json_str(half, "rule");
	char *text = NULL;

	return asprintf(&text, "%s%s%s", bh_json_str(half, "verdict"), *rule ? " by " : "", rule) <
			       0
		       ? NULL
		       : text;
}

static char *was(const json_t *row)
{
	return half_text(row, "was");
}

static char *will(const json_t *row)
{
	return half_text(row, "will");
}

static const struct bh_column columns[] = {
	{"FROM", NULL, bh_pair_from, false, true},  {"TO", NULL, bh_pair_to, false, true},
	{"PORT", NULL, bh_pair_port, false, false}, {"NOW", NULL, was, false, true},
	{"THEN", NULL, will, false, true},	    {"TIMES", "times", NULL, true, false},
};

int bh_replay_print(struct bh_cli *cli, const json_t *data)
{
	uint64_t denied = bh_json_u64(data, "denied"), gone = bh_json_u64(data, "gone");
	uint64_t unknown = bh_json_u64(data, "unknown");
	int r = 0;

	if (json_array_size(json_object_get(data, "rows")))
		r = bh_table_print(cli, json_object_get(data, "rows"), columns,
				   ARRAY_SIZE(columns));
	fprintf(cli->out,
		"of %" PRIu64 " pairs that were seen: %s%" PRIu64
		" would newly be denied%s, %" PRIu64 " allowed, %" PRIu64 " only observed; %" PRIu64
		" stay as they are\n",
		bh_json_u64(data, "judged"), bh_paint(cli, denied ? BH_RED : BH_GREEN), denied,
		bh_paint(cli, BH_PLAIN), bh_json_u64(data, "allowed"), bh_json_u64(data, "audited"),
		bh_json_u64(data, "same"));
	if (gone)
		fprintf(cli->err,
			"%" PRIu64 " of workloads that are not there now: judged as the "
			"segment that they were in\n",
			gone);
	if (unknown)
		fprintf(cli->err,
			"%" PRIu64 " can't be judged: neither the workload nor its segment "
			"is there\n",
			unknown);
	return r;
}
