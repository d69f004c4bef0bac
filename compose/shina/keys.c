/* keys.c - `shina keys`: which master keys wrap how many keys of people, and changing them.
 *
 * A change goes in steps of which each may be the last: the new key stands in front of the file;
 * running processes read it; all keys are wrapped by it; the old one is taken out. Whatever is
 * interrupted goes on with the same command.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/keys.h"
#include "bus/base/failpoint.h"
#include "compose/shina/place.h"
#include "compose/shina/verbs.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BY_ALL_S 3 /* processes look at the file each second at which they need a key */
#define TEXT_BYTES 2048

static bus_code
open_store(shina_place *place, bus_key_store **out, bus_error *err)
{
    return bus_key_store_postgres.open(out, place->servers.database_url, "shina keys", NULL, err);
}

/* --- list --------------------------------------------------------------------------------- */

static bus_code
list(shina_place *place, bus_error *err)
{
    const char     *first = bus_master_keys_first(place->master_keys);
    bus_arena       arena = {0};
    bus_key_store  *ks;
    bus_master_row *rows;
    int             count = 0;
    bus_code        rc = open_store(place, &ks, err);

    if (rc != BUS_OK)
        return rc;
    rc = bus_key_store_postgres.masters(ks, true, &arena, &rows, &count, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        (void)printf("%s: %lld keys%s\n", rows[i].kid, (long long)rows[i].keys,
                     strcmp(rows[i].kid, first) == 0 ? ", wraps new ones"
                     : rows[i].used                  ? ""
                                                     : ", may be dropped");
    bus_arena_fini(&arena);
    bus_key_store_postgres.close(ks);
    return rc;
}

/* --- rotate ------------------------------------------------------------------------------- */

static bus_code
is_done(shina_place *place, bool *done, bus_error *err)
{
    bus_key_store *ks;
    bus_key_row    row;
    int            count = 1;
    bus_code       rc = open_store(place, &ks, err);

    if (rc != BUS_OK)
        return rc;
    rc = bus_key_store_postgres.wrapped_by_others(ks, bus_master_keys_first(place->master_keys),
                                                  &row, &count, err);
    *done = count == 0;
    bus_key_store_postgres.close(ks);
    return rc;
}

/* The lowest m<n> that no key, here or in the store, has had. */
static bus_code
new_kid(shina_place *place, char kid[BUS_KID_BYTES], bus_error *err)
{
    bus_arena       arena = {0};
    bus_key_store  *ks;
    bus_master_row *rows;
    int             count = 0;
    bool            taken = true;
    bus_code        rc = open_store(place, &ks, err);

    if (rc != BUS_OK)
        return rc;
    rc = bus_key_store_postgres.masters(ks, false, &arena, &rows, &count, err);
    for (int n = 1; rc == BUS_OK && taken; n++) {
        const char *known;

        (void)snprintf(kid, BUS_KID_BYTES, "m%d", n);
        taken = false;
        for (int i = 0; i < count; i++)
            taken = taken || strcmp(rows[i].kid, kid) == 0;
        for (int i = 0; (known = bus_master_keys_kid(place->master_keys, i)) != NULL; i++)
            taken = taken || strcmp(known, kid) == 0;
    }
    bus_arena_fini(&arena);
    bus_key_store_postgres.close(ks);
    return rc;
}

/* A new key in front of those in the file. */
static bus_code
put_new_key(shina_place *place, const char *path, bus_error *err)
{
    char     kid[BUS_KID_BYTES], key[SHINA_KEY_TEXT_BYTES], text[TEXT_BYTES], *old = NULL;
    bus_code rc = new_kid(place, kid, err);

    if (rc != BUS_OK || (rc = bus_master_keys_read(path, &old, err)) != BUS_OK)
        return rc;
    shina_home_new_key(kid, key);
    if (snprintf(text, sizeof(text), "%s,%s", key, old) >= (int)sizeof(text))
        rc = bus_fail(err, BUS_FULL, "%.150s holds too many keys: drop old ones first", path);
    else
        rc = shina_home_replace(path, text, err);
    if (rc == BUS_OK)
        (void)printf("%s: made, in front in %s\n", kid, path);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(text, sizeof(text));
    explicit_bzero(old, strlen(old));
    free(old);
    BUS_FAIL_POINT("keys.made");
    return rc;
}

/* Parsed and proven anew, and known to the store from now on. */
static bus_code
read_keys(shina_place *place, bus_error *err)
{
    bus_master_keys_destroy(place->master_keys);
    place->master_keys = NULL;
    return shina_master_keys(&place->home, place->config, place->servers.database_url, true,
                             &place->master_keys, err);
}

static void
tell(void *context, int64_t count)
{
    (void)context;
    (void)printf("%lld keys wrapped anew\n", (long long)count);
    (void)fflush(stdout);
}

/* Again until nothing is left over: a process may have wrapped one by the old key just before it
 * read the new one. */
static bus_code
wrap_all(shina_place *place, bus_error *err)
{
    int64_t  count, total = 0;
    bus_code rc;

    do {
        (void)nanosleep(&(struct timespec){.tv_sec = READ_BY_ALL_S}, NULL);
        rc = bus_master_keys_rotate(place->master_keys, &bus_key_store_postgres,
                                    place->servers.database_url, tell, NULL, &count, err);
        total += count;
    } while (rc == BUS_OK && count > 0);
    if (rc == BUS_OK)
        (void)printf("%s wraps all keys; %lld were wrapped anew\n",
                     bus_master_keys_first(place->master_keys), (long long)total);
    return rc;
}

static bus_code
rotate(shina_place *place, const char *path, bus_error *err)
{
    bool     done = false;
    bus_code rc = read_keys(place, err);

    if (rc == BUS_OK)
        rc = is_done(place, &done, err);
    if (rc == BUS_OK && done && path[0] != '\0') {
        rc = put_new_key(place, path, err);
        if (rc == BUS_OK)
            rc = read_keys(place, err);
    }
    return rc == BUS_OK ? wrap_all(place, err) : rc;
}

/* --- drop --------------------------------------------------------------------------------- */

/* The text without the key of that name. */
static void
leave_out(char *text, const char *kid)
{
    size_t len = strlen(kid);
    char  *at = text;

    while (*at != '\0') {
        size_t part = strcspn(at, ",");

        if (strncmp(at, kid, len) == 0 && at[len] == ':') {
            size_t gone = at[part] == ',' ? part + 1 : part;

            memmove(at, at + gone, strlen(at + gone) + 1);
            continue;
        }
        at += part + (at[part] == ',');
    }
    len = strlen(text);
    if (len > 0 && text[len - 1] == ',')
        text[len - 1] = '\0';
}

static bool
is_ours(const shina_place *place, const char *kid)
{
    const char *own;

    for (int i = 0; (own = bus_master_keys_kid(place->master_keys, i)) != NULL; i++)
        if (strcmp(own, kid) == 0)
            return true;
    return false;
}

static bus_code
drop(shina_place *place, const char *path, const char *kid, bus_error *err)
{
    bus_key_store *ks;
    char          *text = NULL;
    bus_code       rc;

    if (strcmp(bus_master_keys_first(place->master_keys), kid) == 0)
        return bus_fail(err, BUS_CONFLICT, "%s is the key that wraps new ones", kid);
    if (!is_ours(place, kid))
        return bus_fail(err, BUS_NOT_FOUND, "there is no master key %.60s; see shina keys list",
                        kid);
    if ((rc = open_store(place, &ks, err)) != BUS_OK)
        return rc;
    rc = bus_key_store_postgres.drop_master(ks, kid, err);
    bus_key_store_postgres.close(ks);
    if (rc != BUS_OK)
        return rc;
    BUS_FAIL_POINT("keys.dropped");
    if (path[0] == '\0') {
        (void)printf("%s: nothing needs it; take it out of SHINA_MASTER_KEYS\n", kid);
        return BUS_OK;
    }
    if ((rc = bus_master_keys_read(path, &text, err)) != BUS_OK)
        return rc;
    leave_out(text, kid);
    rc = shina_home_replace(path, text, err);
    if (rc == BUS_OK)
        (void)printf("%s: dropped, out of %s\n", kid, path);
    explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}

/* --- one at a time ------------------------------------------------------------------------ */

/* Two that change keys at once could each put a key in front of the file, and wrap by one that the
 * other has overwritten. Held until the connection is finished. */
static bus_code
lock_keys(const shina_place *place, PGconn **out, bus_error *err)
{
    PGconn   *conn = PQconnectdb(place->servers.database_url);
    PGresult *res = PQexec(conn, "select pg_try_advisory_lock(hashtextextended('shina.keys', 0))");
    bus_code  rc = BUS_OK;

    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        rc = bus_fail(err, BUS_UNAVAILABLE, "the keys cannot be locked: %.180s",
                      PQerrorMessage(conn));
    else if (strcmp(PQgetvalue(res, 0, 0), "t") != 0)
        rc =
            bus_fail(err, BUS_CONFLICT, "another shina keys is at work; try again when it is done");
    PQclear(res);
    *out = conn;
    return rc;
}

static bus_code
change(shina_place *place, const char *path, const char *kid, bus_error *err)
{
    PGconn  *lock = NULL;
    bus_code rc = lock_keys(place, &lock, err);

    if (rc == BUS_OK) /* another one may have changed them before we had the lock */
        rc = read_keys(place, err);
    if (rc == BUS_OK)
        rc = kid != NULL ? drop(place, path, kid, err) : rotate(place, path, err);
    PQfinish(lock);
    return rc;
}

static int
asked_wrongly(void)
{
    (void)fputs("shina keys: list, rotate, or drop and the name of a key\n", stderr);
    return 2;
}

int
verb_keys(const bus_config *config, int argc, char **argv)
{
    static const char *const known[] = {NULL};
    const char              *what = word_of(argc, argv, known, 0);
    const char              *kid = word_of(argc, argv, known, 1);
    bool                     drops = what != NULL && strcmp(what, "drop") == 0;
    bool                     rotates = what != NULL && strcmp(what, "rotate") == 0;
    char                     path[HOME_PATH_BYTES + 16];
    shina_place              place;
    bus_error                err = {0};
    bus_code                 rc;

    if (!options_known(argc, argv, known, drops ? 2 : 1) || drops != (kid != NULL) ||
        (what != NULL && !drops && !rotates && strcmp(what, "list") != 0))
        return asked_wrongly();
    if ((rc = shina_place_find(&place, config, &err)) == BUS_OK)
        rc = shina_place_keys(&place, &err);
    if (rc == BUS_OK)
        rc = shina_home_master_file(&place.home, config, false, path, &err);
    if (rc == BUS_OK)
        rc = drops || rotates ? change(&place, path, kid, &err) : list(&place, &err);
    shina_place_leave(&place);
    return rc == BUS_OK ? 0 : failed(&err);
}
