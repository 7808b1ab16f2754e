/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_top.c - who talks to whom now: the flows of the last minute added up, drawn again and again. The
 * sums are talks.c's, the terminal is screen.c's.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "client.h"
#include "screen.h"
#include "table.h"
#include "talks.h"
#include "text.h"

#define KEPT	   4096 /* rows that the agent remembers */
#define INTERVAL_S 2
#define HEAD_LINES 3

struct top {
	struct bh_cli *cli;
	struct bh_talks *talks;
	enum bh_talks_by by;
	enum bh_talks_sort sort;
	int64_t since_s; /* older flows are not known */
	unsigned interval_s;
};

static const char *const by_words[] = {"segment", "unit", "address"};
static const char *const sort_words[] = {"bytes", "packets", "flows", "denied"};

/* --- rows ----------------------------------------------------------------------------------------- */

static int64_t span_s(const struct top *t, int64_t now_s)
{
	return MAX(1, MIN(BH_TALKS_SPAN_S, now_s - t->since_s));
}

static json_t *row_json(const struct bh_talk *talk, int64_t seconds)
{
	const struct bh_talk_sum *s = &talk->sum;

	return json_pack("{s:s s:s s:s s:s s:f s:f s:I s:I}", "from", talk->from, "to", talk->to,
			 "port", talk->port, "verdict", bh_talk_verdict_word(talk->verdict),
			 "packets_per_s", (double)s->packets / (double)seconds, "bytes_per_s",
			 (double)s->bytes / (double)seconds, "connections", (json_int_t)s->flows,
			 "denied", (json_int_t)s->denied);
}

static json_t *rows_json(struct top *t, size_t max, int64_t now_s)
{
	_cleanup_json_ json_t *rows = json_array();

	bh_talks_sum(t->talks, now_s);
	bh_talks_sort(t->talks, t->sort);
	for (size_t i = 0; i < bh_talks_count(t->talks) && i < max; i++)
		if (json_array_append_new(rows,
					  row_json(bh_talks_at(t->talks, i), span_s(t, now_s))) < 0)
			return NULL;
	return TAKE_PTR(rows);
}

/* --- as a table ----------------------------------------------------------------------------------- */

static char *packet_rate(const json_t *row)
{
	double rate = json_real_value(json_object_get(row, "packets_per_s"));
	char *text = NULL;

	return rate <= 0 || asprintf(&text, rate < 10 ? "%.1f" : "%.0f", rate) < 0 ? NULL : text;
}

static char *byte_rate(const json_t *row)
{
	double rate = json_real_value(json_object_get(row, "bytes_per_s"));
	char text[BH_SIZE_TEXT];

	return rate <= 0 ? NULL : strdup(bh_size_text((uint64_t)(rate + 0.5), text));
}

static char *number(const json_t *row, const char *name)
{
	uint64_t n = bh_json_u64(row, name);
	char *text = NULL;

	return !n || asprintf(&text, "%" PRIu64, n) < 0 ? NULL : text;
}

static char *connections(const json_t *row)
{
	return number(row, "connections");
}

static char *denied(const json_t *row)
{
	return number(row, "denied");
}

static const struct bh_column all_columns[] = {
	{"FROM", "from", NULL, false, true},	   {"TO", "to", NULL, false, true},
	{"PORT", "port", NULL, false, false},	   {"VERDICT", "verdict", NULL, false, false},
	{"BYTES/S", NULL, byte_rate, true, false}, {"DENIED", NULL, denied, true, false},
	{"CONN", NULL, connections, true, false},  {"PKT/S", NULL, packet_rate, true, false},
};

/* What has room: the last ones go first. */
static size_t columns_for(size_t width)
{
	if (!width || width >= 76)
		return ARRAY_SIZE(all_columns);
	return width >= 56 ? 6 : 4;
}

/* The table as text, with @max rows. NULL: no memory. */
static char *table_text(struct top *t, size_t width, size_t max, int64_t now_s)
{
	_cleanup_json_ json_t *rows = rows_json(t, max, now_s);
	struct bh_cli plain = *t->cli;
	char *text = NULL;
	size_t n;
	int r;

	(void)bh_json_tame(rows);
	plain.out = open_memstream(&text, &n);
	if (!plain.out)
		return NULL;
	plain.width = width;
	r = rows ? bh_table_print(&plain, rows, all_columns, columns_for(width)) : -ENOMEM;
	if (fclose(plain.out) || r < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void put_head(const struct top *t, FILE *out, int64_t now_s)
{
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&(time_t){now_s}, &tm))
		(void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(out, "%s  last %" PRId64 " s, by %s, most %s first%s", clock, span_s(t, now_s),
		by_words[t->by], sort_words[t->sort],
		bh_talks_left_out(t->talks) ? "; more than fits is left out" : "");
}

static enum bh_colour colour_of(const struct top *t, size_t row)
{
	if (row >= bh_talks_count(t->talks))
		return BH_PLAIN;
	switch (bh_talks_at(t->talks, row)->verdict) {
	case BH_TALK_DENIED:
		return BH_RED;
	case BH_TALK_AUDITED:
		return BH_YELLOW;
	default:
		return BH_PLAIN;
	}
}

/* Its rows stand as the conversations do: one line each, below the header. */
static void put_table(const struct top *t, FILE *out, const char *text)
{
	for (size_t line = 0; *text; line++) {
		size_t n = strcspn(text, "\n");
		enum bh_colour colour = line ? colour_of(t, line - 1) : BH_PLAIN;
		bool painted = colour != BH_PLAIN;

		fprintf(out, "%s%.*s%s\n", painted ? bh_paint(t->cli, colour) : "", (int)n, text,
			painted ? bh_paint(t->cli, BH_PLAIN) : "");
		text += n + (text[n] == '\n');
	}
}

static int draw(struct top *t, const struct bh_screen *s, int64_t now_s)
{
	size_t max = s->height > HEAD_LINES ? s->height - HEAD_LINES : 1;
	_cleanup_free_ char *table = table_text(t, s->width, max, now_s), *text = NULL;
	size_t n;
	FILE *page = table ? open_memstream(&text, &n) : NULL;

	if (!page)
		return -ENOMEM;
	(void)fputs(bh_paint(t->cli, BH_BOLD), page);
	put_head(t, page, now_s);
	fprintf(page, "%s\n%s%s%s\n", bh_paint(t->cli, BH_PLAIN), bh_paint(t->cli, BH_DIM),
		s->keys ? "q quit; most first: b bytes, p packets, f connections, d denied" : "",
		bh_paint(t->cli, BH_PLAIN));
	put_table(t, page, table);
	if (fclose(page))
		return -ENOMEM;
	bh_screen_draw(s, t->cli->out, text);
	return 0;
}

/* --- one of them ------------------------------------------------------------------------------------ */

static int print_json(struct top *t, int64_t now_s, bool envelope)
{
	_cleanup_diags_ struct bh_diags none = {};
	json_t *data = json_pack("{s:I s:s s:s s:I s:o}", "seconds", (json_int_t)span_s(t, now_s),
				 "by", by_words[t->by], "sort", sort_words[t->sort], "left_out",
				 (json_int_t)bh_talks_left_out(t->talks), "rows",
				 rows_json(t, SIZE_MAX, now_s));

	if (!data)
		return -ENOMEM;
	if (envelope)
		return bh_finish(t->cli, BH_EXIT_OK, data, &none);
	bh_json_print(t->cli, data, true);
	json_decref(data);
	return 0;
}

static int print_plain(struct top *t, int64_t now_s)
{
	_cleanup_free_ char *table = table_text(t, t->cli->width, SIZE_MAX, now_s);

	if (!table)
		return -ENOMEM;
	put_head(t, t->cli->out, now_s);
	(void)fputc('\n', t->cli->out);
	put_table(t, t->cli->out, table);
	return 0;
}

static int show(struct top *t, const struct bh_screen *s)
{
	int64_t now_s = time(NULL);
	int r;

	if (s->drawn_on)
		r = draw(t, s, now_s);
	else if (t->cli->json)
		r = print_json(t, now_s, false);
	else
		r = print_plain(t, now_s);
	return fflush(t->cli->out) ? -EIO : r;
}

/* --- what comes --------------------------------------------------------------------------------------- */

/* @rows: the agent's memory. Where it is full, what is older is not known. */
static int add_all(struct top *t, const json_t *rows)
{
	int64_t now_s = time(NULL), first_s = 0;
	json_t *row;
	size_t i;
	int r = 0;

	t->since_s = now_s - BH_TALKS_SPAN_S;
	if (json_array_size(rows) >= KEPT &&
	    bh_time_parse(bh_json_str(json_array_get(rows, 0), "time"), &first_s) == 0)
		t->since_s = MAX(t->since_s, first_s);
	json_array_foreach(rows, i, row) r = r ? r : bh_talks_add(t->talks, row);
	return r;
}

static json_t *arguments(bool follow)
{
	json_t *args = json_pack("{s:i s:i}", "limit", KEPT, "since_s", BH_TALKS_SPAN_S);

	if (args && follow)
		(void)json_object_set_new(args, "follow", json_true());
	return args;
}

static int once(struct top *t)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_ask_part(t->cli, "flows", arguments(false), &data);
	int r = code == BH_EXIT_OK ? add_all(t, json_object_get(data, "rows")) : 0;

	if (code != BH_EXIT_OK)
		return code;
	if (r == 0)
		r = t->cli->json ? print_json(t, time(NULL), true) : print_plain(t, time(NULL));
	return r < 0 ? bh_fail(t->cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : BH_EXIT_OK;
}

static int first_answer(struct top *t, struct bh_client *c, struct bh_diags *d)
{
	struct bh_wait wait = {.first_ms = BH_CLIENT_SILENT_MS, .max_bytes = BH_CLIENT_MAX_ANSWER};
	_cleanup_json_ json_t *answer = NULL;
	int r = bh_client_receive(c, &wait, d, &answer);

	if (r < 0)
		return r;
	if (!json_is_true(json_object_get(answer, "ok"))) {
		bh_diags_from_json(json_object_get(answer, "diags"), d);
		return -EPROTO;
	}
	return add_all(t, bh_json_at(answer, "data.rows"));
}

/* All lines that have come. */
static int take_events(struct top *t, struct bh_client *c, struct bh_diags *d)
{
	struct bh_wait wait = {
		.first_ms = BH_CLIENT_SILENT_MS, .max_bytes = BH_CLIENT_MAX_EVENT, .goes_on = true};
	int r = 0;

	do {
		_cleanup_json_ json_t *line = NULL;

		r = bh_client_receive(c, &wait, d, &line);
		if (r == 0)
			r = bh_talks_add(t->talks, json_object_get(line, "event"));
	} while (r == 0 && bh_client_has_line(c));
	return r;
}

static void on_key(struct top *t, char key)
{
	static const char keys[] = "bpfd";
	const char *at = strchr(keys, key);

	if (key && at)
		t->sort = (enum bh_talks_sort)(at - keys);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Return: 0 when somebody has seen enough, or -errno, with what to say in @d or not. */
static int watch(struct top *t, struct bh_screen *s, struct bh_client *c, struct bh_diags *d)
{
	int64_t next = now_ms();
	int r = 0;

	/* what came behind the answer waits for nobody's poll() */
	if (bh_client_has_line(c))
		r = take_events(t, c, d);
	while (r == 0) {
		struct pollfd p[3];
		char key = 0;

		if (now_ms() >= next) {
			next = now_ms() + t->interval_s * 1000;
			r = show(t, s);
			if (r < 0)
				break;
		}
		bh_screen_wants(s, p);
		p[2] = (struct pollfd){.fd = c->fd, .events = POLLIN};
		if (poll(p, ARRAY_SIZE(p), (int)MAX(next - now_ms(), 0)) < 0 && errno != EINTR)
			return -errno;
		switch (bh_screen_hear(s, p, &key)) {
		case BH_SCREEN_END:
			return 0;
		case BH_SCREEN_KEY:
			on_key(t, key);
			next = now_ms();
			break;
		case BH_SCREEN_RESIZED:
			next = now_ms();
			break;
		case BH_SCREEN_NOTHING:
			break;
		}
		if (p[2].revents)
			r = take_events(t, c, d);
	}
	return r;
}

static int follow(struct top *t)
{
	bool draws = t->cli->width && !t->cli->json;
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_client_ struct bh_client c = {.fd = -1};
	_cleanup_screen_ struct bh_screen s = {.signals = -1};
	_cleanup_json_ json_t *args = arguments(true);
	int r = bh_client_open(&c, t->cli->control, &d);

	/* an error behind rows is a line, as they are */
	t->cli->follow = true;
	if (r == 0)
		r = bh_client_send(&c, "flows", args, &d);
	if (r == 0)
		r = first_answer(t, &c, &d);
	if (r == 0)
		r = bh_screen_open(&s, draws);
	if (r == 0)
		r = watch(t, &s, &c, &d);
	bh_screen_close(&s);
	if (r == 0 || r == -EIO) /* main() says what is wrong with stdout */
		return BH_EXIT_OK;
	return d.n ? bh_finish(t->cli, BH_EXIT_FAILED, NULL, &d)
		   : bh_fail(t->cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r));
}

/* --- the words ------------------------------------------------------------------------------------------ */

/* Index of @word in @words, the first where it is NULL; -1: it was said what is wrong. */
static int choose(struct bh_cli *cli, const char *option, const char *word,
		  const char *const *words, size_t n)
{
	const char *near;
	char help[80] = "";

	for (size_t i = 0; i < n; i++)
		if (!word || !strcmp(word, words[i]))
			return (int)i;
	near = bh_nearest(word, words, n);
	if (near)
		(void)snprintf(help, sizeof(help), "did you mean '%s'?", near);
	for (size_t i = 0; !near && i < n; i++)
		(void)snprintf(help + strlen(help), sizeof(help) - strlen(help), "%s%s",
			       !i	   ? ""
			       : i + 1 < n ? ", "
					   : " or ",
			       words[i]);
	(void)bh_fail(cli, BH_EXIT_USAGE, help, "--%s: '%s'", option, word);
	return -1;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	int by = choose(cli, "by", cli->by, by_words, ARRAY_SIZE(by_words));
	int sort = by < 0 ? -1 : choose(cli, "sort", cli->sort, sort_words, ARRAY_SIZE(sort_words));
	_cleanup_(bh_talks_freep) struct bh_talks *talks = NULL;
	struct top t = {.cli = cli, .interval_s = cli->interval ? cli->interval : INTERVAL_S};

	if (sort < 0)
		return BH_EXIT_USAGE;
	if (t.interval_s > 3600)
		return bh_fail(cli, BH_EXIT_USAGE, "1 to 3600 seconds",
			       "--interval: %u is too long", t.interval_s);
	t.by = (enum bh_talks_by)by;
	t.sort = (enum bh_talks_sort)sort;
	t.talks = talks = bh_talks_new(t.by, true);
	if (!talks)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return cli->once ? once(&t) : follow(&t);
}

static const struct bh_opt opts[] = {
	{"by", "WHAT", "segment (the default), unit or address", BH_OPT_AT(by), BH_OPT_WORD, 0},
	{"sort", "WHAT", "bytes (the default), packets, flows or denied", BH_OPT_AT(sort),
	 BH_OPT_WORD, 0},
	{"interval", "SECONDS", "how often it is drawn (2)", BH_OPT_AT(interval), BH_OPT_NUMBER,
	 'n'},
	{"once", NULL, "one table, and the end", BH_OPT_AT(once), BH_OPT_FLAG, 0},
};

const struct bh_command bh_cmd_top = {
	.name = "top",
	.args = "",
	.summary = "who talks to whom now, and how much",
	.text = "Conversations of the last minute, added up: who asked whom for which port, what became "
		"of it, bytes\nand packets a second, connections that began, and denies. On a terminal it "
		"is drawn again and again;\nq ends it, b, p, f and d choose the order. Elsewhere there is a "
		"table each time, with -o json an\nobject a line. A session that goes on is told of once a "
		"minute.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
