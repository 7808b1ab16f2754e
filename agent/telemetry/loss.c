/* SPDX-License-Identifier: Apache-2.0 */
/* loss.c - see loss.h, and the record that tells it: bh_json_loss() of json.h. */
#include <inttypes.h>
#include "json.h"
#include "put.h"

struct bh_loss_count bh_loss_sum(const struct bh_loss *loss)
{
	struct bh_loss_count sum = {0};

	for (size_t i = 0; i < loss->n_cpu; i++) {
		sum.seen += loss->cpu[i].seen;
		sum.sent += loss->cpu[i].sent;
		sum.suppressed += loss->cpu[i].suppressed;
		sum.lost += loss->cpu[i].lost;
		sum.no_room += loss->cpu[i].no_room;
	}
	return sum;
}

const char *bh_json_time(__s64 wall_ns, char ret[BH_JSON_TIME])
{
	char text[BH_JSON_TIME];
	size_t n = (size_t)(bh_put_time(text, wall_ns) - text) - 2;

	memcpy(ret, text + 1, n);
	ret[n] = '\0';
	return ret;
}

static void put_stages(FILE *f, const struct bh_json_period *p, const struct bh_loss_count *sum)
{
	fprintf(f,
		",\"stages\":{\"ratelimit\":%" PRIu64 ",\"ringbuf\":%" PRIu64
		",\"flow_table\":%" PRIu64 ",\"queue\":%" PRIu64 ",\"%s\":%" PRIu64 "}",
		(uint64_t)sum->suppressed, (uint64_t)sum->lost, (uint64_t)sum->no_room,
		(uint64_t)p->queue, p->sink_stage, (uint64_t)p->sink);
}

/* Those alone that saw something. */
static void put_cpus(FILE *f, const struct bh_loss *loss)
{
	size_t n = 0;

	fputs(",\"cpus\":[", f);
	for (size_t i = 0; i < loss->n_cpu; i++) {
		const struct bh_loss_count *c = &loss->cpu[i];

		if (!c->seen && !c->no_room)
			continue;
		fprintf(f,
			"%s{\"cpu\":%zu,\"seen\":%" PRIu64 ",\"sent\":%" PRIu64
			",\"ratelimit\":%" PRIu64 ",\"ringbuf\":%" PRIu64 ",\"flow_table\":%" PRIu64
			"}",
			n++ ? "," : "", i, (uint64_t)c->seen, (uint64_t)c->sent,
			(uint64_t)c->suppressed, (uint64_t)c->lost, (uint64_t)c->no_room);
	}
	fputs("]}\n", f);
}

char *bh_json_loss(const struct bh_json_period *p, const struct bh_loss *loss)
{
	const struct bh_loss_count sum = bh_loss_sum(loss);
	char time[BH_JSON_TIME], since[BH_JSON_TIME];
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f,
		"{\"schema\":\"" BH_JSON_SCHEMA "\",\"time\":\"%s\",\"type\":\"loss\",\"host\":%s"
		",\"since\":\"%s\",\"seen\":%" PRIu64 ",\"sent\":%" PRIu64
		",\"suppressed\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"skipped\":%" PRIu64
		",\"written\":%" PRIu64,
		bh_json_time(p->time_ns, time), p->host, bh_json_time(p->since_ns, since),
		(uint64_t)sum.seen, (uint64_t)sum.sent, (uint64_t)sum.suppressed,
		(uint64_t)sum.lost, (uint64_t)p->skipped, (uint64_t)p->written);
	put_stages(f, p, &sum);
	put_cpus(f, loss);
	return fclose(f) == 0 ? TAKE_PTR(text) : NULL;
}
