/*
 * What an intruder would do who runs code in another process: makes it execute one system call, and tells the outcome.
 *
 *     intruder PID NUMBER [ARGUMENT...]
 *
 * An argument is a number (0x1f, -100), or bytes that it shall find in its memory: s:TEXT (with its NUL) or x:HEX; in
 * x:HEX each @ stands for the address, in eight bytes, of what the argument before it put there. Needs root. Prints
 * "returned N", or "killed N" where the call was its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 6, BYTES_MAX = 4096, BELOW_STACK = 16384 /* well beyond the red zone */ };

struct intruder {
    pid_t pid;
    int memory_fd;
    struct user_regs_struct before;
    unsigned long long room; /* where bytes are put next */
};

static void fail(const char *what)
{
    fprintf(stderr, "intruder: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The first 0f 05 in memory that it may execute. */
static unsigned long long find_syscall(const struct intruder *intruder)
{
    static uint8_t text[1 << 20];
    char path[64];
    char line[512];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)intruder->pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        fail(path);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long long from, to;
        char rights[5];
        if (sscanf(line, "%llx-%llx %4s", &from, &to, rights) != 3 || rights[2] != 'x' ||
            strstr(line, "/libc.so") == NULL)
            continue;
        size_t len = to - from < sizeof(text) ? (size_t)(to - from) : sizeof(text);
        ssize_t got = pread(intruder->memory_fd, text, len, (off_t)from);
        const uint8_t *found = got > 0 ? memmem(text, (size_t)got, "\x0f\x05", 2) : NULL;
        if (found != NULL) {
            fclose(maps);
            return from + (unsigned long long)(found - text);
        }
    }
    fprintf(stderr, "intruder: no syscall instruction found\n");
    exit(1);
}

static void stop(struct intruder *intruder)
{
    int status;
    char path[64];
    if (ptrace(PTRACE_SEIZE, intruder->pid, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, intruder->pid, 0, 0) != 0 ||
        waitpid(intruder->pid, &status, __WALL) != intruder->pid || !WIFSTOPPED(status))
        fail("cannot take hold of it");
    if (ptrace(PTRACE_GETREGS, intruder->pid, 0, &intruder->before) != 0)
        fail("registers");
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)intruder->pid);
    intruder->memory_fd = open(path, O_RDWR | O_CLOEXEC);
    if (intruder->memory_fd < 0)
        fail(path);
    intruder->room = (intruder->before.rsp - BELOW_STACK) & ~15ull;
}

static unsigned long long put(struct intruder *intruder, const uint8_t *bytes, size_t len)
{
    unsigned long long at = intruder->room;
    if (pwrite(intruder->memory_fd, bytes, len, (off_t)at) != (ssize_t)len)
        fail("its memory");
    intruder->room += (len + 15) & ~15ull;
    return at;
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static unsigned long long put_hex(struct intruder *intruder, const char *hex, unsigned long long before)
{
    uint8_t bytes[BYTES_MAX];
    size_t len = 0;
    while (*hex != '\0' && len + sizeof(before) < sizeof(bytes)) {
        if (*hex == '@') {
            memcpy(bytes + len, &before, sizeof(before));
            len += sizeof(before);
            hex++;
        } else {
            bytes[len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
            hex += 2;
        }
    }
    return put(intruder, bytes, len);
}

static unsigned long long take_argument(struct intruder *intruder, const char *text, unsigned long long before)
{
    if (strncmp(text, "s:", 2) == 0)
        return put(intruder, (const uint8_t *)text + 2, strlen(text) - 1);
    if (strncmp(text, "x:", 2) == 0)
        return put_hex(intruder, text + 2, before);
    return (unsigned long long)strtoll(text, NULL, 0);
}

/* It could not be asked: it is being killed by another, who was quick, and has an end to wait for. */
static void tell_end(const struct intruder *intruder, const char *what)
{
    int status;
    if (errno != ESRCH)
        fail(what);
    do {
        if (waitpid(intruder->pid, &status, __WALL) != intruder->pid)
            fail(what);
    } while (!WIFSIGNALED(status));
    printf("killed %d\n", WTERMSIG(status));
}

/* One step; false where it was the last. The first one may end where it began, as the call ends that it was held in. */
static bool step(const struct intruder *intruder, struct user_regs_struct *regs)
{
    int status;
    if (ptrace(PTRACE_SINGLESTEP, intruder->pid, 0, 0) != 0) {
        tell_end(intruder, "the call");
        return false;
    }
    if (waitpid(intruder->pid, &status, __WALL) != intruder->pid)
        fail("the call");
    if (WIFSIGNALED(status)) {
        printf("killed %d\n", WTERMSIG(status));
        return false;
    }
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
        fail("what became of the call");
    if (ptrace(PTRACE_GETREGS, intruder->pid, 0, regs) != 0) {
        tell_end(intruder, "what became of the call");
        return false;
    }
    return true;
}

/* Where it survives, registers are as they were. */
static void call(struct intruder *intruder, unsigned long long number, const unsigned long long arguments[ARGUMENTS])
{
    struct user_regs_struct regs = intruder->before;
    const unsigned long long at = find_syscall(intruder);
    regs.rip = at;
    regs.orig_rax = ~0ull; /* no call is under way that could be started again */
    regs.rax = number;
    regs.rdi = arguments[0];
    regs.rsi = arguments[1];
    regs.rdx = arguments[2];
    regs.r10 = arguments[3];
    regs.r8 = arguments[4];
    regs.r9 = arguments[5];
    if (ptrace(PTRACE_SETREGS, intruder->pid, 0, &regs) != 0)
        fail("registers");
    for (int steps = 0; regs.rip == at && steps < 4; steps++) {
        if (!step(intruder, &regs))
            return;
    }
    if (ptrace(PTRACE_SETREGS, intruder->pid, 0, &intruder->before) != 0 ||
        ptrace(PTRACE_DETACH, intruder->pid, 0, 0) != 0) {
        tell_end(intruder, "registers");
        return;
    }
    printf("returned %lld\n", (long long)regs.rax);
}

int main(int argc, char **argv)
{
    struct intruder intruder = {0};
    unsigned long long arguments[ARGUMENTS] = {0};
    if (argc < 3 || argc > 3 + ARGUMENTS) {
        fprintf(stderr, "usage: intruder PID NUMBER [ARGUMENT...]\n");
        return 2;
    }
    intruder.pid = (pid_t)strtol(argv[1], NULL, 10);
    stop(&intruder);
    for (int i = 3; i < argc; i++)
        arguments[i - 3] = take_argument(&intruder, argv[i], i > 3 ? arguments[i - 4] : 0);
    call(&intruder, strtoull(argv[2], NULL, 0), arguments);
    return 0;
}
