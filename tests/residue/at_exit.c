/*
 * Runs a program and holds it still when it is about to end, so that others can look at its memory: everything was
 * done and said, and the kernel has taken nothing back yet.
 *
 *     at_exit PROGRAM [ARGUMENT...]
 *
 * Writes the process's number and a newline to descriptor 3, waits for a byte, or the end, of descriptor 4, and exits
 * as the program did.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TELL_FD = 3, WAIT_FD = 4 };

static void fatal(const char *what)
{
    perror(what);
    exit(99);
}

static void run(char **argv)
{
    close(TELL_FD);
    close(WAIT_FD);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0)
        fatal("ptrace");
    execv(argv[0], argv);
    fatal(argv[0]);
}

static void let_look(pid_t pid)
{
    char byte;
    if (dprintf(TELL_FD, "%d\n", (int)pid) < 0)
        fatal("write");
    if (read(WAIT_FD, &byte, 1) < 0)
        fatal("read");
}

int main(int argc, char **argv)
{
    int status;
    if (argc < 2)
        return 99;
    pid_t pid = fork();
    if (pid < 0)
        fatal("fork");
    if (pid == 0)
        run(argv + 1);
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        fatal("waitpid");
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) != 0)
        fatal("PTRACE_SETOPTIONS");
    for (intptr_t pass_on = 0; ptrace(PTRACE_CONT, pid, NULL, pass_on) == 0;) {
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
            break;
        bool at_end = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
        if (at_end)
            let_look(pid);
        pass_on = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
