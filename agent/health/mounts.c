/* SPDX-License-Identifier: Apache-2.0 */
/* mounts.c - the texts of mountinfo and swaps. Names in them are whoever mounts' or swaps' to choose. */
#include <errno.h>
#include <string.h>
#include "claims_internal.h"

/* A name that is no number, or too large a one, is -EBADMSG. */
static int parse_dev(const char *text, unsigned int *ret_major, unsigned int *ret_minor)
{
	char end;

	/* MAJOR and MINOR of the kernel have 12 and 20 bits: no more digits than that */
	if (strspn(text, "0123456789:") != strlen(text))
		return -EBADMSG;
	if (sscanf(text, "%4u:%7u%c", ret_major, ret_minor, &end) != 2)
		return -EBADMSG;
	return *ret_major < 1u << 12 && *ret_minor < 1u << 20 ? 0 : -EBADMSG;
}

/* "27 1 254:0 / / rw,relatime [tags] - ext4 /dev/vda rw": whether it is the one of "/" */
static int parse_line(char *line, struct bh_claim_mount *ret)
{
	char *tail = strstr(line, " - "), *save = NULL, *word, *dev = NULL, *type, *source;

	if (!tail)
		return 0;
	*tail = '\0';
	word = strtok_r(line, " ", &save);
	for (int field = 1; word && field < 5; field++) {
		word = strtok_r(NULL, " ", &save);
		if (field == 2)
			dev = word;
	}
	if (!word || !dev || strcmp(word, "/") != 0)
		return 0;
	type = strtok_r(tail + 3, " ", &save);
	source = type ? strtok_r(NULL, " ", &save) : NULL;
	if (!source || parse_dev(dev, &ret->major, &ret->minor) < 0)
		return -EBADMSG;
	snprintf(ret->type, sizeof(ret->type), "%s", type);
	snprintf(ret->source, sizeof(ret->source), "%s", source);
	return 1;
}

int bh_claim_root_mount(char *text, struct bh_claim_mount *ret)
{
	char *save = NULL;
	bool found = false;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int r = parse_line(line, ret);

		if (r < 0)
			return r;
		/* the last one lies on top */
		found |= r > 0;
	}
	return found ? 0 : -ENOENT;
}

int bh_claim_next_swap(char **text, const char **ret_file, const char **ret_type)
{
	for (;;) {
		char *line = strsep(text, "\n"), *save = NULL;

		if (!line || !*line)
			return 0;
		*ret_file = strtok_r(line, " \t", &save);
		*ret_type = *ret_file ? strtok_r(NULL, " \t", &save) : NULL;
		if (!*ret_type)
			return -EBADMSG;
		if (strcmp(*ret_file, "Filename") != 0)
			return 1;
	}
}
