#include "engine/bytelog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define FIRST_BLOCK_BYTES 256u
#define FULL_BLOCK_BYTES (64u * 1024u)

struct bytelog_block {
    uint64_t offset;   /* of data[0] */
    uint32_t len, cap;
    char data[];
};

void bytelog_init(struct bytelog *log, struct log_budget *budget)
{
    *log = (struct bytelog) { .budget = budget, .file_fd = -1 };
}

static struct bytelog_block *block_at(const struct bytelog *log, size_t i)
{
    return log->blocks[(log->head + i) % log->cap];
}

static void free_oldest_block(struct bytelog *log)
{
    struct bytelog_block *b = block_at(log, 0);
    atomic_fetch_sub_explicit(&log->budget->used_bytes, b->cap, memory_order_relaxed);
    free(b);
    log->head = (log->head + 1) % log->cap;
    log->count--;
}

static void free_newest_block(struct bytelog *log)
{
    struct bytelog_block *b = block_at(log, log->count - 1);
    atomic_fetch_sub_explicit(&log->budget->used_bytes, b->cap, memory_order_relaxed);
    free(b);
    log->count--;
}

void bytelog_fini(struct bytelog *log)
{
    while (log->count > 0)
        free_oldest_block(log);
    free(log->blocks);
    if (log->file_fd >= 0)
        close(log->file_fd);
    log->blocks = NULL;
    log->file_fd = -1;
}

static int grow_ring(struct bytelog *log)
{
    size_t cap = log->cap == 0 ? 4 : log->cap * 2;
    struct bytelog_block **blocks = calloc(cap, sizeof *blocks);
    if (blocks == NULL)
        return -1;
    for (size_t i = 0; i < log->count; i++)
        blocks[i] = block_at(log, i);
    free(log->blocks);
    log->blocks = blocks;
    log->cap = cap;
    log->head = 0;
    return 0;
}

/* Small logs are many (one per finished process), so the first block is small and later ones grow. */
static uint32_t next_block_bytes(const struct bytelog *log, size_t want)
{
    uint64_t held = log->end - log->start;
    uint64_t bytes = held < FULL_BLOCK_BYTES ? held * 2 : FULL_BLOCK_BYTES;
    if (bytes < want)
        bytes = want;
    if (bytes < FIRST_BLOCK_BYTES)
        bytes = FIRST_BLOCK_BYTES;
    return (uint32_t) (bytes > FULL_BLOCK_BYTES ? FULL_BLOCK_BYTES : bytes);
}

static struct bytelog_block *add_block(struct bytelog *log, size_t want)
{
    if (log->count == log->cap && grow_ring(log) != 0)
        return NULL;
    uint32_t cap = next_block_bytes(log, want);
    struct bytelog_block *b = malloc(sizeof *b + cap);
    if (b == NULL)
        return NULL;
    *b = (struct bytelog_block) { .offset = log->end, .cap = cap };
    log->blocks[(log->head + log->count) % log->cap] = b;
    log->count++;
    atomic_fetch_add_explicit(&log->budget->used_bytes, cap, memory_order_relaxed);
    return b;
}

static int open_nameless_file(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    BUF_AUTO path = BUF_INIT;
    buf_printf(&path, "%s/log-XXXXXX", dir);
    if (path.failed)
        return -1;
    fd = mkostemp(path.data, O_CLOEXEC);
    if (fd >= 0)
        unlink(path.data);
    return fd;
}

static bool write_all(int fd, const char *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t) offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        offset += (uint64_t) n;
        len -= (size_t) n;
    }
    return true;
}

/* Move the oldest block to the file, at the same offset (the file is sparse).  False: it stays in memory. */
static bool spill_oldest_block(struct bytelog *log)
{
    if (log->file_fd < 0)
        log->file_fd = open_nameless_file(log->budget->spool_dir);
    if (log->file_fd < 0)
        return false;
    struct bytelog_block *b = block_at(log, 0);
    if (!write_all(log->file_fd, b->data, b->len, b->offset))
        return false;
    log->file_end = b->offset + b->len;
    free_oldest_block(log);
    return true;
}

static void keep_within_budget(struct bytelog *log)
{
    struct log_budget *budget = log->budget;
    while (log->count > 1 &&
           atomic_load_explicit(&budget->used_bytes, memory_order_relaxed) > budget->limit_bytes)
        if (!spill_oldest_block(log))
            return;
}

/* Blocks for `len` more bytes are made before a byte is copied, so that an append is all or nothing. */
int bytelog_append(struct bytelog *log, const void *data, size_t len, struct err *err)
{
    const char *from = data;
    size_t left = len;
    uint64_t old_end = log->end;
    while (left > 0) {
        struct bytelog_block *b = log->count > 0 ? block_at(log, log->count - 1) : NULL;
        if (b == NULL || b->len == b->cap)
            b = add_block(log, left);
        if (b == NULL)
            goto undo;
        size_t room = b->cap - b->len;
        size_t n = left < room ? left : room;
        memcpy(b->data + b->len, from, n);
        b->len += (uint32_t) n;
        log->end += n;
        from += n;
        left -= n;
    }
    keep_within_budget(log);
    return 0;
undo:
    while (log->end > old_end) {
        struct bytelog_block *b = block_at(log, log->count - 1);
        uint64_t cut = log->end - (b->offset > old_end ? b->offset : old_end);
        b->len -= (uint32_t) cut;
        log->end -= cut;
        if (b->len == 0)
            free_newest_block(log);
    }
    return err_set(err, ERR_NOMEM, 0, "keep %zu bytes of output", len);
}

/* The block that holds `offset`, by bisection; the caller knows that one does. */
static size_t find_block(const struct bytelog *log, uint64_t offset)
{
    size_t low = 0, high = log->count - 1;
    while (low < high) {
        size_t mid = low + (high - low + 1) / 2;
        if (block_at(log, mid)->offset <= offset)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

static int read_file(const struct bytelog *log, uint64_t offset, char *out, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = pread(log->file_fd, out, len, (off_t) offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_IO, n < 0 ? errno : 0, "read the output log's file");
        out += n;
        offset += (uint64_t) n;
        len -= (size_t) n;
    }
    return 0;
}

int bytelog_read(const struct bytelog *log, uint64_t offset, void *out, size_t len, struct err *err)
{
    if (offset < log->start || offset > log->end || len > log->end - offset)
        return err_set(err, ERR_GONE, 0, "output at byte %llu is not kept",
                       (unsigned long long) offset);
    char *to = out;
    if (len > 0 && offset < log->file_end) {
        uint64_t in_file = log->file_end - offset;
        size_t n = len < in_file ? len : (size_t) in_file;
        if (read_file(log, offset, to, n, err) != 0)
            return -1;
        to += n;
        offset += n;
        len -= n;
    }
    for (size_t i = len > 0 ? find_block(log, offset) : 0; len > 0; i++) {
        const struct bytelog_block *b = block_at(log, i);
        size_t skip = (size_t) (offset - b->offset);
        size_t n = len < b->len - skip ? len : b->len - skip;
        memcpy(to, b->data + skip, n);
        to += n;
        offset += n;
        len -= n;
    }
    return 0;
}

/* Give disk space back in steps, so that a long stream does not punch a hole per block. */
#define PUNCH_STEP_BYTES (1024u * 1024u)

static void punch_file(struct bytelog *log, uint64_t old_start)
{
    if (log->file_fd < 0 || old_start / PUNCH_STEP_BYTES == log->start / PUNCH_STEP_BYTES)
        return;
    uint64_t upto = log->start < log->file_end ? log->start : log->file_end;
    if (upto >= PUNCH_STEP_BYTES)
        (void) fallocate(log->file_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                         (off_t) (upto / PUNCH_STEP_BYTES * PUNCH_STEP_BYTES));
}

void bytelog_drop_before(struct bytelog *log, uint64_t offset)
{
    if (offset > log->end)
        offset = log->end;
    if (offset <= log->start)
        return;
    uint64_t old_start = log->start;
    log->start = offset;
    while (log->count > 0) {
        const struct bytelog_block *b = block_at(log, 0);
        if (b->offset + b->len > offset || b->len < b->cap)
            break;
        free_oldest_block(log);
    }
    punch_file(log, old_start);
}
