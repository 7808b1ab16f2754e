/* SPDX-License-Identifier: Apache-2.0 */
/* follow.c - see follow.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "client.h"
#include "follow.h"
#include "text.h"

/* --- printing --------------------------------------------------------------------------------- */

static const char *between(const struct bh_follow *f, size_t i)
{
	return i + 1 < f->n_columns ? "  " : "\n";
}

static void print_header(const struct bh_cli *cli, const struct bh_follow *f)
{
	(void)fputs(bh_paint(cli, BH_BOLD), cli->out);
	for (size_t i = 0; i < f->n_columns; i++)
		fprintf(cli->out, "%-*s%s", f->widths[i], f->columns[i].name, between(f, i));
	(void)fputs(bh_paint(cli, BH_PLAIN), cli->out);
}

static void print_row(const struct bh_cli *cli, const struct bh_follow *f, const json_t *row)
{
	if (cli->json) {
		bh_json_print(cli, row, true);
		return;
	}
	for (size_t i = 0; i < f->n_columns; i++) {
		const struct bh_column *c = &f->columns[i];
		_cleanup_free_ char *text =
			c->cell ? c->cell(row) : bh_json_text(bh_json_at(row, c->path));

		fprintf(cli->out, "%-*s%s", f->widths[i], text && *text ? text : "-",
			between(f, i));
	}
}

/* --- until somebody has seen enough ------------------------------------------------------------ */

static volatile sig_atomic_t stop;

static void on_signal(_unused_ int number)
{
	stop = 1;
}

/* No SA_RESTART: a reader of ours that hangs must not hold us. */
static void hear_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM};
	struct sigaction ours = {.sa_handler = on_signal}, was;

	/* what a shell in the background ignores stays so */
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (sigaction(numbers[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			(void)sigaction(numbers[i], &ours, NULL);
}

/* --- asking ------------------------------------------------------------------------------------ */

static int first_rows(struct bh_cli *cli, const struct bh_follow *f, struct bh_client *c,
		      struct bh_wait *wait, struct bh_diags *d)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *row;
	size_t i;
	int r = bh_client_receive(c, wait, d, &answer);

	if (r < 0)
		return r;
	if (!json_is_true(json_object_get(answer, "ok"))) {
		bh_diags_from_json(json_object_get(answer, "diags"), d);
		return -EPROTO;
	}
	if (!cli->json) {
		(void)bh_json_tame(answer);
		print_header(cli, f);
	}
	json_array_foreach(bh_json_at(answer, "data.rows"), i, row) print_row(cli, f, row);
	return 0;
}

static int follow_lines(struct bh_cli *cli, const struct bh_follow *f, struct bh_client *c,
			struct bh_diags *d)
{
	struct bh_wait wait = {
		.first_ms = BH_CLIENT_SILENT_MS, .max_bytes = BH_CLIENT_MAX_ANSWER, .stop = &stop};
	int r = first_rows(cli, f, c, &wait, d);

	wait.first_ms = -1;
	wait.goes_on = true;
	wait.max_bytes = BH_CLIENT_MAX_EVENT;
	while (r == 0 && !stop && !fflush(cli->out)) {
		_cleanup_json_ json_t *line = NULL;
		const json_t *row;

		r = bh_client_receive(c, &wait, d, &line);
		if (r < 0)
			break;
		if (!cli->json)
			(void)bh_json_tame(line);
		row = json_object_get(line, "event");
		if (json_is_object(row))
			print_row(cli, f, row);
	}
	return r; /* main() says what is wrong with stdout */
}

int bh_follow(struct bh_cli *cli, const struct bh_follow *f, json_t *args)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_client_ struct bh_client c = {.fd = -1};
	_cleanup_json_ json_t *mine = args;
	int r = bh_client_open(&c, cli->control, &d);

	hear_signals();
	if (!r)
		r = bh_client_send(&c, f->verb, mine, &d);
	if (!r)
		r = follow_lines(cli, f, &c, &d);
	return r < 0 && r != -EINTR ? bh_finish(cli, BH_EXIT_FAILED, NULL, &d) : BH_EXIT_OK;
}
