"""One number, memory_max, holds for everything at once; who was there before is served on."""
import contextlib
import subprocess
import unittest

from harness import AMPOULED, CARD, Daemon, is_sanitized
from sqs import Sqs, error_of, unique_name

MIB = 1 << 20
CAP = 256 * MIB
BEYOND = 64 * MIB  # OPERATIONS.md, "Memory": programs, stacks, what allocators keep
BODY_LEN, BODIES = 250000, 150  # such a cap has room for a third of them,
CONNECTIONS = 600  # and for no more than 500 of these, four fifths of them of strangers


class MemoryCapTest(unittest.TestCase):
    def fill_vault(self, client):
        """The first token; as many more as fit."""
        first = client.tokenize(ttl_ms=900000)
        while True:
            answer = client.post("/v1/tokens", {"data": ["x" * 1000] * 200, "ttl_ms": 900000})
            if answer.status != 201:
                self.assertEqual((answer.status, answer.code), (503, "vault_full"))
                return first

    def fill_queues(self, sqs):
        url = sqs.create(unique_name())
        while True:
            answer = sqs.json("SendMessage", {"QueueUrl": url, "MessageBody": "y" * 200000})
            if answer.status != 200:
                self.assertEqual((answer.status, error_of(answer)), (503, "ServiceUnavailable"))
                return

    def open(self, daemon, body=b""):
        """A stranger's connection that has sent this much of its body, or None where it was not let in or cut off."""
        connection = None
        try:
            connection = daemon.raw()
            if body:
                connection.send(f"POST /v1/tokens HTTP/1.1\r\nhost: {daemon.host}\r\ncontent-type: application/json\r\n"
                                f"content-length: {len(body) + 1}\r\n\r\n".encode() + body)
            return connection
        except OSError:
            if connection is not None:
                connection.close()
            return None

    @unittest.skipIf(is_sanitized(), "a sanitizer's own memory is beyond any cap")
    def test_vault_queues_bodies_and_connections_stay_under_it_together(self):
        settings = {"memory_max": f"{CAP // MIB}MiB", "workers": "1", "limits": {"body": "10m", "idle": "10m"}}
        with Daemon(settings=settings) as daemon, Sqs(daemon) as sqs, contextlib.ExitStack() as held:
            client, peaks = daemon.client(), []
            token = self.fill_vault(client)
            self.fill_queues(sqs)
            for body, count in ((b"[" * BODY_LEN, BODIES), (b"", CONNECTIONS)):
                for number in range(count):
                    connection = self.open(daemon, body)
                    if connection is not None:
                        held.callback(connection.close)
                    if number % 20 == 0:
                        peaks.append(daemon.resident_bytes())
                        self.assertEqual(client.post("/v1/inspect", {"token": token}).status, 200)
            self.assertLess(max(peaks), CAP + BEYOND)
            # What would have passed it was refused: bodies by an answer, connections at the door.
            daemon.wait_event(lambda event: event.get("code") == "overloaded" and event["event"] == "request")
            self.assertGreater(client.get("/v1/stats").json()["refused"]["startups"], 0)
            self.assertEqual(client.post("/v1/redeem", {"token": token}).json()["card"], CARD)
            self.assertEqual([event for event in daemon.events() if event["event"] == "role.died"], [])


class ConfigurationTest(unittest.TestCase):
    def test_shares_that_do_not_fit_are_named_and_nothing_starts(self):
        with Daemon(settings={"memory_max": "512MiB"}) as daemon:
            self.assertEqual(daemon.reload({"memory_max": "513MiB"}), "refused")
            self.assertEqual(daemon.reload({"memory_max": "512MiB", "limits": {"max_connections": "77"}}), "refused")
            daemon.configure({"memory_max": "512MiB", "vault": {"memory_max": "300MiB"}})
            checked = subprocess.run([AMPOULED, "--config", daemon.config_path, "--check-config"], capture_output=True,
                                     text=True, timeout=60, check=False)
            self.assertEqual(checked.returncode, 2)
            self.assertIn("memory_max of 512 MiB is too little: vault.memory_max takes 600 MiB, 2 workers take 64 MiB; "
                          "with the rest 799 MiB are needed", checked.stderr)


if __name__ == "__main__":
    unittest.main()
