/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - any text as the lists of the agent's command line (--interfaces, --without): what
 * is taken names devices and features that can be, what is not is said in words that a terminal
 * can be shown.
 */
#include <errno.h>
#include <string.h>
#include "must.h"
#include "../../agent/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_said(int r, const struct bh_diags *d)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	MUST(r == 0 || r == -EINVAL);
	MUST((r == 0) == (d->n_errors == 0));
	MUST(out);
	bh_diags_print(d, out, false);
	(void)fclose(out);
	for (size_t i = 0; i < n; i++)
		MUST(text[i] == '\n' || (unsigned char)text[i] >= 0x20);
	free(text);
}

static void check_interfaces(const char *list)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent_opts o = {0};
	int r = bh_agent_opts_interfaces(&o, list, &d);

	check_said(r, &d);
	for (size_t i = 0; i < o.n_nic; i++) {
		MUST(*o.nic[i].name && strstr(list, o.nic[i].name));
		MUST(strlen(o.nic[i].name) < IF_NAMESIZE && !strpbrk(o.nic[i].name, "/,="));
		for (size_t j = 0; j < i; j++)
			MUST(strcmp(o.nic[i].name, o.nic[j].name) != 0);
	}
	MUST(r || o.n_nic);
	bh_agent_opts_clear(&o);
}

static void check_without(const char *list)
{
	const char *names[BH_OPTIONAL_MAX];
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent_opts o = {0};
	size_t n = bh_kern_optional(names);

	check_said(bh_agent_opts_without(&o, list, &d), &d);
	MUST(!(o.without >> n));
	for (size_t i = 0; i < n; i++)
		MUST(!(o.without & 1u << i) || strstr(list, names[i]));
	bh_agent_opts_clear(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *list = malloc(size + 1);

	MUST(list);
	memcpy(list, data, size);
	list[size] = '\0';
	check_interfaces(list);
	check_without(list);
	free(list);
	return 0;
}
