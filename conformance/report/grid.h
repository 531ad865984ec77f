/*
 * A document as a table: clients x cases, with the result in each place.
 *
 * Thread: any; belongs to one thread.
 */
#ifndef STANDBOX_REPORT_GRID_H
#define STANDBOX_REPORT_GRID_H

#include <stddef.h>

#include "base/err.h"

struct cJSON;

struct grid {
    const struct cJSON **clients; /* in the order of the document; everything is borrowed from it */
    const struct cJSON **cases;
    const struct cJSON **results; /* [client * case_count + case]; NULL: none */
    size_t client_count, case_count;
    size_t *area_of;    /* [case]: which area it is in */
    size_t *area_first; /* [area]: its first case; areas are in the order of those */
    size_t area_count;
};

#define GRID_INIT \
    { \
        NULL, NULL, NULL, 0, 0, NULL, NULL, 0 \
    }
#define GRID_AUTO __attribute__((cleanup(grid_fini))) struct grid

/* `doc` is a checked document and must outlive the grid.  ERR_NOMEM. */
int grid_init(struct grid *grid, const struct cJSON *doc, struct err *err);
void grid_fini(struct grid *grid);

const struct cJSON *grid_get(const struct grid *grid, size_t client, size_t row);

/* "vendor/area": its text (not ended there) and length. */
const char *grid_area(const struct grid *grid, size_t area, size_t *out_len);

#endif
