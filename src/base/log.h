/*
 * Operational messages of the process to standard error, one line each, as JSON. Not the event log (room
 * audit). Takes only fixed text and numbers that are no payload: there is no format string, so no secret slips in.
 */
#ifndef AMP_BASE_LOG_H
#define AMP_BASE_LOG_H

#include <stdint.h>

enum amp_log_level { AMP_LOG_ERROR, AMP_LOG_WARN, AMP_LOG_INFO, AMP_LOG_DEBUG };

/* `who` names the process in every line ("front"); static storage. Messages above `level` are dropped. */
void amp_log_init(const char *who, enum amp_log_level level);
/* Any thread, at any time. */
void amp_log_set_level(enum amp_log_level level);
/* `what`: fixed text. */
void amp_log(enum amp_log_level level, const char *what);
/* The same with one number: amp_log_num(AMP_LOG_INFO, "workers started", "count", 2). */
void amp_log_num(enum amp_log_level level, const char *what, const char *key, int64_t value);
/* The same with errno's text. */
void amp_log_errno(enum amp_log_level level, const char *what, int errnum);
/* The same with one public text: a path, an address, a key id. Never a payload. */
void amp_log_text(enum amp_log_level level, const char *what, const char *key, const char *value);
/* The same with errno's text beside it. */
void amp_log_text_errno(enum amp_log_level level, const char *what, const char *key, const char *value, int errnum);
/* Says why and aborts: for broken invariants. */
void amp_fatal(const char *what) __attribute__((noreturn));

#endif
