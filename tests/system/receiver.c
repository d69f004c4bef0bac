/* receiver.c - somebody who is told by webhooks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/system/receiver.h"
#include "bus/base/str.h"
#include "bus/webhook/webhook.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char           path[32], secret[160];
    receiver_mood  mood;
    receiver_event events[RECEIVER_EVENTS_MAX];
    int            count, taken;
} place;

static struct {
    struct MHD_Daemon *daemon;
    pthread_mutex_t    lock;
    place             *places[RECEIVER_PATHS];
    int                count;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Locked. */
static place *
place_of(const char *path)
{
    place *p;

    for (int i = 0; i < all.count; i++)
        if (strcmp(all.places[i]->path, path) == 0)
            return all.places[i];
    p = calloc(1, sizeof(*p));
    if (p == NULL || all.count == RECEIVER_PATHS)
        abort();
    (void)snprintf(p->path, sizeof(p->path), "%s", path);
    all.places[all.count++] = p;
    return p;
}

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static const char *
header(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

    return value == NULL ? "" : value;
}

static bool
is_signed(const place *p, struct MHD_Connection *connection, const bus_buf *body)
{
    bus_webhook_key key;

    return bus_webhook_key_of(bus_str_of(p->secret), &key) &&
           bus_webhook_check(&key, bus_str_of(header(connection, "webhook-id")),
                             bus_str_of(header(connection, "webhook-timestamp")),
                             bus_str_of(header(connection, "webhook-signature")), bus_buf_str(body),
                             (int64_t)time(NULL));
}

static receiver_mood
remember(const char *path, struct MHD_Connection *connection, const bus_buf *body)
{
    json_t         *json = json_loadb(body->at == NULL ? "" : body->at, body->len, 0, NULL);
    receiver_event *e;
    receiver_mood   mood;
    place          *p;

    (void)pthread_mutex_lock(&all.lock);
    p = place_of(path);
    mood = p->mood;
    if (p->count < RECEIVER_EVENTS_MAX) {
        e = &p->events[p->count++];
        (void)snprintf(e->id, sizeof(e->id), "%s", header(connection, "webhook-id"));
        (void)snprintf(e->type, sizeof(e->type), "%s", text_of(json, "type"));
        (void)snprintf(e->subject, sizeof(e->subject), "%s", text_of(json, "subject"));
        e->version = (int)json_integer_value(json_object_get(json, "streamversion"));
        e->partition = (int)json_integer_value(json_object_get(json, "partition"));
        e->offset = strtol(text_of(json, "offset"), NULL, 10);
        e->signed_right = is_signed(p, connection, body) && strcmp(e->id, text_of(json, "id")) == 0;
        e->taken = mood == RECEIVER_TAKES || mood == RECEIVER_CHATS || mood == RECEIVER_IS_SLOW;
        e->body = strndup(body->at == NULL ? "" : body->at, body->len);
        p->taken += e->taken;
    }
    (void)pthread_mutex_unlock(&all.lock);
    json_decref(json);
    return mood;
}

static ssize_t
chat(void *context, uint64_t at, char *out, size_t max)
{
    (void)context;
    (void)at;
    memset(out, 'x', max);
    return (ssize_t)max;
}

static enum MHD_Result
answer(struct MHD_Connection *connection, receiver_mood mood)
{
    static const unsigned statuses[] = {
        [RECEIVER_TAKES] = 200,   [RECEIVER_FAILS] = 500,     [RECEIVER_HANGS] = 200,
        [RECEIVER_IS_GONE] = 410, [RECEIVER_REDIRECTS] = 302, [RECEIVER_CHATS] = 200,
        [RECEIVER_IS_SLOW] = 200};
    struct MHD_Response *response =
        mood == RECEIVER_CHATS
            ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, chat, NULL, NULL)
            : MHD_create_response_from_buffer(0, (char[]){""}, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result queued;

    if (mood == RECEIVER_HANGS)
        (void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000}, NULL);
    if (mood == RECEIVER_IS_SLOW)
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    if (mood == RECEIVER_REDIRECTS)
        (void)MHD_add_response_header(response, "Location", "/trap");
    queued = MHD_queue_response(connection, statuses[mood], response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *data, size_t *bytes, void **slot)
{
    bus_buf *body = *slot;

    (void)context;
    (void)method;
    (void)version;
    if (body == NULL) {
        *slot = body = calloc(1, sizeof(*body));
        return body == NULL ? MHD_NO : MHD_YES;
    }
    if (*bytes > 0) {
        bus_buf_add(body, data, *bytes);
        *bytes = 0;
        return MHD_YES;
    }
    return answer(connection, remember(url, connection, body));
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **slot,
             enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    if (*slot != NULL)
        bus_buf_fini(*slot);
    free(*slot);
    *slot = NULL;
}

int
receiver_start(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const union MHD_DaemonInfo *info;

    all.daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD,
                                  0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &at,
                                  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    info = all.daemon == NULL ? NULL : MHD_get_daemon_info(all.daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL)
        abort();
    return info->port;
}

void
receiver_stop(void)
{
    MHD_stop_daemon(all.daemon);
    for (int i = 0; i < all.count; i++) {
        for (int k = 0; k < all.places[i]->count; k++)
            free(all.places[i]->events[k].body);
        free(all.places[i]);
    }
    all.count = 0;
}

void
receiver_set(const char *path, receiver_mood mood)
{
    (void)pthread_mutex_lock(&all.lock);
    place_of(path)->mood = mood;
    (void)pthread_mutex_unlock(&all.lock);
}

void
receiver_secret(const char *path, const char *secret)
{
    (void)pthread_mutex_lock(&all.lock);
    (void)snprintf(place_of(path)->secret, sizeof(place_of(path)->secret), "%s", secret);
    (void)pthread_mutex_unlock(&all.lock);
}

int
receiver_attempts(const char *path)
{
    int count;

    (void)pthread_mutex_lock(&all.lock);
    count = place_of(path)->count;
    (void)pthread_mutex_unlock(&all.lock);
    return count;
}

int
receiver_taken(const char *path)
{
    int taken;

    (void)pthread_mutex_lock(&all.lock);
    taken = place_of(path)->taken;
    (void)pthread_mutex_unlock(&all.lock);
    return taken;
}

const receiver_event *
receiver_at(const char *path, int nth)
{
    const receiver_event *e;

    (void)pthread_mutex_lock(&all.lock);
    e = nth < place_of(path)->count ? &place_of(path)->events[nth] : NULL;
    (void)pthread_mutex_unlock(&all.lock);
    return e;
}

bool
receiver_wait(const char *path, int taken, int seconds)
{
    for (int i = 0; i < seconds * 50; i++) {
        if (receiver_taken(path) >= taken)
            return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return false;
}

void
receiver_forget(const char *path)
{
    (void)pthread_mutex_lock(&all.lock);
    for (int i = 0; i < place_of(path)->count; i++)
        free(place_of(path)->events[i].body);
    place_of(path)->count = place_of(path)->taken = 0;
    (void)pthread_mutex_unlock(&all.lock);
}
