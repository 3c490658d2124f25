/* Runs a function in a child process, for what is meant to kill it. */
#ifndef AMP_TESTS_CHILD_H
#define AMP_TESTS_CHILD_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* Status as of waitpid. The child's standard error is closed, it leaves no core, and 0 is its exit after
 * `act`. */
static inline int status_of_child(void (*act)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* cmocka would catch it and go on with the next test */
        act();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline void assert_aborts(void (*act)(void))
{
    int status = status_of_child(act);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
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
