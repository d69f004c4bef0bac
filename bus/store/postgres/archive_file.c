/* archive_file.c - reading files of archived events; archive_write.c makes them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive_file.h"
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

typedef struct {
    int64_t  first;
    uint64_t position;
    uint32_t packed_bytes, raw_bytes;
} block;

struct archive_file {
    char    *path;
    int      fd;
    uint64_t bytes, footer_at;
    int64_t  first, last;
    uint8_t  sha256[32]; /* of what stands before the footer */
    block   *blocks;
    uint32_t blocks_count;
    /* the block that is unpacked, and the line in it that was asked for last */
    uint32_t   at; /* its number; blocks_count: none */
    bus_buf    raw, packed;
    int64_t    offset;
    size_t     line;
    ZSTD_DCtx *zstd;
};

void
archive_file_name(bus_buf *out, const archive_name *name)
{
    bus_buf_printf(out, "%s/%03d-%019lld.zst", name->domain, (int)name->partition,
                   (long long)name->first);
}

char *
archive_path(const archive_name *name)
{
    bus_buf path = {0};

    bus_buf_printf(&path, "%s/", name->folder);
    archive_file_name(&path, name);
    bus_buf_add_char(&path, '\0');
    return path.at;
}

bool
archive_file_exists(const archive_name *name)
{
    struct stat st;
    char       *path = archive_path(name);
    bool        there = lstat(path, &st) == 0;

    free(path);
    return there;
}

bus_code
archive_failed(const char *what, const char *path, bus_error *err)
{
    const int why = errno;
    bus_code  code = BUS_UNAVAILABLE;

    if (why == ENOSPC || why == EDQUOT || why == EROFS || why == EFBIG)
        code = BUS_FULL;
    else if (why == EACCES || why == EPERM)
        code = BUS_DENIED;
    else if (why == ENOENT)
        code = BUS_NOT_FOUND;
    return bus_fail(err, code, "the archive %.150s cannot be %s: %s", path, what, strerror(why));
}

static bus_code
damaged(const archive_file *file, const char *what, bus_error *err)
{
    return bus_fail(err, BUS_INVALID, "the archive %.150s is damaged: %s", file->path, what);
}

/* --- the footer ------------------------------------------------------------- */

static bus_code
read_at(const archive_file *file, void *to, size_t bytes, uint64_t position, bus_error *err)
{
    for (size_t got = 0; got < bytes;) {
        ssize_t n = pread(file->fd, (char *)to + got, bytes - got, (off_t)(position + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return archive_failed("read", file->path, err);
        if (n == 0)
            return damaged(file, "it ends too early", err);
        got += (size_t)n;
    }
    return BUS_OK;
}

/* Blocks that lie side by side from the header to the footer, in the order of offsets. */
static bus_code
check_blocks(const archive_file *file, bus_error *err)
{
    uint64_t at;

    if (file->blocks_count == 0)
        return damaged(file, "it holds no events", err);
    at = file->blocks[0].position;
    for (uint32_t i = 0; i < file->blocks_count; i++) {
        const block *b = &file->blocks[i];

        if (b->position != at || b->raw_bytes == 0 ||
            b->raw_bytes > ARCHIVE_LINE_MAX + ARCHIVE_BLOCK_BYTES || b->first > file->last ||
            (i == 0 ? b->first != file->first : b->first <= b[-1].first))
            return damaged(file, "its index is not one", err);
        at += b->packed_bytes;
    }
    if (at != file->footer_at)
        return damaged(file, "its index is not one", err);
    return BUS_OK;
}

static bus_code
read_index(archive_file *file, bus_error *err)
{
    size_t         bytes = sizeof(archive_entry) * (size_t)file->blocks_count;
    archive_entry *entries = malloc(bytes + 1);
    bus_code       rc;

    file->blocks = calloc((size_t)file->blocks_count + 1, sizeof(*file->blocks));
    if (entries == NULL || file->blocks == NULL)
        abort();
    rc = read_at(file, entries, bytes, file->footer_at + sizeof(archive_frame), err);
    for (uint32_t i = 0; rc == BUS_OK && i < file->blocks_count; i++)
        file->blocks[i] = (block){.first = (int64_t)le64toh(entries[i].first),
                                  .position = le64toh(entries[i].position),
                                  .packed_bytes = le32toh(entries[i].packed_bytes),
                                  .raw_bytes = le32toh(entries[i].raw_bytes)};
    free(entries);
    return rc == BUS_OK ? check_blocks(file, err) : rc;
}

static bus_code
read_footer(archive_file *file, bus_error *err)
{
    archive_trailer trailer;
    archive_frame   frame;
    uint64_t        bytes;
    bus_code        rc;

    if (file->bytes < sizeof(trailer) + sizeof(frame))
        return damaged(file, "it is too short", err);
    if ((rc = read_at(file, &trailer, sizeof(trailer), file->bytes - sizeof(trailer), err)) !=
        BUS_OK)
        return rc;
    if (memcmp(trailer.magic, ARCHIVE_MAGIC, sizeof(trailer.magic)) != 0)
        return damaged(file, "it does not end as one of ours", err);
    if (le32toh(trailer.format) != ARCHIVE_FORMAT)
        return bus_fail(err, BUS_INVALID, "the archive %.150s has format %u, which is not known",
                        file->path, le32toh(trailer.format));
    file->first = (int64_t)le64toh(trailer.first);
    file->last = (int64_t)le64toh(trailer.last);
    file->blocks_count = le32toh(trailer.blocks);
    memcpy(file->sha256, trailer.sha256, sizeof(file->sha256));
    bytes = sizeof(archive_entry) * (uint64_t)file->blocks_count + sizeof(trailer);
    if (bytes + sizeof(frame) > file->bytes)
        return damaged(file, "its index is not one", err);
    file->footer_at = file->bytes - bytes - sizeof(frame);
    if ((rc = read_at(file, &frame, sizeof(frame), file->footer_at, err)) != BUS_OK)
        return rc;
    if (le32toh(frame.magic) != ARCHIVE_FOOTER || le32toh(frame.bytes) != bytes)
        return damaged(file, "its footer is not one", err);
    return read_index(file, err);
}

bus_code
archive_file_open(archive_file **out, const archive_name *name, bus_error *err)
{
    archive_file *file = calloc(1, sizeof(*file));
    struct stat   st;
    bus_code      rc;

    if (file == NULL)
        abort();
    file->path = archive_path(name);
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &st) != 0) {
        rc = archive_failed("opened", file->path, err);
        goto failed;
    }
    file->bytes = (uint64_t)st.st_size;
    if ((rc = read_footer(file, err)) != BUS_OK)
        goto failed;
    if (file->first != name->first) {
        rc = damaged(file, "it begins elsewhere than its name says", err);
        goto failed;
    }
    file->at = file->blocks_count;
    if ((file->zstd = ZSTD_createDCtx()) == NULL)
        abort();
    *out = file;
    return BUS_OK;

failed:
    archive_file_close(file);
    return rc;
}

void
archive_file_close(archive_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        (void)close(file->fd);
    (void)ZSTD_freeDCtx(file->zstd);
    bus_buf_fini(&file->raw);
    bus_buf_fini(&file->packed);
    free(file->blocks);
    free(file->path);
    free(file);
}

int64_t
archive_file_last(const archive_file *file)
{
    return file->last;
}

/* --- lines ------------------------------------------------------------------ */

static uint32_t
block_of(const archive_file *file, int64_t offset)
{
    uint32_t low = 0, high = file->blocks_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (file->blocks[middle].first <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void
make_room(bus_buf *buf, size_t bytes)
{
    static const char zeros[4096];

    bus_buf_reset(buf);
    while (buf->len < bytes)
        bus_buf_add(buf, zeros,
                    bytes - buf->len < sizeof(zeros) ? bytes - buf->len : sizeof(zeros));
}

static bus_code
unpack(archive_file *file, uint32_t nth, bus_error *err)
{
    const block *b = &file->blocks[nth];
    size_t       got;
    bus_code     rc;

    file->at = file->blocks_count;
    make_room(&file->packed, b->packed_bytes);
    make_room(&file->raw, b->raw_bytes);
    if ((rc = read_at(file, file->packed.at, b->packed_bytes, b->position, err)) != BUS_OK)
        return rc;
    got = ZSTD_decompressDCtx(file->zstd, file->raw.at, b->raw_bytes, file->packed.at,
                              b->packed_bytes);
    if (ZSTD_isError(got) != 0 || got != b->raw_bytes || file->raw.at[got - 1] != '\n')
        return damaged(file, "a block cannot be unpacked", err);
    file->at = nth;
    file->offset = b->first;
    file->line = 0;
    return BUS_OK;
}

bus_code
archive_file_line(archive_file *file, int64_t offset, bus_str *out, bus_error *err)
{
    const char *end;
    uint32_t    nth;
    bus_code    rc;

    if (offset < file->first || offset > file->last)
        return bus_fail(err, BUS_INVALID, "the archive %.150s does not hold offset %lld",
                        file->path, (long long)offset);
    nth = block_of(file, offset);
    if (nth != file->at && (rc = unpack(file, nth, err)) != BUS_OK)
        return rc;
    if (offset < file->offset) {
        file->offset = file->blocks[nth].first;
        file->line = 0;
    }
    for (;; file->offset++) {
        if (file->line >= file->raw.len)
            return damaged(file, "a block holds too few events", err);
        end = memchr(file->raw.at + file->line, '\n', file->raw.len - file->line);
        if (end == NULL)
            return damaged(file, "a block ends within an event", err);
        if (file->offset == offset)
            break;
        file->line = (size_t)(end - file->raw.at) + 1;
    }
    *out = (bus_str){file->raw.at + file->line, (uint32_t)(end - (file->raw.at + file->line))};
    return BUS_OK;
}

/* --- from end to end -------------------------------------------------------- */

static bus_code
check_sums(const archive_file *file, const archive_sum *expected, bus_error *err)
{
    EVP_MD_CTX *all = EVP_MD_CTX_new(), *front = EVP_MD_CTX_new();
    uint8_t     sum[32];
    char        bytes[65536];
    bus_code    rc = BUS_OK;

    if (all == NULL || front == NULL || EVP_DigestInit_ex(all, EVP_sha256(), NULL) != 1 ||
        EVP_DigestInit_ex(front, EVP_sha256(), NULL) != 1)
        abort();
    for (uint64_t at = 0; rc == BUS_OK && at < file->bytes;) {
        uint64_t left = file->bytes - at;
        size_t   n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        if (at < file->footer_at && at + n > file->footer_at)
            n = (size_t)(file->footer_at - at);
        if ((rc = read_at(file, bytes, n, at, err)) != BUS_OK)
            break;
        if (EVP_DigestUpdate(all, bytes, n) != 1 ||
            (at < file->footer_at && EVP_DigestUpdate(front, bytes, n) != 1))
            abort();
        at += n;
    }
    if (rc == BUS_OK) {
        if (EVP_DigestFinal_ex(front, sum, NULL) != 1)
            abort();
        if (memcmp(sum, file->sha256, sizeof(sum)) != 0)
            rc = damaged(file, "its checksum is not that of its footer", err);
    }
    if (rc == BUS_OK) {
        if (EVP_DigestFinal_ex(all, sum, NULL) != 1)
            abort();
        if (memcmp(sum, expected->sha256, sizeof(sum)) != 0)
            rc = damaged(file, "its checksum is not that of the database", err);
    }
    EVP_MD_CTX_free(all);
    EVP_MD_CTX_free(front);
    return rc;
}

bus_code
archive_file_check(const archive_name *name, const archive_sum *expected,
                   bus_code (*visit)(void *context, int64_t offset, bus_str line, bus_error *err),
                   void *context, bus_error *err)
{
    archive_file *file = NULL;
    bus_str       line;
    bus_code      rc;

    if ((rc = archive_file_open(&file, name, err)) != BUS_OK)
        return rc;
    if (file->first != expected->first || file->last != expected->last ||
        file->bytes != (uint64_t)expected->bytes)
        rc = damaged(file, "the database knows it with other offsets or another size", err);
    if (rc == BUS_OK)
        rc = check_sums(file, expected, err);
    for (int64_t offset = file->first; rc == BUS_OK && offset <= file->last; offset++) {
        if ((rc = archive_file_line(file, offset, &line, err)) == BUS_OK)
            rc = visit(context, offset, line, err);
    }
    archive_file_close(file);
    return rc;
}
