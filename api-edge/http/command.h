/* command.h - commands from HTTP to the bus and their answers back. Internal.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_COMMAND_H
#define API_EDGE_HTTP_COMMAND_H

#include "api-edge/http/problem.h"

BUS_CHECKED bus_code edge_commands_open(edge_commands **out, edge_loop *loop, bus_error *err);
/* All requests are answered by then. Its handles close with the loop's next turns; the memory is
 * given back by edge_commands_free, after the loop has run out. */
void edge_commands_close(edge_commands *commands);
void edge_commands_free(edge_commands *commands); /* accepts NULL */

/* handle() of a command's route. */
void edge_command_handle(edge_request *r);
/* Takes replies that wait, and lets go on who waits for the next turn: when the loop was woken. */
void edge_commands_replies(edge_commands *commands);
/* Answers 503 to what is in flight: at the end of a stop. What is sent after that, too. */
void edge_commands_abandon(edge_commands *commands);

int edge_commands_in_flight(const edge_commands *commands);
/* How many partitions the writers of a domain share; 0: not known yet, and looked up by and by. */
int edge_commands_partitions(edge_commands *commands, const bus_contract *contract);

/* --- the steps of a command, of a route or of a batch's line ---------------------------------- */

/* Whoever calls may ask for it, on rows of their own at least. */
bool edge_command_allowed(const edge_request *r, const bus_message *message);
/* A new id, for a command that has no key. */
bus_id edge_command_new_id(edge_loop *loop);
/* Fills in who asks for what. stream: text of its id; not read if the command makes its stream.
 * False: it is no id, there can be no such stream. */
bool edge_command_begin(edge_command *command, const edge_request *r, const edge_route *route,
                        bus_id command_id, bus_str stream);
/* The data, decoded by its contract, in its canonical form in the arena. BUS_INVALID: problems
 * tells where. */
BUS_CHECKED bus_code edge_command_data(edge_command *command, bus_str text, bus_arena *arena,
                                       bus_problems *problems);
BUS_CHECKED bus_code edge_command_data_json(edge_command *command, const json_t *value,
                                            bus_arena *arena, bus_problems *problems);

/* How it ended: the bus has answered, or a problem of the edge's own. */
struct edge_command_end {
    const bus_reply  *reply; /* lives as long as the call; NULL: */
    edge_problem_kind problem;
};
/* Sends it until it is answered or its deadline has passed; then done() is called, once, perhaps
 * before this returns. */
void edge_command_send(edge_commands *commands, edge_command *command);

/* What goes on in the loop's next turn, so that others get theirs. In the caller's memory. */
typedef struct edge_later {
    void (*turn)(struct edge_later *later);
    struct edge_later *next; /* private */
} edge_later;
void edge_commands_later(edge_commands *commands, edge_later *later);

/* What the end means in HTTP. */
typedef struct {
    bool         done;   /* and what is answered: */
    int          status; /* 201 or 200 */
    int32_t      version;
    bool         repeated;
    const char  *location; /* in the arena; NULL: none */
    edge_trouble trouble;  /* if not done */
} edge_verdict;
edge_verdict edge_command_verdict(const edge_command *command, const edge_command_end *end,
                                  bus_arena *arena);
/* Adds the members of the answer of what was done, without braces. */
void edge_command_write(const edge_command *command, const bus_reply *reply, bus_buf *out);

/* --- ids ---------------------------------------------------------------------------------------
 */

/* The id under which a command is carried out once: derived from tenant, actor and key, with the
 * time of the key if that is a UUIDv7. Pure. */
bus_id edge_command_id_of_key(bus_id tenant, bus_id actor, bus_str key);
/* That of a line without a key in a batch whose own key gives `batch`. Pure. */
bus_id edge_command_id_of_line(bus_id batch, int line);

#endif
