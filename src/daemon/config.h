/* From YAML text to struct amp_config. The table in config.c names every setting once: key, kind, bounds, default. */
#ifndef AMP_DAEMON_CONFIG_H
#define AMP_DAEMON_CONFIG_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/config.h"
#include "base/err.h"
#include "base/slice.h"

#define AMP_CONFIG_TEXT_MAX 65536

/* Told of every mistake in words for the person who wrote the file; `complain` may be NULL. */
struct amp_config_critic {
    void (*complain)(void *ctx, const char *text);
    void *ctx;
};

/*
 * Reads and checks all of it: unknown keys, wrong kinds, values out of bounds, missing files' paths. AMP_ERR_INVALID
 * after at least one complaint. `text` lives on; whether the files exist is not looked at.
 */
enum amp_err amp_config_parse(struct amp_config *out, struct amp_slice text,
                              const struct amp_config_critic *critic) AMP_MUST_USE;
/*
 * Event loops where a text names none: one for each core that was online when this was first asked. A core that was
 * switched on or off since is no reason to refuse a reload. A role is told what it is to take, before it reads a text:
 * what the supervisor has opened sockets and counted memory for.
 */
uint32_t amp_config_default_workers(void);
void amp_config_set_default_workers(uint32_t workers);
/* From now on limits.max_connections is held against this process's hard limit on open files; until then it is not. */
void amp_config_mind_open_files(void);
/* The same from an open file of at most AMP_CONFIG_TEXT_MAX bytes, read from its start; without complaints. */
enum amp_err amp_config_read(struct amp_config *out, int fd) AMP_MUST_USE;
/* Reads the text of an open file into caller's AMP_CONFIG_TEXT_MAX bytes. AMP_ERR_IO: also where it is no plain
 * file; AMP_ERR_TOO_LARGE. */
enum amp_err amp_config_load(int fd, uint8_t *text, size_t *len) AMP_MUST_USE;
/* Writes the text of a development configuration: these values, defaults for the rest. `separate`: roles have users of
 * their own, numbers that nobody has. */
void amp_config_write_dev(struct amp_out *out, const char *state, const char *address, uint32_t workers, bool separate);

/* "127.0.0.1:8443", "[::1]:8443": numeric addresses only. */
struct amp_config_address {
    struct sockaddr_storage addr;
    socklen_t len;
};
enum amp_err amp_config_address_parse(struct amp_config_address *out, const char *text) AMP_MUST_USE;
/* The reverse, with its NUL. */
void amp_config_address_format(char out[AMP_CONFIG_ADDRESS_MAX], const struct amp_config_address *address);
uint16_t amp_config_address_port(const struct amp_config_address *address);
bool amp_config_address_is_loopback(const struct amp_config_address *address);

#endif
