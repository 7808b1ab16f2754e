/* SPDX-License-Identifier: Apache-2.0 */
/* ipfix.c - see ipfix.h: messages, sets, templates, and what tells of elements and loss. */
#include <errno.h>
#include <string.h>
#include "../base/cleanup.h"
#include "../base/utf8.h"
#include "ipfix.h"

#define HEADER	   16
#define SET_HEADER 4
#define VERSION	   10
#define ENTERPRISE 0x8000
#define VARIABLE   0xffff

/* --- bytes ------------------------------------------------------------------------------------ */

static void store(__u8 *to, __u64 v, size_t bytes)
{
	while (bytes--) {
		to[bytes] = (__u8)v;
		v >>= 8;
	}
}

void bh_ipfix_put_bytes(struct bh_ipfix_record *r, const void *b, size_t bytes)
{
	/* too many is never: names are cut, see BH_IPFIX_NAME */
	if (!bytes || bytes > sizeof(r->b) - r->n)
		return;
	memcpy(r->b + r->n, b, bytes);
	r->n += bytes;
}

void bh_ipfix_put(struct bh_ipfix_record *r, __u64 v, size_t bytes)
{
	__u8 b[8];

	store(b, v, bytes);
	bh_ipfix_put_bytes(r, b, bytes);
}

/* How much of it may be told: whole characters, and no longer than it may be. */
static size_t text_bytes(const char *text)
{
	size_t n = 0;

	while (text[n]) {
		unsigned int code;
		int len = bh_utf8_next(text + n, &code);

		/* what is no UTF-8 goes on byte by byte: it is not ours to mend */
		len = len ? len : 1;
		if (n + (size_t)len > BH_IPFIX_NAME)
			break;
		n += (size_t)len;
	}
	return n;
}

void bh_ipfix_put_text(struct bh_ipfix_record *r, const char *text)
{
	size_t n = text ? text_bytes(text) : 0;

	bh_ipfix_put(r, n, 1);
	bh_ipfix_put_bytes(r, text, n);
}

/* --- messages --------------------------------------------------------------------------------- */

int bh_ipfix_add(struct bh_ipfix *m, __u16 set_id, const struct bh_ipfix_record *r)
{
	bool new = !m->set || m->set_id != set_id;
	size_t n = m->n ? m->n : HEADER;

	if (n + (new ? SET_HEADER : 0) + r->n > sizeof(m->b))
		return -ENOSPC;
	if (new) {
		m->set = n;
		m->set_id = set_id;
		store(m->b + n, set_id, 2);
		n += SET_HEADER;
	}
	memcpy(m->b + n, r->b, r->n);
	m->n = n + r->n;
	store(m->b + m->set + 2, m->n - m->set, 2);
	if (set_id >= BH_IPFIX_FLOW)
		m->records++;
	return 0;
}

void bh_ipfix_close(struct bh_ipfix *m, __u32 wall_s)
{
	store(m->b, VERSION, 2);
	store(m->b + 2, m->n, 2);
	store(m->b + 4, wall_s, 4);
	store(m->b + 8, m->sequence, 4);
	store(m->b + 12, m->domain, 4);
}

void bh_ipfix_next(struct bh_ipfix *m, bool sent)
{
	if (sent)
		m->sequence += m->records;
	m->records = m->flows = 0;
	m->packets = 0;
	m->n = m->set = 0;
}

/* --- templates -------------------------------------------------------------------------------- */

static void put_field(struct bh_ipfix_record *r, __u32 pen, __u16 id, __u16 bytes)
{
	bh_ipfix_put(r, pen ? id | ENTERPRISE : id, 2);
	bh_ipfix_put(r, bytes, 2);
	if (pen)
		bh_ipfix_put(r, pen, 4);
}

static void put_template(struct bh_ipfix_record *r, size_t which)
{
	size_t count = 0;

	for (size_t i = 0; i < bh_n_ipfix_elements; i++)
		count += bh_ipfix_elements[i].in >> which & 1;
	bh_ipfix_put(r, BH_IPFIX_FLOW + which, 2);
	bh_ipfix_put(r, count, 2);
	for (size_t i = 0; i < bh_n_ipfix_elements; i++) {
		const struct bh_ipfix_element *e = &bh_ipfix_elements[i];

		if (e->in >> which & 1)
			put_field(r, e->pen, e->id, e->bytes);
	}
}

int bh_ipfix_add_templates(struct bh_ipfix *m)
{
	struct bh_ipfix_record r = {0};

	for (size_t i = 0; i < BH_IPFIX_TEMPLATES; i++)
		put_template(&r, i);
	return bh_ipfix_add(m, BH_IPFIX_SET_TPL, &r);
}

struct field {
	__u16 id, bytes;
};

/* libfixbuf learns a name only from all nine. */
static const struct field type_fields[] = {
	{346, 4},	 /* privateEnterpriseNumber, scope */
	{303, 2},	 /* informationElementId, scope */
	{339, 1},	 /* ...DataType */
	{344, 1},	 /* ...Semantics */
	{345, 2},	 /* ...Units */
	{342, 8},	 /* ...RangeBegin */
	{343, 8},	 /* ...RangeEnd */
	{341, VARIABLE}, /* ...Name */
	{340, VARIABLE}, /* ...Description */
};

static const struct field loss_fields[] = {
	{144, 4}, /* exportingProcessId, scope */
	{41, 8},  /* exportedMessageTotalCount */
	{42, 8},  /* exportedFlowRecordTotalCount */
	{166, 8}, /* notSentFlowTotalCount */
	{167, 8}, /* notSentPacketTotalCount */
	{164, 8}, /* ignoredPacketTotalCount */
};

static void put_options(struct bh_ipfix_record *r, __u16 id, size_t scopes, const struct field *f,
			size_t n)
{
	bh_ipfix_put(r, id, 2);
	bh_ipfix_put(r, n, 2);
	bh_ipfix_put(r, scopes, 2);
	for (size_t i = 0; i < n; i++)
		put_field(r, 0, f[i].id, f[i].bytes);
}

int bh_ipfix_add_options(struct bh_ipfix *m)
{
	struct bh_ipfix_record type = {0}, loss = {0};
	int r;

	put_options(&type, BH_IPFIX_TYPE, 2, type_fields, ARRAY_SIZE(type_fields));
	put_options(&loss, BH_IPFIX_LOSS, 1, loss_fields, ARRAY_SIZE(loss_fields));
	r = bh_ipfix_add(m, BH_IPFIX_SET_OPT, &type);
	/* pmacct reads one template of a set and calls the rest malformed */
	m->set = 0;
	return r ? r : bh_ipfix_add(m, BH_IPFIX_SET_OPT, &loss);
}

/* --- records of these -------------------------------------------------------------------------- */

int bh_ipfix_add_type(struct bh_ipfix *m, size_t i)
{
	const struct bh_ipfix_element *e = &bh_ipfix_elements[i];
	struct bh_ipfix_record r = {0};

	if (e->pen != BH_IPFIX_PEN)
		return 0;
	bh_ipfix_put(&r, e->pen, 4);
	bh_ipfix_put(&r, e->id, 2);
	bh_ipfix_put(&r, e->type, 1);
	bh_ipfix_put(&r, e->semantics, 1);
	bh_ipfix_put(&r, e->units, 2);
	/* 0 and 0: all that the type holds */
	bh_ipfix_put(&r, 0, 8);
	bh_ipfix_put(&r, 0, 8);
	bh_ipfix_put_text(&r, e->name);
	bh_ipfix_put_text(&r, e->about);
	return bh_ipfix_add(m, BH_IPFIX_TYPE, &r);
}

int bh_ipfix_add_loss(struct bh_ipfix *m, const struct bh_ipfix_loss *loss)
{
	struct bh_ipfix_record r = {0};

	bh_ipfix_put(&r, 1, 4);
	bh_ipfix_put(&r, loss->messages, 8);
	bh_ipfix_put(&r, loss->flows, 8);
	bh_ipfix_put(&r, loss->lost_flows, 8);
	bh_ipfix_put(&r, loss->lost_packets, 8);
	bh_ipfix_put(&r, loss->suppressed, 8);
	return bh_ipfix_add(m, BH_IPFIX_LOSS, &r);
}
