/* home.c - folders, the lock, the signing key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/home.h"
#include "bus/base/clock.h"
#include "bus/base/id.h"
#include "bus/log/log.h"

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
#define NAMES_MAX 256 /* processes of one kind in one folder */

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
        return bus_fail(err, BUS_INVALID, "SHINA_HOME or SHINA_ARCHIVE is too long");
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

static bus_code
name_archive(shina_home *home, const bus_config *config, bus_error *err)
{
    const char *archive = bus_config_text(config, "SHINA_ARCHIVE");

    if (archive != NULL)
        return absolute(archive, home->archive, err);
    (void)snprintf(home->archive, sizeof(home->archive), "%.1000s/archive", home->dir);
    return BUS_OK;
}

bus_code
shina_home_open(shina_home *home, const bus_config *config, bool make, bus_error *err)
{
    char        log[HOME_PATH_BYTES + 8], names[HOME_PATH_BYTES + 8];
    struct stat info;
    bus_code    rc;

    *home = (shina_home){.lock = -1, .use = -1, .name = -1};
    if ((rc = absolute(bus_config_text(config, "SHINA_HOME"), home->dir, err)) != BUS_OK ||
        (rc = name_archive(home, config, err)) != BUS_OK ||
        (rc = name_folders(home, err)) != BUS_OK || !make)
        return rc;
    (void)snprintf(log, sizeof(log), "%s/log", home->dir);
    (void)snprintf(names, sizeof(names), "%s/names", home->dir);
    if ((rc = make_dir(home->dir, 0711, err)) != BUS_OK ||
        (rc = make_dir(log, 0700, err)) != BUS_OK || (rc = make_dir(names, 0755, err)) != BUS_OK ||
        (rc = make_dir(home->data, 0755, err)) != BUS_OK ||
        (rc = make_dir(home->run, 0700, err)) != BUS_OK)
        return rc;
    if (geteuid() == 0 &&
        fchownat(AT_FDCWD, home->run, home->uid, home->gid, AT_SYMLINK_NOFOLLOW) != 0)
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

/* An open file that is locked; -1: it is locked by another, or cannot be opened. */
static int
locked_file(const char *path, int how)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd >= 0 && flock(fd, how | LOCK_NB) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bus_code
shina_home_use(shina_home *home, bool alone, bus_error *err)
{
    char path[HOME_PATH_BYTES + 16];

    (void)snprintf(path, sizeof(path), "%s/names/use", home->dir);
    home->use = locked_file(path, alone ? LOCK_EX : LOCK_SH);
    if (home->use < 0)
        return bus_fail(err, BUS_DENIED,
                        alone ? "other processes of shina use the servers of %.120s"
                              : "a shina that runs alone uses the servers of %.120s; stop it, or "
                                "start it with SHINA_BUS=nng",
                        home->dir);
    return BUS_OK;
}

/* What tells this folder from any other: made at first. */
static bus_code
home_id(const shina_home *home, char out[13], bus_error *err)
{
    char             path[HOME_PATH_BYTES + 8];
    const bus_clock *clock = bus_clock_system();
    unsigned char    bytes[6];
    int              fd;
    ssize_t          got;

    (void)snprintf(path, sizeof(path), "%s/id", home->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        goto failed;
    got = read(fd, out, 12);
    if (got >= 0 && got < 12) {
        clock->random(clock->context, bytes, sizeof(bytes));
        for (int i = 0; i < 6; i++)
            (void)snprintf(out + 2L * i, 3, "%02x", bytes[i]);
        if (ftruncate(fd, 0) != 0 || pwrite(fd, out, 12, 0) != 12 || fsync(fd) != 0)
            goto failed;
    } else if (got < 0) {
        goto failed;
    }
    out[12] = '\0';
    (void)close(fd);
    return BUS_OK;

failed:
    if (fd >= 0)
        (void)close(fd);
    return bus_fail(err, BUS_INVALID, "cannot use %.150s: %s", path, strerror(errno));
}

bus_code
shina_home_name(shina_home *home, const char *what, char out[SHINA_NAME_BYTES], bus_error *err)
{
    char     path[HOME_PATH_BYTES + SHINA_NAME_BYTES], id[13];
    bus_code rc;

    if ((rc = home_id(home, id, err)) != BUS_OK)
        return rc;
    for (int n = 1; n <= NAMES_MAX && home->name < 0; n++) {
        (void)snprintf(out, SHINA_NAME_BYTES, "%.60s-%d.%s", what, n, id);
        (void)snprintf(path, sizeof(path), "%s/names/%.60s-%d", home->dir, what, n);
        home->name = locked_file(path, LOCK_EX);
    }
    if (home->name < 0)
        return bus_fail(err, BUS_FULL, "no name %.60s-N is free in %.100s/names", what, home->dir);
    return BUS_OK;
}

void
shina_home_close(shina_home *home)
{
    int *const fds[] = {&home->name, &home->use, &home->lock};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

/* --- the signing key, the master key -------------------------------------------------------- */

void
shina_home_new_key(const char *kid, char out[SHINA_KEY_TEXT_BYTES])
{
    const bus_clock *clock = bus_clock_system();
    unsigned char    secret[KEY_BYTES], base64[2 * KEY_BYTES];

    clock->random(clock->context, secret, sizeof(secret));
    (void)EVP_EncodeBlock(base64, secret, sizeof(secret));
    (void)snprintf(out, SHINA_KEY_TEXT_BYTES, "%s:%s", kid, (const char *)base64);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(base64, sizeof(base64));
}

static bus_code
make_key(const char *path, const char *kid, bus_error *err)
{
    char     key[SHINA_KEY_TEXT_BYTES], line[160], mine[HOME_PATH_BYTES + 48];
    int      fd, len;
    bus_code rc = BUS_OK;

    shina_home_new_key(kid, key);
    len = snprintf(line, sizeof(line), "%s\n", key);
    /* Whole or not at all: of several processes that start at once one makes it for all. */
    (void)snprintf(mine, sizeof(mine), "%s.%ld", path, (long)getpid());
    fd = open(mine, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return bus_fail(err, BUS_INVALID, "cannot write %.150s: %s", mine, strerror(errno));
    if (write(fd, line, (size_t)len) != len || fsync(fd) != 0)
        rc = bus_fail(err, BUS_FULL, "cannot write %.150s: %s", mine, strerror(errno));
    (void)close(fd);
    if (rc == BUS_OK && link(mine, path) != 0 && errno != EEXIST)
        rc = bus_fail(err, BUS_FULL, "cannot write %.150s: %s", path, strerror(errno));
    (void)unlink(mine);
    explicit_bzero(line, sizeof(line));
    explicit_bzero(key, sizeof(key));
    return rc;
}

void
shina_home_check_secret(const char *path)
{
    struct stat is;

    if (stat(path, &is) == 0 && (is.st_mode & S_IROTH) != 0)
        bus_log_warn("keys.readable_by_all", BUS_KV("file", path), BUS_KV("then", "chmod 600"));
}

/* The configured keys, or those of the file, which is made if it is not there. */
static bus_code
keys_of(const shina_home *home, const char *given, const char *file, const char *kid, bool make,
        char **out, bus_error *err)
{
    char     path[HOME_PATH_BYTES + 16], line[512] = "";
    FILE    *f;
    bus_code rc;

    if (given != NULL) {
        *out = strdup(given);
        return *out != NULL ? BUS_OK : bus_fail(err, BUS_FULL, "no memory");
    }
    (void)snprintf(path, sizeof(path), "%s/%s", home->dir, file);
    if (make && access(path, F_OK) != 0) {
        if ((rc = make_dir(home->dir, 0711, err)) != BUS_OK ||
            (rc = make_key(path, kid, err)) != BUS_OK)
            return rc;
    }
    f = fopen(path, "re");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
        if (f != NULL)
            (void)fclose(f);
        return bus_fail(err, BUS_DENIED, "cannot read %.150s: %s", path, strerror(errno));
    }
    (void)fclose(f);
    shina_home_check_secret(path);
    line[strcspn(line, "\r\n")] = '\0';
    *out = strdup(line);
    explicit_bzero(line, sizeof(line));
    return *out != NULL ? BUS_OK : bus_fail(err, BUS_FULL, "no memory");
}

bus_code
shina_home_jwt_keys(const shina_home *home, const bus_config *config, char **out, bus_error *err)
{
    return keys_of(home, bus_config_text(config, "SHINA_JWT_KEYS"), "jwt.key", "k1", true, out,
                   err);
}

bus_code
shina_home_master_file(const shina_home *home, const bus_config *config, bool make,
                       char path[HOME_PATH_BYTES + 16], bus_error *err)
{
    static const char prefix[] = "file:";
    const char       *given = bus_config_text(config, "SHINA_MASTER_KEYS");
    bus_code          rc;

    path[0] = '\0';
    if (given != NULL && strncmp(given, prefix, sizeof(prefix) - 1) != 0)
        return BUS_OK;
    if (given != NULL) {
        (void)snprintf(path, HOME_PATH_BYTES + 16, "%s", given + sizeof(prefix) - 1);
        return BUS_OK;
    }
    (void)snprintf(path, HOME_PATH_BYTES + 16, "%s/master.key", home->dir);
    if (!make || access(path, F_OK) == 0)
        return BUS_OK;
    if ((rc = make_dir(home->dir, 0711, err)) != BUS_OK)
        return rc;
    return make_key(path, "m1", err);
}

/* A new name in a folder is durable when the folder is. */
static bus_code
sync_folder_of(const char *path, bus_error *err)
{
    char        folder[HOME_PATH_BYTES + 16];
    const char *slash = strrchr(path, '/');
    int         fd;
    bus_code    rc = BUS_OK;

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
                   slash == NULL ? "." : path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = bus_fail(err, BUS_FULL, "cannot sync %.150s: %s", folder, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

bus_code
shina_home_replace(const char *path, const char *text, bus_error *err)
{
    char        mine[HOME_PATH_BYTES + 48];
    size_t      len = strlen(text);
    struct stat was;
    int         fd;
    bus_code    rc = BUS_OK;

    if (stat(path, &was) != 0)
        return bus_fail(err, BUS_DENIED, "cannot read %.150s: %s", path, strerror(errno));
    (void)snprintf(mine, sizeof(mine), "%s.%ld", path, (long)getpid());
    fd = open(mine, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return bus_fail(err, BUS_INVALID, "cannot write %.150s: %s", mine, strerror(errno));
    if (write(fd, text, len) != (ssize_t)len || write(fd, "\n", 1) != 1 ||
        fchmod(fd, was.st_mode & 0777) != 0 ||
        (geteuid() == 0 && fchown(fd, was.st_uid, was.st_gid) != 0) || fsync(fd) != 0)
        rc = bus_fail(err, BUS_FULL, "cannot write %.150s: %s", mine, strerror(errno));
    (void)close(fd);
    if (rc == BUS_OK && rename(mine, path) != 0)
        rc = bus_fail(err, BUS_FULL, "cannot write %.150s: %s", path, strerror(errno));
    if (rc != BUS_OK) {
        (void)unlink(mine);
        return rc;
    }
    return sync_folder_of(path, err);
}

void
shina_home_drop_root(const shina_home *home)
{
    if (geteuid() != 0)
        return;
    if (setgroups(0, NULL) != 0 || setgid(home->gid) != 0 || setuid(home->uid) != 0)
        _exit(126);
}
