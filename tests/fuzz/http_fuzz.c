/* http_fuzz.c - any bytes over a connection to the whole edge: head, body, routes, commands,
 * batches.
 *
 * The edge listens on a loopback port with all contracts and views; behind it is the transport
 * inproc with a service that answers in every way, and in place of the database what rows.c makes
 * up: so it reads items, lists, sources and feeds. Each input has a connection of its own. In
 * it stand: $T for an administrator's token, $D for a driver's, $L for the number of bytes behind
 * the next empty line.
 * The edge has a thread of its own: on a machine with much else to do an input may be blamed that
 * came right after the one that did it. The place in the code is right in any case.
 * What must hold: whatever comes back is HTTP/1 and no 500, and what says that it is JSON is; no
 * file outside the documents' folder is given; the edge still answers. SPDX-License-Identifier:
 * Apache-2.0 */
#include "api-edge/auth/token.h"
#include "api-edge/edge.h"
#include "bus/log/log.h"
#include "compose/process/registry.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define MASTER_KEYS "m1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define PARTITIONS 8
#define SECRET "no-client-may-see-this"
#define ANSWER_BYTES ((size_t)256 * 1024) /* kept of an answer; the rest is read and dropped */
#define MOMENT_MS 2
#define QUIET_MS 60     /* without a byte or an end: a feed that waits, so we go */
#define ENOUGH_MS 150   /* ... or one that says that it is there, for ever */
#define HUNG_MS 20000   /* the edge says nothing to who asks whether it lives */
#define SOURCES 64      /* of 127.0.0.0/8 */
#define LOOK_EVERY 1024 /* inputs */

static struct {
    bus_transport     *transport;
    bus_server        *server;
    pthread_t          service;
    atomic_bool        over;
    edge              *e;
    bus_master_keys   *masters;
    char              *admin, *driver;
    char               folder[64], documents[96];
    struct sockaddr_in address;
    char              *answer;
    size_t             answer_bytes;
    unsigned           inputs;
} f;

/* --- the service and the store ---------------------------------------------- */

/* In every way that there is, as the data says. */
static bus_reply
reply_to(const bus_command *c)
{
    uint64_t  hash = bus_fnv1a64(c->data.at, c->data.len);
    bus_reply reply = {.command_id = c->command_id,
                       .status = BUS_ANSWER_DONE,
                       .stream = c->stream,
                       .version = 3,
                       .partition = c->partition,
                       .offset = 41,
                       .repeated = hash % 2 == 0};

    if (hash % 16 > BUS_ANSWER_FAILED)
        return reply;
    reply.status = (bus_answer_status)(hash % 16);
    if (reply.status == BUS_ANSWER_REFUSED) {
        reply.code = BUS_STR("VEHICLE_ODOMETER_BACK");
        reply.params = BUS_STR("{\"last_m\":1200}");
    }
    if (reply.status == BUS_ANSWER_BUSY || reply.status == BUS_ANSWER_NOT_OWNER ||
        reply.status == BUS_ANSWER_FAILED)
        reply.status = BUS_ANSWER_EXPIRED; /* the others are asked again until the deadline */
    return reply;
}

static void *
serve(void *unused)
{
    (void)unused;
    while (!atomic_load(&f.over)) {
        bus_envelope *env;

        if (bus_transport_inproc.take(f.server, &env, 1, 100) == 1) {
            bus_reply reply = reply_to(&env->command);

            bus_transport_inproc.reply(f.server, env, bus_envelope_of_reply(&reply));
            bus_envelope_release(env);
        }
    }
    return NULL;
}

static bus_code
store_open(bus_store **out, const bus_store_options *options, bus_error *err)
{
    (void)options;
    (void)err;
    *out = malloc(1);
    return BUS_OK;
}

static void
store_close(bus_store *st)
{
    free(st);
}

static bus_code
store_partitions(bus_store *st, const char *domain, bus_arena *arena, bus_partition_info **out,
                 int *count, bus_error *err)
{
    (void)st;
    (void)domain;
    (void)err;
    *count = PARTITIONS;
    *out = BUS_ARENA_ARRAY(arena, bus_partition_info, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        (*out)[i] =
            (bus_partition_info){.partition = (uint16_t)i,
                                 .owner = bus_str_of(bus_transport_inproc.address(f.server)),
                                 .live = true};
    return BUS_OK;
}

static const bus_store_ops store = {
    .name = "fuzz", .open = store_open, .close = store_close, .partitions = store_partitions};

/* --- start and stop ------------------------------------------------------------ */

static char *
make_token(const char *roles, bus_id driver)
{
    edge_token_request request = {.tenant = {{1}},
                                  .user = {{2}},
                                  .driver_id = driver,
                                  .roles = roles,
                                  .grants = "finance.read",
                                  .ttl_s = 1000000};
    bus_error          err;
    char              *token = NULL;

    request.now_s = bus_now_ms(bus_clock_system()) / 1000;
    BUS_INVARIANT(edge_token_make(&token, KEYS, &request, &err) == BUS_OK);
    return token;
}

static void
write_file(const char *folder, const char *name, const char *text)
{
    char  path[160];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    BUS_INVARIANT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void
make_documents(void)
{
    char schemas[128];

    (void)snprintf(f.folder, sizeof(f.folder), "/tmp/shina-fuzz-XXXXXX");
    BUS_INVARIANT(mkdtemp(f.folder) != NULL);
    (void)snprintf(f.documents, sizeof(f.documents), "%s/documents", f.folder);
    (void)snprintf(schemas, sizeof(schemas), "%s/schemas", f.documents);
    BUS_INVARIANT(mkdir(f.documents, 0700) == 0 && mkdir(schemas, 0700) == 0);
    write_file(f.folder, "secret.json", SECRET);
    write_file(f.documents, ".hidden.js", SECRET);
    write_file(f.documents, "openapi.json", "{\"openapi\":\"3.1.0\"}");
    write_file(f.documents, "swagger-ui.css", "body{}");
    write_file(schemas, "vehicles.register.json", "{}");
}

static void
stop(void)
{
    char command[128];

    edge_stop(f.e);
    atomic_store(&f.over, true);
    BUS_INVARIANT(pthread_join(f.service, NULL) == 0);
    bus_transport_inproc.stop(f.server);
    bus_transport_inproc.close(f.transport);
    bus_master_keys_destroy(f.masters);
    free(f.admin);
    free(f.driver);
    free(f.answer);
    (void)snprintf(command, sizeof(command), "rm -r %s", f.folder);
    BUS_INVARIANT(system(command) == 0);
}

static void
start_edge(void)
{
    edge_options options = {.transport_ops = &bus_transport_inproc,
                            .transport = f.transport,
                            .store = &store,
                            .clock = bus_clock_system(),
                            .contracts = shina_contracts,
                            .contracts_count = shina_contracts_count,
                            .views = shina_views,
                            .views_count = shina_views_count,
                            .master_keys = f.masters,
                            .database_url = "host=/nowhere",
                            .listen = "127.0.0.1:0",
                            .jwt_keys = KEYS,
                            .documents_dir = f.documents,
                            .viewer_dir = f.documents,
                            .body_bytes_max = 64 * 1024,
                            .batch_lines_max = 50,
                            .command_deadline_ms = 1000,
                            .after_deadline_ms = 5,
                            .heartbeat_ms = 20,
                            .stop_deadline_ms = 500};
    bus_error    err;

    if (edge_start(&f.e, &options, &err) != BUS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    f.address = (struct sockaddr_in){.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)edge_port(f.e)),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    bus_transport_options transport = {.queue_max = 1000, .batches_max = 16};
    bus_error             err;

    (void)argc;
    (void)argv;
    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    f.answer = malloc(ANSWER_BYTES);
    BUS_INVARIANT(f.answer != NULL);
    f.admin = make_token("ADMIN", BUS_ID_NIL);
    f.driver = make_token("DRIVER", (bus_id){{3}});
    make_documents();
    BUS_INVARIANT(bus_master_keys_parse(&f.masters, MASTER_KEYS, &err) == BUS_OK);
    fuzz_rows_start(f.masters);
    BUS_INVARIANT(bus_transport_inproc.open(&f.transport, &transport, &err) == BUS_OK);
    BUS_INVARIANT(bus_transport_inproc.serve(f.transport, "vehicles", &f.server, &err) == BUS_OK);
    BUS_INVARIANT(pthread_create(&f.service, NULL, serve, NULL) == 0);
    start_edge();
    BUS_INVARIANT(atexit(stop) == 0);
    return 0;
}

/* --- what is sent ---------------------------------------------------------------- */

/* Bytes behind the empty line that comes next. */
static size_t
bytes_of_body(bus_str rest)
{
    const char *end = rest.len == 0 ? NULL : memmem(rest.at, rest.len, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(rest.at + rest.len - end - 4);
}

static void
expand(bus_str input, bus_buf *out)
{
    for (uint32_t i = 0; i < input.len; i++) {
        char next = i + 1 < input.len ? input.at[i + 1] : '\0';

        if (input.at[i] != '$' || (next != 'T' && next != 'D' && next != 'L')) {
            bus_buf_add_char(out, input.at[i]);
            continue;
        }
        i++;
        if (next == 'L')
            bus_buf_printf(out, "%zu",
                           bytes_of_body((bus_str){input.at + i + 1, input.len - i - 1}));
        else
            bus_buf_add_text(out, next == 'T' ? f.admin : f.driver);
    }
}

/* --- a connection ------------------------------------------------------------------ */

/* Who closes first waits a minute before its port is free again, and there are hundreds of inputs
 * a second: so they come from many addresses. */
static int
make_socket(void)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr_in  from = {.sin_family = AF_INET};
    const int           on = 1;
    int                 fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + f.inputs % SOURCES);
    BUS_INVARIANT(fd >= 0);
    BUS_INVARIANT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
    BUS_INVARIANT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    BUS_INVARIANT(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0);
    BUS_INVARIANT(bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0);
    return fd;
}

/* libFuzzer's alarm, by which it sees what hangs, may interrupt it. */
static int
connect_to_edge(void)
{
    int fd = make_socket();

    while (connect(fd, (const struct sockaddr *)&f.address, sizeof(f.address)) != 0) {
        if (errno != EINTR) {
            perror("connect");
            abort();
        }
        (void)close(fd);
        fd = make_socket();
    }
    return fd;
}

/* False: there will be no more. */
static bool
receive(int fd)
{
    char    dropped[16384];
    bool    keep = f.answer_bytes < ANSWER_BYTES;
    ssize_t got = keep ? recv(fd, f.answer + f.answer_bytes, ANSWER_BYTES - f.answer_bytes, 0)
                       : recv(fd, dropped, sizeof(dropped), 0);

    if (got > 0 && keep)
        f.answer_bytes += (size_t)got;
    return got > 0;
}

/* Sends what the socket takes; returns what is left. */
static bus_str
send_some(int fd, bus_str bytes)
{
    ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN ? bytes : (bus_str){bytes.at, 0}; /* the edge has hung up */
    return (bus_str){bytes.at + n, bytes.len - (uint32_t)n};
}

/* Sends all, and reads what comes until its end, until it is quiet, or for long
 * enough. Our side is closed once
 * there is an answer, or none for a moment: an end that comes with the last bytes libmicrohttpd
 * sees only when the connection has been idle for too long. */
static void
talk(bus_str bytes, int quiet_ms, int enough_ms)
{
    int     fd = connect_to_edge();
    int64_t enough_us = bus_mono_us(bus_clock_system()) + (int64_t)enough_ms * 1000;
    bool    open = true, said_all = false;

    f.answer_bytes = 0;
    while (open && bus_mono_us(bus_clock_system()) < enough_us) {
        struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (bytes.len > 0 ? POLLOUT : 0))};
        bool          waits = bytes.len == 0 && !said_all && f.answer_bytes == 0;

        if (poll(&p, 1, waits ? MOMENT_MS : quiet_ms) <= 0 && !waits)
            break;
        if ((p.revents & POLLOUT) != 0)
            bytes = send_some(fd, bytes);
        if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
            open = receive(fd);
        if (bytes.len == 0 && !said_all && (f.answer_bytes > 0 || p.revents == 0)) {
            said_all = true;
            (void)shutdown(fd, SHUT_WR);
        }
    }
    (void)close(fd);
}

/* --- what must hold ------------------------------------------------------------------ */

/* Of the first answer: its body, if it is JSON and all there. */
static bus_str
find_json(void)
{
    static const char kind[] = "Content-Type: application/", size[] = "Content-Length: ";
    const char       *end = memmem(f.answer, f.answer_bytes, "\r\n\r\n", 4), *at;
    size_t            head = end == NULL ? 0 : (size_t)(end - f.answer) + 4;
    uint64_t          bytes;

    at = memmem(f.answer, head, kind, sizeof(kind) - 1);
    if (at == NULL || (strncmp(at + sizeof(kind) - 1, "json\r", 5) != 0 &&
                       strncmp(at + sizeof(kind) - 1, "problem+json\r", 13) != 0))
        return (bus_str){NULL, 0};
    at = memmem(f.answer, head, size, sizeof(size) - 1);
    bytes = at == NULL ? 0 : strtoull(at + sizeof(size) - 1, NULL, 10);
    if (bytes == 0 || bytes > f.answer_bytes - head)
        return (bus_str){NULL, 0};
    return (bus_str){f.answer + head, (uint32_t)bytes};
}

static void
check_json(bus_str sent)
{
    bus_str body = find_json();
    json_t *json;

    if (body.len == 0 || (sent.len > 4 && memcmp(sent.at, "HEAD", 4) == 0))
        return; /* of HEAD what follows is the next answer */
    json = json_loadb(body.at, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    BUS_INVARIANT(json != NULL);
    json_decref(json);
}

/* A client that names the secret itself may get it back, in the pointer of a problem. */
static void
check_answer(bus_str sent)
{
    BUS_INVARIANT(f.answer_bytes < 9 || memcmp(f.answer, "HTTP/1.", 7) == 0);
    BUS_INVARIANT(f.answer_bytes < 12 || memcmp(f.answer + 8, " 500", 4) != 0);
    check_json(sent);
    BUS_INVARIANT(memmem(f.answer, f.answer_bytes, SECRET, sizeof(SECRET) - 1) == NULL ||
                  memmem(sent.at, sent.len, SECRET, sizeof(SECRET) - 1) != NULL);
}

static void
check_alive(void)
{
    talk(BUS_STR("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), HUNG_MS,
         HUNG_MS);
    BUS_INVARIANT(f.answer_bytes > 12 && memcmp(f.answer + 8, " 200", 4) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_buf bytes = {0};

    if (size == 0)
        return 0;
    expand(fuzz_input(data, size), &bytes);
    talk(bus_buf_str(&bytes), QUIET_MS, ENOUGH_MS);
    check_answer(bus_buf_str(&bytes));
    bus_buf_fini(&bytes);
    if (++f.inputs % LOOK_EVERY == 0)
        check_alive();
    return 0;
}
