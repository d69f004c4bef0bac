/* sandbox.c - no_new_privs, capabilities by libcap-ng, system calls by libseccomp.
 * SPDX-License-Identifier: Apache-2.0 */
#include "compose/process/sandbox.h"
#include "bus/log/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_TRACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_TRACED 1
#endif
#endif

static const int refused[] = {
#ifndef LEAKS_ARE_TRACED /* the sanitizer looks for leaks by ptrace */
    SCMP_SYS(ptrace),
#endif
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(perf_event_open),
    SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(kcmp), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(process_madvise), SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
    /* file systems and namespaces */
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare),
    SCMP_SYS(setns), SCMP_SYS(mount_setattr), SCMP_SYS(fsconfig), SCMP_SYS(fspick),
    SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(quotactl), SCMP_SYS(mknod), SCMP_SYS(mknodat),
    /* the kernel and the machine */
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(syslog), SCMP_SYS(acct), SCMP_SYS(iopl),
    SCMP_SYS(ioperm), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime),
    /* keys of the kernel, other personalities */
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(personality)};

/* Of clone(): each of them makes a namespace. Its flags are the first argument on the machines that
 * we build for. clone3() tells its flags in memory, where no filter looks: it is said not to exist,
 * and libc takes the other one. */
static const int namespaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                 CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

static const int programs[] = {SCMP_SYS(execve), SCMP_SYS(execveat)};

static void
not_done(const char *what, int code)
{
    bus_log_warn("sandbox.not_whole", BUS_KV("without", what), BUS_KV("because", strerror(code)));
}

/* What `shina run` and `shina servers` do as root: make folders for the unprivileged user, start
 * servers as that user, look into his folders, end the servers; and listen where the owner says. */
static int
keep_needed_capabilities(void)
{
    if (capng_get_caps_process() != 0)
        return -1;
    if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
        return 0;
    {
        const bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1;

        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_updatev(CAPNG_ADD,
                          (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET),
                          CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETUID, CAP_SETGID,
                          CAP_NET_BIND_SERVICE, -1) != 0)
            return -1;
        return capng_apply(bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    }
}

void
shina_sandbox_enter(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0)
        not_done("no_new_privs", errno);
    if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
        not_done("dumpable", errno);
    if (keep_needed_capabilities() != 0)
        not_done("capabilities", EPERM);
}

/* A call that the kernel's headers know and the machine's architecture has not is left out. */
static int
refuse(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int rc =
            calls[i] < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);

        if (rc != 0 && rc != -EDOM)
            return rc;
    }
    return 0;
}

static int
refuse_namespaces(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]) && rc == 0; i++) {
        const scmp_datum_t flag = (scmp_datum_t)namespaces[i];

        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    return rc;
}

void
shina_sandbox_seal(bool starts_programs)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int             rc;

    if (filter == NULL) {
        not_done("seccomp", ENOMEM);
        return;
    }
    rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = refuse(filter, refused, sizeof(refused) / sizeof(refused[0]));
    if (rc == 0)
        rc = refuse_namespaces(filter);
    if (rc == 0 && !starts_programs)
        rc = refuse(filter, programs, sizeof(programs) / sizeof(programs[0]));
    if (rc == 0)
        rc = seccomp_load(filter);
    if (rc != 0)
        not_done("seccomp", -rc);
    seccomp_release(filter);
}
