/* analytic_story.h - stories of an analytic in JSON: what happened, and which windows that makes.
 *
 *   analytic_story(&delivery_on_time_hours_projection);
 *   happens("deliveries.arrived.v1", DELIVERY, AT, "{'arrived_at':…}");
 *   then_window("{'by':'ALL','arrived':1}");
 *   then_the_same_in_any_order();
 *
 * AT: when it was appended, UTC milliseconds. Each stream is in a partition of its own, as far as
 * there are partitions. One story at a time; cmocka's assertions fail the test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_ANALYTIC_STORY_H
#define TESTS_SUPPORT_ANALYTIC_STORY_H

#include "bus/module/module.h"

#include <stdint.h>

void analytic_story(const bus_view *view);
/* Within a stream in order of at_ms. json with ' for ". */
#define happens(event, stream, at_ms, json) \
    analytic_happens(__FILE__, __LINE__, (event), (stream), (at_ms), (json))
/* Exactly one window has all these members. */
#define then_window(json) analytic_then_window(__FILE__, __LINE__, (json), 1)
#define then_no_window(json) analytic_then_window(__FILE__, __LINE__, (json), 0)
#define then_windows(count) analytic_then_window(__FILE__, __LINE__, "{}", (count))
/* So many events came too late. */
#define then_late(count) analytic_then_late(__FILE__, __LINE__, (count))
/* So many streams are remembered. */
#define then_remembered(count) analytic_then_remembered(__FILE__, __LINE__, (count))
/* A hundred times, streams mixed and cut into batches at random: the same bytes. */
#define then_the_same_in_any_order() analytic_then_any_order(__FILE__, __LINE__)

void analytic_happens(const char *file, int line, const char *event, const char *stream,
                      int64_t at_ms, const char *json);
void analytic_then_window(const char *file, int line, const char *json, int count);
void analytic_then_late(const char *file, int line, int count);
void analytic_then_remembered(const char *file, int line, int count);
void analytic_then_any_order(const char *file, int line);

#endif
