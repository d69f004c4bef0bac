/* contract.c - finding messages by name, and the kernel's own refusals.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/contract.h"

#include <string.h>

static const bus_shape integer = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = INT64_MIN, .maximum = INT64_MAX};
static const bus_field version_fields[] = {
    {.name = "current", .shape = &integer, .has_offset = BUS_NO_OFFSET, .required = true},
};
static const bus_shape version_params = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(int64_t), .fields = version_fields, .fields_count = 1};

static const bus_shape instant = {.kind = BUS_KIND_INT,
                                  .size = sizeof(int64_t),
                                  .minimum = 0,
                                  .maximum = INT64_C(253402300799999)};
static const bus_shape minute = {
    .kind = BUS_KIND_STRING, .size = sizeof(bus_str), .minimum = 1, .maximum = 16};
static const bus_field stale_fields[] = {
    {.name = "last_at",
     .shape = &instant,
     .offset = offsetof(struct bus_stale_params, last_at),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
    {.name = "last",
     .shape = &minute,
     .offset = offsetof(struct bus_stale_params, last),
     .has_offset = BUS_NO_OFFSET,
     .required = true},
};
static const bus_shape stale_params = {.kind = BUS_KIND_OBJECT,
                                       .size = sizeof(struct bus_stale_params),
                                       .fields = stale_fields,
                                       .fields_count = 2};

const bus_refusal BUS_NOT_FOUND_REFUSAL = {
    .code = "NOT_FOUND",
    .status = 404,
    .en = "There is nothing with this id.",
    .ru = "По этому идентификатору ничего нет.",
};
const bus_refusal BUS_FORBIDDEN_REFUSAL = {
    .code = "FORBIDDEN",
    .status = 403,
    .en = "Your role does not allow this.",
    .ru = "Ваша роль этого не позволяет.",
};
const bus_refusal BUS_VERSION_REFUSAL = {
    .code = "VERSION_MISMATCH",
    .status = 412,
    .params = &version_params,
    .en = "It has changed since you read it: its version is {current} now.",
    .ru = "Данные изменились после чтения: текущая версия {current}.",
};
const bus_refusal BUS_KEY_REUSED_REFUSAL = {
    .code = "IDEMPOTENCY_KEY_REUSED",
    .status = 422,
    .en = "This Idempotency-Key was used for another request.",
    .ru = "Этот Idempotency-Key уже использован для другого запроса.",
};
const bus_refusal BUS_EXISTS_REFUSAL = {
    .code = "ALREADY_EXISTS",
    .status = 409,
    .en = "It exists already.",
    .ru = "Такая запись уже есть.",
};
const bus_refusal BUS_STREAM_FAULT_REFUSAL = {
    .code = "STREAM_FAULT",
    .status = 500,
    .en = "An internal rule broke on this record; it is set aside until it is mended.",
    .ru = "Внутреннее правило нарушено; запись отложена до исправления.",
};

const bus_refusal BUS_STALE_REFUSAL = {
    .code = "STALE",
    .status = 409,
    .params = &stale_params,
    .en = "This comes too late: something of {last} is on record already.",
    .ru = "Слишком поздно: уже записано то, что было {last}.",
};

static const bus_refusal *const kernel[] = {
    &BUS_NOT_FOUND_REFUSAL,  &BUS_FORBIDDEN_REFUSAL, &BUS_VERSION_REFUSAL,
    &BUS_KEY_REUSED_REFUSAL, &BUS_EXISTS_REFUSAL,    &BUS_STREAM_FAULT_REFUSAL,
    &BUS_STALE_REFUSAL,
};

/* Is type "<module>.<rest>"? */
static bool
of_module(const bus_contract *contract, bus_str type)
{
    size_t len = strlen(contract->module);

    return type.len > len && memcmp(type.at, contract->module, len) == 0 && type.at[len] == '.';
}

const bus_message *
bus_contract_command(const bus_contract *contract, bus_str type)
{
    if (!of_module(contract, type))
        return NULL;
    for (int a = 0; a < contract->aggregates_count; a++)
        for (int m = 0; m < contract->aggregates[a]->commands_count; m++)
            if (bus_str_is(type, contract->aggregates[a]->commands[m]->type))
                return contract->aggregates[a]->commands[m];
    return NULL;
}

static const bus_message *
find_event(const bus_message *const *events, int count, bus_str type)
{
    for (int i = 0; i < count; i++)
        if (bus_str_is(type, events[i]->type))
            return events[i];
    return NULL;
}

const bus_message *
bus_contract_event(const bus_contract *contract, bus_str type)
{
    const bus_message *found = NULL;

    if (!of_module(contract, type))
        return NULL;
    for (int a = 0; found == NULL && a < contract->aggregates_count; a++) {
        const bus_aggregate_contract *of = contract->aggregates[a];

        found = find_event(of->events, of->events_count, type);
        if (found == NULL)
            found = find_event(of->superseded, of->superseded_count, type);
    }
    return found;
}

const bus_message *
bus_message_newest(const bus_message *event)
{
    while (event != NULL && event->upcast_to != NULL)
        event = event->upcast_to;
    return event;
}

const bus_refusal *
bus_contract_refusal(const bus_contract *contract, bus_str code)
{
    for (int i = 0; i < contract->refusals_count; i++)
        if (bus_str_is(code, contract->refusals[i].code))
            return &contract->refusals[i];
    for (size_t i = 0; i < sizeof(kernel) / sizeof(kernel[0]); i++)
        if (bus_str_is(code, kernel[i]->code))
            return kernel[i];
    return NULL;
}

const bus_view_contract *
bus_contract_view(const bus_contract *contract, bus_str name)
{
    for (int i = 0; i < contract->views_count; i++)
        if (bus_str_is(name, contract->views[i]->name))
            return contract->views[i];
    return NULL;
}

uint32_t
bus_role_parse(bus_str name)
{
    if (bus_str_is(name, "ADMIN"))
        return BUS_ROLE_ADMIN;
    if (bus_str_is(name, "DISPATCHER"))
        return BUS_ROLE_DISPATCHER;
    if (bus_str_is(name, "DRIVER"))
        return BUS_ROLE_DRIVER;
    if (bus_str_is(name, "VIEWER"))
        return BUS_ROLE_VIEWER;
    return 0;
}

uint32_t
bus_grant_parse(bus_str name)
{
    if (bus_str_is(name, "finance.read"))
        return BUS_GRANT_FINANCE_READ;
    if (bus_str_is(name, "tenants.manage"))
        return BUS_GRANT_TENANTS_MANAGE;
    if (bus_str_is(name, "telegram.link"))
        return BUS_GRANT_TELEGRAM_LINK;
    return 0;
}
