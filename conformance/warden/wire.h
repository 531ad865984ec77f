/*
 * What a warden and its owner say to each other, over one SOCK_SEQPACKET socket, the warden's descriptor 3.
 *
 * The warden says FAILED and ends, or STARTED, ENDED, GONE in this order.  The end of the socket means the other's end:
 * to the warden that everything is to be killed.
 */
#ifndef STANDBOX_WARDEN_WIRE_H
#define STANDBOX_WARDEN_WIRE_H

#include <stdint.h>

#define WARDEN_CONTROL_FD 3

enum warden_report_kind {
    WARDEN_STARTED = 1, /* value: the command's pid */
    WARDEN_FAILED,      /* value: errno of the exec (or of what came before) */
    WARDEN_ENDED,       /* value: the command's wait status */
    WARDEN_GONE         /* value: how many descendants could not be killed */
};

struct warden_report {
    uint32_t kind;
    int32_t value;
};

enum warden_request_kind {
    WARDEN_SIGNAL = 1, /* value: send the command this signal */
    WARDEN_KILL        /* kill everything now */
};

struct warden_request {
    uint32_t kind;
    int32_t value;
};

#endif
