#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256

bool cli_input_is_terminal(void)
{
    return isatty(STDIN_FILENO) == 1;
}

/* One read behind what is there; *end where nothing follows. */
static enum amp_err read_some(int fd, struct amp_secret_buf *into, size_t most, bool *end)
{
    const ssize_t got = read(fd, into->ptr + into->len, most);
    if (got < 0)
        return errno == EINTR ? AMP_OK : AMP_ERR_IO;
    into->len += (size_t)got;
    *end = got == 0;
    return AMP_OK;
}

enum amp_err cli_input_all(struct amp_secret_buf *into, size_t max)
{
    bool end = false;
    while (!end) {
        enum amp_err err = amp_secret_buf_reserve(into, 4096);
        if (err == AMP_OK)
            err = read_some(STDIN_FILENO, into, 4096, &end);
        if (err != AMP_OK)
            return err;
        if (into->len > max)
            return AMP_ERR_TOO_LARGE;
    }
    return AMP_OK;
}

/* Up to a newline or the end; a pipe gives it in pieces. */
static enum amp_err read_line(int fd, struct amp_secret_buf *into, size_t room)
{
    const uint8_t *newline = NULL;
    bool end = false;
    enum amp_err err = amp_secret_buf_reserve(into, room);
    while (err == AMP_OK && newline == NULL && !end && into->len < room) {
        err = read_some(fd, into, room - into->len, &end);
        newline = memchr(into->ptr, '\n', into->len);
    }
    if (newline != NULL)
        into->len = (size_t)(newline - into->ptr);
    return err;
}

enum amp_err cli_input_first_line(struct amp_secret_buf *into, const char *path, size_t max)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return AMP_ERR_IO;
    const enum amp_err err = read_line(fd, into, max + 2); /* "\r\n", or the NUL */
    close(fd);
    if (err != AMP_OK)
        return err;
    if (into->len > 0 && into->ptr[into->len - 1] == '\r')
        into->len--;
    if (into->len == 0)
        return AMP_ERR_TRUNCATED;
    if (into->len > max)
        return AMP_ERR_TOO_LARGE;
    into->ptr[into->len] = '\0';
    return AMP_OK;
}

static struct termios before;

/* Ctrl-C while nothing is echoed must not leave the terminal so. */
static void restore_and_die(int signal_number)
{
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static bool hide_input(void)
{
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    struct termios hidden = before;
    (void)signal(SIGINT, restore_and_die);
    (void)signal(SIGTERM, restore_and_die);
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
}

static void show_input(void)
{
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)!write(STDERR_FILENO, "\n", 1);
}

enum amp_err cli_input_ask(struct amp_secret_buf *into, const char *question, bool hide)
{
    const size_t start = into->len;
    bool end = false;
    enum amp_err err = amp_secret_buf_reserve(into, LINE_MAX_BYTES);
    if (err != AMP_OK)
        return err;
    if (write(STDERR_FILENO, question, strlen(question)) < 0 || (hide && !hide_input()))
        return AMP_ERR_IO;
    while (err == AMP_OK && !end && into->len - start < LINE_MAX_BYTES) {
        err = read_some(STDIN_FILENO, into, 1, &end);
        if (into->len > start && into->ptr[into->len - 1] == '\n') {
            into->len--;
            break;
        }
    }
    if (hide)
        show_input();
    return err;
}
