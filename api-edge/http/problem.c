/* problem.c - errors as application/problem+json.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/problem.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *code;
    int         status, retry_after_s;
    const char *en, *ru;
} problem_text;

static const problem_text texts[EDGE_PROBLEMS] = {
    [EDGE_UNAUTHENTICATED] = {"UNAUTHENTICATED", 401, 0, "A valid bearer token is needed.",
                              "Нужен действительный токен доступа."},
    [EDGE_FORBIDDEN] = {"FORBIDDEN", 403, 0, "Your role does not allow this.",
                        "Ваша роль этого не позволяет."},
    [EDGE_NOT_FOUND] = {"NOT_FOUND", 404, 0, "There is nothing here.", "Здесь ничего нет."},
    [EDGE_METHOD_NOT_ALLOWED] = {"METHOD_NOT_ALLOWED", 405, 0,
                                 "This address does not take that method.",
                                 "Этот адрес не принимает такой метод."},
    [EDGE_UNSUPPORTED_MEDIA_TYPE] = {"UNSUPPORTED_MEDIA_TYPE", 415, 0,
                                     "The body must be application/json in UTF-8.",
                                     "Тело запроса должно быть application/json в UTF-8."},
    [EDGE_BODY_TOO_LARGE] = {"BODY_TOO_LARGE", 413, 0, "The body is too large.",
                             "Тело запроса слишком велико."},
    [EDGE_URI_TOO_LONG] = {"URI_TOO_LONG", 414, 0, "The address is too long.",
                           "Адрес слишком длинный."},
    [EDGE_INVALID] = {"INVALID", 422, 0, "The request does not fit its contract; see errors.",
                      "Запрос не соответствует контракту; см. errors."},
    [EDGE_BAD_REQUEST] = {"BAD_REQUEST", 400, 0, "The request cannot be understood.",
                          "Запрос не удалось разобрать."},
    [EDGE_OVERLOADED] = {"OVERLOADED", 503, 1, "Too much work at the moment; try again.",
                         "Сейчас слишком много запросов; повторите позже."},
    [EDGE_UNAVAILABLE] = {"UNAVAILABLE", 503, 1, "A part of the system is out of reach; try again.",
                          "Часть системы недоступна; повторите позже."},
    [EDGE_VIEW_BEHIND] = {"VIEW_BEHIND", 503, 1,
                          "The view has not reached that position yet; try again.",
                          "Представление ещё не дошло до этой позиции; повторите позже."},
    [EDGE_VIEW_REBUILDING] = {"VIEW_REBUILDING", 503, 5, "The view is being built; try again.",
                              "Представление строится; повторите позже."},
    [EDGE_QUERY_TIMEOUT] = {"QUERY_TIMEOUT", 503, 5,
                            "The list took too long; narrow it by filters.",
                            "Список строился слишком долго; сузьте его фильтрами."},
    [EDGE_TIMEOUT] = {"TIMEOUT", 504, 1,
                      "No answer in time. Repeat with the same Idempotency-Key: it is not "
                      "carried out twice.",
                      "Ответ не пришёл вовремя. Повторите с тем же Idempotency-Key: дважды "
                      "команда не выполнится."},
    [EDGE_INTERNAL] = {"INTERNAL", 500, 0, "Something broke here; it is in the log.",
                       "Внутренняя ошибка; она записана в журнал."},
};

void
edge_text_fill(const char *text, const json_t *params, bus_buf *out)
{
    for (const char *at = text; *at != '\0';) {
        const char   *open = strchr(at, '{'), *close = open == NULL ? NULL : strchr(open, '}');
        char          name[64];
        const json_t *value = NULL;

        if (close == NULL) {
            bus_buf_add_text(out, at);
            return;
        }
        bus_buf_add(out, at, (size_t)(open - at));
        if ((size_t)(close - open) <= sizeof(name)) {
            memcpy(name, open + 1, (size_t)(close - open - 1));
            name[close - open - 1] = '\0';
            value = json_object_get(params, name);
        }
        if (json_is_string(value)) {
            bus_buf_add(out, json_string_value(value), json_string_length(value));
        } else if (value != NULL) {
            char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

            bus_buf_add_text(out, dumped == NULL ? "?" : dumped);
            free(dumped);
        } else {
            bus_buf_add(out, open, (size_t)(close - open + 1));
        }
        at = close + 1;
    }
}

/* Everything but the closing brace. */
static void
begin(edge_request *r, int status, bus_str code, bus_str detail)
{
    char     trace[EDGE_TRACE_ID_BYTES];
    bus_buf *out = &r->out;

    bus_buf_reset(out);
    bus_buf_add_text(out, "{\"type\":\"urn:shina:problem:");
    bus_buf_add_str(out, code);
    bus_buf_add_text(out, "\",\"title\":\"");
    bus_buf_add_text(out, MHD_get_reason_phrase_for((unsigned)status));
    bus_buf_add_text(out, "\",\"status\":");
    bus_buf_add_int(out, status);
    bus_buf_add_text(out, ",\"code\":\"");
    bus_buf_add_str(out, code);
    bus_buf_add_text(out, "\",\"detail\":");
    bus_buf_add_json(out, detail);
    bus_buf_add_text(out, ",\"trace_id\":\"");
    bus_buf_add_text(out, edge_trace_id_format(r->trace.trace_id, trace));
    bus_buf_add_char(out, '"');
}

static void
finish(edge_request *r, int status, const char *allow, int retry_after_s)
{
    bus_buf_add_char(&r->out, '}');
    edge_answer(r, &(edge_reply){.status = status,
                                 .content_type = "application/problem+json",
                                 .body = bus_buf_str(&r->out),
                                 .allow = allow,
                                 .retry_after_s = retry_after_s});
}

static bus_str
text_of(const edge_request *r, const problem_text *text, const char *detail)
{
    return bus_str_of(detail != NULL ? detail : r->language == EDGE_RU ? text->ru : text->en);
}

void
edge_problem(edge_request *r, edge_problem_kind kind, const char *detail)
{
    const problem_text *text = &texts[kind];

    begin(r, text->status, bus_str_of(text->code), text_of(r, text, detail));
    finish(r, text->status, NULL, text->retry_after_s);
}

void
edge_problem_method(edge_request *r, const char *allow)
{
    const problem_text *text = &texts[EDGE_METHOD_NOT_ALLOWED];

    begin(r, text->status, bus_str_of(text->code), text_of(r, text, NULL));
    finish(r, text->status, allow, 0);
}

void
edge_problem_invalid(edge_request *r, const bus_problems *problems)
{
    const problem_text *text = &texts[EDGE_INVALID];

    begin(r, text->status, bus_str_of(text->code), text_of(r, text, NULL));
    bus_buf_add_text(&r->out, ",\"errors\":[");
    for (int i = 0; i < problems->count; i++) {
        bus_buf_add_text(&r->out, i == 0 ? "{\"pointer\":" : ",{\"pointer\":");
        bus_buf_add_json(&r->out, bus_str_of(problems->items[i].pointer));
        bus_buf_add_text(&r->out, ",\"message\":");
        bus_buf_add_json(&r->out, bus_str_of(problems->items[i].message));
        bus_buf_add_char(&r->out, '}');
    }
    bus_buf_add_char(&r->out, ']');
    finish(r, text->status, NULL, 0);
}

void
edge_problem_refusal(edge_request *r, const bus_refusal *refusal, bus_str params)
{
    json_t *values = params.len == 0 ? NULL : json_loadb(params.at, params.len, 0, NULL);
    bus_buf detail = {0};

    edge_text_fill(r->language == EDGE_RU ? refusal->ru : refusal->en, values, &detail);
    begin(r, refusal->status, bus_str_of(refusal->code), bus_buf_str(&detail));
    if (json_is_object(values)) {
        bus_buf_add_text(&r->out, ",\"params\":");
        bus_buf_add_str(&r->out, params);
    }
    finish(r, refusal->status, NULL, 0);
    bus_buf_fini(&detail);
    json_decref(values);
}

void
edge_problem_code(edge_request *r, int status, bus_str code, bus_str detail)
{
    begin(r, status, code, detail);
    finish(r, status, NULL, 0);
}
