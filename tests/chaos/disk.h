/* disk.h - a small disk that can be full: a tmpfs in a mount namespace of this process, so that
 * nothing is left of it. That needs root. Threads: make it before there are others; fill it from
 * any. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_DISK_H
#define TESTS_CHAOS_DISK_H

#include <stdbool.h>

#define CHAOS_DISK_BYTES 128

typedef struct {
    char place[CHAOS_DISK_BYTES]; /* the folder, which anybody may write to */
} chaos_disk;

/* Makes one of so many MiB. False: it may not be made here; said why, and there is nothing to
 * remove. */
bool chaos_disk_make(chaos_disk *disk, int mib);
void chaos_disk_remove(chaos_disk *disk);

/* Takes all that is free on the disk of a file, down to less than a page of PostgreSQL, by growing
 * the file, which it makes if need be. */
void chaos_disk_fill(const char *path);

#endif
