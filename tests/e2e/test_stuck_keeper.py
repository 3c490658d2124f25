"""A keeper that hangs: alive, and silent."""
import os
import signal
import unittest

from harness import DaemonCase, wait_until


class StuckKeeperTest(DaemonCase):
    def readiness(self):
        answer = self.client.get("/readyz", signed=False)
        return answer.status, answer.json()["checks"]["keeper_reachable"]

    def test_an_idle_front_notices(self):
        keeper = self.daemon.roles()["keeper"]
        os.kill(keeper, signal.SIGSTOP)
        try:
            wait_until(lambda: self.readiness() == (503, False), what="a front that is not ready")
            wait_until(lambda: "the keeper does not answer" in self.daemon.log(), what="the message")
        finally:
            os.kill(keeper, signal.SIGCONT)
        wait_until(lambda: self.readiness() == (200, True), what="recovery")
        wait_until(lambda: "the keeper answers again" in self.daemon.log(), what="the message")
        self.client.tokenize(ttl_ms=600000)


if __name__ == "__main__":
    unittest.main()
