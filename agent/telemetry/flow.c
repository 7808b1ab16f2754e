/* SPDX-License-Identifier: Apache-2.0 */
/* flow.c - see flow.h: the words of an event. */
#include "../base/cleanup.h"
#include "flow.h"

bool bh_flow_is_denied(const struct bh_event *ev)
{
	return ev->type == BH_EVENT_DENY || ev->type == BH_EVENT_WOULD_DENY;
}

const char *bh_flow_type(const struct bh_event *ev)
{
	static const char *const words[BH_EVENT_TYPES] = {
		[BH_EVENT_BEGIN] = "begin",   [BH_EVENT_DENY] = "deny",
		[BH_EVENT_END] = "end",	      [BH_EVENT_WOULD_DENY] = "would_deny",
		[BH_EVENT_UPDATE] = "update", [BH_EVENT_ALERT] = "alert",
	};

	return ev->type < BH_EVENT_TYPES && words[ev->type] ? words[ev->type] : "unknown";
}

const char *bh_flow_hook(const struct bh_event *ev)
{
	static const char *const words[BH_HOOK_MAX] = {
		[BH_HOOK_XDP] = "xdp",	       [BH_HOOK_SKB_IN] = "skb_in",
		[BH_HOOK_SKB_OUT] = "skb_out", [BH_HOOK_CONNECT] = "connect",
		[BH_HOOK_SENDMSG] = "sendmsg", [BH_HOOK_BIND] = "bind",
		[BH_HOOK_LISTEN] = "listen",   [BH_HOOK_CREATE] = "create",
		[BH_HOOK_RELEASE] = "release", [BH_HOOK_EGRESS] = "egress",
		[BH_HOOK_JUDGE] = "judge",
	};

	return ev->hook < BH_HOOK_MAX && words[ev->hook] ? words[ev->hook] : "unknown";
}

const char *bh_flow_crypt(const struct bh_event *ev)
{
	static const char *const words[] = {
		[BH_CRYPT_NONE] = "none",   [BH_CRYPT_UNKNOWN] = "unknown",
		[BH_CRYPT_PLAIN] = "plain", [BH_CRYPT_SSH] = "ssh",
		[BH_CRYPT_QUIC] = "quic",   [BH_CRYPT_TLS] = "tls",
	};

	return ev->crypt < ARRAY_SIZE(words) ? words[ev->crypt] : "unknown";
}

const char *bh_flow_alert(const struct bh_event *ev)
{
	static const char *const words[BH_ALERTS] = {
		[BH_ALERT_NONE] = "none",	 [BH_ALERT_PORTS] = "many_ports",
		[BH_ALERT_HOSTS] = "many_hosts", [BH_ALERT_DENIED] = "many_denied",
		[BH_ALERT_NEW] = "new_pair",
	};

	return ev->alert < BH_ALERTS ? words[ev->alert] : "unknown";
}

const char *bh_flow_alert_text(const struct bh_event *ev)
{
	static const char *const words[BH_ALERTS] = {
		[BH_ALERT_NONE] = "nothing",
		[BH_ALERT_PORTS] = "many ports within a minute",
		[BH_ALERT_HOSTS] = "many hosts within a minute",
		[BH_ALERT_DENIED] = "denied many times within a minute",
		[BH_ALERT_NEW] = "not seen before",
	};

	return ev->alert < BH_ALERTS ? words[ev->alert] : "it is not known what";
}
