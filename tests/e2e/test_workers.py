"""What the workers of front share, and what they do for each other."""
import signal
import time
import unittest

from harness import CARD, Daemon, wait_until


class WorkersTest(unittest.TestCase):
    def test_one_asks_for_epoch_keys_for_all(self):
        """One key to use, and none to follow it before it is nearly spent: no worker asks for what another was given."""
        with Daemon("--workers", "8") as daemon:
            client = daemon.client()
            for _ in range(20):
                client.tokenize()
            client.close()
            made = [event for event in daemon.events() if event["event"] == "key.epoch"]
            self.assertEqual(len(made), 1)
            self.assertNotIn("could not be taken over", daemon.log())

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


if __name__ == "__main__":
    unittest.main()
