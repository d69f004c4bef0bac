/* transport_bench.c - commands there and their answers back, per second: between threads, and
 * between two processes over nng and over Kafka, with one and with many on their way at once.
 * Beside them what nng's own request and reply makes of the same bytes, a message for each.
 *   transport_bench [SECONDS [KAFKA_SERVERS]]    one line of JSON for each measurement
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/transport/kafka/client.h"
#include "bus/transport/transport.h"

#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define IN_FLIGHT_MAX 64
#define TAKE_MAX 256
#define CONTEXTS 64
#define STOP "bench.stop"

static double seconds = 2;

static void
must(bool held, const char *what)
{
    if (held)
        return;
    (void)fprintf(stderr, "transport_bench: %s\n", what);
    exit(1);
}

static double
now_s(void)
{
    return (double)bus_mono_us(bus_clock_system()) / 1e6;
}

/* As large as a usual one. */
static bus_envelope *
command(const char *type)
{
    const bus_command c = {
        .type = bus_str_of(type),
        .expected_version = -1,
        .actor.roles = 1,
        .data = BUS_STR("{\"odometer_m\":123456789,\"note\":\"at the gate of the warehouse\"}")};

    return bus_envelope_of_command(&c);
}

static void
report(const char *name, int in_flight, uint64_t count, double took_s)
{
    (void)printf("{\"transport\":\"%s\",\"in_flight\":%d,\"per_s\":%.0f,\"mean_us\":%.1f}\n", name,
                 in_flight, (double)count / took_s, took_s * 1e6 * in_flight / (double)count);
    (void)fflush(stdout);
}

/* --- shina's transports ---------------------------------------------------- */

/* servers: of Kafka, or NULL. who: "asker", "server". The settings live as long as we do. */
static const bus_kafka_settings *
kafka_settings(const char *servers, const char *who)
{
    static const char *const  domains[] = {"bench"};
    static bus_kafka_settings settings;

    settings = (bus_kafka_settings){.servers = servers,
                                    .prefix = "bench",
                                    .process = who,
                                    .partitions = 1,
                                    .answers = 2,
                                    .edge = strcmp(who, "asker") == 0 ? 0 : 1,
                                    .domains = domains,
                                    .domains_count = 1};
    return &settings;
}

static bus_transport *
open_transport(const bus_transport_ops *ops, const char *url, const bus_kafka_settings *kafka)
{
    const bus_transport_options options = {
        .url = url, .queue_max = 8192, .batches_max = 64, .kafka = kafka};
    bus_transport *transport = NULL;
    bus_error      err = {0};

    if (ops->open(&transport, &options, &err) != BUS_OK)
        must(false, err.text);
    return transport;
}

typedef struct {
    const bus_transport_ops *ops;
    bus_server              *server;
} serving;

static void *
serve(void *context)
{
    const serving *s = context;
    bus_envelope  *envs[TAKE_MAX];
    bool           stopped = false;

    while (!stopped) {
        uint32_t count = s->ops->take(s->server, envs, TAKE_MAX, 1000);

        for (uint32_t i = 0; i < count; i++) {
            const bus_reply reply = {.command_id = envs[i]->command.command_id,
                                     .status = BUS_ANSWER_DONE,
                                     .version = 1,
                                     .offset = 1};

            stopped = stopped || bus_str_is(envs[i]->command.type, STOP);
            s->ops->reply(s->server, envs[i], bus_envelope_of_reply(&reply));
            bus_envelope_release(envs[i]);
        }
    }
    return NULL;
}

static void
send_one(const bus_transport_ops *ops, bus_client *client, const char *address, const char *type)
{
    bus_envelope *env = command(type);
    bus_error     err = {0};

    if (ops->send(client, address, env, 1, &err) != BUS_OK)
        must(false, err.text);
}

static uint32_t
take_replies(const bus_transport_ops *ops, bus_client *client)
{
    bus_envelope *envs[TAKE_MAX];
    uint32_t      count = ops->replies(client, envs, TAKE_MAX, 5000);

    must(count > 0, "no answer");
    for (uint32_t i = 0; i < count; i++)
        bus_envelope_release(envs[i]);
    return count;
}

/* As many on their way as said, all the time. */
static void
measure(const char *name, const bus_transport_ops *ops, bus_client *client, const char *address,
        int in_flight)
{
    uint64_t done = 0;
    double   began;

    send_one(ops, client, address, "bench.ask"); /* connects */
    (void)take_replies(ops, client);
    began = now_s();
    for (int i = 0; i < in_flight; i++)
        send_one(ops, client, address, "bench.ask");
    while (now_s() - began < seconds) {
        uint32_t count = take_replies(ops, client);

        done += count;
        for (uint32_t i = 0; i < count; i++)
            send_one(ops, client, address, "bench.ask");
    }
    report(name, in_flight, done, now_s() - began);
    for (int left = in_flight; left > 0;)
        left -= (int)take_replies(ops, client);
}

static void
measure_both(const char *name, const bus_transport_ops *ops, bus_transport *transport,
             const char *address)
{
    bus_client *client = NULL;
    bus_error   err = {0};

    must(ops->connect(transport, NULL, NULL, &client, &err) == BUS_OK, "connect");
    measure(name, ops, client, address, 1);
    measure(name, ops, client, address, IN_FLIGHT_MAX);
    send_one(ops, client, address, STOP);
    (void)take_replies(ops, client);
    ops->disconnect(client);
}

static void
bench_inproc(void)
{
    const bus_transport_ops *ops = &bus_transport_inproc;
    bus_transport           *transport = open_transport(ops, "", NULL);
    serving                  s = {.ops = ops};
    bus_error                err = {0};
    pthread_t                thread;

    must(ops->serve(transport, "bench", &s.server, &err) == BUS_OK, "serve");
    must(pthread_create(&thread, NULL, serve, &s) == 0, "thread");
    measure_both("inproc", ops, transport, ops->address(s.server));
    (void)pthread_join(thread, NULL);
    ops->stop(s.server);
    ops->close(transport);
}

/* The other process: says its address, serves until it is told to stop. */
static int
serve_others(const bus_transport_ops *ops, const char *url, const bus_kafka_settings *kafka)
{
    static const uint16_t partition = 0;
    bus_transport        *transport = open_transport(ops, url, kafka);
    serving               s = {.ops = ops};
    bus_error             err = {0};

    must(ops->serve(transport, "bench", &s.server, &err) == BUS_OK, "serve");
    ops->own(s.server, &partition, 1);
    (void)printf("%s\n", ops->address(s.server));
    (void)fflush(stdout);
    (void)serve(&s);
    ops->stop(s.server);
    ops->close(transport);
    return 0;
}

/* Another process of this program, and the first line that it says. */
static pid_t
start_other(const char *role, const char *url, char *said, size_t said_bytes)
{
    char                       role_copy[16], url_copy[512], name[] = "transport_bench";
    char                      *arguments[] = {name, role_copy, url_copy, NULL};
    posix_spawn_file_actions_t actions;
    int                        ends[2];
    FILE                      *output;
    pid_t                      pid = 0;

    (void)snprintf(role_copy, sizeof(role_copy), "%s", role);
    (void)snprintf(url_copy, sizeof(url_copy), "%s", url);
    must(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    must(posix_spawn_file_actions_init(&actions) == 0 &&
             posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) == 0 &&
             posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ) == 0,
         "the other process");
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    output = fdopen(ends[0], "r");
    must(output != NULL && fgets(said, (int)said_bytes, output) != NULL, "it says nothing");
    (void)fclose(output);
    said[strcspn(said, "\n")] = '\0';
    return pid;
}

static void
bench_nng(const char *name, const char *url, const char *other_url)
{
    char           address[512];
    pid_t          other = start_other("--serve", other_url, address, sizeof(address));
    bus_transport *transport = open_transport(&bus_transport_nng, url, NULL);
    int            status;

    measure_both(name, &bus_transport_nng, transport, address);
    bus_transport_nng.close(transport);
    must(waitpid(other, &status, 0) == other && status == 0, "the other process failed");
}

static void
bench_kafka(const char *servers)
{
    char           address[512];
    pid_t          other = start_other("--serve-kafka", servers, address, sizeof(address));
    bus_transport *transport =
        open_transport(&bus_transport_kafka, "kafka://asker", kafka_settings(servers, "asker"));
    int status;

    measure_both("kafka", &bus_transport_kafka, transport, address);
    bus_transport_kafka.close(transport);
    must(waitpid(other, &status, 0) == other && status == 0, "the other process failed");
}

/* --- nng's request and reply ------------------------------------------------- */

typedef struct {
    nng_ctx  ctx;
    nng_aio *aio;
    bool     answering; /* of the two things that a context does in turn, the second */
} exchange;

static void
on_exchange(void *context)
{
    exchange *x = context;
    nng_msg  *msg;

    if (nng_aio_result(x->aio) != 0)
        return;
    if (x->answering) {
        x->answering = false;
        nng_ctx_recv(x->ctx, x->aio);
        return;
    }
    msg = nng_aio_get_msg(x->aio); /* goes back as it came */
    x->answering = true;
    nng_aio_set_msg(x->aio, msg);
    nng_ctx_send(x->ctx, x->aio);
}

static int
answer_reqrep(const char *url)
{
    static exchange x[CONTEXTS];
    nng_socket      socket;

    must(nng_rep0_open(&socket) == 0 && nng_listen(socket, url, NULL, 0) == 0, "listen");
    for (int i = 0; i < CONTEXTS; i++) {
        must(nng_ctx_open(&x[i].ctx, socket) == 0, "context");
        must(nng_aio_alloc(&x[i].aio, on_exchange, &x[i]) == 0, "aio");
        nng_ctx_recv(x[i].ctx, x[i].aio);
    }
    (void)printf("%s\n", url);
    (void)fflush(stdout);
    for (pid_t bench = getppid(); getppid() == bench;)
        (void)usleep(100000); /* until the bench is gone */
    _exit(0);
}

/* Each round, every context sends; then each takes its answer. */
static void
measure_reqrep(const char *url, int in_flight)
{
    nng_socket    socket;
    nng_ctx       ctx[IN_FLIGHT_MAX];
    nng_aio      *aio[IN_FLIGHT_MAX];
    bus_buf       bytes = {0};
    bus_envelope *env = command("bench.ask");
    uint64_t      done = 0;
    double        began;

    bus_envelope_encode(env, &bytes);
    bus_envelope_release(env);
    must(nng_req0_open(&socket) == 0 && nng_dial(socket, url, NULL, 0) == 0, "dial");
    for (int i = 0; i < in_flight; i++)
        must(nng_ctx_open(&ctx[i], socket) == 0 && nng_aio_alloc(&aio[i], NULL, NULL) == 0, "ctx");
    for (int i = 0; i < in_flight; i++)
        nng_aio_set_timeout(aio[i], 5000);
    began = now_s();
    while (now_s() - began < seconds) {
        for (int i = 0; i < in_flight; i++) {
            nng_msg *msg;

            must(nng_msg_alloc(&msg, bytes.len) == 0, "message");
            memcpy(nng_msg_body(msg), bytes.at, bytes.len);
            nng_aio_set_msg(aio[i], msg);
            nng_ctx_send(ctx[i], aio[i]);
            nng_aio_wait(aio[i]);
            must(nng_aio_result(aio[i]) == 0, "send");
            nng_ctx_recv(ctx[i], aio[i]);
        }
        for (int i = 0; i < in_flight; i++) {
            nng_aio_wait(aio[i]);
            must(nng_aio_result(aio[i]) == 0, "answer");
            nng_msg_free(nng_aio_get_msg(aio[i]));
        }
        done += (uint64_t)in_flight;
    }
    report("nng req/rep", in_flight, done, now_s() - began);
    for (int i = 0; i < in_flight; i++) {
        (void)nng_ctx_close(ctx[i]);
        nng_aio_free(aio[i]);
    }
    (void)nng_close(socket);
    bus_buf_fini(&bytes);
}

static void
bench_reqrep(const char *url)
{
    char said[512];

    (void)start_other("--answer", url, said, sizeof(said)); /* it ends with us */
    measure_reqrep(url, 1);
    measure_reqrep(url, IN_FLIGHT_MAX);
}

int
main(int argc, char **argv)
{
    char folder[] = "/tmp/shina_bench_XXXXXX", one[64], two[64], remove[64];

    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        return serve_others(&bus_transport_nng, argv[2], NULL);
    if (argc == 3 && strcmp(argv[1], "--serve-kafka") == 0)
        return serve_others(&bus_transport_kafka, "kafka://server",
                            kafka_settings(argv[2], "server"));
    if (argc == 3 && strcmp(argv[1], "--answer") == 0)
        return answer_reqrep(argv[2]);
    if (argc >= 2)
        seconds = strtod(argv[1], NULL);
    must(seconds > 0 && argc <= 3, "usage: transport_bench [SECONDS [KAFKA_SERVERS]]");
    must(mkdtemp(folder) != NULL, folder);
    (void)snprintf(one, sizeof(one), "ipc://%s/one", folder);
    (void)snprintf(two, sizeof(two), "ipc://%s/two", folder);
    bench_inproc();
    bench_nng("nng ipc", one, two);
    bench_nng("nng tcp", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
    bench_reqrep(two);
    if (argc == 3)
        bench_kafka(argv[2]);
    (void)snprintf(remove, sizeof(remove), "rm -rf '%s'", folder);
    return system(remove) == 0 ? 0 : 1; // NOLINT(cert-env33-c)
}
