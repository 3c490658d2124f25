"""A scribe whose disk hangs: alive, and silent."""
import os
import signal
import time
import unittest

from harness import CARD, DaemonCase, wait_until


class StuckLogTest(DaemonCase):
    def readiness(self):
        answer = self.client.get("/readyz", signed=False)
        return answer.status, answer.json()["checks"]["log_writable"]

    def test_work_is_refused_within_seconds(self):
        token = self.client.tokenize(ttl_ms=600000)
        scribe = self.daemon.roles()["scribe"]
        os.kill(scribe, signal.SIGSTOP)
        try:
            started = time.monotonic()
            self.assertEqual(self.client.post("/v1/tokens", {"card": CARD}).status, 201)  # not at once
            wait_until(lambda: self.client.post("/v1/tokens", {"card": CARD}).status == 503, what="a refusal")
            self.assertLess(time.monotonic() - started, 20)  # of 3 s, and what a busy machine takes
            self.assertEqual(self.readiness(), (503, False))
            self.assert_refused(self.client.post("/v1/redeem", {"token": token}), 503, "audit_unavailable")
            wait_until(lambda: self.daemon.log().count("does not answer") == 1, what="the message")
        finally:
            os.kill(scribe, signal.SIGCONT)
        wait_until(lambda: self.readiness() == (200, True), what="recovery")
        wait_until(lambda: self.daemon.log().count("answers again") == 1, what="the message")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)


if __name__ == "__main__":
    unittest.main()
