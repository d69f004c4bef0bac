/* envelope.c - counted messages, each one block of memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/envelope.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* An envelope, its count before it and its strings behind it, in one block. */
typedef struct {
    atomic_int   references;
    bus_envelope env;
    char         text[];
} block;

static block *
block_of(bus_envelope *env)
{
    return (block *)(void *)((char *)env - offsetof(block, env));
}

static block *
new_block(size_t text_bytes)
{
    block *b = malloc(sizeof(*b) + text_bytes);

    if (b == NULL)
        abort();
    atomic_init(&b->references, 1);
    b->env.ticket = b->env.route = 0;
    b->env.place = 0;
    return b;
}

/* Copies *s to *at, with a NUL behind it, and moves *at on. */
static void
move_in(char **at, bus_str *s)
{
    if (s->len > 0)
        memcpy(*at, s->at, s->len);
    (*at)[s->len] = '\0';
    s->at = *at;
    *at += s->len + 1;
}

bus_envelope *
bus_envelope_of_command(const bus_command *command)
{
    block *b =
        new_block((size_t)command->type.len + command->causation_id.len + command->data.len + 3);
    char *at = b->text;

    b->env.kind = BUS_ENVELOPE_COMMAND;
    b->env.command = *command;
    move_in(&at, &b->env.command.type);
    move_in(&at, &b->env.command.causation_id);
    move_in(&at, &b->env.command.data);
    return &b->env;
}

bus_envelope *
bus_envelope_of_reply(const bus_reply *reply)
{
    block *b = new_block((size_t)reply->code.len + reply->params.len + reply->detail.len +
                         reply->events.len + 4);
    char  *at = b->text;

    b->env.kind = BUS_ENVELOPE_REPLY;
    b->env.reply = *reply;
    move_in(&at, &b->env.reply.code);
    move_in(&at, &b->env.reply.params);
    move_in(&at, &b->env.reply.detail);
    move_in(&at, &b->env.reply.events);
    return &b->env;
}

bus_envelope *
bus_envelope_hold(bus_envelope *env)
{
    atomic_fetch_add_explicit(&block_of(env)->references, 1, memory_order_relaxed);
    return env;
}

void
bus_envelope_release(bus_envelope *env)
{
    if (env == NULL)
        return;
    if (atomic_fetch_sub_explicit(&block_of(env)->references, 1, memory_order_acq_rel) == 1)
        free(block_of(env));
}
