"""Nothing that a queue acknowledged is lost, FIFO order holds, and a message comes twice only where that is allowed.
queue_checker.c is the driver, and judges."""
import os
import re
import subprocess
import unittest

from again import Unforgivable
from harness import BUILD, Daemon, is_sanitized

CHECKER = os.path.join(BUILD, "tests", "e2e", "queue_checker")
CHECKER_SECONDS = 1200
MESSAGES = 200000


class QueueCheckerTest(unittest.TestCase):
    def test_the_checker_finds_planted_faults(self):
        done = subprocess.run([CHECKER, "--self-test"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertGreaterEqual(done.stdout.count("judged rightly"), 15)

    def test_200000_messages_of_concurrent_senders_and_receivers(self):
        count = MESSAGES // 20 if is_sanitized() else MESSAGES
        with Daemon("--workers", "2") as daemon:
            client = daemon.client()
            before = client.get("/v1/stats").json()["queues"]
            done = subprocess.run([CHECKER, str(count)], env={**os.environ, **daemon.env}, capture_output=True,
                                  text=True, timeout=CHECKER_SECONDS, check=False)
            if done.returncode == 1:
                raise Unforgivable(done.stdout + done.stderr)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr + daemon.log()[-2000:])
            numbers = {name: int(number) for name, number in re.findall(r"(?m)^([a-z, ]+): (\d+)$", done.stdout)}
            self.assertGreater(numbers["acknowledged"], count * 0.95, done.stdout)
            # It was no idle walk: trouble came.
            for trouble in ("abandoned", "deleted late", "shown again"):
                self.assertGreater(numbers["again, " + trouble], 0, done.stdout)
            self.assertGreater(numbers["unknown"], 0, done.stdout)
            self.assertEqual(sum("fault, " in line for line in done.stdout.splitlines()), 10, done.stdout)
            after = client.get("/v1/stats").json()["queues"]
            self.assertEqual((after["messages"], after["in_flight"], after["waiting"]), (0, 0, 0), after)
            # What remains are the deduplication ids of five minutes, of about half of the messages.
            self.assertLess(after["bytes"], before["bytes"] + (1 << 20) + 64 * count)
            client.close()


if __name__ == "__main__":
    unittest.main()
