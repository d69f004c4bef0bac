/* allocations.c - counts what each thread allocates, for `make bench`; preloaded into a program
 * (LD_PRELOAD). The counts lie in the file that BENCH_ALLOCATIONS names, SLOTS times three 64-bit
 * numbers: thread id (0: free), calls, bytes asked for; others read it meanwhile. Threads over
 * SLOTS are not counted. The functions behind are glibc's own.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOTS 1024

typedef struct {
    _Atomic uint64_t thread, calls, bytes;
} slot;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *at, size_t bytes);

static slot      *slots; /* NULL: nothing is counted */
static atomic_int used;

static __thread slot *own __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void
map_slots(void)
{
    const size_t bytes = sizeof(slot) * SLOTS;
    const char  *path = getenv("BENCH_ALLOCATIONS");
    void        *at;
    int          fd;

    if (path == NULL || (fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        return;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        (at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED)
        slots = at;
    (void)close(fd);
}

static void
count(size_t bytes)
{
    if (slots == NULL)
        return;
    if (own == NULL) {
        int i = atomic_fetch_add(&used, 1);

        if (i >= SLOTS)
            return;
        own = &slots[i];
        atomic_store(&own->thread, (uint64_t)syscall(SYS_gettid));
    }
    atomic_fetch_add_explicit(&own->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&own->bytes, bytes, memory_order_relaxed);
}

void *
malloc(size_t bytes)
{
    count(bytes);
    return __libc_malloc(bytes);
}

void *
calloc(size_t number, size_t bytes)
{
    count(number * bytes);
    return __libc_calloc(number, bytes);
}

void *
realloc(void *at, size_t bytes)
{
    count(bytes);
    return __libc_realloc(at, bytes);
}
