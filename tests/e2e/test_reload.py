"""SIGHUP: what changed is taken over without losing a token or a connection; what is not good changes nothing."""
import contextlib
import os
import re
import shutil
import ssl
import subprocess
import threading
import time
import unittest

from harness import AMPOULED, CARD, SANDBOX, Daemon, is_sanitized, make_certificate, parse_time, wait_until


class ReloadTest(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(settings={"vault": {"ttl": "10s"}})
        self.addCleanup(self.daemon.destroy)
        self.daemon.start()
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)

    def lives_about(self, seconds):
        """A condition: a token that asks for none lives so many seconds."""
        def lives():
            before = time.time()
            expiry = parse_time(self.client.post("/v1/tokens", {"card": CARD}).json()["expires_at"])
            return before - 0.01 <= expiry - seconds <= time.time() + 0.01
        return lives

    def certificate(self):
        """What a new connection is shown."""
        with self.daemon.raw(ssl._create_unverified_context()) as connection:
            return connection.socket.getpeercert(binary_form=True)

    def held_keys(self):
        """[(kB, kB locked, flags)] of the supervisor's mappings of the key's memory file."""
        with open(f"/proc/{self.daemon.process.pid}/smaps", encoding="ascii") as smaps:
            parts = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read(), flags=re.MULTILINE)
        fields = [dict(re.findall(r"^(\w+): +(.*?)(?: kB)? *$", part, re.MULTILINE)) for part in parts
                  if "ampoule-tls-key" in part.partition("\n")[0]]
        return [(int(found["Size"]), int(found["Locked"]), found["VmFlags"].split()) for found in fields]

    @unittest.skipIf(is_sanitized(), "a sanitizer's mlock locks nothing")
    def test_the_private_key_stays_out_of_swap_and_dumps(self):
        for _ in range(2):
            (size, locked, flags), = self.held_keys()
            self.assertGreater(locked, 0)
            self.assertEqual(locked, size)
            self.assertLessEqual({"lo", "dd", "dc"}, set(flags))
            self.assertNotIn("rd", flags)
            make_certificate(self.daemon.home, "tls")
            self.assertEqual(self.daemon.reload(), "success")

    def test_times_to_live(self):
        self.assertTrue(self.lives_about(10)())
        self.assertEqual(self.daemon.reload({"vault": {"ttl": "40s", "ttl_max": "60s"}}), "success")
        wait_until(self.lives_about(40), what="the new default")
        self.assertEqual(self.client.post("/v1/tokens", {"card": CARD, "ttl_ms": 60001}).code, "ttl_invalid")
        self.assertEqual(self.client.post("/v1/tokens", {"card": CARD, "ttl_ms": 60000}).status, 201)

    def test_tokens_claims_and_connections_stay(self):
        token, claimed = (self.client.tokenize(ttl_ms=600000) for _ in range(2))
        claim = self.client.post("/v1/claim", {"token": claimed}).json()["claim"]
        source = self.client.source
        self.assertEqual(self.daemon.reload({"vault": {"ttl": "20s"}}), "success")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["card"], CARD)
        self.assertEqual(self.client.post("/v1/commit", {"claim": claim}).status, 204)
        self.assertEqual(self.client.source, source)

    def test_no_role_dies_of_it_where_workers_are_not_named(self):
        with Daemon(settings={"workers": None}) as daemon, contextlib.closing(daemon.client()) as client:
            token = client.tokenize(ttl_ms=600000)
            self.assertEqual(daemon.reload({"workers": None, "vault": {"ttl": "20s"}}), "success")
            self.assertEqual(client.post("/v1/redeem", {"token": token}).json()["card"], CARD)
            daemon.stop()  # each role hears of it behind the reload
            self.assertEqual([event for event in daemon.events() if event["event"] == "role.died"], [])

    def test_the_mask(self):
        self.assertEqual(self.client.post("/v1/tokens", {"card": CARD}).json()["card"]["bin"], "411111")
        self.assertEqual(self.daemon.reload({"mask": {"bin8": "true"}}), "success")
        wait_until(lambda: self.client.post("/v1/tokens", {"card": CARD}).json()["card"]["bin"] == "41111111",
                   what="eight digits")

    def test_limits(self):
        self.assertEqual(self.daemon.reload({"limits": {"idle": "300ms"}}), "success")
        self.client.close()
        with self.daemon.raw() as connection:
            started = time.monotonic()
            self.assertTrue(connection.is_closed())
            self.assertLess(time.monotonic() - started, 10)

    def test_a_new_certificate(self):
        before = self.certificate()
        self.client.tokenize()
        source = self.client.source
        make_certificate(self.daemon.home, "tls")
        self.assertEqual(self.certificate(), before)
        self.assertEqual(self.daemon.reload(), "success")
        wait_until(lambda: self.certificate() != before, what="the new certificate")
        self.assertTrue(self.client.tokenize())
        self.assertEqual(self.client.source, source, "the old connection was closed")
        self.client.close()
        self.assertTrue(self.client.tokenize())

    def test_a_broken_certificate_changes_nothing(self):
        before = self.certificate()
        self.client.tokenize()  # connected: the file that it trusts is about to be broken
        for broken in ("nothing\n", "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            with open(os.path.join(self.daemon.home, "tls.crt"), "w", encoding="utf-8") as crt:
                crt.write(broken)
            self.assertEqual(self.daemon.reload(), "refused")
            self.assertEqual(self.certificate(), before)
        self.assertTrue(self.client.tokenize())
        self.assertIn("front", self.daemon.roles())

    def test_a_key_of_another_certificate_changes_nothing(self):
        before = self.certificate()
        _, key = make_certificate(self.daemon.home, "other")
        shutil.copy(key, os.path.join(self.daemon.home, "tls.key"))
        self.assertEqual(self.daemon.reload(), "refused")
        checked = subprocess.run([AMPOULED, "--config", self.daemon.config_path, "--check-config"], capture_output=True,
                                 text=True, timeout=60, check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertIn("cannot be used together", checked.stderr)
        self.assertEqual(self.certificate(), before)
        self.assertTrue(self.client.tokenize())

    def test_a_good_configuration_is_called_good(self):
        checked = subprocess.run([AMPOULED, "--config", self.daemon.config_path, "--check-config"], capture_output=True,
                                 text=True, timeout=60, check=False)
        self.assertEqual((checked.returncode, checked.stdout), (0, f"{self.daemon.config_path} is good\n"))

    def test_a_configuration_that_is_not_good_changes_nothing(self):
        for settings in ({"vault": {"ttl": "forever"}}, {"vault": {"ttl": "20s", "ttl_max": "10s"}},
                         {"nonsense": {"a": "b"}},
                         {"vault": {"ttl": "20s", "nonsense": "1"}}, {"limits": {"idle": "0ms"}}, {"workers": "3"},
                         {"listen": {"cert": "/nonexistent"}}, {"keys": {"provider": "file"}},
                         {"keys": {"forget_after": "1h"}},
                         {"sandbox": {**SANDBOX, "front": "61009"}}, {"sandbox": {**SANDBOX, "required": "false"}}):
            self.assertEqual(self.daemon.reload(settings), "refused", settings)
            self.assertTrue(self.lives_about(10)(), settings)
        with open(self.daemon.config_path, "w", encoding="utf-8") as config:
            config.write("state: [\n")
        self.assertEqual(self.daemon.reload(), "refused")
        os.unlink(self.daemon.config_path)
        self.assertEqual(self.daemon.reload(), "refused")
        self.assertTrue(self.lives_about(10)())
        self.assertEqual(self.daemon.reload({"vault": {"ttl": "20s"}}), "success")
        wait_until(self.lives_about(20), what="the good one")

    def test_under_load(self):
        """Ten reloads while requests go on: none fails."""
        failures = []
        end = threading.Event()

        def work():
            client = self.daemon.client()
            while not end.is_set():
                answer = client.post("/v1/redeem", {"token": client.tokenize()})
                if answer.status != 200:
                    failures.append(answer)
            client.close()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for round_ in range(10):
            self.assertEqual(self.daemon.reload({"vault": {"ttl": f"{10 + round_}s"}}), "success")
        end.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
