/* home.c - folders, the lock, the signing key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/home.h"
#include "bus/base/clock.h"
#include "bus/base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_PATH_MAX 80 /* of 107: room for the file's name */
#define KEY_BYTES 32

static bus_code
make_dir(const char *path, mode_t mode, bus_error *err)
{
    char  partly[HOME_PATH_BYTES];
    char *slash = partly;

    (void)snprintf(partly, sizeof(partly), "%s", path);
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        if (mkdir(partly, 0755) != 0 && errno != EEXIST)
            return bus_fail(err, BUS_INVALID, "cannot make %.150s: %s", partly, strerror(errno));
        *slash = '/';
    }
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return bus_fail(err, BUS_INVALID, "cannot make %.150s: %s", path, strerror(errno));
    return BUS_OK;
}

/* Can anybody walk down to the folder? */
static bool
is_reachable(const char *path)
{
    char        partly[HOME_PATH_BYTES + 1];
    char       *slash = partly;
    struct stat info;

    (void)snprintf(partly, sizeof(partly), "%s/", path);
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        if (stat(partly, &info) == 0 && (info.st_mode & S_IXOTH) == 0)
            return false;
        *slash = '/';
    }
    return true;
}

static bus_code
absolute(const char *path, char out[HOME_PATH_BYTES], bus_error *err)
{
    char cwd[HOME_PATH_BYTES];
    int  len;

    if (path[0] == '/') {
        len = snprintf(out, HOME_PATH_BYTES, "%s", path);
    } else {
        if (getcwd(cwd, sizeof(cwd)) == NULL)
            return bus_fail(err, BUS_INVALID, "the current folder: %s", strerror(errno));
        len = snprintf(out, HOME_PATH_BYTES, "%s/%s", cwd, path);
    }
    if (len < 0 || len > HOME_PATH_BYTES - 64)
        return bus_fail(err, BUS_INVALID, "SHINA_HOME is too long");
    return BUS_OK;
}

static bus_code
name_folders(shina_home *home, bus_error *err)
{
    const struct passwd *user = NULL;
    uint64_t             hash = bus_fnv1a64(home->dir, strlen(home->dir));

    home->uid = geteuid();
    home->gid = getegid();
    (void)snprintf(home->data, sizeof(home->data), "%s", home->dir);
    if (home->uid == 0) {
        user = getpwnam("postgres");
        if (user == NULL)
            user = getpwnam("nobody");
        if (user == NULL)
            return bus_fail(err, BUS_INVALID,
                            "as root an unprivileged user is needed: postgres or nobody");
        home->uid = user->pw_uid;
        home->gid = user->pw_gid;
        if (!is_reachable(home->dir))
            (void)snprintf(home->data, sizeof(home->data), "/var/lib/shina/%016llx",
                           (unsigned long long)hash);
    }
    if (strlen(home->data) + sizeof("/run") <= SOCKET_PATH_MAX)
        (void)snprintf(home->run, sizeof(home->run), "%.900s/run", home->data);
    else
        (void)snprintf(home->run, sizeof(home->run), "/tmp/shina-%u-%016llx", (unsigned)home->uid,
                       (unsigned long long)hash);
    return BUS_OK;
}

bus_code
shina_home_open(shina_home *home, const bus_config *config, bool make, bus_error *err)
{
    char        log[HOME_PATH_BYTES + 8];
    struct stat info;
    bus_code    rc;

    *home = (shina_home){.lock = -1};
    if ((rc = absolute(bus_config_text(config, "SHINA_HOME"), home->dir, err)) != BUS_OK ||
        (rc = name_folders(home, err)) != BUS_OK || !make)
        return rc;
    (void)snprintf(log, sizeof(log), "%s/log", home->dir);
    if ((rc = make_dir(home->dir, 0755, err)) != BUS_OK ||
        (rc = make_dir(log, 0755, err)) != BUS_OK ||
        (rc = make_dir(home->data, 0755, err)) != BUS_OK ||
        (rc = make_dir(home->run, 0700, err)) != BUS_OK)
        return rc;
    if (geteuid() == 0 && chown(home->run, home->uid, home->gid) != 0)
        return bus_fail(err, BUS_INVALID, "chown %.150s: %s", home->run, strerror(errno));
    if (lstat(home->run, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != home->uid)
        return bus_fail(err, BUS_DENIED, "%.150s belongs to somebody else", home->run);
    return BUS_OK;
}

bus_code
shina_home_lock(shina_home *home, bus_error *err)
{
    char path[HOME_PATH_BYTES + 8], pid[32];
    int  len;

    (void)snprintf(path, sizeof(path), "%s/lock", home->dir);
    home->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (home->lock < 0)
        return bus_fail(err, BUS_INVALID, "cannot open %.150s: %s", path, strerror(errno));
    if (flock(home->lock, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = read(home->lock, pid, sizeof(pid) - 1);

        pid[got > 0 ? got : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        return bus_fail(err, BUS_DENIED, "shina runs in %.120s already, as process %s", home->dir,
                        pid);
    }
    len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(home->lock, 0) != 0 || write(home->lock, pid, (size_t)len) != len)
        return bus_fail(err, BUS_FULL, "cannot write %.150s: %s", path, strerror(errno));
    return BUS_OK;
}

void
shina_home_close(shina_home *home)
{
    if (home->lock >= 0)
        (void)close(home->lock);
    home->lock = -1;
}

/* --- the signing key ------------------------------------------------------------------ */

static bus_code
make_key(const char *path, bus_error *err)
{
    const bus_clock *clock = bus_clock_system();
    unsigned char    secret[KEY_BYTES], base64[2 * KEY_BYTES];
    char             line[160];
    int              fd, len;

    clock->random(clock->context, secret, sizeof(secret));
    (void)EVP_EncodeBlock(base64, secret, sizeof(secret));
    len = snprintf(line, sizeof(line), "k1:%s\n", (const char *)base64);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return BUS_OK; /* another made it at the same time */
    if (fd < 0)
        return bus_fail(err, BUS_INVALID, "cannot write %.150s: %s", path, strerror(errno));
    if (write(fd, line, (size_t)len) != len || fsync(fd) != 0 || close(fd) != 0)
        return bus_fail(err, BUS_FULL, "cannot write %.150s: %s", path, strerror(errno));
    return BUS_OK;
}

bus_code
shina_home_jwt_keys(const shina_home *home, const bus_config *config, char **out, bus_error *err)
{
    const char *given = bus_config_text(config, "SHINA_JWT_KEYS");
    char        path[HOME_PATH_BYTES + 16], line[512] = "";
    FILE       *f;
    bus_code    rc;

    if (given != NULL) {
        *out = strdup(given);
        return *out != NULL ? BUS_OK : bus_fail(err, BUS_FULL, "no memory");
    }
    (void)snprintf(path, sizeof(path), "%s/jwt.key", home->dir);
    if (access(path, F_OK) != 0) {
        if ((rc = make_dir(home->dir, 0755, err)) != BUS_OK || (rc = make_key(path, err)) != BUS_OK)
            return rc;
    }
    f = fopen(path, "re");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
        if (f != NULL)
            (void)fclose(f);
        return bus_fail(err, BUS_DENIED, "cannot read %.150s: %s", path, strerror(errno));
    }
    (void)fclose(f);
    line[strcspn(line, "\r\n")] = '\0';
    *out = strdup(line);
    return *out != NULL ? BUS_OK : bus_fail(err, BUS_FULL, "no memory");
}

void
shina_home_drop_root(const shina_home *home)
{
    if (geteuid() != 0)
        return;
    if (setgroups(0, NULL) != 0 || setgid(home->gid) != 0 || setuid(home->uid) != 0)
        _exit(126);
}
