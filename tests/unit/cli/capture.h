/* Runs `ampoule ...` in this process with standard streams of its own, and keeps what it said. */
#ifndef AMP_TESTS_CAPTURE_H
#define AMP_TESTS_CAPTURE_H

#include "../support.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define CAPTURE_ARGS 24

struct capture {
    int exit_code;
    char out[65536];
    char err[8192];
};

static inline int scratch_file(const char *text)
{
    char path[] = "/tmp/ampoule-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static inline void take_output(int fd, char *into, size_t cap)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    const ssize_t got = read(fd, into, cap - 1);
    assert_true(got >= 0);
    into[got] = '\0';
    close(fd);
}

/* `arguments`: behind the program's name, up to NULL. The answer lives until the next run. */
static inline const struct capture *run_ampoule(const char *input, const char *const *arguments)
{
    static struct capture capture;
    static char copies[CAPTURE_ARGS][512];
    char *argv[CAPTURE_ARGS + 2] = {copies[0]};
    int argc = 1;
    int streams[3] = {scratch_file(input), scratch_file(""), scratch_file("")};
    int saved[3];
    snprintf(copies[0], sizeof copies[0], "ampoule");
    for (; *arguments != NULL; arguments++, argc++) {
        assert_true(argc < CAPTURE_ARGS);
        snprintf(copies[argc], sizeof copies[argc], "%s", *arguments);
        argv[argc] = copies[argc];
    }
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        saved[i] = dup(i);
        dup2(streams[i], i);
    }
    capture.exit_code = cli_run(argc, argv);
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    close(streams[0]);
    take_output(streams[1], capture.out, sizeof capture.out);
    take_output(streams[2], capture.err, sizeof capture.err);
    return &capture;
}

#define RUN(input, ...) run_ampoule(input, (const char *const[]){__VA_ARGS__, NULL})

#endif
