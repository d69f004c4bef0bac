/* deliver.c - one event to one receiver: a signed POST by libcurl.
 *
 * What comes back is a status; the rest of the answer is read within bounds and dropped, redirects
 * are not followed, and the address is looked at when the connection is made, so that no name can
 * lead into our own house.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/envelope/cloudevent.h"
#include "bus/log/log.h"
#include "bus/personal/secret.h"
#include "bus/webhook/webhook.h"
#include "services/webhooks/worker/address.h"
#include "services/webhooks/worker/secrets.h"
#include "services/webhooks/worker/worker_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 5000L
#define EVENT_ID_BYTES (BUS_ID_TEXT_BYTES + 8)
#define KEYS_OUT_US                                                              \
    INT64_C(1000000) /* the keys of personal data are out of reach: wait so long \
                      */
#define RETRY_AFTER_MAX_S 86400

struct delivery {
    subscription      *s;
    const worker      *w;
    int                log, partition;
    int64_t            offset;
    CURL              *easy;
    struct curl_slist *headers;
    bus_buf            body;
    size_t             dropped;
    bool               refused; /* an address was, of those that its name has */
    bool               tried;   /* ... and one was not */
    char               id[EVENT_ID_BYTES], error[CURL_ERROR_SIZE];
};

/* --- what is sent ---------------------------------------------------------------------------- */

/* The CloudEvent, as feeds show it, but for who did it: that is no business of others. */
static void
render(const domain_log *log, const bus_record *r, bus_str data, bus_buf *out)
{
    bus_cloudevent attributes;
    bus_error      err;

    /* All that is in the log can be written. */
    BUS_INVARIANT(bus_cloudevent_of(r, log->domain, &attributes, &err) == BUS_OK);
    bus_buf_add_char(out, '{');
    bus_cloudevent_json(&attributes, false, out);
    bus_buf_add_text(out, ",\"data\":");
    bus_buf_add_str(out, r->data.len == 0 ? BUS_STR("null") : data);
    bus_buf_add_char(out, '}');
}

/* As in the log, or with personal members in clear where the subscription says so. */
static bus_code
open_data(worker *w, const subscription *s, const domain_log *log, const bus_message *message,
          const bus_record *r, bus_str *out, bus_error *err)
{
    bus_code rc;

    *out = r->data;
    if (!s->wants.personal || message == NULL || message->shape == NULL ||
        !message->shape->personal)
        return BUS_OK;
    rc = bus_personal_open_data(w->personal, r->tenant, r->stream, message, r->data, &w->scratch,
                                out, err);
    if (rc != BUS_FAULT)
        return rc;
    /* Damaged: it is sent as it is; verify will tell. */
    bus_log_error("webhooks.data_unreadable", BUS_KV_ERR(err), BUS_KV("domain", log->domain));
    *out = r->data;
    return BUS_OK;
}

/* What is sent of it: without what nobody is told. */
static bus_code
data_of(worker *w, const subscription *s, const domain_log *log, const bus_record *r, bus_str *out,
        bus_error *err)
{
    const bus_message *message = bus_contract_event(log->contract, r->type);
    bus_code           rc = open_data(w, s, log, message, r, out, err);

    if (rc == BUS_OK && message != NULL && message->shape != NULL && out->len > 0 &&
        webhooks_has_secrets(message->shape))
        *out = webhooks_without_secrets(message->shape, *out, &w->scratch);
    return rc;
}

/* Adds the signature by one secret. False: it cannot be opened. */
static bool
add_signature(worker *w, const subscription *s, bus_str sealed, const delivery *d, int64_t at_s,
              bus_buf *out)
{
    bus_webhook_key key;
    char            signature[BUS_WEBHOOK_SIGNATURE_BYTES];
    bus_str         secret;
    bus_error       err = {.text = "there are no master keys"};
    bool            right = w->options->master_keys != NULL &&
                 bus_secret_open(w->options->master_keys, s->tenant, s->id, SECRET_LABEL, sealed,
                                 &w->scratch, &secret, &err) == BUS_OK;

    if (!right) {
        bus_log_error("webhooks.secret_unreadable", BUS_KV_ERR(&err));
        return false;
    }
    right = bus_webhook_key_of(secret, &key);
    OPENSSL_cleanse((char *)(uintptr_t)secret.at, secret.len);
    if (right) {
        bus_webhook_sign(&key, bus_str_of(d->id), at_s, bus_buf_str(&d->body), signature);
        bus_buf_printf(out, "%s%s", out->len == 0 ? "webhook-signature: " : " ", signature);
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return right;
}

static void
add_header(delivery *d, const char *line)
{
    struct curl_slist *longer = curl_slist_append(d->headers, line);

    if (longer == NULL)
        abort();
    d->headers = longer;
}

/* While the secret is changed, by both. */
static bool
add_headers(worker *w, delivery *d)
{
    const subscription *s = d->s;
    int64_t             now_ms = bus_now_ms(w->options->clock);
    bus_buf             signatures = {0};
    char                line[96];
    bool                right = add_signature(w, s, s->secret, d, now_ms / 1000, &signatures);

    if (right && s->previous_secret.len > 0 && now_ms < s->previous_until_ms)
        (void)add_signature(w, s, s->previous_secret, d, now_ms / 1000, &signatures);
    if (right) {
        add_header(d, "Content-Type: application/cloudevents+json");
        (void)snprintf(line, sizeof(line), "webhook-id: %s", d->id);
        add_header(d, line);
        (void)snprintf(line, sizeof(line), "webhook-timestamp: %lld", (long long)(now_ms / 1000));
        add_header(d, line);
        add_header(d, signatures.at);
        add_header(d, "Expect:");
    }
    bus_buf_fini(&signatures);
    return right;
}

/* --- libcurl -----------------------------------------------------------------------------------
 */

static size_t
drop(char *bytes, size_t size, size_t count, void *context)
{
    delivery *d = context;
    (void)bytes;

    d->dropped += size * count;
    return d->dropped > BODY_DROPPED_MAX ? 0 : size * count;
}

/* Whatever the name has led to. */
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    delivery *d = context;
    (void)purpose;

    if (!d->w->private_allowed && !webhook_address_is_public(&address->addr)) {
        d->refused = true;
        return CURL_SOCKET_BAD;
    }
    d->tried = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool
set_up(worker *w, delivery *d)
{
    CURL *easy = d->easy;

    return curl_easy_setopt(
               easy, CURLOPT_URL,
               bus_arena_printf(&w->scratch, "%.*s", BUS_STR_ARG(d->s->wants.url)).at) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                            w->private_allowed ? "https,http" : "https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* else a transfer that ends while its name is looked up waits for the resolver */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)w->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "shina-webhooks/1") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, d->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)d->body.len) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, d->body.at) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, d) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, d) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, d->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, d) == CURLE_OK &&
           curl_multi_add_handle(w->multi, easy) == CURLM_OK;
}

static void
destroy(delivery *d)
{
    curl_easy_cleanup(d->easy);
    curl_slist_free_all(d->headers);
    bus_buf_fini(&d->body);
    free(d);
}

static void
land(worker *w, delivery *d)
{
    d->s->lanes[d->log][d->partition].flying = NULL;
    d->s->flying--;
    d->s->share->flying--;
    w->flying--;
    destroy(d);
}

void
deliver_cancel(worker *w, delivery *d)
{
    (void)curl_multi_remove_handle(w->multi, d->easy);
    land(w, d);
}

void
deliver_cancel_all(worker *w, subscription *s)
{
    for (int i = 0; i < w->logs_count && s->flying > 0; i++)
        for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++)
            if (s->lanes[i][p].flying != NULL)
                deliver_cancel(w, s->lanes[i][p].flying);
}

bus_code
deliver(worker *w, subscription *s, int log, int partition, const bus_record *record,
        bus_error *err)
{
    char      command[BUS_ID_TEXT_BYTES];
    bus_str   data;
    delivery *d;
    bus_code  rc = data_of(w, s, &w->logs[log], record, &data, err);

    if (rc != BUS_OK) {
        s->not_before_us = worker_now_us(w) + KEYS_OUT_US;
        return rc;
    }
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        abort();
    d->s = s;
    d->w = w;
    d->log = log;
    d->partition = partition;
    d->offset = record->offset;
    (void)snprintf(d->id, sizeof(d->id), "%s:%d", bus_id_format(record->command_id, command),
                   (int)record->nth);
    render(&w->logs[log], record, data, &d->body);
    d->easy = curl_easy_init();
    if (d->easy == NULL)
        abort();
    if (!add_headers(w, d) || !set_up(w, d)) {
        destroy(d);
        ask_to_stop(w, s, false, "its secret cannot be read, or its address cannot be used", log,
                    partition, record->offset);
        return BUS_OK;
    }
    s->lanes[log][partition].flying = d;
    s->flying++;
    s->share->flying++;
    w->flying++;
    return BUS_OK;
}

/* --- what came of it -----------------------------------------------------------------------------
 */

/* Every address of its name is one of our own house. */
static bool
leads_nowhere(const delivery *d)
{
    return d->refused && !d->tried;
}

/* Tried as often as it may be: it waits until somebody looks. Else it is tried again, and all else
 * of the subscription waits for it. */
static void
note_failure(worker *w, const delivery *d, lane *l, const char *reason, int64_t retry_after_s)
{
    subscription *s = d->s;
    uint32_t      random;
    int64_t       after_us;

    s->window = 1; /* who hangs takes up no more than one place */
    if (s->trouble != NULL && s->trouble != l)
        return; /* another one is being tried; this one has its turn then */
    s->trouble = l;
    l->failures++;
    w->options->clock->random(w->options->clock->context, &random, sizeof(random));
    after_us = webhook_schedule_after_us(&w->schedule, l->failures, random);
    if (after_us < 0 || leads_nowhere(d)) {
        worker_counted(COUNT_PARKED);
        ask_to_stop(w, s, false, reason, d->log, d->partition, d->offset);
        return;
    }
    if (retry_after_s > 0 && retry_after_s <= RETRY_AFTER_MAX_S &&
        retry_after_s * 1000000 > after_us)
        after_us = retry_after_s * 1000000;
    s->not_before_us = worker_now_us(w) + after_us;
}

static void
note_success(const delivery *d, lane *l)
{
    l->offset = d->offset;
    l->moved = l->acknowledged = true;
    l->failures = 0;
    if (d->s->trouble == l)
        d->s->trouble = NULL;
    if (d->s->trouble == NULL && d->s->window < FLYING_OF_ONE_MAX)
        d->s->window++;
}

static void
judge(worker *w, delivery *d, CURLcode code)
{
    lane      *l = &d->s->lanes[d->log][d->partition];
    long       status = 0;
    curl_off_t retry_after_s = 0;
    char       reason[160];

    (void)curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(d->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    /* Whoever says more than we want to hear has said its status before. */
    if (code == CURLE_WRITE_ERROR && d->dropped > BODY_DROPPED_MAX)
        code = CURLE_OK;
    if (code == CURLE_OK && status >= 200 && status < 300) {
        BUS_FAIL_POINT("webhook.delivered");
        worker_counted(COUNT_DELIVERED);
        note_success(d, l);
        return;
    }
    if (leads_nowhere(d))
        (void)snprintf(reason, sizeof(reason), "its address is not a public one");
    else if (code != CURLE_OK)
        (void)snprintf(reason, sizeof(reason), "%.150s",
                       d->error[0] != '\0' ? d->error : curl_easy_strerror(code));
    else
        (void)snprintf(reason, sizeof(reason), "HTTP %ld", status);
    if (code == CURLE_OK && status == 410) {
        worker_counted(COUNT_GONE);
        ask_to_stop(w, d->s, true, reason, d->log, d->partition, d->offset);
        return;
    }
    worker_counted(COUNT_FAILED);
    note_failure(w, d, l, reason, code == CURLE_OK ? (int64_t)retry_after_s : 0);
}

void
deliver_take_done(worker *w)
{
    CURLMsg *message;
    int      left;

    while ((message = curl_multi_info_read(w->multi, &left)) != NULL) {
        CURLcode  code = message->data.result;
        CURL     *easy = message->easy_handle;
        delivery *d = NULL;

        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&d) != CURLE_OK || d == NULL)
            continue;
        judge(w, d, code);
        (void)curl_multi_remove_handle(w->multi, easy);
        land(w, d);
    }
}
