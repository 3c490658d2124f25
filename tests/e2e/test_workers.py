"""What the workers of front share, and what they do for each other."""
import contextlib
import os
import signal
import subprocess
import time
import unittest

from harness import CARD, Daemon, wait_until


def write_text(path, text):
    """Over what is there: who has the file mounted sees it."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class WorkersTest(unittest.TestCase):
    def test_one_asks_for_epoch_keys_for_all(self):
        """One key to use, and none to follow it before it is nearly spent: no worker asks for what another was given."""
        with Daemon("--workers", "8") as daemon:
            client = daemon.client()
            for _ in range(20):
                client.tokenize()
            client.close()
            daemon.wait_event(lambda event: event["event"] == "key.epoch")
            daemon.stop()  # and with it comes what was on its way
            self.assertEqual(sum(event["event"] == "key.epoch" for event in daemon.events()), 1)
            self.assertNotIn("could not be taken over", daemon.log())

    def test_none_refuses_once_the_daemon_is_ready(self):
        with Daemon("--workers", "16") as daemon:
            for role in ("scribe", "keeper", "front"):
                pid = daemon.roles()[role]
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda role=role, pid=pid: daemon.roles().get(role, pid) != pid, what=f"another {role}")
                daemon.wait_ready()
            for _ in range(64):
                with contextlib.closing(daemon.client()) as client:
                    self.assertEqual(client.post("/v1/tokens", {"card": CARD}).status, 201)

    def test_the_last_worker_sweeps_what_the_others_leave(self):
        with Daemon("--workers", "4") as daemon:
            client = daemon.client()
            with daemon.raw() as slow:
                # Its worker cannot end before the body has come; the others do at once.
                slow.send(b"POST /v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
                items = [{"card": CARD, "ttl_ms": 1500}] * 100
                self.assertEqual(client.post("/v1/tokens/batch", {"items": items}).status, 200)
                client.close()
                daemon.process.send_signal(signal.SIGTERM)

                def swept():
                    return sum(event["count"] for event in daemon.events() if event["event"] == "token.expire")
                wait_until(lambda: swept() == 100, what="the expiry of all")
                self.assertIsNone(daemon.process.poll())
            self.assertEqual(daemon.process.wait(30), 0)
            daemon.process = None

    @unittest.skipUnless(os.geteuid() == 0, "needs root to play the machine's cores")
    def test_cores_that_come_and_go_change_nothing(self):
        """A front that is started again serves the sockets that were opened at the start, and no others."""
        daemon = Daemon(settings={"workers": None})
        online = os.path.join(daemon.home, "online")
        play = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /sys/devices/system/cpu/online && exec "$@"', online)
        write_text(online, "0-4\n")
        if subprocess.run([*play, "true"], check=False).returncode != 0:
            daemon.destroy()
            self.skipTest("may not mount")
        daemon.launcher = play
        with daemon:
            write_text(online, "0-1\n")
            front = daemon.roles()["front"]
            os.kill(front, signal.SIGKILL)
            wait_until(lambda: daemon.roles().get("front") not in (None, front), what="another front")
            daemon.wait_ready()
            for pid in daemon.roles().values():
                with open(f"/proc/{pid}/cmdline", "rb") as words:
                    self.assertIn(b"\0--workers\0005\0", words.read())
            daemon.client().tokenize()
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event(lambda event: event["event"] == "config.reload" and event["outcome"] == "success")


if __name__ == "__main__":
    unittest.main()
