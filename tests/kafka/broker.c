/* broker.c - KRaft nodes as child processes, or the mock cluster.
 * The settings are those of https://kafka.apache.org/documentation/#configuration; format and
 * start go by the classes that Kafka's own scripts call.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/kafka/broker.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 256
#define START_S 90
#define STOP_S 20
#define ASK_MS 2000
#define CLUSTER_ID "c2hpbmEtdGVzdHMtMDAwMQ"
#define FOLDER "/tmp/shina-kafka-" /* then the starter's pid, and six letters */
#define JARS SHINA_SOURCE_DIR "/.tools/kafka/lib"

typedef struct {
    pid_t pid; /* 0: does not run */
    int   port, controller_port;
    char  folder[PATH_BYTES];
} node;

struct tests_kafka {
    int                      nodes;
    node                     node[TESTS_KAFKA_NODES_MAX];
    char                     folder[PATH_BYTES], servers[512];
    rd_kafka_t              *client;
    rd_kafka_mock_cluster_t *mock; /* NULL: a real one */
};

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *fmt, ...)
{
    va_list args;

    (void)fputs("tests/kafka: ", stderr);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static void
pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

/* --- folders and ports -------------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

static void
remove_folder(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Of tests that were killed themselves. */
static void
remove_old_folders(void)
{
    DIR           *tmp = opendir("/tmp");
    struct dirent *entry;

    while (tmp != NULL && (entry = readdir(tmp)) != NULL) {
        const char *name = &FOLDER[5];
        char        path[PATH_BYTES];
        pid_t       pid;

        if (strncmp(entry->d_name, name, strlen(name)) != 0)
            continue;
        pid = (pid_t)strtol(entry->d_name + strlen(name), NULL, 10);
        (void)snprintf(path, sizeof(path), "/tmp/%.200s", entry->d_name);
        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH)
            remove_folder(path);
    }
    if (tmp != NULL)
        (void)closedir(tmp);
}

static int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        die("no free port: %s", strerror(errno));
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* --- a node ------------------------------------------------------------------- */

static void
write_properties(const tests_kafka *k, int n)
{
    const node *at = &k->node[n];
    char        path[PATH_BYTES + 32];
    FILE       *out;

    (void)snprintf(path, sizeof(path), "%s/server.properties", at->folder);
    if ((out = fopen(path, "we")) == NULL)
        die("%s: %s", path, strerror(errno));
    (void)fprintf(out,
                  "process.roles=broker,controller\n"
                  "node.id=%d\n"
                  "listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d\n"
                  "controller.listener.names=CONTROLLER\n"
                  "log.dirs=%s/data\n"
                  "offsets.topic.replication.factor=%d\n"
                  "offsets.topic.num.partitions=4\n"
                  "transaction.state.log.replication.factor=%d\n"
                  "transaction.state.log.min.isr=1\n"
                  "default.replication.factor=%d\n"
                  "min.insync.replicas=%d\n"
                  "auto.create.topics.enable=false\n"
                  "group.initial.rebalance.delay.ms=0\n"
                  "message.max.bytes=%d\n"
                  "replica.fetch.max.bytes=%d\n"
                  "broker.heartbeat.interval.ms=500\n"
                  "broker.session.timeout.ms=3000\n"
                  "num.network.threads=2\nnum.io.threads=2\n"
                  "log.cleaner.dedupe.buffer.size=2097152\n"
                  "controller.quorum.voters=",
                  n + 1, at->port, at->controller_port, at->folder, k->nodes, k->nodes, k->nodes,
                  k->nodes > 2 ? 2 : 1, 80 << 20, 80 << 20);
    for (int i = 0; i < k->nodes; i++)
        (void)fprintf(out, "%s%d@127.0.0.1:%d", i > 0 ? "," : "", i + 1,
                      k->node[i].controller_port);
    (void)fputc('\n', out);
    if (fclose(out) != 0)
        die("%s: %s", path, strerror(errno));
}

/* Java on a class of Kafka's, its words in the node's folder. args: after the class, up to NULL. */
static pid_t
spawn(const node *at, const char *class, const char *const *args)
{
    const char *argv[24] = {"java",
                            "-Xms64m",
                            "-Xmx384m",
                            "-XX:+UseSerialGC",
                            "-XX:TieredStopAtLevel=1",
                            "-Dlog4j2.level=WARN",
                            "-cp",
                            JARS "/*",
                            class};
    int         count = 9;
    char        log[PATH_BYTES + 32];
    pid_t       parent = getpid(), pid;

    for (; *args != NULL && count < 23; args++)
        argv[count++] = *args;
    (void)snprintf(log, sizeof(log), "%s/log", at->folder);
    pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || fd < 0 ||
            dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
            _exit(126);
        (void)execvp("java", (char *const *)(void *)argv);
        _exit(127);
    }
    return pid;
}

static void
print_log(const node *at)
{
    char  path[PATH_BYTES + 32], line[512];
    FILE *in;

    (void)snprintf(path, sizeof(path), "%s/log", at->folder);
    (void)fprintf(stderr, "--- %s\n", path);
    in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL)
        (void)fputs(line, stderr);
    if (in != NULL)
        (void)fclose(in);
}

static void
start_node(node *at)
{
    char        path[PATH_BYTES + 32];
    const char *args[] = {path, NULL};

    (void)snprintf(path, sizeof(path), "%s/server.properties", at->folder);
    at->pid = spawn(at, "kafka.Kafka", args);
}

static pid_t
format_node(const node *at)
{
    char        path[PATH_BYTES + 32];
    const char *args[] = {"format", "-t", CLUSTER_ID, "-c", path, NULL};

    (void)snprintf(path, sizeof(path), "%s/server.properties", at->folder);
    return spawn(at, "kafka.tools.StorageTool", args);
}

static void
end_node(tests_kafka *k, int n, int signal_number)
{
    node *at = &k->node[n];

    if (at->pid <= 0)
        return;
    (void)kill(at->pid, signal_number);
    for (int i = 0; waitpid(at->pid, NULL, WNOHANG) == 0; i++) {
        if (i == STOP_S * 100)
            (void)kill(at->pid, SIGKILL);
        pause_ms(10);
    }
    at->pid = 0;
}

/* --- the cluster -------------------------------------------------------------- */

static void
make_nodes(tests_kafka *k)
{
    pid_t formats[TESTS_KAFKA_NODES_MAX];
    int   status, used = 0;

    remove_old_folders();
    (void)snprintf(k->folder, sizeof(k->folder), FOLDER "%ld-XXXXXX", (long)getpid());
    if (mkdtemp(k->folder) == NULL)
        die("%s: %s", k->folder, strerror(errno));
    for (int n = 0; n < k->nodes; n++) {
        node *at = &k->node[n];

        (void)snprintf(at->folder, sizeof(at->folder), "%.200s/%d", k->folder, n);
        at->port = free_port();
        at->controller_port = free_port();
        if (mkdir(at->folder, 0700) != 0)
            die("%s: %s", at->folder, strerror(errno));
        used += snprintf(k->servers + used, sizeof(k->servers) - (size_t)used, "%s127.0.0.1:%d",
                         n > 0 ? "," : "", at->port);
    }
    for (int n = 0; n < k->nodes; n++) {
        write_properties(k, n);
        formats[n] = format_node(&k->node[n]);
    }
    for (int n = 0; n < k->nodes; n++)
        if (waitpid(formats[n], &status, 0) != formats[n] || status != 0) {
            print_log(&k->node[n]);
            die("a node's folder cannot be formatted");
        }
    for (int n = 0; n < k->nodes; n++)
        start_node(&k->node[n]);
}

static void
make_mock(tests_kafka *k)
{
    (void)fputs("tests/kafka: no Apache Kafka in " JARS
                " (Maven Central was not reached): librdkafka's mock cluster stands in\n",
                stderr);
    k->mock = rd_kafka_mock_cluster_new(k->client, k->nodes);
    if (k->mock == NULL)
        die("no mock cluster");
    (void)snprintf(k->servers, sizeof(k->servers), "%s", rd_kafka_mock_cluster_bootstraps(k->mock));
}

/* For questions about the cluster, and for the mock to live in. */
static rd_kafka_t *
make_client(const char *servers)
{
    char             text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t      *client;

    if ((servers != NULL && rd_kafka_conf_set(conf, "bootstrap.servers", servers, text,
                                              sizeof(text)) != RD_KAFKA_CONF_OK) ||
        rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text)) != RD_KAFKA_CONF_OK ||
        (client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text))) == NULL)
        die("%s", text);
    return client;
}

/* cmake/install-packages.sh puts the pom there last. */
static bool
has_jars(void)
{
    return access(JARS "/pom.xml", R_OK) == 0;
}

/* At exit: what runs when the program ends otherwise than by tests_kafka_stop. The nodes die by
 * PDEATHSIG; their folder is left to us. */
static char left_folder[PATH_BYTES];

static void
remove_left(void)
{
    if (left_folder[0] != '\0')
        remove_folder(left_folder);
}

tests_kafka *
tests_kafka_start(int nodes)
{
    tests_kafka *k = calloc(1, sizeof(*k));

    if (k == NULL || nodes < 1 || nodes > TESTS_KAFKA_NODES_MAX)
        die("%d nodes", nodes);
    k->nodes = nodes;
    if (!has_jars()) {
        k->client = make_client(NULL);
        make_mock(k);
        return k;
    }
    make_nodes(k);
    memcpy(left_folder, k->folder, sizeof(left_folder));
    (void)atexit(remove_left);
    k->client = make_client(k->servers);
    if (!tests_kafka_wait(k, nodes, START_S)) {
        for (int n = 0; n < nodes; n++)
            print_log(&k->node[n]);
        die("%d nodes do not answer in %d s", nodes, START_S);
    }
    return k;
}

void
tests_kafka_stop(tests_kafka *k)
{
    if (k == NULL)
        return;
    for (int n = 0; n < k->nodes; n++)
        end_node(k, n, SIGKILL); /* what they hold goes as well */
    if (k->mock != NULL)
        rd_kafka_mock_cluster_destroy(k->mock);
    rd_kafka_destroy(k->client);
    if (k->folder[0] != '\0')
        remove_folder(k->folder);
    left_folder[0] = '\0';
    free(k);
}

const char *
tests_kafka_servers(const tests_kafka *k)
{
    return k->servers;
}

bool
tests_kafka_is_real(const tests_kafka *k)
{
    return k->mock == NULL;
}

int
tests_kafka_nodes(const tests_kafka *k)
{
    return k->nodes;
}

static void
check_node(const tests_kafka *k, int n)
{
    if (n < 0 || n >= k->nodes)
        die("there is no node %d", n);
}

void
tests_kafka_kill(tests_kafka *k, int n)
{
    check_node(k, n);
    if (k->mock != NULL)
        (void)rd_kafka_mock_broker_set_down(k->mock, n + 1);
    else
        end_node(k, n, SIGKILL);
}

void
tests_kafka_end(tests_kafka *k, int n)
{
    check_node(k, n);
    if (k->mock != NULL)
        (void)rd_kafka_mock_broker_set_down(k->mock, n + 1);
    else
        end_node(k, n, SIGTERM);
}

void
tests_kafka_restart(tests_kafka *k, int n)
{
    check_node(k, n);
    if (k->mock != NULL)
        (void)rd_kafka_mock_broker_set_up(k->mock, n + 1);
    else if (k->node[n].pid == 0)
        start_node(&k->node[n]);
}

/* --- questions ---------------------------------------------------------------- */

/* A node that is gone stays in the metadata for a while; one that answers takes a connection. */
static bool
answers(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool               yes;

    if (fd < 0)
        return false;
    yes = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return yes;
}

static int
answering(const tests_kafka *k)
{
    const struct rd_kafka_metadata *metadata;
    int                             count = 0;

    if (rd_kafka_metadata(k->client, 0, NULL, &metadata, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    for (int i = 0; i < metadata->broker_cnt; i++)
        count += answers(metadata->brokers[i].port);
    rd_kafka_metadata_destroy(metadata);
    return count;
}

bool
tests_kafka_wait(const tests_kafka *k, int nodes, int seconds)
{
    time_t until = time(NULL) + seconds;

    while (answering(k) < nodes) {
        if (time(NULL) > until)
            return false;
        for (int n = 0; n < k->nodes; n++)
            if (k->node[n].pid > 0 && waitpid(k->node[n].pid, NULL, WNOHANG) == k->node[n].pid) {
                print_log(&k->node[n]);
                die("node %d has ended by itself", n);
            }
        pause_ms(100);
    }
    return true;
}

static int
leader_in(const struct rd_kafka_metadata *metadata, int partition)
{
    if (metadata->topic_cnt != 1)
        return -1;
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
        if (metadata->topics[0].partitions[i].id == partition)
            return metadata->topics[0].partitions[i].leader - 1;
    return -1;
}

int
tests_kafka_leader(const tests_kafka *k, const char *topic, int partition)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t               *handle = rd_kafka_topic_new(k->client, topic, NULL);
    int                             leader = -1;

    if (handle == NULL)
        die("topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
    if (rd_kafka_metadata(k->client, 0, handle, &metadata, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        leader = leader_in(metadata, partition);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(handle);
    return leader < 0 ? -1 : leader;
}
