/* slow_sync.c - a library for LD_PRELOAD: fsync and fdatasync take longer by as many milliseconds
 * as the file SLOW_SYNC names says; none if it is not there. SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void
wait_as_told(void)
{
    const char *path = getenv("SLOW_SYNC");
    char        text[16] = "";
    int         fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    long        ms;

    if (fd < 0)
        return;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    (void)close(fd);
    ms = strtol(text, NULL, 10);
    if (ms > 0)
        (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000},
                        NULL);
}

int
fsync(int fd)
{
    wait_as_told();
    return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
    wait_as_told();
    return (int)syscall(SYS_fdatasync, fd);
}
