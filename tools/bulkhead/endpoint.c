/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c - see endpoint.h. Called by cmd_explain.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "../../agent/policy/port.h"
#include "endpoint.h"

#define FORMS	 "write it as web:443/tcp, [2001:db8::1]:53/udp, web:icmp/echo-request or web:proto/47"
#define MAX_WORD 4096

static bool is_ip6(const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, s, &a) == 1;
}

static bool is_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

/* Names that may hold a colon of their own. */
static bool is_unit_or_path(const char *s)
{
	return *s == '/' || ends_with(s, ".service") || ends_with(s, ".socket") ||
	       ends_with(s, ".scope") || ends_with(s, ".slice");
}

static int bad(struct bh_diags *d, const char *what, const char *word)
{
	return bh_diag_add(d, BH_ERROR, NULL, FORMS, "%s: '%s'", what, word);
}

static bool is_transport(const char *s)
{
	return !strcmp(s, "tcp") || !strcmp(s, "udp") || !strcmp(s, "udplite");
}

/* @spec in the words of a segment map: "443", "443/tcp" and "tcp/443" are "tcp/443". */
static int to_map_words(const char *spec, char ret[BH_PROTO_TEXT])
{
	const char *slash = strchr(spec, '/');
	int n;

	if (slash && is_transport(slash + 1))
		n = snprintf(ret, BH_PROTO_TEXT, "%s/%.*s", slash + 1, (int)(slash - spec), spec);
	else if (!strcmp(spec, "icmp"))
		n = snprintf(ret, BH_PROTO_TEXT, "icmp/echo-request");
	else if (slash || is_transport(spec))
		n = snprintf(ret, BH_PROTO_TEXT, "%s", spec);
	else
		n = snprintf(ret, BH_PROTO_TEXT, "tcp/%s", spec);
	return n < BH_PROTO_TEXT ? 0 : -EINVAL;
}

/* What stands behind the colon. */
static int parse_spec(const char *spec, struct bh_diags *d, struct bh_endpoint *e)
{
	char words[BH_PROTO_TEXT];
	struct bh_port port = {};
	struct bh_fault fault;

	if (to_map_words(spec, words) < 0)
		return bad(d, "not a port", spec);
	if (bh_port_parse(words, &port, &fault) < 0)
		return bh_diag_add(d, BH_ERROR, NULL, *fault.help ? fault.help : FORMS, "%s",
				   fault.text);
	if (!strncmp(words, "icmp/", 5) || !strncmp(words, "proto/", 6)) {
		(void)snprintf(e->proto, sizeof(e->proto), "%s", words);
		return 0;
	}
	if (port.any_port || port.lo != port.hi)
		return bad(d, "one port is needed, not several", words);
	e->port = port.lo;
	(void)snprintf(e->proto, sizeof(e->proto), "%.*s", (int)strcspn(words, "/"), words);
	return 0;
}

/* Would parse_spec() take it for more than a slip of the pen? */
static bool looks_like_spec(const char *s)
{
	static const char *const protos[] = {"tcp/", "udp/", "udplite/", "icmp/", "proto/"};
	const char *slash = strchr(s, '/');

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (!strncmp(s, protos[i], strlen(protos[i])))
			return true;
	return is_digits(s) || !strcmp(s, "icmp") || (slash && is_transport(slash + 1));
}

/* Ends @word behind the name. Return: the spec, NULL if there is none, or -EINVAL in @r. */
static char *split(char *word, char **ret_who, struct bh_diags *d, int *r)
{
	char *colon, *end;

	*ret_who = word;
	if (*word == '[') {
		end = strchr(word, ']');
		if (end)
			*end = '\0';
		if (!end || !is_ip6(word + 1) || (end[1] && end[1] != ':')) {
			*r = bad(d,
				 "only an IPv6 address stands in brackets, and only a port behind",
				 word + 1);
			return NULL;
		}
		*ret_who = word + 1;
		return end[1] ? end + 2 : NULL;
	}
	if (is_ip6(word))
		return NULL;
	colon = strrchr(word, ':');
	if (!strncmp(word, "pid:", 4))
		colon = strchr(word + 4, ':');
	if (!colon || (is_unit_or_path(word) && !looks_like_spec(colon + 1)))
		return NULL;
	*colon = '\0';
	if (is_ip6(word) ||
	    (strchr(word, ':') && word[strspn(word, "0123456789abcdefABCDEF:")] == 0)) {
		*r = bh_diag_add(d, BH_ERROR, NULL,
				 "an IPv6 address with a port: [2001:db8::1]:443",
				 "IPv6 address without brackets: '%s:%s'", word, colon + 1);
		return NULL;
	}
	return colon + 1;
}

static int check_who(const char *who, struct bh_diags *d)
{
	if (!*who)
		return bh_diag_add(d, BH_ERROR, NULL,
				   "a segment, a unit, a cgroup path, pid:N or an address",
				   "nobody is named");
	for (const char *s = who; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return bh_diag_add(d, BH_ERROR, NULL, NULL,
					   "a control character in a name");
	if (!strncmp(who, "pid:", 4) && (!is_digits(who + 4) || strlen(who) > 4 + 7))
		return bad(d, "not a process id", who + 4);
	return 0;
}

int bh_endpoint_parse(const char *word, struct bh_diags *d, struct bh_endpoint *ret)
{
	_cleanup_free_ char *copy = NULL;
	struct bh_endpoint e = {};
	char *who, *spec;
	int r = 0;

	if (strlen(word) > MAX_WORD)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "a name of %zu characters",
				   strlen(word));
	copy = strdup(word);
	if (!copy)
		return -ENOMEM;
	spec = split(copy, &who, d, &r);
	if (!r)
		r = check_who(who, d);
	if (!r && spec)
		r = parse_spec(spec, d, &e);
	if (r < 0)
		return r;
	e.who = strdup(who);
	if (!e.who)
		return -ENOMEM;
	*ret = e;
	return 0;
}

void bh_endpoint_clear(struct bh_endpoint *e)
{
	free(e->who);
	*e = (struct bh_endpoint){};
}
