/* archive_write.c - makes a file of archived events: beside its name, durable, then by its name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/store/postgres/archive_format.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define LEVEL 3 /* of compression */

struct archive_writer {
    archive_name name;
    char        *path, *part, *folder; /* its name, where it is written, where both lie */
    int          fd;
    bus_buf      raw, packed, index;
    int64_t      block_first, next; /* offsets: of the block under way, of the next event */
    uint64_t     position;
    int64_t      raw_bytes;
    uint32_t     blocks;
    ZSTD_CCtx   *zstd;
    EVP_MD_CTX  *sum;
};

/* --- folders ---------------------------------------------------------------- */

static bus_code
sync_folder(const char *path, bus_error *err)
{
    int      fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bus_code rc = BUS_OK;

    if (fd < 0 || fsync(fd) != 0)
        rc = archive_failed("made durable", path, err);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* Makes a folder whose parent is there, durably. */
static bus_code
make_folder(const char *path, bus_error *err)
{
    char       *parent;
    const char *slash;
    bus_code    rc;

    if (mkdir(path, 0750) != 0 && errno != EEXIST)
        return archive_failed("made", path, err);
    slash = strrchr(path, '/');
    parent = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + (slash == path));
    if (parent == NULL)
        abort();
    /* Also if it was there: who made it may have died before this. */
    rc = sync_folder(parent, err);
    if (rc == BUS_DENIED)
        rc = BUS_OK; /* an administrator made it where we may not read */
    free(parent);
    return rc;
}

/* --- bytes ------------------------------------------------------------------ */

static bus_code
write_all(archive_writer *w, const void *bytes, size_t len, bus_error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(w->fd, (const char *)bytes + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return archive_failed("written", w->part, err);
        done += (size_t)n;
    }
    if (EVP_DigestUpdate(w->sum, bytes, len) != 1)
        abort();
    w->position += len;
    return BUS_OK;
}

static bus_code
write_frame(archive_writer *w, uint32_t magic, size_t bytes, bus_error *err)
{
    const archive_frame frame = {htole32(magic), htole32((uint32_t)bytes)};

    return write_all(w, &frame, sizeof(frame), err);
}

static bus_code
write_header(archive_writer *w, bus_error *err)
{
    bus_buf  text = {0};
    bus_code rc;

    bus_buf_printf(&text,
                   "shina archive %u: events of domain %s, partition %d, from offset %lld on, one "
                   "per line as of PostgreSQL's COPY (text). Columns: " ARCHIVE_COLUMNS
                   ". zstd -dc prints them.\n",
                   ARCHIVE_FORMAT, w->name.domain, (int)w->name.partition,
                   (long long)w->name.first);
    if ((rc = write_frame(w, ARCHIVE_HEADER, text.len, err)) == BUS_OK)
        rc = write_all(w, text.at, text.len, err);
    bus_buf_fini(&text);
    return rc;
}

static bus_code
write_block(archive_writer *w, bus_error *err)
{
    size_t        bound = ZSTD_compressBound(w->raw.len), packed;
    archive_entry entry = {.first = htole64((uint64_t)w->block_first),
                           .position = htole64(w->position),
                           .raw_bytes = htole32((uint32_t)w->raw.len)};
    bus_code      rc;

    if (w->packed.capacity < bound) {
        bus_buf_fini(&w->packed);
        if ((w->packed.at = malloc(bound)) == NULL)
            abort();
        w->packed.capacity = bound;
    }
    packed = ZSTD_compress2(w->zstd, w->packed.at, bound, w->raw.at, w->raw.len);
    if (ZSTD_isError(packed) != 0)
        return bus_fail(err, BUS_UNAVAILABLE, "zstd: %s", ZSTD_getErrorName(packed));
    entry.packed_bytes = htole32((uint32_t)packed);
    if ((rc = write_all(w, w->packed.at, packed, err)) != BUS_OK)
        return rc;
    bus_buf_add(&w->index, &entry, sizeof(entry));
    w->blocks++;
    bus_buf_reset(&w->raw);
    return BUS_OK;
}

/* --- the writer ------------------------------------------------------------- */

bus_code
archive_writer_open(archive_writer **out, const archive_name *name, bus_error *err)
{
    archive_writer *w = calloc(1, sizeof(*w));
    bus_code        rc;

    if (w == NULL)
        abort();
    w->name = *name;
    w->fd = -1;
    w->next = w->block_first = name->first;
    w->path = archive_path(name);
    if (asprintf(&w->part, "%s.part", w->path) < 0 ||
        asprintf(&w->folder, "%s/%s", name->folder, name->domain) < 0 ||
        (w->zstd = ZSTD_createCCtx()) == NULL || (w->sum = EVP_MD_CTX_new()) == NULL ||
        EVP_DigestInit_ex(w->sum, EVP_sha256(), NULL) != 1)
        abort();
    (void)ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL);
    (void)ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
    if ((rc = make_folder(name->folder, err)) != BUS_OK ||
        (rc = make_folder(w->folder, err)) != BUS_OK)
        goto failed;
    /* A file of our own: an archiver that lost its lock and does not know may still write to what
     * it has open. */
    if (unlink(w->part) != 0 && errno != ENOENT) {
        rc = archive_failed("begun anew", w->part, err);
        goto failed;
    }
    w->fd = open(w->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (w->fd < 0) {
        rc = archive_failed("made", w->part, err);
        goto failed;
    }
    if ((rc = write_header(w, err)) != BUS_OK)
        goto failed;
    *out = w;
    return BUS_OK;

failed:
    archive_writer_close(w);
    return rc;
}

void
archive_writer_close(archive_writer *w)
{
    if (w == NULL)
        return;
    if (w->fd >= 0) { /* given up */
        (void)close(w->fd);
        (void)unlink(w->part);
    }
    (void)ZSTD_freeCCtx(w->zstd);
    EVP_MD_CTX_free(w->sum);
    bus_buf_fini(&w->raw);
    bus_buf_fini(&w->packed);
    bus_buf_fini(&w->index);
    free(w->path);
    free(w->part);
    free(w->folder);
    free(w);
}

int64_t
archive_writer_raw_bytes(const archive_writer *w)
{
    return w->raw_bytes;
}

/* The offset of an event is the second column of its line. */
static int64_t
offset_of(bus_str line)
{
    const char *tab = memchr(line.at, '\t', line.len);

    return tab == NULL ? 0 : strtoll(tab + 1, NULL, 10); /* ends at the next tab */
}

bus_code
archive_writer_add(archive_writer *w, bus_str line, bus_error *err)
{
    bus_code rc;

    if (line.len == 0 || line.len > ARCHIVE_LINE_MAX || line.at[line.len - 1] != '\n' ||
        offset_of(line) != w->next)
        return bus_fail(err, BUS_INVALID,
                        "%s, partition %d: there is no event of offset %lld to be archived",
                        w->name.domain, (int)w->name.partition, (long long)w->next);
    if (w->raw.len > 0 && w->raw.len + line.len > ARCHIVE_BLOCK_BYTES &&
        (rc = write_block(w, err)) != BUS_OK)
        return rc;
    if (w->raw.len == 0)
        w->block_first = w->next;
    bus_buf_add_str(&w->raw, line);
    w->raw_bytes += line.len;
    w->next++;
    return BUS_OK;
}

static bus_code
write_footer(archive_writer *w, bus_error *err)
{
    archive_trailer trailer = {.first = htole64((uint64_t)w->name.first),
                               .last = htole64((uint64_t)w->next - 1),
                               .blocks = htole32(w->blocks),
                               .format = htole32(ARCHIVE_FORMAT)};
    EVP_MD_CTX     *front = EVP_MD_CTX_new();
    bus_code        rc;

    memcpy(trailer.magic, ARCHIVE_MAGIC, sizeof(trailer.magic));
    if (front == NULL || EVP_MD_CTX_copy_ex(front, w->sum) != 1 ||
        EVP_DigestFinal_ex(front, trailer.sha256, NULL) != 1)
        abort();
    EVP_MD_CTX_free(front);
    if ((rc = write_frame(w, ARCHIVE_FOOTER, w->index.len + sizeof(trailer), err)) == BUS_OK &&
        (rc = write_all(w, w->index.at, w->index.len, err)) == BUS_OK)
        rc = write_all(w, &trailer, sizeof(trailer), err);
    return rc;
}

bus_code
archive_writer_finish(archive_writer *w, archive_sum *out, bus_error *err)
{
    bus_code rc;

    if (w->next == w->name.first)
        return bus_fail(err, BUS_INVALID, "an archive without events");
    if ((w->raw.len > 0 && (rc = write_block(w, err)) != BUS_OK) ||
        (rc = write_footer(w, err)) != BUS_OK)
        return rc;
    if (fsync(w->fd) != 0)
        return archive_failed("made durable", w->part, err);
    BUS_FAIL_POINT("archive.written");
    if (rename(w->part, w->path) != 0)
        return archive_failed("given its name", w->path, err);
    (void)close(w->fd);
    w->fd = -1;
    if ((rc = sync_folder(w->folder, err)) != BUS_OK)
        return rc;
    BUS_FAIL_POINT("archive.named");
    *out =
        (archive_sum){.first = w->name.first, .last = w->next - 1, .bytes = (int64_t)w->position};
    if (EVP_DigestFinal_ex(w->sum, out->sha256, NULL) != 1)
        abort();
    return BUS_OK;
}
