"""Few descriptors: connections are limited by them, and nobody can take the last one."""
import os
import socket
import subprocess
import unittest

from harness import AMPOULED, Daemon, make_certificate, wait_until

FILES = 200
ROOM = 102  # what two workers with one address leave of them
FEW_FILES = ("prlimit", f"--nofile={FILES}:{FILES}", "--")


class OpenFilesTest(unittest.TestCase):
    def test_silent_connections_leave_a_descriptor_for_the_honest(self):
        # Who is exempt may have as many as he likes, and is never known: the honest are another address.
        daemon = Daemon(settings={"limits": {"exempt": ["127.0.0.2"]}})
        daemon.launcher = FEW_FILES
        silent = []
        with daemon:
            wait_until(lambda: "RLIMIT_NOFILE leaves room for no more connections" in daemon.log(), what="the warning")
            client = daemon.client()
            client.tokenize()
            for _ in range(2 * FILES):
                silent.append(socket.create_connection((daemon.host, daemon.port), source_address=("127.0.0.2", 0)))
            self.assertLessEqual(client.get("/v1/stats").json()["connections"], ROOM)
            client.close()
            client.tokenize()
            self.assertNotIn("accepting connections pauses", daemon.log())
            for one in silent:
                one.close()

    def test_a_number_that_does_not_fit_is_refused(self):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        os.makedirs(daemon.state, mode=0o700)
        make_certificate(daemon.home, "tls")

        def check(connections, *options):
            daemon.configure({"limits": {"max_connections": str(connections)}})
            return subprocess.run([*FEW_FILES, AMPOULED, "--config", daemon.config_path, *options], timeout=60,
                                  capture_output=True, text=True, check=False)
        self.assertEqual(check(ROOM, "--check-config").returncode, 0)
        for options in ((), ("--check-config",)):
            refused = check(ROOM + 1, *options)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("limits.max_connections of 103 is too much: RLIMIT_NOFILE allows 200 open files, "
                          "and 98 of them are for other things", refused.stderr)
            self.assertEqual(refused.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
