/* Runs a function in a child process, for what is meant to kill it. */
#ifndef AMP_TESTS_CHILD_H
#define AMP_TESTS_CHILD_H

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* Status as of waitpid; `said`: what the child wrote to standard error, NUL-terminated. The child leaves no core. */
static inline int status_of_child_saying(void (*act)(void), char *said, size_t cap)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* cmocka would catch it and go on with the next test */
        act();
        _exit(0);
    }
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; len < cap - 1 && (n = read(fds[0], said + len, cap - 1 - len)) > 0;)
        len += (size_t)n;
    said[len] = '\0';
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline int status_of_child(void (*act)(void))
{
    char said[4096];
    return status_of_child_saying(act, said, sizeof(said));
}

/* `why`: part of its last words. */
static inline void assert_aborts(void (*act)(void), const char *why)
{
    char said[4096];
    int status = status_of_child_saying(act, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, why));
}

static inline void assert_faults(void (*act)(void))
{
    int status = status_of_child(act);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static inline void assert_succeeds(void (*act)(void))
{
    int status = status_of_child(act);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
