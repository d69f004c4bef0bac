/* log.h - the structured log: one JSON object per line on stderr.
 * {"at":"2026-11-23T10:00:00.123Z","level":"warn","event":"store.append_failed","trace":"…",…}
 * Stable event names, no payloads, no secrets. Log once, where the error is handled.
 * Threads: any. A line is written with one write(2).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_LOG_LOG_H
#define BUS_LOG_LOG_H

#include "bus/base/error.h"
#include "bus/base/id.h"
#include "bus/base/str.h"

typedef enum { BUS_LOG_DEBUG, BUS_LOG_INFO, BUS_LOG_WARN, BUS_LOG_ERROR } bus_log_level;

typedef struct {
    const char *key;
    enum { BUS_LOG_KV_TEXT, BUS_LOG_KV_STR, BUS_LOG_KV_INT, BUS_LOG_KV_ID, BUS_LOG_KV_ERR } kind;
    union {
        const char      *text;
        bus_str          str;
        int64_t          number;
        bus_id           id;
        const bus_error *err;
    };
} bus_log_kv;

#define BUS_KV(k, v)                                     \
    {                                                    \
        .key = (k), .kind = BUS_LOG_KV_TEXT, .text = (v) \
    }
#define BUS_KV_STR(k, v)                               \
    {                                                  \
        .key = (k), .kind = BUS_LOG_KV_STR, .str = (v) \
    }
#define BUS_KV_INT(k, v)                                  \
    {                                                     \
        .key = (k), .kind = BUS_LOG_KV_INT, .number = (v) \
    }
#define BUS_KV_ID(k, v)                              \
    {                                                \
        .key = (k), .kind = BUS_LOG_KV_ID, .id = (v) \
    }
#define BUS_KV_ERR(e)                                      \
    {                                                      \
        .key = "error", .kind = BUS_LOG_KV_ERR, .err = (e) \
    } /* code and text */

/* bus_log_warn("store.append_failed", BUS_KV_ERR(&err), BUS_KV_ID("stream", id)); */
#define BUS_LOG(level, event, ...)                                     \
    bus_log_write((level), (event), (const bus_log_kv[]){__VA_ARGS__}, \
                  (int)(sizeof((const bus_log_kv[]){__VA_ARGS__}) / sizeof(bus_log_kv)))
#define bus_log_debug(event, ...) BUS_LOG(BUS_LOG_DEBUG, event, __VA_ARGS__)
#define bus_log_info(event, ...) BUS_LOG(BUS_LOG_INFO, event, __VA_ARGS__)
#define bus_log_warn(event, ...) BUS_LOG(BUS_LOG_WARN, event, __VA_ARGS__)
#define bus_log_error(event, ...) BUS_LOG(BUS_LOG_ERROR, event, __VA_ARGS__)

void bus_log_write(bus_log_level level, const char *event, const bus_log_kv *pairs, int count);

/* Process-wide, set once before threads start. Default: INFO on stderr. */
void bus_log_start(bus_log_level level, int fd);
/* Of this thread: goes into each line until changed; nil: none. */
void bus_log_trace(bus_id correlation_id);

#endif
