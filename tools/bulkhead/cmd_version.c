/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_version.c - what runs here: this program, the agent, the kernel and what it can do. */
#include <string.h>
#include "cli.h"
#include "table.h"
#include "text.h"

static char *works(const json_t *row)
{
	return strdup(json_is_true(json_object_get(row, "works")) ? "yes" : "no");
}

static const struct bh_column columns[] = {
	{"FEATURE", "name", NULL, false, false},
	{"WORKS", NULL, works, false, false},
	{"WITHOUT IT", "effect", NULL, false, true},
};

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	const json_t *features;
	int code;

	if (!cli->json)
		fprintf(cli->out, "bulkhead   " BH_VERSION "\n");
	code = bh_ask(cli, "version", json_object(), &data);
	if (!data)
		return code;
	fprintf(cli->out, "bulkheadd  %s, ABI %d\nkernel     %s\n", bh_json_str(data, "version"),
		(int)bh_json_u64(data, "abi"), bh_json_str(data, "kernel"));
	if (strcmp(bh_json_str(data, "version"), BH_VERSION) != 0)
		fprintf(cli->err, "warning: this program and the agent differ; after an upgrade "
				  "`systemctl restart bulkhead`\n");
	features = json_object_get(data, "features");
	if (json_array_size(features)) {
		(void)fputc('\n', cli->out);
		(void)bh_table_print(cli, features, columns, ARRAY_SIZE(columns));
	}
	return code;
}

const struct bh_command bh_cmd_version = {
	.name = "version",
	.args = "",
	.summary = "versions of this program, the agent and the kernel",
	.text = "Shows the versions, and which features of this kernel the agent can use. Fails if "
		"no agent\nanswers; `bulkhead --version` asks none.",
	.run = run,
};
