/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - see record.h. */
#include <errno.h>
#include <string.h>
#include "../workload/proc.h"
#include "../workload/users.h"
#include "audit.h"
#include "metrics.h"
#include "record.h"
#include "seal.h"
#include "server.h"

/* --- where heads go -------------------------------------------------------------------------------- */

static unsigned char nibble(char c)
{
	return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static int pin_head(struct bh_kern *k, const struct bh_chain_head *head)
{
	struct bh_audit_head pinned = {.seq = head->seq};

	for (size_t i = 0; i < sizeof(pinned.hash); i++)
		pinned.hash[i] = (unsigned char)(nibble(head->hash[2 * i]) << 4 |
						 nibble(head->hash[2 * i + 1]));
	return bh_kern_audit_set(k, &pinned);
}

static void read_pinned(struct bh_kern *k, struct bh_chain_head *ret)
{
	struct bh_audit_head pinned = {0};

	*ret = (struct bh_chain_head){0};
	if (bh_kern_audit_get(k, &pinned) < 0)
		return;
	ret->seq = pinned.seq;
	for (size_t i = 0; i < sizeof(pinned.hash); i++)
		snprintf(ret->hash + 2 * i, 3, "%02x", pinned.hash[i]);
}

void bh_record_pinned(struct bh_agent *a, struct bh_chain_head *ret)
{
	read_pinned(a->kern, ret);
}

static void to_journal(const struct bh_chain_head *head, const json_t *what)
{
	const char *verb = json_string_value(json_object_get(what, "verb"));
	const char *event = json_string_value(json_object_get(what, "event"));
	const char *by = json_string_value(json_object_get(what, "by"));
	char seq[64], hash[100];
	const char *const field[] = {"MESSAGE_ID=" BH_MESSAGE_AUDIT, seq, hash};

	snprintf(seq, sizeof(seq), "BULKHEAD_AUDIT_SEQ=%llu", head->seq);
	snprintf(hash, sizeof(hash), "BULKHEAD_AUDIT_HASH=%s", head->hash);
	bh_log_fields(BH_LOG_INFO, field, ARRAY_SIZE(field), "audit record %llu, %s by %s: %s",
		      head->seq,
		      verb    ? verb
		      : event ? event
			      : "?",
		      by ? by : "?", head->hash);
}

static void on_head(void *ctx, const struct bh_chain_head *head, const json_t *what,
		    const char *line)
{
	struct bh_agent *a = ctx;
	int r = pin_head(a->kern, head);

	if (r < 0)
		snprintf(a->audit_trouble, sizeof(a->audit_trouble),
			 "the head of the audit log can't be pinned: %s", strerror(-r));
	to_journal(head, what);
	if (a->server)
		bh_server_record(a->server, line);
}

static void say_found(const struct bh_agent *a)
{
	if (*bh_audit_found(a->audit))
		bh_error("the audit log was tampered with: %s; see `bulkhead audit verify`",
			 bh_audit_found(a->audit));
}

void bh_record_open(struct bh_agent *a)
{
	struct bh_chain_head pinned;
	int r;

	if (!a->audit)
		return;
	bh_audit_tell(a->audit, on_head, a);
	bh_record_pinned(a, &pinned);
	r = bh_audit_check(a->audit, &pinned);
	if (r < 0) {
		snprintf(a->audit_trouble, sizeof(a->audit_trouble),
			 "the audit log can't be checked: %s", strerror(-r));
		bh_error("%s", a->audit_trouble);
	}
	say_found(a);
}

/* A log that could not be opened at the start may be there by now. */
static void open_late(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags unsaid = {0};

	if (a->audit || !a->audit_trouble[0] ||
	    bh_audit_open(a->opts.state_dir, a->clock, &unsaid, &a->audit) < 0)
		return;
	if (a->opts.audit_keep)
		bh_audit_limit(a->audit, a->opts.audit_max_bytes, a->opts.audit_keep);
	bh_record_open(a);
}

/* --- one record ---------------------------------------------------------------------------------------- */

/* @what: stolen; NULL: no memory. Return: 0 or -errno; what is wrong is in a->audit_trouble. */
static int add(struct bh_agent *a, json_t *what, const char *name)
{
	json_auto_t *mine = what;
	bool known = *bh_audit_found(a->audit);
	int r = -ENOMEM;

	a->audit_trouble[0] = '\0';
	if (mine)
		r = bh_audit_add(a->audit, mine);
	if (!known)
		say_found(a);
	if (r < 0)
		snprintf(a->audit_trouble, sizeof(a->audit_trouble),
			 "the audit log can't be written: %s; `%s` is not in it", strerror(-r),
			 name);
	else if (*bh_audit_trouble(a->audit))
		snprintf(a->audit_trouble, sizeof(a->audit_trouble), "%.240s",
			 bh_audit_trouble(a->audit));
	if (a->audit_trouble[0])
		bh_error("%s", a->audit_trouble);
	return r;
}

/* generation, map: what is enforced by now. */
static int put_live(const struct bh_agent *a, json_t *what)
{
	const struct bh_map *map = a->live.map;
	json_t *m = map ? json_pack("{s:o s:s}", "name", bh_json_text(map->name), "sha256",
				    a->live.origin.sha256)
			: json_null();

	return json_object_set_new(what, "generation", bh_json_u64(bh_kern_generation(a->kern))) <
				       0 ||
			       json_object_set_new(what, "map", m) < 0
		       ? -ENOMEM
		       : 0;
}

/* --- of a verb ------------------------------------------------------------------------------------------ */

static const char *first_error(const struct bh_diags *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].severity == BH_ERROR)
			return d->list[i].text;
	return NULL;
}

/* Longer words are not logged: a line has to be found again from the end of the file. */
#define WORD_MAX 4096

/* What was asked, in short: a map is told by its digest. NULL: no memory. */
static json_t *args_json(const json_t *args)
{
	json_auto_t *copy = json_object();
	char digest[BH_SHA256_TEXT];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)args, key, value)
	{
		const char *s = json_string_value(value);
		size_t n = s ? json_string_length(value) : 0;
		int r;

		if (!strcmp(key, "reason"))
			continue;
		if (s && !strcmp(key, "text")) {
			bh_sha256_text(s, n, digest);
			r = json_object_set_new(copy, "sha256", json_string(digest));
		} else if (n > WORD_MAX || json_is_object(value) || json_is_array(value)) {
			r = json_object_set_new(copy, key, json_string("(not shown)"));
		} else {
			r = json_object_set(copy, key, value);
		}
		if (r < 0)
			return NULL;
	}
	return TAKE_PTR(copy);
}

/* From the answer: how many of which change, connections, hooks. NULL: no memory. */
static json_t *counts_json(const json_t *data)
{
	static const char *const whats[] = {"added", "removed", "changed"};
	static const char *const numbers[] = {"cut", "hooks"};
	const json_t *change, *changes = json_object_get(data, "changes");
	json_auto_t *counts = json_object();
	size_t i;

	for (size_t w = 0; changes && w < ARRAY_SIZE(whats); w++) {
		json_int_t n = 0;

		json_array_foreach(changes, i, change)
		{
			const char *what = json_string_value(json_object_get(change, "what"));

			n += what && !strcmp(what, whats[w]);
		}
		if (json_object_set_new(counts, whats[w], json_integer(n)) < 0)
			return NULL;
	}
	for (size_t w = 0; w < ARRAY_SIZE(numbers); w++) {
		json_t *n = json_object_get(data, numbers[w]);

		if (json_is_integer(n) && json_object_set(counts, numbers[w], n) < 0)
			return NULL;
	}
	return TAKE_PTR(counts);
}

/* uid, loginuid, pid, tty, cgroup, segment. */
static int put_caller(const struct bh_caller *c, json_t *what)
{
	json_auto_t *who =
		json_pack("{s:I s:o s:i s:o s:o s:s}", "uid", (json_int_t)c->uid, "loginuid",
			  c->loginuid == BH_PROC_NO_LOGIN ? json_null()
							  : json_integer((json_int_t)c->loginuid),
			  "pid", (int)c->pid, "tty", *c->tty ? json_string(c->tty) : json_null(),
			  "cgroup", bh_json_text(c->cgroup), "segment", c->segment);

	return who && json_object_update(what, who) == 0 ? 0 : -ENOMEM;
}

static json_t *verb_json(const struct bh_agent *a, const struct bh_verb *verb, const json_t *args,
			 const struct bh_caller *c, const struct bh_reply *reply)
{
	char user[BH_USER_TEXT];
	const char *reason = json_string_value(json_object_get(args, "reason"));
	json_auto_t *what = json_pack(
		"{s:o s:s s:o s:b s:o s:o}", "by", bh_json_text(bh_nss_name(c->uid, user)), "verb",
		verb->name, "args", args_json(args), "ok", !reply->diags.n_errors, "error",
		bh_json_text(first_error(&reply->diags)), "reason", bh_json_text(reason));

	if (!what || put_live(a, what) < 0 ||
	    json_object_set_new(what, "counts", counts_json(reply->data)) < 0 ||
	    put_caller(c, what) < 0)
		return NULL;
	return TAKE_PTR(what);
}

void bh_record_verb(struct bh_agent *a, const struct bh_verb *verb, const json_t *args,
		    const struct bh_caller *c, struct bh_reply *reply)
{
	open_late(a);
	if (!verb->changes || json_is_true(json_object_get(args, "dry_run")))
		return;
	bh_metrics_verb(a->metrics, verb->name, json_string_value(json_object_get(args, "action")),
			reply->code);
	if (!a->audit)
		return;
	(void)add(a, verb_json(a, verb, args, c, reply), verb->name);
	if (a->audit_trouble[0])
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
				  "make room in the state directory", "%s", a->audit_trouble);
}

/* --- of the agent ----------------------------------------------------------------------------------------- */

void bh_record_agent(struct bh_agent *a, const char *event, json_t *more)
{
	json_auto_t *mine = more;
	json_t *what;

	open_late(a);
	if (!a->audit)
		return;
	what = json_pack("{s:s s:s}", "by", "agent", "event", event);
	if (what && (put_live(a, what) < 0 || (mine && json_object_update(what, mine) < 0))) {
		json_decref(what);
		what = NULL;
	}
	(void)add(a, what, event);
}

/* --- without an agent --------------------------------------------------------------------------------------- */

/* Of each version's pins: the agent that starts next may be of any. */
static void on_rescue_head(void *ctx, const struct bh_chain_head *head, const json_t *what,
			   _unused_ const char *line)
{
	for (struct bh_kern *set = ctx; set; set = bh_kern_next(set))
		(void)pin_head(set, head);
	to_journal(head, what);
}

static int rescue_json(const char *action, __u64 generation, json_t **ret)
{
	_cleanup_(bh_caller_clear) struct bh_caller me = {.pid = getpid(), .uid = getuid()};
	char user[BH_USER_TEXT];
	json_auto_t *what =
		json_pack("{s:o s:s s:{s:s} s:b s:o s:n}", "by",
			  bh_json_text(bh_nss_name(me.uid, user)), "verb", "rescue", "args",
			  "action", action, "ok", 1, "generation", bh_json_u64(generation), "map");

	(void)bh_proc_loginuid(me.pid, &me.loginuid);
	(void)bh_proc_tty(me.pid, me.tty);
	(void)bh_cgroup_of_pid(me.pid, &me.cgroup);
	if (!what || put_caller(&me, what) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(what);
	return 0;
}

int bh_record_rescue(const struct bh_agent_opts *opts, struct bh_kern *k, const char *action,
		     __u64 generation)
{
	_cleanup_(bh_audit_closep) struct bh_audit *audit = NULL;
	_cleanup_diags_ struct bh_diags unsaid = {0};
	json_auto_t *what = NULL;
	struct bh_chain_head pinned;
	int r = bh_audit_open(opts->state_dir, &bh_clock_real, &unsaid, &audit);

	if (r < 0)
		return r;
	/* without the settings nothing is cut */
	bh_audit_limit(audit, opts->audit_max_bytes ? opts->audit_max_bytes : SIZE_MAX,
		       opts->audit_keep ? opts->audit_keep : BH_CHAIN_KEEP_MAX);
	read_pinned(k, &pinned);
	bh_audit_tell(audit, on_rescue_head, k);
	r = bh_audit_check(audit, &pinned);
	if (r == 0)
		r = rescue_json(action, generation, &what);
	return r < 0 ? r : bh_audit_add(audit, what);
}
