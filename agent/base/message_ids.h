/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_ids.h - MESSAGE_ID of what the journal gets, one for each kind, for good:
 * tools/systemd/bulkhead.catalog has a text for each (journalctl -x). A test holds them together.
 */
#ifndef BH_MESSAGE_IDS_H
#define BH_MESSAGE_IDS_H

/* flows */
#define BH_MESSAGE_BEGIN      "07727e754c43447ab8a72c42f36ea6c3"
#define BH_MESSAGE_DENY	      "0ce419298c8a42b18b654c3c635ef098"
#define BH_MESSAGE_WOULD_DENY "14a0537e853a49109ecb3ac39702e86f"
#define BH_MESSAGE_END	      "8ca3e4bfb58d4c8c974ded1ee2e39a12"
#define BH_MESSAGE_UPDATE     "e6f4ccdbae4747d7aafc08e0d646889e"
#define BH_MESSAGE_LOSS	      "5e81b0f9cea2478baa8278c11f39f0c6"

#endif
