/* story.h - business tests that speak JSON and know no struct.
 *
 *   static void
 *   test_never_promise_more_than_we_hold(void **state)
 *   {
 *       (void)state;
 *       story(&inventory_module, "item");
 *       given("inventory.received.v1", "{'quantity':10}");
 *       when("inventory.reserve", "{'order':'o-1','quantity':11}");
 *       then_refused("INVENTORY_INSUFFICIENT");
 *   }
 *
 * In JSON texts a single quote stands for a double one. Every command and event is checked
 * against its contract. After an accepted command its events are applied, so the next when()
 * sees them. A failed expectation ends the test with file and line. One story at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_STORY_H
#define TESTS_SUPPORT_STORY_H

#include "bus/module/module.h"

/* Begins a story on one stream of an aggregate: version 0, clock at 2026-11-23T08:00:00Z,
 * caller an ADMIN, default settings. The stream's id is STORY_STREAM. */
#define STORY_STREAM "00000000-0000-4000-8000-000000000001"
#define STORY_TENANT "00000000-0000-4000-8000-00000000000a"
#define STORY_ACTOR "00000000-0000-4000-8000-00000000000b"
void story(const bus_module *module, const char *aggregate);

/* Circumstances of the commands that follow. */
void at_time(int64_t utc_ms);
void at_date(const char *rfc3339); /* "2026-11-23T08:00:00Z" */
void later_ms(int64_t ms);
void as_role(const char *role);          /* "DISPATCHER", "SERVICE"; clears the driver */
void as_driver(const char *driver_uuid); /* role DRIVER with that driver_id */
void as_user(const char *user_uuid);     /* another caller than STORY_ACTOR, in the same role */
void with_grant(const char *grant);
void device_at(int64_t utc_ms);               /* 0: none */
void with_setting(const char *settings_json); /* members that differ from the defaults */

#define given(event, json) story_given(__FILE__, __LINE__, (event), (json))
#define when(command, json) story_when(__FILE__, __LINE__, (command), (json))
/* The answer to a sent command comes back: the command has by: "answer". */
#define when_answer(command, of, accepted, code) \
    story_when_answer(__FILE__, __LINE__, (command), (of), (accepted), (code))

/* The same, from a stream and with what happened there: an event of the target and its data
 * (NULL: none; a refusal has a code instead). */
#define when_answer_from(stream, command, of, event, json) \
    story_when_answer_from(__FILE__, __LINE__, (stream), (command), (of), NULL, (event), (json))
#define when_refusal_from(stream, command, of, code) \
    story_when_answer_from(__FILE__, __LINE__, (stream), (command), (of), (code), NULL, NULL)

/* The next event of the last command; members named in json must be equal, others are free
 * (then_exactly: all of them). */
#define then_event(event, json) story_then_event(__FILE__, __LINE__, (event), (json), false)
#define then_exactly(event, json) story_then_event(__FILE__, __LINE__, (event), (json), true)
/* What other rules would have made of an event of the last command; then_event() looks at it next.
 */
#define what_if(event, rules) story_what_if(__FILE__, __LINE__, (event), (rules))
/* No more events than those expected before. Also after accepted without events. */
#define then_nothing_more() story_then_nothing_more(__FILE__, __LINE__)
#define then_refused(code) story_then_refused(__FILE__, __LINE__, (code), NULL)
#define then_refused_with(code, params) story_then_refused(__FILE__, __LINE__, (code), (params))
/* The data breaks the contract at this JSON pointer, before decide. */
#define then_invalid(pointer) story_then_invalid(__FILE__, __LINE__, (pointer))
#define then_sent(command, stream, json) \
    story_then_sent(__FILE__, __LINE__, (command), (stream), (json))
/* A value that is to be its holder's alone; who comes second is refused with code. */
#define then_claimed(kind, value, code) \
    story_then_claim(__FILE__, __LINE__, (kind), (value), (code))
#define then_released(kind, value) story_then_claim(__FILE__, __LINE__, (kind), (value), NULL)
#define then_wakes_at(command, utc_ms) story_then_wake(__FILE__, __LINE__, (command), (utc_ms))
/* The stream is (not) that driver's own. */
#define then_owned_by(driver, yes) story_then_owned(__FILE__, __LINE__, (driver), (yes))

void story_given(const char *file, int line, const char *event, const char *json);
void story_when(const char *file, int line, const char *command, const char *json);
void story_when_answer(const char *file, int line, const char *command, const char *of,
                       bool accepted, const char *code);
void story_when_answer_from(const char *file, int line, const char *stream, const char *command,
                            const char *of, const char *code, const char *event, const char *json);
void story_then_event(const char *file, int line, const char *event, const char *json, bool exact);
void story_what_if(const char *file, int line, const char *event, const char *rules);
void story_then_nothing_more(const char *file, int line);
void story_then_refused(const char *file, int line, const char *code, const char *params);
void story_then_invalid(const char *file, int line, const char *pointer);
void story_then_sent(const char *file, int line, const char *command, const char *stream,
                     const char *json); /* stream, json may be NULL: any */
void story_then_claim(const char *file, int line, const char *kind, const char *value,
                      const char *code); /* code NULL: a release */
void story_then_wake(const char *file, int line, const char *command, int64_t utc_ms);
void story_then_owned(const char *file, int line, const char *driver, bool yes);

/* What a reaction asks for: "command -> stream {json}" of the nth command. */
#define reacts(module, event, json) story_reacts(__FILE__, __LINE__, (module), (event), (json))
void story_reacts(const char *file, int line, const bus_module *module, const char *event,
                  const char *json);
#define then_command(command, stream, json) \
    story_then_command(__FILE__, __LINE__, (command), (stream), (json))
void story_then_command(const char *file, int line, const char *command, const char *stream,
                        const char *json);

/* A view: events folded into the row of one id. */
void view_story(const bus_view *view);
#define projects(event, stream, json) story_project(__FILE__, __LINE__, (event), (stream), (json))
#define then_row(id, json) story_then_row(__FILE__, __LINE__, (id), (json))
#define then_no_row(id) story_then_row(__FILE__, __LINE__, (id), NULL)
void story_project(const char *file, int line, const char *event, const char *stream,
                   const char *json);
void story_then_row(const char *file, int line, const char *id, const char *json);

#endif
