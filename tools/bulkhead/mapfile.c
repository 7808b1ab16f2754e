/* SPDX-License-Identifier: Apache-2.0 */
/* mapfile.c - see mapfile.h. Called by check, diff, apply, rollback and get. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "../../agent/policy/model.h"
#include "mapfile.h"
#include "text.h"

static int read_all(int fd, struct bh_mapfile *f)
{
	size_t room = 65536;

	for (;;) {
		char *p = realloc(f->text, room);
		ssize_t got;

		if (!p)
			return -ENOMEM;
		f->text = p;
		while (f->len < room - 1) {
			got = read(fd, f->text + f->len, room - 1 - f->len);
			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0)
				return -errno;
			f->text[f->len + (size_t)got] = '\0';
			if (!got)
				return 0;
			f->len += (size_t)got;
		}
		if (f->len > BH_MAP_MAX_BYTES)
			return -EFBIG;
		room *= 2;
	}
}

int bh_mapfile_read(struct bh_cli *cli, const char *path, struct bh_mapfile *ret)
{
	bool is_stdin = !strcmp(path, "-");
	_cleanup_close_ int fd =
		is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct bh_mapfile f = {.name = is_stdin ? "<stdin>" : path};
	int r = fd < 0 ? -errno : read_all(fd, &f);

	if (r < 0) {
		bh_mapfile_clear(&f);
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "%s: %s", is_stdin ? "<stdin>" : path,
			       r == -EFBIG ? "larger than 4 MiB, the most a segment map may have"
					   : strerror(-r));
	}
	*ret = f;
	return BH_EXIT_OK;
}

/* Larger is nobody's; what the agent takes, see agent/control/proto.h. */
#define MAX_GENERATION (1ll << 62)

static bool is_number(const char *word)
{
	return *word && strspn(word, "0123456789") == strlen(word);
}

bool bh_is_generation(const char *word)
{
	return !strcmp(word, "live") || is_number(word);
}

int bh_generation_parse(struct bh_cli *cli, const char *word, json_int_t *ret)
{
	long long gen = 0;

	*ret = 0;
	if (!strcmp(word, "live"))
		return BH_EXIT_OK;
	errno = 0;
	if (is_number(word))
		gen = strtoll(word, NULL, 10);
	if (errno || gen < 1 || gen > MAX_GENERATION)
		return bh_fail(cli, BH_EXIT_USAGE, "`bulkhead history` lists the generations",
			       "'%s' is no generation: it is a number from 1 on", word);
	*ret = gen;
	return BH_EXIT_OK;
}

int bh_mapfile_fetch(struct bh_cli *cli, json_int_t gen, struct bh_mapfile *ret)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	_cleanup_json_ json_t *data = NULL;
	json_t *args = json_pack("{s:s}", "what", "map");
	const json_t *text;
	int code;

	if (gen)
		(void)json_object_set_new(args, "generation", json_integer(gen));
	code = bh_ask_part(cli, "get", args, &data);
	if (code != BH_EXIT_OK)
		return code;
	text = bh_json_at(data, "map.text");
	if (!json_is_string(text))
		return bh_fail(cli, BH_EXIT_FAILED, "is this the agent's socket? --control PATH",
			       "what came from %s has no map in it", cli->control);
	f.len = json_string_length(text);
	f.text = strdup(json_string_value(text));
	if (asprintf(&f.own, "generation %llu",
		     (unsigned long long)bh_json_u64(data, "map.generation")) < 0)
		f.own = NULL;
	if (!f.text || !f.own)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	f.name = f.own;
	*ret = f;
	f = (struct bh_mapfile){};
	return BH_EXIT_OK;
}

int bh_mapfile_get(struct bh_cli *cli, const char *word, struct bh_mapfile *ret)
{
	json_int_t gen;
	int code;

	if (!bh_is_generation(word))
		return bh_mapfile_read(cli, word, ret);
	code = bh_generation_parse(cli, word, &gen);
	return code == BH_EXIT_OK ? bh_mapfile_fetch(cli, gen, ret) : code;
}

void bh_mapfile_clear(struct bh_mapfile *f)
{
	free(f->own);
	free(f->text);
	*f = (struct bh_mapfile){};
}

json_t *bh_mapfile_args(const struct bh_mapfile *f, bool keep)
{
	_cleanup_free_ char *path = keep ? realpath(f->name, NULL) : NULL;

	/* JSON may hold a NUL, but the agent takes none. */
	if (memchr(f->text, '\0', f->len))
		return NULL;
	return json_pack("{s:s s:s%}", "file", path ? path : f->name, "text", f->text, f->len);
}

void bh_map_print(const struct bh_cli *cli, const char *text)
{
	if (!cli->width) {
		(void)fputs(text, cli->out);
		return;
	}
	while (*text) {
		size_t n = strcspn(text, "\n");
		_cleanup_json_ json_t *line = json_pack("[s%]", text, n);

		if (!line || bh_json_tame(line) < 0)
			return;
		fprintf(cli->out, "%s\n", json_string_value(json_array_get(line, 0)));
		text += n + (text[n] == '\n');
	}
}

void bh_changes_print(const struct bh_cli *cli, const json_t *changes)
{
	static const struct {
		const char *what, *sign;
		enum bh_colour colour;
	} signs[] = {
		{"added", "+", BH_GREEN}, {"removed", "-", BH_RED}, {"changed", "~", BH_YELLOW}};
	const json_t *c;
	size_t i, wide = 0;

	json_array_foreach(changes, i, c) wide =
		MIN(MAX(wide, strlen(bh_json_str(c, "object"))), (size_t)32);
	json_array_foreach(changes, i, c)
	{
		const char *sign = "?", *object = bh_json_str(c, "object");
		const char *detail = bh_json_str(c, "detail");
		enum bh_colour colour = BH_PLAIN;

		for (size_t s = 0; s < ARRAY_SIZE(signs); s++)
			if (!strcmp(bh_json_str(c, "what"), signs[s].what)) {
				sign = signs[s].sign;
				colour = signs[s].colour;
			}
		fprintf(cli->out, "%s%s %-*s%s%s%s\n", bh_paint(cli, colour), sign,
			*detail ? (int)wide : 0, object, bh_paint(cli, BH_PLAIN),
			*detail ? "  " : "", detail);
	}
}
