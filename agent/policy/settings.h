/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - the agent's own file, /etc/bulkhead/bulkhead.yaml, as its author wrote it. The
 * same language as a segment map's: one YAML, one way to say what is wrong. What a key means to
 * an agent is agent/config.c's; `bulkhead check` reads it without one.
 */
#ifndef BH_SETTINGS_H
#define BH_SETTINGS_H

#include <net/if.h>
#include "model.h"

#define BH_SETTINGS_PATH      "/etc/bulkhead/bulkhead.yaml"
#define BH_SETTINGS_MAX_BYTES (64u << 10)
#define BH_SETTINGS_MAX_NICS  256u

/* Seconds, and bytes of the audit log, that may be said; what holds if nothing is. */
#define BH_SETTINGS_CONFIRM_MAX_S     86400u
#define BH_SETTINGS_EMERGENCY_S	      900u
#define BH_SETTINGS_EMERGENCY_MAX_S   3600u
#define BH_SETTINGS_EMERGENCY_LIMIT_S 86400u
#define BH_SETTINGS_AUDIT_MIN_BYTES   (64u << 10)
#define BH_SETTINGS_AUDIT_MAX_BYTES   (256u << 20)
#define BH_SETTINGS_AUDIT_KEEP_MAX    90u /* older files */

#define BH_SETTINGS_UPDATE_S	    60u /* of a flow that goes on */
#define BH_SETTINGS_UPDATE_MAX_S    3600u
#define BH_SETTINGS_FLOWS_BYTES	    (64u << 20)
#define BH_SETTINGS_FLOWS_MIN_BYTES (64u << 10)
#define BH_SETTINGS_FLOWS_MAX_BYTES (1ull << 40)
#define BH_SETTINGS_FLOWS_KEEP	    8u /* older files */
#define BH_SETTINGS_FLOWS_KEEP_MAX  1000u
#define BH_SETTINGS_IPFIX_PORT	    4739u

/* What a device may be given: auto, native, generic, tc, off. */
extern const char *const bh_settings_modes[];
extern const size_t bh_n_settings_modes;
/* What `without` may name, as bh_kern_optional() does. */
extern const char *const bh_settings_features[];
extern const size_t bh_n_settings_features;

struct bh_settings_nic {
	char name[IF_NAMESIZE];
	size_t mode; /* index into bh_settings_modes */
};

/* What `events` may name; bit i of struct bh_settings_sink.events is type i of enum bh_event_type. */
extern const char *const bh_settings_events[];
extern const size_t bh_n_settings_events;

#define BH_SETTINGS_EVENTS_SAID (1u << 31) /* also where the list is empty */

/* Where something listens; port 0: it was not said. */
struct bh_settings_end {
	struct bh_addr addr;
	__u16 port;
};

struct bh_settings_telemetry {
	__u32 update_s;
	struct {
		const char *path;
		__u64 max_bytes, keep;
		__u32 events;
	} file;
	struct {
		__u32 events;
	} journal;
	struct {
		const char *file;
		struct bh_settings_end listen; /* of loopback */
	} metrics;
	struct {
		struct bh_settings_end collector; /* UDP */
		__u64 domain;
		__u32 events;
	} ipfix;
};

/* What is 0, NULL or false was not said. */
struct bh_settings {
	struct bh_settings_nic *nic;
	size_t n_nic;
	bool take_over;
	__u32 without; /* bit i: bh_settings_features[i] */
	int log_level; /* enum bh_level of base/log.h */
	const char *state_dir, *runtime_dir, *pin_dir, *cgroup_root;
	__u32 confirm_s;
	__u32 emergency_s, emergency_max_s;
	__u64 audit_max_bytes, audit_keep;
	struct bh_pos emergency_pos; /* of its default */
	struct bh_settings_telemetry telemetry;
};

/**
 * bh_settings_parse - YAML text to settings, or every error in one pass
 * @file: name for messages
 * @text: the document, @len bytes and a NUL behind them
 * @d:    findings are added here
 * @ret:  set on success only; free with bh_settings_free()
 *
 * Pure: reads nothing but its arguments. Return: 0, -EINVAL (see @d), -ENOMEM.
 */
int bh_settings_parse(const char *file, const char *text, size_t len, struct bh_diags *d,
		      struct bh_settings **ret);
/*
 * What can be read of a file that has errors: for an agent that starts, which had better guard a
 * host with most of its settings than not at all. Return: 0, -EINVAL (nothing can), -ENOMEM.
 */
int bh_settings_salvage(const char *file, const char *text, size_t len, struct bh_settings **ret);
void bh_settings_free(struct bh_settings *s);
BH_DEFINE_CLEANUP(struct bh_settings *, bh_settings_free)

/* Is this text (as above) meant for the agent? No if a key of a segment map is in it. `version` is a key of both. */
bool bh_settings_are(const char *text, size_t len);

#endif
