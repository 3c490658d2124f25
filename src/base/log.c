/*
 * A line is built in one fixed buffer and leaves by one write(2): no stdio, whose buffers nobody wipes. Texts
 * are clipped before they are escaped, so that a line always fits and stays below PIPE_BUF, where writes are
 * atomic.
 */
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"

enum { LINE_CAP = 4096, TEXT_CAP = 512, ESCAPED_LEN = 6 };

/* The one text from elsewhere fully escaped, beside `who`, `what` and `key`, which are the house's own and
 * short. */
_Static_assert(TEXT_CAP *ESCAPED_LEN + 1000 < LINE_CAP, "a line must hold an escaped text");

static const char *process = "ampoule";
static _Atomic enum amp_log_level threshold = AMP_LOG_INFO;

void amp_log_init(const char *who, enum amp_log_level level)
{
    process = who;
    amp_log_set_level(level);
}

void amp_log_set_level(enum amp_log_level level)
{
    threshold = level;
}

static const char *level_name(enum amp_log_level level)
{
    switch (level) {
    case AMP_LOG_ERROR:
        return "error";
    case AMP_LOG_WARN:
        return "warn";
    case AMP_LOG_INFO:
        return "info";
    case AMP_LOG_DEBUG:
        return "debug";
    }
    return "error";
}

/* A JSON string. What is not printable ASCII is written as \u00XX: nothing can forge a line or drive a
 * terminal. */
static void out_quoted(struct amp_out *out, const char *text)
{
    size_t len = strnlen(text, TEXT_CAP);
    amp_out_byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            amp_out_byte(out, c);
        } else {
            amp_out_str(out, "\\u00");
            amp_out_hex(out, &c, 1);
        }
    }
    amp_out_byte(out, '"');
}

static void out_member(struct amp_out *out, const char *key, const char *value)
{
    amp_out_byte(out, ',');
    out_quoted(out, key);
    amp_out_byte(out, ':');
    out_quoted(out, value);
}

static struct amp_out line_begin(void *storage, enum amp_log_level level, const char *what)
{
    struct amp_clock clock = amp_clock_system();
    struct amp_out line = amp_out(storage, LINE_CAP - 2); /* kept back for "}\n" */
    amp_out_str(&line, "{\"time\":\"");
    amp_out_time(&line, amp_clock_unix_ms(&clock));
    amp_out_byte(&line, '"');
    out_member(&line, "who", process);
    out_member(&line, "level", level_name(level));
    out_member(&line, "message", what);
    return line;
}

static void line_end(struct amp_out *line)
{
    line->cap += 2;
    amp_out_str(line, "}\n");
    int saved = errno;
    size_t sent = 0;
    while (sent < line->len) {
        ssize_t n = write(STDERR_FILENO, line->ptr + sent, line->len - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* nobody reads standard error; there is no further place to say so */
        sent += (size_t)n;
    }
    errno = saved;
}

void amp_log(enum amp_log_level level, const char *what)
{
    if (level > threshold)
        return;
    uint8_t storage[LINE_CAP];
    struct amp_out line = line_begin(storage, level, what);
    line_end(&line);
}

void amp_log_num(enum amp_log_level level, const char *what, const char *key, int64_t value)
{
    if (level > threshold)
        return;
    uint8_t storage[LINE_CAP];
    struct amp_out line = line_begin(storage, level, what);
    amp_out_byte(&line, ',');
    out_quoted(&line, key);
    amp_out_byte(&line, ':');
    amp_out_i64(&line, value);
    line_end(&line);
}

/* Static text, no locale, any thread. */
static const char *errno_text(int errnum)
{
    const char *text = strerrordesc_np(errnum);
    return text != NULL ? text : "unknown error";
}

void amp_log_errno(enum amp_log_level level, const char *what, int errnum)
{
    amp_log_text(level, what, "error", errno_text(errnum));
}

void amp_log_text(enum amp_log_level level, const char *what, const char *key, const char *value)
{
    if (level > threshold)
        return;
    uint8_t storage[LINE_CAP];
    struct amp_out line = line_begin(storage, level, what);
    out_member(&line, key, value);
    line_end(&line);
}

void amp_log_text_errno(enum amp_log_level level, const char *what, const char *key, const char *value, int errnum)
{
    if (level > threshold)
        return;
    uint8_t storage[LINE_CAP];
    struct amp_out line = line_begin(storage, level, what);
    out_member(&line, key, value);
    out_member(&line, "error", errno_text(errnum));
    line_end(&line);
}

void amp_fatal(const char *what)
{
    amp_log(AMP_LOG_ERROR, what);
    abort();
}
