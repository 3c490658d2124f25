#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* No core dump and no debugger sees what passes through here. */
static void harden(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/*
 * A standard descriptor that the caller closed would go to the next file or socket that is opened, and a card meant for
 * standard output would be written to the connection in the clear. What stands there instead can be neither read from
 * (input) nor written to (output): the command says so and fails. Nor does a reader that went away kill the process:
 * what was begun, such as the subscription of `listen`, is ended properly.
 */
static bool keep_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

int main(int argc, char **argv)
{
    if (!keep_standard_descriptors())
        return CLI_REFUSED;
    harden();
    const int code = cli_run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "ampoule: the answer cannot be written to standard output\n");
    return code == CLI_DONE ? CLI_REFUSED : code;
}
