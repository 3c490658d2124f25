#include "sandbox/internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/log.h"
#include "base/pins.h"

/* https://docs.kernel.org/userspace-api/mdwe.html is Linux 6.3's; Debian 12's headers are older. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static _Atomic unsigned entered; /* a bit for each part */

const char *amp_sandbox_part_name(enum amp_sandbox_part part)
{
    static const char *const names[] = {
#define X(symbol, name) [AMP_SANDBOX_##symbol] = (name),
        AMP_SANDBOX_PARTS(X)
#undef X
    };
    return names[part];
}

unsigned amp_sandbox_parts(void)
{
    return atomic_load(&entered);
}

bool amp_sandbox_kernel_suffices(void)
{
    bool landlock = SANITIZED || amp_landlock_abi() != 0;
    bool seccomp = SANITIZED || amp_filter_available();
    if (!landlock)
        amp_log(AMP_LOG_ERROR, "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and lsm= must name it)");
    if (!seccomp)
        amp_log(AMP_LOG_ERROR, "this kernel has no seccomp filters that end a process (Linux 4.14)");
    return landlock && seccomp;
}

static enum amp_err refuse_new_code(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0)
        return AMP_OK;
    return errno == EINVAL ? AMP_ERR_NOT_FOUND : AMP_ERR_IO;
}

static enum amp_log_level level(const struct amp_sandbox *sandbox)
{
    return sandbox->dev ? AMP_LOG_INFO : AMP_LOG_WARN;
}

/* One part, entered or not. Says in the log what is missing. */
static enum amp_err note(const struct amp_sandbox *sandbox, enum amp_sandbox_part part, enum amp_err err)
{
    int number = errno;
    bool essential = sandbox->required && (part == AMP_SANDBOX_LANDLOCK || part == AMP_SANDBOX_SECCOMP);
    bool optional = err == AMP_ERR_NOT_PERMITTED || err == AMP_ERR_NOT_FOUND;
    if (err == AMP_OK) {
        atomic_fetch_or(&entered, 1u << part);
        return AMP_OK;
    }
    if (optional && !essential && part != AMP_SANDBOX_USER) {
        amp_log_text(level(sandbox),
                     err == AMP_ERR_NOT_FOUND ? "the kernel lacks a part of the sandbox"
                                              : "a part of the sandbox is not permitted to this process",
                     "part", amp_sandbox_part_name(part));
        return AMP_OK;
    }
    amp_log_errno(AMP_LOG_ERROR, "the sandbox cannot be entered", number);
    amp_log_text(AMP_LOG_ERROR, "the sandbox cannot be entered", "part", amp_sandbox_part_name(part));
    return AMP_ERR_SANDBOX_REFUSED;
}

static enum amp_err enter(const struct amp_sandbox *sandbox, const struct amp_profile *profile)
{
    enum amp_err err = note(sandbox, AMP_SANDBOX_NAMESPACES, amp_namespaces_enter(profile));
    if (err == AMP_OK && sandbox->empty_fd >= 0)
        err = note(sandbox, AMP_SANDBOX_ROOT, amp_root_enter(sandbox->empty_fd));
    if (err == AMP_OK)
        err = note(sandbox, AMP_SANDBOX_USER, amp_identity_take(sandbox->user));
    if (err == AMP_OK && sandbox->user == NULL)
        atomic_fetch_and(&entered, ~(1u << AMP_SANDBOX_USER));
    if (err == AMP_OK)
        err = note(sandbox, AMP_SANDBOX_MDWE, refuse_new_code());
    if (err == AMP_OK)
        err = note(sandbox, AMP_SANDBOX_LANDLOCK, amp_landlock_enter(profile, sandbox->dir_fd));
    if (err == AMP_OK && sandbox->user == NULL && !amp_landlock_holds_signals())
        amp_log(level(sandbox), "before Linux 6.12 the list of system calls alone keeps roles of one user from each "
                                "other's signals");
    if (err == AMP_OK)
        err = note(sandbox, AMP_SANDBOX_SECCOMP, amp_filter_enter(profile, sandbox->dir_fd));
    return err;
}

enum amp_err amp_sandbox_enter(const struct amp_sandbox *sandbox)
{
    if (amp_pins_seal() != AMP_OK) {
        amp_log_errno(AMP_LOG_ERROR, "the names of files cannot be made read-only", errno);
        return AMP_ERR_SANDBOX_REFUSED;
    }
    tzset(); /* gmtime_r(3), by which OpenSSL reads the dates of certificates, opens a file the first time */
    if (!SANITIZED)
        return enter(sandbox, amp_profile_of(sandbox->role));
    amp_log(AMP_LOG_WARN, "built with a sanitizer: the role is not sandboxed");
    return AMP_OK;
}
