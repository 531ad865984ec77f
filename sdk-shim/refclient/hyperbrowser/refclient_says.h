/*
 * The Hyperbrowser library's structs in the words of the protocol.  Each returns a new node.
 */
#ifndef REFCLIENT_SAYS_H
#define REFCLIENT_SAYS_H

#include "refclient.h"
#include "standbox_client.h"

struct cJSON *say_bytes(const struct sbc_bytes *bytes);
struct cJSON *say_sandbox(const struct sbc_sandbox_info *info);
struct cJSON *say_process(const struct sbc_process_info *info);
struct cJSON *say_result(const struct sbc_result *result);
struct cJSON *say_event(const struct sbc_event *event);
struct cJSON *say_error(const struct sbc_error *err);

#endif
