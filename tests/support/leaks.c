/* leaks.c - COPY of every table, every key of Redis, every file, searched.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/leaks.h"
#include "compose/process/servers.h"

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <openssl/evp.h>

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VALUES_MAX 64
#define HEX_BYTES 512

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static void
open_home(const char *home, shina_home *of, shina_servers *servers)
{
    bus_config *config;
    bus_error   err = {0};

    if (setenv("SHINA_HOME", home, 1) != 0 || bus_config_load(&config, NULL, &err) != BUS_OK ||
        shina_home_open(of, config, false, &err) != BUS_OK)
        die("the home %s: %s", home, err.text);
    shina_servers_urls(servers, of, config);
    bus_config_free(config);
}

void
tests_leaks_database(const char *home, char *url, size_t url_bytes)
{
    shina_home    of;
    shina_servers servers;

    open_home(home, &of, &servers);
    if (snprintf(url, url_bytes, "%s", servers.database_url) >= (int)url_bytes)
        die("the URL of the database is too long");
}

static void
to_hex(const char *value, char out[HEX_BYTES])
{
    size_t len = strlen(value);

    if (2 * len >= HEX_BYTES)
        die("a value of %zu bytes", len);
    for (size_t i = 0; i < len; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", (unsigned char)value[i]);
    out[2 * len] = '\0';
}

static PGresult *
query(PGconn *conn, const char *sql, ExecStatusType wanted)
{
    PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) != wanted)
        die("%s: %s", sql, PQerrorMessage(conn));
    return res;
}

static int
search_row(const char *row, const char *table, const char *const *values, long *rows)
{
    (*rows)++;
    for (int i = 0; values[i] != NULL; i++) {
        char hex[HEX_BYTES];

        to_hex(values[i], hex);
        if (strstr(row, values[i]) == NULL && strstr(row, hex) == NULL)
            continue;
        (void)printf("LEAK: \"%s\" stands in %s: %.300s\n", values[i], table, row);
        return 1;
    }
    return 0;
}

static int
search_table(PGconn *conn, const char *table, const char *const *values, long *rows)
{
    char sql[512], *row;
    int  leaks = 0, len;

    (void)snprintf(sql, sizeof(sql), "copy (select * from %s) to stdout", table);
    PQclear(query(conn, sql, PGRES_COPY_OUT));
    while ((len = PQgetCopyData(conn, &row, 0)) > 0) {
        leaks += search_row(row, table, values, rows);
        PQfreemem(row);
    }
    if (len != -1)
        die("%s: %s", sql, PQerrorMessage(conn));
    PQclear(PQgetResult(conn));
    while (PQgetResult(conn) != NULL)
        ;
    return leaks;
}

int
tests_leaks(const char *database_url, const char *const *values)
{
    PGconn   *conn = PQconnectdb(database_url);
    PGresult *tables;
    long      rows = 0, events = 0;
    int       leaks = 0;

    if (PQstatus(conn) != CONNECTION_OK)
        die("%s", PQerrorMessage(conn));
    tables = query(conn,
                   "select quote_ident(table_schema) || '.' || quote_ident(table_name), table_name"
                   "  from information_schema.tables"
                   " where table_type = 'BASE TABLE' and table_schema not in"
                   "       ('views', 'information_schema', 'pg_catalog') order by 1",
                   PGRES_TUPLES_OK);
    for (int i = 0; i < PQntuples(tables); i++) {
        long before = rows;

        leaks += search_table(conn, PQgetvalue(tables, i, 0), values, &rows);
        if (strcmp(PQgetvalue(tables, i, 1), "events") == 0)
            events += rows - before;
    }
    PQclear(tables);
    PQfinish(conn);
    if (events == 0)
        die("there are no events to search");
    return leaks;
}

/* --- spellings ------------------------------------------------------------------------------ */

#define SPELLINGS_MAX 512
#define SPELLING_BYTES 1024

struct tests_spellings {
    char *all[SPELLINGS_MAX];
    int   count;
};

static void
add_spelling(tests_spellings *s, const char *text, size_t len)
{
    if (len < 4)
        die("\"%.*s\" is too short to be looked for", (int)len, text);
    for (int i = 0; i < s->count; i++)
        if (strlen(s->all[i]) == len && memcmp(s->all[i], text, len) == 0)
            return;
    if (s->count == SPELLINGS_MAX || (s->all[s->count] = strndup(text, len)) == NULL)
        die("too many spellings");
    s->count++;
}

/* The code point at *at, which moves on; of one or two bytes. */
static unsigned
next_point(const char **at)
{
    unsigned char first = (unsigned char)**at;

    (*at)++;
    if (first < 0x80)
        return first;
    if ((first & 0xe0) != 0xc0)
        die("a value has letters that are neither ASCII nor Cyrillic");
    return (unsigned)(first & 0x1f) << 6 | ((unsigned char)*(*at)++ & 0x3fu);
}

static size_t
put_point(unsigned point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    out[0] = (char)(0xc0 | point >> 6);
    out[1] = (char)(0x80 | (point & 0x3f));
    return 2;
}

static unsigned
to_case(unsigned point, bool upper)
{
    if (upper && ((point >= 'a' && point <= 'z') || (point >= 0x430 && point <= 0x44f)))
        return point - 0x20;
    if (!upper && ((point >= 'A' && point <= 'Z') || (point >= 0x410 && point <= 0x42f)))
        return point + 0x20;
    if (point == 0x401 || point == 0x451)
        return upper ? 0x401 : 0x451;
    return point;
}

static void
in_case(const char *value, bool upper, char out[SPELLING_BYTES])
{
    size_t len = 0;

    while (*value != '\0')
        len += put_point(to_case(next_point(&value), upper), out + len);
    out[len] = '\0';
}

/* Escaped as JSON and addresses escape what is not ASCII; digits in upper or lower case. */
static void
add_escaped(tests_spellings *s, const char *value, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char        json[SPELLING_BYTES], address[SPELLING_BYTES];
    size_t      len = 0, address_len = 0;

    for (const char *at = value; *at != '\0';) {
        unsigned point = next_point(&at);

        if (point < 0x80)
            json[len++] = (char)point;
        else
            len += (size_t)snprintf(json + len, 7, upper ? "\\u%04X" : "\\u%04x", point);
    }
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            address[address_len++] = (char)c;
        } else {
            address[address_len++] = '%';
            address[address_len++] = digits[c >> 4];
            address[address_len++] = digits[c & 15];
        }
    }
    add_spelling(s, json, len);
    add_spelling(s, address, address_len);
}

/* In base64, when one, two or no bytes of its first group of three are something else's: what is
 * left of it without the signs at either end that others have a part in. */
static void
add_base64(tests_spellings *s, const char *value)
{
    size_t len = strlen(value);

    for (size_t before = 0; before < 3; before++) {
        unsigned char bytes[SPELLING_BYTES / 2] = {0};
        char          text[SPELLING_BYTES];
        size_t        first = before == 0 ? 0 : before + 1, last = (before + len) * 8 / 6;

        memcpy(bytes + before, value, len);
        (void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)(before + len));
        add_spelling(s, text + first, last - first);
    }
}

static void
add_value(tests_spellings *s, const char *value)
{
    char hex[SPELLING_BYTES], hex_upper[SPELLING_BYTES];

    add_spelling(s, value, strlen(value));
    to_hex(value, hex);
    in_case(hex, true, hex_upper);
    add_spelling(s, hex, strlen(hex));
    add_spelling(s, hex_upper, strlen(hex_upper));
    add_escaped(s, value, false);
    add_escaped(s, value, true);
    add_base64(s, value);
}

tests_spellings *
tests_spellings_of(const char *const *values)
{
    tests_spellings *s = calloc(1, sizeof(*s));

    if (s == NULL)
        die("no memory");
    for (int i = 0; values[i] != NULL; i++) {
        char other[SPELLING_BYTES];

        if (strlen(values[i]) > 100)
            die("\"%s\" is too long", values[i]);
        add_value(s, values[i]);
        in_case(values[i], true, other);
        add_value(s, other);
        in_case(values[i], false, other);
        add_value(s, other);
    }
    return s;
}

void
tests_spellings_destroy(tests_spellings *s)
{
    for (int i = 0; s != NULL && i < s->count; i++)
        free(s->all[i]);
    free(s);
}

int
tests_spelt_in(const tests_spellings *s, const char *place, const char *bytes, size_t len)
{
    for (int i = 0; i < s->count; i++) {
        if (memmem(bytes, len, s->all[i], strlen(s->all[i])) == NULL)
            continue;
        (void)printf("LEAK: \"%s\" stands in %s: %.300s\n", s->all[i], place, bytes);
        return 1;
    }
    return 0;
}

/* COPY doubles backslashes. */
static size_t
undouble(char *row)
{
    size_t len = 0;

    for (const char *at = row; *at != '\0'; at++) {
        if (at[0] == '\\' && at[1] == '\\')
            at++;
        row[len++] = *at;
    }
    row[len] = '\0';
    return len;
}

static int
spelt_in_table(const tests_spellings *s, PGconn *conn, const char *table, long *rows)
{
    char sql[512], *row;
    int  found = 0, len;

    (void)snprintf(sql, sizeof(sql), "copy (select * from %s) to stdout", table);
    PQclear(query(conn, sql, PGRES_COPY_OUT));
    while ((len = PQgetCopyData(conn, &row, 0)) > 0) {
        found += tests_spelt_in(s, table, row, undouble(row));
        (*rows)++;
        PQfreemem(row);
    }
    if (len != -1)
        die("%s: %s", sql, PQerrorMessage(conn));
    while (PQgetResult(conn) != NULL)
        ;
    return found;
}

int
tests_spelt_in_tables(const tests_spellings *s, const char *database_url)
{
    PGconn   *conn = PQconnectdb(database_url);
    PGresult *tables;
    long      rows = 0;
    int       found = 0;

    if (PQstatus(conn) != CONNECTION_OK)
        die("%s", PQerrorMessage(conn));
    tables = query(conn,
                   "select quote_ident(table_schema) || '.' || quote_ident(table_name)"
                   "  from information_schema.tables where table_type = 'BASE TABLE'"
                   "   and table_schema not in ('information_schema', 'pg_catalog')"
                   " union all select 'pg_catalog.pg_stat_activity'"
                   " union all select 'pg_catalog.pg_largeobject'"
                   " union all select 'pg_catalog.pg_stats' order by 1",
                   PGRES_TUPLES_OK);
    for (int i = 0; i < PQntuples(tables); i++)
        found += spelt_in_table(s, conn, PQgetvalue(tables, i, 0), &rows);
    if (PQntuples(tables) < 40 || rows == 0)
        die("%d tables with %ld rows are not all", PQntuples(tables), rows);
    PQclear(tables);
    PQfinish(conn);
    return found;
}

/* --- Redis --------------------------------------------------------------------------------------
 */

static int
spelt_in_reply(const tests_spellings *s, const char *place, const redisReply *reply)
{
    int found = 0;

    if (reply->type == REDIS_REPLY_STRING)
        found += tests_spelt_in(s, place, reply->str, reply->len);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        found += spelt_in_reply(s, place, reply->element[i]);
    return found;
}

static redisReply *
redis(redisContext *c, const char *verb, const redisReply *key, const char *from, const char *to)
{
    const char *argv[] = {verb, key == NULL ? from : key->str, from, to};
    size_t      lens[] = {strlen(verb), key == NULL ? strlen(from) : key->len,
                     from == NULL ? 0 : strlen(from), to == NULL ? 0 : strlen(to)};
         int argc = key == NULL ? 2 : from == NULL ? 2 : 4;
    redisReply *reply = redisCommandArgv(c, argc, argv, lens);

    if (reply == NULL)
        die("redis: %s", c->errstr);
    return reply;
}

static int
spelt_in_key(const tests_spellings *s, redisContext *c, const redisReply *key)
{
    static const char *const ways[][4] = {
        {"string", "GET", NULL, NULL},   {"hash", "HGETALL", NULL, NULL},
        {"set", "SMEMBERS", NULL, NULL}, {"list", "LRANGE", "0", "-1"},
        {"zset", "ZRANGE", "0", "-1"},   {"none", NULL, NULL, NULL}};
    redisReply *type = redis(c, "TYPE", key, NULL, NULL), *value;
    int         found = tests_spelt_in(s, "a key of Redis", key->str, key->len);
    size_t      way = 0;

    while (way < sizeof(ways) / sizeof(ways[0]) && strcmp(ways[way][0], type->str) != 0)
        way++;
    if (way == sizeof(ways) / sizeof(ways[0]))
        die("redis: a %s cannot be searched", type->str);
    freeReplyObject(type);
    if (ways[way][1] == NULL) /* it has run out */
        return found;
    value = redis(c, ways[way][1], key, ways[way][2], ways[way][3]);
    found += spelt_in_reply(s, key->str, value);
    freeReplyObject(value);
    return found;
}

int
tests_spelt_in_redis(const tests_spellings *s, const char *home)
{
    char          socket[1200];
    shina_home    of;
    shina_servers servers;
    redisContext *c;
    int           found = 0;

    open_home(home, &of, &servers);
    if (strncmp(servers.redis_url, "unix:", 5) != 0)
        die("%s is not the Redis of a home", servers.redis_url);
    (void)snprintf(socket, sizeof(socket), "%s", servers.redis_url + 5);
    c = redisConnectUnix(socket);
    if (c == NULL || c->err != 0)
        die("redis at %s: %s", socket, c == NULL ? "no memory" : c->errstr);
    for (int db = 0; db < 16; db++) {
        char        number[4];
        redisReply *keys;

        (void)snprintf(number, sizeof(number), "%d", db);
        freeReplyObject(redis(c, "SELECT", NULL, number, NULL));
        keys = redis(c, "KEYS", NULL, "*", NULL);
        for (size_t i = 0; keys->type == REDIS_REPLY_ARRAY && i < keys->elements; i++)
            found += spelt_in_key(s, c, keys->element[i]);
        freeReplyObject(keys);
    }
    redisFree(c);
    return found;
}

/* --- files -------------------------------------------------------------------------------------
 */

static FILE *
start_program(const char *const *argv, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int                        ends[2];
    FILE                      *out;

    if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
        posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ) != 0 ||
        (out = fdopen(ends[0], "r")) == NULL)
        die("cannot run %s", argv[0]);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    return out;
}

void
tests_lines_of(const char *const *argv, void (*visit)(void *context, char *line, size_t len),
               void              *context)
{
    char  *line = NULL;
    size_t room = 0;
    pid_t  pid;
    int    status;
    FILE  *out = start_program(argv, &pid);

    for (ssize_t len; (len = getline(&line, &room, out)) > 0;) {
        if (line[len - 1] == '\n')
            line[--len] = '\0';
        visit(context, line, (size_t)len);
    }
    free(line);
    (void)fclose(out);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("%s failed", argv[0]);
}

typedef struct {
    const tests_spellings *spellings;
    const char            *place;
    int                    found;
} searching;

static void
search_line(void *context, char *line, size_t len)
{
    searching *s = context;

    s->found += tests_spelt_in(s->spellings, s->place, line, len);
}

int
tests_spelt_in_output(const tests_spellings *s, const char *const *argv)
{
    searching all = {s, argv[0], 0};

    for (int i = 0; argv[i] != NULL; i++)
        all.place = argv[i]; /* the last word tells what was read */
    tests_lines_of(argv, search_line, &all);
    return all.found;
}

static int
spelt_in_folder(const tests_spellings *s, const char *path)
{
    DIR           *dir = opendir(path);
    struct dirent *entry;
    int            found = 0;

    if (dir == NULL)
        return 0; /* it has gone */
    while ((entry = readdir(dir)) != NULL) {
        char inner[2048];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) >= (int)sizeof(inner))
            die("%s: the name is too long", path);
        found += tests_spelt_in_files(s, inner);
    }
    (void)closedir(dir);
    return found;
}

/* Does the folder hold the data of PostgreSQL? Only its log, if there is one, is looked at. */
static bool
is_pgdata(const char *path)
{
    char inner[2048];

    (void)snprintf(inner, sizeof(inner), "%.2000s/PG_VERSION", path);
    return access(inner, F_OK) == 0;
}

int
tests_spelt_in_files(const tests_spellings *s, const char *path)
{
    struct stat st;
    char        inner[2200];
    size_t      len = strlen(path);

    if (lstat(path, &st) != 0)
        return 0; /* it has gone */
    if (S_ISDIR(st.st_mode) && is_pgdata(path)) {
        (void)snprintf(inner, sizeof(inner), "%.2000s/log", path);
        return spelt_in_folder(s, inner);
    }
    if (S_ISDIR(st.st_mode))
        return spelt_in_folder(s, path);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return 0;
    if (len > 4 && strcmp(path + len - 4, ".zst") == 0)
        return tests_spelt_in_output(s, (const char *const[]){"zstd", "-dcq", path, NULL});
    return tests_spelt_in_output(s, (const char *const[]){"cat", path, NULL});
}

int
tests_spelt_in_home(const tests_spellings *s, const char *home)
{
    shina_home    of;
    shina_servers servers;
    size_t        len = strlen(home);
    int           found;

    open_home(home, &of, &servers);
    found = tests_spelt_in_files(s, home);
    if (strncmp(of.data, home, len) != 0)
        found += tests_spelt_in_files(s, of.data);
    if (strncmp(of.archive, home, len) != 0)
        found += tests_spelt_in_files(s, of.archive);
    return found;
}
