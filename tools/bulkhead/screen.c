/* SPDX-License-Identifier: Apache-2.0 */
/* screen.c - see screen.h. Escape sequences of every terminal of today; no terminfo. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>
#include "../../agent/base/cleanup.h"
#include "screen.h"

/* Another screen, no cursor, nothing that wraps; and all that back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP};

/* For exit(), wherever it comes from. */
static struct termios was;
static bool entered, typed;

static void put(const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t put_n = write(STDOUT_FILENO, text, n);

		if (put_n < 0 && errno != EINTR)
			return;
		text += MAX(put_n, 0);
		n -= (size_t)MAX(put_n, 0);
	}
}

static void leave(void)
{
	if (typed)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &was);
	if (entered)
		put(LEAVE);
	typed = entered = false;
}

static void enter(struct bh_screen *s)
{
	struct termios raw;

	if (s->drawn_on) {
		put(ENTER);
		entered = true;
	}
	if (!s->keys || tcgetattr(STDIN_FILENO, &was) < 0)
		return;
	/* ^C and ^Z stay signals */
	raw = was;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	typed = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void measure(struct bh_screen *s)
{
	struct winsize ws;

	s->width = 80;
	s->height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0)
		return;
	s->width = ws.ws_col ? ws.ws_col : s->width;
	s->height = ws.ws_row ? ws.ws_row : s->height;
}

int bh_screen_open(struct bh_screen *s, bool draw)
{
	struct sigaction old;
	sigset_t ours;

	*s = (struct bh_screen){.signals = -1};
	(void)sigemptyset(&ours);
	/* what a shell in the background ignores stays so */
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaddset(&ours, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &ours, NULL) < 0)
		return -errno;
	s->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return -errno;
	s->drawn_on = draw;
	/* in the background of a terminal reading its keys would stop us */
	s->keys = draw && isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
	measure(s);
	(void)atexit(leave);
	enter(s);
	return 0;
}

void bh_screen_close(struct bh_screen *s)
{
	leave();
	if (s->signals >= 0)
		(void)close(s->signals);
	s->signals = -1;
}

void bh_screen_wants(const struct bh_screen *s, struct pollfd ret[2])
{
	ret[0] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	ret[1] = (struct pollfd){.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN};
}

/* ^Z: the shell gets its terminal, and we get it again. */
static void sleep_on(struct bh_screen *s)
{
	leave();
	(void)raise(SIGSTOP);
	enter(s);
	measure(s);
}

static enum bh_screen_said on_signal(struct bh_screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return BH_SCREEN_NOTHING;
	if (info.ssi_signo == SIGTSTP) {
		sleep_on(s);
		return BH_SCREEN_RESIZED;
	}
	if (info.ssi_signo != SIGWINCH)
		return BH_SCREEN_END;
	measure(s);
	return BH_SCREEN_RESIZED;
}

enum bh_screen_said bh_screen_hear(struct bh_screen *s, const struct pollfd from[2], char *ret_key)
{
	ssize_t n;

	if (from[0].revents)
		return on_signal(s);
	if (!from[1].revents)
		return BH_SCREEN_NOTHING;
	n = read(STDIN_FILENO, ret_key, 1);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return BH_SCREEN_NOTHING;
	return n <= 0 || *ret_key == 'q' || *ret_key == 'Q' ? BH_SCREEN_END : BH_SCREEN_KEY;
}

void bh_screen_draw(const struct bh_screen *s, FILE *out, const char *text)
{
	(void)fputs("\033[H", out);
	for (size_t line = 0; *text && line < s->height; line++) {
		size_t n = strcspn(text, "\n");

		/* the last line has no newline: it would scroll */
		fprintf(out, "%s%.*s\033[K", line ? "\r\n" : "", (int)n, text);
		text += n + (text[n] == '\n');
	}
	(void)fputs("\033[J", out);
}
