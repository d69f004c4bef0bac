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
    [EDGE_AUTH_FAILED] = {"AUTH_FAILED", 401, 0,
                          "That is not right, or not now: who fails too often is locked for a "
                          "while.",
                          "Данные неверны, или вход сейчас закрыт: после многих неудач он "
                          "блокируется на время."},
    [EDGE_TOTP_NEEDED] = {"TOTP_NEEDED", 401, 0, "A one-time password is needed, too (totp).",
                          "Нужен ещё и одноразовый пароль (totp)."},
    [EDGE_TENANT_SUSPENDED] = {"TENANT_SUSPENDED", 403, 0,
                               "Your company's access is suspended: it may only read.",
                               "Доступ вашей компании приостановлен: можно только читать."},
    [EDGE_FORBIDDEN] = {"FORBIDDEN", 403, 0, "Your role does not allow this.",
                        "Ваша роль этого не позволяет."},
    [EDGE_BAD_SIGNATURE] = {"BAD_SIGNATURE", 403, 0,
                            "This is not signed by a secret of the source, or not now.",
                            "Запрос не подписан секретом источника, или подпись просрочена."},
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
    [EDGE_RATE_LIMITED] = {"RATE_LIMITED", 429, 1, "Too many requests; try again later.",
                           "Слишком много запросов; повторите позже."},
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
    [EDGE_LOGIN_TIMEOUT] = {"TIMEOUT", 504, 1, "No answer in time; log in again.",
                            "Ответ не пришёл вовремя; войдите снова."},
    [EDGE_AS_OF_TIMEOUT] = {"QUERY_TIMEOUT", 503, 5,
                            "Reading its history took too long; try again.",
                            "Чтение истории заняло слишком много времени; повторите позже."},
    [EDGE_HISTORY_TOO_LONG] = {"HISTORY_TOO_LONG", 422, 0,
                               "It has more events than are folded for one answer.",
                               "У записи больше событий, чем сворачивается для одного ответа."},
    [EDGE_HISTORY_ARCHIVED] = {"HISTORY_ARCHIVED", 410, 0,
                               "The first events of it are in the archive.",
                               "Первые события записи находятся в архиве."},
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

static void
write_head(const edge_request *r, int status, bus_str code, bus_str detail, bus_buf *out)
{
    char trace[EDGE_TRACE_ID_BYTES];

    bus_buf_add_text(out, "\"type\":\"urn:shina:problem:");
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

static int
write_kind(const edge_request *r, edge_problem_kind kind, const char *detail, bus_buf *out)
{
    const problem_text *text = &texts[kind];
    const char         *own = r->language == EDGE_RU ? text->ru : text->en;

    write_head(r, text->status, bus_str_of(text->code), bus_str_of(detail != NULL ? detail : own),
               out);
    return text->status;
}

static int
write_problems(const edge_request *r, const edge_trouble *trouble, bus_buf *out)
{
    const bus_problems *problems = trouble->problems;
    int                 status = write_kind(r, EDGE_INVALID, NULL, out);

    bus_buf_add_text(out, ",\"errors\":[");
    for (int i = 0; i < problems->count; i++) {
        bus_buf pointer = {0};

        bus_buf_add_text(&pointer, trouble->below == NULL ? "" : trouble->below);
        bus_buf_add_text(&pointer, problems->items[i].pointer);
        bus_buf_add_text(out, i == 0 ? "{\"pointer\":" : ",{\"pointer\":");
        bus_buf_add_json(out, bus_buf_str(&pointer));
        bus_buf_add_text(out, ",\"message\":");
        bus_buf_add_json(out, bus_str_of(problems->items[i].message));
        bus_buf_add_char(out, '}');
        bus_buf_fini(&pointer);
    }
    bus_buf_add_char(out, ']');
    return status;
}

static int
write_refusal(const edge_request *r, const bus_refusal *refusal, bus_str params, bus_buf *out)
{
    json_t *values = params.len == 0 ? NULL : json_loadb(params.at, params.len, 0, NULL);
    bus_buf detail = {0};

    edge_text_fill(r->language == EDGE_RU ? refusal->ru : refusal->en, values, &detail);
    write_head(r, refusal->status, bus_str_of(refusal->code), bus_buf_str(&detail), out);
    if (json_is_object(values)) {
        bus_buf_add_text(out, ",\"params\":");
        bus_buf_add_str(out, params);
    }
    bus_buf_fini(&detail);
    json_decref(values);
    return refusal->status;
}

int
edge_trouble_write(const edge_request *r, const edge_trouble *trouble, bus_buf *out)
{
    if (trouble->problems != NULL)
        return write_problems(r, trouble, out);
    if (trouble->refusal != NULL)
        return write_refusal(r, trouble->refusal, trouble->params, out);
    if (trouble->code.len > 0) {
        write_head(r, trouble->status, trouble->code, trouble->text, out);
        return trouble->status;
    }
    return write_kind(r, trouble->kind, trouble->detail, out);
}

bus_str
edge_trouble_code(const edge_trouble *trouble)
{
    if (trouble->problems != NULL)
        return bus_str_of(texts[EDGE_INVALID].code);
    if (trouble->refusal != NULL)
        return bus_str_of(trouble->refusal->code);
    return trouble->code.len > 0 ? trouble->code : bus_str_of(texts[trouble->kind].code);
}

static bool
is_of_kind(const edge_trouble *trouble)
{
    return trouble->problems == NULL && trouble->refusal == NULL && trouble->code.len == 0;
}

static void
answer(edge_request *r, const edge_trouble *trouble, const char *allow)
{
    bus_str code = edge_trouble_code(trouble);
    int     status;

    r->audit.code = bus_arena_copy(&r->arena, code.at, code.len).at;
    bus_buf_reset(&r->out);
    bus_buf_add_char(&r->out, '{');
    status = edge_trouble_write(r, trouble, &r->out);
    bus_buf_add_char(&r->out, '}');
    edge_answer(r,
                &(edge_reply){
                    .status = status,
                    .content_type = "application/problem+json",
                    .body = bus_buf_str(&r->out),
                    .allow = allow,
                    .retry_after_s = is_of_kind(trouble) ? texts[trouble->kind].retry_after_s : 0,
                });
}

void
edge_trouble_answer(edge_request *r, const edge_trouble *trouble)
{
    answer(r, trouble, NULL);
}

void
edge_problem(edge_request *r, edge_problem_kind kind, const char *detail)
{
    answer(r, &(edge_trouble){.kind = kind, .detail = detail}, NULL);
}

void
edge_problem_method(edge_request *r, const char *allow)
{
    answer(r, &(edge_trouble){.kind = EDGE_METHOD_NOT_ALLOWED}, allow);
}

void
edge_problem_invalid(edge_request *r, const bus_problems *problems)
{
    answer(r, &(edge_trouble){.problems = problems}, NULL);
}

void
edge_problem_code(edge_request *r, int status, bus_str code, bus_str detail)
{
    answer(r, &(edge_trouble){.status = status, .code = code, .text = detail}, NULL);
}
