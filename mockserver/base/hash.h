/*
 * Hashes and dice that are the same on every machine.  For tables, for telling texts apart and for luck
 * that can be had again by its seed; never for keeping secrets.
 *
 * Thread: any.
 */
#ifndef STANDBOX_BASE_HASH_H
#define STANDBOX_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN UINT64_C(0xCBF29CE484222325)

/* FNV-1a, going on from `hash` (HASH_BEGIN at first). */
uint64_t hash_bytes(uint64_t hash, const void *data, size_t len);
/* With the NUL, so that texts one after the other cannot run into each other. */
uint64_t hash_text(uint64_t hash, const char *text);

/* The next number of splitmix64; any `state` will do to begin with. */
uint64_t dice_roll(uint64_t *state);

#endif
