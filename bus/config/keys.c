/* keys.c - the table of configuration keys. The README's table is made of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/config/config.h"

#include <stddef.h>

#define MIB (INT64_C(1) << 20)

/* clang-format off */
const bus_config_key bus_config_keys[] = {
    { "SHINA_HOME", BUS_CONFIG_TEXT, ".shina", 1, 4000, false,
      "Folder of the embedded PostgreSQL and Redis, keys, lock and log." },
    { "SHINA_HTTP", BUS_CONFIG_TEXT, "127.0.0.1:8080", 3, 255, false,
      "Address and port of the HTTP edge; port 0 takes a free one." },
    { "SHINA_BUS", BUS_CONFIG_TEXT, NULL, 0, 6, false,
      "How services, projections and edges reach each other: inproc within one process, nng also "
      "between processes, kafka also between hosts; unset: inproc for `shina run`, nng for the "
      "others." },
    { "SHINA_BUS_URL", BUS_CONFIG_TEXT, NULL, 0, 120, false,
      "Where this process listens over nng, as others reach it: ipc:///path or tcp://host:port; "
      "unset: a socket in SHINA_HOME." },
    { "SHINA_KAFKA", BUS_CONFIG_TEXT, NULL, 0, 4000, false,
      "Kafka's brokers to begin with, as host:port,host:port." },
    { "SHINA_KAFKA_PROPERTIES", BUS_CONFIG_TEXT, NULL, 0, 4000, false,
      "File of `key=value` lines, properties of librdkafka: TLS, SASL, compression and the like." },
    { "SHINA_KAFKA_PREFIX", BUS_CONFIG_TEXT, "shina", 1, 100, false,
      "What the names of all topics begin with, the same for all processes." },
    { "SHINA_KAFKA_REPLICATION", BUS_CONFIG_INT, "0", 0, 100, false,
      "Copies of each partition of topics that shina makes, at least so many of those there are; "
      "0: as the brokers do." },
    { "SHINA_KAFKA_ANSWERS", BUS_CONFIG_INT, "16", 1, 4094, false,
      "Partitions of the topic of answers, the same for all processes." },
    { "SHINA_EDGE_ID", BUS_CONFIG_INT, "-1", -1, 4093, false,
      "Partition in which this process gets answers over Kafka, best of its own; -1: one that "
      "follows from its name." },
    { "SHINA_DATABASE_URL", BUS_CONFIG_TEXT, NULL, 0, 4000, true,
      "PostgreSQL 15 or later as a libpq URL; unset: the embedded one. "
      "`SHINA_DATABASE_URL_<DOMAIN>` gives a domain a database of its own." },
    { "SHINA_REDIS_URL", BUS_CONFIG_TEXT, NULL, 0, 4000, true,
      "Redis as redis://host:port or unix:/path; unset: the embedded one." },
    { "SHINA_ARCHIVE", BUS_CONFIG_TEXT, NULL, 1, 900, false,
      "Folder of archived events, the same for all processes that run services or projections; "
      "unset: archive in SHINA_HOME. To be backed up with the database." },
    { "SHINA_JWT_KEYS", BUS_CONFIG_TEXT, NULL, 0, 8000, true,
      "Keys of tokens, the first one signs: kid:base64 of HS256, kid:RS256:base64 and "
      "kid:ES256:base64 of a PEM, with commas; unset: one of HS256 made in SHINA_HOME." },
    { "SHINA_ACCESS_TOKEN_S", BUS_CONFIG_INT, "900", 10, 3600, false,
      "An access token of a user lives so many seconds; then it is refreshed." },
    { "SHINA_OPERATOR_TOKENS", BUS_CONFIG_BOOL, "true", 0, 0, false,
      "Tokens of no session, made by `shina token`, are taken; false: only those of users who have "
      "logged in." },
    { "SHINA_BCRYPT_COST", BUS_CONFIG_INT, "12", 10, 16, false,
      "Cost of the hash of passwords; one more doubles its time. Passwords that are there keep theirs." },
    { "SHINA_LOGIN_RATE", BUS_CONFIG_INT, "5", 1, 100000, false,
      "Log-ins a second that one address may try, per edge, twice as many at once; beyond, it is "
      "answered 429. Whose address: SHINA_TRUSTED_PROXIES." },
    { "SHINA_TLS_CERTIFICATE", BUS_CONFIG_TEXT, NULL, 0, 0, false,
      "File in PEM of the edge's certificate and those above it: then it speaks HTTPS only; unset: "
      "HTTP, for a proxy in front." },
    { "SHINA_TLS_KEY", BUS_CONFIG_TEXT, NULL, 0, 0, false,
      "File in PEM of that certificate's key, without a password." },
    { "SHINA_CORS_ORIGINS", BUS_CONFIG_TEXT, NULL, 0, 0, false,
      "Origins whose pages may ask from a browser, as https://panel.example,https://other.example; "
      "never with cookies." },
    { "SHINA_RATE_QUERIES", BUS_CONFIG_INT, "3000", 0, 10000000, false,
      "Reads a minute of one user; beyond, they are answered 429. This and the next ones are for all "
      "edges together, by Redis; 0: no limit. Tokens of operators have none." },
    { "SHINA_RATE_COMMANDS", BUS_CONFIG_INT, "1200", 0, 10000000, false,
      "Commands a minute of one user, a line of a batch being one." },
    { "SHINA_RATE_STREAMS", BUS_CONFIG_INT, "120", 0, 10000000, false,
      "Feeds that one user opens a minute." },
    { "SHINA_RATE_TENANT", BUS_CONFIG_INT, "60000", 0, 10000000, false,
      "Requests a minute of all users of a carrier." },
    { "SHINA_RATE_ADDRESS", BUS_CONFIG_INT, "30000", 0, 10000000, false,
      "Requests of users a minute that come from one address." },
    { "SHINA_RATE_REFRESH", BUS_CONFIG_INT, "120", 0, 10000000, false,
      "Refresh tokens a minute that are shown from one address." },
    { "SHINA_RATE_ANONYMOUS", BUS_CONFIG_INT, "60", 0, 10000000, false,
      "Requests a minute without a token that holds, from one address; log-ins have SHINA_LOGIN_RATE." },
    { "SHINA_TRUSTED_PROXIES", BUS_CONFIG_TEXT, NULL, 0, 0, false,
      "Proxies before the edge, as 10.0.0.0/8,::1: they tell the client's address in X-Forwarded-For." },
    { "SHINA_PASSWORD_CHARS", BUS_CONFIG_INT, "10", 8, 64, false,
      "A password has at least so many characters." },
    { "SHINA_MASTER_KEYS", BUS_CONFIG_TEXT, NULL, 0, 4000, true,
      "Keys of 32 bytes as kid:base64,kid:base64 that wrap the keys of personal data, the first one "
      "new ones, or file:/path of a file with them, which is read again when it changes; unset: "
      "master.key, made in SHINA_HOME. Lost with them: all personal data." },
    { "SHINA_PARTITIONS", BUS_CONFIG_INT, "8", 1, 256, false,
      "Partitions of a domain's log, fixed when its schema is made." },
    { "SHINA_BATCH", BUS_CONFIG_INT, "1024", 1, 16384, false,
      "Commands decided and appended at once, at most." },
    { "SHINA_QUEUE", BUS_CONFIG_INT, "8192", 16, 1000000, false,
      "Commands waiting for a service, at most; beyond, the edge answers 503." },
    { "SHINA_STATES_BYTES", BUS_CONFIG_INT, "67108864", MIB, 1024 * 1024 * MIB, false,
      "States of streams kept in memory, bytes per domain." },
    { "SHINA_SNAPSHOT_EVENTS", BUS_CONFIG_INT, "100", 0, 1000000, false,
      "A stream's state is kept every so many events, so that it need not be read whole; 0: never." },
    { "SHINA_REBUILD_BYTES", BUS_CONFIG_INT, "67108864", MIB, 1024 * 1024 * MIB, false,
      "Rows held in memory while tables of views are built; less means more passes over the log." },
    { "SHINA_VIEW_GRACE_S", BUS_CONFIG_INT, "86400", 1, 31536000, false,
      "Tables of views that no process has used for so many seconds are dropped." },
    { "SHINA_BODY_BYTES", BUS_CONFIG_INT, "1048576", 1024, 64 * MIB, false,
      "Largest request body." },
    { "SHINA_INGEST_BYTES", BUS_CONFIG_INT, "262144", 1024, 16 * MIB, false,
      "Largest body of `POST /api/v1/ingest/<source>`." },
    { "SHINA_INGEST_RATE", BUS_CONFIG_INT, "200", 1, 1000000, false,
      "Requests a second that one source may push, per edge; beyond, it is answered 429." },
    { "SHINA_WEBHOOK_RETRIES", BUS_CONFIG_TEXT, "5,300,1800,7200,18000,36000,50400,72000,86400", 1, 400, false,
      "Seconds between tries of a webhook, off by up to a fifth; after the last one it is parked." },
    { "SHINA_WEBHOOK_TIMEOUT_MS", BUS_CONFIG_INT, "15000", 100, 120000, false,
      "A webhook's receiver has so long to answer." },
    { "SHINA_WEBHOOK_PRIVATE", BUS_CONFIG_BOOL, "false", 0, 0, false,
      "Webhooks may go to private addresses, and by plain http to this machine itself." },
    { "SHINA_BATCH_LINES", BUS_CONFIG_INT, "1000", 1, 100000, false,
      "Commands in one `POST /api/v1/batch`, at most, and not more than SHINA_RATE_COMMANDS; its body is bound by SHINA_BODY_BYTES." },
    { "SHINA_CONNECTIONS", BUS_CONFIG_INT, "1024", 1, 65535, false,
      "Client connections at once; when there are more, a new one costs one of those of the address that has the most." },
    { "SHINA_IDLE_S", BUS_CONFIG_INT, "30", 1, 3600, false,
      "Seconds until a silent connection is closed; heads, bodies and answers have twice that time, and more by their size." },
    { "SHINA_STREAMS", BUS_CONFIG_INT, "512", 1, 65535, false,
      "Feeds of events (`/api/v1/events`) open at once; beyond, the edge answers 503. A user has 16 of them, a tenant half, at most: 429." },
    { "SHINA_INFLIGHT", BUS_CONFIG_INT, "4096", 1, 1000000, false,
      "Requests carried out at once." },
    { "SHINA_DOCUMENTS", BUS_CONFIG_TEXT, NULL, 0, 4000, false,
      "Folder with openapi.json, asyncapi.json and schemas/; unset: that of the build." },
    { "SHINA_DOCS_VIEWER", BUS_CONFIG_TEXT, NULL, 0, 4000, false,
      "Folder of the viewer behind /docs (swagger-ui-dist); unset: that of the build." },
    { "SHINA_MIGRATIONS", BUS_CONFIG_TEXT, NULL, 0, 4000, false,
      "Folder with dbconfig.yml and the migrations; unset: that of the build." },
    { "SHINA_LOG", BUS_CONFIG_TEXT, "info", 4, 5, false,
      "Least level that is logged: debug, info, warn or error." },
    { NULL, BUS_CONFIG_TEXT, NULL, 0, 0, false, NULL },
};
/* clang-format on */
