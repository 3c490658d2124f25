"""Two thousand long polls that wait at once: what the waiting costs, and that each is there."""
import json
import os
import resource
import time
import unittest

from harness import Daemon, Signer, is_sanitized, raw_request, wait_until
from sqs import Sqs, unique_name

POLLS = 200 if is_sanitized() else 2000
POLL_SECONDS = 20  # the longest there is
ROOM = 2 * POLLS
LIMITS = {"idle": "10m", "max_connections": POLLS * 3 // 2, "max_connections_per_source": ROOM, "max_connections_per_principal": ROOM,
          "max_requests_per_principal": ROOM, "startups": f"{ROOM}:30:{ROOM + 1}"}


def cpu_seconds(pid):
    """CPU time of all its threads so far, to the nanosecond."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


class ManyPollsTest(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < ROOM:
            self.skipTest(f"no more than {hard} open files are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ROOM), hard))
        self.daemon = self.enterContext(Daemon("--workers", "2", settings={"limits": LIMITS}))
        self.sqs = self.enterContext(Sqs(self.daemon))
        self.stats = self.daemon.client()
        self.addCleanup(self.stats.close)

    def look(self):
        return self.stats.get("/v1/stats").json()

    def least_of_a_second(self, pid):
        """CPU seconds. What comes now and then is not of the polls."""
        marks = [cpu_seconds(pid)]
        for _ in range(3):
            time.sleep(1)
            marks.append(cpu_seconds(pid))
        return min(behind - before for before, behind in zip(marks, marks[1:]))

    def park(self, url):
        """All connected and signed before the first asks, so that they wait together for most of their time."""
        signer = Signer(self.daemon.key_id, self.daemon.secret, self.daemon.region, "sqs")
        body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": POLL_SECONDS}).encode()
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage"}
        host = f"{self.daemon.host}:{self.daemon.port}"
        requests = [raw_request("POST", "/", host, signer.headers("POST", self.daemon.url + "/", body, headers), body)
                    for _ in range(POLLS)]
        context = self.daemon.tls_context()
        connections = [self.enterContext(self.daemon.raw(context)) for _ in range(POLLS)]
        for connection, request in zip(connections, requests):
            connection.send(request)
        wait_until(lambda: self.look()["parked"] == POLLS, POLL_SECONDS, f"{POLLS} parked calls")
        return connections

    def test_they_cost_no_cpu_and_are_all_there(self):
        url = self.sqs.create(unique_name())
        front = self.daemon.roles()["front"]
        idle = self.least_of_a_second(front)
        connections = self.park(url)
        waiting = self.least_of_a_second(front)
        self.assertEqual(self.look()["parked"], POLLS)
        self.assertLess(waiting, 1.5 * idle + 0.006)
        self.sqs.call("DeleteQueue", QueueUrl=url)
        self.assertEqual({connection.read_answer().status for connection in connections}, {400})
        self.assertEqual(self.look()["parked"], 0)


if __name__ == "__main__":
    unittest.main()
