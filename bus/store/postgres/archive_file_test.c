/* archive_file_test.c - what was written is what is read, and no changed byte goes unseen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST 1001
#define LINES 3000 /* several blocks */
#define BIG 1500   /* a line of more than a block */

static char         folder[] = "/tmp/shina_archive_file_XXXXXX";
static archive_name name = {folder, "things", 7, FIRST};
static bus_error    err;

/* The line of an event, the same each time. */
static bus_str
line_of(bus_buf *buf, int64_t offset)
{
    int width = offset == FIRST + BIG ? 200000 : (int)(offset * 7919 % 180);

    bus_buf_reset(buf);
    bus_buf_printf(buf, "7\t%lld\t%0*lld\n", (long long)offset, width, (long long)offset * 31);
    return bus_buf_str(buf);
}

static archive_sum
write_lines(int count)
{
    archive_writer *w = NULL;
    archive_sum     sum;
    bus_buf         buf = {0};

    assert_int_equal(archive_writer_open(&w, &name, &err), BUS_OK);
    for (int i = 0; i < count; i++)
        assert_int_equal(archive_writer_add(w, line_of(&buf, FIRST + i), &err), BUS_OK);
    assert_int_equal(archive_writer_finish(w, &sum, &err), BUS_OK);
    archive_writer_close(w);
    bus_buf_fini(&buf);
    return sum;
}

static void
assert_line(archive_file *file, bus_buf *buf, int64_t offset)
{
    bus_str got, want = line_of(buf, offset);

    if (archive_file_line(file, offset, &got, &err) != BUS_OK)
        fail_msg("%lld: %s", (long long)offset, err.text);
    assert_int_equal(got.len, want.len - 1); /* without its newline */
    assert_memory_equal(got.at, want.at, got.len);
}

static bus_code
count_line(void *context, int64_t offset, bus_str line, bus_error *e)
{
    int *count = context;

    (void)e;
    assert_int_equal(offset, FIRST + *count);
    assert_true(line.len > 0);
    ++*count;
    return BUS_OK;
}

static void
test_lines_are_found_in_any_order(void **state)
{
    archive_sum   sum = write_lines(LINES);
    archive_file *file = NULL;
    bus_buf       buf = {0};
    bus_str       none;
    int           count = 0;

    (void)state;
    assert_int_equal(sum.first, FIRST);
    assert_int_equal(sum.last, FIRST + LINES - 1);
    assert_int_equal(archive_file_open(&file, &name, &err), BUS_OK);
    assert_int_equal(archive_file_last(file), sum.last);
    for (int i = 0; i < LINES; i++)
        assert_line(file, &buf, FIRST + i);
    for (int i = LINES - 1; i >= 0; i -= 7)
        assert_line(file, &buf, FIRST + i);
    for (int i = 0; i < 500; i++)
        assert_line(file, &buf, FIRST + (i * 7919) % LINES);
    assert_int_equal(archive_file_line(file, FIRST - 1, &none, &err), BUS_INVALID);
    assert_int_equal(archive_file_line(file, sum.last + 1, &none, &err), BUS_INVALID);
    archive_file_close(file);
    assert_int_equal(archive_file_check(&name, &sum, count_line, &count, &err), BUS_OK);
    assert_int_equal(count, LINES);
    bus_buf_fini(&buf);
}

/* One that goes on after another took its place harms nothing of what the other made. */
static void
test_a_writer_that_was_overtaken_writes_to_nobody(void **state)
{
    archive_writer *late = NULL;
    archive_sum     sum, none;
    bus_buf         buf = {0};
    int             count = 0;

    (void)state;
    assert_int_equal(archive_writer_open(&late, &name, &err), BUS_OK);
    sum = write_lines(LINES);
    for (int i = 0; i < LINES; i++) {
        bus_buf_reset(&buf);
        bus_buf_printf(&buf, "7\t%d\t%0*d\n", FIRST + i, 100, i); /* not the same bytes */
        assert_int_equal(archive_writer_add(late, bus_buf_str(&buf), &err), BUS_OK);
    }
    assert_int_not_equal(archive_writer_finish(late, &none, &err), BUS_OK);
    archive_writer_close(late);
    if (archive_file_check(&name, &sum, count_line, &count, &err) != BUS_OK)
        fail_msg("%s", err.text);
    bus_buf_fini(&buf);
}

static void
test_the_zstd_program_reads_it(void **state)
{
    archive_sum sum = write_lines(LINES);
    bus_buf     buf = {0};
    char        command[256], *got = NULL;
    size_t      room = 0;
    ssize_t     len;
    FILE       *out;

    (void)state;
    (void)sum;
    if (system("command -v zstd >/dev/null") != 0)
        skip();
    (void)snprintf(command, sizeof(command), "zstd -dc '%s/things/007-%019d.zst' >'%s/printed'",
                   folder, FIRST, folder);
    assert_int_equal(system(command), 0);
    (void)snprintf(command, sizeof(command), "%s/printed", folder);
    out = fopen(command, "r");
    assert_non_null(out);
    for (int i = 0; i < LINES; i++) {
        bus_str want = line_of(&buf, FIRST + i);

        len = getline(&got, &room, out);
        assert_int_equal(len, want.len);
        assert_memory_equal(got, want.at, want.len);
    }
    assert_int_equal(getline(&got, &room, out), -1);
    assert_int_equal(fclose(out), 0);
    free(got);
    bus_buf_fini(&buf);
}

static void
test_only_the_next_offset_is_taken(void **state)
{
    archive_writer *w = NULL;
    archive_sum     sum;

    (void)state;
    assert_int_equal(archive_writer_open(&w, &name, &err), BUS_OK);
    assert_int_equal(archive_writer_finish(w, &sum, &err), BUS_INVALID); /* of nothing */
    assert_int_equal(archive_writer_add(w, BUS_STR("7\t1002\tx\n"), &err), BUS_INVALID);
    assert_int_equal(archive_writer_add(w, BUS_STR("7\t1001\tx"), &err), BUS_INVALID);
    assert_int_equal(archive_writer_add(w, BUS_STR("7\t1001\tx\n"), &err), BUS_OK);
    assert_int_equal(archive_writer_add(w, BUS_STR("7\t1001\tx\n"), &err), BUS_INVALID);
    archive_writer_close(w);
    name.first = 5;
    assert_false(archive_file_exists(&name));
    name.first = FIRST;
}

/* Reads all there is; BUS_OK only if nothing is amiss. */
static bus_code
read_all(const archive_sum *sum)
{
    int count = 0;

    return archive_file_check(&name, sum, count_line, &count, &err);
}

static void
test_a_changed_byte_is_seen(void **state)
{
    archive_sum sum = write_lines(LINES);
    char        path[128];
    int         fd;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/things/007-%019d.zst", folder, FIRST);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (int64_t i = 0; i < 400; i++) {
        off_t         at = i < 100 ? i : i < 200 ? sum.bytes - 1 - (i - 100) : i * 7919 % sum.bytes;
        unsigned char byte, changed;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        changed = byte ^ (unsigned char)(1 << (i % 8));
        assert_int_equal(pwrite(fd, &changed, 1, at), 1);
        if (read_all(&sum) != BUS_INVALID)
            fail_msg("byte %lld of %lld", (long long)at, (long long)sum.bytes);
        assert_non_null(strstr(err.text, "things/007"));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_int_equal(read_all(&sum), BUS_OK);
    for (off_t bytes = sum.bytes - 1; bytes >= 0; bytes -= bytes > 300 ? bytes / 40 : 9) {
        assert_int_equal(ftruncate(fd, bytes), 0);
        assert_int_equal(read_all(&sum), BUS_INVALID);
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_all(&sum), BUS_NOT_FOUND);
}

/* Changed blocks are seen by those who read single events too, who check no sums. */
static void
test_a_changed_block_gives_no_event(void **state)
{
    archive_sum   sum = write_lines(LINES);
    archive_file *file = NULL;
    char          path[128];
    int           fd, failed = 0;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/things/007-%019d.zst", folder, FIRST);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (int i = 0; i < 50; i++) {
        off_t         at = 1000 + i * (sum.bytes - 3000) / 50;
        unsigned char byte, changed;
        bus_buf       buf = {0};

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        changed = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &changed, 1, at), 1);
        assert_int_equal(archive_file_open(&file, &name, &err), BUS_OK);
        for (int k = 0; k < LINES; k += 10) {
            bus_str got;

            if (archive_file_line(file, FIRST + k, &got, &err) == BUS_OK)
                assert_int_equal(got.len, line_of(&buf, FIRST + k).len - 1);
            else
                failed++;
        }
        archive_file_close(file);
        bus_buf_fini(&buf);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_true(failed >= 50);
    assert_int_equal(close(fd), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_found_in_any_order),
        cmocka_unit_test(test_a_writer_that_was_overtaken_writes_to_nobody),
        cmocka_unit_test(test_the_zstd_program_reads_it),
        cmocka_unit_test(test_only_the_next_offset_is_taken),
        cmocka_unit_test(test_a_changed_byte_is_seen),
        cmocka_unit_test(test_a_changed_block_gives_no_event),
    };
    char command[64];
    int  failed;

    if (mkdtemp(folder) == NULL)
        return 1;
    failed = cmocka_run_group_tests_name("archive files", tests, NULL, NULL);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? failed : 1;
}
