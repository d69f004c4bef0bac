/* log.c - one line of JSON per event, one write(2) per line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static atomic_int           least = BUS_LOG_INFO;
static atomic_int           to = STDERR_FILENO;
static _Thread_local bus_id trace;

void
bus_log_start(bus_log_level level, int fd)
{
    atomic_store(&least, (int)level);
    atomic_store(&to, fd);
}

void
bus_log_trace(bus_id correlation_id)
{
    trace = correlation_id;
}

static const char *
level_name(bus_log_level level)
{
    switch (level) {
    case BUS_LOG_DEBUG: return "debug";
    case BUS_LOG_INFO: return "info";
    case BUS_LOG_WARN: return "warn";
    case BUS_LOG_ERROR: return "error";
    }
    return "?";
}

static void
add_time(bus_buf *line)
{
    int64_t   now_ms = bus_now_ms(bus_clock_system());
    time_t    seconds = (time_t)(now_ms / 1000);
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL)
        return;
    bus_buf_printf(line, "{\"at\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   (int)(now_ms % 1000));
}

static void
add_pair(bus_buf *line, const bus_log_kv *pair)
{
    char text[BUS_ID_TEXT_BYTES];

    bus_buf_add_char(line, ',');
    bus_buf_add_json(line, bus_str_of(pair->key));
    bus_buf_add_char(line, ':');
    switch (pair->kind) {
    case BUS_LOG_KV_TEXT: bus_buf_add_json(line, bus_str_of(pair->text)); return;
    case BUS_LOG_KV_STR: bus_buf_add_json(line, pair->str); return;
    case BUS_LOG_KV_INT: bus_buf_add_int(line, pair->number); return;
    case BUS_LOG_KV_ID: bus_buf_add_json(line, bus_str_of(bus_id_format(pair->id, text))); return;
    case BUS_LOG_KV_ERR:
        bus_buf_add_json(line, bus_str_of(pair->err->text));
        bus_buf_add_text(line, ",\"code\":");
        bus_buf_add_json(line, bus_str_of(bus_code_name(pair->err->code)));
        return;
    }
}

void
bus_log_write(bus_log_level level, const char *event, const bus_log_kv *pairs, int count)
{
    bus_buf line = {0};
    char    text[BUS_ID_TEXT_BYTES];
    size_t  written = 0;

    if ((int)level < atomic_load_explicit(&least, memory_order_relaxed))
        return;
    add_time(&line);
    bus_buf_printf(&line, ",\"level\":\"%s\",\"event\":", level_name(level));
    bus_buf_add_json(&line, bus_str_of(event));
    if (!bus_id_is_nil(trace))
        bus_buf_printf(&line, ",\"trace\":\"%s\"", bus_id_format(trace, text));
    for (int i = 0; i < count; i++)
        add_pair(&line, &pairs[i]);
    bus_buf_add(&line, "}\n", 2);
    while (written < line.len) {
        ssize_t n = write(atomic_load_explicit(&to, memory_order_relaxed), line.at + written,
                          line.len - written);

        if (n <= 0)
            break; /* there is nowhere to say so */
        written += (size_t)n;
    }
    bus_buf_fini(&line);
}
