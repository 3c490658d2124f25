/*
 * Leaks a secret on purpose, in one kind of place, so that the residue test can prove that it would be found there.
 *
 *     leak KIND [PATH] <DISGUISED      the secret with every byte XOR 0xaa, until its end or a newline
 *
 * Prints "ready" when it has leaked and stays until its standard input ends; kind `core` dies of SIGABRT instead. The
 * secret is never whole in this process but in the place named, and with kind `none` nowhere.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SECRET_MAX = 512, DISGUISE = 0xaa, PLACE_BYTES = 4096 };

static struct {
    uint8_t bytes[SECRET_MAX];
    size_t len;
} disguised;
static const char *path;
static char **arguments;

static void fatal(const char *what)
{
    perror(what);
    exit(2);
}

static void reveal_into(volatile uint8_t *place)
{
    for (size_t i = 0; i < disguised.len; i++)
        place[i] = disguised.bytes[i] ^ DISGUISE;
}

static void stay(void)
{
    char byte;
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        fatal("write");
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void leak_heap(void)
{
    uint8_t *place = malloc(PLACE_BYTES);
    if (place == NULL)
        fatal("malloc");
    reveal_into(place + 100);
    stay();
    free(place);
}

/* What free leaves behind: an allocator that does not wipe. */
static void leak_freed(void)
{
    uint8_t *place = malloc(PLACE_BYTES);
    if (place == NULL)
        fatal("malloc");
    reveal_into(place + 100);
    free(place);
    stay();
}

static __attribute__((noinline)) void leave_on_stack(void)
{
    volatile uint8_t place[PLACE_BYTES];
    reveal_into(place + 100);
}

static void leak_stack(void)
{
    leave_on_stack();
    stay();
}

static void *leak_in_thread(void *nothing)
{
    leave_on_stack();
    return nothing;
}

static void *leak_and_stay(void *nothing)
{
    leave_on_stack();
    stay();
    return nothing;
}

static void run_thread(void *(*run)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) != 0 || pthread_join(thread, NULL) != 0)
        fatal("pthread_create");
}

static void leak_thread(void)
{
    run_thread(leak_and_stay);
}

/* Its stack is kept for the next thread. */
static void leak_ended_thread(void)
{
    run_thread(leak_in_thread);
    stay();
}

static void leak_mapping(int flags, int fd)
{
    uint8_t *place = mmap(NULL, PLACE_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (place == MAP_FAILED)
        fatal("mmap");
    reveal_into(place + 100);
    stay();
}

static void leak_mmap(void)
{
    leak_mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void leak_shared(void)
{
    leak_mapping(MAP_SHARED | MAP_ANONYMOUS, -1);
}

static void leak_fenced(void)
{
    uint8_t *place = mmap(NULL, PLACE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        fatal("mmap");
    reveal_into(place + 100);
    if (mprotect(place, PLACE_BYTES, PROT_NONE) != 0)
        fatal("mprotect");
    stay();
}

static void write_revealed(int fd)
{
    for (size_t i = 0; i < disguised.len; i++) {
        volatile uint8_t byte = disguised.bytes[i] ^ DISGUISE;
        if (write(fd, (const void *)(uintptr_t)&byte, 1) != 1)
            fatal("write");
    }
}

/* In no mapping: in the open file alone. */
static void leak_memfd(void)
{
    int fd = memfd_create("leak", MFD_CLOEXEC);
    if (fd < 0)
        fatal("memfd_create");
    write_revealed(fd);
    stay();
}

static void leak_file(void)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        fatal(path);
    write_revealed(fd);
    stay();
}

/* Behind it the name of the file leads nowhere. */
static void leak_unlinked(void)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || unlink(path) != 0)
        fatal(path);
    write_revealed(fd);
    stay();
}

static void leak_log(void)
{
    for (const char *text = "request from 127.0.0.1: "; *text != '\0'; text++) {
        if (write(STDERR_FILENO, text, 1) != 1)
            fatal("write");
    }
    write_revealed(STDERR_FILENO);
    stay();
}

static void leak_core(void)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    uint8_t *place = malloc(PLACE_BYTES);
    if (place == NULL || setrlimit(RLIMIT_CORE, &unlimited) != 0)
        fatal("setrlimit");
    reveal_into(place + 100);
    abort();
}

/* The image that exec replaces takes all other copies with it. */
static void exec_with(bool in_environment)
{
    static char text[SECRET_MAX + 8] = "LEAK=";
    static char stay_word[] = "stay";
    char *argv[] = {arguments[0], stay_word, in_environment ? NULL : text, NULL};
    char *environ_[] = {in_environment ? text : NULL, NULL};
    reveal_into((uint8_t *)text + strlen(text));
    execve("/proc/self/exe", argv, environ_);
    fatal("execve");
}

static void leak_argv(void)
{
    exec_with(false);
}

static void leak_environ(void)
{
    exec_with(true);
}

static const struct {
    const char *name;
    void (*leak)(void);
} kinds[] = {{"none", stay},           {"heap", leak_heap},     {"freed", leak_freed},
             {"stack", leak_stack},    {"thread", leak_thread}, {"ended-thread", leak_ended_thread},
             {"mmap", leak_mmap},      {"shared", leak_shared}, {"fenced", leak_fenced},
             {"memfd", leak_memfd},    {"file", leak_file},     {"unlinked", leak_unlinked},
             {"log", leak_log},        {"core", leak_core},     {"argv", leak_argv},
             {"environ", leak_environ}};

static void read_disguised(void)
{
    while (disguised.len < sizeof(disguised.bytes) && read(STDIN_FILENO, disguised.bytes + disguised.len, 1) == 1 &&
           disguised.bytes[disguised.len] != '\n')
        disguised.len++;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "stay") == 0) {
        stay();
        return 0;
    }
    path = argc > 2 ? argv[2] : NULL;
    arguments = argv;
    read_disguised();
    for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].leak();
            return 0;
        }
    }
    fprintf(stderr, "usage: leak KIND [PATH]\n");
    return 2;
}
