/* Telling systemd how we are: sd_notify(3), "Notes". */
#ifndef AMP_DAEMON_NOTIFY_H
#define AMP_DAEMON_NOTIFY_H

/*
 * Sends one assignment, such as "READY=1", to the socket that NOTIFY_SOCKET names. Nothing where it names none. Never
 * blocks; a failure is said in the log and changes nothing: whoever started us waits no longer than he likes.
 */
void amp_notify(const char *assignment);

#endif
