/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - a flow as a line of JSON, schema bulkhead.flow.v1 (tools/schema/flow.schema.json). On the
 * path of each flow: no memory is asked for, no file is opened.
 */
#ifndef BH_TELEMETRY_JSON_H
#define BH_TELEMETRY_JSON_H

#include "../base/cleanup.h"
#include "flow.h"
#include "loss.h"

#define BH_JSON_SCHEMA "bulkhead.flow.v1"
/* A name has at most so many bytes in a record; of a longer one the beginning is told. */
#define BH_JSON_NAME_MAX 255
/* No record is longer, with its line break: six names that are nothing but \u00XX, and the rest. */
#define BH_JSON_FLOW_MAX 12288

struct bh_json;

/* @passwd: names of users. Return: NULL if there is no memory. */
struct bh_json *bh_json_new(const char *passwd);
void bh_json_free(struct bh_json *j);
BH_DEFINE_CLEANUP(struct bh_json *, bh_json_free)

/* What may change under us: the host's name, users, and how far wall time is from boot time. */
void bh_json_look(struct bh_json *j);
/* As it is then; else the first two are the kernel's. */
void bh_json_set(struct bh_json *j, const char *host, __s64 wall_ns, __u64 boot_ns);
/* JSON text of the host's name, with its quotes. */
const char *bh_json_host(const struct bh_json *j);

/* @ret has BH_JSON_FLOW_MAX bytes. Return: its length, with the line break. */
size_t bh_json_flow(const struct bh_json *j, const struct bh_flow *flow, char *ret);

#define BH_JSON_TIME 32
/* "2026-11-23T21:40:01.123456Z" */
const char *bh_json_time(__s64 wall_ns, char ret[BH_JSON_TIME]);

/* A period of a stream, for its record of type "loss". */
struct bh_json_period {
	const char *host; /* JSON text */
	__s64 since_ns, time_ns;
	__u64 skipped, written, queue, sink;
	const char *sink_stage; /* "sink_file" */
};

/* @loss: of that period. Return: malloced, with the line break; NULL: no memory. */
char *bh_json_loss(const struct bh_json_period *p, const struct bh_loss *loss);

#endif
