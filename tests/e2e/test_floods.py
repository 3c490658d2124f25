"""Strangers that send what is refused, as fast as they can."""
import os
import threading
import time
import unittest

from harness import CARD, DaemonCase, wait_until

PER_CONNECTION = 10  # PROTOCOL.md 1.6
PER_SOURCE = 20      # a second; PROTOCOL.md 6.6


class StrikesTest(DaemonCase):
    def test_a_connection_has_ten(self):
        request = f"GET /x HTTP/1.1\r\nhost: {self.daemon.host}\r\n\r\n".encode()
        with self.daemon.raw() as connection:
            connection.send(request * (PER_CONNECTION + 5))
            for count in range(1, PER_CONNECTION + 1):
                answer = connection.read_answer()
                self.assert_refused(answer, 404, "not_found")
                self.assertEqual(answer.headers.get("connection"), "close" if count == PER_CONNECTION else None)
            self.assertIsNone(connection.read_answer())


class FloodTest(DaemonCase):
    def refused(self, code="not_found"):
        """(records of one refusal each, refusals that records with a count stand for)"""
        records = [event for event in self.daemon.events() if event.get("code") == code]
        folded = [event for event in records if "count" in event]
        for event in folded:
            self.assertEqual((event["event"], event["outcome"], event["who"], event["source"]),
                             ("request", "refused", "front", "local"))
        return len(records) - len(folded), sum(event["count"] for event in folded)

    def test_refusals_are_counted_and_others_served(self):
        request = f"GET /x HTTP/1.1\r\nhost: {self.daemon.host}\r\n\r\n".encode()
        told, end = [], threading.Event()

        def flood():
            while not end.is_set():
                with self.daemon.raw() as connection:
                    connection.send(request * PER_CONNECTION)
                    told.append(connection.read_to_end().count(b"HTTP/1.1 404"))
        threads = [threading.Thread(target=flood) for _ in range(3)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            while time.monotonic() < started + 2 or sum(told) <= 500:
                self.assertEqual(self.client.post("/v1/tokens", {"card": CARD}).status, 201)
        finally:
            end.set()
            for thread in threads:
                thread.join()
        seconds = time.monotonic() - started
        total = sum(told)
        wait_until(lambda: sum(self.refused()) >= total, what="the records")
        singly, folded = self.refused()
        self.assertEqual(singly + folded, total)
        self.assertLessEqual(singly, PER_SOURCE * (seconds + 2) * os.cpu_count())


if __name__ == "__main__":
    unittest.main()
