/* What the tests of the sandbox share. */
#ifndef AMP_TESTS_SANDBOX_ATTEMPTS_H
#define AMP_TESTS_SANDBOX_ATTEMPTS_H

#include <netinet/in.h>
#include <sys/types.h>

#include "../tempdir.h"
#include "ipc/ipc.h"

struct fixture {
    struct tempdir dir;
    int listen_fd; /* TCP, of loopback */
    struct sockaddr_in address;
    pid_t sibling;
    bool with_pool; /* the next child's attempt needs secret memory, which no fork inherits */
};
extern struct fixture fx;

/* In the child, before it is confined: the names that the role will speak of; where it has none, one that is no pin. */
enum amp_err pin_names(enum amp_role role);

/* Each is one attempt of a child that is confined: 0 or an errno. */
int open_another_name(void);
int open_the_name_elsewhere(void);
int open_the_end_of_the_name(void);
int open_the_name_in_another_way(void);
int open_the_name_behind_a_link(void);
int rename_to_another_name(void);
int rename_another_file(void);
int rename_by_another_call(void);
int link_to_another_name(void);
int unlink_another_file(void);
int unlink_a_directory(void);
int make_a_directory(void);
int make_a_link(void);
int list_the_directory(void);
int change_a_mode(void);
int take_the_descriptors_number(void);
int copy_a_descriptor(void);
int make_pins_writable(void);
int make_all_from_below_writable(void);
int unmap_pins(void);
int map_over_pins(void);
int map_beside_pins(void);
int move_over_pins(void);
int move_pins_away(void);
int empty_pins(void);
int read_into_pins(void);
int keep_a_sealed_file(void);
int keep_a_log(void);

#endif
