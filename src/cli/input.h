/* Reading what is secret, from standard input or a file, straight into secret memory. */
#ifndef AMP_CLI_INPUT_H
#define AMP_CLI_INPUT_H

#include "secret/secret.h"

#define CLI_INPUT_MAX (256u * 1024) /* of a native request */

/* Everything up to the end. AMP_ERR_TOO_LARGE above `max` bytes, AMP_ERR_IO, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err cli_input_all(struct amp_secret_buf *into, size_t max) AMP_MUST_USE;
/* The first line of a file, which may be a pipe, without its end and with a NUL behind it; `into` is empty before.
 * AMP_ERR_TRUNCATED where it is empty, AMP_ERR_TOO_LARGE above `max` bytes, AMP_ERR_IO, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err cli_input_first_line(struct amp_secret_buf *into, const char *path, size_t max) AMP_MUST_USE;
/* Asks at the terminal and appends the line without its end; with `hide` it is not echoed. */
enum amp_err cli_input_ask(struct amp_secret_buf *into, const char *question, bool hide) AMP_MUST_USE;
bool cli_input_is_terminal(void);

#endif
