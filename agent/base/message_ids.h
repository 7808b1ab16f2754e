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
#define BH_MESSAGE_ALERT      "e67331bca48f4480bd349b618439324c"
#define BH_MESSAGE_LOSS	      "5e81b0f9cea2478baa8278c11f39f0c6"

/* what changed, loudly */
#define BH_MESSAGE_POLICY     "a561d839bfd14935aecb25e154c1a939"
#define BH_MESSAGE_REVERTED   "6221138f9a7846149d8194a4f3c8c21c"
#define BH_MESSAGE_EMERGENCY  "5fa0b97caaa04645a4497038cd99b8d7"
#define BH_MESSAGE_DETACHED   "2f917cc4ac9340d292b93db187343c10"
#define BH_MESSAGE_HOOKS      "5516ecde057a4ebd936f93a2adef286b"
#define BH_MESSAGE_QUARANTINE "21feaa1f23b14bb59b41671a68195164"

/* A head of the audit log. */
#define BH_MESSAGE_AUDIT "5b0c1f1f7d3c4d0bb0c2a2f0f3a9e6d4"

#endif
