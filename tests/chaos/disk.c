/* disk.c - mounting and filling it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/disk.h"
#include "tests/chaos/say.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (1 << 24)
#define PAGE_BYTES 4096

bool
chaos_disk_make(chaos_disk *disk, int mib)
{
    const char *tmp = getenv("TMPDIR");
    char        options[64];

    (void)snprintf(disk->place, sizeof(disk->place), "%.64s/shina-disk-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(disk->place) == NULL || chmod(disk->place, 0755) != 0)
        chaos_die("%s: %s", disk->place, strerror(errno));
    (void)snprintf(options, sizeof(options), "size=%dm,mode=1777", mib);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", disk->place, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
        chaos_say("SKIPPED: no tmpfs may be mounted here: %s", strerror(errno));
        (void)rmdir(disk->place);
        return false;
    }
    return true;
}

void
chaos_disk_remove(chaos_disk *disk)
{
    (void)umount2(disk->place, MNT_DETACH);
    (void)rmdir(disk->place);
}

void
chaos_disk_fill(const char *path)
{
    int   fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    off_t at = 0;

    if (fd < 0 || (at = lseek(fd, 0, SEEK_END)) < 0)
        chaos_die("%s: %s", path, strerror(errno));
    for (off_t chunk = CHUNK_BYTES; chunk >= PAGE_BYTES; chunk /= 2)
        while (posix_fallocate(fd, at, chunk) == 0)
            at += chunk;
    (void)close(fd);
}
