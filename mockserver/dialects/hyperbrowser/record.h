/*
 * What Hyperbrowser knows about one sandbox beyond the engine's own: where it came from,
 * its tokens, exposed ports, network policy.
 *
 * A record is made before its sandbox, given to it with sandbox_attach, and freed with it.
 * Fields above `lock` never change once attached; those below are reached through the
 * functions here only.  Thread: any.
 */
#ifndef STANDBOX_HB_RECORD_H
#define STANDBOX_HB_RECORD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "dialects/hyperbrowser/settings.h"

#define HB_TOKENS 16
#define HB_PORTS  64

struct hb_token {
    char text[64];
    int64_t expires_ms;      /* API time */
    int64_t expires_wall_ms; /* the same moment as answers show it */
};

struct hb_port {
    int port;
    bool auth;
};

/* Texts of their own; freed with hb_texts_fini. */
struct hb_texts {
    char **items;
    size_t count;
};
int hb_texts_add(struct hb_texts *texts, const char *text, struct err *err);
void hb_texts_fini(struct hb_texts *texts);

struct hb_network {
    bool has_internet, internet;
    bool has_allow, has_deny;
    struct hb_texts allow, deny;
};
void hb_network_fini(struct hb_network *network);

struct hb_record {
    const char *region;               /* a literal of the closed set */
    char *image_name, *snapshot_name; /* snapshot_name NULL: started from an image */
    char image_id[37];
    int64_t vcpus, mem_mib, disk_mib, timeout_minutes; /* 0: not given */
    pthread_mutex_t lock;                              /* everything below */
    int64_t updated_ms;
    struct hb_token tokens[HB_TOKENS]; /* a ring; the newest is tokens[issued - 1] */
    uint64_t issued;
    struct hb_port ports[HB_PORTS]; /* by number, rising */
    size_t port_count;
    struct hb_network network;
};

int hb_record_new(struct hb_record **out_record, struct err *err);
void hb_record_free(void *record); /* NULL is fine */

/* The token to hand out now; a new one when the newest has less than token_renew_below_ms left. */
void hb_record_issue_token(struct hb_record *record, const struct hb_settings *settings, const struct clock *clock,
                           struct hb_token *out_token);
bool hb_record_knows_token(struct hb_record *record, const char *token, int64_t now_ms);
/* From now on it is an expired one; unknown ones stay unknown. */
void hb_record_expire_token(struct hb_record *record, const char *token, int64_t now_ms);

/* Add a port, or change its `auth`.  ERR_LIMIT when there are HB_PORTS already. */
int hb_record_expose(struct hb_record *record, struct hb_port port, int64_t now_ms, struct err *err);
void hb_record_unexpose(struct hb_record *record, int port, int64_t now_ms);
bool hb_record_exposes(struct hb_record *record, int port);
size_t hb_record_ports(struct hb_record *record, struct hb_port out[HB_PORTS]);

/* Put the members given in `change` over the policy.  Takes what `change` holds. */
void hb_record_change_network(struct hb_record *record, struct hb_network *change, int64_t now_ms);
/* "network": {...} into an open object; null when no policy was ever given. */
void hb_record_write_network(struct hb_record *record, struct jsonw *w);

int64_t hb_record_updated_ms(struct hb_record *record);

#endif
