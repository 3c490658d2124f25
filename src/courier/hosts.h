/* The file of hosts, hosts(5), as it is when it is read. */
#ifndef AMP_COURIER_HOSTS_H
#define AMP_COURIER_HOSTS_H

#include "base/address.h"

#define AMP_HOSTS_FILE      "/etc/hosts"
#define AMP_HOSTS_BYTES_MAX ((size_t)1 << 20) /* lines behind these are left out */

struct amp_hosts;
/* Where there is no such file nothing is known. AMP_ERR_IO (errno), AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_hosts_read(struct amp_hosts **out, const char *path) AMP_MUST_USE;
void amp_hosts_free(struct amp_hosts *hosts);

/* The addresses of one version that the file gives a name, in any case of its letters; returns how many, `max` at
 * most. */
size_t amp_hosts_find(const struct amp_hosts *hosts, struct amp_slice name, bool v4, struct amp_address *out,
                      size_t max);

#endif
