/* pattern.c - PCRE2 with its JIT. The first thread that needs a pattern publishes its code; one
 * that comes second throws its own away. Codes live until the process ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/pattern.h"
#include "bus/base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>

#define MATCH_STEPS_MAX 100000 /* a pattern that needs more does not match */

/* Per thread: scratch memory of matches. */
static _Thread_local pcre2_match_data    *match_data;
static _Thread_local pcre2_match_context *match_context;
static pthread_key_t                      at_thread_end;
static pthread_once_t                     once = PTHREAD_ONCE_INIT;

static void
free_scratch(void *unused)
{
    (void)unused;
    pcre2_match_data_free(match_data);
    pcre2_match_context_free(match_context);
    match_data = NULL;
    match_context = NULL;
}

static void
make_key(void)
{
    BUS_INVARIANT(pthread_key_create(&at_thread_end, free_scratch) == 0);
}

static void
make_scratch(void)
{
    BUS_INVARIANT(pthread_once(&once, make_key) == 0);
    match_data = pcre2_match_data_create(1, NULL);
    match_context = pcre2_match_context_create(NULL);
    if (match_data == NULL || match_context == NULL)
        abort();
    (void)pcre2_set_match_limit(match_context, MATCH_STEPS_MAX);
    BUS_INVARIANT(pthread_setspecific(at_thread_end, match_data) == 0);
}

static pcre2_code *
compiled(const bus_shape *shape)
{
    void       *none = NULL;
    pcre2_code *code = __atomic_load_n(shape->pattern_code, __ATOMIC_ACQUIRE);
    PCRE2_SIZE  offset;
    int         error;

    if (code != NULL)
        return code;
    code =
        pcre2_compile((PCRE2_SPTR)shape->pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_UTF_CHECK, &error, &offset, NULL);
    BUS_INVARIANT(code != NULL);                       /* the schema compiler has tried it */
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    if (__atomic_compare_exchange_n(shape->pattern_code, &none, code, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return code;
    pcre2_code_free(code);
    return none;
}

bool
bus_pattern_matches(const bus_shape *shape, bus_str s)
{
    if (match_data == NULL)
        make_scratch();
    return pcre2_match(compiled(shape), (PCRE2_SPTR)(s.at == NULL ? "" : s.at), s.len, 0,
                       PCRE2_NO_UTF_CHECK, match_data, match_context) >= 0;
}

void
bus_pattern_forget(const bus_shape *shape)
{
    pcre2_code_free(*shape->pattern_code);
    *shape->pattern_code = NULL;
}
