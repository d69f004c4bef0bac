/* password.c - libcrypt for hashes, cracklib for words that everybody uses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/password.h"

#include <crack.h>
#include <crypt.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EMAIL_BYTES 256
#define NAME_CHARS 4 /* a shorter name may stand in a good password by chance */

/* cracklib has buffers of its own, one for all threads. */
static pthread_mutex_t cracklib = PTHREAD_MUTEX_INITIALIZER;

/* It would end the process if it could not open them. */
static bool
has_dictionary(const char *path)
{
    static const char *const parts[] = {"pwd", "pwi", "hwm"};
    char                     part[512];

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        (void)snprintf(part, sizeof(part), "%s.%s", path, parts[i]);
        if (access(part, R_OK) != 0)
            return false;
    }
    return true;
}

/* Between the digits and signs that people put around a word. */
static void
core_of(const char *password, char out[EDGE_PASSWORD_BYTES_MAX + 1])
{
    static const char around[] = " !\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`{|}~";
    size_t            from = strspn(password, around), to = strlen(password);

    while (to > from && strchr(around, password[to - 1]) != NULL)
        to--;
    (void)snprintf(out, EDGE_PASSWORD_BYTES_MAX + 1, "%.*s", (int)(to - from), password + from);
}

/* The part before the @ is the name that a password must not hold, or be made of. cracklib knows
 * what is done to words, but not more than two digits behind one: it is asked for what is between
 * them, too. */
static bool
is_common(const char *password, const char *email, const char *dictionary)
{
    char user[EMAIL_BYTES] = "", core[EDGE_PASSWORD_BYTES_MAX + 1];
    bool common;

    if (email != NULL)
        (void)snprintf(user, sizeof(user), "%.*s", (int)strcspn(email, "@"), email);
    if (strlen(user) >= NAME_CHARS && strcasestr(password, user) != NULL)
        return true;
    core_of(password, core);
    BUS_INVARIANT(pthread_mutex_lock(&cracklib) == 0);
    common = FascistCheckUser(password, dictionary, user, NULL) != NULL ||
             FascistCheckUser(core, dictionary, user, NULL) != NULL;
    BUS_INVARIANT(pthread_mutex_unlock(&cracklib) == 0);
    OPENSSL_cleanse(core, sizeof(core));
    return common;
}

edge_password_fault
edge_password_check(bus_str password, int chars_min, const char *email)
{
    const char         *dictionary = GetDefaultCracklibDict();
    char                text[EDGE_PASSWORD_BYTES_MAX + 1];
    edge_password_fault fault;

    if (password.len > EDGE_PASSWORD_BYTES_MAX ||
        (password.len > 0 && memchr(password.at, '\0', password.len) != NULL))
        return EDGE_PASSWORD_LONG;
    if (bus_utf8_length(password) < chars_min)
        return EDGE_PASSWORD_SHORT;
    if (!has_dictionary(dictionary))
        return EDGE_PASSWORD_UNKNOWN;
    memcpy(text, password.at, password.len);
    text[password.len] = '\0';
    fault = is_common(text, email, dictionary) ? EDGE_PASSWORD_COMMON : EDGE_PASSWORD_FINE;
    OPENSSL_cleanse(text, sizeof(text));
    return fault;
}

/* crypt_data has 32 KiB, of which something of the password is left. */
static struct crypt_data *
new_data(void)
{
    struct crypt_data *data = calloc(1, sizeof(*data));

    if (data == NULL)
        abort();
    return data;
}

static void
free_data(struct crypt_data *data)
{
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
}

bus_code
edge_password_hash(const char *password, int cost, const uint8_t salt[EDGE_PASSWORD_SALT_BYTES],
                   char out[EDGE_PASSWORD_HASH_BYTES], bus_error *err)
{
    struct crypt_data *data = new_data();
    char               setting[CRYPT_GENSALT_OUTPUT_SIZE], bytes[EDGE_PASSWORD_SALT_BYTES];
    const char        *hash = NULL;
    bus_code           rc = BUS_OK;

    memcpy(bytes, salt, sizeof(bytes));
    if (crypt_gensalt_rn("$2b$", (unsigned long)cost, bytes, sizeof(bytes), setting,
                         sizeof(setting)) != NULL)
        hash = crypt_r(password, setting, data);
    if (hash == NULL || hash[0] == '*' || strlen(hash) >= EDGE_PASSWORD_HASH_BYTES)
        rc = bus_fail(err, BUS_FAULT, "libcrypt makes no bcrypt hash of cost %d", cost);
    else
        (void)snprintf(out, EDGE_PASSWORD_HASH_BYTES, "%s", hash);
    free_data(data);
    return rc;
}

/* Hashes in vain. */
static void
spend(const char *password, int cost, struct crypt_data *data)
{
    char decoy[EDGE_PASSWORD_HASH_BYTES];

    (void)snprintf(decoy, sizeof(decoy), "$2b$%02d$......................", cost);
    (void)crypt_r(password, decoy, data);
}

/* Of a bcrypt hash; 0: it is none. */
static int
cost_of(const char *hash)
{
    bool is_bcrypt = strlen(hash) == 60 && strncmp(hash, "$2", 2) == 0 && hash[3] == '$' &&
                     hash[4] >= '0' && hash[4] <= '9' && hash[5] >= '0' && hash[5] <= '9';

    return is_bcrypt ? (hash[4] - '0') * 10 + hash[5] - '0' : 0;
}

/* Costs c, c, c + 1, ..., cost - 1 take together as long as cost: a hash that was made before the
 * cost was raised must not be told from a decoy. */
static void
spend_up_to(const char *password, int from, int cost, struct crypt_data *data)
{
    if (from == 0)
        spend(password, cost, data);
    for (int c = from; c > 0 && c < cost; c++)
        spend(password, c, data);
}

/* libcrypt answers at once to a password that is too long for it, so it sees no more than counts.
 */
bool
edge_password_is(const char *password, const char *hash, int cost)
{
    struct crypt_data *data = new_data();
    char               text[EDGE_PASSWORD_BYTES_MAX + 1];
    int                own_cost = hash == NULL ? 0 : cost_of(hash);
    const char        *made = NULL;
    bool               right = false;

    (void)snprintf(text, sizeof(text), "%s", password);
    if (own_cost > 0)
        made = crypt_r(text, hash, data);
    if (made != NULL && made[0] != '*' && strlen(made) == strlen(hash))
        right = CRYPTO_memcmp(made, hash, strlen(hash)) == 0;
    spend_up_to(text, own_cost, cost, data);
    free_data(data);
    OPENSSL_cleanse(text, sizeof(text));
    return right && strlen(password) <= EDGE_PASSWORD_BYTES_MAX;
}
